// Limits that hold over all processes: connections of a user and of an address, messages of a user, new connections of
// an address. Tried with two and three processes, and with one that is killed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { request } from "./lib/http.mjs";
import { sleep, SLOW, until } from "./lib/patience.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const PING = { type_push_state: "ping", t: 1 };

function assertFull(answer) {
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.json().error, "too_many_connections");
    assert.match(answer.headers["retry-after"], /^[1-9]\d*$/);
}

describe("connections of a user", () => {
    const site = suiteSite({ gateways: 3, flags: { "user-connections": 3, rate: 0 } });

    test("so many over all processes, and no other user is touched", async () => {
        const user = site.user();
        for (const on of [0, 1, 2]) {
            await site.player(user, on);
        }
        for (const on of [0, 1, 2]) {
            const answer = await site.refused(user, on);
            assertFull(answer);
            assert.match(answer.json().message, /user/);
        }
        await site.player(site.user(), 0);
    });

    test("a place is free when its connection is closed, wherever the next one comes", async () => {
        const user = site.user();
        const players = [await site.player(user, 0), await site.player(user, 0), await site.player(user, 1)];
        assertFull(await site.refused(user, 2));
        await players[0].close();
        await until(() => site.player(user, 2), "a place for a third process");
        assertFull(await site.refused(user, 1));
    });

    test("many at once at different processes: as many as there are places come in", async () => {
        const user = site.user();
        const tries = Array.from({ length: 12 }, (_, i) => site.player(user, i % 3).then(() => 1, () => 0));
        const inside = (await Promise.all(tries)).reduce((sum, one) => sum + one, 0);
        assert.equal(inside, 3);
    });

    test("every protocol counts: player, chat and Socket.IO", async () => {
        const user = site.user();
        await site.player(user, 0);
        await site.member(site.room(), 1, { token: tokenOf(user) });
        const client = await site.client(user, 2);
        assertFull(await site.refused(user, 0));
        const late = site.newClient(user, 1, { transports: ["websocket"] });
        const error = await late.refused();
        assert.equal(error.message, "this user has too many connections");
        client.close();
        await until(() => site.player(user, 1), "the place of a Socket.IO client");
    });

    test("a Socket.IO client counts once, in however many namespaces and after its upgrade", async () => {
        const user = site.user();
        const client = await site.client(user, 0); // polling, then websocket
        await until(() => client.socket.io.engine.transport.name === "websocket", "the upgrade");
        const rooms = client.socket.io.socket("/rooms", { auth: { token: tokenOf(user) } });
        await until(() => rooms.connected, "a second namespace");
        await site.player(user, 1);
        await site.player(user, 2);
        assertFull(await site.refused(user, 0));
    });

    test("a polling session counts, keeps its place from poll to poll, and gives it back", async () => {
        const user = site.user();
        const sessions = [];
        for (let i = 0; i < 3; i++) {
            sessions.push(await site.pollingOf(user));
        }
        assertFull(await site.refused(user, 0));
        const late = await site.polling();
        await late.post(`40${JSON.stringify({ token: tokenOf(user) })}`);
        const packet = (await late.get().answer).text;
        assert.match(packet, /^44\{"code":"too_many_connections"/);
        await sessions[0].post("1"); // the transport's end
        await until(() => site.player(user, 1), "the place of a polling session");
    });

    test("whoever leaves while he waits for a place holds none", async () => {
        const user = site.user();
        const ask = [`Authorization: Bearer ${tokenOf(user)}`, "Upgrade: websocket", "Connection: Upgrade"];
        const fields = [...ask, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
        site.redis.freeze();
        const raws = [];
        for (let i = 0; i < 30; i++) {
            const raw = await site.raw(i % 3);
            await raw.request("GET /player HTTP/1.1", fields);
            raws.push(raw);
        }
        await sleep(200);
        raws.forEach((raw, i) => (i % 2 ? raw.reset() : raw.destroy()));
        await sleep(100);
        site.redis.thaw();
        for (const on of [0, 1, 2]) {
            await until(() => site.player(user, on), "a place that nobody holds");
        }
        assertFull(await site.refused(user, 0));
    });

    test("what a client sends before it is let in is not lost", async () => {
        const user = site.user();
        const raw = await site.raw(0);
        const fields = [`Authorization: Bearer ${tokenOf(user)}`, "Upgrade: websocket", "Connection: Upgrade"];
        const ping = Buffer.from(JSON.stringify(PING));
        const mask = Buffer.from([0, 0, 0, 0]);
        const frame = Buffer.concat([Buffer.from([0x81, 0x80 | ping.length]), mask, ping]);
        await raw.request(
            "GET /player HTTP/1.1",
            [...fields, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
            Buffer.concat([frame, frame]),
        );
        assert.equal((await raw.response()).status, 101);
        assert.equal(JSON.parse(await raw.text()).type_push_state, "no_track_state");
        for (let i = 0; i < 2; i++) {
            assert.equal(JSON.parse(await raw.text()).type_push_state, "pong");
        }
    });
});

describe("leases", () => {
    // How long a lease lasts.
    const LEASE = 4000 * SLOW;
    const flags = { "user-connections": 2, "ping-interval": LEASE / 2, "ping-timeout": LEASE / 2 };

    test("places are kept while their connections live, and free when their process was killed", async (t) => {
        const site = await testSite(t, { gateways: 3, flags });
        const user = site.user();
        await site.player(user, 0);
        await site.player(user, 1);
        for (let i = 0; i < 6; i++) {
            assertFull(await site.refused(user, 2));
            await sleep(LEASE / 5);
        }
        await site.gateways[0].kill();
        assertFull(await site.refused(user, 2));
        await until(() => site.player(user, 2), "the place of a process that was killed");
        assertFull(await site.refused(user, 1));
    });

    test("Redis's loss takes no connection, and its places count again when it is back", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const user = site.user();
        const players = [await site.player(user, 0), await site.player(user, 1)];
        await site.redis.call("FLUSHALL");
        await until(async () => (await site.refused(user, 1).catch(() => ({}))).status === 429, "places are known again");
        site.redis.freeze();
        await sleep(1.2 * LEASE);
        site.redis.thaw();
        await until(async () => (await site.gateways[0].get("/readyz")).status === 200, "Redis is back");
        await until(async () => (await site.refused(user, 0).catch(() => ({}))).status === 429, "places hold");
        for (const player of players) {
            assert.ok(player.isOpen);
            assert.equal((await player.ask(PING)).type_push_state, "pong");
        }
    });

    test("a process that leaves politely takes its places with it", async (t) => {
        const long = { ...flags, "ping-interval": 60000 };
        const site = await testSite(t, { gateways: 2, flags: long });
        const user = site.user();
        await site.player(user, 0);
        await site.player(user, 0);
        assertFull(await site.refused(user, 1));
        assert.equal(await site.gateways[0].terminate(), 0);
        await until(() => site.player(user, 1), "the places of a process that left");
    });
});

describe("connections of an address", () => {
    const site = suiteSite({
        gateways: 2,
        flags: { "address-connections": 2, "trusted-proxies": "127.0.0.1", anonymous: "chat,feed" },
    });
    let addresses = 0;
    const from = (address) => ({ headers: { "X-Forwarded-For": address } });
    const address = () => `198.51.100.${++addresses}`;

    test("so many over all processes, with a token or without, and no other address is touched", async () => {
        const here = from(address());
        await site.player(site.user(), 0, here);
        await site.member(site.room(), 1, here);
        for (const on of [0, 1]) {
            const answer = await site.refused(site.user(), on, here);
            assertFull(answer);
            assert.match(answer.json().message, /address/);
        }
        await site.player(site.user(), 0, from(address()));
        await site.player(site.user(), 0); // the proxy's own
    });

    test("polling and WebSocket handshakes of Engine.IO are refused alike", async () => {
        const here = from(address());
        await site.player(site.user(), 0, here);
        await site.player(site.user(), 1, here);
        for (const gateway of site.gateways) {
            assertFull(await gateway.get("/socket.io/?EIO=4&transport=polling", here));
        }
        const late = site.newClient(site.user(), 0, { transports: ["websocket"], extraHeaders: here.headers, reconnection: false });
        await late.refused();
    });

    test("a polling session holds one place, before and after its upgrade", async () => {
        const here = from(address());
        const client = await site.client(site.user(), 0, { extraHeaders: here.headers });
        await until(() => client.socket.io.engine.transport.name === "websocket", "the upgrade");
        await site.player(site.user(), 1, here);
        assertFull(await site.refused(site.user(), 0, here));
        client.close();
        await until(() => site.player(site.user(), 1, here), "the place of a Socket.IO client");
    });

    test("an IPv6 address counts as its /64, an IPv4 address alone, however it is written", async () => {
        await site.player(site.user(), 0, from("2001:db8:1:2::1"));
        await site.player(site.user(), 1, from("[2001:DB8:1:2:ffff::9]:4711"));
        assertFull(await site.refused(site.user(), 0, from("2001:db8:1:2:3:4:5:6")));
        await site.player(site.user(), 0, from("2001:db8:1:3::1"));
        const v4 = address();
        await site.player(site.user(), 0, from(`::ffff:${v4}`));
        await site.player(site.user(), 1, from(`${v4}:80`));
        assertFull(await site.refused(site.user(), 0, from(v4)));
    });

    test("the refusals are counted", async () => {
        const metrics = await site.gateways[0].metrics();
        assert.ok(metrics.get("segue_limited_total", { limit: "address_connections" }) > 0);
        assert.ok(metrics.get("segue_rejected_total", { reason: "too_many_connections" }) > 0);
        assert.equal(metrics.get("segue_limited_total", { limit: "user_connections" }), 0);
    });
});

describe("the rate of a user", () => {
    const RATE = 20;
    const site = suiteSite({ gateways: 3, flags: { "user-rate": RATE, rate: 0 } });

    // So many messages a second by every player; how many were answered with a pong.
    async function flood(players, perSecond, seconds) {
        const clock = setInterval(() => players.forEach((player) => player.send(PING)), 1000 / perSecond);
        const begun = Date.now();
        await sleep(seconds * 1000);
        clearInterval(clock);
        const took = (Date.now() - begun) / 1000;
        await sleep(300);
        const answers = players.flatMap((player) => player.takeAll()).map((text) => JSON.parse(text));
        return { took, pongs: answers.filter((answer) => answer.type_push_state === "pong").length, answers };
    }

    test("all connections of a user share it, on whatever processes", async () => {
        const user = site.user();
        const players = await Promise.all([0, 1, 2, 0, 1, 2].map((on) => site.player(user, on)));
        const { took, pongs, answers } = await flood(players, 50, 4);
        // A burst of twice the rate, the rate itself, a sixteenth of it and a chunk for each process.
        const most = 2 * RATE + took * RATE * (1 + 3 / 16) + 3 * (RATE / 4) + RATE;
        assert.ok(pongs <= most, `${pongs} of at most ${most} in ${took} s`);
        assert.ok(pongs >= took * RATE * 0.7, `${pongs}: the rate itself comes through`);
        const complaints = answers.filter((answer) => answer.reason === "rate_limited");
        assert.ok(complaints.length >= players.length, "each connection is told");
        assert.ok(complaints.length <= players.length * Math.ceil(took + 1), "at most once a second");
        assert.ok(players.every((player) => player.isOpen), "nobody is closed for it");
    });

    test("another user is not touched, and one who stays below it is never refused", async () => {
        const loud = await site.player(site.user(), 0);
        const quiet = await site.player(site.user(), 0);
        const storm = flood([loud], 100, 3);
        const { pongs, answers } = await flood([quiet], 10, 3);
        await storm;
        assert.equal(pongs, answers.length, JSON.stringify(answers.find((answer) => answer.reason)));
        assert.ok(pongs > 20);
    });

    test("REST calls and Socket.IO events are messages of the user as well", async () => {
        const user = site.user();
        const client = await site.client(user, 1);
        const player = await site.player(user, 2);
        await flood([player], 100, 2);
        const statuses = [];
        for (let i = 0; i < 20; i++) {
            const headers = { Authorization: `Bearer ${tokenOf(user)}` };
            statuses.push(await request(site.gateways[0].url("/api/carplay/now-playing"), { headers }));
            player.send(PING);
            player.send(PING);
            client.socket.emit("ping");
        }
        const refused = statuses.filter(({ status }) => status === 429);
        assert.ok(refused.length > 0, `some are refused: ${statuses.map(({ status }) => status)}`);
        assert.equal(refused[0].json().error, "rate_limited");
        assert.ok(refused[0].headers["retry-after"]);
        for (let i = 0; i < 100; i++) {
            client.socket.emit("ping");
        }
        const error = await client.next("error");
        assert.equal(error.code, "rate_limited");
    });

    test("far below the rate Redis is not asked, near it far less than once a message", async () => {
        const draws = async () => {
            const all = await Promise.all(site.gateways.map((gateway) => gateway.metrics()));
            return all.reduce((sum, m) => sum + (m.get("segue_transitions_total", { script: "limit_draw", outcome: "applied" }) ?? 0), 0);
        };
        const player = await site.player(site.user(), 0);
        let before = await draws();
        await flood([player], 1, 4);
        assert.equal(await draws(), before, "one a second of twenty");
        before = await draws();
        const { pongs } = await flood([player], 16, 4);
        const asked = (await draws()) - before;
        assert.ok(asked <= pongs / 3, `${asked} calls for ${pongs} messages`);
    });

    test("while Redis is away each process goes by the rate alone, and nobody is closed", async (t) => {
        const own = await testSite(t, { gateways: 1, flags: { "user-rate": RATE, rate: 0 } });
        const player = await own.player(own.user(), 0);
        await own.redis.kill();
        await until(async () => (await own.gateways[0].get("/readyz")).status === 503, "Redis is gone");
        const { took, pongs } = await flood([player], 100, 3);
        assert.ok(pongs >= took * RATE * 0.5, `${pongs} in ${took} s`);
        assert.ok(pongs <= (took + 4) * RATE * 1.3, `${pongs} in ${took} s`);
        assert.ok(player.isOpen);
    });
});

describe("the rate of an address", () => {
    const site = suiteSite({
        gateways: 2,
        flags: { "address-rate": 4, "trusted-proxies": "127.0.0.1", anonymous: "chat,feed" },
    });
    const from = (address) => ({ headers: { "X-Forwarded-For": address } });

    // A burst, once more on credit at each process, and what the rate allows with its sixteenths.
    const most = (took) => 8 + 2 * 8 + 4 + took * 5;

    // 120 requests, of which so many are under way at a time.
    const TOGETHER = 30;
    async function askOften(path, headers) {
        const answers = [];
        while (answers.length < 120) {
            const some = Array.from({ length: TOGETHER }, (_, i) => site.gateways[i % 2].get(path, { headers }));
            answers.push(...(await Promise.all(some)));
        }
        return answers;
    }

    test("new connections above it are refused, before anybody looks at their tokens", async () => {
        const here = from("192.0.2.1");
        const begun = Date.now();
        const asked = await askOften("/socket.io/?EIO=4&transport=polling", here.headers);
        const took = (Date.now() - begun) / 1000;
        const inside = asked.filter(({ status }) => status === 200).length;
        assert.ok(inside >= 8, `a burst comes in: ${inside}`);
        assert.ok(inside <= most(took), `${inside} in ${took} s`);
        const refused = asked.find(({ status }) => status === 429);
        assert.equal(refused.json().error, "rate_limited");
        assert.ok(refused.headers["retry-after"]);
        const answer = await site.refused("nobody", 0, { ...here, token: "not a token" });
        assert.equal(answer.status, 429);
    });

    test("REST calls without a good token are attempts as well; those with one are not", async () => {
        const bad = { Authorization: "Bearer not.a.token" };
        for (const [address, path, more, allowed] of [
            ["192.0.2.10", "/api/carplay/now-playing", bad, 401],
            ["192.0.2.11", "/api/rooms/lobby", {}, 200],
        ]) {
            const seen = {};
            const begun = Date.now();
            for (const { status } of await askOften(path, { ...from(address).headers, ...more })) {
                seen[status] = (seen[status] ?? 0) + 1;
            }
            const took = (Date.now() - begun) / 1000;
            assert.deepEqual(Object.keys(seen).sort(), [String(allowed), "429"].sort(), JSON.stringify(seen));
            // A bad token is known as one after it was looked at: those that came together are answered alike.
            const limit = most(took) + (allowed === 401 ? TOGETHER : 0);
            assert.ok(seen[allowed] >= 8 && seen[allowed] <= limit, `${JSON.stringify(seen)} in ${took} s`);
        }
        const headers = { ...from("192.0.2.12").headers, Authorization: `Bearer ${tokenOf(site.user())}` };
        for (let i = 0; i < 60; i++) {
            const { status } = await site.gateways[i % 2].get("/api/carplay/now-playing", { headers });
            assert.equal(status, 200);
        }
    });

    test("another address is not touched, and with time there is room again", async () => {
        await site.player(site.user(), 0, from("192.0.2.2"));
        await until(() => site.player(site.user(), 0, from("192.0.2.1")), "room for the first address");
    });
});
