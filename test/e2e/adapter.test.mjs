// Backends that emit through Redis as they did for Socket.IO's own servers: every event once, in order, kept, on every
// process, whichever of them die.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { encode } from "notepack.io";

import { Backend, Neighbour } from "./lib/backend.mjs";
import { sleep, until } from "./lib/patience.mjs";
import { Client } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";

const WS = { transports: ["websocket"] };
const POLLING = { transports: ["polling"], upgrade: false };
const PREFIX = "socket.io";
const FLAGS = { rate: 0, "socketio-adapter": PREFIX };

// What Redis keeps of a stream, as the texts of the arguments.
async function keptOf(redis, tag) {
    const entries = await redis.call("XRANGE", `segue:events:{${tag}}`, "-", "+");
    return entries.map(([, fields]) => fields[fields.indexOf("b") + 1]);
}

describe("Socket.IO's emitter", () => {
    const site = suiteSite({ gateways: 3, flags: FLAGS });

    test("reaches a user's sockets on every process and transport, once", async (t) => {
        const user = site.user();
        const clients = [];
        for (const on of [0, 1, 2]) {
            clients.push(await site.client(user, on, WS), await site.client(user, on, POLLING));
        }
        const other = await site.client(site.user(), 0, WS);
        const { io } = await Backend.open(t, site.redis);
        io.to(user).emit("on_upload_success", { id: "a", size: 1.5, tags: [1, null, "ü"], gone: undefined });
        io.in(user).emit("two", 1, "b");
        io.to([user]).volatile.compress(false).emit("none");
        for (const client of clients) {
            await client.when(() => client.all("none").length > 0, "the last event");
            await client.fence();
            const mine = client.events.filter(([name]) => !["playback_state", "pong"].includes(name));
            assert.deepEqual(mine, [
                ["on_upload_success", { id: "a", size: 1.5, tags: [1, null, "ü"] }],
                ["two", 1, "b"],
                ["none"],
            ]);
        }
        await other.fence();
        assert.deepEqual(other.events, [["pong"]]);
    });

    test("reaches everybody", async (t) => {
        const clients = await Promise.all([0, 1, 2].map((on) => site.client(site.user(), on, WS)));
        const { io } = await Backend.open(t, site.redis);
        io.emit("on_server_version", { major: 1 });
        for (const client of clients) {
            assert.deepEqual(await client.next("on_server_version"), { major: 1 });
            await client.fence();
            assert.equal(client.all("on_server_version").length, 1);
        }
    });

    test("twice the same is two events", async (t) => {
        const user = site.user();
        const client = await site.client(user, 1, WS);
        const backend = await Backend.open(t, site.redis);
        for (let i = 0; i < 5; i++) {
            backend.io.to(user).emit("again", "the same");
        }
        backend.io.to(user).emit("end");
        await client.next("end");
        assert.deepEqual(await keptOf(site.redis, user), [...Array(5).fill('"again","the same"'), '"end"']);
        assert.equal(client.all("again").length, 5);
    });

    test("reaches each of several rooms once, and nobody who is excepted", async (t) => {
        const users = [site.user(), site.user(), site.user(), site.user()];
        const [a, b, c, d] = await Promise.all(users.map((user, i) => site.client(user, i % 3, WS)));
        const { io } = await Backend.open(t, site.redis);
        io.to(users[0]).to([users[1], users[2], users[0]]).except(users[2]).emit("some", 1);
        io.to(users).emit("end");
        await Promise.all([a, b, c, d].map((client) => client.next("end")));
        assert.deepEqual(
            [a, b, c, d].map((client) => client.all("some")),
            [[[1]], [[1]], [], []],
        );
    });

    test("a room may be called like any user, also by a number", async (t) => {
        const { io } = await Backend.open(t, site.redis);
        for (const room of ["a b", "ü/ö?&#%", "{x}", "*", "x".repeat(128), "#", 4711]) {
            const client = await site.client(String(room), 0, WS);
            io.to(room).emit("hello", room);
            assert.equal(await client.next("hello"), room);
            client.close();
        }
    });

    test("who was away gets it when he recovers, and who asks late does not", async (t) => {
        const user = site.user();
        const away = await site.client(user, 0, { ...WS, recovery: true, reconnection: false });
        const { io } = await Backend.open(t, site.redis);
        io.to(user).emit("first");
        await away.next("first");
        away.cut();
        await away.disconnected();
        io.to(user).emit("second", { a: 1 });
        const other = await site.client(user, 2, WS);
        io.to(user).emit("third");
        await other.next("third");
        away.socket.connect();
        await away.next("third");
        assert.equal(away.sessions.at(-1).recovered, true);
        assert.deepEqual(away.all("second"), [[{ a: 1 }]]);
        assert.deepEqual(other.all("second"), []);
    });

    test("values arrive as Socket.IO's servers would send them", async (t) => {
        const user = site.user();
        const client = await site.client(user, 2, WS);
        const { io } = await Backend.open(t, site.redis);
        const values = [
            0,
            -1,
            127,
            128,
            65536,
            -32769,
            2 ** 53 - 1,
            -(2 ** 53) + 1,
            1.5,
            -2.5e-300,
            2 ** 63,
            true,
            null,
            "",
            'a"\\\n\u0001\u2028😀',
            "x".repeat(300),
            [],
            {},
            [[[[]]], { a: { b: [{}] } }],
            { "": 1, "ü ": [null, false] },
            Array.from({ length: 40 }, (_, i) => i),
        ];
        const dates = [new Date("2022-05-09T09:09:07Z"), new Date(1652087347123), new Date(-1000), new Date(2e12)];
        io.to(user).emit("values", values, ...dates, NaN, Infinity, undefined);
        const [got] = await client.when(() => client.all("values").at(0) && client.all("values"), "values");
        assert.deepEqual(got, [values, ...dates.map((date) => date.toISOString()), null, null, null]);
    });

    test("bursts arrive whole and in order, everywhere", async (t) => {
        const user = site.user();
        const clients = await Promise.all([0, 1, 2].map((on) => site.client(user, on, WS)));
        const backends = [await Backend.open(t, site.redis), await Backend.open(t, site.redis)];
        const COUNT = 3000;
        for (let i = 0; i < COUNT; i++) {
            backends[i % 2].io.to(user).emit(`from ${i % 2}`, i);
        }
        for (const client of clients) {
            for (const half of [0, 1]) {
                const all = () => client.all(`from ${half}`);
                await client.when(() => all().length >= COUNT / 2, () => `${all().length} events`);
                assert.deepEqual(
                    all().map(([i]) => i),
                    Array.from({ length: COUNT / 2 }, (_, i) => 2 * i + half),
                );
            }
        }
    });

    test("a user's sockets are disconnected", async (t) => {
        const user = site.user();
        const clients = [await site.client(user, 0, WS), await site.client(user, 1, POLLING)];
        const other = await site.client(site.user(), 1, WS);
        const player = await site.player(user, 2);
        const { io } = await Backend.open(t, site.redis);
        io.in(user).disconnectSockets(true);
        for (const client of clients) {
            assert.equal(await client.disconnected(), "io server disconnect");
        }
        assert.equal((await player.closed()).code, 4403);
        await other.fence();
        assert.equal(other.socket.connected, true);
    });

    test("what has no meaning here changes nothing, and is not counted as a server that answers", async (t) => {
        const user = site.user();
        const client = await site.client(user, 0, WS);
        const backend = await Backend.open(t, site.redis);
        const { io } = backend;
        io.in(user).socketsJoin("elsewhere");
        io.in(user).socketsLeave(user);
        io.serverSideEmit("hello");
        io.disconnectSockets();
        io.except(user).disconnectSockets();
        io.of("/admin").to(user).emit("for admins");
        io.of("/admin").in(user).disconnectSockets();
        io.to(user).emit("end");
        await client.next("end");
        assert.deepEqual(client.events.filter(([name]) => name !== "playback_state"), [["end"]]);
        const counted = await site.redis.call("PUBSUB", "NUMSUB", `${PREFIX}-request#/#`, `${PREFIX}#/#`);
        assert.deepEqual([counted[1], counted[3]].map(Number), [0, 0]);
    });
});

