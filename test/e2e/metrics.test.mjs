// What the admin listener tells Prometheus: the names, that counters count and that gauges come back.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, until } from "./lib/patience.mjs";
import { Player } from "./lib/player.mjs";
import { newTrack, onPause } from "./lib/scenario.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { runOnce } from "./lib/gateway.mjs";
import { tokenOf } from "./lib/token.mjs";

const player = { protocol: "player" };

// Name, type, labels that every sample has.
const NAMES = [
    ["segue_connections", "gauge", ["protocol", "transport"]],
    ["segue_opened_total", "counter", ["protocol", "transport"]],
    ["segue_closed_total", "counter", ["transport", "reason"]],
    ["segue_sockets", "gauge", []],
    ["segue_sockets_limit", "gauge", []],
    ["segue_messages_received_total", "counter", ["protocol"]],
    ["segue_messages_sent_total", "counter", ["protocol"]],
    ["segue_bytes_received_total", "counter", []],
    ["segue_bytes_sent_total", "counter", []],
    ["segue_transitions_total", "counter", ["script", "outcome"]],
    ["segue_redis_up", "gauge", []],
    ["segue_redis_lost_total", "counter", []],
    ["segue_pending_calls", "gauge", []],
    ["segue_loop_lag_seconds", "gauge", []],
    ["segue_draining", "gauge", []],
    ["segue_log_lines_lost_total", "counter", []],
    ["segue_slow_consumers_total", "counter", []],
    ["segue_admitted_total", "counter", []],
    ["segue_rejected_total", "counter", ["reason"]],
    ["segue_newer_version_seen_total", "counter", ["what"]],
    ["segue_limited_total", "counter", ["limit"]],
    ["segue_channels", "gauge", []],
    ["process_resident_memory_bytes", "gauge", []],
    ["process_cpu_seconds_total", "counter", []],
    ["process_open_fds", "gauge", []],
    ["process_max_fds", "gauge", []],
    ["process_start_time_seconds", "gauge", []],
    ["segue_build_info", "gauge", ["version"]],
    ["segue_process_info", "gauge", ["name"]],
];
const HISTOGRAMS = ["segue_redis_latency_seconds", "segue_delivery_latency_seconds"];

