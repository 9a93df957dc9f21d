// player: what it says, what it understands, what it keeps; with the connection and the time in the test's hand.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { fakeWebSocket, FakeTime, load, settled } from "../browser/lib/web.mjs";

const { player } = await load("segue.js");

let time;
let Socket;
let page;
let device;

beforeEach(() => {
    time = new FakeTime();
    Socket = fakeWebSocket();
    page = new EventTarget();
    mock.method(globalThis, "fetch", async () => ({ ok: false })); // the service is not ready
});

afterEach(() => {
    device?.disconnect();
    device = undefined;
    const { timers } = time;
    time.restore();
    mock.restoreAll();
    assert.equal(timers, 0, "no timer is left behind");
});

const frame = (more = {}) => ({
    track_id: 2,
    from_is: "album",
    from_is_id: 3,
    on_pause: false,
    last_sec_position: 64,
    time_state_update: new Date(Date.now()).toISOString(),
    ...more,
});
const now = () => new Date(Date.now()).toISOString();
const says = (...frames) => Socket.newest.says(...frames.map((one) => JSON.stringify(one)));
const messages = () => Socket.newest.sent.map((text) => JSON.parse(text));
const sent = () => messages().filter(({ type_push_state: type }) => type !== "ping");
const kinds = () => sent().map(({ type_push_state: type }) => type);

function make(options = {}) {
    device = player({ url: "https://segue.test", token: "t", WebSocket: Socket, page, ...options });
    device.connect();
    return device;
}

async function online(first = frame(), options = {}) {
    make(options);
    await Socket.newest.open();
    await says(first);
    return device;
}

// The next connection, when the back-off is over; the server's word on it.
async function comesBack(first = frame()) {
    const { length } = Socket.made;
    await time.pass(Math.ceil(device.retryAt - Date.now()));
    assert.equal(Socket.made.length, length + 1, "there is a new connection");
    await Socket.newest.open();
    await says(first);
}

describe("a state", () => {
    test("has a position that runs by itself, and rests in a pause", async () => {
        await online();
        assert.deepEqual([device.playing, device.position], [true, 64]);
        await time.pass(2500);
        assert.equal(device.position, 66.5);
        await says({ type_push_state: "on_pause", time_state_update: new Date(Date.now()).toISOString() });
        await time.pass(2500);
        assert.deepEqual([device.playing, device.position], [false, 66.5]);
    });

    test("is null where nothing plays, and then only a new track has a meaning", async () => {
        await online({ type_push_state: "no_track_state" });
        assert.deepEqual([device.state, device.position, device.known], [null, 0, true]);
        assert.deepEqual([device.play(), device.pause(), device.seek(3)], [false, false, false]);
        assert.equal(device.newTrack({ trackId: "x", fromIs: "album", fromIsId: 1 }), true);
        assert.deepEqual(kinds(), ["new_track"]);
        assert.deepEqual([device.state.trackId, device.playing], ["x", true]);
    });

    test("tells whose it is", async () => {
        make();
        const whose = [];
        device.on("state", (state, who) => whose.push(who));
        await Socket.newest.open();
        await says(frame());
        device.pause();
        await time.pass(300);
        await says({ type_push_state: "off_pause", time_state_update: new Date(Date.now()).toISOString() });
        assert.deepEqual(whose, ["server", "self", "other"]);
    });

    test("says a command in the protocol's words, with the time of the click", async () => {
        await online();
        device.newTrack({ trackId: 5, fromIs: "playlist", fromIsId: 9 });
        device.newTrack({ trackId: 6 });
        device.seek(12.34567);
        device.seek(-1);
        device.toggle();
        device.toggle();
        const at = new Date(Date.now()).toISOString();
        assert.deepEqual(sent(), [
            { type_push_state: "new_track", track_id: 5, from_is: "playlist", from_is_id: 9, time_state_update: at },
            { type_push_state: "new_track", track_id: 6, time_state_update: at },
            { type_push_state: "change_position", last_sec_position: 12.346, time_state_update: at },
            { type_push_state: "change_position", last_sec_position: 0, time_state_update: at },
            { type_push_state: "on_pause", time_state_update: at },
            { type_push_state: "off_pause", time_state_update: at },
        ]);
        assert.deepEqual([device.state.fromIs, device.state.fromIsId], ["playlist", 9]);
    });
});

