// Processes die, freeze and restart under load; clients come back to others, and nobody believes anything wrong.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW, until } from "../e2e/lib/patience.mjs";
import { state } from "../e2e/lib/scenario.mjs";
import { testSite } from "../e2e/lib/site.mjs";
import { Crowd } from "./lib/crowd.mjs";

const lively = { rate: 0, "ping-interval": 500 * SLOW, "ping-timeout": 1000 * SLOW, "orphan-grace": 1 };

describe("under load", () => {
    test("kill -9 of one process after the other: clients come back elsewhere and everybody agrees", async (t) => {
        const site = await testSite(t, { gateways: 3, flags: lively });
        const crowd = new Crowd(site, 25);
        t.after(() => crowd.end());
        await crowd.arrive();
        for (let round = 0; round < 4; round++) {
            await sleep(400);
            const [doomed] = site.gateways.splice(round % site.gateways.length, 1);
            await doomed.kill();
            await sleep(200);
            await site.addGateway();
        }
        await sleep(500);
        await crowd.stop();
        await crowd.agrees();
        assert.ok(crowd.said > 100, `${crowd.said} messages`);
        assert.ok(
            crowd.devices.some((device) => device.connections > 1),
            "somebody had to come back",
        );
    });

    test("rolling restarts with SIGTERM: everybody is told 1012, comes back and agrees", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { ...lively, drain: 1 } });
        const crowd = new Crowd(site, 20);
        t.after(() => crowd.end());
        await crowd.arrive();
        for (let round = 0; round < 3; round++) {
            await site.addGateway();
            const leaving = site.gateways.shift();
            assert.equal(await leaving.terminate(), 0);
            await leaving.close();
        }
        await crowd.stop();
        await crowd.agrees();
        const codes = new Set(crowd.devices.flatMap((device) => device.codes));
        assert.deepEqual([...codes], [1012], "nobody was cut off");
    });

    test("a process that freezes for a while: others are served, and afterwards everybody agrees", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const crowd = new Crowd(site, 20);
        t.after(() => crowd.end());
        await crowd.arrive();
        const [frozen, well] = site.gateways;
        frozen.signal("SIGSTOP");
        for (let i = 0; i < 5; i++) {
            const player = await site.player(site.user(), well);
            await player.hearsNothing();
            await player.close();
            await sleep(300 * SLOW);
        }
        frozen.signal("SIGCONT");
        await sleep(300);
        await crowd.stop();
        site.gateways.reverse();
        await crowd.agrees();
    });

    test("all processes die at once: the state is still there, and the ghost has paused it", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const crowd = new Crowd(site, 10);
        t.after(() => crowd.end());
        await crowd.arrive();
        await sleep(300);
        const dead = site.gateways.splice(0);
        await crowd.stop();
        await Promise.all(dead.map((gateway) => gateway.kill()));
        await sleep(1500 * SLOW + 500);
        await site.addGateway();
        await until(() => crowd.devices.every((device) => device.isConnected), "everybody is back", patient(10000));
        await crowd.agrees();
        for (const { name } of crowd.users) {
            const found = await site.stateOf(name, 0);
            assert.equal(found.on_pause, true, "it stopped when nobody could hear it");
            assert.deepEqual(Object.keys(found).sort(), Object.keys(state(0, 0)).sort());
        }
    });
});
