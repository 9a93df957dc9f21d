// TLS: an authority of a test's own, what it vouches for, and gateways that do not believe it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Gateway, runOnce } from "./gateway.mjs";
import { removeDirectory, temporaryDirectory } from "./keeper.mjs";
import { until } from "./patience.mjs";
import { SECRET } from "./token.mjs";

// What the build says to TLS: {code, stderr}; and whether it has it.
export const verdict = runOnce(["--redis", "rediss://127.0.0.1", "--jwt-secret", SECRET, "--check-config"]);
export const HAS_TLS = verdict.code === 0;
export const unlessTls = { skip: !HAS_TLS && "this build has none" };

function openssl(directory, ...args) {
    const run = spawnSync("openssl", args, { cwd: directory, encoding: "utf8" });
    assert.equal(run.status, 0, run.stderr);
}

// An authority, and a certificate of its for the names, which may serve both ends: {ca, certificate, key}, names of files
// that are gone with the test.
export function certify(t, names = "IP:127.0.0.1,DNS:localhost") {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    openssl(directory, "req", "-x509", ...key, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem");
    openssl(directory, "req", ...key, "-subj", "/CN=redis", "-keyout", "own.key", "-out", "own.csr");
    writeFileSync(join(directory, "names"), `subjectAltName=${names}\n`);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
    openssl(directory, "x509", "-req", "-in", "own.csr", "-days", "2", ...by, "-out", "own.pem");
    const [ca, certificate, own] = ["ca.pem", "own.pem", "own.key"].map((name) => join(directory, name));
    return { ca, certificate, key: own };
}

// A gateway whose log must say why it has no Redis.
export async function isRefused(t, flags, why) {
    const gateway = await Gateway.start({ flags: { "jwt-secret": SECRET, ...flags }, ready: false });
    t.after(() => gateway.close());
    const says = (line) => /redis (down|not found)/.test(line) && why.test(line);
    await until(() => gateway.log.split("\n").some(says), () => `${why} in its log:\n${gateway.log}`);
    assert.equal((await gateway.get("/readyz")).status, 503);
    return gateway;
}