describe("the clock", () => {
    // Answers the pings of which nobody has heard yet: the server is `ahead`, the answer takes `there` + `back`.
    const answered = new WeakMap();
    async function pong(ahead, there, back) {
        const asked = messages().filter(({ type_push_state: type }) => type === "ping");
        const due = asked.slice(answered.get(Socket.newest) ?? 0);
        answered.set(Socket.newest, asked.length);
        const arrival = Date.now() + ahead + there;
        await time.pass(there + back);
        await says(...due.map(({ t }) => ({ type_push_state: "pong", t, server_time: arrival })));
    }

    test("is measured by pings; the one with the shortest way counts", async () => {
        await online({ ...frame(), server_time: Date.now() + 4000 });
        assert.equal(device.clock.offset, 4000, "a first guess");
        await pong(5000, 150, 10);
        assert.equal(device.clock.offset, 5070);
        await time.pass(40);
        await pong(5000, 3, 5);
        assert.equal(device.clock.offset, 4999);
        await time.pass(192);
        await pong(5000, 90, 10);
        assert.equal(device.clock.offset, 4999, "a long way says less");
        assert.equal(device.clock.latency, 100);
    });

    test("lets devices with wrong clocks agree", async () => {
        const truth = Date.now();
        for (const wrong of [-3_600_000, 0, 90_000]) {
            Date.now = () => truth + wrong;
            device?.disconnect();
            await online({ ...frame({ time_state_update: new Date(truth - 5000).toISOString() }), server_time: truth });
            assert.equal(device.position, 69, `a clock that is ${wrong} ms off`);
            device.pause();
            assert.equal(sent().at(-1).time_state_update, new Date(truth).toISOString());
        }
    });

    test("pings that nobody answers end the connection", async () => {
        await online();
        await time.pass(11000);
        assert.deepEqual([device.status, device.reason], ["waiting", "no answer"]);
    });
});

describe("without a connection", () => {
    test("commands are applied here, and sent once when it is back: the newest of a kind", async () => {
        await online();
        await Socket.newest.closes(1012);
        assert.deepEqual([device.online, device.known], [false, false]);
        device.pause();
        device.seek(10);
        await time.pass(20);
        const sought = new Date(Date.now()).toISOString();
        device.seek(20);
        device.play();
        await time.pass(30);
        const paused = new Date(Date.now()).toISOString();
        device.pause();
        assert.deepEqual([device.playing, device.position], [false, 20.03]);
        await comesBack();
        assert.deepEqual(sent(), [
            { type_push_state: "change_position", last_sec_position: 20, time_state_update: sought },
            { type_push_state: "on_pause", time_state_update: paused },
        ]);
        assert.deepEqual([device.playing, device.position], [false, 20.03]);
        await Socket.newest.closes(1012);
        await comesBack();
        assert.deepEqual(sent(), [], "once");
    });

    test("a new track replaces what was meant for the one before", async () => {
        make();
        assert.equal(device.play(), true, "who has not heard of the state may still mean something");
        device.seek(5);
        device.newTrack({ trackId: 1 });
        device.newTrack({ trackId: 2, fromIs: "album", fromIsId: 1 });
        device.seek(7);
        await Socket.newest.open();
        assert.deepEqual(sent(), [], "the server speaks first");
        await says({ type_push_state: "no_track_state" });
        assert.deepEqual(kinds(), ["new_track", "change_position"]);
        assert.equal(sent()[0].track_id, 2);
        assert.deepEqual([device.state.trackId, device.state.position], [2, 7]);
    });

    test("what has no meaning any more is not sent", async () => {
        await online();
        await Socket.newest.closes(1006);
        device.pause();
        await comesBack({ type_push_state: "no_track_state" });
        assert.deepEqual([sent(), device.state], [[], null]);
    });

    test("the time of a command is corrected by what is learnt later about the clock", async () => {
        make();
        const made = Date.now();
        device.newTrack({ trackId: 2, fromIs: "album", fromIsId: 1 });
        await time.pass(50);
        await Socket.newest.open();
        await says({ type_push_state: "no_track_state", server_time: Date.now() + 60_000 });
        assert.equal(sent()[0].time_state_update, new Date(made + 60_000).toISOString());
    });

    test("who has left has nothing to say", async () => {
        await online();
        await Socket.newest.closes(1006);
        device.pause();
        device.disconnect();
        device.connect();
        await Socket.newest.open();
        await says(frame());
        assert.deepEqual(sent(), []);
    });
});

