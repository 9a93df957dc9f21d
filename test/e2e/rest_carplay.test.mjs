// The car's requests: commands to a user's devices and what plays now, from any process.

import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";

import { ask, assertJson, assertRefused } from "./lib/api.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { newTrack, onPause } from "./lib/scenario.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { seconds, SECRET, tokenOf } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";

const CONTROL = "/api/carplay/control";
const PLAYING = "/api/carplay/now-playing";
const ORIGIN = "https://car.example";
const OTHER = "https://evil.example";
const MAX_MESSAGE = 16384;

const nothing = (userId) => ({ userId, isPlaying: false, currentTime: 0, duration: 0, mediaId: null });

describe("carplay", () => {
    const site = suiteSite({ flags: { rate: 0, origins: ORIGIN } });

    const control = (user, body, on = 0, options = {}) =>
        ask(site.gateways[on], "POST", CONTROL, { token: tokenOf(user), body, ...options });
    const playing = (user, on = 1, options = {}) =>
        ask(site.gateways[on], "GET", PLAYING, { token: tokenOf(user), ...options });

    // A device of the user on the first process that has started a track.
    async function startTrack(user, track) {
        const player = await site.player(user, 0);
        await site.apply(user, player, newTrack(0, { track }));
        return player;
    }

    // What Redis keeps of the user's commands.
    async function commandsOf(user) {
        const entries = await site.redis.call("XRANGE", `segue:events:{${user}}`, "-", "+");
        return entries.map(([, fields]) => JSON.parse(`[${fields[fields.indexOf("b") + 1]}]`));
    }

    describe("now-playing", () => {
        test("with no state says that nothing plays", async () => {
            const user = site.user();
            assertJson(await playing(user), 200, nothing(user));
        });

        test("the user is a number when the text is one", async () => {
            for (const [sub, userId] of [
                [42, 42],
                ["42", 42],
                ["042", "042"],
                ["9007199254740993", "9007199254740993"],
                ["it's \"ü\" {x}", "it's \"ü\" {x}"],
            ]) {
                assertJson(await playing(sub), 200, nothing(userId));
            }
        });

        test("tells the track and where it is now, on every process", async () => {
            const user = site.user();
            await startTrack(user, "song");
            const first = (await playing(user, 0)).json();
            await sleep(300);
            const second = (await playing(user, 1)).json();
            assert.deepEqual(
                { ...second, currentTime: 0 },
                { userId: user, isPlaying: true, currentTime: 0, duration: 0, mediaId: "song" },
            );
            const went = second.currentTime - first.currentTime;
            assert.ok(went >= 0.29 && went < patient(2000) / 1000, `${went} s went by`);
        });

        test("a paused track stands", async () => {
            const user = site.user();
            const player = await startTrack(user, 7);
            await site.apply(user, player, onPause(12));
            const state = { userId: user, isPlaying: false, currentTime: 12, duration: 0, mediaId: 7 };
            assertJson(await playing(user, 0), 200, state);
            await sleep(50);
            assertJson(await playing(user, 1), 200, state);
        });

        test("asking makes nobody a device", async () => {
            const user = site.user();
            await playing(user);
            assertJson(await control(user, { command: "next" }), 200, { ok: true, devices: 0 });
        });

        test("HEAD tells the head alone", async () => {
            const raw = await site.raw();
            const token = tokenOf(site.user());
            await raw.request(`HEAD ${PLAYING} HTTP/1.1`, [`Authorization: Bearer ${token}`]);
            const answer = await raw.response({ bodiless: true });
            assert.equal(answer.status, 200);
            assert.ok(Number(answer.headers["content-length"]) > 20);
            await raw.request("GET /healthz HTTP/1.1");
            assert.equal((await raw.response()).text, "ok\n");
        });
    });

    describe("control", () => {
        test("reaches the devices on all processes, and counts them", async () => {
            const user = site.user();
            const here = await startTrack(user, 1);
            const there = await site.player(user, 1);
            assertJson(await control(user, { command: "pause", value: null }, 1), 200, { ok: true, devices: 2 });
            for (const player of [here, there]) {
                assert.equal((await player.nextJson()).type_push_state, "on_pause");
            }
            assertJson(await control(user, { command: "seek", value: 61.5 }, 0), 200, { ok: true, devices: 2 });
            for (const player of [here, there]) {
                const message = await player.nextJson();
                assert.deepEqual([message.type_push_state, message.last_sec_position], ["change_position", 61.5]);
            }
            assert.equal((await playing(user)).json().currentTime, 61.5);
            assertJson(await control(user, { command: "play" }), 200, { ok: true, devices: 2 });
            for (const player of [here, there]) {
                assert.equal((await player.nextJson()).type_push_state, "off_pause");
            }
            assert.equal((await playing(user)).json().isPlaying, true);
        });

        test("keeps every command as it was said, for whoever missed it", async () => {
            const user = site.user();
            await control(user, { command: "play", value: null, userId: "somebody else" });
            await control(user, { command: "seek", value: 0 }, 1);
            await control(user, { command: "next" });
            assert.deepEqual(await commandsOf(user), [
                ["carplay_command", { command: "play" }],
                ["carplay_command", { command: "seek", value: 0 }],
                ["carplay_command", { command: "next" }],
            ]);
        });

        test("with no state changes no state", async () => {
            const user = site.user();
            assertJson(await control(user, { command: "play" }), 200, { ok: true, devices: 0 });
            assertJson(await playing(user), 200, nothing(user));
        });

        test("a track that nobody hears is not played on by a command", async (t) => {
            const quick = { "ping-interval": 100, "ping-timeout": 100, "orphan-grace": 1 };
            const own = await testSite(t, { gateways: 1, flags: quick });
            const user = own.user();
            const player = await own.player(user);
            player.send(newTrack(0));
            await until(
                async () => (await ask(own.gateways[0], "GET", PLAYING, { token: tokenOf(user) })).json().isPlaying,
                "the track plays",
            );
            await player.close();
            await sleep(1500);
            const token = tokenOf(user);
            await ask(own.gateways[0], "POST", CONTROL, { token, body: { command: "next" } });
            const state = (await ask(own.gateways[0], "GET", PLAYING, { token })).json();
            assert.equal(state.isPlaying, false);
            assert.ok(state.currentTime < 1.4, `stands at ${state.currentTime}`);
        });
    });

    describe("bad input", () => {
        const seek = /^value: must be a number of seconds/;
        const rows = [
            ["", "bad_request", /^command: is missing/],
            ["{}", "bad_request", /^command: is missing/],
            ["{", "bad_request", /./],
            ["null", "bad_request", /JSON object/],
            ["[]", "bad_request", /JSON object/],
            ['"play"', "bad_request", /JSON object/],
            ['{"command":"play"} x', "bad_request", /./],
            ['{"command":"play",}', "bad_request", /./],
            [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "bad_request", /./],
            ["[".repeat(2000), "bad_request", /./],
            [{ command: null }, "bad_request", /^command: must be a string/],
            [{ command: 1 }, "bad_request", /^command: must be a string/],
            [{ command: ["play"] }, "bad_request", /^command: must be a string/],
            [{ command: "" }, "bad_request", /^command: must be play, pause/],
            [{ command: "PLAY" }, "bad_request", /^command: must be play, pause/],
            [{ command: "stop" }, "bad_request", /^command: must be play, pause/],
            [{ command: "seek" }, "bad_request", seek],
            [{ command: "seek", value: null }, "bad_request", seek],
            [{ command: "seek", value: "30" }, "bad_request", seek],
            [{ command: "seek", value: true }, "bad_request", seek],
            [{ command: "seek", value: {} }, "bad_request", seek],
            [{ command: "seek", value: -1 }, "bad_request", seek],
            ['{"command":"seek","value":1e17}', "bad_request", seek],
            ['{"command":"seek","value":1e999}', "bad_request", /./],
            [{ command: "play", value: "30" }, "bad_request", /^value: must be a number/],
            ['{"command":"play","command":"pause"}', "bad_request", /^command: stands there twice/],
        ];

        test("is refused with the field named, and changes nothing", async () => {
            const user = site.user();
            const player = await startTrack(user, 1);
            const before = (await playing(user)).json();
            for (const [body, error, message] of rows) {
                const answer = await control(user, body);
                assertRefused(answer, 400, error, message);
            }
            assert.deepEqual(await commandsOf(user), []);
            const after = (await playing(user)).json();
            assert.deepEqual({ ...after, currentTime: 0 }, { ...before, currentTime: 0 });
            await player.hearsNothing();
        });

        test("a connection serves on after every refusal", async () => {
            const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
            const user = site.user();
            const ports = new Set();
            agent.on("free", (socket) => ports.add(socket.localPort));
            for (const [body] of rows) {
                assert.equal((await control(user, body, 0, { agent })).status, 400);
                assert.equal((await playing(user, 0, { agent })).status, 200);
            }
            agent.destroy();
            assert.equal(ports.size, 1, "one connection carried all of it");
        });

        test("refusals come in their order: 404, 405, 401, 403, 413, 400", async () => {
            const [gateway] = site.gateways;
            const large = "x".repeat(100 * 1024);
            const evil = { Origin: OTHER };
            const token = tokenOf(site.user());
            assertRefused(await ask(gateway, "PUT", "/api/carplay", { body: large, headers: evil }), 404, "not_found");
            assertRefused(await ask(gateway, "POST", `${CONTROL}/`, { token, body: "{}" }), 404, "not_found");
            for (const [method, path, allow] of [
                ["GET", CONTROL, "POST, OPTIONS"],
                ["HEAD", CONTROL, "POST, OPTIONS"],
                ["DELETE", CONTROL, "POST, OPTIONS"],
                ["POST", PLAYING, "GET, HEAD, OPTIONS"],
                ["PUT", PLAYING, "GET, HEAD, OPTIONS"],
            ]) {
                const answer = await ask(gateway, method, path, { headers: evil, body: method === "PUT" ? large : "" });
                assert.equal(answer.status, 405, `${method} ${path}`);
                assert.equal(answer.headers.allow, allow);
            }
            assertRefused(await ask(gateway, "POST", CONTROL, { token, body: large, headers: evil }), 403, "forbidden");
            assertRefused(await ask(gateway, "POST", CONTROL, { body: large }), 401, "unauthorized", /token is needed/);
            assertRefused(await ask(gateway, "POST", CONTROL, { token: "x", body: large }), 401, "unauthorized");
            const expired = tokenOf("u", { claims: { exp: seconds(-60) } });
            assertRefused(await ask(gateway, "GET", PLAYING, { token: expired }), 401, "unauthorized", /expired/);
            assertRefused(await ask(gateway, "POST", CONTROL, { token, body: large }), 413, "too_large");
            assertRefused(await ask(gateway, "POST", CONTROL, { token, body: "{" }), 400, "bad_request");
        });

        test("--max-message counts to the byte, chunked or not", async () => {
            const user = site.user();
            const body = '{"command":"next"}';
            for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
                const fits = await control(user, body.padEnd(MAX_MESSAGE), 0, { headers });
                assert.equal(fits.status, 200, fits.text);
                const more = await control(user, body.padEnd(MAX_MESSAGE + 1), 0, { headers });
                assertRefused(more, 413, "too_large");
            }
            assert.equal((await commandsOf(user)).length, 2);
        });

        test("who sends megabytes can read why they are not taken", async () => {
            const body = Buffer.alloc(4 << 20, "x");
            for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
                assertRefused(await control(site.user(), body, 0, { headers }), 413, "too_large");
                const unknown = await ask(site.gateways[0], "POST", "/api/nothing", { body, headers });
                assertRefused(unknown, 404, "not_found");
            }
        });

        test("who waits for 100 Continue is told before he sends", async () => {
            const raw = await site.raw();
            const token = tokenOf(site.user());
            const fields = ["Expect: 100-continue", "Content-Length: 18"];
            await raw.request(`POST ${CONTROL} HTTP/1.1`, [...fields, `Authorization: Bearer ${token}`]);
            assert.equal((await raw.response()).status, 100);
            await raw.write('{"command":"next"}');
            assert.equal((await raw.response()).status, 200);
            await raw.request(`POST ${CONTROL} HTTP/1.1`, [...fields, "Authorization: Bearer x"]);
            assert.equal((await raw.response()).status, 401);
        });
    });

    describe("pages of other origins", () => {
        const preflight = (origin, path = CONTROL) =>
            ask(site.gateways[0], "OPTIONS", path, {
                headers: {
                    Origin: origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,content-type",
                },
            });
        const corsOf = (answer) =>
            Object.fromEntries(
                Object.entries(answer.headers).filter(([name]) => name.startsWith("access-control-")),
            );
        const granted = { "access-control-allow-origin": ORIGIN, "access-control-allow-credentials": "true" };

        test("an allowed one may ask, and read answers and refusals", async () => {
            const answer = await preflight(ORIGIN);
            assert.equal(answer.status, 204);
            assert.deepEqual(corsOf(answer), {
                ...granted,
                "access-control-allow-methods": "POST, OPTIONS",
                "access-control-allow-headers": "authorization, content-type",
                "access-control-max-age": "600",
            });
            const headers = { Origin: ORIGIN };
            const user = site.user();
            for (const [got, status] of [
                [await playing(user, 0, { headers }), 200],
                [await control(user, "{", 0, { headers }), 400],
                [await ask(site.gateways[0], "POST", CONTROL, { headers }), 401],
                [await ask(site.gateways[0], "PUT", CONTROL, { headers }), 405],
                [await control(user, "x".repeat(100000), 0, { headers }), 413],
            ]) {
                assert.equal(got.status, status);
                assert.deepEqual(corsOf(got), granted);
                assert.equal(got.headers.vary, "Origin");
            }
        });

        test("another one is refused and granted nothing", async () => {
            const user = site.user();
            const headers = { Origin: OTHER };
            for (const got of [
                await preflight(OTHER),
                await preflight(`${ORIGIN}.evil.example`),
                await preflight("null"),
                await control(user, { command: "play" }, 0, { headers }),
                await playing(user, 0, { headers }),
            ]) {
                assertRefused(got, 403, "forbidden", /origin/);
                assert.deepEqual(corsOf(got), {});
                assert.equal(got.headers.vary, "Origin");
            }
            assert.deepEqual(await commandsOf(user), []);
        });

        test("programs without an origin are served, and caches are told", async () => {
            const answer = await playing(site.user());
            assert.equal(answer.status, 200);
            assert.deepEqual(corsOf(answer), {});
            assert.equal(answer.headers.vary, "Origin");
        });

        test("with --origins * every origin is named as it is, never as a star", async (t) => {
            const own = await testSite(t, { gateways: 1 });
            const token = tokenOf("u");
            const answer = await ask(own.gateways[0], "GET", PLAYING, { token, headers: { Origin: OTHER } });
            assert.deepEqual(corsOf(answer), { ...granted, "access-control-allow-origin": OTHER });
        });
    });

    test("requests are counted, and so is what was refused", async () => {
        const [gateway] = site.gateways;
        const before = await gateway.metrics();
        await playing(site.user(), 0);
        await control(site.user(), { command: "stop" });
        await ask(gateway, "GET", PLAYING);
        const after = await gateway.metrics();
        const more = (name, labels) => (after.get(name, labels) ?? 0) - (before.get(name, labels) ?? 0);
        assert.equal(more("segue_messages_received_total", { protocol: "api" }), 2);
        assert.equal(more("segue_messages_sent_total", { protocol: "api" }), 2);
        assert.equal(more("segue_rejected_total", { reason: "bad_request" }), 1);
        assert.equal(more("segue_rejected_total", { reason: "unauthorized" }), 1);
    });

    test("while Redis is away: 503 with Retry-After on a connection that stays", async (t) => {
        const own = await testSite(t, { gateways: 0, redis: SINGLE });
        const proxy = await Proxy.open(own.redis.port);
        t.after(() => proxy.close());
        const gateway = await own.addGateway({ redis: proxy.url });
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        t.after(() => agent.destroy());
        const token = tokenOf("u");
        const both = async () => [
            await ask(gateway, "GET", PLAYING, { token, agent }),
            await ask(gateway, "POST", CONTROL, { token, agent, body: { command: "play" } }),
        ];
        for (const answer of await both()) {
            assert.equal(answer.status, 200);
        }
        proxy.cut();
        await until(async () => (await gateway.get("/readyz")).status === 503, "/readyz says 503");
        for (const answer of await both()) {
            assertRefused(answer, 503, "unavailable");
            assert.match(answer.headers["retry-after"], /^\d+$/);
        }
        assertRefused(await ask(gateway, "POST", CONTROL, { token, agent, body: "{" }), 400, "bad_request");
        assertRefused(await ask(gateway, "GET", PLAYING, { agent }), 401, "unauthorized");
        proxy.restore();
        await gateway.ready();
        for (const answer of await both()) {
            assert.equal(answer.status, 200, answer.text);
        }
    });

    test("a Redis that says nothing is not waited for longer than --connect-timeout", async (t) => {
        const own = await testSite(t, { gateways: 0, redis: SINGLE });
        const proxy = await Proxy.open(own.redis.port);
        t.after(() => proxy.close());
        const gateway = await own.addGateway({ redis: proxy.url, "connect-timeout": 500 });
        proxy.hang();
        const answer = await ask(gateway, "GET", PLAYING, { token: tokenOf("u") });
        assertRefused(answer, 503, "unavailable");
        proxy.restore();
    });

    test("other ways to bring the token", async () => {
        const user = site.user();
        const token = tokenOf(user, { key: SECRET });
        const [gateway] = site.gateways;
        for (const [path, headers] of [
            [`${PLAYING}?token=${token}`, {}],
            [PLAYING, { Cookie: `token=${token}` }],
        ]) {
            assertJson(await ask(gateway, "GET", path, { headers }), 200, nothing(user));
        }
    });
});
