// rooms: a member of a room, with the connection and the time in the test's hand.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { fakeWebSocket, FakeTime, load } from "../browser/lib/web.mjs";

const { rooms } = await load("segue.js");

let time;
let Socket;
let room;
let heard; // what the room told, in short

beforeEach(() => {
    time = new FakeTime();
    Socket = fakeWebSocket();
    heard = [];
    mock.method(globalThis, "fetch", async () => ({ ok: false }));
});

afterEach(() => {
    room.leave();
    const { timers } = time;
    time.restore();
    mock.restoreAll();
    assert.equal(timers, 0, "no timer is left behind");
});

const says = (frame) => Socket.newest.says(JSON.stringify(frame));
const sent = () => Socket.newest.sent.map((text) => JSON.parse(text));
const message = (id, text, clientId = "other") => ({ type: "message", id, text, clientId, roomId: "r", time: 0 });
const welcome = (clientId, history = []) => says({ type: "welcome", clientId, roomId: "r", members: 2, history });
const pending = () => room.pending.map(({ text, failed }) => [text, failed]);

async function enter(id, options = {}) {
    room = rooms({ url: "https://segue.test", WebSocket: Socket, ...options }).enter(id);
    room.on("message", ({ text, mine }) => heard.push(mine ? `me: ${text}` : text));
    room.on("entered", ({ isBack }) => heard.push(isBack ? "back" : "in"));
    room.on("gap", () => heard.push("gap"));
    await Socket.newest.open();
    await welcome("me-1");
    return room;
}

async function comesBack(history) {
    await time.pass(Math.ceil(room.retryAt - Date.now()));
    await Socket.newest.open();
    await welcome(`me-${Socket.made.length}`, history);
}

test("goes to a new room first, and to the same one after a break", async () => {
    await enter();
    assert.equal(Socket.newest.url, "wss://segue.test/ws");
    assert.deepEqual(Socket.newest.protocols, []);
    assert.deepEqual([room.id, room.members, room.isIn], ["r", 2, true]);
    await Socket.newest.closes(1006);
    assert.equal(room.isIn, false);
    await comesBack();
    assert.equal(Socket.newest.url, "wss://segue.test/ws?room=r");
    assert.deepEqual(heard, ["in", "back"]);
});

test("goes to a room by name, with a token where there is one", async () => {
    await enter("two words", { token: "t" });
    assert.equal(Socket.newest.url, "wss://segue.test/ws?room=two%20words");
    assert.deepEqual(Socket.newest.protocols, ["bearer", "t"]);
});

describe("messages", () => {
    test("are told once, in the room's order", async () => {
        await enter("r");
        await says(message("1", "one"));
        await Socket.newest.closes(1012);
        await comesBack([message("1", "one"), message("2", "two"), message("3", "three", "me-1")]);
        await says(message("3", "three", "me-1"));
        assert.deepEqual(heard, ["in", "one", "two", "me: three", "back"]);
    });

    test("may be missing when the history does not reach back", async () => {
        await enter("r");
        await says(message("1", "one"));
        await Socket.newest.closes(1012);
        await comesBack([message("8", "eight"), message("9", "nine")]);
        assert.deepEqual(heard, ["in", "one", "gap", "eight", "nine", "back"]);
    });

    test("of one's own are pending until the room says them", async () => {
        await enter("r");
        assert.equal(room.say("hello", "Me"), true);
        assert.deepEqual(sent(), [{ type: "message", text: "hello", name: "Me" }]);
        assert.deepEqual([heard, pending()], [["in"], [["hello", false]]]);
        await says(message("1", "hello", "me-1"));
        assert.deepEqual([heard, pending()], [["in", "me: hello"], []]);
    });

    test("that were on their way when the connection broke have arrived, or have failed", async () => {
        await enter("r");
        ["arrived", "lost"].forEach((text) => room.say(text));
        await Socket.newest.closes(1006);
        assert.equal(room.say("offline"), false);
        await comesBack([message("1", "arrived", "me-1")]);
        assert.deepEqual(pending(), [["lost", true]]);
        room.sayAgain(room.pending[0]);
        assert.deepEqual(pending(), [["lost", false]]);
        await says(message("2", "lost", "me-2"));
        assert.deepEqual(pending(), []);
    });

    test("that were said before one that arrived, and did not, have failed", async () => {
        await enter("r");
        ["a", "b", "c"].forEach((text) => room.say(text));
        await says(message("1", "c", "me-1"));
        assert.deepEqual(pending(), [["a", true], ["b", true]]);
        room.forget(room.pending[0]);
        assert.deepEqual(pending(), [["b", true]]);
    });

    test("may be refused, and arrive after all", async () => {
        await enter("r");
        const refusals = [];
        room.on("refused", (why) => refusals.push(why));
        room.say("hasty");
        await says({ type: "error", code: "rate_limited", message: "too fast" });
        assert.deepEqual(refusals, [{ code: "rate_limited", message: "too fast" }]);
        assert.deepEqual(pending(), [["hasty", true]]);
        await says(message("1", "hasty", "me-1"));
        assert.deepEqual(pending(), []);
    });
});

test("counts its members", async () => {
    await enter("r");
    room.on("joined", ({ clientId, members }) => heard.push(`${clientId} ${members}`));
    room.on("left", ({ clientId, members }) => heard.push(`${clientId} ${members}`));
    await says({ type: "joined", clientId: "x", roomId: "r", members: 3 });
    await says({ type: "left", clientId: "x", roomId: "r", members: 2 });
    assert.deepEqual([room.members, heard], [2, ["in", "x 3", "x 2"]]);
});

test("leaving says so, and is the end", async () => {
    await enter("r");
    room.leave();
    assert.deepEqual([sent(), room.status], [[{ type: "leave" }], "closed"]);
    await time.pass(60_000);
    assert.equal(Socket.made.length, 1);
});

test("after a sleep of the machine, and in another network, the connection is made anew", async () => {
    const world = new EventTarget();
    const ticks = [];
    mock.method(globalThis, "setInterval", (run, ms) => ticks.push([run, ms]));
    mock.method(globalThis, "clearInterval", () => ticks.pop());
    globalThis.addEventListener = world.addEventListener.bind(world);
    globalThis.removeEventListener = world.removeEventListener.bind(world);
    globalThis.document = Object.assign(new EventTarget(), { hidden: false });
    try {
        await enter("r");
        const [[tick, every]] = ticks;
        for (let i = 0; i < 40; i++) {
            await time.pass(every);
            tick();
        }
        assert.equal(Socket.made.length, 1);
        await time.pass(100_000);
        tick();
        assert.equal(Socket.made.length, 2, "after a sleep");
        await Socket.newest.open();
        await welcome("me-2");
        world.dispatchEvent(new Event("online"));
        assert.equal(Socket.made.length, 3, "in another network");
        room.leave();
        world.dispatchEvent(new Event("online"));
        assert.deepEqual([Socket.made.length, ticks], [3, []]);
    } finally {
        delete globalThis.addEventListener;
        delete globalThis.removeEventListener;
        delete globalThis.document;
    }
});
