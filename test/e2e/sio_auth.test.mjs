// Who may be on Socket.IO: tokens in every place, what a bad one gets, and what happens when a good one expires.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { assertRefused, Wire } from "./lib/engine.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { connect, connected, eventOf, eventPacket, hearsNothing, VERSIONS } from "./lib/sio.mjs";
import { suiteSite } from "./lib/site.mjs";
import { mint, seconds, tokenOf } from "./lib/token.mjs";

const STATE = { isPlaying: false, currentTime: 5, duration: 10, mediaId: 1 };

const expiring = (user, inSeconds) => mint({ sub: user, exp: seconds(inSeconds) });

const BAD = {
    "no token": undefined,
    "an empty token": "",
    "no JWT at all": "x",
    "a number": 5,
    "an object": { a: 1 },
    null: null,
    "a bad signature": `${tokenOf("x").slice(0, -4)}AAAA`,
    "an expired one": mint({ sub: "x", exp: seconds(-5) }),
    "one of the future": mint({ sub: "x", exp: seconds(100), nbf: seconds(50) }),
    "one without a user": mint({ exp: seconds(100) }),
    "one of alg none": mint({ sub: "x" }, { alg: "none" }),
    "one of another key": mint({ sub: "x" }, { key: "another key of some length, for HS256 anyway" }),
};

