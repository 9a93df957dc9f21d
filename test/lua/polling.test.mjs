// Polling sessions: one GET at a time, whoever serves it; what was sent and not confirmed is sent again; two requests
// that change the same session; the upgrade; and an end that is exact to the millisecond and leaves nothing behind.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { sleep } from "../e2e/lib/patience.mjs";
import { Listener } from "./lib/listener.mjs";
import { PREFIX } from "./lib/scripts.mjs";
import { sleepUntil, suiteStage } from "./lib/stage.mjs";

const INTERVAL = 25000;
const TIMEOUT = 20000;
const LEASE = INTERVAL + TIMEOUT;
const KEPT_LONGER = 5000;
const ROOM = 1000;
const QUEUE_MAX = 300;

let sessions = 0;

class Session {
    constructor(stage, { interval = INTERVAL, timeout = TIMEOUT } = {}) {
        const tag = `{sid-${++sessions}}`;
        Object.assign(this, { stage, redis: stage.redis, interval, timeout, claims: 0 });
        this.key = `${PREFIX}eio:${tag}`;
        this.queue = `${PREFIX}eioq:${tag}`;
        this.channel = this.key;
    }

    async #call(name, keys, ...args) {
        return [await this.stage.scripts.call(`eio_${name}`, keys, args)].flat();
    }

    get keys() {
        return [this.key, this.queue, this.channel];
    }

    open({ saved = "saved", packets = "", allowance = 100 } = {}) {
        const keys = [this.key, this.queue];
        return this.#call("open", keys, "row", saved, packets, this.interval, this.timeout, allowance);
    }

    claim(token, { instead = "", t = "t", row = "row" } = {}) {
        return this.#call("claim", [this.key, this.queue], row, token, instead, t, this.timeout);
    }

    async read(token, room = ROOM) {
        const answer = await this.#call("read", [this.key, this.queue], token, this.timeout, room);
        if (answer[0] !== "applied") {
            return answer;
        }
        const [, version, saved, marks, wait, ping, probing, ...items] = answer;
        return { version, saved, marks, wait, ping, probing, items };
    }

    take(token, { version = "1", t = "t", marks = "marks", items = 0, ping = 0, bytes = 7 } = {}) {
        return this.#call("take", [this.key], token, version, t, marks, items, ping, bytes, this.timeout);
    }

    load(row = "row") {
        return this.#call("load", [this.key], row, this.timeout);
    }

    commit({ version = "1", saved = "saved", packets = "", bytes = 5, pong = 0, allowance = 50, max = QUEUE_MAX } = {}) {
        const times = [allowance, this.interval, this.timeout, max];
        return this.#call("commit", this.keys, version, saved, packets, bytes, pong, ...times);
    }

    close({ claim = "", words = "1", told = 0 } = {}) {
        return this.#call("close", this.keys, claim, words, told);
    }

    probe(token, { limit = 10000, row = "row" } = {}) {
        return this.#call("probe", [this.key], row, token, limit, this.timeout);
    }

    probed(token) {
        return this.#call("probed", [this.key, this.channel], token);
    }

    upgrade(token) {
        return this.#call("upgrade", this.keys, token, this.timeout, LEASE);
    }

    renew() {
        return this.#call("renew", [this.key], LEASE);
    }

    knock() {
        return this.#call("knock", [this.channel]);
    }

    // A GET from its claim to its answer.
    async get(t, take = {}) {
        const token = `claim-${++this.claims}`;
        assert.deepEqual(await this.claim(token, { t }), ["applied"]);
        const found = await this.read(token);
        assert.deepEqual(await this.take(token, { version: found.version, t, items: found.items.length, ...take }), ["applied"]);
        return found;
    }

    async listen() {
        this.listener = await Listener.open(this.redis, this.channel);
        this.stage.listeners.push(this.listener);
        return this;
    }

    // [kind, words] of what was published.
    async published() {
        return (await this.listener.take(this.redis, this.channel)).map(({ kind, other }) => [kind, other]);
    }

    field(name) {
        return this.redis.call("HGET", this.key, name);
    }

    async left() {
        return [await this.redis.call("PTTL", this.key), await this.redis.call("PTTL", this.queue)];
    }

    exists() {
        return this.redis.call("EXISTS", this.key, this.queue);
    }

    // As if the next ping had been due so many ms ago.
    async age(ms) {
        await this.redis.call("HSET", this.key, "due", (await this.redis.now()) - ms);
    }
}

