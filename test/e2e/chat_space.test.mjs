// Chat rooms as namespace /rooms of Socket.IO, by official clients, over both transports and beside members on /ws.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ask } from "./lib/api.mjs";
import { UUID } from "./lib/chat.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { Client } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "server-key";
const LEASE = 1000 * SLOW;

async function enter(site, on, options = {}) {
    const target = typeof on === "number" ? site.gateways[on] : on;
    const client = new Client(target, { namespace: "/rooms", ...options });
    site.clients.push(client);
    await client.connected();
    return client;
}

// Joins and gives the welcome.
async function join(client, room) {
    const answer = await client.ask("join", room === undefined ? {} : { room });
    assert.deepEqual(answer, { ok: true });
    return client.next("welcome");
}

for (const transport of ["websocket", "polling"]) {
    describe(`rooms over Socket.IO by ${transport}`, () => {
        const site = suiteSite({ gateways: 2, flags: { rate: 0, "api-key": KEY } });
        const how = { transports: [transport] };

        test("join without a room makes one; the welcome is as on /ws", async () => {
            const client = await enter(site, 0, how);
            const welcome = await join(client);
            assert.deepEqual(Object.keys(welcome), ["type", "clientId", "roomId", "members", "history"]);
            assert.match(welcome.clientId, UUID);
            assert.match(welcome.roomId, UUID);
            assert.deepEqual([welcome.type, welcome.members, welcome.history], ["welcome", 1, []]);
            client.emit("join");
            assert.match((await client.next("welcome")).roomId, UUID);
        });

        test("the rooms are those of /ws: both hear each other, in the same words", async () => {
            const member = await site.member(site.room(), 1);
            const client = await enter(site, 0, how);
            const welcome = await join(client, member.room);
            assert.equal(welcome.members, 2);
            await member.hears("joined", { clientId: welcome.clientId, members: 2 });
            assert.deepEqual(await client.ask("message", { text: "<b>hi</b>", name: "Ann" }), { ok: true });
            const frame = await member.hears("message", { clientId: welcome.clientId, text: "<b>hi</b>" });
            assert.deepEqual(await client.next("message"), frame);
            member.say("hello");
            assert.deepEqual(await client.next("message"), await member.hears("message", { text: "hello" }));
            const late = await site.member(member.room, 0);
            assert.deepEqual(late.texts, ["<b>hi</b>", "hello"]);
            const { type, ...joined } = await client.next("joined");
            assert.deepEqual([type, joined], [
                "joined",
                { clientId: late.id, roomId: member.room, members: 3 },
            ]);
            assert.deepEqual(await client.ask("leave"), { ok: true });
            await member.hears("joined");
            await member.hears("left", { clientId: welcome.clientId, members: 2 });
            await late.hears("left");
            await late.hearsNothing();
        });

        test("several rooms at once: each hears its own; what names no room goes to the last one joined", async () => {
            const client = await enter(site, 0, how);
            const [one, two] = [await site.member(site.room(), 1), await site.member(site.room(), 1)];
            await join(client, one.room);
            await join(client, two.room);
            await one.hears("joined");
            await two.hears("joined");
            await client.ask("message", { text: "to two" });
            await client.ask("message", { text: "to one", room: one.room });
            await one.hears("message", { text: "to one", roomId: one.room });
            await two.hears("message", { text: "to two", roomId: two.room });
            await client.ask("leave", { room: two.room });
            await two.hears("left");
            await client.ask("message", { text: "to one again" });
            await one.hears("message", { text: "to one again" });
            await two.hearsNothing();
        });

        test("at most ten rooms, and the eleventh after one was left", async () => {
            const client = await enter(site, 0, how);
            const rooms = Array.from({ length: 11 }, () => site.room());
            for (const room of rooms.slice(0, 10)) {
                await join(client, room);
            }
            const refused = await client.ask("join", { room: rooms[10] });
            assert.deepEqual([refused.ok, refused.error], [false, "too_many_rooms"]);
            assert.equal((await client.next("error")).code, "too_many_rooms");
            assert.deepEqual(await client.ask("leave", { room: rooms[3] }), { ok: true });
            await join(client, rooms[10]);
        });

        test("what a hasty client says while it enters is done in its order", async () => {
            const member = await site.member(site.room(), 1);
            const client = await enter(site, 0, how);
            client.emit("join", { room: member.room });
            for (let i = 0; i < 5; i++) {
                client.emit("message", { text: `${i}` });
            }
            client.emit("leave");
            await member.hears("joined");
            for (let i = 0; i < 5; i++) {
                await member.hears("message", { text: `${i}` });
            }
            await member.hears("left");
            assert.deepEqual(client.all("error"), []);
        });

        const long = "x".repeat(65);
        for (const [event, args, code, sentence] of [
            ["join", [{ room: "a b" }], "invalid_format", /^room: /],
            ["join", [{ room: long }], "invalid_format", /^room: /],
            ["join", [{ room: 5 }], "invalid_format", /^room: /],
            ["join", ["room"], "invalid_format", /object/],
            ["message", [{ text: "x" }], "not_joined", /./],
            ["leave", [], "not_joined", /./],
            ["leave", [{ room: "other" }], "not_joined", /./],
            ["message", [], "invalid_format", /object/],
            ["message", [{ text: "" }], "invalid_format", /^text: /],
            ["message", [{ text: "x".repeat(4097) }], "invalid_format", /^text: /],
            ["message", [{ text: "x", name: long }], "invalid_format", /^name: /],
            ["shout", [{ text: "x" }], "unknown_event", /./],
        ]) {
            test(`${event} ${JSON.stringify(args).slice(0, 40)} is refused: ${code}`, async () => {
                const client = await enter(site, 0, how);
                const { ok, error, message } = await client.ask(event, ...args);
                assert.deepEqual([ok, error], [false, code]);
                assert.match(message, sentence);
                const said = await client.next("error");
                assert.deepEqual([said.code, said.message], [code, message]);
                await join(client);
            });
        }

        test("joining a room twice is refused, and one is in it once", async () => {
            const client = await enter(site, 0, how);
            const { roomId } = await join(client);
            assert.equal((await client.ask("join", { room: roomId })).error, "already_joined");
            const look = await ask(site.gateways[1], "GET", `/api/rooms/${roomId}`);
            assert.equal(look.json().count, 1);
        });

        test("closing leaves all rooms, and so does leaving the namespace", async () => {
            const member = await site.member(site.room(), 1);
            const first = await enter(site, 0, how);
            await join(first, member.room);
            await member.hears("joined");
            first.close();
            await member.hears("left");
            const second = await enter(site, 0, how);
            await join(second, member.room);
            await member.hears("joined");
            second.socket.disconnect();
            await member.hears("left");
            await member.hearsNothing();
        });

        test("much at once by all: the same for everybody, in the same order, once", async () => {
            const room = site.room();
            const member = await site.member(room, 1);
            const clients = [await enter(site, 0, how), await enter(site, 1, how), await enter(site, 0, how)];
            for (const client of clients) {
                await join(client, room);
                await member.hears("joined");
            }
            const each = 60;
            for (let i = 0; i < each; i++) {
                clients.forEach((client, j) => client.emit("message", { text: `${j} ${i}` }));
                member.say(`m ${i}`);
                await sleep(5);
            }
            const order = [];
            while (order.length < each * (clients.length + 1)) {
                order.push((await member.hears("message")).text);
            }
            for (const client of clients) {
                const texts = () => client.all("message").map(([{ text }]) => text);
                await client.when(() => texts().length >= order.length, "all messages");
                assert.deepEqual(texts(), order);
            }
        });

        test("anonymous where chat is, and never with a bad token", async (t) => {
            const bad = new Client(site.gateways[0], { namespace: "/rooms", token: "nonsense", ...how });
            site.clients.push(bad);
            assert.equal((await bad.next("error")).code, "unauthorized");
            await bad.disconnected();
            const strict = await testSite(t, { gateways: 1, flags: { anonymous: "" } });
            const nobody = new Client(strict.gateways[0], { namespace: "/rooms", ...how });
            strict.clients.push(nobody);
            assert.equal((await nobody.next("error")).code, "unauthorized");
            await join(await enter(strict, 0, { token: tokenOf("ann"), ...how }));
        });

        test("a user whom the operator sends away leaves his rooms, and the client stays away", async () => {
            const user = site.user();
            const member = await site.member(site.room(), 1);
            const client = await enter(site, 0, { token: tokenOf(user), ...how });
            await join(client, member.room);
            const own = await site.member(member.room, 0, { token: tokenOf(user) });
            await member.hears("joined");
            await member.hears("joined");
            await client.next("joined");
            await sleep(100); // who polls hears it while it asks: its socket is no device that could be looked up
            const path = `/api/users/${user}/disconnect`;
            assert.equal((await ask(site.gateways[1], "POST", path, { key: KEY, body: {} })).status, 202);
            assert.equal((await own.closed()).code, 4403);
            assert.equal(await client.disconnected(), "io server disconnect");
            await member.hears("left");
            await member.hears("left");
            await member.hearsNothing();
        });
    });
}

