// The client library on real processes: what it says is done, what it missed arrives, whichever process it reaches.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { io } from "socket.io-client";
import { io as io3 } from "socket.io-client-3";
import WebSocket from "ws";

import { load } from "../browser/lib/web.mjs";
import { ask } from "../e2e/lib/api.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { suiteSite } from "../e2e/lib/site.mjs";
import { seconds, tokenOf } from "../e2e/lib/token.mjs";

const { carplay, events, feed, player, rooms } = await load("segue.js");

const KEY = "the-backends-key";

const site = suiteSite({ flags: { "api-key": KEY } });

// Options for a user on a gateway; gone with the test.
const of = (user, on = 0, more = {}) => ({ url: site.gateways[on].url("/"), token: tokenOf(user), WebSocket, ...more });

function keep(t, client) {
    t.after(() => (client.logout ?? client.leave ?? client.disconnect).call(client));
    return client;
}

// One more process, and an address that leads to it until it is killed, and then to another one.
async function doomed() {
    const gateway = await site.addGateway();
    const door = await site.balancer();
    door.gateways = [gateway];
    return {
        url: door.url("/"),
        async dies() {
            door.gateways = [site.gateways[1]];
            await gateway.kill();
        },
    };
}

function emit(user, event, data, on = 0) {
    return ask(site.gateways[on], "POST", `/api/users/${user}/events`, { key: KEY, body: { event, data } });
}

describe("player", () => {
    test("two devices on two processes are in step", async (t) => {
        const user = site.user();
        const [here, there] = [0, 1].map((on) => keep(t, player(of(user, on))));
        here.connect();
        there.connect();
        await until(() => here.online && there.online, "both are online");
        assert.equal(here.state, null);
        assert.equal(here.newTrack({ trackId: 7, fromIs: "album", fromIsId: 3 }), true);
        await until(() => there.state?.trackId === 7 && there.playing, "the other one plays");
        await until(() => here.clock.latency !== undefined && there.clock.latency !== undefined, "clocks are measured");
        assert.ok(Math.abs(here.position - there.position) < 0.1, `${here.position} ${there.position}`);
        there.seek(42);
        there.pause();
        await until(() => !here.playing, "the pause arrives");
        assert.ok(here.position >= 42 && here.position < 44, String(here.position));
        assert.equal(here.position, there.position);
    });

    test("commands made while its process is dead are said to the next one, once", async (t) => {
        const user = site.user();
        const first = await doomed();
        const device = keep(t, player(of(user, 0, { url: first.url })));
        const witness = keep(t, player(of(user, 1)));
        const heard = [];
        witness.on("state", (state, whose, type) => whose === "other" && heard.push(type));
        device.connect();
        witness.connect();
        await until(() => device.online && witness.online, "both are online");
        device.newTrack({ trackId: 1, fromIs: "album", fromIsId: 1 });
        await until(() => witness.playing, "it plays");
        await first.dies();
        await until(() => device.status === "waiting", "the break is noticed");
        device.seek(10);
        device.pause();
        device.seek(20);
        await until(() => heard.length === 3, "the commands arrive");
        assert.deepEqual(heard, ["new_track", "on_pause", "change_position"]);
        await until(() => device.online, "it is back");
        assert.deepEqual([device.position, witness.position, witness.playing], [20, 20, false]);
        await sleep(300);
        assert.equal(heard.length, 3);
    });

    test("a token that expires is replaced; one that is refused is the end", async (t) => {
        const user = site.user();
        const asked = [];
        const token = ({ renew }) => {
            asked.push(renew);
            return renew ? tokenOf(user) : tokenOf(user, { claims: { exp: seconds(2) } });
        };
        const device = keep(t, player(of(user, 0, { token })));
        device.connect();
        await until(() => device.online, "it is online");
        await until(() => asked.length === 2, "it asks for another token", patient(8000));
        await until(() => device.online, "and goes on");
        assert.deepEqual(asked, [false, true]);
        const stranger = keep(t, player(of(user, 0, { token: "no.such.token" })));
        stranger.connect();
        await until(() => stranger.status === "refused", "it is refused", patient(15000));
    });

    test("a crowd is let in one after the other, and nobody takes that for a refusal", async (t) => {
        const crowded = await site.addGateway({ "connect-rate": "2/s" });
        const devices = Array.from({ length: 8 }, () => keep(t, player(of(site.user(), 0, { url: crowded.url("/") }))));
        const seen = new Set();
        devices.forEach((device) => device.on("status", (status) => seen.add(status)));
        devices.forEach((device) => device.connect());
        await until(() => devices.every((device) => device.online), "all are in", patient(30000));
        assert.deepEqual([...seen].sort(), ["connecting", "online", "waiting"]);
        assert.ok((await crowded.metrics()).get("segue_rejected_total", { reason: "connect_rate" }) > 0);
    });

    test("whom the operator sends away stays away", async (t) => {
        const user = site.user();
        const device = keep(t, player(of(user)));
        device.connect();
        await until(() => device.online, "it is online");
        await ask(site.gateways[1], "POST", `/api/users/${user}/disconnect`, { key: KEY, body: { reason: "out" } });
        await until(() => device.status === "stopped", "it is stopped");
        await sleep(1200);
        assert.equal(device.status, "stopped");
    });
});

