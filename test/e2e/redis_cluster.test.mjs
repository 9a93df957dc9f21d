// Redis Cluster: users on several masters; a master that dies, and a slot that moves, under load; two gateways.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ask, assertRefused } from "./lib/api.mjs";
import { allWhole, Driver, inStep, redisUp, userOn } from "./lib/driver.mjs";
import { Feed } from "./lib/feed.mjs";
import { Gateway } from "./lib/gateway.mjs";
import { Mirror } from "./lib/mirror.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { changePosition, newTrack, onPause, sameState } from "./lib/scenario.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { SECRET, tokenOf } from "./lib/token.mjs";

const KEY = "cluster-key";
const WS = { transports: ["websocket"] };
const POLLING = { transports: ["polling"], upgrade: false };
const flags = { rate: 0, "api-key": KEY };

describe("a cluster", () => {
    const site = suiteSite({ flags, redis: { topology: "cluster", password: "open sesame" } });

    test("has users on every master; everything of theirs works, on both processes", async () => {
        for (const server of await site.redis.owners()) {
            const user = await userOn(site, server);
            const [first, second] = [await site.player(user, 0), await site.player(user, 1)];
            const car = await site.client(user, 1, WS);
            const web = await site.client(user, 0, POLLING);
            first.send(newTrack(0));
            await second.receives(newTrack(0));
            assert.equal((await car.next("playback_state")).mediaId, 2);
            assert.deepEqual(await car.ask("carplay_command", { command: "pause" }), { ok: true });
            assert.deepEqual(await web.next("carplay_command"), { command: "pause" });
            const paused = JSON.parse(await second.next());
            assert.equal(paused.type_push_state, "on_pause");
            const event = { event: "on_upload_success", data: { id: user } };
            assert.equal((await ask(site.gateways[1], "POST", `/api/users/${user}/events`, { key: KEY, body: event })).status, 200);
            for (const client of [car, web]) {
                assert.deepEqual(await client.next("on_upload_success"), { id: user });
            }
        }
    });

    test("has rooms and feeds on every master", async () => {
        const seen = new Set();
        for (let i = 0; seen.size < 3; i++) {
            const room = `room-${i}`;
            seen.add((await site.redis.ownerOf(`segue:room:{${room}}`)).server);
            const [ann, bob] = [await site.member(room, 0), await site.member(room, 1)];
            ann.say("hello");
            await bob.hears("message", { text: "hello" });
            const topic = `topic-${i}`;
            const feed = await Feed.subscribed(site.gateways[0], `/feed/${topic}`);
            site.players.push(feed);
            await ask(site.gateways[1], "POST", `/api/feeds/${topic}`, { key: KEY, body: { message: "news" } });
            assert.equal(await feed.line(), "news");
        }
    });

    test("tells everybody what concerns everybody", async () => {
        const clients = [];
        for (const server of await site.redis.owners()) {
            clients.push(await site.client(await userOn(site, server), clients.length % 2, WS));
        }
        assert.equal((await ask(site.gateways[0], "POST", "/api/events", { key: KEY, body: { event: "on_new_release" } })).status, 200);
        for (const client of clients) {
            await client.next("on_new_release");
        }
    });

    test("publishes on one shard alone: nothing goes over the bus", async () => {
        const { server } = await site.redis.ownerOf("segue:player:{bus}");
        const player = await site.player("bus", 0);
        const channels = await Promise.all(
            site.redis.servers.map((one) => one.call("PUBSUB", "SHARDCHANNELS", "segue:user:{bus}")),
        );
        assert.deepEqual(
            channels.map((list) => list.length),
            site.redis.servers.map((one) => (one === server ? 1 : 0)),
        );
        assert.deepEqual(await server.call("PUBSUB", "CHANNELS", "segue:*"), []);
        await player.close();
    });

    test("is found when only one of the nodes that were named is there", async () => {
        const [node] = site.redis.servers;
        const url = `cluster://:open%20sesame@127.0.0.1:1,127.0.0.1:2,127.0.0.1:${node.port}`;
        const gateway = await site.addGateway({ redis: url });
        const user = site.user();
        const [here, there] = [await site.player(user, gateway), await site.player(user, 0)];
        here.send(newTrack(0));
        await there.receives(newTrack(0));
    });

    test("with a wrong password is away, and the log says why, not with what", async (t) => {
        const [node] = site.redis.servers;
        const gateway = await Gateway.start({
            flags: { redis: `cluster://:guessed@127.0.0.1:${node.port}`, "jwt-secret": SECRET },
            ready: false,
        });
        t.after(() => gateway.close());
        await until(() => /redis (down|not found).*(WRONGPASS|NOAUTH)/.test(gateway.log), "the log says so");
        assert.equal((await gateway.get("/readyz")).status, 503);
        assert.doesNotMatch(gateway.log, /guessed/);
    });

    test("whose scripts are flushed goes on, in order", async () => {
        const user = site.user();
        const [here, there] = [await site.player(user, 0), await site.player(user, 1)];
        here.send(newTrack(0));
        await there.receives(newTrack(0));
        await site.redis.call("SCRIPT", "FLUSH");
        for (let i = 1; i <= 50; i++) {
            here.send(changePosition(i, i));
        }
        for (let i = 1; i <= 50; i++) {
            await there.receives(changePosition(i, i));
        }
    });
});