describe("beside Socket.IO's own server with the Redis adapter", () => {
    const site = suiteSite({ gateways: 2, flags: FLAGS });

    test("what is emitted there arrives here as well, and that server's own work goes on", async (t) => {
        const user = site.user();
        const { io, url, port } = await Neighbour.open(t, site.redis);
        io.on("connection", (socket) => socket.join(socket.handshake.auth.user));
        const here = await site.client(user, 0, WS);
        const there = await Client.open({ url, port }, { ...WS, auth: { user } });
        t.after(() => there.close());
        io.to(user).emit("to the user", { a: [1, "x"] });
        io.emit("to all", 1, null);
        for (const client of [here, there]) {
            assert.deepEqual(await client.next("to the user"), { a: [1, "x"] });
            await client.when(() => client.all("to all").length > 0, "to all");
            assert.deepEqual(client.all("to all"), [[1, null]]);
        }
        const backend = await Backend.open(t, site.redis);
        backend.io.to(user).emit("from the emitter");
        await here.next("from the emitter");
        await there.next("from the emitter");
        // It asks all servers and waits for as many answers as it counts servers: gateways are not among them.
        assert.deepEqual((await io.fetchSockets()).map(({ id }) => id), [there.socket.id]);
        assert.equal(await io.of("/").adapter.serverCount(), 1);
        io.in(user).disconnectSockets();
        assert.equal(await there.disconnected(), "io server disconnect");
        assert.equal(await here.disconnected(), "io server disconnect");
        assert.equal(here.all("to the user").length, 1);
    });
});

