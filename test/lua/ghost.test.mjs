// The ghost: a track that nobody can be listening to any more is read as paused at the moment when the last device was
// alive.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { entryOf, GRACE, LEASE, suiteStage, textOf } from "./lib/stage.mjs";

const T0 = Date.parse("2022-05-09T09:09:07Z");
const HOUR = 3600 * 1000;

// As the script writes it: +0000, and a fraction only where there is one.
function ghostText(ms) {
    return new Date(ms).toISOString().replace(/(\.000)?Z$/, "+0000");
}

describe("the ghost", () => {
    const stage = suiteStage();

    // A user whose state was changed an hour ago by Redis's clock, at `at` by the client's; `leases` are
    // [how long ago it ends, its length, entry].
    async function user({ at = T0, pos = "10", paused = "0", ago = HOUR, leases = [], heard = true } = {}) {
        const found = stage.user();
        const now = await stage.redis.now();
        const upd = (now - ago) * 1000 + 789;
        const fields = {
            track: "1",
            from: "album",
            from_id: "4",
            paused,
            pos,
            time: textOf(at),
            at,
            upd,
            seq: "8000000000001000",
        };
        await stage.redis.call("HSET", found.player, ...Object.entries(fields).flat());
        for (const [i, [endedAgo, length, entry = entryOf(`device-${i}`, 1, length)]] of leases.entries()) {
            await stage.redis.call("ZADD", found.devices, now - endedAgo, entry);
        }
        if (heard) {
            await found.listen();
        }
        found.changed = now - ago;
        return found;
    }

    // Joined, and read as paused so many milliseconds after the last change.
    async function assertGhost(found, played, { at = T0, pos = 10, ...how } = {}) {
        const { outcome, seq, paused, time, pos: after } = await found.join(how);
        assert.deepEqual(
            { outcome, seq, paused, time, pos: Number(after) },
            {
                outcome: "applied",
                seq: "8000000000001001",
                paused: "1",
                time: ghostText(at + played),
                pos: pos + played / 1000,
            },
        );
        assert.equal((await found.state()).at, String(at + played));
    }

    async function assertNoGhost(found, how) {
        const { seq, paused, time, pos } = await found.join(how);
        assert.deepEqual(
            { seq, paused, time, pos },
            { seq: "8000000000001000", paused: "0", time: textOf(T0), pos: "10" },
        );
        assert.deepEqual(await found.published(), []);
    }

    describe("comes", () => {
        test("when nobody was ever there: at the last change", async () => {
            await assertGhost(await user(), 0);
        });

        test("when the last device left: at that moment", async () => {
            const gone = HOUR / 2;
            await assertGhost(await user({ leases: [[gone, 0, "gone 0"]] }), HOUR - gone);
        });

        test("when the last lease ran out: at its beginning", async () => {
            const ended = 100 * 1000;
            await assertGhost(await user({ leases: [[ended, LEASE]] }), HOUR - ended - LEASE);
        });

        test("when several are gone: at the moment of the last that was alive, not of the longest lease", async () => {
            const leases = [
                [100000, LEASE], // alive 145 s ago
                [31000, 600000], // alive 631 s ago, although its lease ended last
                [50000, 0, "gone 0"],
                [HOUR * 2, 10000],
            ];
            await assertGhost(await user({ leases }), HOUR - 50000);
            await assertGhost(await user({ leases: leases.slice(0, 2) }), HOUR - 100000 - LEASE);
        });

        test("not before the last change, although all devices were gone by then", async () => {
            await assertGhost(await user({ leases: [[HOUR + 5000, 0, "gone 0"]] }), 0);
            await assertGhost(await user({ leases: [[HOUR - 5000, LEASE]] }), 0);
        });

        test("as soon as the grace time is over", async () => {
            await assertGhost(await user({ leases: [[GRACE + 500, 0, "gone 0"]] }), HOUR - GRACE - 500);
        });

        test("as soon as lease and grace are over, whichever is longer", async () => {
            const short = { lease: 1000 };
            const found = await user({ leases: [[GRACE - 1000 + 500, 1000]] });
            await assertGhost(found, HOUR - GRACE - 500, short);
            await assertGhost(await user({ leases: [[500, LEASE]] }), HOUR - LEASE - 500);
        });

        test("once", async () => {
            const found = await user({ leases: [[HOUR / 2, 0, "gone 0"]] });
            await assertGhost(found, HOUR / 2);
            await found.published();
            const again = await found.join({ id: "fedcba9876543210" });
            assert.deepEqual([again.seq, again.paused, again.pos], ["8000000000001001", "1", "1810"]);
            assert.deepEqual(await found.published(), []);
        });

        test("and is told as a pause of nobody, with its number", async () => {
            const found = await user({ leases: [[HOUR / 2, 0, "gone 0"]] });
            const before = await stage.redis.now();
            await found.join();
            const [{ kind, origin, seq, prev, time, message, other }, ...more] = await found.published();
            assert.deepEqual(more, []);
            assert.deepEqual([kind, origin, seq, prev], ["p", "-", "8000000000001001", "8000000000001000"]);
            const state = { isPlaying: false, currentTime: 10 + HOUR / 2000, duration: 0, mediaId: 1 };
            assert.deepEqual(JSON.parse(other), state);
            assert.ok(Number(time) >= before * 1000, time);
            assert.deepEqual(JSON.parse(message), {
                type_push_state: "on_pause",
                time_state_update: ghostText(T0 + HOUR / 2),
            });
        });

        test("and leaves a state that goes on as any other", async () => {
            const found = await user({ leases: [[HOUR / 2, 0, "gone 0"]] });
            await found.join();
            await found.resume(T0 + 10 * HOUR);
            await found.pause(T0 + 10 * HOUR + 5000);
            const { pos, seq, track, from, from_id: fromId } = await found.state();
            assert.deepEqual([pos, seq, track, from, fromId], ["1815", "8000000000001003", "1", "album", "4"]);
        });
    });

    describe("does not come", () => {
        test("while any lease runs", async () => {
            await assertNoGhost(await user({ leases: [[-1000, LEASE]] }));
            await assertNoGhost(
                await user({
                    leases: [
                        [HOUR / 2, 0, "gone 0"],
                        [-60000, 600000],
                    ],
                }),
            );
        });

        test("before the grace time is over", async () => {
            await assertNoGhost(await user({ leases: [[GRACE - 2000, 0, "gone 0"]] }));
            await assertNoGhost(await user({ ago: GRACE - 2000 }));
            await assertNoGhost(await user({ leases: [[100, 20000]] }));
        });

        test("when it is switched off", async () => {
            await assertNoGhost(await user({ leases: [[HOUR / 2, 0, "gone 0"]] }), { grace: 0 });
        });

        test("when the player is paused already", async () => {
            const found = await user({ paused: "1" });
            const { seq, pos, time } = await found.join();
            assert.deepEqual([seq, pos, time], ["8000000000001000", "10", textOf(T0)]);
            assert.deepEqual(await found.published(), []);
        });

        test("when there is no state", async () => {
            const found = await stage.user().listen();
            const { outcome, seq } = await found.join();
            assert.deepEqual([outcome, seq], ["applied", null]);
            assert.equal(await found.state(), null);
            assert.deepEqual(await found.published(), []);
        });

        test("when somebody comes back within the grace time, and then not for the old absence", async () => {
            const found = await user({ leases: [[GRACE - 2000, 0, "gone 0"]] });
            await found.join({ lease: LEASE });
            assert.equal((await found.leases())["gone 0"], undefined);
            await assertNoGhost(found, { id: "fedcba9876543210" });
        });
    });

    describe("its time", () => {
        async function assertTime(at, played, text) {
            const found = await user({ at, ago: played + HOUR, leases: [[HOUR, 0, "gone 0"]], heard: false });
            const { time } = await found.join();
            assert.equal(time, text, `${new Date(at).toISOString()} + ${played}`);
        }

        test("crosses the ends of months, years and leap years", async () => {
            const crossings = [
                ["2022-01-31T23:59:59Z", "2022-02-01T00:00:01+0000"],
                ["2022-04-30T23:59:59Z", "2022-05-01T00:00:01+0000"],
                ["2022-12-31T23:59:59Z", "2023-01-01T00:00:01+0000"],
                ["2023-02-28T23:59:59Z", "2023-03-01T00:00:01+0000"],
                ["2024-02-28T23:59:59Z", "2024-02-29T00:00:01+0000"],
                ["2024-02-29T23:59:59Z", "2024-03-01T00:00:01+0000"],
                ["2000-02-28T23:59:59Z", "2000-02-29T00:00:01+0000"],
                ["1900-02-28T23:59:59Z", "1900-03-01T00:00:01+0000"],
                ["2100-02-28T23:59:59Z", "2100-03-01T00:00:01+0000"],
                ["1999-12-31T23:59:59Z", "2000-01-01T00:00:01+0000"],
            ];
            for (const [at, text] of crossings) {
                await assertTime(Date.parse(at), 2000, text);
            }
        });

        test("is right before 1970", async () => {
            await assertTime(Date.parse("1969-12-31T23:59:58Z"), 1000, "1969-12-31T23:59:59+0000");
            await assertTime(Date.parse("1969-12-31T23:59:58.500Z"), 1000, "1969-12-31T23:59:59.500+0000");
            await assertTime(Date.parse("1969-12-31T23:59:59.999Z"), 1, "1970-01-01T00:00:00+0000");
            await assertTime(Date.parse("0000-02-28T23:59:59Z"), 1000, "0000-02-29T00:00:00+0000");
            await assertTime(Date.parse("0000-01-01T00:00:00Z"), 7, "0000-01-01T00:00:00.007+0000");
        });

        test("shows milliseconds where there are some, always three digits", async () => {
            for (const [ms, fraction] of [
                [1, ".001"],
                [10, ".010"],
                [100, ".100"],
                [999, ".999"],
                [1000, ""],
            ]) {
                const second = ms === 1000 ? "08" : "07";
                await assertTime(T0, ms, `2022-05-09T09:09:${second}${fraction}+0000`);
            }
        });

        test("stays within the years that have four digits", async () => {
            await assertTime(Date.parse("9999-12-31T23:59:59Z"), 10 * HOUR, "9999-12-31T23:59:59.999+0000");
            await assertTime(Date.parse("0000-01-01T00:00:00Z") - 86340000, 1000, "0000-01-01T00:00:00+0000");
        });

        test("agrees with the calendar on 300 random days", async () => {
            const first = Date.parse("0000-01-01T00:00:00Z");
            const last = Date.parse("9999-12-30T00:00:00Z");
            for (let i = 0; i < 300; i++) {
                const at = Math.floor(first + ((last - first) * ((i * 7919) % 10007)) / 10007);
                const played = (i * 104729) % 86400000;
                await assertTime(at, played, ghostText(at + played));
            }
        });
    });

    test("no more than a thousand leases are read, those that ended last", async () => {
        const found = await user({ leases: [[1900 * 1000, 0, "gone 0"]] });
        const now = await stage.redis.now();
        const entries = [];
        for (let i = 0; i < 999; i++) {
            entries.push(now - 1800 * 1000 + i, entryOf(`device-${i}`, 1, LEASE));
        }
        await stage.redis.call("ZADD", found.devices, ...entries);
        const alive = now - 1800 * 1000 + 998 - LEASE; // of the last of them; "gone" is later still: the thousandth
        await assertGhost(found, Math.max(alive, now - 1900 * 1000) - found.changed);
        const other = await user({ leases: [[1801 * 1000, 0, "gone 0"]] });
        const later = await stage.redis.now();
        const many = [];
        for (let i = 0; i < 1000; i++) {
            many.push(later - 1800 * 1000 + i, entryOf(`device-${i}`, 1, LEASE));
        }
        await stage.redis.call("ZADD", other.devices, ...many);
        const last = later - 1800 * 1000 + 999 - LEASE;
        const { time } = await other.join(); // "gone" was later, and is the thousand and first
        assert.equal(time, ghostText(T0 + last - other.changed));
    });
});
