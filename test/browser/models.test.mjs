// What stands behind the pages, without a browser: a connection's life, a room, a topic, a car; frame by frame, with
// the time in the test's hand.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { fakeWebSocket, FakeTime, load, settled } from "./lib/web.mjs";

const { Device } = await load("device.js");
const { HeadUnit } = await load("head-unit.js");
const { Link } = await load("client/link.js");
const { Room } = await load("room.js");
const { Topic } = await load("topic.js");

let time;
let Socket;
let thing; // what the test has made; it is closed at the end

beforeEach(() => {
    time = new FakeTime();
    Socket = fakeWebSocket();
});

afterEach(() => {
    (thing?.leave ?? thing?.close)?.call(thing);
    thing = undefined;
    const { timers } = time;
    time.restore();
    assert.equal(timers, 0, "no timer is left behind");
});

const says = (frame) => Socket.newest.says(JSON.stringify(frame));
const sent = () => Socket.newest.sent.map((text) => JSON.parse(text));

// The next connection, when the back-off is over.
async function comesBack() {
    const { length } = Socket.made;
    await time.pass(Math.ceil((thing.link ?? thing).retryAt - Date.now()));
    assert.equal(Socket.made.length, length + 1, "there is a new connection");
    await Socket.newest.open();
}

describe("a link", () => {
    function make(options = {}) {
        thing = new Link({ url: "ws://segue.test/x", onFrame: () => {}, WebSocket: Socket, ...options });
        thing.open();
        return thing;
    }

    test("is refused when the service is ready, and says no three times", async () => {
        let ready = false;
        const link = make({ isReady: async () => ready });
        for (let i = 0; i < 4; i++) {
            await Socket.newest.closes(1006);
            assert.equal(link.status, "waiting", "a service that is away is waited for");
            await time.pass(Math.ceil(link.retryAt - Date.now()));
        }
        ready = true;
        for (let i = 0; i < 2; i++) {
            await Socket.newest.closes(1006);
            await time.pass(Math.ceil(link.retryAt - Date.now()));
        }
        await Socket.newest.closes(1006);
        assert.equal(link.status, "refused");
    });

    test("comes when a crowded service asks it to, a little apart from the others, and is not refused by it", async () => {
        let ready = 4;
        const link = make({ isReady: async () => ready });
        for (let i = 0; i < 5; i++) {
            await Socket.newest.closes(1006);
            const wait = link.retryAt - Date.now();
            assert.equal(link.status, "waiting");
            assert.ok(wait >= 4000 && wait <= (i < 4 ? 5000 : 8000), `${wait} ms`);
            await time.pass(Math.ceil(wait));
        }
        ready = 0.1; // less than what it would wait by itself
        await Socket.newest.closes(1006);
        assert.ok(link.retryAt - Date.now() >= 7500);
    });

    test("that was welcome once is not refused so soon: a crowd may be before it", async () => {
        const link = make({ isReady: async () => true });
        await Socket.newest.open();
        await Socket.newest.closes(1012);
        for (let i = 0; i < 14; i++) {
            await time.pass(Math.ceil(link.retryAt - Date.now()));
            await Socket.newest.closes(1006);
            assert.equal(link.status, "waiting", `after ${i + 1}`);
        }
        await time.pass(Math.ceil(link.retryAt - Date.now()));
        await Socket.newest.closes(1006);
        assert.equal(link.status, "refused");
    });

    test("asks for address and protocols anew, every time", async () => {
        let count = 0;
        make({ url: () => `ws://segue.test/${++count}`, protocols: () => ["bearer", `t${count}`] });
        await Socket.newest.open();
        await Socket.newest.closes(1012);
        await comesBack();
        assert.deepEqual([Socket.newest.url, Socket.newest.protocols], ["ws://segue.test/2", ["bearer", "t2"]]);
    });

    test("a new token that does not hold either is the last word, until somebody opens it anew", async () => {
        let asked = 0;
        const link = make({ renew: async () => Boolean(++asked) });
        await Socket.newest.open();
        await Socket.newest.closes(4401, "token expired");
        assert.deepEqual([link.status, asked], ["connecting", 1]);
        await Socket.newest.open();
        await Socket.newest.closes(4401);
        assert.deepEqual([link.status, asked], ["expired", 1]);
        link.open();
        await Socket.newest.open();
        await time.pass(6000);
        await Socket.newest.closes(4401);
        await Socket.newest.open();
        await time.pass(6000);
        await Socket.newest.closes(4401);
        assert.deepEqual([link.status, asked], ["connecting", 3], "one that held for a while may be renewed again");
    });

    test("gives nobody's frames to anybody", async () => {
        const heard = [];
        make({ onFrame: (frame) => heard.push(frame) });
        await Socket.newest.open();
        await Socket.newest.says("not json", "null", "1", '"text"', '{"type":"x"}');
        assert.deepEqual(heard, [{ type: "x" }]);
    });
});

