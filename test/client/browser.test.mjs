// The client library in Chromium, loaded from the gateway by the page of an application at another origin.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launch, Window } from "../browser/lib/window.mjs";
import { ask } from "../e2e/lib/api.mjs";
import { patient, until } from "../e2e/lib/patience.mjs";
import { Site } from "../e2e/lib/site.mjs";
import { tokenOf } from "../e2e/lib/token.mjs";

const KEY = "the-backends-key";

let app; // the application's own web server
let site;
let browser;

before(async () => {
    app = createServer((request, response) => {
        response.setHeader("Content-Type", request.url === "/" ? "text/html" : "image/x-icon");
        response.end(request.url === "/" ? "<!doctype html><title>app</title>" : "");
    }).listen(0, "127.0.0.1");
    await once(app, "listening");
    site = new Site({ gateways: 2, flags: { origins: origin(), "api-key": KEY } });
    await site.start();
    browser = await launch();
});

after(async () => {
    await browser?.close();
    await site?.close();
    app?.close();
});

const origin = () => `http://127.0.0.1:${app.address().port}`;
const moduleOn = (on) => site.gateways[on].url("/segue.js");

async function open(t, options = {}) {
    const window = await Window.open(browser, `${origin()}/`, options);
    t.after(() => window.close());
    return window;
}

// Runs in the page, where `seen` is what it has to tell.
const inPage = (window, run, options) => window.page.evaluate(run, options);
const seen = (window, holds) => window.page.waitForFunction(holds, undefined, { timeout: patient() });

// A page with a player of the user; the module knows where it came from.
async function play(t, user, on = 0) {
    const window = await open(t);
    const options = { from: moduleOn(on), token: tokenOf(user) };
    await inPage(
        window,
        async ({ from, token }) => {
            const { player } = await import(from);
            self.device = player({ token });
            self.device.connect();
        },
        options,
    );
    await seen(window, () => self.device.online);
    return window;
}

test("a page of another origin imports it by its address, and is connected to where it came from", async (t) => {
    const user = site.user();
    const here = await play(t, user, 0);
    const there = await play(t, user, 1);
    await inPage(here, () => self.device.newTrack({ trackId: 7, fromIs: "album", fromIsId: 3 }));
    await seen(there, () => self.device.playing && self.device.state.trackId === 7);
    await seen(there, () => self.device.position > 0.5);
    await inPage(there, () => self.device.pause());
    await seen(here, () => !self.device.playing);
});

test("a page that may not connect cannot load it either", async (t) => {
    const window = await Window.open(browser, `${origin().replace("127.0.0.1", "localhost")}/`);
    t.after(() => window.page.context().close()); // Chromium complains about what it refused: rightly
    const outcome = await inPage(window, (from) => import(from).then(() => "loaded", () => "refused"), moduleOn(0));
    assert.equal(outcome, "refused");
});

test("a page that goes says pause: nobody hears the track play on", async (t) => {
    const user = site.user();
    const witness = await play(t, user, 1);
    const window = await Window.open(browser, `${origin()}/`);
    const options = { from: moduleOn(0), token: tokenOf(user) };
    await inPage(
        window,
        async ({ from, token }) => {
            const { player } = await import(from);
            self.device = player({ token });
            self.device.connect();
            self.device.newTrack({ trackId: 1, fromIs: "album", fromIsId: 1 });
        },
        options,
    );
    await seen(witness, () => self.device.playing);
    await window.leave();
    await seen(witness, () => self.device.state.paused);
    await window.close();
});

test("a native application's button reaches the car by window.postMessage, and a frame's does not", async (t) => {
    const user = site.user();
    const window = await open(t);
    await inPage(
        window,
        async ({ from, car, token }) => {
            const { carplay } = await import(from);
            self.service = carplay({ token });
            self.car = carplay({ url: car, token, window: null });
            self.heard = [];
            self.service.connect();
            self.car.connect(undefined, (command) => self.heard.push(command));
        },
        { from: moduleOn(0), car: site.gateways[1].url("/"), token: tokenOf(user) },
    );
    await seen(window, () => self.service.isConnected() && self.car.isConnected());
    await inPage(window, async () => {
        const frame = document.createElement("iframe");
        frame.srcdoc = "<script>parent.postMessage({ type: 'CARPLAY_COMMAND', command: 'next' }, '*')</script>";
        document.body.append(frame);
        await new Promise((loaded) => (frame.onload = loaded));
        window.postMessage({ type: "CARPLAY_COMMAND", command: "play" }, "*");
        window.postMessage({ type: "CARPLAY_COMMAND", command: "seek", value: 12 }, "*");
        window.postMessage({ type: "CARPLAY_COMMAND", command: "pause", value: null }, "*");
    });
    await seen(window, () => self.heard.length === 3);
    assert.deepEqual(await inPage(window, () => self.heard), [
        { command: "play" },
        { command: "seek", value: 12 },
        { command: "pause" },
    ]);
});

test("a timeline gets batches from a backend, through kill -9 of its process", async (t) => {
    const user = site.user();
    const first = await site.addGateway();
    const door = await site.balancer();
    door.gateways = [first];
    const window = await open(t, { mayLose: true });
    await inPage(
        window,
        async ({ from, url, token }) => {
            const { events } = await import(from);
            self.heard = [];
            self.states = [];
            self.live = events({ url, token, quiet: 50, batchQuiet: 100, log: () => {} });
            self.live.on("assetUploaded", ({ ids }) => self.heard.push(...ids));
            self.live.connection.subscribe((state) => self.states.push(state));
            self.live.connect();
        },
        { from: moduleOn(0), url: door.url("/"), token: tokenOf(user) },
    );
    await seen(window, () => self.live.isConnected);
    const upload = (id) =>
        ask(site.gateways[1], "POST", `/api/users/${user}/events`, {
            key: KEY,
            body: { event: "on_upload_success", data: { id } },
        });
    await upload("a");
    await seen(window, () => self.heard.length === 1);
    door.gateways = [site.gateways[1]];
    await first.kill();
    await upload("b");
    await upload("c");
    await seen(window, () => self.heard.length === 3);
    const { heard, states } = await inPage(window, () => ({ heard: self.heard, states: self.states }));
    assert.deepEqual(heard, ["a", "b", "c"]);
    assert.deepEqual(states, ["disconnected", "connected", "reconnecting", "connected"]);
});

test("a room and a feed, from another origin", async (t) => {
    const window = await open(t);
    await inPage(
        window,
        async ({ from }) => {
            const { feed, rooms } = await import(from);
            self.heard = [];
            self.room = rooms().enter("lobby");
            self.room.on("entered", () => self.room.say("hello", "Ann"));
            self.room.on("message", ({ text, name, mine }) => self.heard.push([text, name, mine]));
            self.news = feed({ topic: "news" });
            self.news.on("message", (text) => self.heard.push(text));
            self.news.connect();
            self.news.subscribe();
        },
        { from: moduleOn(0) },
    );
    await seen(window, () => self.news.isSubscribed && self.heard.length === 1);
    await ask(site.gateways[1], "POST", "/api/feeds/news", { key: KEY, body: { message: "a line" } });
    await seen(window, () => self.heard.length === 2);
    assert.deepEqual(await inPage(window, () => self.heard), [["hello", "Ann", true], "a line"]);
    await inPage(window, () => {
        self.room.leave();
        self.news.disconnect();
    });
    const count = async () => (await ask(site.gateways[1], "GET", "/api/rooms/lobby")).json().count;
    await until(async () => (await count()) === 0, "she has left");
});
