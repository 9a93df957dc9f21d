// Redis goes away and comes back, in every way it can: what clients hear meanwhile, and what they know afterwards.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { Gateway } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { Mirror } from "./lib/mirror.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { changePosition, newTrack, NO_STATE, offPause, onPause, sameState, state } from "./lib/scenario.mjs";
import { testSite } from "./lib/site.mjs";
import { SECRET } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";

const UNAVAILABLE = { type_push_state: "unavailable" };
const PROMISED = patient(5000); // "within 5 s" of contracts 8
const flags = { rate: 0 };

async function isAway(gateway) {
    return (await gateway.get("/readyz")).status === 503;
}

function isReady(gateway) {
    return gateway.isReady();
}

function allAway(site) {
    return Promise.all(
        site.gateways.map((gateway) => until(() => isAway(gateway), "/readyz says 503", patient(15000))),
    );
}

function allReady(site) {
    return Promise.all(
        site.gateways.map((gateway) => until(() => isReady(gateway), "/readyz says 200", patient(15000))),
    );
}

// Three devices of one user on both processes; the first has started a track.
async function devices(site, user = site.user()) {
    const all = [await site.player(user, 0), await site.player(user, 1), await site.player(user, 0)];
    all[0].send(newTrack(0));
    await all[1].receives(newTrack(0));
    await all[2].receives(newTrack(0));
    return { user, all };
}

// The next message of one device is known to the others on both processes: they get it, or a state that contains it.
// Other state frames may come before.
async function inStep(all, message) {
    all[0].send(message);
    for (const player of all.slice(1)) {
        for (let frame; !frame?.includes(message.time_state_update);) {
            frame = await player.next();
            assert.doesNotMatch(frame, /unavailable|invalid/);
        }
    }
}

// Everybody believes what Redis knows.
function agree(site, user, mirrors, ms = PROMISED) {
    const agreed = async () => {
        const truth = await site.stateOf(user, 1);
        return mirrors.every((mirror) => isDeepStrictEqual(mirror.catchUp(), truth));
    };
    return until(agreed, () => `everybody agrees: ${JSON.stringify(mirrors.map((mirror) => mirror.state))}`, ms);
}

describe("while Redis is away", { concurrency: 6 }, () => {
    test("connected clients stay connected, and an update is answered unavailable, to its sender alone", async (t) => {
        const site = await testSite(t, { flags });
        const { all } = await devices(site);
        await site.redis.kill();
        for (const message of [onPause(5), offPause(6), changePosition(7, 7), newTrack(8)]) {
            assert.deepEqual(await all[0].ask(message), UNAVAILABLE);
            assert.deepEqual(await all[1].ask(message), UNAVAILABLE);
        }
        await allAway(site);
        assert.deepEqual(await all[0].ask(onPause(9)), UNAVAILABLE);
        assert.equal(all[2].unread, 0);
        assert.ok(all.every((player) => player.isOpen));
    });

    test("what is invalid is still invalid_format, and a ping is still answered", async (t) => {
        const site = await testSite(t, { flags });
        const { all } = await devices(site);
        await site.redis.kill();
        await allAway(site);
        await all[0].refuses("nonsense");
        await all[0].refuses({ type_push_state: "on_pause", time_state_update: "never" });
        await all[0].hearsNothing();
    });

    test("new connections get 503 with Retry-After, and /readyz is 503 on both listeners", async (t) => {
        const site = await testSite(t, { flags });
        await site.redis.kill();
        await allAway(site);
        for (const gateway of site.gateways) {
            const refusal = await site.refused(site.user(), gateway);
            assert.equal(refusal.status, 503);
            assert.match(refusal.headers["retry-after"], /^[1-9]\d*$/);
            assert.equal(typeof refusal.json().error, "string");
            assert.equal((await request(gateway.adminUrl("/readyz"))).status, 503);
            assert.equal((await gateway.get("/healthz")).status, 200, "the process itself is well");
            assert.equal((await gateway.get("/player")).status, 200, "the page as well");
            assert.equal((await gateway.metrics()).get("segue_redis_up"), 0);
        }
    });

    test("a bad token is still 401, and nobody is let in because Redis is away", async (t) => {
        const site = await testSite(t, { flags });
        await site.redis.kill();
        await allAway(site);
        assert.equal((await site.refused("x", 0, { token: "bad" })).status, 401);
    });

    test("devices may leave, and the process goes on", async (t) => {
        const site = await testSite(t, { flags });
        const { all } = await devices(site);
        await site.redis.kill();
        all[0].terminate();
        await all[1].close();
        await site.redis.restart();
        await allReady(site);
        await until(
            async () => (await site.gateways[0].metrics()).get("segue_connections", { protocol: "player" }) === 1,
            "one is left",
        );
    });
});

