// Connections: what idle clients take, in steps up to what the limits of open files allow: memory of the gateways, of
// the kernel and of Redis, CPU of coming, of staying and of going.
//
// A step adds holders (segue-bench hold) beside those that are there. Each holds some thousands of clients, with an
// address of its own, because an address has no more than 28,000 ports towards the gateways' one.

import { BUILD, SECRET, end, launch, sleep } from "../driver/machine.mjs";
import { median } from "../driver/figures.mjs";
import { between, statistics } from "./commands.mjs";
import { filesLimit, slab, socketObjects, sockets } from "./proc.mjs";
import { startSite } from "./site.mjs";

const OWN_FILES = 200; // of a process, besides its clients
const UNEVEN = 0.96; // the kernel spreads clients over processes by chance
const SAMPLES = 50;
const LATE_MS = 500; // what Redis is still told of those who went

// part: of the steps; who polls costs Redis so much that few services have as many of them.
export const KINDS = [
    { name: "player", title: "WebSocket /player", dialect: "player", part: 1 },
    { name: "socketio", title: "Socket.IO by WebSocket", dialect: "segue-socketio", part: 1 },
    { name: "polling", title: "Socket.IO by polling", dialect: "segue-polling", part: 0.5 },
];

// How many clients all gateways together may have.
export function mostConnections(processes) {
    return Math.floor((filesLimit() - OWN_FILES) * processes * UNEVEN);
}

class Crowd {
    holders = [];
    count = 0;

    constructor(site, kind) {
        this.site = site;
        this.kind = kind;
    }

    async grow(total) {
        const most = Math.min(filesLimit() - OWN_FILES, 20000);
        const opening = [];
        while (this.count < total) {
            const more = Math.min(total - this.count, most);
            opening.push(this.#hold(more, this.count));
            this.count += more;
        }
        await Promise.all(opening);
    }

    async #hold(users, first) {
        const number = this.holders.length;
        const from = `127.${1 + (number >> 8)}.${number & 255}.1`;
        const args = ["hold", "--dialect", this.kind.dialect, "--server", `127.0.0.1:${this.site.port}`, "--secret", SECRET];
        args.push("--users", users, "--first", first, "--from", from);
        const child = launch(null, `${BUILD}/segue-bench`, args, { stdio: ["pipe", "pipe", "pipe"] });
        this.holders.push(child);
        while (!child.log.includes("holding")) {
            if (child.exitCode !== null || child.signalCode !== null) {
                throw new Error(`${child.log.trim()}\n${this.site.complaints()}`.trim());
            }
            await sleep(20);
        }
    }

    // All go at once.
    async leave() {
        await Promise.all(this.holders.map((child) => (child.stdin.end(), child.ended)));
        this.holders = [];
        this.count = 0;
    }

    async end() {
        await Promise.all(this.holders.map((child) => end(child, "SIGKILL")));
    }
}

async function look(site) {
    return { memory: await site.memory(), slab: slab(), ...sockets() };
}

const us = (seconds, count) => (seconds * 1e6) / count;
const difference = (after, before) => ({ gateway: after.gateway - before.gateway, redis: after.redis - before.redis });

// Bytes that Redis says a key takes, the median of some; undefined without such keys.
async function keySize(site, pattern) {
    const sizes = [];
    for (const { client } of site.nodes) {
        let cursor = "0";
        do {
            const [next, keys] = await client.call("SCAN", cursor, "MATCH", `segue:${pattern}*`, "COUNT", 1000);
            for (const key of keys.slice(0, SAMPLES)) {
                sizes.push(await client.call("MEMORY", "USAGE", key, "SAMPLES", 0));
            }
            cursor = next;
        } while (cursor !== "0" && sizes.length < SAMPLES);
    }
    return sizes.length > 0 ? median(sizes) : undefined;
}

async function keySizes(site) {
    const sizes = {};
    for (const name of ["player", "devices", "events", "eio", "eioq"]) {
        const size = await keySize(site, `${name}:`);
        if (size !== undefined) {
            sizes[name] = size;
        }
    }
    return sizes;
}