const CLIENTS = [
    ["our own Socket.IO", {}],
    ["the official client", { io }],
    ["the official client 3.x", { io: io3 }],
];

for (const [name, more] of CLIENTS) {
    describe(`by ${name}`, () => {
        test("carplay: a player and a car on two processes", async (t) => {
            const user = site.user();
            const [app, car] = [0, 1].map((on) => keep(t, carplay(of(user, on, more))));
            const [states, commands] = [[], []];
            app.connect(undefined, (command) => commands.push(command));
            car.connect((state) => states.push(state));
            await until(() => app.isConnected() && car.isConnected(), "both are connected");
            const state = { isPlaying: true, currentTime: 12, duration: 200, mediaId: 7, mediaTitle: "Low Tide" };
            assert.deepEqual(await app.sendPlaybackState(state), { ok: true });
            await until(() => states.length > 0, "the car is told");
            assert.equal(states[0].mediaTitle, "Low Tide");
            assert.deepEqual(await car.sendCommand("seek", 30), { ok: true });
            await until(() => commands.length > 0, "the player is told");
            assert.deepEqual(commands, [{ command: "seek", value: 30 }]);
            assert.equal((await car.sendCommand("seek")).error, "invalid");
            assert.equal((await car.sendCommand("rewind")).ok, false);
        });

        test("events: batches of what a backend says", async (t) => {
            const user = site.user();
            const live = keep(t, events(of(user, 1, { ...more, quiet: 100, batchQuiet: 300 })));
            const batches = [];
            live.on("assetUploaded", ({ ids }) => batches.push(["up", ids]));
            live.on("assetTrash", ({ ids }) => batches.push(["trash", ids]));
            live.on("on_config_update", (...args) => batches.push(["config", args]));
            live.connect();
            await until(() => live.isConnected, "it is connected");
            for (const id of ["a", "b"]) {
                await emit(user, "on_upload_success", { id });
            }
            await emit(user, "on_asset_trash", ["c", "d"]);
            await emit(user, "on_config_update");
            await until(() => batches.length === 3, "all of it is handled");
            assert.deepEqual(batches, [["config", []], ["trash", ["c", "d"]], ["up", ["a", "b"]]]);
        });

        // 3.x knows nothing of recovery.
        const recovers = more.io === io3 ? () => {} : test;
        recovers("events: what it missed arrives after kill -9, once", async (t) => {
            const user = site.user();
            const first = await doomed();
            const live = keep(t, events(of(user, 0, { ...more, url: first.url, quiet: 50, log: () => {} })));
            const [ids, recovered] = [[], []];
            live.on("assetDelete", (batch) => ids.push(...batch.ids));
            live.on("connect", (how) => recovered.push(how.recovered));
            live.connect();
            await until(() => live.isConnected, "it is connected");
            await emit(user, "on_asset_delete", "0", 1);
            await until(() => ids.length === 1, "an event arrives");
            await first.dies();
            for (let i = 1; i < 6; i++) {
                await emit(user, "on_asset_delete", String(i), i % 2);
            }
            await until(() => ids.length >= 6, "what was missed arrives", patient(20000));
            await sleep(300);
            assert.deepEqual(ids, ["0", "1", "2", "3", "4", "5"]);
            assert.deepEqual(recovered, [false, true]);
        });

        test("a token that expires is replaced, and nothing is missed", async (t) => {
            const user = site.user();
            const asked = [];
            const token = async ({ renew }) => {
                asked.push(renew);
                return renew ? tokenOf(user) : tokenOf(user, { claims: { exp: seconds(2) } });
            };
            const live = keep(t, events(of(user, 0, { ...more, token })));
            live.connect();
            await until(() => live.isConnected, "it is connected");
            await until(() => asked.includes(true), "it asks for another token", patient(8000));
            await until(() => live.isConnected, "and goes on");
            assert.deepEqual(asked, [false, true]);
        });

        test("logout leaves no device behind, and whom the operator sends away stays away", async (t) => {
            const user = site.user();
            const live = keep(t, events(of(user, 0, more)));
            const devices = async () =>
                (await ask(site.gateways[1], "GET", `/api/users/${user}/devices`, { key: KEY })).json().devices.length;
            live.connect();
            await until(async () => (await devices()) === 1, "one device");
            live.logout();
            await until(async () => (await devices()) === 0, "no device");
            live.connect();
            await until(() => live.isConnected, "it is back");
            await ask(site.gateways[1], "POST", `/api/users/${user}/disconnect`, { key: KEY, body: {} });
            await until(() => live.status === "stopped", "it is stopped");
            await sleep(800);
            assert.equal(live.connection.value, "disconnected");
        });
    });
}

