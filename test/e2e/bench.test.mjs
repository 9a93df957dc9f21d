// The load generator of scripts/bench as a judge: whatever it sends arrives once at each of the user's other devices.
//
// Timings are no test. A server that loses or doubles updates shows that the generator would see it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { WebSocketServer } from "ws";

import { BINARY } from "./lib/gateway.mjs";
import { keep } from "./lib/keeper.mjs";
import { freePort } from "./lib/redis.mjs";
import { testSite } from "./lib/site.mjs";
import { SECRET } from "./lib/token.mjs";

const GENERATOR = join(dirname(BINARY), "segue-bench");

// Runs the generator: {code, report, complaint}.
async function generate(workload, port, options) {
    const args = Object.entries({ server: `127.0.0.1:${port}`, warmup: 0, ...options }).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = keep(GENERATOR, [workload, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let complaint = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (complaint += text));
    const { code } = await child.ended;
    return { code, complaint, report: code === 0 ? JSON.parse(out) : null };
}

describe("the load generator", { concurrency: 2 }, () => {
    assert.ok(existsSync(GENERATOR), `${GENERATOR} is not there: make bench-tools`);

    // Two processes on one port, so that a user's devices are on both.
    async function sharedSite(t, users, flags) {
        const port = await freePort();
        const site = await testSite(t, { gateways: 2, flags: { listen: `127.0.0.1:${port}`, ...flags } });
        const seeded = await generate("seed", port, { redis: `127.0.0.1:${site.redis.port}`, users });
        assert.equal(seeded.code, 0, seeded.complaint);
        return { port, site };
    }

    async function nothingLost(workload, port, options) {
        const { code, complaint, report } = await generate(workload, port, { secret: SECRET, ...options });
        assert.equal(code, 0, complaint);
        assert.equal(report.lost, 0);
        assert.equal(report.doubled, 0);
        assert.ok(report.sent > 100, `only ${report.sent} updates were sent`);
        return report;
    }

    async function takesPart(site) {
        for (const gateway of site.gateways) {
            const metrics = await gateway.metrics();
            assert.ok(metrics.get("segue_messages_sent_total", { protocol: "player" }) > 0, "both processes deliver");
        }
    }

    test("many users with three devices each: nothing lost, nothing doubled", async (t) => {
        const { port, site } = await sharedSite(t, 100, { rate: 0 });
        await nothingLost("sync", port, { users: 100, window: 64, seconds: 2 });
        await takesPart(site);
    });

    test("at a fixed rate, with the limits that users have", async (t) => {
        const { port, site } = await sharedSite(t, 100);
        const { sent } = await nothingLost("sync", port, { users: 100, rate: 500, seconds: 2 });
        assert.ok(sent >= 990 && sent <= 1000, `${sent} updates in 2 s are not 500/s`);
        await takesPart(site);
    });

    test("one user with 200 devices", async (t) => {
        const { port, site } = await sharedSite(t, 1, { rate: 0 });
        await nothingLost("fanout", port, { devices: 200, window: 32, seconds: 2 });
        await takesPart(site);
    });
});

describe("the load generator sees", { concurrency: 2 }, () => {
    // Forwards each text to the others of its path; `copies(n)`: how many of the n-th delivery.
    async function forwarder(t, copies) {
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
        t.after(() => server.close());
        const groups = new Map();
        let deliveries = 0;
        server.on("connection", (client, request) => {
            const group = groups.get(request.url) ?? new Set();
            groups.set(request.url, group.add(client));
            client.on("error", () => client.terminate());
            client.on("message", (data) => {
                for (const other of group) {
                    for (let copy = other === client ? 0 : copies(++deliveries); copy > 0; copy--) {
                        other.send(data, { binary: false });
                    }
                }
            });
        });
        await once(server, "listening");
        return server.address().port;
    }

    const options = { dialect: "floor", users: 20, devices: 3, rate: 200, seconds: 1 };

    test("that all arrived", async (t) => {
        const { report } = await generate("sync", await forwarder(t, () => 1), options);
        assert.deepEqual([report.lost, report.doubled], [0, 0]);
        assert.ok(report.deliveries >= 390, `${report.deliveries} deliveries of 200 updates to two devices`);
    });

    test("what is lost", async (t) => {
        const { report } = await generate("sync", await forwarder(t, (n) => (n === 50 || n === 77 ? 0 : 1)), { ...options, patience: 1 });
        assert.deepEqual([report.lost, report.doubled], [2, 0]);
    });

    test("what comes twice", async (t) => {
        const { report } = await generate("sync", await forwarder(t, (n) => (n % 100 === 99 ? 2 : 1)), options);
        assert.equal(report.lost, 0);
        assert.ok(report.doubled >= 3, `${report.doubled} of 4 copies were seen`);
    });

    test("what comes back to its sender", async (t) => {
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
        t.after(() => server.close());
        server.on("connection", (client) => client.on("error", () => client.terminate()).on("message", (data) => client.send(data, { binary: false })));
        await once(server, "listening");
        const { report } = await generate("sync", server.address().port, { ...options, patience: 1 });
        assert.deepEqual([report.deliveries, report.doubled], [0, report.sent]);
    });

    test("a refusal", async (t) => {
        const { port } = await sharedRefusal(t);
        const { code, complaint } = await generate("sync", port, { users: 1, seconds: 1, secret: "another key" });
        assert.equal(code, 1);
        assert.match(complaint, /was refused: HTTP\/1\.1 401 /);
    });

    async function sharedRefusal(t) {
        const site = await testSite(t, { gateways: 1 });
        return { port: site.gateways[0].port };
    }
});