// One step: `cpu` in microseconds per connection that came.
async function step(site, crowd, total, empty, settle) {
    const before = { cpu: site.cpu(), count: crowd.count, at: Date.now() };
    await crowd.grow(total);
    const seconds = (Date.now() - before.at) / 1000;
    const cpu = difference(site.cpu(), before.cpu);
    const came = total - before.count;
    await sleep(settle);
    const now = await look(site);
    return {
        connections: total,
        perSecond: came / seconds,
        cpu: { gateway: us(cpu.gateway, came), redis: us(cpu.redis, came) },
        memory: { gateway: now.memory.gateway, redis: now.memory.redis },
        perConnection: {
            gateway: (now.memory.gateway - empty.memory.gateway) / total,
            redis: (now.memory.redis - empty.memory.redis) / total,
            // Both ends of a connection are on this machine.
            buffers: Math.max(0, now.buffers - empty.buffers) / total / 2,
            slab: Math.max(0, now.slab - empty.slab) / total / 2,
        },
    };
}

// The heartbeats: microseconds of CPU and commands of Redis per heartbeat of a connection.
async function rest(site, connections, { interval, beats }) {
    const before = { cpu: site.cpu(), commands: await statistics(site), at: Date.now() };
    await sleep(interval * beats);
    const cpu = difference(site.cpu(), before.cpu);
    const count = (connections * (Date.now() - before.at)) / interval;
    const commands = between(before.commands, await statistics(site), count);
    return { gateway: us(cpu.gateway, count), redis: us(cpu.redis, count), ...commands };
}

async function go(site, crowd) {
    const before = site.cpu();
    const gone = crowd.count;
    await crowd.leave();
    await site.connectionsGone();
    await sleep(LATE_MS);
    const cpu = difference(site.cpu(), before);
    return { gateway: us(cpu.gateway, gone), redis: us(cpu.redis, gone) };
}

// One kind of client: {kind, steps, heartbeat, leaving, keys, state, kernel}. settings: processes, masters, settle (ms),
// heartbeat: {interval (ms), beats}.
async function measureSteps(kind, steps, settings, say) {
    const most = Math.max(...steps);
    const { interval } = settings.heartbeat;
    const site = await startSite({ ...settings, flags: { pingInterval: interval, pingTimeout: 30000 } });
    const crowd = new Crowd(site, kind);
    try {
        const bare = await site.memory();
        await site.seed(most);
        await sleep(500);
        const empty = await look(site);
        const result = { kind: kind.name, title: kind.title, steps: [], state: (empty.memory.redis - bare.redis) / most };
        for (const total of steps) {
            const one = await step(site, crowd, total, empty, settings.settle);
            result.steps.push(one);
            say(`${kind.title}: ${total} connections, ${(one.perConnection.gateway / 1024).toFixed(2)} KiB each in the gateways`);
        }
        result.heartbeat = await rest(site, most, settings.heartbeat);
        result.keys = await keySizes(site);
        result.kernel = socketObjects();
        result.leaving = await go(site, crowd);
        say(`${kind.title}: a heartbeat takes ${result.heartbeat.gateway.toFixed(1)} µs in the gateway, ${result.heartbeat.redis.toFixed(1)} µs in Redis`);
        return result;
    } finally {
        await crowd.end();
        await site.end();
    }
}

// The same; a step that can't be reached is left out, and `failed` tells of the lowest of those.
export async function measureKind(kind, steps, settings, say) {
    let failed = null;
    for (let count = steps.length; ; count--) {
        try {
            return { ...(await measureSteps(kind, steps.slice(0, count), settings, say)), failed };
        } catch (error) {
            failed = { within: steps[count - 1], why: error.message };
            say(`${kind.title}: within ${failed.within} connections: ${failed.why}`);
            if (count === 1) {
                throw error;
            }
        }
    }
}