describe("a master that dies under load", () => {
    test("takes nobody else along; its own users are in step when its replica has taken over", async (t) => {
        const site = await testSite(t, { flags, redis: { topology: "cluster", replicas: 1, timeout: 1000 } });
        const victim = (await site.redis.ownerOf("segue:events:{*}")).server;
        const others = (await site.redis.owners()).filter((one) => one !== victim);
        const hit = await userOn(site, victim);
        const safe = await userOn(site, others[0]);
        const drivers = {};
        const watchers = {};
        for (const user of [hit, safe]) {
            const player = await site.player(user, 0);
            player.send(newTrack(0));
            await until(async () => (await site.stateOf(user)).track_id === 2, "the track is on");
            watchers[user] = new Mirror(await site.player(user, 1));
            drivers[user] = new Driver(player);
        }
        await sleep(300 * SLOW);
        await victim.kill();
        await until(async () => (await redisUp(site.gateways[0])) === 0, "the shard is away");
        const refused = await site.refused(hit, 1);
        assert.equal(refused.status, 503);
        assert.ok(refused.headers["retry-after"]);
        await (await site.player(safe, 1)).close(); // newcomers of other shards come in
        assert.equal((await site.gateways[1].get("/readyz")).status, 200);
        await allWhole(site);
        await sleep(500 * SLOW);
        await Promise.all(Object.values(drivers).map((driver) => driver.stop()));
        for (const user of [hit, safe]) {
            drivers[user].mirror.catchUp();
            const state = await inStep(site, user, [watchers[user]]);
            assert.equal(state.track_id, 2);
        }
        assert.ok(drivers[hit].mirror.unavailable > 0, "who could not be served was told so");
        assert.equal(drivers[safe].mirror.unavailable, 0, "a user of another shard noticed nothing");
        assert.equal((await site.stateOf(safe)).last_sec_position, drivers[safe].sent, "all of his are applied");
        await victim.start(); // it comes back as a replica
        await site.redis.settled();
        (await site.player(hit, 1)).send(onPause(100000));
        await until(() => watchers[hit].catchUp().on_pause, "the watcher hears of a pause");
    });

    test("by an operator's order loses no event", async (t) => {
        const site = await testSite(t, { flags, redis: { topology: "cluster", replicas: 1, timeout: 1000 } });
        const [server] = await site.redis.owners();
        const user = await userOn(site, server);
        const [sender, receiver] = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
        const replica = site.redis.servers.find((one) => one.masterPort === server.port);
        const applied = [];
        let handed = false;
        for (let i = 1; i <= 300 || !handed; i++) {
            if (i === 50) {
                replica.call("CLUSTER", "FAILOVER").catch(() => {});
            }
            const answer = await sender.ask("carplay_command", { command: "seek", value: i });
            if (answer.ok) {
                applied.push(i);
            } else {
                assert.equal(answer.error, "unavailable");
                await sleep(20);
            }
            handed = handed || (await site.redis.ownerOf(`segue:player:{${user}}`)).server === replica;
        }
        assert.ok(applied.length > 250);
        const heard = () => receiver.all("carplay_command").map(([command]) => command.value);
        await until(() => heard().includes(applied.at(-1)), "the last command", patient(15000));
        const unknown = new Set(heard().filter((value) => !applied.includes(value)));
        assert.deepEqual(
            heard().filter((value) => !unknown.has(value)),
            applied,
            "each acknowledged command once, in order",
        );
    });
});

