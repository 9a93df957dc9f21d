// Redis goes away and comes back: what Socket.IO clients hear meanwhile, and what they know afterwards.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { engineUrl, HANDSHAKE, Wire } from "./lib/engine.mjs";
import { Gateway } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { eventOf, eventPacket, hearsNothing } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";
import { SECRET, tokenOf } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";

const PROMISED = patient(5000); // "within 5 s" of contracts 8
const STATE = { isPlaying: false, currentTime: 5, duration: 10, mediaId: 1, mediaTitle: "x" };
const NOTHING = { isPlaying: false, currentTime: 0, duration: 0, mediaId: null };
const flags = { rate: 0, "connect-timeout": 1500 * SLOW };

const update = (state) => eventPacket("playback_state_update", state);
const seek = (value) => eventPacket("carplay_command", { command: "seek", value });

function everybody(site, status) {
    const says = async (gateway) =>
        status === 200 ? gateway.isReady() : (await gateway.get("/readyz")).status === status;
    return Promise.all(
        site.gateways.map((gateway) => until(() => says(gateway), `/readyz says ${status}`, patient(15000))),
    );
}

const allAway = (site) => everybody(site, 503);
const allReady = (site) => everybody(site, 200);

// Reads until the event of that name comes whose payload fits; others before it may be of these names.
async function comes(wire, name, fits, { among = [name], ms = patient() } = {}) {
    const end = Date.now() + ms;
    for (;;) {
        const [got, payload] = eventOf(await wire.next(Math.max(1, end - Date.now())));
        assert.ok(among.includes(got), `${got} ${JSON.stringify(payload)}`);
        if (got === name && fits(payload)) {
            return payload;
        }
    }
}

