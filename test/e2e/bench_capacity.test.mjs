// scripts/bench capacity and shards: a tiny run says plausible things, draws a chart that is one, and leaves nothing behind.
//
// Timings are no test, and so small a run measures none.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { keep, removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { patient, until, within } from "./lib/patience.mjs";

const BENCH = fileURLToPath(new URL("../../scripts/bench", import.meta.url));
const TINY = ["--quick", "--steps", "100,200", "--connections", "30,60", "--seconds", "0.5", "--limit", "5000"];
const RUN_MS = 120000;

// The script with a directory of its own for all that it writes; `make` within `make` would build what its parent builds.
function start(t, args, what = "capacity") {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    const { MAKEFLAGS, MAKELEVEL, MFLAGS, BUILD, ...env } = process.env;
    const child = keep(BENCH, [what, ...args], { env: { ...env, TMPDIR: directory }, stdio: ["ignore", "pipe", "pipe"] });
    const run = { child, directory, out: "", progress: "" };
    child.stdout.on("data", (text) => (run.out += text));
    child.stderr.on("data", (text) => (run.progress += text));
    return run;
}

// Processes that were started for this run: their environment tells.
function processesOf({ directory }) {
    return readdirSync("/proc").filter((name) => {
        try {
            return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, "latin1").includes(`TMPDIR=${directory}\0`);
        } catch {
            return false; // it has ended, or is another's
        }
    });
}

async function leavesNothing(run) {
    await until(() => processesOf(run).length === 0, "the end of all processes");
    assert.deepEqual(readdirSync(run.directory), []);
}

// Tags that close in order, entities that exist, numbers that are some.
function isDrawing(svg) {
    const open = [];
    for (const [, closing, name, alone] of svg.matchAll(/<(\/?)([a-zA-Z]+)(?:\s+[a-zA-Z0-9:-]+="[^"<]*")*\s*(\/?)>/g)) {
        if (closing) {
            assert.equal(open.pop(), name);
        } else if (!alone) {
            open.push(name);
        }
    }
    assert.deepEqual(open, []);
    assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity|null/);
    assert.doesNotMatch(svg, /&(?!amp;|lt;|gt;|quot;)/);
}

