// Sentinels: the gateways find the master, and follow a failover, whether the old master is dead, demoted or hanging.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { allUse, playing } from "./lib/driver.mjs";
import { Gateway } from "./lib/gateway.mjs";
import { patient, until } from "./lib/patience.mjs";
import { newTrack } from "./lib/scenario.mjs";
import { testSite } from "./lib/site.mjs";
import { SECRET } from "./lib/token.mjs";
import { info } from "./lib/topology.mjs";

const WS = { transports: ["websocket"] };
const flags = { rate: 0, "api-key": "sentinel-key" };

function start(t, redis = {}) {
    return testSite(t, { flags, redis: { topology: "sentinel", ...redis } });
}

describe("sentinels", () => {
    test("name the master, with passwords for it and for them", async (t) => {
        const site = await start(t, { password: "the master's", sentinelPassword: "their own" });
        const user = site.user();
        const [here, there] = [await site.player(user, 0), await site.player(user, 1)];
        here.send(newTrack(0));
        await there.receives(newTrack(0));
        const master = await site.redis.master();
        assert.equal(await master.call("EXISTS", `segue:player:{${user}}`), 1);
        assert.doesNotMatch(site.gateways[0].log, /their own|the master/);
    });

    test("whose first is dead: the next is asked", async (t) => {
        const site = await start(t);
        await site.redis.sentinels[0].kill();
        const gateway = await site.addGateway();
        const user = site.user();
        const [here, there] = [await site.player(user, gateway), await site.player(user, 0)];
        here.send(newTrack(0));
        await there.receives(newTrack(0));
    });

    test("that do not know the name: away, and the log says so", async (t) => {
        const site = await start(t);
        const [sentinel] = site.redis.sentinels;
        const gateway = await Gateway.start({
            flags: { redis: `sentinel://127.0.0.1:${sentinel.port}/nobody`, "jwt-secret": SECRET },
            ready: false,
        });
        t.after(() => gateway.close());
        await until(() => /redis not found.*knows no master of that name/.test(gateway.log), "the log says so");
        assert.equal((await gateway.get("/readyz")).status, 503);
    });
});

describe("a failover", () => {
    test("because the master is dead: everybody is in step with the new one", async (t) => {
        const site = await start(t);
        const play = await playing(site);
        const before = await site.redis.master();
        await before.kill();
        const master = await site.redis.changed(before);
        await allUse(site, master);
        const { state, refused } = await play.stop();
        assert.ok(refused > 0, "what could not be applied was said to be");
        assert.equal(state.track_id, 2);
        await before.start(); // and it comes back, as a replica
        await until(async () => (await info(before, "replication")).role === "slave", "it follows", patient(20000));
        const again = await playing(site);
        assert.equal((await again.stop()).refused, 0);
    });

    test("by hand, the old master alive: nobody goes on writing to it", async (t) => {
        const site = await start(t);
        const play = await playing(site);
        const car = await site.client(site.user(), 0, WS);
        const master = await site.redis.failover();
        await allUse(site, master);
        const { state, sent } = await play.stop();
        assert.equal(state.last_sec_position, sent, "the last one is applied by the new master");
        assert.deepEqual(await car.ask("carplay_command", { command: "next" }), { ok: true });
    });

    test("because the master hangs: it is given up, and not written to when it wakes", async (t) => {
        const site = await start(t);
        const play = await playing(site);
        const before = await site.redis.master();
        before.freeze();
        const master = await site.redis.changed(before);
        await allUse(site, master);
        before.thaw();
        await until(async () => (await info(before, "replication")).role === "slave", "it follows", patient(20000));
        const { state, sent } = await play.stop();
        assert.equal(state.last_sec_position, sent);
    });
});
