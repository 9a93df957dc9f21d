// Devices of a user: leases that are taken, renewed and given back, and what a join answers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { entryOf, LEASE, ORIGIN, sleepUntil, suiteStage, textOf } from "./lib/stage.mjs";

const T0 = Date.parse("2022-05-09T09:09:07Z");
const OTHER = "fedcba9876543210fedc";
const MONTH = 30 * 86400 * 1000;

describe("devices", () => {
    const stage = suiteStage();

    async function assertKeptForAMonth(user) {
        const left = await stage.redis.call("PTTL", user.devices);
        assert.ok(left > MONTH - 60000 && left <= MONTH, `${left} ms`);
    }

    // The end of a lease lies between what it was before and after the call.
    async function timed(call) {
        const before = await stage.redis.now();
        const result = await call();
        return { result, before, after: await stage.redis.now() };
    }

    function assertWithin(value, before, after) {
        assert.ok(value >= before && value <= after, `${value} is not in ${before} to ${after}`);
    }

    describe("joining", () => {
        test("takes a lease whose end is Redis's clock and its length", async () => {
            const user = stage.user();
            const { before, after } = await timed(() => user.join({ since: 17, lease: 5000 }));
            const leases = await user.leases();
            assert.deepEqual(Object.keys(leases), [entryOf(ORIGIN, 17, 5000)]);
            assertWithin(leases[entryOf(ORIGIN, 17, 5000)], before + 5000, after + 5000);
            await assertKeptForAMonth(user);
        });

        test("answers the time and no state when there is none", async () => {
            const user = stage.user();
            const { result, before, after } = await timed(() => user.join());
            const { now, ...rest } = result;
            assertWithin(now, before, after);
            const none = { seq: null, track: null, from: null, fromId: null, paused: null, pos: null, time: null };
            assert.deepEqual(rest, { outcome: "applied", devices: 1, ...none });
        });

        test("answers the state as it stands", async () => {
            const user = stage.user();
            await user.newTrack(T0, { track: '"x"', from: "playlist", fromId: "9" });
            await user.pause(T0 + 1500);
            const { now, ...rest } = await user.join();
            assert.equal(typeof now, "number");
            assert.deepEqual(rest, {
                outcome: "applied",
                devices: 1,
                seq: (await user.state()).seq,
                track: '"x"',
                from: "playlist",
                fromId: "9",
                paused: "1",
                pos: "1.5",
                time: textOf(T0 + 1500),
            });
        });

        test("again renews the lease and adds nobody", async () => {
            const user = stage.user();
            await user.join();
            const { result, before } = await timed(() => user.join());
            assert.equal(result.devices, 1);
            assertWithin((await user.leases())[entryOf(ORIGIN, 1, LEASE)], before + LEASE, Infinity);
        });

        test("counts who is alive and forgets who is not", async () => {
            const user = stage.user();
            const now = await stage.redis.now();
            const [dead, alive] = ["dead", "alive"].map((id) => entryOf(id, 1, 45000));
            await stage.redis.call("ZADD", user.devices, now - 1000, dead, now - 500, "gone 0", now + 20000, alive);
            assert.equal((await user.join()).devices, 2);
            assert.deepEqual(Object.keys(await user.leases()).sort(), [entryOf(ORIGIN, 1, LEASE), alive]);
        });

        test("does not shorten the leases of processes with other settings", async () => {
            const user = stage.user();
            await user.join({ id: OTHER, lease: 600000 });
            const before = await user.leases();
            await user.join({ lease: 1000 });
            assert.equal((await user.leases())[entryOf(OTHER, 1, 600000)], before[entryOf(OTHER, 1, 600000)]);
        });

        test("tells nobody and changes no number", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            const { seq } = await user.state();
            await user.published();
            await user.join();
            await user.join({ id: OTHER });
            assert.deepEqual(await user.published(), []);
            assert.equal((await user.state()).seq, seq);
        });
    });

    describe("leaving", () => {
        test("gives the lease back and leaves the moment behind", async () => {
            const user = stage.user();
            await user.join();
            const { result, before, after } = await timed(() => user.leave());
            assert.equal(result, "applied");
            const leases = await user.leases();
            assert.deepEqual(Object.keys(leases), ["gone 0"]);
            assertWithin(leases["gone 0"], before, after);
            await assertKeptForAMonth(user);
        });

        test("leaves the others where they are", async () => {
            const user = stage.user();
            await user.join();
            await user.join({ id: OTHER });
            await user.leave();
            assert.deepEqual(Object.keys(await user.leases()).sort(), [entryOf(OTHER, 1, LEASE), "gone 0"].sort());
        });

        test("of an old connection does not take the lease of its successor", async () => {
            const user = stage.user();
            await user.join({ id: ORIGIN, since: 1 });
            await user.join({ id: ORIGIN, since: 2 });
            await user.leave({ id: ORIGIN, since: 1 });
            assert.ok((await user.leases())[entryOf(ORIGIN, 2, LEASE)]);
        });

        test("after a silence is dated back to when the device was last heard", async () => {
            const user = stage.user();
            await user.join();
            const { before, after } = await timed(() => user.leave({ age: 20000 }));
            assertWithin((await user.leases())["gone 0"], before - 20000, after - 20000);
            const later = await timed(() => user.leave({ age: 5000 }));
            const mark = (await user.leases())["gone 0"];
            assertWithin(mark, later.before - 5000, later.after - 5000);
            await user.leave({ age: 60000 });
            assert.equal((await user.leases())["gone 0"], mark); // it never moves back
        });

        test("twice, or unknown, only moves the mark", async () => {
            const user = stage.user();
            await user.leave();
            const first = (await user.leases())["gone 0"];
            await sleepUntil(stage.redis, first + 5);
            await user.leave();
            const second = (await user.leases())["gone 0"];
            assert.ok(second > first);
            assert.equal(Object.keys(await user.leases()).length, 1);
        });
    });

    describe("renewing", () => {
        test("begins the lease anew at the moment when the device was heard", async () => {
            const user = stage.user();
            await user.join();
            for (const age of [0, 7000]) {
                const { result, before, after } = await timed(() => user.renew({ age }));
                assert.equal(result, "applied");
                const end = (await user.leases())[entryOf(ORIGIN, 1, LEASE)];
                assertWithin(end, before - age + LEASE, after - age + LEASE);
            }
            assert.equal(Object.keys(await user.leases()).length, 1);
        });

        test("brings back an entry that was lost with Redis's data", async () => {
            const user = stage.user();
            await user.renew();
            assert.deepEqual(Object.keys(await user.leases()), [entryOf(ORIGIN, 1, LEASE)]);
            await assertKeptForAMonth(user);
        });
    });

    test("a life: join, play, leave, and the track stands where the last device left it", async () => {
        const user = stage.user();
        await user.join({ grace: 50 });
        await user.newTrack(T0);
        const began = Number((await user.state()).upd);
        await user.leave();
        const left = (await user.leases())["gone 0"];
        await sleepUntil(stage.redis, left + 60);
        const { paused, pos, time } = await user.join({ id: OTHER, grace: 50 });
        const played = left - Math.floor(began / 1000);
        assert.deepEqual({ paused, pos: Number(pos) }, { paused: "1", pos: played / 1000 });
        assert.equal(Date.parse(time.replace("+0000", "Z")), T0 + played);
    });
});
