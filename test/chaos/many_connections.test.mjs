// Very many connections: they are handled within limits, what is above is refused, and others do not suffer.
//
// SEGUE_TEST_CONNECTIONS says how many (5000 in the regular run; the number is 20000).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { patient, SLOW, until } from "../e2e/lib/patience.mjs";
import { newTrack } from "../e2e/lib/scenario.mjs";
import { testSite } from "../e2e/lib/site.mjs";
import { Swarm } from "./lib/swarm.mjs";

const COUNT = Number(process.env.SEGUE_TEST_CONNECTIONS ?? 5000);
const KIB = 1024;

describe(`${COUNT} connections to one process`, () => {
    function swarmOf(t, gateway, count) {
        const swarm = new Swarm(gateway, count);
        t.after(() => swarm.end());
        return swarm;
    }

    const openFilesLimit = (gateway) => {
        return Number(readFileSync(`/proc/${gateway.pid}/limits`, "utf8").match(/Max open files +(\d+)/)[1]);
    };

    const connections = async (gateway) => (await gateway.metrics()).get("segue_connections", { protocol: "player" });

    test("are served in little memory; a player among them works as ever; then all are gone at once", async (t) => {
        const site = await testSite(t, { gateways: 2 });
        const [gateway] = site.gateways;
        const user = site.user();
        const [one, two] = [await site.player(user, 0), await site.player(user, 1)];
        const before = gateway.residentBytes();
        const swarm = swarmOf(t, gateway, COUNT);
        const { opened, refused, failed } = await swarm.open();
        assert.equal(failed, 0);
        assert.equal(opened + refused, COUNT);
        assert.ok(opened >= Math.min(COUNT, openFilesLimit(gateway) - 300), `${opened} of ${COUNT}`);
        assert.equal(await connections(gateway), opened + 1);
        const each = (gateway.residentBytes() - before) / opened;
        assert.ok(each < 16 * KIB * SLOW, `${Math.round(each)} bytes for each`);
        const start = Date.now();
        two.send(newTrack(0));
        await one.receives(newTrack(0));
        assert.ok(Date.now() - start < patient(1000));
        assert.deepEqual(await swarm.count(), { alive: opened, frames: opened });
        await swarm.close();
        await until(async () => (await connections(gateway)) === 1, "the gauge is back", patient(30000));
        one.send(newTrack(1));
        await two.receives(newTrack(1));
    });

    test("beyond --max-connections are refused with 503, and those that are in stay", async (t) => {
        const limit = Math.floor(COUNT / 2);
        const site = await testSite(t, { gateways: 1, flags: { "max-connections": limit } });
        const [gateway] = site.gateways;
        const swarm = swarmOf(t, gateway, COUNT);
        const { opened, refused, failed } = await swarm.open();
        assert.equal(failed, 0);
        assert.equal(opened + refused, COUNT);
        assert.ok(opened <= limit && opened > limit - 200, `${opened} of ${limit}`);
        assert.equal((await swarm.count()).alive, opened);
        assert.equal(await connections(gateway), opened);
        await swarm.close();
        const player = await until(() => site.player(site.user(), 0), "there is room again", patient(30000));
        await player.hearsNothing();
    });
});