describe("when Redis is back", { concurrency: 6 }, () => {
    test("with its data, everybody is in step again within 5 s", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        await site.redis.restart();
        const start = Date.now();
        await allReady(site);
        assert.ok(Date.now() - start < PROMISED);
        await inStep(all, onPause(10));
        assert.deepEqual(await site.stateOf(user), state(10, 10, { paused: true }));
    });

    test("without its data, everybody is told no_track_state within 5 s, and a new track starts anew", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        const extended = await site.player(user, 1, { query: { extended: "1" } });
        const before = JSON.parse(extended.first).seq;
        await site.redis.restart({ data: false });
        await Promise.all(
            [...all, extended].map(async (player) => {
                const { type_push_state } = await player.nextJson(PROMISED);
                assert.equal(type_push_state, "no_track_state");
            }),
        );
        assert.deepEqual(await all[1].ask(onPause(5)), NO_STATE);
        await inStep([...all, extended], newTrack(20, { track: 20 }));
        const after = await site.stateOf(user, 0, { query: { extended: "1" } });
        assert.ok(after.seq > before, `numbers do not restart: ${before}, then ${after.seq}`);
        assert.equal(after.track_id, 20);
    });

    test("devices are registered again, also when the data is gone", async (t) => {
        const ghost = { "orphan-grace": 1, "ping-interval": 400 * SLOW, "ping-timeout": 800 * SLOW };
        const site = await testSite(t, { flags: { ...flags, ...ghost } });
        const { user, all } = await devices(site);
        for (const data of [true, false]) {
            await site.redis.restart({ data });
            await allReady(site);
            await until(async () => {
                const found = await site.stateOf(user, 1, { query: { extended: "1" } });
                return found.devices === undefined || found.devices === all.length + 1;
            }, "all devices are counted");
            all.forEach((player) => player.takeAll());
            await inStep(all, newTrack(0));
            const counted = await site.stateOf(user, 1, { query: { extended: "1" } });
            assert.equal(counted.devices, all.length + 1);
            // Longer than lease and grace: were they forgotten, this would read as paused.
            await sleep(1200 * SLOW + 1300);
            assert.deepEqual(await site.stateOf(user, 0), state(0, 0), `data ${data}`);
        }
    });

    test("no update in flight is lost in silence: applied, or answered unavailable", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        const total = 600;
        const mirror = new Mirror(all[0]);
        for (let i = 1; i <= total; i++) {
            all[0].send(changePosition(i, i));
            if (i === 200) {
                await site.redis.kill();
            }
            if (i === 400) {
                await site.redis.restart();
            }
            await sleep(2);
        }
        await allReady(site);
        await inStep(all, changePosition(total + 1, 777));
        all[0].send({ type_push_state: "ping", t: "last" });
        await until(() => (mirror.catchUp(), mirror.pongs > 0), "the answer to a ping");
        // What Redis has confirmed.
        const seeks = { script: "player_seek", outcome: "applied" };
        const applied = (await site.gateways[0].metrics()).get("segue_transitions_total", seeks) - 1;
        assert.ok(mirror.unavailable > 0, "some were unavailable");
        assert.ok(
            applied >= total - mirror.unavailable,
            `${applied} applied, ${mirror.unavailable} unavailable of ${total}`,
        );
        assert.ok(applied <= total, `${applied} applied of ${total}`);
    });

    test("whoever tries to connect meanwhile gets an answer: in, or 503", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        const outcomes = [];
        let over = false;
        const trying = (async () => {
            for (let i = 0; !over; i++) {
                const status = await site.player(user, i % 2).then(
                    (player) => (player.terminate(), 101),
                    (error) => Number(error.message.match(/response: (\d+)/)?.[1] ?? error.message),
                );
                outcomes.push(status);
                await sleep(5);
            }
        })();
        await sleep(200);
        await site.redis.kill();
        await sleep(300);
        await site.redis.restart();
        await allReady(site);
        await sleep(200);
        over = true;
        await trying;
        assert.ok(
            outcomes.every((status) => [101, 503].includes(status)),
            `${[...new Set(outcomes)]}`,
        );
        assert.ok(outcomes.includes(503) && outcomes.at(-1) === 101);
        await inStep(all, onPause(3));
    });

    test("a process that started without Redis becomes ready", async (t) => {
        const site = await testSite(t, { gateways: 0 });
        await site.redis.kill();
        const gateway = await site.addGateway({}, { ready: false });
        assert.equal((await gateway.get("/healthz")).status, 200);
        assert.equal((await gateway.get("/readyz")).status, 503);
        assert.equal((await site.refused("x", gateway)).status, 503);
        await site.redis.restart();
        await until(() => isReady(gateway), "/readyz says 200", PROMISED);
        assert.equal((await site.player("x", gateway)).first, JSON.stringify(NO_STATE));
    });
});

