// TLS to Redis: rediss://, sentinels:// and clusters://, where the build has it; a clear refusal where it has not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { Gateway, runOnce } from "./lib/gateway.mjs";
import { removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { until } from "./lib/patience.mjs";
import { freePort } from "./lib/redis.mjs";
import { changePosition, newTrack } from "./lib/scenario.mjs";
import { testSite } from "./lib/site.mjs";
import { SECRET } from "./lib/token.mjs";

const { code, stderr } = runOnce(["--redis", "rediss://127.0.0.1", "--jwt-secret", SECRET, "--check-config"]);
const has = code === 0;

function openssl(directory, ...args) {
    const run = spawnSync("openssl", args, { cwd: directory, encoding: "utf8" });
    assert.equal(run.status, 0, run.stderr);
}

// An authority, and a certificate of its for the names, which may serve both ends.
function certify(directory, names = "IP:127.0.0.1,DNS:localhost") {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    openssl(directory, "req", "-x509", ...key, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem");
    openssl(directory, "req", ...key, "-subj", "/CN=redis", "-keyout", "own.key", "-out", "own.csr");
    writeFileSync(join(directory, "names"), `subjectAltName=${names}\n`);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
    openssl(directory, "x509", "-req", "-in", "own.csr", "-days", "2", ...by, "-out", "own.pem");
    return ["ca.pem", "own.pem", "own.key"].map((name) => join(directory, name));
}

// A site whose Redis speaks TLS on a port of its own, and takes no plain connection over TCP from gateways.
async function tlsSite(t, { names, auth = "no", gateways = 2 } = {}) {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    const [ca, certificate, key] = certify(directory, names);
    const port = await freePort();
    const args = ["--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", ca];
    const site = await testSite(t, {
        gateways,
        flags: { rate: 0, redis: `rediss://127.0.0.1:${port}`, "redis-ca": ca },
        redis: { topology: "single", args: [...args, "--tls-auth-clients", auth] },
    });
    return { site, port, ca, certificate, key };
}

// A gateway whose log must say why Redis is down.
async function isRefused(t, flags, why) {
    const gateway = await Gateway.start({ flags: { "jwt-secret": SECRET, ...flags }, ready: false });
    t.after(() => gateway.close());
    await until(() => gateway.log.split("\n").some((line) => /redis down/.test(line) && why.test(line)), () => gateway.log);
    assert.equal((await gateway.get("/readyz")).status, 503);
}

describe("TLS to Redis", { skip: !has && "this build has none" }, () => {
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
        const { port } = await tlsSite(t, { gateways: 0 });
        await isRefused(t, { redis: `rediss://127.0.0.1:${port}` }, /certificate verify failed/);
        const other = await tlsSite(t, { gateways: 0, names: "DNS:elsewhere.example" });
        const redis = `rediss://127.0.0.1:${other.port}`;
        await isRefused(t, { redis, "redis-ca": other.ca }, /certificate verify failed/);
    });

    test("shows a certificate of its own where Redis wants one", async (t) => {
        const { site, port, ca, certificate, key } = await tlsSite(t, { auth: "yes", gateways: 0 });
        const redis = `rediss://localhost:${port}`;
        await isRefused(t, { redis, "redis-ca": ca }, /TLS|closed|reset|certificate/);
        const gateway = await site.addGateway({ redis, "redis-ca": ca, "redis-cert": certificate, "redis-key": key });
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

test("a build without TLS says so", { skip: has && "this build has it" }, () => {
    assert.equal(code, 2);
    assert.match(stderr, /^segue: --redis \(SEGUE_REDIS\): this build has no TLS for Redis: it needs hiredis 1\.0 or newer/m);
});
