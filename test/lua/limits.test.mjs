// Limits over all processes: places among a user's or an address's connections, and tokens of a rate's bucket.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { sleep } from "../e2e/lib/patience.mjs";
import { PREFIX } from "./lib/scripts.mjs";
import { sleepUntil, suiteStage } from "./lib/stage.mjs";

const LEASE = 45000;
let subjects = 0;

// Somebody whose connections and messages are counted.
class Subject {
    constructor(stage) {
        const tag = `{ip/subject-${++subjects}}`;
        this.stage = stage;
        this.keys = [`${PREFIX}places:${tag}`, `${PREFIX}polls:${tag}`];
        [this.places, this.polls] = this.keys;
        this.bucket = `${PREFIX}bucket:${tag}`;
    }

    async claim(process, { has = 0, wants, limit = 10, lease = LEASE }) {
        const args = [process, has, wants, limit, lease];
        const [outcome, granted] = await this.stage.scripts.call("limit_claim", this.keys, args.map(String));
        assert.equal(outcome, "applied");
        return granted;
    }

    poll(session, { keeps = false, limit = 10, lease = LEASE } = {}) {
        const args = [session, keeps ? "1" : "0", String(limit), String(lease)];
        return this.stage.scripts.call("limit_poll", this.keys, args);
    }

    async draw(wants, { rate = 10, burst = 20 } = {}) {
        const args = [wants, rate, burst].map(String);
        const [outcome, granted, wait] = await this.stage.scripts.call("limit_draw", [this.bucket], args);
        assert.equal(outcome, "applied");
        return { granted, wait };
    }
}

describe("places", () => {
    const stage = suiteStage();
    const subject = () => new Subject(stage);

    test("are granted up to the limit, whichever process asks", async () => {
        const one = subject();
        assert.equal(await one.claim("a", { wants: 4 }), 4);
        assert.equal(await one.claim("b", { wants: 4 }), 4);
        assert.equal(await one.claim("c", { wants: 4 }), 2, "as many as are left");
        assert.equal(await one.claim("d", { wants: 1 }), 0);
        assert.equal(await one.claim("a", { has: 4, wants: 5 }), 4, "one that has some gets no more");
    });

    test("are free when a process has fewer, and when it has none nothing is left of it", async () => {
        const one = subject();
        await one.claim("a", { wants: 9 });
        assert.equal(await one.claim("a", { has: 3, wants: 3 }), 3);
        assert.equal(await one.claim("b", { wants: 8 }), 7);
        assert.equal(await one.claim("a", { has: 0, wants: 0 }), 0);
        assert.equal(await one.claim("b", { has: 0, wants: 0 }), 0);
        assert.equal(await stage.redis.call("EXISTS", ...one.keys), 0);
    });

    test("that a process has are never taken from it", async () => {
        const one = subject();
        await one.claim("b", { wants: 10 });
        assert.equal(await one.claim("a", { has: 7, wants: 9 }), 7, "Redis had lost its data, or the limit was lowered");
        assert.equal(await one.claim("b", { has: 10, wants: 11 }), 10);
        assert.equal(await one.claim("c", { wants: 1 }), 0);
    });

    test("of a process that does not renew them are free at the end of its lease", async () => {
        const one = subject();
        assert.equal(await one.claim("dead", { wants: 10, lease: 200 }), 10);
        const end = (await stage.redis.now()) + 200;
        assert.equal(await one.claim("b", { wants: 1 }), 0);
        await sleepUntil(stage.redis, end);
        assert.equal(await one.claim("b", { wants: 1 }), 1);
        assert.equal(await stage.redis.call("HEXISTS", one.places, "dead"), 0);
    });

    test("live as long as the longest lease, and no key outlives it", async () => {
        const one = subject();
        await one.claim("a", { wants: 1, lease: 60000 });
        await one.claim("b", { wants: 1, lease: 1000 });
        const left = await stage.redis.call("PTTL", one.places);
        assert.ok(left > 59000 && left <= 60000, `${left} ms`);
        await one.poll("s", { lease: 1000 });
        const short = await stage.redis.call("PTTL", one.polls);
        assert.ok(short > 0 && short <= 1000, `${short} ms`);
    });

    test("of polling sessions count with those of processes, both ways", async () => {
        const one = subject();
        await one.claim("a", { wants: 8 });
        assert.equal(await one.poll("s1"), "applied");
        assert.equal(await one.poll("s2"), "applied");
        assert.equal(await one.poll("s3"), "refused");
        assert.equal(await one.poll("s2"), "applied", "who has one keeps it");
        assert.equal(await one.poll("s4", { keeps: true }), "applied", "also beyond the limit");
        assert.equal(await one.claim("b", { wants: 1 }), 0);
        for (const session of ["s1", "s2", "s4"]) {
            assert.equal(await one.poll(session, { lease: 0 }), "applied");
        }
        assert.equal(await one.claim("b", { wants: 5 }), 2);
    });

    test("of polling sessions that are not renewed are free at the end of their leases", async () => {
        const one = subject();
        await one.poll("gone", { limit: 1, lease: 200 });
        const end = (await stage.redis.now()) + 200;
        assert.equal(await one.poll("next", { limit: 1 }), "refused");
        await sleepUntil(stage.redis, end);
        assert.equal(await one.poll("next", { limit: 1 }), "applied");
    });

    test("of processes that are dead do not count for polling sessions either", async () => {
        const one = subject();
        await one.claim("dead", { wants: 3, lease: 200, limit: 3 });
        const end = (await stage.redis.now()) + 200;
        assert.equal(await one.poll("s", { limit: 3 }), "refused");
        await sleepUntil(stage.redis, end);
        assert.equal(await one.poll("s", { limit: 3 }), "applied");
    });
});

