// Soak: two gateways at a modest rate for minutes, everything in use, clients coming and going; is the memory flat?
//
//     node test/soak/soak.mjs [SECONDS]          600 unless told; `make soak`
//
// Prints a line of memory for every process now and then, and at the end how it grew over the second half. Fails when a
// process grew by more than GROWTH in it, or when something that was said did not arrive.

import assert from "node:assert/strict";

import WebSocket from "ws";
import { io } from "socket.io-client";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { Redis } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";

const SECONDS = Number(process.argv[2] ?? 600);
const SAMPLE_MS = (SECONDS * 1000) / 40;
const GROWTH = 0.05;
const USERS = 40;
const ROOMS = 20;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const counts = { sent: 0, heard: 0, lost: 0, opened: 0 };

const redis = await Redis.start();
const flags = { redis: redis.unixUrl, rate: 0, "api-key": "soak", "ping-interval": 2000, "ping-timeout": 2000 };
const env = { SEGUE_JWT_SECRET: SECRET };
const gateways = [await Gateway.start({ flags, env }), await Gateway.start({ flags, env })];
const stopAt = Date.now() + SECONDS * 1000;
const going = () => Date.now() < stopAt;

// Does something again and again until the time is over.
async function again(every, act) {
    while (going()) {
        await act();
        await pause(every * (0.5 + Math.random()));
    }
}

function opened(socket) {
    counts.opened++;
    return new Promise((done, fail) => {
        socket.once("open", () => done(socket));
        socket.once("error", fail);
    });
}

// A device that comes, pauses and plays a while, and goes.
async function device(user) {
    const socket = new WebSocket(`ws://127.0.0.1:${pick(gateways).port}/player?token=${tokenOf(user)}`);
    await opened(socket);
    for (let i = 0; i < 20 && going(); i++) {
        const time = new Date().toISOString();
        const track = { type_push_state: "new_track", track_id: i, from_is: "soak", from_is_id: 1 };
        const what = i === 0 ? track : { type_push_state: pick(["on_pause", "off_pause"]) };
        socket.send(JSON.stringify({ ...what, time_state_update: time }));
        await pause(150);
    }
    socket.close();
}

// A Socket.IO client of either transport, whose commands must all come back.
async function car(user, transports) {
    const socket = io(`http://127.0.0.1:${pick(gateways).port}`, {
        transports,
        forceNew: true,
        auth: { token: tokenOf(user), recovery: Math.random() < 0.5 },
    });
    counts.opened++;
    socket.on("carplay_command", () => counts.heard++);
    for (let i = 0; i < 20 && going(); i++) {
        counts.sent++;
        const answer = await socket.timeout(10000).emitWithAck("carplay_command", { command: "next" });
        assert.deepEqual(answer, { ok: true });
        await pause(150);
    }
    socket.close();
}

// A member of a room who hears his own words.
async function member() {
    const socket = new WebSocket(`ws://127.0.0.1:${pick(gateways).port}/ws?room=soak-${Math.floor(Math.random() * ROOMS)}`);
    let own = 0;
    const text = `m${Math.random()}`;
    socket.on("message", (bytes) => (own += JSON.parse(bytes).text === text));
    await opened(socket);
    for (let i = 0; i < 20 && going(); i++) {
        socket.send(JSON.stringify({ type: "message", text }));
        await pause(150);
    }
    await pause(500);
    counts.lost += going() && own !== 20 ? 1 : 0;
    socket.close();
}

async function subscriber() {
    const socket = new WebSocket(`ws://127.0.0.1:${pick(gateways).port}/feed/soak`);
    let id;
    socket.on("message", (bytes) => {
        const frame = JSON.parse(bytes);
        id ??= frame.payload?.id;
    });
    await opened(socket);
    await pause(50);
    socket.send(JSON.stringify({ type: "connect", payload: { id } }));
    socket.send(JSON.stringify({ type: "subscribe", payload: { id } }));
    await pause(3000);
    socket.close();
}

// A backend.
async function push() {
    const user = `soak-${Math.floor(Math.random() * USERS)}`;
    const at = `http://127.0.0.1:${pick(gateways).port}`;
    const ask = (path, body) =>
        fetch(at + path, {
            method: "POST",
            headers: { "X-API-Key": "soak", "Content-Type": "application/json" },
            body: JSON.stringify(body),
        }).then((answer) => answer.arrayBuffer());
    await ask(`/api/users/${user}/events`, { event: "on_asset_trash", data: ["a", "b"] });
    await ask("/api/feeds/soak", { message: "a line" });
    await ask("/api/events", { event: "on_server_version", data: { major: 1 } });
}

const samples = gateways.map(() => []);
const kib = (bytes) => Math.round(bytes / 1024);

async function watch() {
    while (going()) {
        await pause(SAMPLE_MS);
        gateways.forEach((gateway, i) => samples[i].push(gateway.residentBytes()));
        const keys = await redis.call("DBSIZE");
        const used = /used_memory:(\d+)/.exec(await redis.call("INFO", "memory"))[1];
        const said = samples.map((list) => `${kib(list.at(-1))} KiB`).join("  ");
        console.log(`${Math.round((stopAt - Date.now()) / 1000)} s left  ${said}  redis ${kib(used)} KiB, ${keys} keys`);
    }
}

const work = [watch(), again(200, push)];
for (let i = 0; i < 6; i++) {
    const user = () => `soak-${Math.floor(Math.random() * USERS)}`;
    work.push(again(200, () => device(user())));
    work.push(again(200, () => car(user(), ["websocket"])));
    work.push(again(200, () => car(user(), ["polling"])));
    work.push(again(200, () => car(user(), ["polling", "websocket"])));
    work.push(again(200, member));
    work.push(again(200, subscriber));
}
await Promise.all(work);

const mean = (list) => list.reduce((sum, one) => sum + one, 0) / list.length;
let status = 0;
samples.forEach((list, i) => {
    const half = list.slice(list.length / 2);
    const third = Math.max(1, Math.floor(half.length / 3));
    const [from, to] = [mean(half.slice(0, third)), mean(half.slice(-third))];
    console.log(`gateway ${i}: second half from ${kib(from)} to ${kib(to)} KiB (${((to / from - 1) * 100).toFixed(1)} %)`);
    status ||= to / from - 1 > GROWTH ? 1 : 0;
});
console.log(`${counts.opened} connections, ${counts.sent} commands acknowledged, ${counts.lost} members missed a word`);
status ||= counts.lost > 0 ? 1 : 0;
process.exit(status);
