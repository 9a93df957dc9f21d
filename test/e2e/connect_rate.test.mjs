// --connect-rate: no second sees more new connections than it says, whatever comes; those above it are told when to come
// again; and who is in already, or is no newcomer, does not notice.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Polling, Wire } from "./lib/engine.mjs";
import { request } from "./lib/http.mjs";
import { mostWithin } from "./lib/pace.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { Player } from "./lib/player.mjs";
import { testSite } from "./lib/site.mjs";
import { Socket } from "./lib/socket.mjs";
import { tokenOf } from "./lib/token.mjs";

const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

// Uses up what may come at once; gives the first refusal.
async function crowd(gateway) {
    for (;;) {
        const answer = await gateway.get(HANDSHAKE);
        if (answer.status === 503) {
            return answer;
        }
        assert.equal(answer.status, 200);
    }
}

// A refusal of who comes in a certain way, however fast time passes here.
async function refusal(gateway, come) {
    for (;;) {
        await crowd(gateway);
        const answer = await come().catch(() => null);
        if (answer?.status === 503) {
            return answer;
        }
    }
}

describe("--connect-rate", { concurrency: 4 }, () => {
    const RATE = 40;

    // Everybody tries again and again, by WebSocket or by polling.
    async function storm(gateway, seconds) {
        const [admitted, refused] = [[], []];
        const end = Date.now() + seconds * 1000;
        const knock = async (number) => {
            while (Date.now() < end) {
                const from = performance.now();
                const answer =
                    number % 2 === 0
                        ? await request(gateway.url(HANDSHAKE))
                        : await Player.refused(gateway, { token: tokenOf("storm") }).catch(() => ({ status: 101 }));
                (answer.status === 503 ? refused : admitted).push({ from, to: performance.now(), answer });
                await sleep(5);
            }
        };
        await Promise.all(Array.from({ length: 20 }, (_, number) => knock(number)));
        return { admitted, refused };
    }

    test("no second of a storm sees more, and the storm is let in at nearly that", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "connect-rate": `${RATE}/s` } });
        const [gateway] = site.gateways;
        const { admitted, refused } = await storm(gateway, 4);
        const most = mostWithin(admitted);
        assert.ok(most <= RATE, `${most} in a second`);
        assert.ok(admitted.length >= RATE * 4 * 0.5, `${admitted.length} in 4 s`);
        assert.ok(admitted.some(({ answer }) => answer.status === 101) && admitted.some(({ answer }) => answer.status === 200));
        assert.ok(refused.length > 0);
        const metrics = await gateway.metrics();
        assert.equal(metrics.get("segue_admitted_total"), admitted.length);
        assert.equal(metrics.get("segue_rejected_total", { reason: "connect_rate" }), refused.length);
    });

    test("whoever is above it gets 503, a time to come again, and may read it from another site's page", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "connect-rate": 1 } });
        const [gateway] = site.gateways;
        const headers = { Origin: "https://app.example" };
        const polling = await refusal(gateway, () => gateway.get(HANDSHAKE, { headers }));
        const websocket = await refusal(gateway, () => Player.refused(gateway, { token: tokenOf("ann") }));
        const query = { EIO: 4, transport: "websocket" };
        const engine = await refusal(gateway, () => Socket.refusal(gateway, "/socket.io/", { query }));
        for (const answer of [polling, websocket, engine]) {
            assert.equal(answer.status, 503);
            assert.ok(Number(answer.headers["retry-after"]) >= 1, answer.headers["retry-after"]);
        }
        assert.equal(polling.headers["access-control-allow-origin"], "https://app.example");
        assert.equal(polling.headers["access-control-expose-headers"], "Retry-After");
        for (const answer of [polling, websocket, engine]) {
            assert.equal(answer.json().error, "connect_rate");
        }
    });

    test("a herd is told to come back one after the other, at the pace that it is let in", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "connect-rate": 10 } });
        const [gateway] = site.gateways;
        await crowd(gateway);
        const start = Date.now();
        const herd = await Promise.all(Array.from({ length: 60 }, () => gateway.get(HANDSHAKE)));
        const waits = herd.filter(({ status }) => status === 503).map((answer) => Number(answer.headers["retry-after"]));
        assert.ok(waits.length >= 40);
        const longest = Math.max(...waits);
        const passed = (Date.now() - start) / 1000;
        assert.ok(longest >= waits.length / 10 - passed && longest <= waits.length / 10 + 3, `${longest} s for ${waits.length}`);
        for (let second = 2; second < longest - 1; second++) {
            const count = waits.filter((wait) => wait === second).length;
            assert.ok(count > 0 && count <= 20 + 10 * passed, `${count} are told ${second} s`);
        }
        const ready = await gateway.get("/readyz", { headers: { Origin: "https://app.example" } });
        assert.equal(ready.status, 200, "the others are served");
        assert.ok(Number(ready.headers["retry-after"]) >= 1, "a page that sees no status asks here");
        await until(async () => !(await gateway.get("/readyz")).headers["retry-after"], "all have passed", patient(15000));
    });

    test("sessions that exist, their polls and upgrades, and all that is no session are no newcomers", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { "connect-rate": 1, "api-key": "k" } });
        const [gateway, other] = site.gateways;
        const polling = await Polling.open([gateway, other]);
        t.after(() => polling.destroy());
        await crowd(gateway);
        await crowd(other);
        assert.equal((await polling.post([`40${JSON.stringify({ token: tokenOf("bob") })}`])).status, 200);
        assert.match((await polling.poll())[0], /^40/);
        for (const one of [gateway, other]) {
            assert.equal((await one.get("/healthz")).status, 200);
            assert.equal((await one.get("/player")).status, 200);
            const said = { method: "POST", headers: { "X-API-Key": "k" }, body: '{"event":"hello"}' };
            assert.equal((await one.get("/api/users/bob/events", said)).status, 200);
            await crowd(one);
        }
        assert.match((await polling.poll())[0], /^42\["hello"/);
        const wire = await Wire.open(other, { sid: polling.sid });
        t.after(() => wire.destroy());
        wire.send("2probe");
        assert.equal(await wire.next(), "3probe");
    });

    test("who may not come in at all takes nobody's place, and is not sent to wait", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "connect-rate": 1 } });
        const [gateway] = site.gateways;
        for (let i = 0; i < 5; i++) {
            assert.equal((await Player.refused(gateway, { token: "bad" })).status, 401);
        }
        const player = await site.player("carl", 0);
        assert.equal((await Player.refused(gateway, { token: "bad" })).status, 401);
        await player.hearsNothing();
    });
});