describe("Socket.IO while Redis is away", { concurrency: 4 }, () => {
    // Two sockets of one user on both processes, which know the state.
    async function pair(site, user = site.user()) {
        const [a, b] = [await site.wireOf(user, 0), await site.wireOf(user, 1)];
        a.send(update(STATE));
        for (const wire of [a, b]) {
            assert.equal(eventOf(await wire.next())[0], "playback_state");
        }
        return { user, a, b };
    }

    test("connected clients stay; what can't be applied is answered unavailable, with and without ack", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const { a, b } = await pair(site);
        await site.redis.kill();
        await allAway(site);
        for (const [name, payload] of [
            ["playback_state_update", { ...STATE, currentTime: 7 }],
            ["carplay_command", { command: "next" }],
        ]) {
            a.send(eventPacket(name, payload));
            const [event, error] = eventOf(await a.next());
            assert.deepEqual([event, error.code], ["error", "unavailable"]);
            assert.ok(error.message.length > 0);
            a.send(`429${JSON.stringify([name, payload])}`);
            const heard = [await a.next(), await a.next()];
            const ack = JSON.parse(heard.find((packet) => packet.startsWith("439")).slice(3))[0];
            assert.deepEqual([ack.ok, ack.error], [false, "unavailable"]);
            assert.equal(eventOf(heard.find((packet) => packet.startsWith("42")))[1].code, "unavailable");
        }
        await Promise.all([a, b].map(hearsNothing));
        assert.ok(a.isOpen && b.isOpen);
    });

    test("new ones are 503 with Retry-After: websocket, handshake of polling, and REST", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        await site.redis.kill();
        await allAway(site);
        const token = tokenOf("x");
        const headers = { Authorization: `Bearer ${token}` };
        const answers = await Promise.all([
            Wire.refused(site.gateways[0], {}),
            request(engineUrl(site.gateways[1], { query: HANDSHAKE })),
            site.gateways[0].get("/api/carplay/now-playing", { headers }),
            site.gateways[1].get("/api/carplay/control", { method: "POST", headers, body: '{"command":"play"}' }),
        ]);
        for (const answer of answers) {
            assert.equal(answer.status, 503, answer.text);
            assert.ok(Number(answer.headers["retry-after"]) > 0);
        }
    });

    test("afterwards: everybody hears everybody again, and what was kept is known", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const { user, a, b } = await pair(site);
        await site.redis.restart();
        await allReady(site);
        await until(
            async () => {
                a.send(seek(1));
                const [name, payload] = eventOf(await a.next(patient(1000)));
                return name === "carplay_command" && payload.value === 1;
            },
            "commands are applied again",
            PROMISED,
        );
        await comes(b, "carplay_command", ({ value }) => value === 1, { among: ["carplay_command", "playback_state"] });
        const late = await site.wireOf(user, 1);
        assert.equal(eventOf(await late.next())[1].mediaTitle, "x");
    });

    test("when its data is gone, everybody is told that there is no state", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const { user, a, b } = await pair(site);
        await site.redis.restart({ data: false });
        for (const wire of [a, b]) {
            const told = await comes(wire, "playback_state", ({ mediaId }) => mediaId === null, { ms: PROMISED });
            assert.deepEqual(told, { userId: user, ...NOTHING });
        }
        await allReady(site);
        a.send(update({ ...STATE, mediaId: 2 }));
        for (const wire of [a, b]) {
            await comes(wire, "playback_state", ({ mediaId }) => mediaId === 2);
        }
        b.send(seek(3));
        for (const wire of [a, b]) {
            await comes(wire, "carplay_command", ({ value }) => value === 3);
        }
    });

    // Two processes on one Redis server, the second through a proxy that can be cut.
    async function halfCut(t) {
        const site = await testSite(t, { gateways: 1, flags, redis: SINGLE });
        const proxy = await Proxy.open(site.redis.port);
        t.after(() => proxy.close());
        const far = await Gateway.start({ flags: { ...flags, redis: proxy.url }, env: { SEGUE_JWT_SECRET: SECRET } });
        site.gateways.push(far);
        return { site, proxy, far };
    }

    test("who was cut off hears the events that he missed, in order, once, and the newest state once", async (t) => {
        const { site, proxy, far } = await halfCut(t);
        const { user, a, b } = await pair(site);
        proxy.cut();
        await until(async () => (await far.get("/readyz")).status === 503, "the far one is away", patient(15000));
        for (let i = 0; i < 200; i++) {
            a.send(i % 10 ? seek(i) : update({ ...STATE, currentTime: 1000 + i }));
        }
        for (let i = 0; i < 200; i++) {
            await a.next();
        }
        proxy.restore();
        const values = [];
        const states = [];
        while (values.length < 180 || states.length < 1) {
            const [name, payload] = eventOf(await b.next(PROMISED));
            (name === "carplay_command" ? values : states).push(payload.value ?? payload.currentTime);
        }
        await hearsNothing(b);
        assert.deepEqual(
            values,
            Array.from({ length: 200 }, (_, i) => i).filter((i) => i % 10),
        );
        assert.deepEqual(states, [199]);
        const late = await site.wireOf(user, 1);
        assert.equal(eventOf(await late.next())[1].currentTime, 199);
    });

    test("who missed more than is kept is sent away with 1013, never left with a gap", async (t) => {
        const { site, proxy, far } = await halfCut(t);
        const user = site.user();
        const [a, b] = [await site.wireOf(user, 0), await site.wireOf(user, 1)];
        a.send(seek(0));
        await a.next();
        assert.equal(eventOf(await b.next())[1].value, 0);
        proxy.cut();
        await until(async () => (await far.get("/readyz")).status === 503, "the far one is away", patient(15000));
        for (let i = 1; i <= 1100; i++) {
            a.send(seek(i));
        }
        for (let i = 1; i <= 1100; i++) {
            await a.next();
        }
        proxy.restore();
        assert.equal((await b.closed(PROMISED)).code, 1013);
        assert.deepEqual(b.takeAll(), []);
    });

    test("a polling session lives on over a restart, and tells what came meanwhile", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const user = site.user();
        const polling = await site.pollingOf(user);
        const a = await site.wireOf(user, 0);
        const get = polling.get({ ms: patient(20000) });
        get.answer.catch(() => {});
        await sleep(100 * SLOW);
        await site.redis.restart();
        await allReady(site);
        await until(
            async () => {
                a.send(seek(1));
                return eventOf(await a.next(patient(1000)))[0] === "carplay_command";
            },
            "commands are applied again",
            PROMISED,
        );
        const answer = await get.answer;
        const heard = answer.status === 200 ? answer.text.split("\x1e").filter((packet) => packet !== "6") : [];
        while (!heard.some((packet) => packet.startsWith("42"))) {
            const next = await polling.get().answer;
            assert.ok([200, 503].includes(next.status), next.text);
            heard.push(...(next.status === 200 ? next.text.split("\x1e") : []));
        }
        assert.deepEqual(
            heard.filter((packet) => packet.startsWith("42")),
            [seek(1)],
        );
    });

    test("official clients, polling and websocket, come through a restart and hear what follows", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const user = site.user();
        const balancer = await site.balancer();
        const clients = await Promise.all(
            [["polling"], ["websocket"], ["polling", "websocket"]].map((transports) =>
                site.client(user, balancer, { transports, recovery: true }),
            ),
        );
        await site.redis.restart();
        await allReady(site);
        for (const client of clients) {
            await client.connected(patient(15000));
        }
        await until(
            async () => (await clients[1].ask("carplay_command", { command: "next" })).ok,
            "commands are applied again",
            patient(10000),
        );
        for (const client of clients) {
            await client.when(() => client.all("carplay_command").length > 0, "a command", patient(15000));
            assert.equal(client.all("carplay_command").length, 1);
        }
    });
});
