// A process while it runs and when it ends: what it logs, and how it leaves.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";

import WebSocket from "ws";

import { Gateway } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { Player, playerUrl, textOf } from "./lib/player.mjs";
import { freePort } from "./lib/redis.mjs";
import { changePosition, newTrack, onPause } from "./lib/scenario.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { keyPair, SECRET, tokenOf } from "./lib/token.mjs";

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
// Of what is not ASCII, what can be seen: a user's name may have it.
const TEXT_LINE = new RegExp(`^${TIME.source} (debug|info|warn|error) [a-z]([\\x20-\\x7e]|[^\\p{C}\\p{Z}\\x00-\\x7f])*$`, "u");

describe("a running process", () => {
    const site = suiteSite({ gateways: 1 });

    // Good and bad visitors of every kind, so that everything that is logged is logged.
    async function visit(gateway, token) {
        const user = site.user();
        const player = await site.player(user, gateway);
        await player.refuses("nonsense");
        await player.refuses({
            type_push_state: "on_pause",
            time_state_update: "forged\n2026-01-01T00:00:00.000Z info x",
        });
        player.send(newTrack(0));
        player.sendBinary(Buffer.from("x"));
        await player.closed();
        for (const options of [
            { token },
            { query: { token } },
            { headers: { Cookie: `token=${token}` } },
            { protocols: ["bearer", token] },
            { headers: { Origin: "https://evil.example", "User-Agent": "a\tb" }, token },
        ]) {
            await Player.refused(gateway, options).catch(() => null);
        }
        for (const path of ["/nothing\u0001", "/%0a%0dforged", "/a?token=" + token, "/player?x=%22%7B"]) {
            const raw = await site.raw(gateway);
            await raw.request(`GET ${path} HTTP/1.1`, [`X-Evil: "}{\u00ff`]);
            await raw.response();
            raw.reset();
        }
        const good = await Player.open(gateway, { query: { token: tokenOf('}{" \\ü\u2028') } });
        good.reset();
        const closing = await site.player(user, gateway);
        await closing.close(4999);
    }

    for (const level of ["debug", "info"]) {
        test(`text logs (${level}) are one line per event, whatever visitors say`, async () => {
            const gateway = await site.addGateway({ "log-level": level });
            await visit(gateway, "not.a.token");
            await gateway.terminate();
            const lines = gateway.log.split("\n");
            assert.equal(lines.pop(), "");
            assert.ok(lines.length >= 3);
            for (const line of lines) {
                assert.match(line, TEXT_LINE);
            }
            assert.doesNotMatch(gateway.log, /^2026-01-01/m);
        });

        test(`JSON logs (${level}) are one object per line, with time, level and event`, async () => {
            const gateway = await site.addGateway({ "log-format": "json", "log-level": level });
            await visit(gateway, "not.a.token");
            await gateway.terminate();
            const lines = gateway.log.split("\n");
            assert.equal(lines.pop(), "");
            assert.ok(lines.length >= 3);
            for (const line of lines) {
                const { time, level: said, event } = JSON.parse(line);
                assert.match(time, new RegExp(`^${TIME.source}$`));
                assert.ok(["debug", "info", "warn", "error"].includes(said), line);
                assert.ok(event.length > 0, line);
            }
        });
    }

    test("nothing is logged below the level that was asked for", async () => {
        const port = await freePort();
        const flags = {
            listen: `127.0.0.1:${port}`,
            "admin-listen": "",
            redis: site.redis.gatewayUrl,
            "log-level": "error",
        };
        const gateway = await Gateway.start({ flags, env: { SEGUE_JWT_SECRET: SECRET }, port });
        site.gateways.push(gateway);
        await visit(gateway, "not.a.token");
        assert.equal(await gateway.terminate(), 0);
        assert.equal(gateway.log, "");
    });

    test("X-Forwarded-For is believed from --trusted-proxies, and from nobody else", async () => {
        for (const [trusted, forwarded, seen] of [
            [null, "203.0.113.9", "127.0.0.1"],
            ["10.0.0.0/8", "203.0.113.9", "127.0.0.1"],
            ["127.0.0.0/8", "203.0.113.9", "203.0.113.9"],
            ["127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"],
            ["127.0.0.1,203.0.113.0/24", "198.51.100.1, 203.0.113.9", "198.51.100.1"],
            ["127.0.0.1,::1", "2001:db8::5", "2001:db8::5"],
            ["127.0.0.1", "not an address", "127.0.0.1"],
        ]) {
            const gateway = await site.addGateway({ "trusted-proxies": trusted });
            const token = tokenOf(site.user());
            const player = await Player.open(gateway, { token, headers: { "X-Forwarded-For": forwarded } });
            await player.close();
            await until(
                () => gateway.log.includes(`peer=${seen} `),
                () => `peer ${seen} for ${forwarded}:\n${gateway.log}`,
            );
        }
    });

    test("no secret and no token is ever logged, at any level", async (t) => {
        const secret = "log-secret-marker-0123456789abcdef0123456789abcdef";
        const password = "redis-password-marker";
        const guarded = await testSite(t, { redis: { password }, gateways: 0 });
        const gateway = await guarded.addGateway(
            { "log-level": "debug", redis: guarded.redis.url, "jwt-secret": secret },
            { env: { SEGUE_JWT_SECRET: undefined } },
        );
        const stranger = keyPair("ES256");
        const tokens = [
            tokenOf("good-user", { key: secret }),
            tokenOf("bad-user", { key: "other" }),
            tokenOf("late-user", { key: secret, claims: { exp: 5 } }),
            tokenOf("es-user", { alg: "ES256", key: stranger.privateKey }),
            tokenOf("long-user".repeat(30), { key: secret }),
        ];
        for (const token of tokens) {
            for (const options of [
                { token },
                { query: { token } },
                { headers: { Cookie: `a=b; token=${token}` } },
                { protocols: ["bearer", token] },
                { headers: { Authorization: token } },
            ]) {
                const player = await Player.open(gateway, options).catch(() => null);
                await player?.refuses(JSON.stringify({ type_push_state: token }));
                await player?.close();
            }
            await gateway.get(`/nothing?token=${token}`, { headers: { Authorization: `Bearer ${token}` } });
            const raw = await guarded.raw(gateway);
            await raw.write(`GET /player?token=${token} HTTP/1.1\r\nbroken\r\nAuthorization: Bearer ${token}\r\n\r\n`);
            await raw.response();
        }
        await guarded.redis.restart();
        await until(async () => (await gateway.get("/readyz")).status === 200, "ready again", patient(10000));
        assert.equal(await gateway.terminate(), 0);
        assert.ok(gateway.log.includes("redis"), "the log says something");
        for (const hidden of [secret, password, ...tokens.flatMap((token) => token.split(".").slice(1))]) {
            assert.ok(!gateway.log.includes(hidden), `${hidden} is logged`);
        }
    });
});