describe("a rate's bucket", () => {
    const stage = suiteStage();
    const subject = () => new Subject(stage);

    test("is full at first, and gives what it has", async () => {
        const one = subject();
        assert.deepEqual(await one.draw(5), { granted: 5, wait: 0 });
        assert.equal((await one.draw(30)).granted, 15);
        const { granted, wait } = await one.draw(5, { rate: 1, burst: 20 });
        assert.equal(granted, 0);
        assert.ok(wait > 0 && wait <= 1000, `${wait} ms until there is one again`);
    });

    test("fills by its rate, and not beyond the burst", async () => {
        const one = subject();
        await one.draw(20, { rate: 100, burst: 20 });
        const before = await stage.redis.now();
        await sleep(100);
        const { granted } = await one.draw(15, { rate: 100, burst: 20 });
        const passed = (await stage.redis.now()) - before;
        assert.ok(granted >= Math.min(10, 15) && granted <= Math.ceil(passed / 10) + 1, `${granted} in ${passed} ms`);
        await sleep(400);
        assert.equal((await one.draw(100, { rate: 100, burst: 20 })).granted, 20);
    });

    test("keeps the part of a token that is there already", async () => {
        const one = subject();
        await one.draw(20, { rate: 4, burst: 20 });
        const before = await stage.redis.now();
        let granted = 0;
        while ((await stage.redis.now()) < before + 1600) {
            granted += (await one.draw(5, { rate: 4, burst: 20 })).granted;
            await sleep(5);
        }
        const passed = (await stage.redis.now()) - before;
        assert.ok(granted >= 6 && granted <= Math.ceil((passed / 1000) * 4), `${granted} in ${passed} ms`);
    });

    test("is forgotten when it must be full again", async () => {
        const one = subject();
        await one.draw(1, { rate: 10, burst: 20 });
        const left = await stage.redis.call("PTTL", one.bucket);
        assert.ok(left > 2000 && left <= 3000, `${left} ms`);
    });
});