describe("when one process alone loses Redis", { concurrency: 6 }, () => {
    // A site whose first gateway reaches Redis through a proxy: one server.
    async function proxied(t, more = {}) {
        const site = await testSite(t, { gateways: 0, flags: { ...flags, ...more }, redis: SINGLE });
        const proxy = await Proxy.open(site.redis.port);
        t.after(() => proxy.close());
        await site.addGateway({ redis: proxy.url });
        await site.addGateway();
        return { site, proxy };
    }

    test("its clients are brought to the current state within 5 s of its return, all others hear everything", async (t) => {
        const { site, proxy } = await proxied(t);
        const { user, all } = await devices(site);
        const other = await site.player(user, 1);
        const extended = await site.player(user, 0, { query: { extended: "1" } });
        proxy.cut();
        await until(() => isAway(site.gateways[0]), "/readyz says 503");
        assert.equal((await site.gateways[1].get("/readyz")).status, 200);
        assert.deepEqual(await all[0].ask(onPause(1)), UNAVAILABLE);
        const messages = [changePosition(10, 100), onPause(15), newTrack(20, { track: 5 }), onPause(28)];
        for (const message of messages) {
            all[1].send(message);
            await other.receives(message);
        }
        proxy.restore();
        const start = Date.now();
        for (const player of [all[0], all[2]]) {
            sameState(await player.nextJson(PROMISED), state(28, 8, { track: 5, paused: true }));
        }
        const { seq, server_time, devices: count, ...six } = await extended.nextJson(PROMISED);
        assert.ok(
            seq > JSON.parse(extended.first).seq && server_time > 0 && count >= 1,
            JSON.stringify({ seq, count }),
        );
        sameState(six, state(28, 8, { track: 5, paused: true }));
        assert.ok(Date.now() - start < PROMISED);
        await inStep([all[1], all[0], all[2], other, extended], offPause(40));
        await inStep([all[0], all[1], all[2], other], onPause(50));
    });

    test("clients whose state did not change meanwhile go on as if nothing had been", async (t) => {
        const { site, proxy } = await proxied(t);
        const { user, all } = await devices(site);
        proxy.cut();
        await until(() => isAway(site.gateways[0]), "/readyz says 503");
        proxy.restore();
        await until(() => isReady(site.gateways[0]), "/readyz says 200", PROMISED);
        await inStep(all, onPause(10));
        for (const player of all) {
            for (const frame of player.takeAll()) {
                assert.ok(!frame.includes("no_track_state"), frame);
            }
        }
        assert.deepEqual(await site.stateOf(user), state(10, 10, { paused: true }));
    });

    test("a connection that hangs is noticed: updates are answered, /readyz says 503, and it heals", async (t) => {
        const { site, proxy } = await proxied(t);
        const { user, all } = await devices(site);
        proxy.hang();
        assert.deepEqual(JSON.parse(await (all[0].send(onPause(1)), all[0].next(patient(20000)))), UNAVAILABLE);
        await until(() => isAway(site.gateways[0]), "/readyz says 503", patient(20000));
        assert.ok(all[2].isOpen);
        all[1].send(changePosition(30, 300));
        await sleep(50);
        proxy.restore();
        await until(() => isReady(site.gateways[0]), "/readyz says 200", patient(15000));
        await inStep(all, onPause(31));
        const final = await site.stateOf(user);
        assert.equal(final.on_pause, true);
        assert.ok(
            Math.abs(final.last_sec_position - 301) < 1e-6 || final.last_sec_position === 300,
            JSON.stringify(final),
        );
    });

    test("after many breaks everybody believes what Redis knows", async (t) => {
        const { site, proxy } = await proxied(t);
        const { user, all } = await devices(site);
        const quiet = [await site.player(user, 0), await site.player(user, 1)];
        const mirrors = quiet.map((player) => new Mirror(player));
        for (let round = 0; round < 6; round++) {
            for (let i = 0; i < 20; i++) {
                all[i % 3].send(changePosition(round * 100 + i, round * 100 + i));
                if (i === 7) {
                    proxy.cut();
                }
                if (i === 14) {
                    proxy.restore();
                }
                await sleep(3);
            }
        }
        await allReady(site);
        await agree(site, user, mirrors);
    });
});