describe("a connection", () => {
    test("goes to /player with the token as subprotocol, below the gateway's address", () => {
        make({ url: "https://segue.test/live/" });
        assert.equal(Socket.newest.url, "wss://segue.test/live/player?extended=1");
        assert.deepEqual(Socket.newest.protocols, ["bearer", "t"]);
        device.connect();
        assert.equal(Socket.made.length, 1, "once is enough");
    });

    for (const code of [1001, 1006, 1008, 1011, 1012, 1013, 4408]) {
        test(`comes back after ${code}, later and later, not all at the same moment`, async () => {
            await online();
            const waits = [];
            for (let i = 0; i < 8; i++) {
                await Socket.newest.closes(code);
                assert.equal(device.status, "waiting");
                waits.push(device.retryAt - Date.now());
                await comesBack();
            }
            for (const [i, wait] of waits.entries()) {
                const longest = Math.min(15000, 500 * 2 ** i);
                assert.ok(wait >= longest / 2 && wait <= longest, `pause ${i} is ${wait} ms`);
            }
            assert.ok(new Set(waits.slice(5)).size > 1, "jitter");
            await time.pass(6000);
            await says({ type_push_state: "pong" });
            await Socket.newest.closes(code);
            assert.ok(device.retryAt - Date.now() <= 500, "one that held begins anew");
        });
    }

    test("that an operator has ended stays away until somebody wants it", async () => {
        await online();
        await Socket.newest.closes(4403, "out");
        assert.deepEqual([device.status, device.reason], ["stopped", "out"]);
        await time.pass(60_000);
        assert.equal(Socket.made.length, 1);
        device.connect();
        assert.equal(Socket.made.length, 2);
    });

    test("does not wait when the network is back, or somebody looks at the page", async () => {
        const world = new EventTarget();
        globalThis.addEventListener = world.addEventListener.bind(world);
        globalThis.removeEventListener = world.removeEventListener.bind(world);
        globalThis.document = Object.assign(new EventTarget(), { hidden: true });
        try {
            await online();
            await Socket.newest.closes(1006);
            document.dispatchEvent(new Event("visibilitychange"));
            assert.equal(Socket.made.length, 1, "nobody looks");
            document.hidden = false;
            document.dispatchEvent(new Event("visibilitychange"));
            assert.equal(Socket.made.length, 2);
            await Socket.newest.closes(1006);
            world.dispatchEvent(new Event("online"));
            assert.equal(Socket.made.length, 3);
            device.disconnect();
            world.dispatchEvent(new Event("online"));
            assert.equal(Socket.made.length, 3);
        } finally {
            delete globalThis.addEventListener;
            delete globalThis.removeEventListener;
            delete globalThis.document;
        }
    });
});

describe("a token", () => {
    test("that is a function is asked before every connection", async () => {
        let asked = 0;
        make({ token: async () => `t${++asked}` });
        assert.equal(Socket.made.length, 0);
        await settled();
        assert.deepEqual(Socket.newest.protocols, ["bearer", "t1"]);
        await Socket.newest.open();
        await says(frame());
        await Socket.newest.closes(1012);
        await time.pass(500);
        assert.deepEqual(Socket.newest.protocols, ["bearer", "t2"]);
    });

    test("is asked for anew after 4401, and told why; the connection goes on at once", async () => {
        const reasons = [];
        const token = ({ renew }) => `t${reasons.push(renew)}`;
        make({ token });
        await settled();
        await Socket.newest.open();
        await says(frame());
        await Socket.newest.closes(4401, "token expired");
        assert.deepEqual(reasons, [false, true]);
        assert.deepEqual(Socket.newest.protocols, ["bearer", "t2"]);
        assert.equal(device.status, "connecting");
    });

    test("that is a text, or of which there is no other, is the end", async () => {
        await online();
        await Socket.newest.closes(4401, "token expired");
        assert.deepEqual([device.status, device.reason], ["expired", "token expired"]);
        device.disconnect();
        make({ token: ({ renew }) => (renew ? null : "t") });
        await settled();
        await Socket.newest.open();
        await Socket.newest.closes(4401);
        assert.equal(device.status, "expired");
        assert.equal(Socket.made.length, 2);
    });

    test("that cannot be had now is asked for later", async () => {
        const reasons = [];
        let works = true;
        const token = async ({ renew }) => {
            reasons.push(renew);
            if (!works) {
                throw new Error("no network");
            }
            return "t";
        };
        make({ token });
        await settled();
        await Socket.newest.open();
        works = false;
        await Socket.newest.closes(4401);
        assert.deepEqual([device.status, device.reason], ["waiting", "no token"]);
        await time.pass(500);
        assert.deepEqual([device.status, Socket.made.length], ["waiting", 1]);
        works = true;
        await time.pass(1000);
        assert.equal(Socket.made.length, 2);
        assert.deepEqual(reasons, [false, true, true, true]);
    });

    test("that no browser would send is asked for again", async () => {
        class Picky extends Socket {
            constructor(url, protocols) {
                if (protocols[1]?.includes(" ")) {
                    throw new SyntaxError("invalid subprotocol");
                }
                super(url, protocols);
            }
        }
        const tokens = ["not a token", "t"];
        make({ token: async () => tokens.shift(), WebSocket: Picky });
        await settled();
        assert.deepEqual([device.status, device.reason], ["waiting", "no token that could be sent"]);
        await time.pass(500);
        assert.equal(device.status, "connecting");
        assert.deepEqual(Picky.made.at(-1).protocols, ["bearer", "t"]);
    });

    test("that comes too late is of no use to somebody who has left", async () => {
        let give;
        make({ token: () => new Promise((resolve) => (give = resolve)) });
        device.disconnect();
        give("t");
        await settled();
        assert.equal(Socket.made.length, 0);
    });
});