test("rooms: two members on two processes, one of which dies", async (t) => {
    const first = await doomed();
    const name = site.room();
    const ann = keep(t, rooms({ url: first.url, WebSocket }).enter(name));
    const bob = keep(t, rooms({ url: site.gateways[1].url("/"), WebSocket }).enter(name));
    const [toAnn, toBob] = [[], []];
    ann.on("message", ({ text }) => toAnn.push(text));
    bob.on("message", ({ text, name: who, mine }) => toBob.push([text, who, mine]));
    await until(() => ann.isIn && bob.isIn, "both are in");
    assert.equal(ann.say("hello", "Ann"), true);
    await until(() => toBob.length === 1, "the message arrives");
    assert.deepEqual(toBob[0], ["hello", "Ann", false]);
    await first.dies();
    await until(() => !ann.isIn, "the break is noticed");
    bob.say("are you there?", "Bob");
    await until(() => ann.isIn, "she is back");
    await until(() => toAnn.length === 2, "what was said meanwhile arrives");
    assert.deepEqual([toAnn, ann.pending], [["hello", "are you there?"], []]);
});

test("feed: lines of a topic, also after a break", async (t) => {
    const topic = site.room();
    const first = await doomed();
    const lines = [];
    const news = keep(t, feed({ url: first.url, topic, WebSocket }));
    news.on("message", (text) => lines.push(text));
    news.connect();
    news.subscribe();
    await until(() => news.isSubscribed, "it is subscribed");
    const say = (message) => ask(site.gateways[1], "POST", `/api/feeds/${topic}`, { key: KEY, body: { message } });
    await say("one");
    await until(() => lines.length === 1, "a line");
    await first.dies();
    await until(() => !news.isSubscribed, "the break is noticed");
    await until(() => news.isSubscribed, "it is subscribed again");
    await say("two");
    await until(() => lines.length === 2, "another line");
    assert.deepEqual(lines, ["one", "two"]);
});
