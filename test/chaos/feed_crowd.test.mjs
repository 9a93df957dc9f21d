// A crowd on one topic of one process: everybody hears every line once, in little memory, and meanwhile nobody else
// waits.
//
// SEGUE_TEST_CONNECTIONS says how many (5000 in the regular run; the number is 20000).

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Feed } from "../e2e/lib/feed.mjs";
import { patient, SLOW, sleep, until } from "../e2e/lib/patience.mjs";
import { testSite } from "../e2e/lib/site.mjs";
import { Swarm } from "./lib/swarm.mjs";

const COUNT = Number(process.env.SEGUE_TEST_CONNECTIONS ?? 5000);
const LINES = 10;
const KIB = 1024;
const PATH = "/feed/crowd";

describe(`${COUNT} subscribers of one topic on one process`, () => {
    // Asks for pongs, one after the other, until told to stop; gives the times of all.
    async function pinging(player, isOver) {
        const times = [];
        while (!isOver()) {
            const start = performance.now();
            await player.ask({ type_push_state: "ping", t: times.length });
            times.push(performance.now() - start);
            await sleep(2);
        }
        return times.sort((a, b) => a - b);
    }

    test("hear every line once, and a player among them is answered meanwhile", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { "api-key": "k", rate: 0 } });
        const [gateway, other] = site.gateways;
        const player = await site.player(site.user(), 0);
        const before = gateway.residentBytes();
        const swarm = new Swarm(gateway, COUNT, PATH);
        t.after(() => swarm.end());
        const { opened, failed } = await swarm.open();
        assert.equal(failed, 0);
        const each = (gateway.residentBytes() - before) / opened;
        assert.ok(each < 16 * KIB * SLOW, `${Math.round(each)} bytes for each`);
        const witness = await Feed.subscribed(gateway, PATH);
        const greetings = (await swarm.count()).frames;
        assert.equal(greetings, 2 * opened, "initial and confirmation");

        let over = false;
        const times = pinging(player, () => over);
        const settled = gateway.residentBytes();
        for (let i = 0; i < LINES; i++) {
            const answer = await other.get(`/api${PATH.replace("feed", "feeds")}`, {
                method: "POST",
                headers: { "X-API-Key": "k" },
                body: JSON.stringify({ message: `line ${i}` }),
            });
            assert.equal(answer.status, 200);
            await sleep(20 * (i % 3));
        }
        for (let i = 0; i < LINES; i++) {
            assert.equal(await witness.line(patient(30000)), `line ${i}`);
            witness.say("ping");
        }
        const all = { alive: opened, frames: greetings + LINES * opened };
        await until(async () => (await swarm.count()).frames >= all.frames, "everybody has heard", patient(60000), 100);
        over = true;
        const sorted = await times;
        assert.deepEqual(await swarm.count(), all, "and nobody twice");
        const worst = sorted.at(-1);
        assert.ok(worst < patient(500), `a pong took ${Math.round(worst)} ms`);
        const grown = (gateway.residentBytes() - settled) / opened;
        assert.ok(grown < KIB * SLOW, `a distribution took ${Math.round(grown)} bytes for each`);
        t.diagnostic(
            `${opened} subscribers, ${Math.round(each)} bytes each; ${sorted.length} pongs: median ` +
                `${sorted[sorted.length >> 1].toFixed(1)} ms, worst ${worst.toFixed(1)} ms`,
        );
    });
});
