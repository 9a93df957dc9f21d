// What can be asked about a room and said in it over HTTP, and tokens for LiveKit.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";

import { TokenVerifier } from "livekit-server-sdk";

import { ask, assertJson, assertRefused } from "./lib/api.mjs";
import { UUID } from "./lib/chat.mjs";
import { runOnce } from "./lib/gateway.mjs";
import { until } from "./lib/patience.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { mint, seconds, tokenOf } from "./lib/token.mjs";

const KEY = "server-key-1";
const LIVEKIT = {
    "livekit-key": "APIkey",
    "livekit-secret": "a-livekit-secret-that-nobody-may-see",
    "livekit-url": "wss://livekit.example",
};
const NAMES = ["a b", "x".repeat(65), "a.b", "\u00e9", "{a}", "a/b"];

describe("rooms over HTTP", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0, "api-key": KEY, ...LIVEKIT } });

    const look = (room, on = 1, options = {}) => ask(site.gateways[on], "GET", `/api/rooms/${room}`, options);
    const say = (room, body, on = 1, options = {}) =>
        ask(site.gateways[on], "POST", `/api/rooms/${room}/messages`, { key: KEY, body, ...options });
    const tokenFor = (room, body, options = {}) =>
        ask(site.gateways[0], "POST", `/api/rooms/${room}/livekit-token`, { body, ...options });

    describe("who is in", () => {
        test("a room that nobody made is empty", async () => {
            const room = site.room();
            assertJson(await look(room), 200, { roomId: room, members: [], count: 0 });
        });

        test("all members of all processes, as long as they are in", async () => {
            const ann = await site.member(site.room(), 0);
            const bob = await site.member(ann.room, 1);
            const sorted = async (on) => {
                const { members, ...rest } = (await look(ann.room, on)).json();
                return { ...rest, members: members.sort((a, b) => a.clientId.localeCompare(b.clientId)) };
            };
            const members = [{ clientId: ann.id }, { clientId: bob.id }].sort((a, b) =>
                a.clientId.localeCompare(b.clientId),
            );
            for (const on of [0, 1]) {
                assert.deepEqual(await sorted(on), { roomId: ann.room, members, count: 2 });
            }
            await bob.close();
            await ann.hears("joined");
            await ann.hears("left");
            assertJson(await look(ann.room), 200, { roomId: ann.room, members: [{ clientId: ann.id }], count: 1 });
        });

        test("looking makes no room", async () => {
            const room = site.room();
            await look(room);
            assert.deepEqual(await site.redis.call("KEYS", `*${room}*`), []);
        });

        for (const room of NAMES) {
            test(`a room called ${JSON.stringify(room).slice(0, 20)} is none`, async () => {
                const answer = await look(encodeURIComponent(room));
                assertRefused(answer, 400, "bad_request", /^room: /);
            });
        }

        test("whoever may enter may ask", async (t) => {
            assertRefused(await look(site.room(), 0, { token: "nonsense" }), 401, "unauthorized");
            const strict = await testSite(t, { gateways: 1, flags: { anonymous: "", ...LIVEKIT } });
            for (const [method, path] of [
                ["GET", "/api/rooms/a"],
                ["POST", "/api/rooms/a/livekit-token"],
            ]) {
                assertRefused(await ask(strict.gateways[0], method, path), 401, "unauthorized");
                const answer = await ask(strict.gateways[0], method, path, { token: tokenOf("ann") });
                assert.equal(answer.status, 200, answer.text);
            }
        });
    });

    describe("a message by the server", () => {
        test("is told to all members, from nobody, and becomes history", async () => {
            const ann = await site.member(site.room(), 0);
            const bob = await site.member(ann.room, 1);
            await ann.hears("joined");
            const answer = await say(ann.room, { text: "from above <b>", name: "The house" });
            assert.equal(answer.status, 200, answer.text);
            const { ok, id } = answer.json();
            assert.equal(ok, true);
            for (const member of [ann, bob]) {
                const { time, ...frame } = await member.hears("message");
                assert.match(time, /Z$/);
                assert.deepEqual(frame, {
                    type: "message",
                    clientId: null,
                    roomId: ann.room,
                    name: "The house",
                    text: "from above <b>",
                    id,
                });
            }
            assert.deepEqual((await site.member(ann.room)).texts, ["from above <b>"]);
        });

        test("is in order with the members' own", async () => {
            const ann = await site.member();
            for (let i = 0; i < 10; i++) {
                ann.say(`mine ${i}`);
                await ann.hears("message", { text: `mine ${i}` });
                assert.equal((await say(ann.room, { text: `yours ${i}` })).status, 200);
                await ann.hears("message", { text: `yours ${i}`, clientId: null });
            }
        });

        test("to a room without members is 404 and makes no room", async () => {
            const room = site.room();
            assertRefused(await say(room, { text: "x" }), 404, "not_found");
            const ann = await site.member(room);
            await ann.close();
            await until(async () => (await say(room, { text: "x" })).status === 404, "the room is empty");
            assert.deepEqual(await site.redis.call("KEYS", `*${room}*`), []);
        });

        test("needs a key", async () => {
            const { room } = await site.member();
            assertRefused(await say(room, { text: "x" }, 0, { key: "wrong" }), 401, "unauthorized");
            assert.ok([401, 403].includes((await say(room, { text: "x" }, 0, { key: undefined })).status));
            const token = tokenOf("ann");
            assert.ok([401, 403].includes((await say(room, { text: "x" }, 0, { key: undefined, token })).status));
        });

        for (const [body, field] of [
            [{}, /^text: /],
            [{ text: "" }, /^text: /],
            [{ text: 1 }, /^text: /],
            [{ text: "x".repeat(4097) }, /^text: /],
            [{ text: "x", name: "x".repeat(65) }, /^name: /],
            [{ text: "x", name: [] }, /^name: /],
            ["[]", /./],
            ["{", /./],
        ]) {
            test(`${JSON.stringify(body).slice(0, 40)} is refused, and nobody hears of it`, async () => {
                const ann = await site.member();
                assertRefused(await say(ann.room, body), 400, "bad_request", field);
                await ann.hearsNothing();
            });
        }
    });

    describe("a LiveKit token", () => {
        const verifier = new TokenVerifier(LIVEKIT["livekit-key"], LIVEKIT["livekit-secret"]);

        async function claimsOf(answer) {
            assert.equal(answer.status, 200, answer.text);
            assert.deepEqual(Object.keys(answer.json()), ["token", "url"]);
            assert.equal(answer.json().url, LIVEKIT["livekit-url"]);
            return verifier.verify(answer.json().token);
        }

        test("is what LiveKit's own SDK verifies: for that room, that identity, six hours", async () => {
            const room = site.room();
            const now = seconds();
            const claims = await claimsOf(await tokenFor(room, { identity: "ann", name: "Ann \u{1f3b5}" }));
            assert.equal(claims.iss, LIVEKIT["livekit-key"]);
            assert.equal(claims.sub, "ann");
            assert.equal(claims.name, "Ann \u{1f3b5}");
            assert.equal(typeof claims.jti, "string");
            assert.deepEqual(claims.video, { roomJoin: true, room });
            assert.ok(Math.abs(claims.nbf - now) <= 5, `${claims.nbf}`);
            assert.equal(claims.exp - claims.nbf, 6 * 3600);
        });

        test("is not verified with another secret or key", async () => {
            const { token } = (await tokenFor(site.room(), {})).json();
            await assert.rejects(new TokenVerifier(LIVEKIT["livekit-key"], "another-secret").verify(token));
            await assert.rejects(new TokenVerifier("another", LIVEKIT["livekit-secret"]).verify(token));
            const [header, payload, signature] = token.split(".");
            const own = createHmac("sha256", LIVEKIT["livekit-secret"]).update(`${header}.${payload}`);
            assert.equal(signature, own.digest("base64url"));
            assert.deepEqual(JSON.parse(Buffer.from(header, "base64url")), { alg: "HS256", typ: "JWT" });
        });

        test("without an identity gets one, new each time, and no name", async () => {
            const first = await claimsOf(await tokenFor(site.room(), {}));
            const second = await claimsOf(await tokenFor(site.room()));
            assert.match(first.sub, UUID);
            assert.notEqual(first.sub, second.sub);
            assert.ok(!("name" in first));
        });

        test("has the identity of the caller's token when there is one, whatever the body says", async () => {
            const token = tokenOf("it's ann \"\u00fc\"");
            const claims = await claimsOf(await tokenFor(site.room(), { identity: "eve", name: "A" }, { token }));
            assert.deepEqual([claims.sub, claims.name], ["it's ann \"\u00fc\"", "A"]);
        });

        test("of all lengths of an identity is well-formed", async () => {
            for (let length = 1; length <= 16; length++) {
                const claims = await claimsOf(await tokenFor("r", { identity: "\u{1f3b5}".repeat(length) }));
                assert.equal(claims.sub, "\u{1f3b5}".repeat(length));
            }
        });

        for (const [body, field] of [
            [{ identity: "" }, /^identity: /],
            [{ identity: 1 }, /^identity: /],
            [{ identity: "x".repeat(129) }, /^identity: .*128/],
            [{ identity: "\u{1f3b5}".repeat(33) }, /^identity: .*128/],
            [{ identity: "ann", name: "x".repeat(65) }, /^name: .*64/],
            [{ identity: "ann", name: 5 }, /^name: /],
            ['{"identity":"a\\u0000b"}', /./],
            ["[]", /./],
            ["nonsense", /./],
        ]) {
            test(`is not made for ${JSON.stringify(body).slice(0, 40)}`, async () => {
                assertRefused(await tokenFor(site.room(), body), 400, "bad_request", field);
            });
        }

        test("is not made for a bad room, or for a bad token", async () => {
            assertRefused(await tokenFor("a%20b", {}), 400, "bad_request", /^room: /);
            const expired = mint({ sub: "ann", exp: seconds(-60) });
            assertRefused(await tokenFor("a", {}, { token: expired }), 401, "unauthorized");
        });

        test("is refused with 404 not_configured where there is no key", async (t) => {
            const bare = await testSite(t, { gateways: 1 });
            const answer = await ask(bare.gateways[0], "POST", "/api/rooms/a/livekit-token", { body: {} });
            assertRefused(answer, 404, "not_configured");
        });
    });

    describe("the LiveKit flags", () => {
        test("go together", () => {
            for (const missing of Object.keys(LIVEKIT)) {
                const flags = Object.entries(LIVEKIT).filter(([name]) => name !== missing);
                const args = flags.flatMap(([name, value]) => [`--${name}`, value]);
                const { code, stderr } = runOnce([...args, "--check-config"]);
                assert.equal(code, 2, stderr);
                assert.match(stderr, /^segue: --livekit-key.*go together\n$/);
                assert.doesNotMatch(stderr, /nobody-may-see/);
            }
        });

        test("have twins in the environment, and the URL is of a WebSocket", () => {
            const env = {
                SEGUE_LIVEKIT_KEY: "k",
                SEGUE_LIVEKIT_SECRET: "s",
                SEGUE_LIVEKIT_URL: "ws://127.0.0.1:7880",
            };
            assert.equal(runOnce(["--check-config"], env).code, 0);
            for (const url of ["http://livekit.example", "livekit.example", "wss:/x"]) {
                const { code, stderr } = runOnce(["--check-config"], { ...env, SEGUE_LIVEKIT_URL: url });
                assert.equal(code, 2);
                assert.match(stderr, /livekit-url.*ws:\/\//);
            }
        });

        test("the secret is in no log and no page of metrics", async (t) => {
            const own = await testSite(t, { gateways: 1, flags: { "log-level": "debug", ...LIVEKIT } });
            const [gateway] = own.gateways;
            await ask(gateway, "POST", "/api/rooms/a/livekit-token", { body: {} });
            await ask(gateway, "POST", "/api/rooms/a/livekit-token", { body: { identity: 1 } });
            const { text } = await gateway.get("/");
            const metrics = await ask({ url: (path) => gateway.adminUrl(path) }, "GET", "/metrics");
            for (const shown of [gateway.log, text, metrics.text]) {
                assert.ok(!shown.includes(LIVEKIT["livekit-secret"]));
            }
        });
    });
});