describe("when Redis misbehaves", { concurrency: 6 }, () => {
    test("a frozen Redis: updates are answered unavailable, and after it everybody agrees", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        const mirrors = all.map((player) => new Mirror(player, state(0, 0)));
        site.redis.freeze();
        all[0].send(onPause(5));
        assert.deepEqual(await all[0].nextJson(patient(20000)), UNAVAILABLE);
        assert.ok(all.every((player) => player.isOpen));
        site.redis.thaw();
        await allReady(site);
        await agree(site, user, mirrors);
        await inStep(all, onPause(50));
    });

    test("SCRIPT FLUSH in the middle of updates: none is lost, and their order stays", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        const kinds = [changePosition, onPause, offPause];
        const messages = Array.from({ length: 1500 }, (_, i) => kinds[(i + 1) % 3](i + 1, i + 1));
        for (const [i, message] of messages.entries()) {
            all[0].send(message);
            if (i % 10 === 0) {
                const flushed = site.redis.call("SCRIPT", "FLUSH");
                await (i % 100 === 0 ? flushed : sleep(0));
            }
        }
        for (const message of messages) {
            await all[1].receives(message);
        }
        await all[0].hearsNothing();
        assert.deepEqual(await site.stateOf(user), state(1500, 1500));
    });

    test("CLIENT KILL of the subscriptions, or of the commands: what was missed is made good within 5 s", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        const mirrors = all.slice(1).map((player) => new Mirror(player, state(0, 0)));
        for (const [i, type] of ["pubsub", "normal", "pubsub"].entries()) {
            await site.redis.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
            for (let n = 0; n < 10; n++) {
                all[0].send(changePosition(i * 10 + n, i * 10 + n));
                await sleep(5);
            }
            await allReady(site);
            await agree(site, user, mirrors);
        }
        await inStep(all, onPause(500));
    });

    test("out of memory: updates are unavailable, nobody is thrown out, and it passes", async (t) => {
        const site = await testSite(t, { flags });
        const { user, all } = await devices(site);
        await site.redis.call("CONFIG", "SET", "maxmemory", "1");
        assert.deepEqual(await all[0].ask(onPause(5)), UNAVAILABLE);
        assert.ok(all.every((player) => player.isOpen));
        await site.redis.call("CONFIG", "SET", "maxmemory", "0");
        await allReady(site);
        await inStep(all, onPause(7));
        assert.deepEqual(await site.stateOf(user), state(7, 7, { paused: true }));
    });

    test("a foreign value in the place of a state is nobody else's trouble", async (t) => {
        const site = await testSite(t, { flags });
        const user = site.user();
        const player = await site.player(user, 0);
        await site.redis.call("SET", `segue:player:{${user}}`, "foreign");
        assert.deepEqual(await player.ask(newTrack(0)), UNAVAILABLE);
        assert.equal((await site.refused(user, 1)).status, 503);
        const { all } = await devices(site);
        await inStep(all, onPause(1));
        await site.redis.call("DEL", `segue:player:{${user}}`);
        await site.apply(user, player, newTrack(0));
    });

    test("FLUSHALL under connected clients: the next command says that there is no state", async (t) => {
        const site = await testSite(t, { flags });
        const { all } = await devices(site);
        await site.redis.call("FLUSHALL");
        assert.deepEqual(await all[0].ask(onPause(5)), NO_STATE);
        await inStep(all, newTrack(9));
    });
});

