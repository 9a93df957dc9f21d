// The page's own Socket.IO client, frame by frame: what it says, what it understands, when it comes back.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { fakeWebSocket, FakeTime, load, settled } from "./lib/web.mjs";

const { Decoder, encode, CONNECT, EVENT, ACK, CONNECT_ERROR } = await load("client/socketio-packet.js");
const { SocketIO } = await load("segue.js");

const HELLO = '0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":16384}';
const bytes = (...values) => new Uint8Array(values).buffer;

describe("packets", () => {
    test("are written as the protocol's own document writes them", () => {
        const text = (packet) => encode(packet)[0];
        assert.equal(text({ type: CONNECT, namespace: "/" }), "0");
        assert.equal(text({ type: CONNECT, namespace: "/admin", data: { token: "t" } }), '0/admin,{"token":"t"}');
        assert.equal(text({ type: EVENT, namespace: "/", data: ["foo"] }), '2["foo"]');
        assert.equal(text({ type: EVENT, namespace: "/admin", id: 12, data: ["bar"] }), '2/admin,12["bar"]');
        assert.equal(text({ type: ACK, namespace: "/admin", id: 0, data: [] }), "3/admin,0[]");
    });

    test("carry bytes beside their text", () => {
        const [first, second] = [bytes(1, 2), new Uint8Array([3])];
        const data = ["file", { name: "a", parts: [first, { deep: second }], when: new Date(0) }];
        const [text, ...attachments] = encode({ type: EVENT, namespace: "/", id: 3, data });
        const parts = '[{"_placeholder":true,"num":0},{"deep":{"_placeholder":true,"num":1}}]';
        assert.equal(text, `52-3["file",{"name":"a","parts":${parts},"when":"1970-01-01T00:00:00.000Z"}]`);
        assert.deepEqual(attachments, [first, second]);
        assert.deepEqual(data[1].parts[0], first, "the caller's value is left as it was");
    });

    test("are read with and without namespace, number and comma", () => {
        const read = (text) => new Decoder().add(text);
        const packet = (type, namespace, id, data) => ({ type, namespace, id, data });
        assert.deepEqual(read("0"), packet(CONNECT, "/", undefined, undefined));
        assert.deepEqual(read('0/custom,{"sid":"x"}'), packet(CONNECT, "/custom", undefined, { sid: "x" }));
        assert.deepEqual(read("1/custom"), packet(1, "/custom", undefined, undefined));
        assert.deepEqual(read('4{"message":"no"}'), packet(CONNECT_ERROR, "/", undefined, { message: "no" }));
        assert.deepEqual(read('2/a,7["x","/b,8"]'), packet(EVENT, "/a", 7, ["x", "/b,8"]));
        assert.deepEqual(read('312["x"]'), packet(ACK, "/", 12, ["x"]));
    });

    test("are complete when their attachments are there", () => {
        const decoder = new Decoder();
        assert.equal(decoder.add('52-["x",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]'), null);
        assert.equal(decoder.add(bytes(1)), null);
        assert.deepEqual(decoder.add(bytes(2)).data, ["x", bytes(2), [bytes(1)]]);
        assert.deepEqual(decoder.add('2["next"]').data, ["next"]);
    });

    test("that are none are refused", () => {
        const wrong = [
            "",
            "x",
            "7",
            "2",
            "2{}",
            "2[]",
            "2[1]",
            "3[]",
            '2["a"',
            '5["a"]',
            '21-["a"]',
            '51001-["a"]',
            "2-1",
        ];
        for (const text of wrong) {
            assert.throws(() => new Decoder().add(text), `${text} is no packet`);
        }
        assert.throws(() => new Decoder().add(bytes(1)), "bytes out of nowhere");
        const decoder = new Decoder();
        decoder.add('51-["a",{"_placeholder":true,"num":0}]');
        assert.throws(() => decoder.add('2["b"]'), "text while bytes are due");
        for (const number of ["1", '"length"', "-1", "null"]) {
            const other = new Decoder();
            other.add(`51-["a",{"_placeholder":true,"num":${number}}]`);
            assert.throws(() => other.add(bytes(1)), `placeholder ${number}`);
        }
    });
});