describe("the page", () => {
    const leave = () => page.dispatchEvent(new Event("pagehide"));

    test("says pause before it goes", async () => {
        await online();
        leave();
        assert.deepEqual(kinds(), ["on_pause"]);
        leave();
        assert.deepEqual(kinds(), ["on_pause"], "once");
    });

    test("says nothing when nothing plays, when it is told not to, or when it has left already", async () => {
        await online(frame({ on_pause: true }));
        leave();
        assert.deepEqual(kinds(), []);
        device.disconnect();
        await online(frame(), { pauseOnLeave: false });
        leave();
        device.disconnect();
        leave();
        assert.deepEqual(kinds(), []);
        await online(frame(), { pauseOnLeave: ({ devices }) => devices === 1 });
        await says({ ...frame(), devices: 2 });
        leave();
        assert.deepEqual(kinds(), []);
        await says({ ...frame(), devices: 1 });
        leave();
        assert.deepEqual(kinds(), ["on_pause"]);
    });
});

describe("what goes wrong", () => {
    test("a refusal is told, and what holds is asked for", async () => {
        await online();
        const told = [];
        device.on("refused", (why) => told.push(why));
        device.pause();
        await says({ type_push_state: "invalid_format", reason: "rate_limited" });
        assert.deepEqual(told, [{ code: "invalid_format", reason: "rate_limited" }]);
        await time.pass(1000);
        assert.equal(Socket.made.length, 2);
        await Socket.newest.open();
        await says(frame());
        assert.equal(device.playing, true);
    });

    test("when the store is away, it tells by itself what holds", async () => {
        await online();
        const told = [];
        device.on("refused", ({ code }) => told.push(code));
        device.pause();
        await says({ type_push_state: "unavailable" });
        await time.pass(3000);
        assert.deepEqual([told, Socket.made.length], [["unavailable"], 1]);
    });

    test("when two commands cross, the order that holds is asked for", async () => {
        await online();
        device.pause();
        await time.pass(100);
        await says({ type_push_state: "new_track", track_id: 9, time_state_update: now() });
        assert.equal(Socket.made.length, 2);
        await Socket.newest.open();
        await says(frame());
        device.pause();
        await time.pass(400);
        await says({ type_push_state: "new_track", track_id: 9, time_state_update: now() });
        assert.equal(Socket.made.length, 2, "long after is no crossing");
    });

    test("a handler that throws is reported, and the others go on", async () => {
        const report = mock.method(console, "error", () => {});
        make();
        const seen = [];
        device.on("state", () => {
            throw new Error("mine");
        });
        const off = device.on("state", () => seen.push("second"));
        await Socket.newest.open();
        await says(frame());
        off();
        await says(frame());
        assert.deepEqual(seen, ["second"]);
        assert.equal(report.mock.callCount(), 2);
    });

    test("where there is no WebSocket, that is said", () => {
        device = player({ url: "https://segue.test", page: null, WebSocket: null });
        assert.throws(() => device.connect(), /there is no WebSocket here/);
    });

    test("where the gateway is must be said, unless the module came from one", () => {
        assert.throws(() => player({ token: "t" }), /url is needed/);
    });
});