describe("tokens on Socket.IO", { concurrency: 8 }, () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });
    let strict;
    before(async () => {
        strict = await site.addGateway({ "auth-failure": "connect-error" });
    });

    // The socket is the user's.
    async function isOf(user, line) {
        const witness = await site.wireOf(user, 1);
        await line.send(eventPacket("carplay_command", { command: "next" }));
        assert.deepEqual(eventOf(await line.next()), ["carplay_command", { command: "next" }]);
        assert.deepEqual(eventOf(await witness.next()), ["carplay_command", { command: "next" }]);
    }

    describe("are taken from", () => {
        test("the auth payload", async () => {
            const user = site.user();
            await isOf(user, await connected(await site.wire(0), { token: tokenOf(user) }));
            await isOf(user, await connected(await site.polling(), { token: tokenOf(user), other: [1, { a: 2 }] }));
        });

        for (const [where, how] of [
            ["query token=", (token) => ({ query: { token } })],
            ["Authorization: Bearer", (token) => ({ headers: { Authorization: `Bearer ${token}` } })],
            ["cookie token=", (token) => ({ headers: { Cookie: `a=b; token=${token}` } })],
        ]) {
            test(`${where} of the handshake`, async () => {
                const user = site.user();
                await isOf(user, await connected(await site.wire(0, how(tokenOf(user)))));
                await isOf(user, await connected(await site.polling(site.gateways, how(tokenOf(user))), {}));
            });
        }

        test("the auth payload before any other place", async () => {
            const user = site.user();
            const wire = await site.wire(0, { query: { token: tokenOf(site.user()) } });
            await isOf(user, await connected(wire, { token: tokenOf(user) }));
        });

        test("the subprotocols bearer and the token", async () => {
            const user = site.user();
            const wire = await site.wire(0);
            wire.destroy();
            const { default: WebSocket } = await import("ws");
            const url = site.gateways[0].url("/socket.io/?EIO=4&transport=websocket").replace("http", "ws");
            const socket = new WebSocket(url, ["bearer", tokenOf(user)]);
            const messages = [];
            socket.on("message", (data) => messages.push(String(data)));
            await until(() => messages.length === 1, "the open packet");
            assert.equal(socket.protocol, "bearer");
            socket.send("40");
            await until(() => messages.length === 2, "the answer to CONNECT");
            assert.match(messages[1], /^40\{"sid":/);
            socket.terminate();
        });
    });

    for (const [what, token] of Object.entries(BAD)) {
        test(`${what}: CONNECT, error, DISCONNECT; never subscribed`, async () => {
            for (const line of [await site.wire(0), await site.polling(site.gateways.slice(0, 2))]) {
                await line.send(`40${JSON.stringify({ token })}`);
                assert.match(await line.next(), /^40\{"sid":"[A-Za-z0-9_-]{20}"\}$/);
                const [name, error] = eventOf(await line.next());
                assert.equal(name, "error");
                assert.deepEqual(Object.keys(error).sort(), ["code", "message"]);
                assert.equal(error.code, "unauthorized");
                assert.ok(error.message.length > 0);
                assert.equal(await line.next(), "41");
            }
        });

        test(`${what}: CONNECT_ERROR with --auth-failure connect-error`, async () => {
            const wire = await site.wire(strict);
            wire.send(`40${JSON.stringify({ token })}`);
            const answer = await wire.next();
            assert.match(answer, /^44\{/);
            const error = JSON.parse(answer.slice(2));
            assert.equal(error.code, "unauthorized");
            assert.ok(error.message.length > 0);
            // The connection may try again with a good one.
            wire.send(`40${JSON.stringify({ token: tokenOf(site.user()) })}`);
            assert.match(await wire.next(), /^40\{"sid":/);
            await hearsNothing(wire);
        });
    }

    test("a bad token hears nothing of the user whose name it bears", async () => {
        const user = site.user();
        const bad = `${tokenOf(user).slice(0, -4)}AAAA`;
        const wire = await site.wire(0);
        wire.send(`40{"token":"${bad}"}`);
        assert.match(await wire.next(), /^40/);
        assert.equal(eventOf(await wire.next())[0], "error");
        assert.equal(await wire.next(), "41");
        const other = await site.wireOf(user, 1);
        other.send(eventPacket("carplay_command", { command: "next" }));
        await other.next();
        await sleep(100);
        assert.deepEqual(wire.takeAll(), []);
    });

    test("an event behind the CONNECT of a bad token does nothing", async () => {
        const user = site.user();
        const witness = await site.wireOf(user, 1);
        const bad = `${tokenOf(user).slice(0, -4)}AAAA`;
        const wire = await site.wire(0);
        wire.send(`40{"token":"${bad}"}`, eventPacket("carplay_command", { command: "next" }));
        await wire.closed();
        await hearsNothing(witness);
    });

    test("a bad token in the query is 401 or as in CONNECT; it is never anonymous", async () => {
        const bad = `${tokenOf("x").slice(0, -4)}AAAA`;
        const wire = await Wire.open(site.gateways[0], { query: { token: bad } }).catch((error) => {
            assert.match(error.message, /401/);
            return null;
        });
        if (wire) {
            wire.send("40{}");
            assert.match(await wire.next(), /^40/);
            assert.equal(eventOf(await wire.next())[1].code, "unauthorized");
            assert.equal(await wire.next(), "41");
            wire.destroy();
        }
    });

    for (const version of Object.keys(VERSIONS)) {
        for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
            const options = { version, transports, token: `${tokenOf("x").slice(0, -4)}AAAA` };

            test(`${version} over ${transports}: connects, hears error, is disconnected by the server and stays away`, async () => {
                const client = await site.client("x", 0, options);
                const error = await client.next("error");
                assert.equal(error.code, "unauthorized");
                assert.equal(await client.disconnected(), "io server disconnect");
                await sleep(patient(300));
                assert.equal(client.sessions.length, 1);
                assert.equal(client.socket.connected, false);
            });

            test(`${version} over ${transports}: hears connect_error with --auth-failure connect-error`, async () => {
                const client = site.newClient("x", strict, options);
                const error = await client.refused();
                assert.ok(error.message.length > 0);
                assert.equal(client.socket.connected, false);
                client.socket.auth.token = tokenOf(site.user());
                client.socket.connect();
                await client.connected();
                await client.fence();
            });
        }

        test(`${version}: a token that expires on a live socket: error, disconnect, and it stays away`, async () => {
            for (const transports of [["websocket"], ["polling"]]) {
                const user = site.user();
                const client = await site.client(user, 0, { version, transports, token: expiring(user, 2) });
                await client.fence();
                const error = await client.next("error");
                assert.equal(error.code, "unauthorized");
                assert.ok(error.message.length > 0);
                assert.equal(await client.disconnected(), "io server disconnect");
                await sleep(patient(300));
                assert.equal(client.sessions.length, 1);
            }
        });
    }

    describe("when a token expires", () => {
        test("the packets are error, DISCONNECT; the websocket closes with 4401", async () => {
            const user = site.user();
            const token = expiring(user, 2);
            const wire = await connected(await site.wire(0), { token });
            const [name, error] = eventOf(await wire.next());
            assert.deepEqual([name, error.code], ["error", "unauthorized"]);
            assert.equal(await wire.next(), "41");
            assert.equal((await wire.closed()).code, 4401);
        });

        test("it is not before its time, and not much later", async () => {
            const user = site.user();
            const exp = seconds(2);
            const wire = await connected(await site.wire(0), { token: mint({ sub: user, exp }) });
            await wire.next();
            const late = Date.now() - exp * 1000;
            assert.ok(late >= 0 && late < patient(3000), `${late} ms after`);
        });

        test("a polling session between two polls learns it at the next, on any process", async () => {
            const user = site.user();
            const polling = await connected(await site.polling(), { token: expiring(user, 1) });
            await sleep(2100);
            const heard = [];
            for (;;) {
                const answer = await polling.get().answer;
                if (answer.status !== 200) {
                    assertRefused(answer, 1);
                    break;
                }
                heard.push(...answer.text.split("\x1e"));
            }
            assert.deepEqual(
                heard.filter((packet) => packet.startsWith("4")).map((packet) => packet.slice(0, 10)),
                ['42["error"', "41"],
            );
        });

        test("a command in a POST after that is not obeyed", async () => {
            const user = site.user();
            const witness = await site.wireOf(user, 1);
            const polling = await connected(await site.polling(), { token: expiring(user, 1) });
            await sleep(2100);
            await polling.post([eventPacket("carplay_command", { command: "next" })]);
            await hearsNothing(witness);
        });

        test("others of the same user go on", async () => {
            const user = site.user();
            const dying = await connected(await site.wire(0), { token: expiring(user, 1) });
            const living = await site.wireOf(user, 0);
            await dying.closed();
            living.send(eventPacket("playback_state_update", STATE));
            assert.equal(eventOf(await living.next())[0], "playback_state");
        });
    });

    describe("users do not meet", () => {
        test("another user's token on a session of polling does not change whose it is", async () => {
            const [owner, thief] = [site.user(), site.user()];
            const polling = await site.pollingOf(owner);
            const ownerWitness = await site.wireOf(owner, 1);
            const thiefWitness = await site.wireOf(thief, 1);
            const headers = { Authorization: `Bearer ${tokenOf(thief)}` };
            const answer = await polling.post([eventPacket("carplay_command", { command: "next" })], { headers });
            assert.ok([200, 400, 401, 403].includes(answer.status));
            await hearsNothing(thiefWitness);
            const heard = ownerWitness.takeAll();
            assert.ok(heard.length <= 1);
        });

        test("names that look like keys, patterns or other users are just names", async () => {
            const names = ["a}b", "{a}", "user:{x}", "*", "a:b", "a b", "%41", "..", "ключ", "a\\b", '"', "eio"];
            const wires = await Promise.all(names.map((name) => site.wireOf(name, 0)));
            for (const [i, wire] of wires.entries()) {
                wire.send(eventPacket("carplay_command", { command: "seek", value: i }));
                assert.deepEqual(eventOf(await wire.next()), ["carplay_command", { command: "seek", value: i }]);
            }
            await Promise.all(wires.map(hearsNothing));
        });

        test("the sid of a socket is not that of a session, and opens nothing", async () => {
            const wire = await site.wireOf(site.user(), 0);
            const polling = await site.polling();
            polling.sid = wire.socket.sid;
            await polling.isGone();
        });

        test("one connection may be two users, one after the other", async () => {
            const [first, second] = [site.user(), site.user()];
            const wire = await site.wireOf(first, 0);
            wire.send("41");
            await connect(wire, { token: tokenOf(second) });
            await isOf(second, wire);
        });
    });
});