describe("scripts/bench capacity", { concurrency: 2 }, () => {
    test("says what a machine carries, and draws it", async (t) => {
        const files = temporaryDirectory();
        t.after(() => removeDirectory(files));
        const [svg, json] = [join(files, "new/c.svg"), join(files, "c.json")];
        const run = start(t, [...TINY, "--out", svg, "--json", json]);
        const { code } = await within(run.child.ended, () => `end: ${run.progress}`, patient(RUN_MS));
        assert.equal(code, 0, run.progress);
        await leavesNothing(run);

        const results = JSON.parse(readFileSync(json, "utf8"));
        assert.deepEqual(results.connections.map(({ kind }) => kind), ["player", "socketio", "polling"]);
        for (const { kind, steps, heartbeat, leaving, keys } of results.connections) {
            assert.deepEqual(steps.map(({ connections }) => connections), kind === "polling" ? [15, 30] : [30, 60]);
            for (const { cpu, memory } of steps) {
                assert.ok(cpu.gateway > 1 && cpu.redis > 1, `${kind}: CPU of coming`);
                assert.ok(memory.gateway > 500000 && memory.redis > 500000, `${kind}: memory`);
            }
            assert.ok(heartbeat.gateway > 0 && heartbeat.received >= 0.5, `${kind}: ${heartbeat.received} calls a heartbeat`);
            assert.ok(leaving.gateway > 0);
            assert.ok(keys.player > 100 && keys.devices > 50);
            assert.equal(keys.eio > 100, kind === "polling");
        }
        const { steps, knee, full } = results.updates;
        assert.deepEqual(steps.map(({ offered }) => offered), [100, 200]);
        assert.equal(knee?.saturated ?? false, false); // none at all where others keep this machine busy
        for (const step of steps) {
            assert.ok(step.rate > 0 && step.rate < step.offered * 1.5, `${step.rate} of ${step.offered}/s came`);
            assert.deepEqual([step.lost, step.doubled], [0, 0]);
            assert.ok(step.p50 <= step.p99 && step.micros.gateway > 1 && step.micros.redis > 1);
        }
        assert.ok(full.rate > 100);
        const operation = (name) => results.operations.rows.find((row) => row.name === name);
        const pause = operation("/player: pause or resume, to another device");
        assert.deepEqual([pause.commands.evalsha, pause.commands.publish], [1, 1]);
        assert.equal(Math.round(pause.received), 1);
        assert.ok(operation("Socket.IO by polling: connect").total > operation("/player: connect").total);
        assert.ok(results.operations.memory.devices[3] > results.operations.memory.devices[1]);

        assert.match(run.out, /^\| 60 +\|/m);
        assert.match(run.out, /^- as many as go, 256 in flight: [\d,]+\/s;/m);
        isDrawing(readFileSync(svg, "utf8"));
    });

    test("a step that can't be reached ends the steps of its kind, not the measurement", async (t) => {
        const json = join(temporaryDirectory(), "c.json");
        t.after(() => removeDirectory(dirname(json)));
        const args = ["connections", "--quick", "--processes", "2", "--connections", "10,60"];
        const files = ["--out", join(dirname(json), "c.svg"), "--json", json];
        const run = start(t, [...args, ...files, "--", "--max-connections", "12"]);
        const { code } = await within(run.child.ended, () => `end: ${run.progress}`, patient(RUN_MS));
        assert.equal(code, 0, run.progress);
        await leavesNothing(run);
        const [player, , polling] = JSON.parse(readFileSync(json, "utf8")).connections;
        assert.deepEqual(player.steps.map(({ connections }) => connections), [10]);
        assert.equal(player.failed.within, 60);
        assert.match(player.failed.why, /503 Service Unavailable/);
        assert.equal(polling.steps.length, 1);
        assert.match(run.out, /within 60 connections it ended: .*503/);
    });

    test("shards: says what each master of a cluster takes of an update, and draws it", async (t) => {
        const files = temporaryDirectory();
        t.after(() => removeDirectory(files));
        const [svg, json] = [join(files, "s.svg"), join(files, "s.json")];
        const args = ["--masters", "1,2", "--repeat", "1", "--seconds", "0.5", "--window", "32", "--out", svg, "--json", json];
        const run = start(t, args, "shards");
        const { code } = await within(run.child.ended, () => `end: ${run.progress}`, patient(RUN_MS));
        assert.equal(code, 0, run.progress);
        await leavesNothing(run);
        const { rows } = JSON.parse(readFileSync(json, "utf8"));
        assert.deepEqual(rows.map(({ masters }) => masters), [1, 2]);
        const [one, two] = rows;
        assert.equal(one.busiest.redis, one.micros.redis);
        assert.ok(two.busiest.redis < two.micros.redis * 0.75, "both masters take their part");
        assert.ok(two.busiest.gateway < two.micros.gateway * 0.75, "both gateways take their part");
        assert.match(run.out, /^\| 2 +\|/m);
        isDrawing(readFileSync(svg, "utf8"));
    });

    test("ends what it started when it is interrupted", async (t) => {
        const run = start(t, ["updates", "--quick", "--steps", "100,200,300", "--seconds", "30"]);
        await until(() => run.progress.includes("updates in steps"), () => `start: ${run.progress}`, patient(RUN_MS));
        await until(() => processesOf(run).length >= 3, "its servers", patient());
        run.child.kill("SIGINT");
        const { code } = await within(run.child.ended, "end");
        assert.equal(code, 1);
        await leavesNothing(run);
    });

    for (const [what, args, complaint] of [
        ["an unknown part", ["everything"], /there is no part 'everything', only connections, updates, operations/],
        ["steps that are none", ["--steps", "10,many"], /--steps wants a number from 1, not 'many'/],
        ["more connections than files", ["--connections", "100000000"], /2 processes hold \d+ connections here/],
    ]) {
        test(`refuses ${what}`, async (t) => {
            const run = start(t, ["--processes", "2", ...args]);
            const { code } = await within(run.child.ended, "end", patient(RUN_MS));
            assert.equal(code, 2);
            assert.match(run.progress, complaint);
            await leavesNothing(run);
        });
    }
});
