// sentinels://: sentinels, a master and its replica where nothing listens without TLS. What may be said and lost in a failover
// is the business of redis_sentinel; here it happens under TLS.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { allUse, isServed, playing } from "./lib/driver.mjs";
import { patient, until } from "./lib/patience.mjs";
import { testSite } from "./lib/site.mjs";
import { certify, isRefused, unlessTls } from "./lib/tls.mjs";
import { info } from "./lib/topology.mjs";

function start(t, { tls = certify(t), gateways = 2, ...redis } = {}) {
    return testSite(t, { gateways, flags: { rate: 0 }, redis: { topology: "sentinel", tls, ...redis } });
}

describe("sentinels over TLS", unlessTls, () => {
    test("name the master, and the next one when it dies under load, and one more by hand", async (t) => {
        const site = await start(t, { password: "the master's", sentinelPassword: "their own" });
        const play = await playing(site);
        const before = await site.redis.master();
        await before.kill();
        await allUse(site, await site.redis.changed(before));
        const { state, refused } = await play.stop();
        assert.ok(refused > 0, "what could not be applied was said to be");
        assert.equal(state.track_id, 2);
        await before.start(); // it comes back as a replica, and has all before it is to be master again
        await until(async () => (await info(before, "replication")).master_link_status === "up", "it follows", patient(20000));
        const again = await playing(site);
        await allUse(site, await site.redis.failover());
        const after = await again.stop();
        assert.equal(after.state.last_sec_position, after.sent, "the last one is applied by the new master");
        await isServed(site);
        site.gateways.forEach(({ log }) => assert.doesNotMatch(log, /their own|the master's/));
    });

    test("that announce names are believed by them", async (t) => {
        const tls = { ...certify(t, "DNS:localhost"), clients: "yes" };
        const site = await start(t, { tls, host: "localhost", gateways: 0 });
        await Promise.all([site.addGateway(), site.addGateway()]);
        await isServed(site);
        await allUse(site, await site.redis.failover());
        await isServed(site);
    });

    test("or their master, are not believed on the word of a stranger, or under another name", async (t) => {
        const site = await start(t, { gateways: 0 });
        const redis = site.redis.url;
        await isRefused(t, { redis, "redis-ca": certify(t).ca }, /redis not found .*TLS: certificate verify failed: .*certificate/);
        const named = await start(t, { tls: certify(t, "DNS:localhost"), gateways: 0 });
        const byName = { redis: named.redis.url.replaceAll("127.0.0.1", "localhost"), ...named.redis.gatewayFlags };
        await isRefused(t, byName, /redis down redis=127\.0\.0\.1:.*verify failed: IP address mismatch/);
    });
});
