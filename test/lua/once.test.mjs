// Once: whatever a backend says with an Idempotency-Key happens once and is answered the same, for five minutes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Listener } from "./lib/listener.mjs";
import { Room } from "./lib/room.mjs";
import { EVERYBODY, onceOf, PREFIX } from "./lib/scripts.mjs";
import { suiteStage } from "./lib/stage.mjs";

const FIVE_MINUTES = 300000;

let names = 0;

describe("once", () => {
    const stage = suiteStage();

    // What can be said with a key: `say` says it, `told` is how many were told of it since the last look.
    const sayings = {
        async event_add() {
            const user = await stage.user().listen();
            const keys = [user.events, user.channel];
            const say = (text, once) => stage.once("event_add", keys, [JSON.stringify(text)], user.name, once);
            return { name: user.name, say, told: async () => (await user.published()).length };
        },
        async playback_command() {
            const user = await stage.user().listen();
            const keys = [user.player, user.events, user.channel, user.devices];
            const say = (text, once) =>
                stage.once("playback_command", keys, ["next", "", JSON.stringify(text), "-", 0], user.name, once);
            return { name: user.name, say, told: async () => (await user.published()).length };
        },
        async user_disconnect() {
            const user = await stage.user().listen();
            const end = (await stage.redis.now()) + 20000;
            for (const id of ["p1", "p2"]) {
                await stage.redis.call("ZADD", user.devices, end, `${id} 17 45000 playback polling`);
            }
            const keys = [user.devices, user.channel];
            const say = (text, once) => stage.once("user_disconnect", keys, [], user.name, once);
            return { name: user.name, say, told: async () => (await user.published()).length };
        },
        async room_say() {
            const room = await new Room(stage).listen();
            await room.join();
            await room.published();
            const say = (text, once) => room.say("", text, { once });
            return { name: room.name, say, told: async () => (await room.published()).length };
        },
        async feed_say() {
            const name = `topic-of-once-${++names}`;
            const channel = `${PREFIX}feed:{${name}}`;
            const listener = await Listener.open(stage.redis, channel);
            stage.listeners.push(listener);
            const keys = [channel, `${PREFIX}lately:{${name}}`, channel];
            const say = (text, once) => stage.once("feed_say", keys, [text, text], name, once);
            return { name, say, told: async () => (await listener.take(stage.redis, channel)).length };
        },
    };

    const textOf = (answer) => answer.map(String); // what is kept is text

    for (const [script, open] of Object.entries(sayings)) {
        describe(script, () => {
            test("happens once, and is answered the same", async () => {
                const { say, told } = await open();
                const once = { key: "k", mark: "m" };
                const first = await say("a", once);
                assert.equal(first[0], "applied");
                for (let i = 0; i < 3; i++) {
                    assert.deepEqual(await say("a", once), textOf(first));
                }
                assert.equal(await told(), 1);
            });

            test("with another mark is refused, and nothing happens", async () => {
                const { say, told } = await open();
                const first = await say("a", { key: "k", mark: "m" });
                assert.deepEqual(await say("b", { key: "k", mark: "other" }), ["refused"]);
                assert.deepEqual(await say("a", { key: "k", mark: "m" }), textOf(first));
                assert.equal(await told(), 1);
            });

            test("with another key, or with none, happens again", async () => {
                const { name, say, told } = await open();
                await say("a", { key: "k", mark: "m" });
                await say("a", { key: "l", mark: "m" });
                await say("a");
                await say("a");
                assert.equal(await told(), 4);
                assert.equal(await stage.redis.call("EXISTS", onceOf(name)), 0, "without a key nothing is kept");
            });

            test("is remembered for five minutes from the first time", async () => {
                const { name, say, told } = await open();
                const once = { key: "k", mark: "m" };
                await say("a", once);
                const left = await stage.redis.call("PTTL", onceOf(name, "k"));
                assert.ok(left > FIVE_MINUTES - 30000 && left <= FIVE_MINUTES, `${left} ms`);
                await stage.redis.call("PEXPIRE", onceOf(name, "k"), 100000);
                await say("a", once);
                assert.ok((await stage.redis.call("PTTL", onceOf(name, "k"))) <= 100000, "a repetition is no first time");
                await stage.redis.call("PEXPIRE", onceOf(name, "k"), 0);
                assert.equal((await say("a", once))[0], "applied");
                assert.equal(await told(), 2);
            });

            test("at the same time on many connections happens once", async () => {
                const { say, told } = await open();
                const once = { key: "k", mark: "m" };
                const answers = await Promise.all(Array.from({ length: 20 }, () => say("a", once)));
                assert.equal(new Set(answers.map((answer) => textOf(answer).join(" "))).size, 1);
                assert.equal(await told(), 1);
            });
        });
    }

    test("who may have died while he closed polling sessions is followed by one who knows them", async () => {
        const { say } = await sayings.user_disconnect();
        const once = { key: "k", mark: "m" };
        assert.deepEqual(await say("", once), ["applied", "p1", "p2"]);
        assert.deepEqual(await say("", once), ["applied", "p1", "p2"]);
    });

    test("that nobody was in the room is an answer, too", async () => {
        const room = await new Room(stage).listen();
        const once = { key: "k", mark: "m" };
        assert.deepEqual(await room.say("", "a", { once }), ["no_state"]);
        await room.join();
        await room.published();
        assert.deepEqual(await room.say("", "a", { once }), ["no_state"]);
        assert.deepEqual(await room.published(), []);
    });

    test("a key of one entity is nothing to another", async () => {
        const once = { key: "k", mark: "m" };
        const [one, two] = [await sayings.event_add(), await sayings.event_add()];
        await one.say("a", once);
        await two.say("b", { ...once, mark: "other" });
        assert.deepEqual([await one.told(), await two.told()], [1, 1]);
    });

    test("a batch begins, and begins again, and no other one with its key", async () => {
        const begin = (mark) => stage.scripts.call("batch_begin", [onceOf(EVERYBODY, `batch-${names}`)], [mark]);
        assert.deepEqual(await begin("m"), ["applied"]);
        assert.deepEqual(await begin("m"), ["applied"]);
        assert.deepEqual(await begin("n"), ["refused"]);
        const left = await stage.redis.call("PTTL", onceOf(EVERYBODY, `batch-${names}`));
        assert.ok(left > FIVE_MINUTES - 30000 && left <= FIVE_MINUTES, `${left} ms`);
    });
});
