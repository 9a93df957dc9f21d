// clusters://: a Redis Cluster where nothing listens without TLS. What may be said and lost when a master dies or a slot
// moves is the business of redis_cluster; here it happens under TLS.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { allWhole, isServed, playing, redisUp, userOn } from "./lib/driver.mjs";
import { sleep, SLOW, until } from "./lib/patience.mjs";
import { testSite } from "./lib/site.mjs";
import { certify, isRefused, unlessTls } from "./lib/tls.mjs";
import { info } from "./lib/topology.mjs";

function start(t, { tls = certify(t), gateways = 2, ...redis } = {}) {
    return testSite(t, { gateways, flags: { rate: 0 }, redis: { topology: "cluster", tls, ...redis } });
}

describe("a cluster over TLS", unlessTls, () => {
    test("serves users on every master, on both processes, to whom it knows by password and certificate", async (t) => {
        const args = ["--user", "segue", "on", ">sesame", "~*", "&*", "+@all"];
        const site = await start(t, { tls: { ...certify(t), clients: "yes" }, args, gateways: 0 });
        const redis = site.redis.url.replace("://", "://segue:sesame@");
        await Promise.all([site.addGateway({ redis }), site.addGateway({ redis })]);
        for (const server of await site.redis.owners()) {
            await isServed(site, await userOn(site, server));
            assert.match(await server.call("CLIENT", "LIST"), / user=segue /);
        }
        const { "redis-ca": ca, ...shown } = site.redis.gatewayFlags;
        await isRefused(t, { redis, "redis-ca": ca }, /TLS|closed|reset|certificate/);
        const wrong = redis.replace("sesame", "guessed");
        const gateway = await isRefused(t, { redis: wrong, "redis-ca": ca, ...shown }, /WRONGPASS/);
        assert.doesNotMatch(gateway.log, /guessed/);
    });

    test("whose master dies under load: its replica is followed, users of other masters notice nothing", async (t) => {
        const site = await start(t, { replicas: 1, timeout: 1000 });
        const [victim, other] = await site.redis.owners();
        const user = await userOn(site, victim);
        const [hit, safe] = [await playing(site, user), await playing(site, await userOn(site, other))];
        await victim.kill();
        await until(async () => (await redisUp(site.gateways[0])) === 0, "the shard is away");
        await allWhole(site);
        const [ofHit, ofSafe] = await Promise.all([hit.stop(), safe.stop()]);
        assert.ok(ofHit.refused > 0, "what could not be applied was said to be");
        assert.equal(ofHit.state.track_id, 2);
        assert.equal(ofSafe.refused, 0);
        assert.equal(ofSafe.state.last_sec_position, ofSafe.sent, "all of it is applied");
        await victim.start();
        await site.redis.settled();
        await isServed(site, await userOn(site, (await site.redis.ownerOf(`segue:player:{${user}}`)).server));
    });

    const byName = ["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"];
    for (const { how, host, names, args } of [
        { how: "that announces addresses", host: "127.0.0.1", names: "IP:127.0.0.1", args: [] },
        { how: "that announces names", host: "localhost", names: "DNS:localhost", args: byName },
    ]) {
        test(`${how} is believed by them, also when it redirects calls under load`, async (t) => {
            const site = await start(t, { tls: certify(t, names), args, gateways: 0 });
            const redis = site.redis.url.replaceAll("127.0.0.1", host);
            await Promise.all([site.addGateway({ redis }), site.addGateway({ redis })]);
            const user = site.user();
            const { slot, server } = await site.redis.ownerOf(`segue:player:{${user}}`);
            const [next, last] = (await site.redis.owners()).filter((one) => one !== server);
            const play = await playing(site, user);
            for (const [from, to] of [
                [server, next],
                [next, last],
            ]) {
                await site.redis.move(slot, from, to, { between: () => sleep(30) });
                await sleep(300 * SLOW);
                assert.ok((await info(from, "errorstats")).errorstat_MOVED, "calls were redirected");
            }
            const { state, refused, sent } = await play.stop();
            assert.equal(refused, 0, "moves take a moment, not an answer");
            assert.equal(state.last_sec_position, sent);
        });
    }

    test("that announces what its certificates are not for is not believed", async (t) => {
        const site = await start(t, { tls: certify(t, "DNS:localhost"), gateways: 0 });
        const redis = site.redis.url.replaceAll("127.0.0.1", "localhost");
        await isRefused(t, { redis, ...site.redis.gatewayFlags }, /redis down redis=127\.0\.0\.1:.*verify failed: IP address mismatch/);
    });

    test("is not believed on the word of a stranger, and nobody comes in without TLS", async (t) => {
        const site = await start(t, { gateways: 0 });
        const redis = site.redis.url;
        await isRefused(t, { redis, "redis-ca": certify(t).ca }, /redis not found .*TLS: certificate verify failed: .*certificate/);
        await isRefused(t, { redis: redis.replace("clusters", "cluster") }, /redis not found .*(closed|reset)/);
    });
});