describe("what is published", () => {
    const site = suiteSite({ gateways: 2, flags: { ...FLAGS, "max-message": 1000, "log-level": "debug" } });
    const EVENT = 2;

    const publication = (data, { rooms = [], except = [], uid = "emitter", type = EVENT, nsp = "/" } = {}) =>
        encode([uid, { type, data, nsp }, { rooms, except, flags: {} }]);

    // Publishes these bytes to the user, then an event: nothing but that comes.
    async function assertIgnored(t, bytes, channel = (user) => `${PREFIX}#/#${user}#`) {
        const user = site.user();
        const client = await site.client(user, 0, WS);
        const backend = await Backend.open(t, site.redis);
        await backend.publish(channel(user), typeof bytes === "function" ? bytes(user) : bytes);
        backend.io.to(user).emit("end");
        await client.next("end");
        assert.deepEqual(client.events.filter(([name]) => name !== "playback_state"), [["end"]]);
        client.close();
    }

    const mine = (data, options) => (user) => publication(data, { rooms: [user], ...options });

    test("by a Socket.IO server with the adapter is understood as well", async (t) => {
        const user = site.user();
        const client = await site.client(user, 0, WS);
        const backend = await Backend.open(t, site.redis);
        await backend.publish(`${PREFIX}#/#${user}#`, publication(["hi", 1], { rooms: [user], uid: "pZw8qA" }));
        await backend.publish(`${PREFIX}#/#`, encode(["x", { type: 2, data: ["ho"] }, {}]));
        assert.equal(await client.next("hi"), 1);
        await client.next("ho");
    });

    const refused = {
        "no MessagePack": () => Buffer.from("c1", "hex"),
        "nothing": () => Buffer.alloc(0),
        "text": () => Buffer.from("hello"),
        "a cut publication": (user) => mine(["name"])(user).subarray(0, -1),
        "a publication with more behind it": (user) => Buffer.concat([mine(["name"])(user), Buffer.from([0])]),
        "an array that claims to be huge": () => Buffer.from("ddffffffff", "hex"),
        "a map that claims to be huge": () => Buffer.from("dfffffffff93", "hex"),
        "deep nesting": () => Buffer.alloc(5000, 0x91),
        "another shape": () => encode({ rooms: [] }),
        "too few parts": () => encode(["uid", { type: 2, data: ["name"] }]),
        "rooms that are none": (user) => encode(["x", { type: 2, data: ["name"] }, { rooms: user }]),
        "a room that is an object": (user) => encode(["x", { type: 2, data: ["name"] }, { rooms: [user, {}] }]),
        "binary data": mine(["name", { file: Buffer.from([1, 2]) }]),
        "a binary event": mine(["name"], { type: 5 }),
        "an acknowledgement": mine(["name"], { type: 3 }),
        "no name": mine([]),
        "a number for a name": mine([1]),
        "no data": mine(undefined),
        "more than --max-message": mine(["name", "x".repeat(1000)]),
        "what is short in MessagePack only": mine(["name", "\u0001".repeat(200)]),
        "more rooms than 1000": (user) =>
            publication(["name"], { rooms: [user, ...Array.from({ length: 1000 }, (_, i) => `r${i}`)] }),
        "everybody but some": () => publication(["name"], { except: ["somebody"] }),
        ...Object.fromEntries(
            ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"].map(
                (name) => [`the reserved name ${name}`, mine([name, 1])],
            ),
        ),
    };
    for (const [what, bytes] of Object.entries(refused)) {
        test(`${what} is refused, and what follows is told`, (t) => assertIgnored(t, bytes));
    }

    test("what is refused is logged, once a second", async (t) => {
        const refusals = () => site.gateways.map(({ log }) => log.split("warn publication refused").length);
        await sleep(1000);
        const before = refusals();
        for (let i = 0; i < 10; i++) {
            await assertIgnored(t, "nonsense");
        }
        await until(() => refusals().every((count, i) => count > before[i]), "a line in every log");
        assert.ok(refusals().every((count, i) => count <= before[i] + 2));
    });

    test("in bytes that mean nothing, at random, harms nobody", async (t) => {
        const user = site.user();
        const client = await site.client(user, 1, WS);
        const backend = await Backend.open(t, site.redis);
        const good = mine(["name", { a: [1, "x", null], b: 1.5 }])(user);
        for (let i = 0; i < 2000; i++) {
            const bytes = Buffer.from(good);
            for (let change = 0; change <= i % 3; change++) {
                bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256);
            }
            backend.publish(`${PREFIX}${i % 7 ? "" : "-request"}#/#`, bytes);
        }
        backend.io.to(user).emit("end");
        await client.next("end");
    });

    test("elsewhere is not heard", async (t) => {
        await assertIgnored(t, mine(["name"]), () => `${PREFIX}#/admin#`);
        await assertIgnored(t, mine(["name"], { nsp: "/admin" }));
        await assertIgnored(t, mine(["name"]), () => "other#/#");
        await assertIgnored(t, mine(["name"]), () => `${PREFIX}-response#/#`);
    });

    for (const [what, text] of Object.entries({
        "no JSON": () => "{",
        "an unknown type": (user) => `{"type":77,"opts":{"rooms":["${user}"]}}`,
        "no type": (user) => `{"opts":{"rooms":["${user}"]}}`,
        "rooms that are none": (user) => `{"type":4,"opts":{"rooms":"${user}"}}`,
        "no rooms": () => `{"type":4}`,
        "all are excepted": (user) => `{"type":4,"opts":{"rooms":["${user}"],"except":["${user}"]}}`,
        "MessagePack": (user) => encode(["uid", { type: 4, opts: { rooms: [user] } }]),
    })) {
        test(`as a request, ${what}: nobody is disconnected`, (t) =>
            assertIgnored(t, text, () => `${PREFIX}-request#/#`));
    }
});

