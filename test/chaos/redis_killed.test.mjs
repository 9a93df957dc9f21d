// Redis dies, freezes and loses its data under load; afterwards everybody agrees again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { newTrack } from "../e2e/lib/scenario.mjs";
import { testSite } from "../e2e/lib/site.mjs";
import { Crowd } from "./lib/crowd.mjs";

describe("under load", () => {
    async function ready(site) {
        for (const gateway of site.gateways) {
            await until(async () => (await gateway.get("/readyz")).status === 200, "/readyz says 200", patient(15000));
        }
    }

    async function crowdOf(t, count) {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const crowd = new Crowd(site, count);
        t.after(() => crowd.end());
        await crowd.arrive();
        await sleep(300);
        return { site, crowd };
    }

    test("kill -9 of Redis and its return with the data: nobody is disconnected, everybody agrees", async (t) => {
        const { site, crowd } = await crowdOf(t, 25);
        for (let round = 0; round < 3; round++) {
            await site.redis.kill();
            await sleep(300);
            await site.redis.start();
            await ready(site);
            await sleep(300);
        }
        await crowd.stop();
        await crowd.agrees();
        assert.ok(
            crowd.devices.every((device) => device.connections === 1),
            "nobody had to come back",
        );
        assert.ok(
            crowd.users.every(({ speaker }) => speaker.unavailable > 0),
            "updates were answered unavailable",
        );
    });

    test("kill -9 of Redis and its return without the data: everybody learns it and can start anew", async (t) => {
        const { site, crowd } = await crowdOf(t, 20);
        await crowd.stop();
        await site.redis.restart({ data: false });
        const listeners = crowd.users.flatMap((user) => user.listeners);
        await until(
            () => listeners.every((device) => device.belief === null),
            "everybody knows that there is no state",
            patient(5000),
        );
        crowd.users.forEach(({ speaker }) => assert.ok(speaker.say(newTrack(77))));
        await until(() => listeners.every((device) => device.belief?.track_id === 2), "everybody hears the new track");
        await crowd.agrees();
    });

    test("a Redis that freezes again and again: everybody agrees afterwards", async (t) => {
        const { site, crowd } = await crowdOf(t, 20);
        for (const ms of [200, 1000, 4000]) {
            site.redis.freeze();
            await sleep(ms);
            site.redis.thaw();
            await ready(site);
            await sleep(200);
        }
        await crowd.stop();
        await crowd.agrees();
        assert.ok(
            crowd.devices.every((device) => device.connections === 1),
            "nobody had to come back",
        );
    });

    test("connections of Redis are killed all the time: everybody agrees afterwards", async (t) => {
        const { site, crowd } = await crowdOf(t, 20);
        for (let i = 0; i < 12; i++) {
            await site.redis.call("CLIENT", "KILL", "TYPE", i % 3 ? "normal" : "pubsub", "SKIPME", "yes");
            await sleep(120);
        }
        await ready(site);
        await crowd.stop();
        await crowd.agrees();
    });
});