describe("leaving", { concurrency: 8 }, () => {
    for (const signal of ["SIGTERM", "SIGINT"]) {
        test(`${signal} closes everybody with 1012, spread over --drain, and exits with 0`, async (t) => {
            const site = await testSite(t, { gateways: 2, flags: { drain: 2 } });
            const [leaving] = site.gateways;
            const players = await Promise.all(Array.from({ length: 40 }, () => site.player(site.user(), 0)));
            const start = Date.now();
            leaving.signal(signal);
            const ends = await Promise.all(
                players.map(async (player) => {
                    const { code } = await player.closed(patient(10000));
                    assert.equal(code, 1012);
                    return Date.now() - start;
                }),
            );
            assert.ok(
                Math.max(...ends) - Math.min(...ends) > 800,
                `closed after ${Math.min(...ends)} to ${Math.max(...ends)} ms`,
            );
            assert.ok(ends.filter((end) => end < 400).length < 30, "not all at once");
            assert.equal(await leaving.left(), 0);
            assert.ok(Date.now() - start < patient(5000));
        });
    }

    test("while it drains, /readyz is 503 and there is no listener, and who is still here is served", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { drain: 4 } });
        const [leaving, staying] = site.gateways;
        const user = site.user();
        const witness = await site.player(user, staying);
        const players = await Promise.all(Array.from({ length: 30 }, () => site.player(user, leaving)));
        leaving.signal("SIGTERM");
        await until(async () => (await request(leaving.adminUrl("/readyz"))).status === 503, "/readyz says 503");
        assert.equal((await request(leaving.adminUrl("/healthz"))).status, 200);
        await until(async () => {
            const socket = connect(leaving.port, leaving.host);
            const [outcome] = await Promise.race([
                once(socket, "connect").then(() => ["open"]),
                once(socket, "error"),
            ]).catch((e) => [e]);
            socket.destroy();
            return outcome.code === "ECONNREFUSED";
        }, "the listener is closed");
        const last = players.findLast((player) => player.isOpen);
        assert.ok(last, "somebody is still here");
        last.send(newTrack(0));
        await witness.receives(newTrack(0));
        witness.send(onPause(5));
        await Promise.all(players.map((player) => player.closed(patient(10000))));
        assert.equal(await leaving.left(), 0);
    });

    test("who was served by it goes on with another process", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { drain: 1 } });
        const [leaving, staying] = site.gateways;
        const user = site.user();
        const player = await site.player(user, leaving);
        const witness = await site.player(user, staying);
        player.send(newTrack(0));
        await witness.receives(newTrack(0));
        leaving.signal("SIGTERM");
        assert.equal((await player.closed()).code, 1012);
        const again = await site.player(user, staying);
        assert.equal(JSON.parse(again.first).track_id, 2);
        assert.equal(await leaving.left(), 0);
    });

    test("what clients say until they hear of it is applied, every word", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { drain: 2, rate: 0 } });
        const [leaving] = site.gateways;
        const said = Array(20).fill(0);
        const talkers = said.map(async (_, i) => {
            const user = site.user();
            const socket = new WebSocket(playerUrl(leaving, { token: tokenOf(user) }));
            await once(socket, "open");
            socket.send(textOf(newTrack(0)));
            const talk = () => socket.readyState === WebSocket.OPEN && socket.send(textOf(changePosition(1, ++said[i])));
            const timer = setInterval(talk, 4);
            const [code] = await once(socket, "close");
            clearInterval(timer);
            assert.equal(code, 1012);
            return user;
        });
        await until(() => said.every((count) => count > 10), "all of them talk");
        leaving.signal("SIGTERM");
        for (const [i, user] of (await Promise.all(talkers)).entries()) {
            await site.stateWhen(user, ({ last_sec_position: position }) => position === said[i]);
        }
        assert.equal(await leaving.left(), 0);
    });

    test("a second signal exits at once", async (t) => {
        for (const second of ["SIGTERM", "SIGINT"]) {
            const site = await testSite(t, { gateways: 1, flags: { drain: 600 } });
            const [leaving] = site.gateways;
            const players = await Promise.all(Array.from({ length: 5 }, () => site.player(site.user(), 0)));
            leaving.signal("SIGTERM");
            await until(async () => (await request(leaving.adminUrl("/readyz"))).status === 503, "it drains");
            assert.ok(players.some((player) => player.isOpen));
            const start = Date.now();
            leaving.signal(second);
            await leaving.left();
            assert.ok(Date.now() - start < patient(1500));
        }
    });

    test("nobody connected: it exits at once", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { drain: 600 } });
        const start = Date.now();
        assert.equal(await site.gateways[0].terminate(), 0);
        assert.ok(Date.now() - start < patient(4000));
    });

    test("a client that does not read, or never closes, does not keep it", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { drain: 1 } });
        const frozen = await site.player(site.user(), 0);
        frozen.pause();
        const raw = await site.rawPlayer(site.user(), 0);
        const half = await site.raw(0);
        await half.write("GET / HTTP/1.1\r\n");
        const idle = await site.raw(0);
        await idle.request("GET /healthz HTTP/1.1");
        await idle.response();
        assert.ok(raw);
        const start = Date.now();
        assert.equal(await site.gateways[0].terminate(), 0);
        assert.ok(Date.now() - start < patient(6000));
    });

    test("it leaves also while Redis is away", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { drain: 1 } });
        const player = await site.player(site.user(), 0);
        await site.redis.kill();
        await sleep(100);
        site.gateways[0].signal("SIGTERM");
        assert.equal((await player.closed()).code, 1012);
        assert.equal(await site.gateways[0].left(), 0);
    });

    test("it leaves also while Redis hangs", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { drain: 1 } });
        const player = await site.player(site.user(), 0);
        site.redis.freeze();
        site.gateways[0].signal("SIGTERM");
        assert.equal((await player.closed()).code, 1012);
        assert.equal(await site.gateways[0].left(), 0);
    });
});
