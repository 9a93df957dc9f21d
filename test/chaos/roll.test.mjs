// A rolling deploy: every process restarted, one after the other, under clients that act. All come back, no process lets
// in more of them in a second than --connect-rate says, and nothing that was said is lost.
//
// `make roll` does the same with 10,000 clients.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SLOW } from "../e2e/lib/patience.mjs";
import { roll } from "./lib/roll.mjs";

const CLIENTS = 600 / SLOW;
const DRAIN_S = 2;
const RATE = 80; // above what comes on average, below what comes at times
const BACK_MS = 60000; // on a machine that has other things to do; `make roll` says how long it takes

test("three processes are restarted under a crowd", async () => {
    const { rolls, most, waves, users, verdict } = await roll({
        clients: CLIENTS,
        drain: DRAIN_S,
        connectRate: RATE,
        every: 2000 * SLOW,
        patience: BACK_MS * SLOW,
    });
    assert.deepEqual(verdict.shown, []);
    assert.equal(verdict.faults, 0);
    assert.ok(verdict.said > users, `${verdict.said} updates`);
    assert.equal(verdict.events, waves * users);
    assert.ok(verdict.recovered > 0 && verdict.absences.length > 0, "somebody had to come back");
    assert.ok(Math.max(...most) <= RATE, `${most} newcomers in a second`);
    for (const { exit } of rolls) {
        assert.ok(exit < (DRAIN_S + 2) * 1000 * SLOW, `it took ${exit} ms to end`);
    }
});
