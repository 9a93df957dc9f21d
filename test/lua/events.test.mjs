// Events: what is kept for who was away, and which cursors can be served: all that was missed, in order, once, or a
// plain no.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { micros, suiteStage } from "./lib/stage.mjs";
import { EVERYBODY, PREFIX } from "./lib/scripts.mjs";

const SECOND = 1e6;
const DAY = 86400 * SECOND;
const KEPT = 1000;

describe("events", () => {
    const stage = suiteStage();

    // A stream as it would be had these events been added: [number, the number before it], numbers in microseconds.
    async function streamOf(...events) {
        const user = stage.user();
        for (const [number, before] of events) {
            await stage.redis.call("XADD", user.events, `${number}-0`, "p", before, "b", `event ${number}`);
        }
        return user;
    }

    async function numbersAfter(user, cursor, limit) {
        const { served, events } = await user.readEvents(cursor, limit);
        return served ? events.map(([number]) => Number(number)) : null;
    }

    describe("adding", () => {
        test("gives numbers from Redis's clock, keeps the event and tells it", async () => {
            const user = await stage.user().listen();
            const before = await micros(stage.redis);
            const body = '"name",{"a":"\u00e9\\n"}';
            const first = await user.tell(body);
            const second = await user.tell('"other"');
            const after = await micros(stage.redis);
            assert.ok(before < Number(first) && Number(first) < Number(second) && Number(second) < after);
            const heard = await user.published();
            assert.deepEqual(
                heard.map(({ kind, origin, seq, prev, message, other }) => [kind, origin, seq, prev, message, other]),
                [["e", "-", first, "0", "", body], ["e", "-", second, first, "", '"other"']],
            );
            const entries = await stage.redis.call("XRANGE", user.events, "-", "+");
            assert.deepEqual(entries, [
                [`${first}-0`, ["p", "0", "b", body]],
                [`${second}-0`, ["p", first, "b", '"other"']],
            ]);
        });

        test("goes on above a number of the future: numbers only grow", async () => {
            const future = (await micros(stage.redis)) + 5 * SECOND;
            const user = await streamOf([future, 0]);
            assert.equal(await user.tell("x"), String(future + 1));
            assert.equal(await user.tell("y"), String(future + 2));
            assert.deepEqual(await numbersAfter(user, String(future)), [future + 1, future + 2]);
        });

        test("goes on above what expired, or was lost with Redis's data", async () => {
            const user = stage.user();
            const last = Number(await user.tell("x"));
            await stage.redis.call("DEL", user.events);
            assert.ok(Number(await user.tell("y")) > last);
        });

        test("keeps the newest thousand, exactly, for a day", async () => {
            const user = stage.user();
            const numbers = [];
            for (let i = 0; i < KEPT + 5; i++) {
                numbers.push(await user.tell(`${i}`));
            }
            const entries = await stage.redis.call("XRANGE", user.events, "-", "+");
            assert.deepEqual(entries.map(([id]) => id), numbers.slice(5).map((number) => `${number}-0`));
            const left = await stage.redis.call("PTTL", user.events);
            assert.ok(left > 86400000 - 60000 && left <= 86400000, `${left}`);
        });

        test("drops what is older than a day", async () => {
            const now = await micros(stage.redis);
            const user = await streamOf([now - DAY - SECOND, 0], [now - DAY + 60 * SECOND, now - DAY - SECOND]);
            const added = Number(await user.tell("x"));
            const entries = await stage.redis.call("XRANGE", user.events, "-", "+");
            assert.deepEqual(entries.map(([id]) => id), [`${now - DAY + 60 * SECOND}-0`, `${added}-0`]);
        });

        test("works the same for everybody's stream", async () => {
            const keys = [`${PREFIX}events:{*}`, `${PREFIX}all:{*}`];
            const [outcome, number] = await stage.once("event_add", keys, ['"x"'], EVERYBODY);
            assert.equal(outcome, "applied");
            const answer = await stage.scripts.call("events_read", [keys[0]], [`${Number(number) - 1}e`, 5]);
            assert.deepEqual(answer, ["applied", "1", number, "0", number, '"x"']);
        });
    });

    describe("reading", () => {
        test("from the end is the end: the last number, or when the stream was seen empty", async () => {
            const user = stage.user();
            const before = await micros(stage.redis);
            const { served, end, more, events } = await user.readEvents("");
            assert.deepEqual([served, more, events], [true, false, []]);
            assert.match(end, /^\d{16}e$/);
            const time = Number(end.slice(0, -1));
            assert.ok(time >= before && time <= (await micros(stage.redis)), end);
            const number = await user.tell("x");
            assert.deepEqual(await user.readEvents(""), { served: true, end: number, more: false, events: [] });
        });

        test("from a number is what came behind it, with its text", async () => {
            const user = stage.user();
            const numbers = [];
            for (const body of ["a", "b", "\u00e9 \\n"]) {
                numbers.push(await user.tell(body));
            }
            const [one, two, three] = numbers;
            const from = (cursor) => user.readEvents(cursor);
            const all = { served: true, end: three, more: false };
            assert.deepEqual(await from(one), { ...all, events: [[two, "b"], [three, "\u00e9 \\n"]] });
            assert.deepEqual(await from(two), { ...all, events: [[three, "\u00e9 \\n"]] });
            assert.deepEqual(await from(three), { ...all, events: [] });
        });

        test("goes in steps of the limit", async () => {
            const user = stage.user();
            const { end } = await user.readEvents("");
            const numbers = [];
            for (let i = 0; i < 7; i++) {
                numbers.push(await user.tell(`${i}`));
            }
            const found = [];
            let cursor = end;
            for (let more = true, steps = 1; more; steps++) {
                const read = await user.readEvents(cursor, 3);
                assert.equal(read.end, read.events.at(-1)[0]);
                found.push(...read.events.map(([number]) => number));
                ({ end: cursor, more } = read);
                assert.equal(more, steps < 3);
            }
            assert.deepEqual(found, numbers);
            const exact = await user.readEvents(numbers[3], 3);
            assert.deepEqual([exact.events.length, exact.more], [3, false]);
        });

        test("an empty stream again keeps the cursor, which stays good for a day", async () => {
            const user = stage.user();
            const now = await micros(stage.redis);
            for (const ago of [0, 60 * SECOND, DAY - 60 * SECOND]) {
                const cursor = `${now - ago}e`;
                assert.deepEqual(await user.readEvents(cursor), { served: true, end: cursor, more: false, events: [] });
            }
            for (const time of [now - DAY, now - 2 * DAY, now + 60 * SECOND, 0]) {
                const { served, end } = await user.readEvents(`${time}e`);
                assert.equal(served, false, `${time}`);
                assert.ok(Number(end.slice(0, -1)) >= now, end);
            }
        });

        test("changes nothing", async () => {
            const user = stage.user();
            await user.readEvents("");
            assert.equal(await stage.redis.call("EXISTS", user.events), 0);
            const number = await user.tell("x");
            await stage.redis.call("PEXPIRE", user.events, 50000);
            await user.readEvents(number);
            await user.readEvents("0");
            assert.ok((await stage.redis.call("PTTL", user.events)) <= 50000);
        });
    });

    describe("a cursor", () => {
        test("behind which events were trimmed is not served", async () => {
            const now = (await micros(stage.redis)) - 1000;
            const user = await streamOf([now - 80, now - 90], [now - 70, now - 80], [now, now - 70]);
            assert.equal(await numbersAfter(user, String(now - 95)), null);
            const left = [now - 80, now - 70, now];
            assert.deepEqual(await numbersAfter(user, String(now - 90)), left); // it was seen, then trimmed
            assert.deepEqual(await numbersAfter(user, String(now - 80)), [now - 70, now]);
            assert.equal(await numbersAfter(user, `${now - 85}e`), null); // it was not empty then
        });

        test("of a stream that expired is not served by the next one", async () => {
            const now = (await micros(stage.redis)) - 1000;
            const user = await streamOf([now, 0]);
            assert.equal(await numbersAfter(user, String(now - 2 * DAY)), null);
            assert.equal(await numbersAfter(user, String(now - 1)), null);
            assert.deepEqual(await numbersAfter(user, String(now)), []);
        });

        test("of a stream that was lost is not served", async () => {
            const user = stage.user();
            await user.tell("x");
            const seen = await user.tell("y");
            await stage.redis.call("DEL", user.events);
            assert.equal(await numbersAfter(user, seen), null);
            await user.tell("z");
            assert.equal(await numbersAfter(user, seen), null);
        });

        test("of an empty stream is served when nothing can have come and expired since", async () => {
            const now = (await micros(stage.redis)) - 1000;
            const user = await streamOf([now - 50, 0], [now, now - 50]);
            assert.deepEqual(await numbersAfter(user, `${now - 51}e`), [now - 50, now]);
            assert.deepEqual(await numbersAfter(user, `${now - 50 - DAY + 1}e`), [now - 50, now]);
            assert.equal(await numbersAfter(user, `${now - 50 - DAY}e`), null);
            assert.equal(await numbersAfter(user, `${now - 50}e`), null); // it was not empty then
            assert.equal(await numbersAfter(user, `${now - 10}e`), null);
            assert.equal(await numbersAfter(user, `${now + DAY}e`), null);
        });

        test("beyond the end is not served", async () => {
            const user = stage.user();
            const number = Number(await user.tell("x"));
            assert.equal(await numbersAfter(user, String(number + 1)), null);
            assert.equal(await numbersAfter(user, String(2 ** 53)), null);
        });

        test("that is none is not served, and is told the end", async () => {
            const [empty, full] = [stage.user(), stage.user()];
            const number = await full.tell("x");
            const signs = ["e", "-", "+", "$", "(1", "x", "E", "nan", "inf", "\u00e9", `${number}\u0000`];
            const forms = ["1-0", "-1", "1e5", "1.5", " 1", "1 ", "1ee", "1E", "0x1", "0", "0e", "00", `0${number}`];
            const long = ["9".repeat(17), `${"9".repeat(17)}e`, "1".repeat(10000)];
            const refused = { served: false, end: number, more: false, events: [] };
            for (const cursor of [...signs, ...forms, ...long]) {
                assert.equal((await empty.readEvents(cursor)).served, false, cursor);
                assert.deepEqual(await full.readEvents(cursor), refused, cursor);
            }
        });
    });

    // Whoever is served gets exactly what was added since his cursor, whatever was trimmed or lost meanwhile; and he is
    // served whenever nothing of it is gone.
    test("random readers of a stream that is trimmed and lost agree with a model", async () => {
        const user = stage.user();
        let seed = 5;
        const random = (below) => {
            seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
            return Math.floor((seed / 2 ** 32) * below);
        };
        let added = []; // since the stream began
        const past = []; // cursors of streams that are gone
        let cursors = [];
        for (let i = 0; i < 150; i++) {
            const what = random(20);
            if (what === 0) {
                past.push(...cursors.filter(({ cursor }) => !cursor.endsWith("e")));
                [added, cursors] = [[], []];
                await stage.redis.call("DEL", user.events);
            } else if (what < 10) {
                for (let left = random(what === 1 ? 700 : 40); left > 0; left--) {
                    added.push(await user.tell(`event ${added.length}`));
                }
            } else {
                cursors.push({ cursor: (await user.readEvents("")).end, from: added.length });
            }
            for (const { cursor, from } of cursors.slice(-10).concat(cursors[random(cursors.length || 1)] ?? [])) {
                const { served, events } = await user.readEvents(cursor, 2000);
                const missed = added.slice(from).map((number, j) => [number, `event ${from + j}`]);
                assert.equal(served, missed.length <= KEPT, `${i}: ${cursor}`);
                assert.deepEqual(events, served ? missed : [], `${i}: ${cursor}`);
            }
            if (past.length > 0) {
                assert.equal((await user.readEvents(past[random(past.length)].cursor)).served, false, `${i}`);
            }
        }
        assert.ok(past.length > 0);
    });
});
