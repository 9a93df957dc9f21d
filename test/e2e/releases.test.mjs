// Releases: processes of this release and of a later one (test/releases) on one Redis, and the ways from one to the other.
//
// SEGUE_NEXT_BIN: what plays the later release that only added something: also the last release may.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { ask, assertRefused } from "./lib/api.mjs";
import { Member } from "./lib/chat.mjs";
import { Feed } from "./lib/feed.mjs";
import { BINARY } from "./lib/gateway.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { changePosition, newTrack, onPause, sameState, state } from "./lib/scenario.mjs";
import { Client, eventPacket } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "server-key";
const flags = { rate: 0, "api-key": KEY, "connect-timeout": 3000 * SLOW };
const binary = (name) => (name === "next" && process.env.SEGUE_NEXT_BIN) || join(dirname(BINARY), `segue-${name}`);

const upTo = (count) => Array.from({ length: count }, (_, i) => i);
const seek = (value) => ({ command: "seek", value });
const valuesOf = (client) => client.all("carplay_command").map(([{ value }]) => value);
const textsOf = (client) => client.all("message").map(([{ text }]) => text);
const backend = (gateway, path, body) => ask(gateway, "POST", path, { key: KEY, body });

// This release as gateway 0, another one as gateway 1.
async function both(t, name, more = {}) {
    const site = await testSite(t, { gateways: 1, flags: { ...flags, ...more } });
    await site.addGateway({}, { binary: binary(name) });
    return site;
}

async function seen(gateway, what) {
    return (await gateway.metrics()).get("segue_newer_version_seen_total", { what });
}

function says(gateway, what) {
    return until(() => gateway.log.includes(`newer version met what=${what}`), `a word about a newer ${what}`);
}

async function inRoom(site, target, room, transports) {
    const client = new Client(target, { namespace: "/rooms", transports });
    site.clients.push(client);
    await client.connected();
    assert.deepEqual(await client.ask("join", { room }), { ok: true });
    await client.next("welcome");
    return client;
}

