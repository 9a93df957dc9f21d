// Feeds: whose turn it is, that a period's line is told once whoever asks, and what is said by hand.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { sleep } from "../e2e/lib/patience.mjs";
import { Listener } from "./lib/listener.mjs";
import { PREFIX } from "./lib/scripts.mjs";
import { sleepUntil, suiteStage } from "./lib/stage.mjs";

// A long period of which we stand in the first quarter: it is long until its first half is over.
const HOUR = Array.from({ length: 10000 }, (_, i) => 3600000 + i * 7777).find((ms) => Date.now() % ms < ms / 4);
const MONTH = 30 * 86400 * 1000;

let topics = 0;

describe("feeds", () => {
    const stage = suiteStage();

    class Feed {
        topic = `topic-${++topics}`;
        key = `${PREFIX}feed:{${this.topic}}`;
        lately = `${PREFIX}lately:{${this.topic}}`;
        keys = [this.key, this.lately, this.key];

        async listen() {
            this.listener = await Listener.open(stage.redis, this.key);
            stage.listeners.push(this.listener);
            return this;
        }

        published() {
            return this.listener.take(stage.redis, this.key);
        }

        // As a process does it that believes this line is next.
        async tick(line, { period = HOUR, lines = 5 } = {}) {
            const args = [period, lines, line, `frame ${line} `, `event ${line}`];
            const [outcome, wait, turn] = await stage.scripts.call("feed_tick", this.keys, args);
            assert.ok(wait > 0 && wait <= period, `the next period begins in ${wait} ms`);
            return { outcome, turn, wait };
        }

        // The same until it is told or taken, as a process does it.
        async tell(line, options) {
            for (let guess = line; ;) {
                const answer = await this.tick(guess, options);
                if (answer.outcome !== "stale") {
                    return answer;
                }
                guess = answer.turn;
            }
        }

        say(frame, event, once = {}) {
            return stage.once("feed_say", this.keys, [frame, event], this.topic, once);
        }

        async read(since = "") {
            const [outcome, seq, ...rest] = await stage.scripts.call("feed_read", [this.key, this.lately], [since]);
            assert.equal(outcome, "applied");
            return { seq, said: rest.flatMap((number, i) => (i % 2 ? [] : [[number, rest[i + 1]]])) };
        }

        state() {
            return stage.redis.call("HMGET", this.key, "start", "line");
        }

        put(start, line) {
            return stage.redis.call("HSET", this.key, "start", start, "line", line);
        }
    }

    test("the first who asks tells the first line, and nobody else does in that period", async () => {
        const feed = await new Feed().listen();
        const before = await stage.redis.now();
        const { outcome, turn } = await feed.tick(0);
        assert.deepEqual([outcome, turn], ["applied", 1]);
        for (const line of [0, 1, 2]) {
            const again = await feed.tick(line);
            assert.deepEqual([again.outcome, again.turn], ["taken", 1]);
        }
        const told = await feed.published();
        assert.equal(told.length, 1);
        const [{ kind, origin, time, message, other }] = told;
        assert.deepEqual([kind, origin, message, other], ["f", "-", "frame 0 ", "event 0"]);
        assert.ok(time >= before * 1000 && time <= (await stage.redis.now()) * 1000 + 1000);
    });

    test("a wrong guess tells nothing, changes nothing, and learns the right number", async () => {
        const feed = await new Feed().listen();
        await feed.put(0, 3);
        for (const line of [0, 1, 2, 4]) {
            const { outcome, turn } = await feed.tick(line);
            assert.deepEqual([outcome, turn], ["stale", 3]);
        }
        assert.deepEqual(await feed.state(), ["0", "3"]);
        assert.deepEqual(await feed.published(), []);
        assert.equal((await feed.tick(3)).outcome, "applied");
        assert.equal((await feed.published()).length, 1);
    });

    test("the wait ends where a multiple of the period begins", async () => {
        const feed = new Feed();
        for (const period of [HOUR, 1000, 7777]) {
            const before = await stage.redis.now();
            const { wait } = await feed.tick(0, { period });
            const after = await stage.redis.now();
            const next = Math.ceil((before + 1) / period) * period;
            const ends = [before + wait, after + wait];
            assert.ok(ends[0] <= next && next <= ends[1], `${next} is not in ${ends}`);
        }
    });

    test("lines are told in their order, round and round", async () => {
        const feed = await new Feed().listen();
        const told = [];
        for (let i = 0, turn = 0; i < 12; i++) {
            await feed.put(0, turn);
            const answer = await feed.tick(turn % 5);
            assert.equal(answer.outcome, "applied");
            told.push(turn % 5);
            turn = answer.turn;
        }
        const heard = (await feed.published()).map(({ message }) => message.split(" ")[1]).map(Number);
        assert.deepEqual(heard, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]);
        assert.deepEqual(told, heard);
    });

    test("who has fewer lines begins with his first, who has more goes on", async () => {
        const feed = new Feed();
        await feed.put(0, 5);
        assert.equal((await feed.tick(5, { lines: 9 })).turn, 6);
        await feed.put(0, 5);
        assert.deepEqual((await feed.tick(1, { lines: 5 })).outcome, "stale");
        assert.equal((await feed.tick(0, { lines: 5 })).outcome, "applied");
        assert.equal((await feed.state())[1], "1");
    });

    test("the end of the file is remembered, so that lines that were added come at once", async () => {
        const feed = new Feed();
        await feed.put(0, 4);
        assert.deepEqual((await feed.tick(4)).turn, 0);
        assert.equal((await feed.state())[1], "5");
        const start = (await feed.state())[0];
        await feed.put(start - 2 * HOUR, 5);
        assert.equal((await feed.tick(5, { lines: 6 })).outcome, "applied");
    });

    test("a feed of one line tells it every period", async () => {
        const feed = new Feed();
        for (let i = 0; i < 3; i++) {
            await feed.put(0, 1);
            assert.deepEqual((await feed.tick(0, { lines: 1 })).outcome, "applied");
        }
    });

    test("periods that nobody served are not made up for", async () => {
        const feed = await new Feed().listen();
        const period = 400;
        const begin = async () =>
            sleepUntil(stage.redis, (Math.floor((await stage.redis.now()) / period) + 1) * period);
        await begin();
        assert.equal((await feed.tell(0, { period })).outcome, "applied");
        await sleep(5 * period);
        await begin();
        assert.equal((await feed.tell(1, { period })).outcome, "applied");
        assert.equal((await feed.tell(2, { period })).outcome, "taken");
        assert.equal((await feed.published()).length, 2);
        assert.equal((await feed.state())[1], "2");
    });

    test("a period that nobody served in its first half is missed", async () => {
        const feed = await new Feed().listen();
        const now = await stage.redis.now();
        const late = Array.from({ length: 10000 }, (_, i) => 3600000 + i * 7777).find((ms) => now % ms > 0.6 * ms);
        assert.deepEqual(await feed.tick(0, { period: late }).then(({ outcome, turn }) => [outcome, turn]), [
            "taken",
            0,
        ]);
        assert.deepEqual(await feed.published(), []);
        assert.deepEqual(await feed.state(), [null, null]);
    });

    test("another period counts from the moment it is given", async () => {
        const feed = new Feed();
        assert.equal((await feed.tick(0, { period: HOUR })).outcome, "applied");
        assert.equal((await feed.tick(1, { period: 2 * HOUR })).outcome, "taken");
        const now = await stage.redis.now();
        await sleepUntil(stage.redis, now + 30);
        assert.equal((await feed.tick(1, { period: 1 })).outcome, "applied", "a shorter one is due at once");
        assert.equal((await feed.tick(2, { period: HOUR })).outcome, "taken");
    });

    test("a clock that was put back stops a feed for no more than a period", async () => {
        const feed = new Feed();
        await feed.tick(0);
        const [start] = await feed.state();
        await feed.put(Number(start) + HOUR, 1);
        assert.equal((await feed.tick(1)).outcome, "taken", "it may be the other clock that is right");
        await feed.put(Number(start) + 2 * HOUR, 1);
        assert.equal((await feed.tick(1)).outcome, "applied");
    });

    test("where a feed of lines stands is kept for a month, another feed's number for an hour", async () => {
        const [lines, other] = [new Feed(), new Feed()];
        const left = (feed) => stage.redis.call("PTTL", feed.key);
        await other.say("frame", "event");
        const hour = await left(other);
        assert.ok(hour > 3500000 && hour <= 3600000, `${hour} ms`);
        await lines.tick(0);
        await lines.say("frame", "event");
        const month = await left(lines);
        assert.ok(month > MONTH - 60000 && month <= MONTH, `${month} ms`);
        await other.tick(0);
        assert.ok((await left(other)) > MONTH - 60000);
    });

    test("a feed whose data was lost begins with its first line", async () => {
        const feed = new Feed();
        await feed.put(0, 3);
        await stage.redis.call("DEL", feed.key);
        assert.deepEqual((await feed.tick(0)).outcome, "applied");
    });

    test("of many who ask at once, over many periods, exactly one tells each line", async () => {
        const feed = await new Feed().listen();
        const period = 50;
        const end = (await stage.redis.now()) + 1500;
        let applied = 0;
        const process = async (guess) => {
            while ((await stage.redis.now()) < end) {
                const { outcome, turn, wait } = await feed.tell(guess, { period });
                applied += outcome === "applied";
                guess = turn;
                await sleep(Math.random() * 1.5 * wait);
            }
        };
        await Promise.all(Array.from({ length: 12 }, (_, i) => process(i % 5)));
        const told = await feed.published();
        assert.equal(told.length, applied);
        assert.ok(told.length > 10, `${told.length} lines`);
        const lines = told.map(({ message }) => Number(message.split(" ")[1]));
        assert.deepEqual(
            lines,
            [...lines.keys()].map((i) => i % 5),
            "in their order",
        );
        const periods = told.map(({ time }) => Math.floor(Number(time) / 1000 / period));
        assert.equal(new Set(periods).size, periods.length, "one in each period");
    });

    test("what is said by hand is told, and the lines go on as if nothing had been", async () => {
        const feed = await new Feed().listen();
        await feed.tick(0);
        await feed.put(0, 1);
        assert.deepEqual(await feed.say("frame ", "event"), ["applied"]);
        assert.deepEqual(await feed.state(), ["0", "1"]);
        assert.equal((await feed.tick(1)).outcome, "applied");
        const told = (await feed.published()).map(({ kind, origin, message, other }) => [kind, origin, message, other]);
        assert.deepEqual(told, [
            ["f", "-", "frame 0 ", "event 0"],
            ["f", "-", "frame ", "event"],
            ["f", "-", "frame 1 ", "event 1"],
        ]);
    });

    describe("for those who poll", () => {
        test("a feed that never said anything stands below its first number", async () => {
            const feed = await new Feed().listen();
            const { seq, said } = await feed.read();
            assert.deepEqual(said, []);
            await feed.say("frame", "event");
            const [{ seq: first, prev }] = await feed.published();
            assert.ok(Number(first) > Number(seq));
            assert.equal(prev, "0");
            assert.deepEqual(await feed.read(seq), { seq: first, said: [[first, "event"]] });
            assert.deepEqual(await feed.read(), { seq: first, said: [] });
        });

        test("numbers grow and say which came before", async () => {
            const feed = await new Feed().listen();
            for (let i = 0; i < 5; i++) {
                await feed.say("frame", `event ${i}`);
            }
            await feed.tick(0);
            const told = await feed.published();
            for (let i = 1; i < told.length; i++) {
                assert.equal(told[i].prev, told[i - 1].seq);
                assert.ok(Number(told[i].seq) > Number(told[i - 1].seq));
            }
            const { seq, said } = await feed.read(told[2].seq);
            assert.equal(seq, told[5].seq);
            assert.deepEqual(
                said,
                told.slice(3).map(({ seq: number, other }) => [number, other]),
            );
        });

        test("the newest are kept, for some minutes", async () => {
            const feed = new Feed();
            for (let i = 0; i < 40; i++) {
                await feed.say("frame", `event ${i}\nwith a line`);
            }
            const { said } = await feed.read("0");
            assert.equal(said.length, 32);
            assert.deepEqual(
                said.map(([, event]) => event),
                [...Array(32)].map((_, i) => `event ${i + 8}\nwith a line`),
            );
            const left = await stage.redis.call("PTTL", feed.lately);
            assert.ok(left > 240000 && left <= 300000, `${left} ms`);
        });

        test("numbers do not restart when the data was lost", async () => {
            const feed = await new Feed().listen();
            await feed.say("frame", "before");
            await stage.redis.call("DEL", feed.key, feed.lately);
            await feed.say("frame", "after");
            const [before, after] = await feed.published();
            assert.ok(Number(after.seq) > Number(before.seq));
        });
    });
});