describe("a client", () => {
    let time;
    let Wire;
    let io;
    let statuses;

    beforeEach(() => {
        time = new FakeTime();
        Wire = fakeWebSocket();
        statuses = [];
    });

    afterEach(() => {
        io?.close();
        assert.equal(time.timers, 0, "no timer is left behind");
        time.restore();
    });

    function make(options = {}) {
        const onStatus = ({ status }) => statuses.push(status);
        io = new SocketIO({
            url: "http://segue.test/socket.io/",
            auth: { token: "t" },
            WebSocket: Wire,
            onStatus,
            ...options,
        });
        return io;
    }

    // A client whose socket "/" is connected.
    async function online(options = {}, connect = '40{"sid":"one","pid":"one.1"}') {
        const socket = make(options).of();
        io.open();
        await Wire.newest.open();
        await Wire.newest.says(HELLO, connect);
        assert.equal(io.status, "online");
        return socket;
    }

    // The newest wire after a back-off, with the handshake done.
    async function back(connect) {
        const { length } = Wire.made;
        await time.pass(Math.ceil(io.retryAt - Date.now()));
        assert.equal(Wire.made.length, length + 1, "it has come back, once");
        await Wire.newest.open();
        await Wire.newest.says(HELLO, ...(connect ? [connect] : []));
    }

    test("connects with token and recovery, and is online when its sockets are", async () => {
        const socket = make().of("/rooms");
        io.open();
        assert.equal(Wire.newest.url, "ws://segue.test/socket.io/?EIO=4&transport=websocket");
        await Wire.newest.open();
        assert.deepEqual(Wire.newest.sent, [], "the server speaks first");
        await Wire.newest.says(HELLO);
        assert.deepEqual(Wire.newest.sent, ['40/rooms,{"token":"t","recovery":true}']);
        assert.equal(io.status, "connecting");
        await Wire.newest.says('40/rooms,{"sid":"s"}');
        assert.deepEqual([socket.id, socket.isConnected, socket.recovered], ["s", true, false]);
        assert.deepEqual(statuses, ["connecting", "online"]);
    });

    test("emits, hears, and answers", async () => {
        const socket = await online();
        const heard = [];
        const off = socket.on("news", (...args) => heard.push(args));
        socket.on("question", (what, reply) => reply(what, bytes(7)));
        assert.equal(socket.emit("hello", 1, { two: 2 }), true);
        await Wire.newest.says(
            '42["news",1,"place-1"]',
            '42["news","only the place"]',
            '423["question","?","place-3"]',
        );
        off();
        await Wire.newest.says('42["news",2,"place-4"]');
        assert.deepEqual(heard, [[1], []]);
        assert.equal(Wire.newest.sent[1], '42["hello",1,{"two":2}]');
        assert.deepEqual(Wire.newest.sent.slice(2), ['461-3["?",{"_placeholder":true,"num":0}]', bytes(7)]);
    });

    test("keeps strings that are no place when the server does not recover", async () => {
        const socket = await online({ recovery: false }, '40{"sid":"one"}');
        assert.equal(Wire.newest.sent[0], '40{"token":"t"}');
        const heard = [];
        socket.on("news", (...args) => heard.push(args));
        await Wire.newest.says('42["news","text"]');
        assert.deepEqual(heard, [["text"]]);
    });

    test("a request has its answer, or an error that says why not", async () => {
        const socket = await online();
        const requests = [socket.request("a"), socket.request("b", 2), socket.request("c")];
        assert.deepEqual(Wire.newest.sent.slice(1), ['420["a"]', '421["b",2]', '422["c"]']);
        await Wire.newest.says('431[{"ok":true}]', '430["first"]', "437[]");
        assert.deepEqual(await Promise.all(requests.slice(0, 2)), ["first", { ok: true }]);
        const outcome = requests[2].catch(({ code }) => code);
        await time.pass(10000);
        assert.equal(await outcome, "timeout");
        const cut = socket.request("d").catch(({ code }) => code);
        await Wire.newest.closes(1006);
        assert.equal(await cut, "disconnected");
        assert.equal(await socket.request("e").catch(({ code }) => code), "offline");
        assert.equal(socket.emit("f"), false);
    });

    test("goes on where it was, under the same id", async () => {
        const socket = await online();
        const heard = [];
        const connects = [];
        socket.on("news", (number) => heard.push(number));
        socket.on("connect", ({ recovered }) => connects.push(recovered));
        await Wire.newest.says('42["news",1,"5.0"]');
        await Wire.newest.closes(1012);
        assert.equal(io.status, "waiting");
        await back('40{"sid":"one","pid":"one.1"}');
        assert.deepEqual(Wire.newest.sent, ['40{"token":"t","recovery":true,"pid":"one.1","offset":"5.0"}']);
        await Wire.newest.says('42["news",2,"6.0"]');
        assert.deepEqual([heard, connects, socket.id], [[1, 2], [true], "one"]);

        await Wire.newest.closes(1006);
        await back('40{"sid":"two","pid":"two.9"}');
        assert.equal(socket.recovered, false);
        await Wire.newest.closes(1006);
        await back();
        assert.equal(
            Wire.newest.sent[0],
            '40{"token":"t","recovery":true,"pid":"two.9"}',
            "the old place is forgotten",
        );
    });

    test("waits longer and longer, never exactly as long, and starts anew when a connection has held", async () => {
        await online();
        const delays = [];
        for (let i = 0; i < 7; i++) {
            await Wire.newest.closes(1013);
            delays.push(io.retryAt - Date.now());
            await back('40{"sid":"one"}');
        }
        delays.forEach((delay, n) => {
            const longest = Math.min(15000, 500 * 2 ** n);
            assert.ok(delay >= longest / 2 && delay <= longest, `attempt ${n} after ${delay} ms`);
        });
        for (let i = 0; i < 4; i++) {
            await time.pass(2000);
            await Wire.newest.says("2");
        }
        await Wire.newest.closes(1013);
        assert.ok(io.retryAt - Date.now() <= 500);
    });

    test("answers pings, and notices when they do not come", async () => {
        const socket = await online();
        const reasons = [];
        socket.on("disconnect", (reason) => reasons.push(reason));
        await time.pass(44000);
        await Wire.newest.says("2");
        assert.equal(Wire.newest.sent.at(-1), "3");
        await time.pass(44900);
        assert.equal(io.status, "online");
        const first = Wire.newest;
        await time.pass(200);
        assert.deepEqual([io.status, io.reason, first.closedWith], ["waiting", "no heartbeat", 1000]);
        assert.equal(reasons.length, 1);
    });

    test("gives up a connection that never becomes one", async () => {
        make().of();
        io.open();
        await Wire.newest.open();
        await Wire.newest.says(HELLO);
        await time.pass(10000);
        assert.deepEqual([io.status, io.reason], ["waiting", "no answer"]);
    });

    test("stays away when the server says so", async () => {
        for (const farewell of [(wire) => wire.says("41"), (wire) => wire.closes(4403)]) {
            await online();
            await farewell(Wire.newest);
            assert.equal(io.status, "stopped");
            const { length } = Wire.made;
            await time.pass(600000);
            assert.equal(Wire.made.length, length, "it does not come back alone");
            io.open();
            await Wire.newest.open();
            await Wire.newest.says(HELLO, '40{"sid":"two"}');
            assert.equal(io.status, "online", "but when it is asked to");
            io.close();
        }
    });

    test("asks for a new token when the old one has expired, once until it holds", async () => {
        const farewells = [
            (wire) => wire.closes(4401),
            (wire) => wire.says('42["error",{"message":"expired","code":"unauthorized"},"1.0"]', "41"),
            (wire) => wire.says('44{"message":"no","code":"unauthorized"}'),
        ];
        for (const farewell of farewells) {
            let token = "old";
            let asked = 0;
            const renew = () => ((token = "new"), (asked += 1), true);
            await online({ auth: async () => ({ token }), renew });
            await farewell(Wire.newest);
            await Wire.newest.open();
            await Wire.newest.says(HELLO, '40{"sid":"two"}');
            assert.match(Wire.newest.sent[0], /"token":"new"/);
            assert.equal(io.status, "online");
            await farewell(Wire.newest);
            assert.deepEqual([io.status, asked], ["expired", 1], "a second refusal at once is the last word");
            io.close();
        }
    });

    test("a token that nobody has is waited for", async () => {
        make({ auth: () => Promise.reject(new Error("none")) }).of();
        io.open();
        await Wire.newest.open();
        await Wire.newest.says(HELLO);
        assert.deepEqual([io.status, io.reason], ["waiting", "no token"]);
    });

    test("one of two sockets may leave or be dismissed, and the other goes on", async () => {
        make();
        const [here, there] = [io.of("/a"), io.of("/b")];
        io.open();
        await Wire.newest.open();
        await Wire.newest.says(HELLO, '40/a,{"sid":"a"}');
        assert.equal(io.status, "connecting");
        await Wire.newest.says('40/b,{"sid":"b"}');
        assert.equal(io.status, "online");
        await Wire.newest.says("41/a,");
        assert.deepEqual([here.isConnected, there.isConnected, io.status], [false, true, "online"]);
        here.open();
        await settled();
        assert.match(Wire.newest.sent.at(-1), /^40\/a,/);
        await Wire.newest.says('40/a,{"sid":"c"}');
        there.close();
        assert.equal(Wire.newest.sent.at(-1), "41/b,");
        assert.equal(io.of("/a"), here, "a namespace has one socket");
        await Wire.newest.closes(1006);
        await back();
        assert.deepEqual(
            Wire.newest.sent.map((text) => text.slice(0, 4)),
            ["40/a"],
        );
    });

    test("what is not understood costs the connection, not the page", async () => {
        for (const nonsense of ["9", "", "4abc", "42{}", "x", bytes(1), '42["a"', "0nothing"]) {
            await online();
            await Wire.newest.says(nonsense);
            assert.equal(io.status, "waiting", String(nonsense));
            io.close();
        }
    });

    test("a handler that throws is reported, and the others are told", async () => {
        const reported = [];
        const { error } = console;
        console.error = (what) => reported.push(what.message);
        const socket = await online();
        const heard = [];
        socket.on("news", () => {
            throw new Error("mine");
        });
        socket.on("news", (number) => heard.push(number));
        await Wire.newest.says('42["news",1,"p"]');
        console.error = error;
        assert.deepEqual([heard, reported, io.status], [[1], ["mine"], "online"]);
    });
});
