// The way from HTTP to WebSocket: good and bad handshakes, and who may come from where.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { frame, TEXT } from "./lib/frames.mjs";
import { Player } from "./lib/player.mjs";
import { NO_STATE, onPause } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const good = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
};

describe("upgrades", () => {
    const site = suiteSite({ gateways: 1 });

    // Sends a handshake with these fields (null: left out) and gives the answer.
    async function handshake(changes = {}, { line = "GET /player HTTP/1.1", raw } = {}) {
        const all = { ...good, Authorization: `Bearer ${tokenOf(site.user())}`, ...changes };
        const fields = Object.entries(all)
            .filter(([, value]) => value !== null)
            .map(([name, value]) => `${name}: ${value}`);
        const connection = raw ?? (await site.raw());
        await connection.request(line, fields);
        return connection.response();
    }

    test("the RFC's example is answered with the RFC's accept", async () => {
        const answer = await handshake();
        assert.equal(answer.status, 101);
        assert.equal(answer.headers["sec-websocket-accept"], ACCEPT);
        assert.equal(answer.headers["sec-websocket-protocol"], undefined);
    });

    test("names and values in any case, and several options of Connection, are understood", async () => {
        for (const changes of [
            { Upgrade: "WebSocket" },
            { Upgrade: "WEBSOCKET" },
            { Connection: "upgrade" },
            { Connection: "keep-alive, Upgrade" },
            { Connection: "Upgrade,keep-alive" },
            { Upgrade: null, upgrade: "websocket", "sec-websocket-key": KEY, "Sec-WebSocket-Key": null },
        ]) {
            assert.equal((await handshake(changes)).status, 101, JSON.stringify(changes));
        }
    });

    test("extensions are offered in vain", async () => {
        const answer = await handshake({ "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" });
        assert.equal(answer.status, 101);
        assert.equal(answer.headers["sec-websocket-extensions"], undefined);
    });

    test("bearer is selected among subprotocols, in any order of spaces", async () => {
        const token = tokenOf(site.user());
        for (const value of [`bearer, ${token}`, `bearer,${token}`, `bearer ,  ${token}`]) {
            const answer = await handshake({ Authorization: null, "Sec-WebSocket-Protocol": value });
            assert.equal(answer.status, 101, value.slice(0, 20));
            assert.equal(answer.headers["sec-websocket-protocol"], "bearer");
        }
    });

    test("subprotocols in several fields are one list", async () => {
        const raw = await site.raw();
        const token = tokenOf(site.user());
        await raw.request("GET /player HTTP/1.1", [
            ...Object.entries(good).map(([name, value]) => `${name}: ${value}`),
            "Sec-WebSocket-Protocol: bearer",
            `Sec-WebSocket-Protocol: ${token}`,
        ]);
        const answer = await raw.response();
        assert.equal(answer.status, 101);
        assert.equal(answer.headers["sec-websocket-protocol"], "bearer");
    });

    test("a subprotocol that is not ours is not selected", async () => {
        const answer = await handshake({ "Sec-WebSocket-Protocol": "chat, superchat" });
        assert.equal(answer.status, 101);
        assert.equal(answer.headers["sec-websocket-protocol"], undefined);
    });

    test("a version other than 13 is 426, which says what is spoken", async () => {
        for (const version of ["12", "8", "0", "14", "13, 14", "x", "", "255"]) {
            const answer = await handshake({ "Sec-WebSocket-Version": version });
            assert.equal(answer.status, 426, version);
            assert.equal(answer.headers["sec-websocket-version"], "13");
            assert.ok(answer.json().error);
        }
    });

    test("no key, or one that is not 16 bytes in base64, is 400", async () => {
        for (const key of [
            null,
            "",
            "x",
            "AAAA",
            `${KEY}AAAA`,
            "dGhlIHNhbXBsZSBub25jZQ",
            "!!!!!!!!!!!!!!!!!!!!!!==",
            KEY.repeat(20),
        ]) {
            const answer = await handshake({ "Sec-WebSocket-Key": key });
            assert.equal(answer.status, 400, `${key}`);
            assert.ok(answer.json().error);
        }
    });

    test("no version is refused", async () => {
        const { status } = await handshake({ "Sec-WebSocket-Version": null });
        assert.ok([400, 426].includes(status), `${status}`);
    });

    test("an Upgrade to something else is a request for the page", async () => {
        for (const upgrade of ["h2c", "TLS/1.0", "foo"]) {
            const answer = await handshake({ Upgrade: upgrade });
            assert.equal(answer.status, 200, upgrade);
            assert.match(answer.headers["content-type"], /^text\/html/);
        }
    });

    test("an Upgrade that Connection does not confirm never becomes a WebSocket", async () => {
        for (const connection of [null, "keep-alive", "close"]) {
            const { status } = await handshake({ Connection: connection });
            assert.ok([200, 400].includes(status), `${connection}: ${status}`);
        }
    });

    test("only GET and HTTP/1.1 upgrade", async () => {
        assert.equal((await handshake({}, { line: "POST /player HTTP/1.1" })).status, 405);
        assert.notEqual((await handshake({}, { line: "GET /player HTTP/1.0" })).status, 101);
    });

    test("a handshake whose request has a body does not take the body for frames", async () => {
        const raw = await site.raw();
        const body = frame(TEXT, JSON.stringify(onPause(0)));
        const fields = Object.entries(good).map(([name, value]) => `${name}: ${value}`);
        fields.push(`Authorization: Bearer ${tokenOf(site.user())}`, `Content-Length: ${body.length}`);
        await raw.request("GET /player HTTP/1.1", fields, body);
        const answer = await raw.response();
        if (answer.status === 101) {
            assert.deepEqual(JSON.parse(await raw.text()), NO_STATE);
            await raw.write(frame(TEXT, '{"type_push_state":"ping","t":1}'));
            assert.equal(JSON.parse(await raw.text()).type_push_state, "pong");
        } else {
            assert.equal(answer.status, 400);
        }
    });

    test("frames that come in one packet with the handshake are read after it", async () => {
        const raw = await site.raw();
        const fields = Object.entries(good).map(([name, value]) => `${name}: ${value}`);
        fields.push("Host: a", `Authorization: Bearer ${tokenOf(site.user())}`);
        const head = ["GET /player HTTP/1.1", ...fields, "", ""].join("\r\n");
        const frames = [1, 2, 3].map((t) => frame(TEXT, JSON.stringify({ type_push_state: "ping", t })));
        await raw.write(Buffer.concat([Buffer.from(head), ...frames]));
        assert.equal((await raw.response()).status, 101);
        assert.deepEqual(JSON.parse(await raw.text()), NO_STATE);
        for (const t of [1, 2, 3]) {
            assert.equal(JSON.parse(await raw.text()).t, t);
        }
    });

    test("a refused handshake leaves the connection in step", async () => {
        const raw = await site.raw();
        assert.equal((await handshake({ Authorization: null }, { raw })).status, 401);
        await raw.request("GET /healthz HTTP/1.1").catch(() => {});
        const after = await raw.response().catch(() => null);
        assert.ok(after === null || after.status === 200);
    });

    test("a client that goes away during the handshake leaves nothing behind", async () => {
        const raws = await Promise.all(Array.from({ length: 30 }, () => site.raw()));
        const fields = Object.entries(good).map(([name, value]) => `${name}: ${value}`);
        for (const [i, raw] of raws.entries()) {
            raw.request("GET /player HTTP/1.1", [...fields, `Authorization: Bearer ${tokenOf(site.user())}`]);
            await (i % 3 === 0 ? null : i % 3 === 1 ? new Promise(setImmediate) : raw.response());
            raw.reset();
        }
        const player = await site.player(site.user());
        await player.hearsNothing();
    });

    describe("origins", () => {
        let strict;
        before(async () => {
            strict = await site.addGateway({ origins: "https://app.example,http://localhost:3000" });
        });
        const from = (origin) => ({ token: tokenOf(site.user()), headers: origin === null ? {} : { Origin: origin } });

        test("any may connect by default", async () => {
            for (const origin of [null, "https://anywhere.example", "null"]) {
                const player = await Player.open(site.gateways[0], from(origin));
                await player.close();
            }
        });

        test("those of --origins, and clients that are no browsers, may connect", async () => {
            for (const origin of [null, "https://app.example", "http://localhost:3000"]) {
                const player = await Player.open(strict, from(origin));
                await player.close();
            }
        });

        test("all others get 403 before the upgrade", async () => {
            for (const origin of [
                "https://evil.example",
                "http://app.example",
                "https://app.example:8443",
                "https://app.example.evil.example",
                "https://evil.example/https://app.example",
                "https://xapp.example",
                "https://app.exampl",
                "https://app.example, https://evil.example",
                "http://localhost",
                "http://localhost:30000",
                "null",
                "*",
                "app.example",
            ]) {
                const answer = await Player.refused(strict, from(origin));
                assert.equal(answer.status, 403, origin);
                assert.equal(typeof answer.json().error, "string");
            }
        });

        test("an origin from the environment counts as well", async () => {
            const twin = await site.addGateway({}, { env: { SEGUE_ORIGINS: "https://app.example" } });
            assert.equal((await Player.refused(twin, from("https://evil.example"))).status, 403);
            const player = await Player.open(twin, from("https://app.example"));
            await player.close();
        });
    });
});