describe("rooms over Socket.IO", () => {
    const lively = { rate: 0, "ping-interval": LEASE * 0.4, "ping-timeout": LEASE * 0.6 };

    test("kill -9: the members of the dead process are told as left once, and its clients come back", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const balancer = await site.balancer();
        const room = site.room();
        const stays = await enter(site, 0);
        await join(stays, room);
        const goes = await enter(site, 1, { transports: ["websocket"] });
        const { clientId } = await join(goes, room);
        assert.equal((await stays.next("joined")).clientId, clientId);
        await site.gateways[1].kill();
        const left = await stays.next("left", LEASE + patient(4000));
        assert.deepEqual([left.clientId, left.members], [clientId, 1]);
        await sleep(LEASE);
        assert.equal(stays.all("left").length, 1);
        balancer.close();
    });

    test("polling over processes in turn: all that is said arrives, once and in order", async (t) => {
        const site = await testSite(t, { gateways: 3, flags: { rate: 0 } });
        const balancer = await site.balancer();
        const room = site.room();
        const speaker = await site.member(room, 0);
        const client = await enter(site, balancer, { transports: ["polling"] });
        await join(client, room);
        await speaker.hears("joined");
        const count = Math.ceil(300 / SLOW);
        for (let i = 0; i < count; i++) {
            speaker.say(`${i}`);
            await sleep(i % 10 === 0 ? 30 : 2);
        }
        const texts = () => client.all("message").map(([{ text }]) => text);
        await client.when(() => texts().length >= count, "all messages");
        assert.deepEqual(
            texts(),
            Array.from({ length: count }, (_, i) => `${i}`),
        );
        for (let i = 0; i < 20; i++) {
            assert.deepEqual(await client.ask("message", { text: `mine ${i}` }), { ok: true });
        }
        for (let i = 0; i < count; i++) {
            await speaker.hears("message", { text: `${i}` });
        }
        for (let i = 0; i < 20; i++) {
            await speaker.hears("message", { text: `mine ${i}` });
        }
        await client.when(() => texts().length >= count + 20, "its own messages");
        assert.deepEqual(
            texts().slice(count),
            Array.from({ length: 20 }, (_, i) => `mine ${i}`),
        );
    });

    test("polling, with others who come and go: nobody is told as left who polls", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const balancer = await site.balancer();
        const room = site.room();
        const stays = await site.member(room, 0);
        const client = await enter(site, balancer, { transports: ["polling"] });
        await join(client, room);
        await stays.hears("joined");
        await sleep(LEASE * 3);
        await stays.hearsNothing();
        for (let i = 0; i < 5; i++) {
            const guest = await site.member(room, i % 2);
            await stays.hears("joined", { members: 3 });
            await guest.close();
            await stays.hears("left", { members: 2 });
        }
        const { text } = await ask(site.gateways[0], "GET", `/api/rooms/${room}`);
        assert.equal(JSON.parse(text).count, 2);
        stays.say("end");
        await client.when(() => client.all("message").some(([{ text: said }]) => said === "end"), "the end");
        const counts = client.events.map(([, frame]) => frame.members).filter((members) => members !== undefined);
        assert.equal(counts.at(-1), 2, "the last that it was told of the members");
    });

    test("an upgrade in the middle of talk loses and doubles nothing", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const balancer = await site.balancer();
        const room = site.room();
        const speaker = await site.member(room, 0);
        const talk = { on: true, said: 0 };
        const talking = (async () => {
            while (talk.on) {
                speaker.say(`${talk.said++}`);
                await sleep(2);
            }
        })();
        for (let i = 0; i < Math.ceil(6 / SLOW); i++) {
            const client = await enter(site, balancer);
            const { history } = await join(client, room);
            await client.upgraded();
            await sleep(100);
            const texts = [...history.map(({ text }) => text), ...client.all("message").map(([{ text }]) => text)];
            const first = Number(texts[0]);
            assert.deepEqual(
                texts,
                texts.map((_, n) => `${first + n}`),
            );
            client.close();
        }
        talk.on = false;
        await talking;
        await until(async () => {
            const { text } = await ask(site.gateways[0], "GET", `/api/rooms/${room}`);
            return JSON.parse(text).count === 1;
        }, "all have left");
    });
});
