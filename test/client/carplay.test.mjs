// carplay: what a web player says to cars and hears from them, with the connection and the time in the test's hand.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { fakeWebSocket, FakeTime, load, settled } from "../browser/lib/web.mjs";
import { Server } from "./lib/server.mjs";

const { carplay } = await load("segue.js");

const STATE = { isPlaying: true, currentTime: 10, duration: 200, mediaId: 7, mediaTitle: "Low Tide" };

let time;
let server;
let window;
let service;

beforeEach(() => {
    time = new FakeTime();
    server = new Server(fakeWebSocket());
    window = new EventTarget();
    mock.method(globalThis, "fetch", async () => ({ ok: false }));
});

afterEach(() => {
    service.disconnect();
    const { timers } = time;
    time.restore();
    mock.restoreAll();
    assert.equal(timers, 0, "no timer is left behind");
});

function make(options = {}) {
    service = carplay({ url: "https://segue.test", token: "t", WebSocket: server.Socket, window, ...options });
    return service;
}

async function online(onState, onCommand) {
    make().connect(onState, onCommand);
    await server.accept();
    return service;
}

// The native application's words, as its script in the page says them.
function posted(data, more = {}) {
    const event = Object.assign(new Event("message"), { data, source: window, origin: "https://app.test", ...more });
    window.dispatchEvent(event);
    return settled();
}

describe("a connection", () => {
    test("goes to Socket.IO with the token, and asks for recovery", async () => {
        make();
        assert.deepEqual([service.status, service.isConnected()], ["closed", false]);
        service.connect();
        await server.accept();
        assert.equal(server.Socket.newest.url, "wss://segue.test/socket.io/?EIO=4&transport=websocket");
        assert.deepEqual(server.auth, { token: "t", recovery: true });
        assert.equal(service.isConnected(), true);
        service.disconnect();
        assert.equal(service.isConnected(), false);
    });

    test("hands states and commands to its listeners, of which there is one of each", async () => {
        const seen = [];
        await online(() => seen.push("old"), () => seen.push("old"));
        service.connect(
            (state) => seen.push(state),
            (command) => seen.push(command),
        );
        assert.equal(server.Socket.made.length, 1);
        await server.emit("playback_state", { userId: 4, ...STATE });
        await server.emit("carplay_command", { command: "seek", value: 30 });
        assert.deepEqual(seen, [{ userId: 4, ...STATE }, { command: "seek", value: 30 }]);
        assert.deepEqual(service.state, { userId: 4, ...STATE });
    });

    test("that ends with an expired token asks for a new one", async () => {
        const asked = [];
        make({ token: ({ renew }) => `t${asked.push(renew)}` }).connect();
        await server.accept();
        await server.dismiss("unauthorized");
        await server.accept();
        assert.equal(server.auth.token, "t2");
        assert.deepEqual(asked, [false, true]);
        assert.equal(service.isConnected(), true);
    });

    test("that the server has ended stays away", async () => {
        await online();
        await server.dismiss();
        await time.pass(60_000);
        assert.deepEqual([service.status, server.Socket.made.length], ["stopped", 1]);
    });
});

