// The ghost: a track does not go on playing for ten hours because the last tab vanished.
//
// Clients' clocks are wrong in all of these tests; what counts is Redis's. The times here are measured with Redis's
// clock around each step, so that a slow machine makes the intervals wider and nothing wrong.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { changePosition, newTrack, offPause, onPause, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";

const GRACE_S = 1;
const PING_INTERVAL = 300 * SLOW;
const PING_TIMEOUT = 900 * SLOW;
const LEASE = PING_INTERVAL + PING_TIMEOUT;
const GONE = Math.max(LEASE, GRACE_S * 1000);
const SLACK = patient(400);

const flags = { "orphan-grace": GRACE_S, "ping-interval": PING_INTERVAL, "ping-timeout": PING_TIMEOUT };

describe("the ghost", { concurrency: 16 }, () => {
    const site = suiteSite({ gateways: 2, flags });

    // Runs a step and tells between which two moments of Redis's clock it happened.
    async function timed(step) {
        const from = await site.redis.now();
        await step();
        return { from, to: await site.redis.now() };
    }

    // How far a state moved on beyond what was sent, in ms; position and time must agree about it.
    function played(found, position, time) {
        const byPosition = (found.last_sec_position - position) * 1000;
        const byTime =
            Date.parse(found.time_state_update.replace("+0000", "Z")) - Date.parse(time.replace("+0000", "Z"));
        assert.ok(Math.abs(byPosition - byTime) <= 1, `position +${byPosition} ms, time +${byTime} ms`);
        return byPosition;
    }

    function between(ms, least, most) {
        assert.ok(ms >= least && ms <= most, `${ms} ms is not between ${least} and ${most}`);
    }

    const waitUntilGone = () => sleep(GONE + SLACK);

    for (const time of ["1999-12-31T23:59:58+0000", "2061-07-28T12:00:00Z", "2022-05-09T09:09:12.250+00:00"]) {
        test(`after the last device has left, the track reads as paused at that moment (clock at ${time})`, async () => {
            const user = site.user();
            const player = await site.player(user, 0);
            const started = await timed(() => site.apply(user, player, { ...newTrack(0), time_state_update: time }));
            await sleep(700);
            const left = await timed(() => player.close());
            await waitUntilGone();
            const found = await site.stateOf(user, 1);
            assert.equal(found.on_pause, true);
            between(played(found, 0, time), left.from - started.to, left.to - started.from + SLACK);
        });
    }

    test("the position goes on from where it was put", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        await site.apply(user, player, newTrack(0));
        const moved = await timed(() => site.apply(user, player, changePosition(7, 1000.5)));
        const left = await timed(() => player.close());
        await waitUntilGone();
        const found = await site.stateOf(user);
        assert.equal(found.on_pause, true);
        const after = played(found, 1000.5, changePosition(7, 0).time_state_update);
        between(after, left.from - moved.to, left.to - moved.from + SLACK);
    });

    test("a device that vanishes without a word counts until it vanished", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        const started = await timed(() => site.apply(user, player, newTrack(0)));
        await sleep(500);
        const left = await timed(() => player.reset());
        await waitUntilGone();
        const found = await site.stateOf(user);
        assert.equal(found.on_pause, true);
        between(
            played(found, 0, newTrack(0).time_state_update),
            left.from - started.to,
            left.to - started.from + SLACK,
        );
    });

    test("it reads the same again later, and off_pause goes on from there", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        await site.apply(user, player, newTrack(0));
        await player.close();
        await waitUntilGone();
        const found = await site.stateOf(user, 0);
        assert.equal(found.on_pause, true);
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, 1), found);
        const again = await site.player(user, 0);
        await site.apply(user, again, offPause(100));
        const going = { ...found, on_pause: false, time_state_update: offPause(100).time_state_update };
        assert.deepEqual(await site.stateOf(user, 1), going);
    });

    test("a paused track is left as it is", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        await site.apply(user, player, newTrack(0));
        await site.apply(user, player, onPause(5));
        await player.close();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user), state(5, 5, { paused: true }));
    });

    test("another device on another process keeps it playing", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        const other = await site.player(user, 1);
        player.send(newTrack(0));
        await other.receives(newTrack(0));
        await player.close();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, 0), state(0, 0));
        await other.hearsNothing();
        await other.close();
        await waitUntilGone();
        assert.equal((await site.stateOf(user, 0)).on_pause, true);
    });

    test("a device that only listens, pongs and never says a word keeps it playing", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        await site.apply(user, player, newTrack(0));
        await sleep(2 * LEASE + SLACK);
        assert.deepEqual(await site.stateOf(user, 1), state(0, 0));
        assert.ok(player.isOpen);
    });

    test("a device that is frozen is closed with 4408, and then nobody keeps it playing", async () => {
        const user = site.user();
        const player = await site.player(user, 0, { autoPong: false });
        const started = await timed(() => site.apply(user, player, newTrack(0)));
        assert.equal((await player.closed(patient(LEASE + 5000))).code, 4408);
        const left = await site.redis.now();
        await waitUntilGone();
        const found = await site.stateOf(user);
        assert.equal(found.on_pause, true);
        between(played(found, 0, newTrack(0).time_state_update), -1, left - started.from + SLACK);
    });

    test("a device whose network is gone counts until its last bytes, not until that is noticed", async (t) => {
        const user = site.user();
        const proxy = await Proxy.open(site.gateways[0].port);
        t.after(() => proxy.close());
        const player = await site.player(user, proxy);
        const started = await timed(() => site.apply(user, player, newTrack(0)));
        await sleep(2 * PING_INTERVAL);
        const lost = await timed(() => proxy.hang());
        await sleep(LEASE + PING_INTERVAL);
        await waitUntilGone();
        const found = await site.stateOf(user);
        assert.equal(found.on_pause, true);
        const most = lost.to - started.from + patient(100);
        between(played(found, 0, newTrack(0).time_state_update), most - 2 * PING_INTERVAL - SLACK, most);
    });

    test("when the process that served the last device is killed, the track stops at its last sign of life", async () => {
        const user = site.user();
        const doomed = await site.addGateway();
        const player = await site.player(user, doomed);
        const started = await timed(() => site.apply(user, player, newTrack(0)));
        await sleep(3 * PING_INTERVAL);
        const killed = await timed(() => doomed.kill());
        await waitUntilGone();
        const found = await site.stateOf(user, 0);
        assert.equal(found.on_pause, true);
        const most = killed.to - started.from;
        between(played(found, 0, newTrack(0).time_state_update), most - 2 * PING_INTERVAL - SLACK, most);
    });

    test("a killed process's device counts for the longer of lease and grace", async () => {
        const user = site.user();
        const gracious = await site.addGateway({ "orphan-grace": 3600 });
        const doomed = await site.addGateway();
        const player = await site.player(user, doomed);
        await site.apply(user, player, newTrack(0));
        await doomed.kill();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, gracious), state(0, 0), "the grace is longer");
    });

    test("a lease is as long as its owner said, not as its reader would have it", async () => {
        const user = site.user();
        const doomed = await site.addGateway({ "ping-interval": 3600000, "ping-timeout": 3600000 });
        const player = await site.player(user, doomed);
        await site.apply(user, player, newTrack(0));
        await doomed.kill();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, 0), state(0, 0));
    });

    test("a drained process's devices are gone at once", async () => {
        const user = site.user();
        const leaving = await site.addGateway({ "ping-interval": 3600000, "ping-timeout": 3600000 });
        const player = await site.player(user, leaving);
        const started = await timed(() => site.apply(user, player, newTrack(0)));
        const left = await timed(() => leaving.terminate());
        await sleep(GRACE_S * 1000 + SLACK);
        const found = await site.stateOf(user, 0);
        assert.equal(found.on_pause, true);
        between(played(found, 0, newTrack(0).time_state_update), left.from - started.to, left.to - started.from);
    });

    test("a killed process's devices do not matter while another device of the user is alive", async () => {
        const user = site.user();
        const doomed = await site.addGateway();
        const player = await site.player(user, doomed);
        const other = await site.player(user, 1);
        player.send(newTrack(0));
        await other.receives(newTrack(0));
        await doomed.kill();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, 0), state(0, 0));
        await other.hearsNothing();
    });

    test("a device that comes back in time keeps it playing", async () => {
        const user = site.user();
        const patientGateway = await site.addGateway({ "orphan-grace": 3600 });
        const player = await site.player(user, patientGateway);
        await site.apply(user, player, newTrack(0));
        await player.close();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, patientGateway), state(0, 0));
        const back = await site.player(user, patientGateway);
        assert.deepEqual(JSON.parse(back.first), state(0, 0));
        await sleep(GONE + SLACK);
        assert.deepEqual(await site.stateOf(user, 0), state(0, 0));
    });

    test("within the grace it goes on playing", async () => {
        const user = site.user();
        const gateway = await site.addGateway({ "orphan-grace": 3600 });
        const player = await site.player(user, gateway);
        await site.apply(user, player, newTrack(0));
        await player.close();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, gateway), state(0, 0));
    });

    test("a grace of 0 means: never", async () => {
        const user = site.user();
        const gateway = await site.addGateway({ "orphan-grace": 0 });
        const player = await site.player(user, gateway);
        await site.apply(user, player, newTrack(0));
        await player.close();
        await waitUntilGone();
        assert.deepEqual(await site.stateOf(user, gateway), state(0, 0));
    });

    test("commands after the ghost count from where it stopped, by the clocks of the clients", async () => {
        const user = site.user();
        const player = await site.player(user, 0);
        await site.apply(user, player, newTrack(0));
        await player.close();
        await waitUntilGone();
        const back = await site.player(user, 1);
        const found = JSON.parse(back.first);
        assert.equal(found.on_pause, true);
        back.send(offPause(50));
        back.send(onPause(60));
        const end = await site.stateWhen(user, (now) => now.time_state_update === onPause(60).time_state_update);
        assert.ok(Math.abs(end.last_sec_position - found.last_sec_position - 10) < 0.002, `${end.last_sec_position}`);
    });
});