describe("a slot that moves under load", () => {
    test("answers every call, in order; nobody misses an event", async (t) => {
        const site = await testSite(t, { flags, redis: { topology: "cluster" } });
        const user = site.user();
        const { slot, server } = await site.redis.ownerOf(`segue:player:{${user}}`);
        const others = (await site.redis.owners()).filter((one) => one !== server);
        const [player, watcher] = [await site.player(user, 0), await site.player(user, 1)];
        player.send(newTrack(0));
        await watcher.receives(newTrack(0));
        const mirror = new Mirror(watcher, JSON.parse((await site.player(user, 1)).first));
        const [sender, receiver] = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
        const polling = await site.client(user, 1, POLLING);
        const driver = new Driver(player, 10);
        const answers = [];
        let going = true;
        const commands = (async () => {
            for (let i = 1; going; i++) {
                answers.push(sender.ask("carplay_command", { command: "next", value: i }).then((answer) => ({ i, answer })));
                await sleep(10);
            }
        })();
        let from = server;
        for (const to of [others[0], others[1], server]) {
            await site.redis.move(slot, from, to, { between: () => sleep(30) });
            from = to;
            await sleep(300 * SLOW);
        }
        going = false;
        await commands;
        await driver.stop();
        const done = await Promise.all(answers);
        const applied = done.filter(({ answer }) => answer.ok).map(({ i }) => i);
        assert.equal(applied.length, done.length, "moves take a moment, not an answer");
        for (const client of [receiver, polling]) {
            const heard = () => client.all("carplay_command").map(([command]) => command.value);
            await until(() => heard().length >= applied.length, () => `all commands, not ${heard().length}`, patient(15000));
            assert.deepEqual(heard(), applied, "each once, in order");
        }
        const state = await inStep(site, user, [mirror]);
        driver.mirror.catchUp();
        assert.equal(driver.mirror.unavailable, 0);
        sameState({ ...state, time_state_update: null }, { ...state, last_sec_position: driver.sent, time_state_update: null });
    });

    test("and stays half moved for long: unavailable, and right afterwards", async (t) => {
        const site = await testSite(t, { flags, redis: { topology: "cluster" } });
        const user = site.user();
        const { slot, server } = await site.redis.ownerOf(`segue:player:{${user}}`);
        const other = (await site.redis.owners()).find((one) => one !== server);
        const [player, watcher] = [await site.player(user, 0), await site.player(user, 1)];
        player.send(newTrack(0));
        await watcher.receives(newTrack(0));
        const neighbour = await site.player(await userOn(site, server), 0);
        const [source, target] = [await server.call("CLUSTER", "MYID"), await other.call("CLUSTER", "MYID")];
        await other.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source);
        await server.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target);
        player.send(onPause(5)); // some of its keys do not exist, so Redis can't tell where they are
        await player.receives({ type_push_state: "unavailable" });
        neighbour.send(newTrack(1)); // who shares the node, not the slot, waits for nothing
        await neighbour.ask({ type_push_state: "ping", t: 1 });
        await site.redis.move(slot, server, other);
        player.send(onPause(7));
        await until(async () => (await site.stateOf(user)).on_pause === true, "the pause is applied", patient(10000));
        const late = await site.player(user, 1);
        assert.equal(JSON.parse(late.first).on_pause, true);
    });

    test("with a room in it: its members miss no word", async (t) => {
        const site = await testSite(t, { flags, redis: { topology: "cluster" } });
        const room = site.room();
        const { slot, server } = await site.redis.ownerOf(`segue:room:{${room}}`);
        const other = (await site.redis.owners()).find((one) => one !== server);
        const [ann, bob] = [await site.member(room, 0), await site.member(room, 1)];
        const said = [];
        let going = true;
        const talk = (async () => {
            for (let i = 1; going; i++) {
                ann.say(`word ${i}`);
                said.push(`word ${i}`);
                await sleep(20);
            }
        })();
        await sleep(200);
        await site.redis.move(slot, server, other, { between: () => sleep(50) });
        await sleep(500 * SLOW);
        going = false;
        await talk;
        for (const member of [ann, bob]) {
            const heard = new Set();
            for (let frame; !heard.has(said.at(-1));) {
                frame = await member.nextJson(patient(10000));
                assert.notEqual(frame.type, "error", JSON.stringify(frame));
                for (const message of frame.type === "welcome" ? frame.history : [frame]) {
                    heard.add(message.text);
                }
            }
            assert.deepEqual(said.filter((text) => !heard.has(text)), []);
        }
    });
});

test("refusals name what is missing", async (t) => {
    const site = await testSite(t, { gateways: 1, flags, redis: { topology: "cluster" } });
    const user = site.user();
    const { server } = await site.redis.ownerOf(`segue:player:{${user}}`);
    await server.kill(); // without a replica
    await until(async () => (await redisUp(site.gateways[0])) === 0, "the shard is away");
    const answer = await ask(site.gateways[0], "GET", "/api/carplay/now-playing", { token: tokenOf(user) });
    assertRefused(answer, 503, "unavailable");
    await server.start();
    await site.redis.settled();
    await allWhole(site);
    assert.equal((await ask(site.gateways[0], "GET", "/api/carplay/now-playing", { token: tokenOf(user) })).status, 200);
});