describe("a room", () => {
    const said = () => thing.entries.filter(({ kind }) => kind === "message").map(({ text }) => text);
    const notes = () => thing.entries.filter(({ kind }) => kind === "note").map(({ text }) => text);
    const message = (id, text, clientId = "other") => ({ type: "message", id, text, clientId, roomId: "r", time: 0 });
    const welcome = (clientId, history = []) => says({ type: "welcome", clientId, roomId: "r", members: 2, history });

    async function enter() {
        thing = new Room({ url: "http://segue.test", onChange: () => {}, WebSocket: Socket });
        await Socket.newest.open();
        await welcome("me-1");
        return thing;
    }

    test("shows what is said, who comes and goes, and what may be missing", async () => {
        const room = await enter();
        await says(message("1", "one"));
        await says({ type: "joined", clientId: "x", roomId: "r", members: 3 });
        await says({ type: "left", clientId: "x", roomId: "r", members: 2 });
        assert.equal(room.members, 2);
        await Socket.newest.closes(1012);
        await comesBack();
        await welcome("me-2", [message("8", "eight"), message("9", "mine", "me-1")]);
        assert.deepEqual(said(), ["one", "eight", "mine"]);
        assert.deepEqual(
            room.entries.filter(({ mine }) => mine).map(({ text }) => text),
            ["mine"],
        );
        const missing = "Some messages may be missing here";
        assert.deepEqual(notes(), ["You came in", "Somebody came in", "Somebody left", missing, "You are back"]);
    });

    test("one's own message is on its way, then there, or may be said again", async () => {
        const room = await enter();
        ["a", "b"].forEach((text) => room.say(text, "Me"));
        await says(message("1", "b", "me-1"));
        assert.deepEqual(said(), ["b"]);
        const [failed] = room.pending;
        assert.deepEqual([failed.text, failed.failed], ["a", true]);
        room.retry(failed);
        assert.deepEqual(room.pending.map(({ text, failed: lost }) => [text, lost]), [["a", false]]);
        room.forget(room.pending[0]);
        assert.deepEqual(room.pending, []);
    });

    test("a refusal is shown, until something is said again", async () => {
        const room = await enter();
        room.say("hasty");
        await says({ type: "error", code: "rate_limited", message: "too fast" });
        assert.match(room.notice, /too fast/);
        room.say("slowly");
        assert.equal(room.notice, "");
    });

    test("keeps no more than a page can show", async () => {
        const room = await enter();
        for (let i = 0; i < 400; i++) {
            await says(message(String(i), `message ${i}`));
        }
        assert.equal(room.entries.length, 300);
        assert.equal(room.entries.at(-1).text, "message 399");
    });
});

describe("a topic", () => {
    async function open() {
        thing = new Topic({ url: "http://segue.test", topic: "t", onChange: () => {}, WebSocket: Socket });
        thing.open();
        await Socket.newest.open();
        await says({ type: "initial", payload: { id: "id-1", server: "abc" } });
        return thing;
    }

    test("shows its lines, marked with the process that served them", async () => {
        const topic = await open();
        assert.deepEqual([topic.isConnected, topic.server], [true, "abc"]);
        topic.subscribe();
        assert.deepEqual([topic.isWanted, topic.isSubscribed], [true, false]);
        await says({ type: "error", payload: { code: "unavailable", message: "Redis is away" } });
        assert.match(topic.notice, /Redis is away/);
        await says({ type: "subscribe_confirmation", payload: { status: "ok" } });
        assert.deepEqual([topic.isSubscribed, topic.notice], [true, ""]);
        await says({ type: "wisdom_distribution", payload: { message: "a line" } });
        assert.deepEqual(topic.lines.map(({ text, server }) => [text, server]), [["a line", "abc"]]);
        topic.unsubscribe();
        assert.equal(topic.isSubscribed, false);
    });

    test("keeps a hundred lines, and counts all", async () => {
        const topic = await open();
        for (let i = 0; i < 150; i++) {
            await says({ type: "wisdom_distribution", payload: { message: `line ${i}` } });
        }
        assert.deepEqual([topic.lines.length, topic.count, topic.lines[0].text], [100, 150, "line 149"]);
    });
});

