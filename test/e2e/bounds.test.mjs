// The limits that are compiled in, as the README's chapter "Secure it" lists them: what they let through, and the first
// thing that they do not. Limits with a flag have tests of their own.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Player } from "./lib/player.mjs";
import { eventPacket } from "./lib/sio.mjs";
import { newTrack } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "the-key-of-a-backend";

describe("compiled-in limits", { concurrency: 4 }, () => {
    const site = suiteSite({
        gateways: 1,
        flags: { "api-key": KEY, rate: 0, "max-message": 2 ** 20, "max-batch": 2 ** 22 },
    });

    async function statusOf(head) {
        const raw = await site.raw();
        await raw.write(head);
        const { status } = await raw.response();
        raw.destroy();
        return status;
    }

    const post = (path, body, headers = {}) =>
        site.gateways[0].get(path, {
            method: "POST",
            headers: { "X-API-Key": KEY, ...headers },
            body: JSON.stringify(body),
        });

    test("a head has 64 fields, and 8 KiB", async () => {
        const head = (fields, bytes) =>
            `GET /healthz HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(fields - 2)}Y: ${"z".repeat(bytes)}\r\n\r\n`;
        assert.equal(await statusOf(head(64, 1)), 200);
        assert.equal(await statusOf(head(65, 1)), 431);
        assert.equal(await statusOf(head(2, 8000)), 200);
        assert.equal(await statusOf(head(2, 8192)), 431);
    });

    test("a user's name has 128 bytes", async () => {
        const name = (length) => `${site.user()}-`.padEnd(length, "n");
        await (await Player.open(site.gateways[0], { token: tokenOf(name(128)) })).close();
        assert.equal((await Player.refused(site.gateways[0], { token: tokenOf(name(129)) })).status, 401);
    });

    test("JSON is 32 deep, has 100,000 values, and numbers of 63 bytes", async () => {
        const player = await site.player(site.user());
        const ping = (t) => `{"type_push_state":"ping","t":${t}}`;
        const nest = (depth) => "[".repeat(depth) + "]".repeat(depth);
        for (const t of [nest(31), `[${"0,".repeat(99990)}0]`, "1".repeat(63)]) {
            assert.equal((await player.ask(ping(t))).type_push_state, "pong", t.slice(0, 80));
        }
        for (const t of [nest(32), `[${"0,".repeat(100000)}0]`, "1".repeat(64)]) {
            await player.refuses(ping(t));
        }
    });

    test("ids have 128 bytes, from_is 32", async () => {
        const user = site.user();
        const [player, witness] = [await site.player(user), await site.player(user)];
        const track = (fields) => ({ ...newTrack(0), ...fields });
        for (const [field, length] of Object.entries({ track_id: 128, from_is_id: 128, from_is: 32 })) {
            await player.refuses(track({ [field]: "x".repeat(length + 1) }));
            const good = track({ [field]: "x".repeat(length) });
            player.send(good);
            await witness.receives(good);
        }
    });

    test("names of rooms and topics have 64 characters", async () => {
        const long = "n".repeat(64);
        await (await site.member(long)).close();
        for (const path of [`/ws?room=${long}n`, `/ws?room=a.b`, `/feed/${long}n`]) {
            assert.equal((await Player.refusal(site.gateways[0], path)).status, 400, path);
        }
        assert.equal((await post(`/api/feeds/${long}`, { message: "hello" })).status, 200);
        assert.equal((await post(`/api/feeds/${long}n`, { message: "hello" })).status, 400);
    });

    test("a text in a room has 4096 bytes, a name 64, its history 50", async () => {
        const room = site.room();
        const member = await site.member(room);
        const message = (text, name) => ({ type: "message", text, name });
        for (const bad of [message("x".repeat(4097), "me"), message("x", "n".repeat(65))]) {
            assert.equal((await member.refuses(bad)).code, "invalid_format");
        }
        for (let i = 0; i < 51; i++) {
            member.send(message(`${i} `.padEnd(i === 50 ? 4096 : 10, "x"), "n".repeat(64)));
            await member.hears("message");
        }
        const other = await site.member(room);
        assert.equal(other.welcome.history.length, 50);
        assert.match(other.texts[0], /^1 /);
    });

    test("a socket subscribes to 16 topics", async () => {
        const client = await site.client(site.user(), 0, { namespace: "/feed" });
        for (let i = 0; i < 16; i++) {
            assert.deepEqual(await client.ask("subscribe", { topic: `bound-${i}` }), { ok: true });
        }
        const refused = await client.ask("subscribe", { topic: "bound-16" });
        assert.deepEqual([refused.ok, refused.error], [false, "too_many"]);
    });

    test("titles have 1024 bytes", async () => {
        const client = await site.client(site.user());
        const update = (mediaTitle) =>
            client.ask("playback_state_update", { isPlaying: true, currentTime: 1, mediaId: 1, mediaTitle });
        assert.equal((await update("t".repeat(1024))).ok, true);
        assert.equal((await update("t".repeat(1025))).error, "invalid");
    });

    test("an event's name has 64 characters, an Idempotency-Key 128, a batch 1000 operations", async () => {
        const path = `/api/users/${site.user()}/events`;
        assert.equal((await post(path, { event: "e".repeat(64) })).status, 200);
        assert.equal((await post(path, { event: "e".repeat(65) })).status, 400);
        assert.equal((await post(path, { event: "e" }, { "Idempotency-Key": "k".repeat(128) })).status, 200);
        assert.equal((await post(path, { event: "e" }, { "Idempotency-Key": "k".repeat(129) })).status, 400);
        const batch = (count) => ({ operations: Array.from({ length: count }, () => ({ path, body: { event: "b" } })) });
        const all = await post("/api/batch", batch(1000));
        assert.equal(all.status, 200);
        assert.equal(all.json().results.length, 1000);
        assert.equal((await post("/api/batch", batch(1001))).status, 400);
    });

    test("a packet has 64 attachments, a namespace's name 128 bytes", async () => {
        const packet = (count) => {
            const places = Array.from({ length: count }, (_, num) => ({ _placeholder: true, num }));
            return [`45${count}-${JSON.stringify(["ping", ...places])}`, ...places.map(() => Buffer.from("x"))];
        };
        const wire = await site.wireOf(site.user());
        wire.send(...packet(64));
        assert.equal(await wire.next(), eventPacket("pong"));
        wire.send(`40/${"n".repeat(127)},`);
        assert.match(await wire.next(), /^44.*Invalid namespace/);
        wire.send(...packet(65));
        await wire.closed();
        const other = await site.wireOf(site.user());
        other.send(`40/${"n".repeat(128)},`);
        await other.closed();
    });
});