describe("processes that come and go", () => {
    const COUNT = 2000;

    // Emits numbers to the user, so many at once, while `meanwhile` runs; gives how many.
    async function emitWhile(backend, user, meanwhile, { atOnce = 10, least = COUNT } = {}) {
        let going = true;
        let count = 0;
        const done = meanwhile().finally(() => (going = false));
        while (going || count < least) {
            for (let i = 0; i < atOnce; i++) {
                backend.io.to(user).emit("number", count++);
            }
            await sleep(2);
        }
        await done;
        return count;
    }

    // All numbers came to the client, once each, in order.
    async function assertAll(client, count) {
        const numbers = () => client.all("number").map(([number]) => number);
        await client.when(() => numbers().length >= count, () => `${numbers().length} of ${count}`);
        await client.fence();
        assert.deepEqual(
            numbers(),
            Array.from({ length: count }, (_, i) => i),
        );
    }

    test("of three, two are killed: nothing is lost, nothing comes twice", async (t) => {
        const site = await testSite(t, { gateways: 3, flags: FLAGS });
        const user = site.user();
        const backend = await Backend.open(t, site.redis);
        const client = await site.client(user, 2, WS);
        const count = await emitWhile(backend, user, async () => {
            await sleep(300);
            await site.gateways[0].kill();
            await sleep(300);
            await site.gateways[1].kill();
            await sleep(300);
        });
        await assertAll(client, count);
    });

    test("one after the other is killed and started anew: the client recovers all", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: FLAGS });
        const user = site.user();
        const backend = await Backend.open(t, site.redis);
        const balancer = await site.balancer();
        const client = await site.client(user, balancer, { ...WS, recovery: true });
        const seen = () => client.all("number").length;
        const come = async () => {
            for (let i = 0; i < 4; i++) {
                await site.addGateway();
                const before = seen();
                await client.when(() => seen() > before, "an event");
                await sleep(100);
                await site.gateways.splice(0, 1)[0].kill();
            }
        };
        // So slowly that a second of being away is nothing: 1000 events are kept.
        const count = await emitWhile(backend, user, come, { atOnce: 1, least: 0 });
        await assertAll(client, count);
    });

    test("one loses its subscription, again and again: nobody else notices", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: FLAGS });
        const user = site.user();
        const backend = await Backend.open(t, site.redis);
        const client = await site.client(user, 0, WS);
        const ids = async () => {
            const list = await site.redis.call("CLIENT", "LIST", "TYPE", "PUBSUB");
            const ours = list.trim().split("\n").filter((line) => !line.includes(" name=sentinel-"));
            return ours.map((line) => Number(line.match(/^id=(\d+)/)[1]));
        };
        const [first] = await ids(); // the client's gateway's stays
        await site.addGateway();
        const count = await emitWhile(backend, user, async () => {
            for (let i = 0; i < 6; i++) {
                for (const id of await ids()) {
                    if (id !== first) {
                        await site.redis.call("CLIENT", "KILL", "ID", id);
                    }
                }
                await sleep(150);
            }
        });
        await assertAll(client, count);
    });

    test("one is frozen and goes on where it was: what it tries to tell was told", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: FLAGS });
        const user = site.user();
        const backend = await Backend.open(t, site.redis);
        const client = await site.client(user, 0, WS);
        const count = await emitWhile(backend, user, async () => {
            site.gateways[1].signal("SIGSTOP");
            await sleep(1500);
            site.gateways[1].signal("SIGCONT");
        });
        await assertAll(client, count);
        await until(async () => {
            const metrics = await site.gateways[1].metrics();
            return metrics.get("segue_transitions_total", { script: "emit_add", outcome: "taken" }) >= count / 4;
        }, "late calls");
        await assertAll(client, count);
    });

    test("Redis comes back: the gateways hear again", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: FLAGS });
        const user = site.user();
        const client = await site.client(user, 0, WS);
        await site.redis.restart();
        await Promise.all(site.gateways.map((gateway) => gateway.ready()));
        const backend = await Backend.open(t, site.redis);
        await until(async () => {
            backend.io.to(user).emit("hello");
            await sleep(20);
            return client.all("hello").length > 0;
        }, "an event after Redis's return");
        const before = client.all("hello").length;
        backend.io.to(user).emit("hello");
        await client.when(() => client.all("hello").length > before, "one more");
        await client.fence();
        assert.equal(client.all("hello").length, before + 1);
    });

    test("without the flag nothing is heard; with another prefix, what is published there", async (t) => {
        const site = await testSite(t, { gateways: 0 });
        const off = await site.addGateway();
        const user = site.user();
        const backend = await Backend.open(t, site.redis, { key: "my[app]*" });
        const socketio = await Backend.open(t, site.redis);
        const client = await site.client(user, off, WS);
        backend.io.to(user).emit("nobody hears this");
        socketio.io.to(user).emit("nor this");
        await client.fence();
        assert.equal(await site.redis.call("PUBSUB", "NUMPAT"), 0);
        await site.addGateway({ "socketio-adapter": "my[app]*" });
        backend.io.to(user).emit("heard");
        socketio.io.to(user).emit("not heard");
        backend.io.to(user).emit("end");
        await client.next("end");
        assert.deepEqual(client.events.filter(([name]) => !["pong", "playback_state"].includes(name)), [["heard"], ["end"]]);
    });
});
