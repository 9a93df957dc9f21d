// A long backlog for a client that comes back: more than --max-queue holds, so that it is told in several parts, each when
// there is room again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ask } from "./lib/api.mjs";
import { connect, eventOf } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";
import { Wires } from "./lib/wires.mjs";

const EVENTS = 90;
const ROUNDS = 8;

test("all of it comes, however slowly Redis answers the reads of one round", async (t) => {
    const flags = { rate: 0, "api-key": "key", "max-queue": 16384 };
    const site = await testSite(t, { gateways: 1, flags, redis: SINGLE }); // what stands in between is before one server
    const wires = await Wires.open([site.redis.port]);
    t.after(() => wires.close());
    const far = await site.addGateway({ redis: `redis://127.0.0.1:${wires.port}` });
    wires.chop(8192, 1); // the parts of an answer come one after the other
    const user = site.user();
    const first = await site.wireOf(user, 0, { auth: { recovery: true } });
    await ask(site.gateways[0], "POST", `/api/users/${user}/events`, { key: "key", body: { event: "first" } });
    const offset = eventOf(await first.next()).at(-1);
    const { pid } = first.socket;
    await first.close();
    const operations = Array.from({ length: EVENTS }, (_, i) => ({
        path: `/api/users/${user}/events`,
        body: { event: "more", data: [i, "x".repeat(4000)] },
    }));
    const answer = await ask(site.gateways[0], "POST", "/api/batch", { key: "key", body: { operations } });
    assert.equal(answer.status, 200);
    for (let round = 0; round < ROUNDS; round++) {
        const wire = await site.wire(far);
        await connect(wire, { token: tokenOf(user), recovery: true, pid, offset });
        for (let i = 0; i < EVENTS; i++) {
            assert.equal(eventOf(await wire.next())[1][0], i, `round ${round}`);
        }
        await wire.close();
    }
});