describe("polling", () => {
    const stage = suiteStage();
    const session = (times) => new Session(stage, times);
    const opened = async (given) => {
        const made = session();
        assert.deepEqual(await made.open(given), ["applied"]);
        return made;
    };
    const near = (value, expected, slack = 2000) =>
        assert.ok(value <= expected && value > expected - slack, `${value} is not about ${expected}`);

    describe("opening", () => {
        test("everything is there at once and runs out with the heartbeat", async () => {
            const made = await opened({ saved: "state", packets: "40" });
            assert.deepEqual((await made.load()).slice(0, 5), ["applied", "1", "state", "", "100"]);
            const [key, queue] = await made.left();
            near(key, INTERVAL + TIMEOUT + KEPT_LONGER);
            near(queue, INTERVAL + TIMEOUT + KEPT_LONGER);
            near(Number(await made.field("due")), (await stage.redis.now()) + INTERVAL);
        });

        test("without words there is no queue", async () => {
            const made = await opened();
            assert.equal(await stage.redis.call("EXISTS", made.queue), 0);
        });
    });

    describe("one GET at a time", () => {
        test("a claim holds until the answer is taken", async () => {
            const made = await opened();
            assert.deepEqual(await made.claim("a"), ["applied"]);
            assert.deepEqual(await made.claim("b"), ["refused", "held", "a"]);
            assert.deepEqual(await made.read("b"), ["refused", "held", "a"]);
            assert.deepEqual(await made.take("b"), ["refused", "unknown"]);
            assert.deepEqual(await made.take("a"), ["applied"]);
            assert.deepEqual(await made.read("a"), ["refused", "held", ""]);
            assert.deepEqual(await made.take("a"), ["refused", "unknown"]);
            assert.deepEqual(await made.claim("b"), ["applied"]);
        });

        test("the claim of a dead process is taken over by who names it", async () => {
            const made = await opened();
            await made.claim("dead");
            assert.deepEqual(await made.claim("b", { instead: "other" }), ["refused", "held", "dead"]);
            assert.deepEqual(await made.claim("b", { instead: "dead" }), ["applied"]);
            assert.deepEqual(await made.claim("c", { instead: "dead" }), ["refused", "held", "b"], "one of two");
            assert.deepEqual(await made.take("dead"), ["refused", "unknown"]);
        });

        test("a claim whose answer was lost is made once more", async () => {
            const made = await opened();
            await made.claim("a");
            assert.deepEqual(await made.claim("a"), ["applied"]);
            assert.equal((await made.read("a")).version, "1");
        });

        test("of two at the same moment one is served", async () => {
            const made = await opened();
            const answers = await Promise.all(["a", "b", "c", "d"].map((token) => made.claim(token)));
            assert.equal(answers.filter(([outcome]) => outcome === "applied").length, 1);
        });

        test("a knock counts who listens, and tells them nothing", async () => {
            const made = await opened();
            assert.deepEqual(await made.knock(), ["applied", 0]);
            await made.listen();
            assert.deepEqual(await made.knock(), ["applied", 1]);
            assert.deepEqual(await made.published(), [["k", ""]]);
        });

        test("another protocol's session is none", async () => {
            const made = await opened();
            assert.deepEqual(await made.claim("a", { row: "other" }), ["refused", "unknown"]);
            assert.deepEqual(await made.load("other"), ["refused", "unknown"]);
            assert.deepEqual(await made.probe("a", { row: "other" }), ["refused", "unknown"]);
        });
    });

    describe("what was sent counts when the next GET comes", () => {
        test("the next GET confirms the last", async () => {
            const made = await opened({ packets: "40" });
            await made.commit({ packets: "4a" });
            await made.get("t1", { marks: "m1", items: 1 });
            assert.deepEqual((await made.load())[3], "m1", "a POST knows what was sent");
            const { marks, items } = await made.get("t2", { marks: "m2" });
            assert.deepEqual([marks, items], ["m1", ["4a"]]);
            await made.claim("x", { t: "t3" });
            assert.deepEqual((await made.read("x")).items, []);
        });

        test("the same t is the same GET: it gets the same again", async () => {
            const made = await opened({ packets: "40" });
            await made.get("t1", { marks: "m1" });
            for (let i = 0; i < 3; i++) {
                const { marks, items } = await made.get("t1", { marks: "m1" });
                assert.deepEqual([marks, items], ["", ["40"]]);
            }
            assert.deepEqual((await made.get("t2")).items, []);
        });

        test("without a t nothing is repeated", async () => {
            const made = await opened({ packets: "40" });
            await made.get("", { marks: "m1" });
            const { marks, items } = await made.get("", { marks: "m2" });
            assert.deepEqual([marks, items], ["m1", []]);
        });

        test("a repeated GET finds also what came since", async () => {
            const made = await opened({ packets: "40" });
            await made.get("t1");
            await made.commit({ packets: "4new" });
            assert.deepEqual((await made.get("t1")).items, ["40", "4new"]);
            assert.deepEqual((await made.get("t2")).items, []);
        });

        test("a body holds what fits, and one piece at least", async () => {
            const made = await opened();
            for (const letter of "abc") {
                await made.commit({ packets: letter.repeat(40) });
            }
            await made.claim("x");
            assert.deepEqual((await made.read("x", 10)).items, ["a".repeat(40)]);
            assert.deepEqual((await made.read("x", 81)).items, ["a".repeat(40)]);
            assert.deepEqual((await made.read("x", 82)).items, ["a".repeat(40), "b".repeat(40)]);
            assert.equal((await made.read("x", 1000)).items.length, 3);
        });

        test("a state of another version is not taken", async () => {
            const made = await opened();
            await made.claim("a");
            await made.commit({ saved: "other" });
            assert.deepEqual(await made.take("a", { version: "1" }), ["no_state", "changed"]);
            const { version, saved } = await made.read("a");
            assert.deepEqual([version, saved], ["2", "other"]);
            assert.deepEqual(await made.take("a", { version }), ["applied"]);
        });
    });

    describe("POSTs", () => {
        test("what did not change is no new version and wakes nobody", async () => {
            const made = await (await opened()).listen();
            await made.claim("a");
            assert.deepEqual(await made.commit({ version: "17", allowance: 3 }), ["applied"]);
            assert.equal(await made.field("v"), "1");
            assert.equal(await made.field("allowance"), "3");
            assert.deepEqual(await made.published(), []);
        });

        test("state, words and pongs wake the GET that waits, and nobody else", async () => {
            const made = await (await opened()).listen();
            await made.commit({ packets: "4a" });
            assert.deepEqual(await made.published(), [], "no GET waits");
            await made.claim("a");
            await made.commit({ packets: "4b" });
            await made.commit({ saved: "other" });
            await made.commit({ version: "2", saved: "other", pong: 1 });
            assert.deepEqual(await made.published(), [["w", ""], ["w", ""], ["w", ""]]);
            assert.deepEqual((await made.read("a")).items, ["4a", "4b"]);
        });

        test("of two that change the same state the second is told so", async () => {
            const made = await opened();
            assert.deepEqual(await made.commit({ saved: "one", packets: "4one" }), ["applied"]);
            assert.deepEqual(await made.commit({ saved: "two", packets: "4two" }), ["refused", "changed"]);
            assert.equal(await made.field("saved"), "one");
            await made.claim("a");
            assert.deepEqual((await made.read("a")).items, ["4one"]);
            assert.deepEqual(await made.commit({ version: "2", saved: "two" }), ["applied"]);
        });

        test("a queue that nobody fetches is full", async () => {
            const made = await opened();
            assert.deepEqual(await made.commit({ packets: "x".repeat(QUEUE_MAX) }), ["applied"]);
            assert.deepEqual(await made.commit({ packets: "" }), ["applied"]);
            assert.deepEqual(await made.commit({ packets: "y" }), ["refused", "full"]);
            const other = await opened();
            assert.deepEqual(await other.commit({ packets: "x".repeat(QUEUE_MAX + 1) }), ["refused", "full"]);
            near((await other.left())[1], INTERVAL + TIMEOUT + KEPT_LONGER);
        });

        test("a pong moves the heartbeat on, and the keys live as long", async () => {
            const made = await opened({ packets: "40" });
            await made.age(1);
            await stage.redis.call("PEXPIRE", made.key, 9000);
            const found = await made.get("t1", { ping: 1, items: 0 });
            assert.equal(found.ping, "1");
            await made.claim("b", { t: "t2" });
            assert.equal(await made.field("pinged"), "1");
            assert.equal((await made.read("b")).ping, "0", "once");
            await made.commit({ pong: 1 });
            assert.equal(await made.field("pinged"), null);
            const { wait, ping } = await made.read("b");
            assert.equal(ping, "0");
            near(wait, INTERVAL);
            (await made.left()).forEach((left) => near(left, INTERVAL + TIMEOUT + KEPT_LONGER));
        });

        test("the rate's bucket comes back with the time since", async () => {
            const made = await opened();
            await made.commit({ allowance: -250 });
            await sleep(25);
            const [, , , , allowance, idle] = await made.load();
            assert.equal(allowance, "-250");
            assert.ok(Number(idle) >= 20000 && Number(idle) < 5e6, idle);
        });
    });

    describe("the heartbeat", () => {
        test("a ping is sent again until its answer was fetched", async () => {
            const made = await opened();
            await made.age(1);
            assert.equal((await made.get("t1", { ping: 1 })).ping, "1");
            assert.equal((await made.get("t1", { ping: 1 })).ping, "1", "the same GET");
            const { ping, wait } = await made.get("t2");
            assert.equal(ping, "0");
            near(wait, TIMEOUT);
        });

        test("who misses it is gone to the millisecond, for everybody", async () => {
            const made = session({ interval: 60, timeout: 60 });
            await made.open();
            await made.claim("a");
            await made.probe("p");
            const end = Number(await made.field("due")) + 60;
            await sleepUntil(stage.redis, end - 15);
            if ((await stage.redis.now()) < end - 5) {
                assert.equal((await made.load())[0], "applied");
            }
            await sleepUntil(stage.redis, end);
            const gone = ["refused", "unknown"];
            assert.deepEqual(await made.load(), gone);
            assert.deepEqual(await made.claim("b", { instead: "a" }), gone);
            assert.deepEqual(await made.read("a"), gone);
            assert.deepEqual(await made.take("a"), gone);
            assert.deepEqual(await made.commit({ pong: 1 }), gone, "too late");
            assert.deepEqual(await made.upgrade("p"), gone);
            assert.deepEqual(await made.probe("q"), gone);
            assert.equal(await made.exists(), 1, "its key is there still");
        });

        test("and nothing is left of him", async () => {
            const made = session({ interval: 1, timeout: 1 });
            await made.open({ packets: "40" });
            for (const left of await made.left()) {
                assert.ok(left > 0 && left <= KEPT_LONGER + 2, `${left}`);
            }
        });
    });

    describe("closing", () => {
        test("a GET that waits gets the words; the session is gone", async () => {
            const made = await (await opened({ packets: "40" })).listen();
            await made.claim("a");
            assert.equal((await made.close({ words: "6" }))[0], "applied");
            assert.deepEqual(await made.published(), [["x", "6"]]);
            assert.deepEqual(await made.load(), ["refused", "unknown"]);
            assert.deepEqual(await made.claim("b"), ["refused", "unknown"]);
            assert.deepEqual(await made.close(), ["refused"]);
        });

        test("a GET that has claimed and does not listen yet finds them, and no other", async () => {
            const made = await opened();
            await made.claim("a");
            await made.close({ words: "6" });
            assert.deepEqual(await made.read("b"), ["refused", "unknown"]);
            assert.deepEqual(await made.read("a"), ["refused", "closed", "6"]);
            const [left] = await made.left();
            assert.ok(left > 0 && left <= 5000, `${left}`);
        });

        test("whoever closes it is told its age and what it carried, for the log", async () => {
            const made = await opened();
            const began = Date.now();
            await made.commit({ bytes: 11 });
            await made.commit({ version: "1", bytes: 22 });
            await made.claim("a");
            await made.take("a", { bytes: 1000 });
            await made.claim("b");
            await made.take("b", { bytes: 1 });
            await sleep(100);
            const [outcome, age, bytesIn, bytesOut] = await made.close();
            assert.deepEqual([outcome, bytesIn, bytesOut], ["applied", 33, 1001]);
            assert.ok(age >= 99 && age <= Date.now() - began + 1000, `${age} ms`);
        });

        test("by its own GET nothing is left", async () => {
            const made = await (await opened({ packets: "40" })).listen();
            await made.claim("a");
            assert.deepEqual(await made.close({ claim: "b" }), ["refused"]);
            assert.equal((await made.close({ claim: "a" }))[0], "applied");
            assert.equal(await made.exists(), 0);
            assert.deepEqual(await made.published(), []);
        });

        test("without a GET nothing is left either, unless the next one is to be told", async () => {
            const made = await opened({ packets: "40" });
            assert.equal((await made.close())[0], "applied");
            assert.equal(await made.exists(), 0);
            await made.open({ packets: "40" });
            assert.equal((await made.close({ words: "41", told: 1 }))[0], "applied");
            near((await made.left())[0], 60000);
            assert.deepEqual(await made.load(), ["refused", "unknown"]);
            assert.deepEqual(await made.commit(), ["refused", "unknown"]);
            assert.deepEqual(await made.probe("p"), ["refused", "unknown"]);
            assert.deepEqual(await made.claim("a", { row: "other" }), ["refused", "unknown"]);
            assert.deepEqual(await made.claim("a"), ["refused", "closed", "41"]);
            assert.equal(await made.exists(), 0);
            assert.deepEqual(await made.claim("b"), ["refused", "unknown"]);
        });

        test("the GET that ends it leaves the words to the next", async () => {
            const made = await opened();
            await made.claim("a");
            assert.equal((await made.close({ claim: "a", words: "1", told: 1 }))[0], "applied");
            assert.deepEqual(await made.claim("b"), ["refused", "closed", "1"]);
            assert.equal(await made.exists(), 0);
        });
    });

    describe("the upgrade", () => {
        test("one websocket at a time may try", async () => {
            const made = await opened();
            assert.deepEqual(await made.probe("a"), ["applied"]);
            assert.deepEqual(await made.probe("b"), ["refused", "wrong"]);
            assert.deepEqual(await made.probed("b"), ["refused"]);
            assert.deepEqual(await made.upgrade("b"), ["refused", "unknown"]);
            assert.deepEqual(await made.probe("b", { limit: 0 }), ["applied"], "gives up what it has not");
            assert.deepEqual(await made.probed("a"), ["applied"]);
            assert.deepEqual(await made.probe("a", { limit: 0 }), ["applied"]);
            for (const name of ["upgrade", "void", "probed"]) {
                assert.equal(await made.field(name), null, "polling is as it was");
            }
            assert.deepEqual(await made.probe("b"), ["applied"]);
        });

        test("its time is bounded, by Redis's clock", async () => {
            const made = await opened();
            await made.probe("a", { limit: 30 });
            await made.probed("a");
            await sleepUntil(stage.redis, Number(await made.field("void")));
            assert.deepEqual(await made.upgrade("a"), ["refused", "unknown"]);
            await made.claim("g");
            assert.equal((await made.read("g")).probing, "0");
            assert.deepEqual(await made.probe("b"), ["applied"]);
            assert.equal(await made.field("probed"), null);
        });

        test("an answered probe lets the GET go", async () => {
            const made = await (await opened()).listen();
            await made.probe("a");
            await made.claim("g");
            assert.equal((await made.read("g")).probing, "0");
            await made.probed("a");
            assert.deepEqual(await made.published(), [["u", ""]]);
            assert.equal((await made.read("g")).probing, "1");
        });

        test("a websocket gets all that is not fetched, and what was sent last has arrived", async () => {
            const made = await opened({ packets: "4a" });
            await made.commit({ saved: "newer", packets: "4b" });
            await made.get("t1", { marks: "m1", items: 1 });
            await made.probe("a");
            assert.deepEqual(await made.upgrade("a"), ["applied", "newer", "m1", "4b"]);
            assert.equal(await stage.redis.call("EXISTS", made.queue), 0);
            near((await made.left())[0], LEASE);
            const fields = await stage.redis.call("HKEYS", made.key);
            assert.deepEqual(fields.sort(), ["due", "kind", "proto"]);
        });

        test("from then on it is a websocket's", async () => {
            const made = await (await opened()).listen();
            await made.claim("g");
            await made.probe("a");
            await made.upgrade("a");
            assert.equal((await made.published()).at(-1)[0], "x", "a GET beside it is let go");
            const wrong = ["refused", "wrong"];
            assert.deepEqual(await made.claim("h"), wrong);
            assert.deepEqual(await made.load(), wrong);
            assert.deepEqual(await made.commit(), wrong);
            assert.deepEqual(await made.probe("b"), wrong);
            assert.deepEqual(await made.upgrade("a"), ["refused", "unknown"]);
            assert.deepEqual(await made.probe("a", { limit: 0 }), ["applied"]);
            assert.deepEqual(await made.load(), wrong, "who is late does not take it back");
        });

        test("its id is known while it lives, and no longer", async () => {
            const made = await opened();
            await made.probe("a");
            await made.upgrade("a");
            await stage.redis.call("PEXPIRE", made.key, 1000);
            assert.deepEqual(await made.renew(), ["applied"]);
            near((await made.left())[0], LEASE);
            await made.close();
            assert.equal(await made.exists(), 0);
            assert.deepEqual(await made.renew(), ["refused"]);
            assert.equal(await made.exists(), 0, "nothing comes to life");
        });
    });

    test("of a session that is not there nothing is said and nothing is left", async () => {
        const made = session();
        const unknown = ["refused", "unknown"];
        assert.deepEqual(await made.claim("a"), unknown);
        assert.deepEqual(await made.read("a"), unknown);
        assert.deepEqual(await made.take("a"), unknown);
        assert.deepEqual(await made.load(), unknown);
        assert.deepEqual(await made.commit({ packets: "4a", pong: 1 }), unknown);
        assert.deepEqual(await made.close({ told: 1 }), ["refused"]);
        assert.deepEqual(await made.close({ claim: "a" }), ["refused"]);
        assert.deepEqual(await made.probe("a"), unknown);
        assert.deepEqual(await made.probe("a", { limit: 0 }), ["applied"]);
        assert.deepEqual(await made.probed("a"), ["refused"]);
        assert.deepEqual(await made.upgrade("a"), unknown);
        assert.deepEqual(await made.renew(), ["refused"]);
        assert.equal(await made.exists(), 0);
    });
});
