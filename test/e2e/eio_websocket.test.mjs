// Engine.IO over WebSocket: its heartbeat, its ends, and what the process says of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { eventPacket, hearsNothing } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";

const PING = eventPacket("ping");
const PONG = eventPacket("pong");

describe("heartbeats over websocket", { concurrency: 8 }, () => {
    const INTERVAL = 400 * SLOW;
    const TIMEOUT = 1000 * SLOW;
    const site = suiteSite({
        gateways: 2,
        flags: { rate: 0, "ping-interval": INTERVAL, "ping-timeout": TIMEOUT },
    });

    test("a ping every interval, as long as each is answered", async () => {
        const began = Date.now();
        const wire = await site.wireOf(site.user(), 0, { heartbeat: false });
        for (let i = 1; i <= 4; i++) {
            assert.equal(await wire.next(), "2");
            const passed = Date.now() - began;
            assert.ok(passed > i * INTERVAL * 0.8, `ping ${i} after ${passed} ms`);
            wire.send("3");
        }
        wire.send(PING);
        assert.equal(await wire.next(), PONG);
    });

    test("a ping that is not answered in time ends the connection with 4408, whatever else is said", async () => {
        const began = Date.now();
        const wire = await site.wireOf(site.user(), 0, { heartbeat: false });
        assert.equal(await wire.next(), "2");
        const chatter = setInterval(() => wire.isOpen && wire.send(PING), 50);
        const { code } = await wire.closed();
        clearInterval(chatter);
        const passed = Date.now() - began;
        assert.equal(code, 4408);
        const due = INTERVAL + TIMEOUT;
        assert.ok(passed > due * 0.9 && passed < due + patient(3000), `${passed} ms`);
    });

    test("pongs of WebSocket are none of Engine.IO", async () => {
        const wire = await site.wireOf(site.user(), 1, { heartbeat: false });
        await wire.closed(INTERVAL + TIMEOUT + patient(2000));
    });

    test("pongs that nobody asked for do no harm", async () => {
        const wire = await site.wireOf(site.user(), 0);
        for (let i = 0; i < 20; i++) {
            wire.send("3");
        }
        await hearsNothing(wire);
        await sleep(INTERVAL + TIMEOUT + 200);
        await hearsNothing(wire);
    });

    test("a device that goes silent leaves its user's devices", async () => {
        const user = site.user();
        const silent = await site.wireOf(user, 0, { heartbeat: false });
        const other = await site.wireOf(user, 1);
        await silent.closed();
        await hearsNothing(other);
    });

    test("official clients of every age live through many heartbeats", async (t) => {
        const flags = { rate: 0, "ping-interval": INTERVAL, "ping-timeout": 5 * TIMEOUT };
        const own = await testSite(t, { gateways: 1, flags });
        const ways = [["websocket"], ["polling"], ["polling", "websocket"]];
        const all = ["4.x", "3.x"].flatMap((version) => ways.map((transports) => ({ version, transports })));
        await Promise.all(
            all.map(async (options) => {
                const client = await own.client(own.user(), 0, options);
                await sleep(INTERVAL * 6);
                await client.fence();
                assert.deepEqual(client.disconnects, [], JSON.stringify(options));
            }),
        );
    });
});

describe("ends of a connection", { concurrency: 4 }, () => {
    test("a draining process closes with 1012, spread over --drain, and without DISCONNECT", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0, drain: 2 } });
        const wires = await Promise.all(Array.from({ length: 20 }, () => site.wireOf(site.user(), 0)));
        const others = await Promise.all(Array.from({ length: 5 }, () => site.wireOf(site.user(), 1)));
        const began = Date.now();
        const left = site.gateways[0].terminate();
        const ends = await Promise.all(
            wires.map(async (wire) => {
                const { code } = await wire.closed(patient(10000));
                return { code, at: Date.now() - began, heard: wire.takeAll() };
            }),
        );
        assert.equal(await left, 0);
        assert.ok(ends.every(({ code, heard }) => code === 1012 && heard.length === 0));
        const times = ends.map(({ at }) => at).sort((a, b) => a - b);
        assert.ok(times.at(-1) - times[0] > 1000, `from ${times[0]} to ${times.at(-1)} ms`);
        await Promise.all(others.map(hearsNothing));
    });

    test("a second SIGTERM ends it at once", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0, drain: 60 } });
        const wires = await Promise.all(Array.from({ length: 5 }, () => site.wireOf(site.user(), 0)));
        const polling = await site.pollingOf(site.user(), site.gateways.slice(0, 1));
        const get = polling.get();
        get.answer.catch(() => {});
        site.gateways[0].signal("SIGTERM");
        await sleep(200);
        await site.gateways[0].terminate();
        await Promise.all(wires.map((wire) => wire.closed()));
    });

    test("a client's 1, and its close frame, are its end; its user's other sockets stay", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const user = site.user();
        const other = await site.wireOf(user, 1);
        for (const leave of [(wire) => wire.send("1"), (wire) => wire.close(), (wire) => wire.destroy()]) {
            const wire = await site.wireOf(user, 0);
            leave(wire);
            await wire.closed();
            await hearsNothing(other);
        }
    });
});

describe("metrics of playback", () => {
    const site = suiteSite({ gateways: 1, flags: { rate: 0 } });
    const sample = async (name, labels) => (await site.gateways[0].metrics()).get(name, labels) ?? 0;

    test("connections of websocket come and go; messages both ways are counted", async () => {
        const labels = { protocol: "playback", transport: "websocket" };
        const wires = await Promise.all(Array.from({ length: 7 }, () => site.wireOf(site.user(), 0)));
        assert.equal(await sample("segue_connections", labels), 7);
        const before = await sample("segue_messages_received_total", { protocol: "playback" });
        const sent = await sample("segue_messages_sent_total", { protocol: "playback" });
        for (const wire of wires) {
            wire.send(PING, PING);
            await wire.next();
            await wire.next();
        }
        assert.equal((await sample("segue_messages_received_total", { protocol: "playback" })) - before, 14);
        assert.equal((await sample("segue_messages_sent_total", { protocol: "playback" })) - sent, 14);
        await Promise.all(wires.map((wire) => wire.close()));
        await until(async () => (await sample("segue_connections", labels)) === 0, "the gauge comes back");
    });

    test("transitions and refusals are counted by name", async () => {
        const wire = await site.wireOf(site.user(), 0);
        wire.send(eventPacket("carplay_command", { command: "next" }));
        await wire.next();
        const { samples } = await site.gateways[0].metrics();
        const applied = samples.filter(
            ({ name, labels, value }) =>
                name === "segue_transitions_total" && labels.script === "playback_command" && value > 0,
        );
        assert.equal(applied.length, 1);
    });

    test("nothing grows from polling sessions that come and go", async () => {
        const files = site.gateways[0].openFiles();
        const channels = await sample("segue_channels");
        for (let i = 0; i < 50; i++) {
            const polling = await site.pollingOf(site.user());
            const get = polling.get();
            await polling.send(PING);
            assert.equal((await get.answer).text, PONG);
            await polling.send("1");
        }
        await until(async () => (await sample("segue_channels")) <= channels, "the channels are left");
        await until(() => site.gateways[0].openFiles() <= files + 2, "the files are closed");
    });
});