describe("a release that added something works beside this one", { concurrency: 2 }, () => {
    for (const [from, to] of [
        [0, 1],
        [1, 0],
    ]) {
        const way = from === 0 ? "this one to it" : "it to this one";

        test(`players, from ${way}`, async (t) => {
            const site = await both(t, "next");
            const user = site.user();
            const [one, two] = [await site.player(user, from), await site.player(user, to)];
            for (const message of [newTrack(0), onPause(5), changePosition(6, 40)]) {
                one.send(message);
                await two.receives(message);
            }
            sameState(await site.stateOf(user, to), state(6, 40, { paused: true }));
            const wire = await site.client(user, to);
            assert.equal((await wire.next("playback_state")).currentTime, 40);
            await one.hearsNothing();
        });

        test(`rooms and feeds, from ${way}`, async (t) => {
            const site = await both(t, "next");
            const member = await site.member(site.room(), from);
            const clients = [
                await inRoom(site, site.gateways[to], member.room, ["websocket"]),
                await inRoom(site, await site.balancer(), member.room, ["polling"]),
            ];
            await member.hears("joined");
            await member.hears("joined");
            const feed = await Feed.subscribed(site.gateways[to], "/feed/news");
            for (const i of upTo(20)) {
                member.say(`${i}`);
                assert.equal((await backend(site.gateways[from], "/api/feeds/news", { message: `${i}` })).status, 200);
                assert.equal(await feed.line(), `${i}`);
            }
            for (const client of clients) {
                await client.when(() => textsOf(client).length === 20, "all words");
                assert.deepEqual(textsOf(client), upTo(20).map(String));
            }
            await feed.hearsNothing();
        });
    }

    test("one polling session is served by both, and taken over by a WebSocket of either", async (t) => {
        const site = await both(t, "next");
        for (const on of [0, 1]) {
            const user = site.user();
            const polling = await site.pollingOf(user);
            const other = await site.wireOf(user, on);
            for (const i of upTo(12)) {
                await polling.send(eventPacket("carplay_command", seek(i)));
                assert.match(await other.next(), new RegExp(`"carplay_command",.*"value":${i}[,}]`));
                assert.match(await polling.next(), new RegExp(`"carplay_command",.*"value":${i}[,}]`));
            }
        }
        const user = site.user();
        const client = await site.client(user, await site.balancer());
        await client.upgraded();
        client.emit("carplay_command", seek(1));
        await client.when(() => valuesOf(client).length === 1, "a command");
        assert.deepEqual(client.disconnects, []);
    });

    test("rolled there and back under load: no update is lost, doubled or out of order", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { ...flags, drain: 1 } });
        const user = site.user();
        const token = tokenOf(user);
        const balancer = await site.balancer();
        balancer.gateways = [...site.gateways];
        const listeners = [
            await site.client(user, balancer, { recovery: true, transports: ["websocket"] }),
            await site.client(user, balancer, { recovery: true, transports: ["polling"] }),
        ];
        let said = 0;
        let going = true;
        const speaker = (async () => {
            while (going) {
                const body = seek(said);
                const { status } = await ask(balancer.gateways[0], "POST", "/api/carplay/control", { token, body });
                assert.equal(status, 200);
                said++;
                await sleep(10);
            }
        })();
        for (const release of [binary("next"), BINARY]) {
            for (let left = 2; left > 0; left--) {
                const young = await site.addGateway({}, { binary: release });
                const [old, ...others] = balancer.gateways;
                balancer.gateways = [...others, young];
                await old.terminate();
            }
        }
        going = false;
        await speaker;
        assert.ok(said > 50, `${said} commands`);
        for (const client of listeners) {
            await client.when(() => valuesOf(client).length >= said, "all commands", patient(20000));
            assert.deepEqual(valuesOf(client), upTo(said));
            assert.ok(client.sessions.slice(1).every(({ recovered }) => recovered));
        }
    });
});