// To one server; to sentinels and clusters: redis_sentinel.test.mjs, redis_cluster.test.mjs.
describe("ways to Redis", { concurrency: 6 }, () => {
    async function works(site, gateway, redis) {
        const user = site.user();
        const player = await site.player(user, gateway);
        const witness = await site.player(user, gateway);
        player.send(newTrack(0));
        await witness.receives(newTrack(0));
        assert.deepEqual(await site.stateOf(user, gateway), state(0, 0));
        assert.ok(redis);
        return user;
    }

    test("TCP, a unix socket, a password, a user, and a database", async (t) => {
        const password = "p@ss:w/rd%?#";
        const site = await testSite(t, { gateways: 0, redis: { ...SINGLE, password } });
        const { redis } = site;
        await redis.call("ACL", "SETUSER", "segue", "on", ">other", "~*", "&*", "+@all");
        const code = encodeURIComponent(password);
        for (const [url, db] of [
            [`redis://:${code}@127.0.0.1:${redis.port}`, 0],
            [`redis://default:${code}@127.0.0.1:${redis.port}/3`, 3],
            [`redis://segue:other@localhost:${redis.port}/5`, 5],
        ]) {
            const gateway = await site.addGateway({ redis: url });
            const user = await works(site, gateway, redis);
            await redis.call("SELECT", db);
            assert.equal(await redis.call("EXISTS", `segue:player:{${user}}`), 1, url);
            await redis.call("SELECT", 0);
        }
    });

    test("the database is chosen again after Redis was away", async (t) => {
        const site = await testSite(t, { gateways: 0, redis: { ...SINGLE, password: "secret" } });
        const gateway = await site.addGateway({ redis: `redis://:secret@127.0.0.1:${site.redis.port}/7` });
        await works(site, gateway, site.redis);
        await site.redis.restart();
        await until(() => isReady(gateway), "/readyz says 200", PROMISED);
        const user = await works(site, gateway, site.redis);
        await site.redis.call("SELECT", 7);
        assert.equal(await site.redis.call("EXISTS", `segue:player:{${user}}`), 1);
    });

    test("a unix socket", async (t) => {
        const site = await testSite(t, { gateways: 0, redis: SINGLE });
        const gateway = await site.addGateway({ redis: site.redis.unixUrl });
        await works(site, gateway, site.redis);
    });

    test("a wrong or missing password is said in the log, without the password, and the process waits", async (t) => {
        const site = await testSite(t, { gateways: 0, redis: { ...SINGLE, password: "right-one" } });
        for (const url of [`redis://:wrong-one@127.0.0.1:${site.redis.port}`, `redis://127.0.0.1:${site.redis.port}`]) {
            const gateway = await site.addGateway({ redis: url }, { ready: false });
            await until(
                () => /WRONGPASS|NOAUTH|password|authenticat/i.test(gateway.log),
                () => gateway.log,
            );
            assert.doesNotMatch(gateway.log, /wrong-one/);
            assert.equal((await gateway.get("/readyz")).status, 503);
            assert.equal((await gateway.get("/healthz")).status, 200);
            assert.ok(gateway.log.split("\n").length < 30, "it does not fill the log");
        }
        await site.redis.call("CONFIG", "SET", "requirepass", "wrong-one");
        await until(() => isReady(site.gateways[0]), "/readyz says 200", patient(30000));
        await works(site, site.gateways[0], site.redis);
        await site.gateways[1].kill();
    });

    test("nobody there is said in the log, and the process tries on with patience", async (t) => {
        const site = await testSite(t, { gateways: 0 });
        const gateway = await Gateway.start({
            flags: { redis: "redis://127.0.0.1:1" },
            env: { SEGUE_JWT_SECRET: SECRET },
            ready: false,
        });
        site.gateways.push(gateway);
        await until(() => /redis/.test(gateway.log), "the log says so");
        await sleep(2000);
        assert.ok(gateway.log.split("\n").length < 20, `it does not fill the log:\n${gateway.log}`);
        assert.equal((await gateway.get("/readyz")).status, 503);
    });
});