describe("metrics", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });
    const metrics = (on = 0) => site.gateways[on].metrics();

    // How much a sample grows by what is done.
    async function growth(on, name, labels, step) {
        const before = (await metrics(on)).get(name, labels) ?? 0;
        await step();
        return (await metrics(on)).get(name, labels) - before;
    }

    test("all names are there from the start, with help, type and labels", async () => {
        const user = site.user();
        const one = await site.player(user, 0);
        await site.apply(user, one, newTrack(0));
        const found = await metrics();
        for (const [name, type, labels] of NAMES) {
            const samples = found.samples.filter((sample) => sample.name === name);
            assert.ok(samples.length > 0, name);
            assert.equal(found.types.get(name), type, name);
            assert.ok(found.helps.get(name)?.length > 0, `help of ${name}`);
            for (const sample of samples) {
                assert.deepEqual(Object.keys(sample.labels).sort(), [...labels].sort(), name);
                assert.ok(Number.isFinite(sample.value) && sample.value >= 0, name);
            }
        }
        await one.close();
    });

    test("every sample has a type, no name stands there twice with the same labels", async () => {
        const found = await metrics();
        const seen = new Set();
        for (const { name, labels } of found.samples) {
            const family = name.replace(/_(bucket|sum|count)$/, "");
            assert.ok(found.types.has(name) || found.types.get(family) === "histogram", name);
            const key = `${name} ${JSON.stringify(labels)}`;
            assert.ok(!seen.has(key), key);
            seen.add(key);
        }
    });

    for (const name of HISTOGRAMS) {
        test(`${name} is a proper histogram`, async () => {
            const user = site.user();
            const one = await site.player(user, 0);
            const two = await site.player(user, 0);
            const grown = await growth(0, `${name}_count`, {}, async () => {
                one.send(newTrack(0));
                await two.receives(newTrack(0));
                await until(async () => (await metrics()).get(`${name}_count`) > 0, "an observation");
            });
            assert.ok(grown >= 1, `${grown} observations`);
            const found = await metrics();
            assert.equal(found.types.get(name), "histogram");
            const buckets = found.samples.filter((sample) => sample.name === `${name}_bucket`);
            const bounds = buckets.map(({ labels }) => (labels.le === "+Inf" ? Infinity : Number(labels.le)));
            assert.deepEqual(
                bounds,
                [...bounds].sort((a, b) => a - b),
            );
            assert.equal(bounds.at(-1), Infinity);
            const values = buckets.map(({ value }) => value);
            assert.deepEqual(
                values,
                [...values].sort((a, b) => a - b),
                "buckets are cumulative",
            );
            assert.equal(values.at(-1), found.get(`${name}_count`));
            const mean = found.get(`${name}_sum`) / found.get(`${name}_count`);
            assert.ok(mean > 0 && mean < patient(1000) / 1000, `a mean of ${mean} s`);
            one.terminate();
            two.terminate();
        });
    }

    test("segue_build_info has the version of --version", async () => {
        const version = runOnce(["--version"]).stdout.trim().split(" ")[1];
        assert.equal((await metrics()).get("segue_build_info", { version }), 1);
    });

    test("the process's own numbers are those of the system", async () => {
        const found = await metrics();
        const resident = site.gateways[0].residentBytes();
        assert.ok(Math.abs(found.get("process_resident_memory_bytes") - resident) < resident / 2);
        assert.ok(Math.abs(found.get("process_open_fds") - site.gateways[0].openFiles()) <= 5);
        assert.ok(found.get("process_cpu_seconds_total") < 100);
        assert.equal(found.get("segue_redis_up"), 1);
        assert.ok(found.get("segue_loop_lag_seconds") < patient(1000) / 1000);
    });

    test("messages and bytes are counted on the process that handles them", async () => {
        const user = site.user();
        const sender = await site.player(user, 0);
        const witness = await site.player(user, 1);
        const talk = async () => {
            for (let i = 0; i < 10; i++) {
                sender.send(newTrack(i));
                await witness.receives(newTrack(i));
            }
        };
        assert.equal(await growth(0, "segue_messages_received_total", player, talk), 10);
        assert.equal(await growth(1, "segue_messages_sent_total", player, talk), 10);
        assert.equal(await growth(0, "segue_messages_sent_total", player, talk), 0, "nothing to the sender");
        const bytes = 10 * JSON.stringify(newTrack(0)).length;
        assert.ok((await growth(0, "segue_bytes_received_total", {}, talk)) >= bytes);
        assert.ok((await growth(1, "segue_bytes_sent_total", {}, talk)) >= bytes);
        assert.ok((await growth(0, "segue_transitions_total", {}, talk)) >= 10);
        sender.terminate();
        witness.terminate();
    });

    test("connections and channels go up, and come back: close, cut and reset", async () => {
        const user = site.user();
        const connections = async () => (await metrics()).get("segue_connections", player);
        const channels = async () => (await metrics()).get("segue_channels");
        await until(async () => (await connections()) === 0, "nobody is here");
        await until(async () => (await channels()) === 0, "no channel is listened to");
        const files = site.gateways[0].openFiles();
        const all = await Promise.all(Array.from({ length: 30 }, (_, i) => site.player(`${user}-${i % 10}`, 0)));
        assert.equal(await connections(), 30);
        assert.equal((await metrics()).get("segue_connections", { ...player, transport: "websocket" }), 30);
        assert.equal(await channels(), 10, "one per user, not per device");
        await Promise.all(all.map((one, i) => [() => one.close(), () => one.terminate(), () => one.reset()][i % 3]()));
        await until(async () => (await connections()) === 0, "the gauge is back");
        await until(async () => (await channels()) === 0, "the channels are gone");
        await until(() => site.gateways[0].openFiles() <= files, "the files are closed");
        assert.deepEqual(await site.redis.call("PUBSUB", "CHANNELS", "segue:user:*"), []);
    });

    test("refusals are counted by reason", async () => {
        const refused = (step) => growth(0, "segue_rejected_total", {}, step);
        const gateway = site.gateways[0];
        assert.equal(await refused(() => Player.refused(gateway, { token: "bad" })), 1);
        const one = await site.player(site.user(), 0);
        assert.equal(await refused(() => one.refuses("nonsense")), 1);
        assert.ok(
            (await growth(0, "segue_rejected_total", { reason: "unauthorized" }, () => Player.refused(gateway, {}))) ===
                1,
        );
        one.terminate();
    });

    test("labels come from closed sets: no visitor can add one", async () => {
        const before = (await metrics()).samples.length;
        for (let i = 0; i < 20; i++) {
            await site.gateways[0].get(`/path-${i}`, { headers: { "X-Name": `v${i}` } });
            await Player.refused(site.gateways[0], { token: `bad-${i}` });
            const one = await Player.open(site.gateways[0], { token: tokenOf(`name-${i}`), query: { [`q${i}`]: i } });
            await one.refuses({ type_push_state: `command-${i}` });
            await one.close(4000 + i);
        }
        const after = (await metrics()).samples.length;
        assert.ok(after - before <= 6, `${before} samples, then ${after}`);
    });

    test("segue_redis_up falls and rises with Redis", async (t) => {
        const own = await testSite(t, { gateways: 1 });
        const up = async () => (await own.gateways[0].metrics()).get("segue_redis_up");
        assert.equal(await up(), 1);
        await own.redis.kill();
        await until(async () => (await up()) === 0, "it is down");
        const one = await own.refused(own.user(), 0);
        assert.equal(one.status, 503);
        await own.redis.restart();
        await until(async () => (await up()) === 1, "it is up again");
        assert.ok((await own.gateways[0].metrics()).get("segue_rejected_total", { reason: "unavailable" }) >= 1);
    });

    test("an idle process stays idle", async () => {
        await until(async () => (await metrics(1)).get("segue_connections", player) === 0, "nobody is here");
        const idle = await site.player(site.user(), 1);
        await idle.hearsNothing();
        const grown = await growth(1, "process_cpu_seconds_total", {}, () => sleep(1500));
        assert.ok(grown < patient(150) / 1000, `${grown} s of CPU in 1.5 s of idleness`);
        assert.ok(idle.isOpen);
        idle.send(onPause(0));
        await idle.next();
    });
});
