// scripts/token: what it mints is what any JWT library would have minted.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { Redis } from "../e2e/lib/redis.mjs";
import { run } from "./lib/script.mjs";

const SECRET = "a secret";

// The claims of the token, whose signature must be right.
function minted(args, secret = SECRET) {
    const { code, stdout, stderr } = run("token", args, { SEGUE_JWT_SECRET: secret });
    assert.equal(code, 0, stderr);
    const [head, body, signature] = stdout.trim().split(".");
    const right = createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
    assert.equal(signature, right, `signature with a key of ${Buffer.byteLength(secret)} bytes`);
    assert.deepEqual(JSON.parse(Buffer.from(head, "base64url")), { alg: "HS256", typ: "JWT" });
    return JSON.parse(Buffer.from(body, "base64url"));
}

test("the signature is HMAC-SHA256 for keys below, at and above the size of a block, whatever bytes they have", () => {
    const keys = ["k", "x".repeat(63), "x".repeat(64), "x".repeat(65), "x".repeat(300), "ключ \\x41 %s $HOME `id` '\"", "0011"];
    for (const key of keys) {
        assert.equal(minted(["alice"], key).sub, "alice");
    }
});

test("a token lasts a day, or as long as --expires says", () => {
    const day = minted(["alice"]);
    assert.equal(day.exp - day.iat, 86400);
    assert.ok(Math.abs(day.iat - Date.now() / 1000) < 60);
    const minute = minted(["--expires", "60", "alice"]);
    assert.equal(minute.exp - minute.iat, 60);
});

test("the user's name arrives as it is, also with quotes, backslashes and letters of any alphabet", () => {
    for (const user of ['a"b', "a\\b", "}{: %d", "Жанна д’Арк", "-", "42", "\\u0041"]) {
        assert.equal(minted(["--", user]).sub, user);
    }
});

test("claims can be chosen: a number, another name, issuer and audience", () => {
    assert.equal(minted(["--integer", "42"]).sub, 42);
    assert.equal(minted(["--claim", "userId", "alice"]).userId, "alice");
    const { iss, aud } = minted(["--issuer", "me", "--audience", "you", "alice"]);
    assert.deepEqual([iss, aud], ["me", "you"]);
});

test("what makes no token is refused with a sentence and exit code 2", () => {
    const refused = [[], ["a", "b"], ["a\nb"], ["--integer", "x"], ["--integer", "007"], ["--expires", "0", "a"], ["--what", "a"], ["--claim"]];
    for (const args of refused) {
        const { code, stdout, stderr } = run("token", args, { SEGUE_JWT_SECRET: SECRET });
        assert.equal(code, 2, `token ${JSON.stringify(args)}`);
        assert.equal(stdout, "");
        assert.match(stderr, /^token: .+\n$/);
    }
});

test("without a key, and with nobody running who has one, it says what to do", () => {
    const { code, stderr } = run("token", ["--port", "1", "alice"]);
    assert.equal(code, 1);
    assert.match(stderr, /SEGUE_JWT_SECRET/);
});

test("a gateway takes the token for the user that it names", async (t) => {
    const redis = await Redis.start();
    t.after(() => redis.close());
    const gateway = await Gateway.start({ flags: { redis: redis.url }, env: { SEGUE_JWT_SECRET: SECRET } });
    t.after(() => gateway.close());
    const { stdout } = run("token", ["alice"], { SEGUE_JWT_SECRET: SECRET });
    const player = await Player.open(gateway, { token: stdout.trim() });
    assert.deepEqual(JSON.parse(player.first), { type_push_state: "no_track_state" });
    await player.close();
});