describe("of a release whose envelopes this one can't read", { concurrency: 2 }, () => {
    test("the changes of a player are read: the state comes, no garbage, and it is said once", async (t) => {
        const site = await both(t, "ahead");
        const user = site.user();
        const [here, there] = [await site.player(user, 0), await site.player(user, 1)];
        const car = await site.client(user, 0);
        there.send(newTrack(0));
        sameState(await here.nextJson(), state(0, 0));
        assert.equal((await car.next("playback_state")).mediaId, 2);
        there.send(changePosition(1, 40));
        sameState(await here.nextJson(), state(1, 40));
        here.send(onPause(2));
        await there.receives(onPause(2));
        sameState(await site.stateOf(user, 1), state(2, 41, { paused: true }));
        await car.when(() => car.all("playback_state").at(-1)[0].isPlaying === false, "the pause");
        assert.ok((await seen(site.gateways[0], "envelope")) >= 2);
        assert.equal(await seen(site.gateways[1], "envelope"), 0);
        assert.equal(site.gateways[0].log.match(/newer version met what=envelope version=2 ours=1/g).length, 1);
        await here.hearsNothing();
    });

    test("a storm of them is not a storm of reads, and the last one counts", async (t) => {
        const site = await both(t, "ahead");
        const user = site.user();
        const [here, there] = [await site.player(user, 0), await site.player(user, 1)];
        const reads = async () =>
            (await site.gateways[0].metrics()).get("segue_transitions_total", { script: "player_join", outcome: "applied" });
        const before = await reads();
        const began = Date.now();
        there.send(newTrack(0));
        for (const i of upTo(1000)) {
            there.send(changePosition(i + 1, i));
            await (i % 50 === 0 && sleep(5));
        }
        const last = state(1000, 999);
        await until(async () => {
            const got = await here.nextJson();
            return got.last_sec_position === last.last_sec_position;
        }, "the last state");
        const allowed = 3 + (Date.now() - began) / 1000;
        assert.ok((await reads()) - before <= allowed, `${(await reads()) - before} reads, ${allowed} allowed`);
    });

    test("events come once and in order, to WebSockets and to who polls", async (t) => {
        const site = await both(t, "ahead");
        const user = site.user();
        const clients = [
            await site.client(user, 0, { transports: ["websocket"] }),
            await site.client(user, 0, { transports: ["polling"] }),
            await site.client(user, await site.balancer(), { transports: ["polling"] }),
        ];
        for (const i of upTo(60)) {
            assert.equal((await backend(site.gateways[i % 2], `/api/users/${user}/events`, { event: "e", data: i })).status, 200);
        }
        for (const client of clients) {
            await client.when(() => client.all("e").length >= 60, "all events");
            assert.deepEqual(client.all("e"), upTo(60).map((i) => [i]));
            assert.deepEqual(client.disconnects, []);
        }
    });

    test("the words of a room come once and in order", async (t) => {
        const site = await both(t, "ahead");
        const [here, there] = [await site.member("both", 0), await site.member("both", 1)];
        const client = await inRoom(site, site.gateways[0], "both", ["websocket"]);
        const texts = async (count) => {
            const heard = [];
            while (heard.length < count) {
                const frame = await here.nextJson();
                frame.type === "message" && heard.push(frame.text);
            }
            return heard;
        };
        for (const i of upTo(20)) {
            (i % 2 ? here : there).say(`${i}`);
            await until(async () => (await site.redis.call("LLEN", "segue:history:{both}")) > i, "a word is said");
        }
        assert.deepEqual(await texts(20), upTo(20).map(String));
        await client.when(() => textsOf(client).length >= 20, "all words");
        assert.deepEqual(textsOf(client), upTo(20).map(String));
    });

    test("lines of a feed come to Socket.IO; who can't read them again is sent away with 1013", async (t) => {
        const site = await both(t, "ahead");
        const feed = await Feed.subscribed(site.gateways[0], "/feed/news");
        const client = new Client(site.gateways[0], { namespace: "/feed" });
        site.clients.push(client);
        assert.deepEqual(await client.ask("subscribe", { topic: "news" }), { ok: true });
        assert.equal((await backend(site.gateways[0], "/api/feeds/news", { message: "here" })).status, 200);
        assert.equal(await feed.line(), "here");
        assert.equal((await client.next("wisdom_distribution")).message, "here");
        assert.equal((await backend(site.gateways[1], "/api/feeds/news", { message: "there" })).status, 200);
        assert.equal((await client.next("wisdom_distribution")).message, "there");
        assert.equal((await feed.closed()).code, 1013);
    });

    test("who is sent away there is sent away here", async (t) => {
        const site = await both(t, "ahead");
        const user = site.user();
        const player = await site.player(user, 0);
        const client = await site.client(user, 0, { transports: ["polling"] });
        assert.equal((await backend(site.gateways[1], `/api/users/${user}/disconnect`, {})).status, 202);
        assert.equal((await player.closed()).code, 4403);
        assert.equal(await client.disconnected(), "io server disconnect");
    });
});

// Everything in Redis but what tells the time: leases and their ends.
async function dump(redis, match) {
    const keys = (await redis.call("KEYS", match)).sort();
    return Promise.all(keys.map(async (key) => [key, await redis.call("DUMP", key)]));
}