describe("a state", () => {
    test("is sent, and the answer handed back", async () => {
        await online();
        const answer = service.sendPlaybackState(STATE);
        assert.deepEqual(server.heard, [["playback_state_update", STATE]]);
        await server.ack(0, { ok: true });
        assert.deepEqual(await answer, { ok: true });
    });

    test("that follows from the last one is not sent", async () => {
        await online();
        service.sendPlaybackState(STATE);
        await server.ack(0, { ok: true });
        await time.pass(5000);
        const answer = await service.sendPlaybackState({ ...STATE, currentTime: 15.4 });
        assert.deepEqual(answer, { ok: true, unchanged: true });
        service.sendPlaybackState({ ...STATE, currentTime: 16 });
        service.sendPlaybackState({ ...STATE, currentTime: 16, isPlaying: false });
        service.sendPlaybackState({ ...STATE, currentTime: 16, isPlaying: false, mediaId: 8 });
        assert.equal(server.heard.length, 4);
        await server.emit("playback_state", { userId: 1, ...STATE, isPlaying: false });
        const known = await service.sendPlaybackState({ ...STATE, isPlaying: false });
        assert.equal(known.unchanged, true, "others said it");
        await server.emit("carplay_command", { command: "play" });
        service.sendPlaybackState({ ...STATE, isPlaying: false });
        assert.equal(server.heard.length, 5, "a command has changed what is known");
    });

    test("that was refused, or lost, is not known", async () => {
        await online();
        const refused = service.sendPlaybackState(STATE);
        await server.ack(0, { ok: false, error: "rate_limited", message: "too fast" });
        assert.deepEqual(await refused, { ok: false, error: "rate_limited", message: "too fast" });
        const lost = service.sendPlaybackState(STATE);
        assert.equal(server.heard.length, 2);
        await server.Socket.newest.closes(1006);
        assert.equal((await lost).error, "disconnected");
        service.sendPlaybackState(STATE);
        await time.pass(500);
        await server.accept();
        assert.equal(server.heard.length, 1);
    });

    test("without a connection: the newest is kept, and sent once", async () => {
        make();
        const first = service.sendPlaybackState({ ...STATE, currentTime: 1 });
        const second = service.sendPlaybackState({ ...STATE, currentTime: 50 });
        assert.equal((await first).error, "replaced");
        service.connect();
        await server.accept();
        assert.deepEqual(server.heard, [["playback_state_update", { ...STATE, currentTime: 50 }]]);
        await server.ack(0, { ok: true });
        assert.deepEqual(await second, { ok: true });
        await server.Socket.newest.closes(1012);
        await time.pass(500);
        await server.accept();
        assert.deepEqual(server.heard, []);
    });

    test("of somebody who leaves is not kept", async () => {
        make();
        const answer = service.sendPlaybackState(STATE);
        service.disconnect();
        assert.deepEqual(await answer, { ok: false, error: "disconnected", message: "it was not sent" });
    });
});

describe("a command", () => {
    test("is sent, in either form", async () => {
        await online();
        service.sendCommand("seek", 30);
        service.sendCommand({ command: "pause", value: null });
        assert.deepEqual(server.heard, [
            ["carplay_command", { command: "seek", value: 30 }],
            ["carplay_command", { command: "pause" }],
        ]);
        await time.pass(10000);
    });

    test("without an answer, or without a connection, is said to be so", async () => {
        make();
        assert.equal((await service.sendCommand("next")).error, "offline");
        service.connect();
        await server.accept();
        const answer = service.sendCommand("next");
        await time.pass(10000);
        assert.equal((await answer).error, "timeout");
    });
});

describe("the native bridge", () => {
    test("makes a command of a message of the application", async () => {
        await online();
        await posted({ type: "CARPLAY_COMMAND", command: "play" });
        await posted({ type: "CARPLAY_COMMAND", command: "seek", value: 12 });
        await posted({ type: "CARPLAY_COMMAND", command: "pause", value: null }, { source: null, origin: "" });
        assert.deepEqual(
            server.heard.map(([, data]) => data),
            [{ command: "play" }, { command: "seek", value: 12 }, { command: "pause" }],
        );
        await server.dismiss();
    });

    test("does not listen to other messages, nor to other windows", async () => {
        await online();
        await posted({ type: "SOMETHING", command: "play" });
        await posted("CARPLAY_COMMAND");
        await posted(null);
        await posted({ type: "CARPLAY_COMMAND", command: "play" }, { source: new EventTarget() });
        await posted({ type: "CARPLAY_COMMAND", command: "play" }, { source: null, origin: "https://evil.test" });
        assert.deepEqual(server.heard, []);
        service.disconnect();
        await posted({ type: "CARPLAY_COMMAND", command: "play" });
        assert.deepEqual(server.heard, []);
    });

    test("works without a connection: the command is for this player at least", async () => {
        const seen = [];
        make().connect(undefined, (command) => seen.push(command));
        await posted({ type: "CARPLAY_COMMAND", command: "seek", value: 3 });
        await posted({ type: "CARPLAY_COMMAND", command: "pause", value: null });
        assert.deepEqual(seen, [{ command: "seek", value: 3 }, { command: "pause" }]);
    });
});
