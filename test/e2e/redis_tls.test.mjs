// rediss://: TLS to one Redis, where the build has it; a clear refusal where it has not. redis_tls_cluster and
// redis_tls_sentinel are about the other two.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { runOnce } from "./lib/gateway.mjs";
import { removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { changePosition, newTrack } from "./lib/scenario.mjs";
import { testSite } from "./lib/site.mjs";
import { certify, HAS_TLS, isRefused, unlessTls, verdict } from "./lib/tls.mjs";
import { SECRET } from "./lib/token.mjs";

// A site whose Redis speaks nothing but TLS.
async function tlsSite(t, { names, clients, gateways = 2 } = {}) {
    const tls = certify(t, names);
    const site = await testSite(t, { gateways, flags: { rate: 0 }, redis: { topology: "single", tls: { ...tls, clients } } });
    return { site, tls, url: site.redis.url };
}

describe("TLS to Redis", unlessTls, () => {
    test("carries everything: calls in order, publications, large ones too", async (t) => {
        const { site } = await tlsSite(t);
        const user = site.user();
        const [here, there] = [await site.player(user, 0), await site.player(user, 1)];
        here.send(newTrack(0));
        await there.receives(newTrack(0));
        for (let i = 1; i <= 500; i++) {
            here.send(changePosition(i, i));
        }
        for (let i = 1; i <= 500; i++) {
            await there.receives(changePosition(i, i));
        }
        const [ann, bob] = [await site.member("tls", 0), await site.member("tls", 1)];
        const long = "x".repeat(4096);
        for (let i = 0; i < 100; i++) {
            ann.say(long);
        }
        for (let i = 0; i < 100; i++) {
            await bob.hears("message", { text: long });
        }
    });

    test("comes back when Redis does", async (t) => {
        const { site } = await tlsSite(t);
        const user = site.user();
        const [here, there] = [await site.player(user, 0), await site.player(user, 1)];
        here.send(newTrack(0));
        await there.receives(newTrack(0));
        await site.redis.restart();
        await Promise.all(site.gateways.map((gateway) => gateway.ready()));
        const late = await site.player(user, 1);
        assert.equal(JSON.parse(late.first).track_id, 2);
    });

    test("wants a certificate that somebody vouches for, and for whom it called", async (t) => {
        const { url } = await tlsSite(t, { gateways: 0 });
        await isRefused(t, { redis: url }, /TLS: certificate verify failed: .*certificate/);
        const stranger = certify(t);
        await isRefused(t, { redis: url, "redis-ca": stranger.ca }, /TLS: certificate verify failed: .*certificate/);
        const other = await tlsSite(t, { gateways: 0, names: "DNS:elsewhere.example" });
        const flags = { "redis-ca": other.tls.ca };
        await isRefused(t, { redis: other.url, ...flags }, /TLS: certificate verify failed: IP address mismatch/);
        const byName = other.url.replace("127.0.0.1", "localhost");
        await isRefused(t, { redis: byName, ...flags }, /TLS: certificate verify failed: hostname mismatch/);
    });

    test("shows a certificate of its own where Redis wants one", async (t) => {
        const { site, tls, url } = await tlsSite(t, { clients: "yes", gateways: 0 });
        const redis = url.replace("127.0.0.1", "localhost");
        await isRefused(t, { redis, "redis-ca": tls.ca }, /TLS|closed|reset|certificate/);
        const gateway = await site.addGateway({ redis });
        const player = await site.player(site.user(), gateway);
        assert.match(player.first, /no_track_state/);
    });

    test("needs it at the other end", async (t) => {
        const site = await testSite(t, { gateways: 0, redis: { topology: "single" } });
        await isRefused(t, { redis: `rediss://127.0.0.1:${site.redis.port}` }, /TLS|no answer while connecting/);
    });

    test("is refused with files that are none", (t) => {
        const directory = temporaryDirectory();
        t.after(() => removeDirectory(directory));
        writeFileSync(join(directory, "empty.pem"), "");
        for (const [flag, file] of [
            ["redis-ca", "missing.pem"],
            ["redis-ca", "empty.pem"],
            ["redis-cert", "empty.pem"],
            ["redis-key", "empty.pem"],
        ]) {
            const args = ["--redis", "rediss://h", "--jwt-secret", SECRET, `--${flag}`, join(directory, file)];
            const run = runOnce([...args, "--check-config"]);
            assert.equal(run.code, 2, `${flag} ${file}`);
            assert.match(run.stderr, new RegExp(`^segue: --redis .*${file}: .+$`, "m"));
        }
    });
});

test("a build without TLS says so", { skip: HAS_TLS && "this build has it" }, () => {
    assert.equal(verdict.code, 2);
    assert.match(verdict.stderr, /^segue: --redis \(SEGUE_REDIS\): this build has no TLS for Redis: it needs hiredis 1\.0 or newer/m);
});