describe("of a release that takes the keys with it, this one", { concurrency: 2 }, () => {
    test("says so, sends the user's devices away, and changes nothing", async (t) => {
        const site = await both(t, "beyond");
        const [user, other] = [site.user(), site.user()];
        const here = await site.player(user, 0);
        const car = await site.client(user, 0, { transports: ["websocket"], reconnection: false });
        await site.apply(user, here, newTrack(0));
        const there = await site.player(user, 1);
        sameState(there.first, state(0, 0));
        there.send(changePosition(1, 40));
        assert.equal((await here.closed()).code, 1013);
        await car.disconnected();
        await says(site.gateways[0], "key");
        assert.ok((await seen(site.gateways[0], "key")) >= 1);
        const before = await dump(site.redis, `*${user}*`);
        assert.ok(before.length >= 4, `${before.map(([key]) => key)}`);
        const refused = await site.refused(user, 0);
        assert.equal(refused.status, 503);
        assert.equal(refused.headers["retry-after"], "1");
        const token = tokenOf(user);
        for (const [method, path, options] of [
            ["GET", "/api/carplay/now-playing", { token }],
            ["POST", "/api/carplay/control", { token, body: seek(1) }],
            ["GET", `/api/users/${user}/devices`, { key: KEY }],
            ["POST", `/api/users/${user}/events`, { key: KEY, body: { event: "e" } }],
            ["POST", `/api/users/${user}/disconnect`, { key: KEY, body: {} }],
        ]) {
            if (path.endsWith("/events")) {
                assert.equal((await backend(site.gateways[1], path, { event: "e" })).status, 200);
                before.splice(0, Infinity, ...(await dump(site.redis, `*${user}*`)));
            }
            assertRefused(await ask(site.gateways[0], method, path, options), 503, "unavailable");
        }
        assert.deepEqual(await dump(site.redis, `*${user}*`), before);
        there.send(onPause(5));
        sameState(await site.stateWhen(user, (now) => now.on_pause, 1), state(5, 44, { paused: true }));
        assert.deepEqual(await site.stateOf(other, 0), { type_push_state: "no_track_state" });
    });

    test("leaves polling sessions, rooms and feeds of it alone", async (t) => {
        const site = await both(t, "beyond");
        const [here, there] = site.gateways;
        const user = site.user();
        const polling = await site.pollingOf(user, there);
        const member = await site.member(site.room(), 1);
        assert.equal((await backend(there, "/api/feeds/news", { message: "one" })).status, 200);
        const before = await dump(site.redis, "*");
        const get = await polling.get({ on: here }).answer;
        assert.equal(get.status, 503, get.text);
        const post = await polling.post([eventPacket("ping")], { on: here });
        assert.equal(post.status, 503, post.text);
        assert.equal((await Member.refusal(here, "/ws", { query: { room: member.room } })).status, 503);
        assertRefused(await backend(here, `/api/rooms/${member.room}/messages`, { text: "x" }), 503, "unavailable");
        assertRefused(await ask(here, "GET", `/api/rooms/${member.room}`), 503, "unavailable");
        assertRefused(await backend(here, "/api/feeds/news", { message: "two" }), 503, "unavailable");
        const mine = (all) => all.filter(([key]) => !/wisdom|members|devices/.test(key)).map(([key]) => key);
        assert.deepEqual(mine(await dump(site.redis, "*")), mine(before));
        assert.equal((await polling.post([eventPacket("ping")], { on: there })).status, 200);
        assert.match(await polling.next(), /"pong"/);
        await member.hearsNothing();
        assert.ok((await seen(here, "key")) >= 6);
    });

    test("hands over what it has written, and goes on where it was when that one is gone", async (t) => {
        const site = await both(t, "beyond");
        const [user, other] = [site.user(), site.user()];
        const here = await site.player(user, 0);
        here.send(newTrack(0));
        here.send(changePosition(3, 33));
        await site.stateWhen(user, (now) => now.last_sec_position === 33, 0);
        sameState(await site.stateOf(user, 1), state(3, 33));
        const player = await site.player(other, 0);
        player.send(newTrack(0));
        await site.stateWhen(other, (now) => now.track_id === 2, 0);
        await site.gateways[1].terminate();
        assert.equal((await site.refused(user, 0)).status, 503);
        player.send(onPause(4));
        sameState(await site.stateWhen(other, (now) => now.on_pause, 0), state(4, 4, { paused: true }));
    });
});