describe("a car", () => {
    const HELLO = '0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":16384}';
    const emits = (event, data) => Socket.newest.says(`42${JSON.stringify([event, data, "1.1"])}`);
    const answers = (id, answer) => Socket.newest.says(`43${id}${JSON.stringify([answer])}`);
    const asked = () => Socket.newest.sent.filter((text) => text.startsWith("42")).map((text) => text.slice(2));
    const state = (more = {}) => ({ userId: 1, isPlaying: true, currentTime: 10, duration: 245, mediaId: 2, ...more });

    async function drive() {
        thing = new HeadUnit({ url: "http://segue.test", token: "t", onChange: () => {}, WebSocket: Socket });
        thing.open();
        await hello();
        return thing;
    }

    async function hello(pid = "p") {
        await Socket.newest.open();
        await Socket.newest.says(HELLO, `40{"sid":"s","pid":"${pid}"}`);
    }

    test("shows what it is told, and the position runs by itself, to the end at most", async () => {
        const unit = await drive();
        assert.deepEqual([unit.state, unit.track, unit.position], [null, null, 0]);
        await emits("playback_state", state());
        assert.deepEqual(
            [unit.playing, unit.position, unit.length, unit.track.title],
            [true, 10, 245, "Paper Satellites"],
        );
        await time.pass(5000);
        assert.equal(unit.position, 15);
        for (let i = 0; i < 30; i++) {
            await time.pass(10000);
            await Socket.newest.says("2");
        }
        assert.equal(unit.position, 245);
        await emits("playback_state", state({ isPlaying: false, mediaTitle: "Mine", mediaId: "x", duration: 0 }));
        assert.deepEqual([unit.playing, unit.length, unit.track.title, unit.track.artist], [false, 0, "Mine", ""]);
        await emits("playback_state", { isPlaying: false, currentTime: 0, duration: 0, mediaId: null });
        assert.equal(unit.state, null);
    });

    test("a button is a command, which is applied when it comes back", async () => {
        const unit = await drive();
        await emits("playback_state", state());
        unit.toggle();
        unit.skip(15);
        unit.seek(-3);
        unit.seek(9999);
        assert.deepEqual(asked(), [
            '0["carplay_command",{"command":"pause"}]',
            '1["carplay_command",{"command":"seek","value":25}]',
            '2["carplay_command",{"command":"seek","value":0}]',
            '3["carplay_command",{"command":"seek","value":245}]',
        ]);
        assert.equal(unit.playing, true);
        await emits("carplay_command", { command: "pause" });
        assert.deepEqual([unit.playing, unit.position], [false, 10]);
        await time.pass(3000);
        assert.equal(unit.position, 10);
        await emits("carplay_command", { command: "seek", value: 100 });
        await emits("carplay_command", { command: "play" });
        await time.pass(1000);
        assert.deepEqual([unit.playing, unit.position], [true, 101]);
    });

    test("a refusal, a silence and a break are said", async () => {
        const unit = await drive();
        await emits("playback_state", state());
        unit.next();
        await answers(0, { ok: false, error: "rate_limited", message: "too fast" });
        assert.match(unit.notice, /Refused: too fast/);
        unit.next();
        await answers(1, { ok: true });
        assert.equal(unit.notice, "");
        unit.toggle();
        await Socket.newest.closes(1006);
        await settled();
        assert.match(unit.notice, /Not known to be done/);
    });

    test("steps in when no player obeys, and not when one does", async () => {
        const unit = await drive();
        await emits("playback_state", state());
        await emits("carplay_command", { command: "next" });
        await emits("playback_state", state({ mediaId: 3, currentTime: 0 }));
        await time.pass(3000);
        assert.deepEqual(asked(), [], "a player has obeyed");
        await emits("carplay_command", { command: "next" });
        await time.pass(2000);
        assert.match(
            asked()[0],
            /"playback_state_update",\{"isPlaying":true,"currentTime":0,"duration":227,"mediaId":4,/,
        );
        await answers(0, { ok: true });
        await emits("playback_state", state({ mediaId: 4, currentTime: 50 }));
        await emits("carplay_command", { command: "previous" });
        await time.pass(2000);
        assert.equal(asked()[1], '1["carplay_command",{"command":"seek","value":0}]', "from the middle: to the start");
        await answers(1, { ok: true });
    });

    test("what plays may have ended while it was away", async () => {
        const unit = await drive();
        await emits("playback_state", state());
        await Socket.newest.closes(1012);
        await time.pass(500);
        await hello();
        await time.pass(2000);
        assert.notEqual(unit.state, null, "who was recovered is told only what is new");
        await Socket.newest.closes(1012);
        await time.pass(1000);
        await hello("another");
        await time.pass(900);
        assert.notEqual(unit.state, null);
        await time.pass(200);
        assert.equal(unit.state, null, "who was not, and hears of no state, knows that there is none");
    });
});

describe("a web player", () => {
    const changes = () =>
        sent()
            .filter(({ type_push_state: type }) => type !== "ping")
            .map(({ track_id: id }) => id);
    const track = (id) => ({
        track_id: id,
        from_is: "playlist",
        from_is_id: 7,
        on_pause: true,
        last_sec_position: 0,
        time_state_update: "2022-05-09T09:09:07Z",
    });

    async function play() {
        const made = { name: "Web", kind: "laptop", url: "http://segue.test", token: "t" };
        thing = new Device({ ...made, onChange: () => {}, WebSocket: Socket });
        thing.open();
        await Socket.newest.open();
        await says(track(2));
        return thing;
    }

    test("obeys the car at once when it chose the track, else only when nobody else did", async () => {
        const device = await play();
        device.obey("next");
        await time.pass(300);
        assert.deepEqual(changes(), [], "perhaps another one is the player");
        await time.pass(1500);
        assert.deepEqual(changes(), [3]);
        device.obey("next");
        await time.pass(0);
        assert.deepEqual(changes(), [3, 4]);
        await time.pass(1000);
        await says({ type_push_state: "new_track", ...track(5) });
        device.obey("next");
        await says({ type_push_state: "new_track", ...track(6) });
        await time.pass(2000);
        assert.deepEqual(changes(), [3, 4], "another one has obeyed");
    });
});
