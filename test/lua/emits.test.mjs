// Emits: what backends publish is told once, whoever comes with it, in whichever order they come.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { until } from "../e2e/lib/patience.mjs";
import { Listener } from "./lib/listener.mjs";
import { PREFIX } from "./lib/scripts.mjs";
import { micros, suiteStage } from "./lib/stage.mjs";

const SECOND = 1e6;
const MARKS = `${PREFIX}emits:{socket.io}`;

describe("emits", () => {
    const stage = suiteStage();

    const claimsOf = (user) => user.events.replace("events:", "claims:");
    const add = (user, mark, number, body = `"event ${number}"`) =>
        stage.scripts.call("emit_add", [user.events, user.channel, claimsOf(user)], [mark, number, body]);
    const disconnect = (user, mark, number) =>
        stage.scripts.call("emit_disconnect", [user.devices, user.channel, claimsOf(user)], [mark, number]);
    const markOf = async (secondsAgo = 0, prefix = "socket.io") =>
        `${(await micros(stage.redis)) - secondsAgo * SECOND} ${prefix}`;

    async function kept(user) {
        const entries = await stage.redis.call("XRANGE", user.events, "-", "+");
        return entries.map(([, fields]) => fields[3]);
    }

    test("the first who comes tells it, as any event is told", async () => {
        const user = await stage.user().listen();
        const mark = await markOf();
        const [outcome, number] = await add(user, mark, 1);
        assert.equal(outcome, "applied");
        const heard = await user.published();
        assert.deepEqual(
            heard.map(({ kind, seq, other }) => [kind, seq, other]),
            [["e", number, '"event 1"']],
        );
        assert.deepEqual(await add(user, mark, 1), ["taken"]);
        assert.deepEqual(await user.published(), []);
        assert.deepEqual(await kept(user), ['"event 1"']);
    });

    test("numbers may be left out: they were for other users", async () => {
        const user = stage.user();
        const mark = await markOf();
        for (const [number, outcome] of [
            [3, "applied"],
            [1, "taken"],
            [3, "taken"],
            [10, "applied"],
            [9, "taken"],
            [11, "applied"],
        ]) {
            assert.equal((await add(user, mark, number))[0], outcome, `number ${number}`);
        }
        assert.deepEqual(await kept(user), ['"event 3"', '"event 10"', '"event 11"']);
    });

    test("marks count for themselves, so that who lags behind one loses nothing", async () => {
        const user = stage.user();
        const [old, young] = [await markOf(5), await markOf()];
        for (const [mark, number, outcome] of [
            [old, 1, "applied"],
            [young, 1, "applied"],
            [old, 2, "applied"],
            [old, 1, "taken"],
            [young, 1, "taken"],
            [young, 2, "applied"],
        ]) {
            assert.equal((await add(user, mark, number))[0], outcome);
        }
        assert.equal((await kept(user)).length, 4);
    });

    test("of another prefix, the same mark is another", async () => {
        const user = stage.user();
        const mark = await markOf();
        assert.equal((await add(user, mark, 1))[0], "applied");
        assert.equal((await add(user, mark.replace("socket.io", "other"), 1))[0], "applied");
    });

    test("users count for themselves", async () => {
        const mark = await markOf();
        for (const user of [stage.user(), stage.user()]) {
            assert.equal((await add(user, mark, 7))[0], "applied");
        }
    });

    test("what nobody can know any more is told to nobody", async () => {
        const user = stage.user();
        assert.deepEqual(await add(user, await markOf(61), 1), ["stale"]);
        assert.deepEqual(await kept(user), []);
        assert.equal((await add(user, await markOf(58), 1))[0], "applied");
    });

    test("what is known about marks goes with their time", async () => {
        const user = stage.user();
        const old = await markOf(59.8);
        assert.equal((await add(user, old, 1))[0], "applied");
        for (let now = await micros(stage.redis); now < Number(old.split(" ")[0]) + 60.1 * SECOND; ) {
            now = await micros(stage.redis);
        }
        const young = await markOf();
        assert.equal((await add(user, young, 1))[0], "applied");
        assert.deepEqual(await stage.redis.call("HKEYS", claimsOf(user)), [young]);
        const left = Number(await stage.redis.call("PTTL", claimsOf(user)));
        assert.ok(left > 60000 && left <= 120000, `${left} ms`);
    });

    test("a user is sent away once, with the sessions that poll", async () => {
        const user = await stage.user().listen();
        const mark = await markOf();
        const ends = (await stage.redis.now()) + 60000;
        await stage.redis.call("ZADD", user.devices, ends, "a 1 45000 events polling", ends, "b 1 45000 events websocket");
        assert.deepEqual(await disconnect(user, mark, 1), ["applied", "a"]);
        assert.deepEqual(await disconnect(user, mark, 1), ["taken"]);
        assert.deepEqual(
            (await user.published()).map(({ kind }) => kind),
            ["d"],
        );
        assert.equal((await add(user, mark, 1))[0], "taken");
        assert.equal((await add(user, mark, 2))[0], "applied");
    });

    test("marks grow, whatever the clock says, and all hear them", async () => {
        await stage.redis.call("DEL", MARKS);
        const listener = await Listener.open(stage.redis, MARKS);
        const mark = async () => {
            assert.deepEqual(await stage.scripts.call("emit_mark", [MARKS, MARKS], []), ["applied"]);
            return Number(await stage.redis.call("GET", MARKS));
        };
        const before = await micros(stage.redis);
        const marks = [await mark(), await mark(), await mark()];
        assert.ok(before <= marks[0] && marks[0] < marks[1] && marks[1] < marks[2]);
        const future = (await micros(stage.redis)) + 5 * SECOND;
        await stage.redis.call("SET", MARKS, future);
        assert.equal(await mark(), future + 1);
        assert.ok(Number(await stage.redis.call("PTTL", MARKS)) > 0);
        await until(() => listener.heard.length === 4, "four marks");
        assert.deepEqual(listener.heard.map(Number), [...marks, future + 1]);
        listener.close();
    });
});
