// Backends that emit through Redis as they did for Socket.IO's own servers: every event once, in order, kept, on every
// process, whichever of them die.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { encode } from "notepack.io";

import { Backend } from "./lib/backend.mjs";
import { sleep, until } from "./lib/patience.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";

const WS = { transports: ["websocket"] };
const POLLING = { transports: ["polling"], upgrade: false };
const PREFIX = "socket.io";
const FLAGS = { rate: 0, "socketio-adapter": PREFIX };

// What Redis keeps of a stream, as the texts of the arguments.
async function keptOf(redis, tag) {
    const entries = await redis.call("XRANGE", `segue:events:{${tag}}`, "-", "+");
    return entries.map(([, fields]) => fields[fields.indexOf("b") + 1]);
}

describe("Socket.IO's emitter", () => {
    const site = suiteSite({ gateways: 3, flags: FLAGS });

    test("reaches a user's sockets on every process and transport, once", async (t) => {
        const user = site.user();
        const clients = [];
        for (const on of [0, 1, 2]) {
            clients.push(await site.client(user, on, WS), await site.client(user, on, POLLING));
        }
        const other = await site.client(site.user(), 0, WS);
        const { io } = await Backend.open(t, site.redis);
        io.to(user).emit("on_upload_success", { id: "a", size: 1.5, tags: [1, null, "ü"], gone: undefined });
        io.in(user).emit("two", 1, "b");
        io.to([user]).volatile.compress(false).emit("none");
        for (const client of clients) {
            await client.when(() => client.all("none").length > 0, "the last event");
            await client.fence();
            const mine = client.events.filter(([name]) => !["playback_state", "pong"].includes(name));
            assert.deepEqual(mine, [
                ["on_upload_success", { id: "a", size: 1.5, tags: [1, null, "ü"] }],
                ["two", 1, "b"],
                ["none"],
            ]);
        }
        await other.fence();
        assert.deepEqual(other.events, [["pong"]]);
    });

    test("reaches everybody", async (t) => {
        const clients = await Promise.all([0, 1, 2].map((on) => site.client(site.user(), on, WS)));
        const { io } = await Backend.open(t, site.redis);
        io.emit("on_server_version", { major: 1 });
        for (const client of clients) {
            assert.deepEqual(await client.next("on_server_version"), { major: 1 });
            await client.fence();
            assert.equal(client.all("on_server_version").length, 1);
        }
    });
});
