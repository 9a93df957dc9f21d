// feed: a connection to a topic, with the connection and the time in the test's hand.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { fakeWebSocket, FakeTime, load } from "../browser/lib/web.mjs";

const { feed } = await load("segue.js");

let time;
let Socket;
let topic;

beforeEach(() => {
    time = new FakeTime();
    Socket = fakeWebSocket();
    mock.method(globalThis, "fetch", async () => ({ ok: false }));
});

afterEach(() => {
    topic.disconnect();
    const { timers } = time;
    time.restore();
    mock.restoreAll();
    assert.equal(timers, 0, "no timer is left behind");
});

const says = (frame) => Socket.newest.says(JSON.stringify(frame));
const sent = () => Socket.newest.sent.map((text) => JSON.parse(text));
const types = () => sent().map(({ type }) => type);
const confirm = () => says({ type: "subscribe_confirmation", payload: { status: "ok" } });

async function open(options = {}) {
    topic = feed({ url: "https://segue.test", WebSocket: Socket, ...options });
    topic.connect();
    await Socket.newest.open();
    await says({ type: "initial", payload: { id: "id-1", server: "abc" } });
    return topic;
}

async function comesBack(id) {
    await time.pass(Math.ceil(topic.retryAt - Date.now()));
    await Socket.newest.open();
    await says({ type: "initial", payload: { id } });
}

test("goes to its topic; the one of the beginning is wisdom", async () => {
    await open();
    assert.equal(Socket.newest.url, "wss://segue.test/feed/wisdom?extended=1");
    topic.disconnect();
    await open({ topic: "news", token: "t" });
    assert.equal(Socket.newest.url, "wss://segue.test/feed/news?extended=1");
    assert.deepEqual(Socket.newest.protocols, ["bearer", "t"]);
    topic.connect();
    assert.equal(Socket.made.length, 2);
});

test("connects with the id that it was given, and says every five seconds that it is there", async () => {
    await open();
    assert.deepEqual(sent(), [{ type: "connect", payload: { id: "id-1" } }]);
    await time.pass(14999);
    assert.deepEqual(types(), ["connect", "ping", "ping"]);
    assert.deepEqual([topic.isConnected, topic.server], [true, "abc"]);
});

test("gets lines when its subscription is confirmed", async () => {
    await open();
    const lines = [];
    const told = [];
    topic.on("message", (text, { server }) => lines.push([text, server]));
    topic.on("subscribed", (is) => told.push(is));
    topic.subscribe();
    assert.deepEqual([topic.isWanted, topic.isSubscribed], [true, false]);
    await confirm();
    await says({ type: "wisdom_distribution", payload: { message: "a line" } });
    assert.equal(topic.isSubscribed, true);
    topic.unsubscribe();
    assert.deepEqual(types(), ["connect", "subscribe", "unsubscribe"]);
    assert.deepEqual([lines, told], [[["a line", "abc"]], [true, false]]);
});

test("subscribes again after a break, when that was wanted", async () => {
    await open();
    topic.subscribe();
    await confirm();
    await Socket.newest.closes(1012);
    assert.deepEqual([topic.isSubscribed, topic.isConnected, topic.server], [false, false, ""]);
    await comesBack("id-2");
    const payload = { id: "id-2" };
    assert.deepEqual(sent(), [{ type: "connect", payload }, { type: "subscribe", payload }]);
    topic.unsubscribe();
    await Socket.newest.closes(4408);
    await comesBack("id-3");
    assert.deepEqual(types(), ["connect"]);
});

test("may be told to subscribe before there is a connection", async () => {
    topic = feed({ url: "https://segue.test", WebSocket: Socket });
    topic.subscribe();
    topic.connect();
    await Socket.newest.open();
    await says({ type: "initial", payload: { id: "id-1" } });
    assert.deepEqual(types(), ["connect", "subscribe"]);
});

test("tells of a refusal, and asks again", async () => {
    await open();
    const refusals = [];
    topic.on("refused", (why) => refusals.push(why));
    topic.subscribe();
    await says({ type: "error", payload: { code: "unavailable", message: "Redis is away" } });
    await time.pass(2000);
    assert.deepEqual(types(), ["connect", "subscribe", "subscribe"]);
    await confirm();
    await says({ type: "error" });
    await time.pass(2000);
    assert.deepEqual([refusals.length, types().length, topic.isSubscribed], [2, 3, true]);
});

test("says that it leaves", async () => {
    await open();
    topic.disconnect();
    assert.deepEqual([types(), topic.status], [["connect", "disconnect"], "closed"]);
});
