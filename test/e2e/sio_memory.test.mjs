// What a Socket.IO session costs a process, measured over some thousand of them.

import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";

import { crowd, sleep, SLOW } from "./lib/patience.mjs";
import { eventPacket } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";

const KIB = 1024;
const MIB = 1024 * KIB;
const PING = eventPacket("ping");
const PONG = eventPacket("pong");

// What a sanitizer's build takes says nothing about ours.
const measured = SLOW > 1 ? { skip: "sanitizers take memory of their own" } : {};

describe("memory", { concurrency: false, ...measured }, () => {
    const CLIENTS = 2000;

    // Bytes per client that a fresh process grew by.
    async function cost(t, open) {
        const site = await testSite(t, { gateways: 1, flags: { rate: 0, "ping-interval": 600000 } });
        const [gateway] = site.gateways;
        const number = (i) => `m${process.pid}-${i}`;
        await crowd(500, (i) => open(site, number(i)), 50);
        const before = gateway.residentBytes();
        await crowd(CLIENTS, (i) => open(site, number(1000 + i)), 50);
        await sleep(300);
        return (gateway.residentBytes() - before) / CLIENTS;
    }

    test("a Socket.IO websocket session costs at most 1 KiB more than a /player connection", async (t) => {
        const player = await cost(t, (site, user) => site.player(user, 0));
        const socket = await cost(t, (site, user) => site.wireOf(user, 0));
        t.diagnostic(`/player ${Math.round(player)} bytes, Socket.IO ${Math.round(socket)} bytes`);
        assert.ok(socket - player < 1.25 * KIB, `/player ${player} bytes, Socket.IO ${socket} bytes`);
    });

    test("a polling session between two polls costs the process nothing", async (t) => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 50, scheduling: "fifo" });
        t.after(() => agent.destroy());
        const bytes = await cost(t, async (site, user) => {
            const polling = await site.pollingOf(user, site.gateways, { agent });
            await polling.send(PING);
            assert.deepEqual(await polling.poll(), [PONG]);
        });
        t.diagnostic(`${Math.round(bytes)} bytes`);
        assert.ok(bytes < 256, `${bytes} bytes a session`);
    });

    test("a session that has gone leaves nothing behind", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { rate: 0 } });
        const [gateway] = site.gateways;
        const round = async () => {
            const wires = await crowd(500, () => site.wireOf(site.user(), 0), 50);
            await Promise.all(wires.map((wire) => wire.close()));
            site.clients.length = 0;
        };
        await round();
        await round();
        const before = gateway.residentBytes();
        for (let i = 0; i < 4; i++) {
            await round();
        }
        const grown = gateway.residentBytes() - before;
        assert.ok(grown < MIB, `${grown} bytes after 2,000 sessions`);
    });
});
