// Engine.IO's handshake: what a new session is told, what is refused and how, and what pages of other origins may do.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import io2 from "socket.io-client-2";

import { assertRefused, bodyOf, engineUrl, HANDSHAKE, packetsOf, Wire } from "./lib/engine.mjs";
import { request } from "./lib/http.mjs";
import { patient, sleep, within } from "./lib/patience.mjs";
import { eventPacket } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";

const MAX_PAYLOAD = 65536;
const PATHS = ["/socket.io/", "/socket.io", "/api/socket.io/", "/api/socket.io"];
const ORIGIN = "https://app.example";

describe("the handshake of Engine.IO", { concurrency: 8 }, () => {
    const site = suiteSite({
        gateways: 2,
        flags: { rate: 0, "max-batch": MAX_PAYLOAD, "ping-interval": 12345, "ping-timeout": 6789 },
    });

    function ask(query, { path, on = 0, ...how } = {}) {
        return request(engineUrl(site.gateways[on], { path, query }), how);
    }

    async function refuses(query, code, how) {
        assertRefused(await ask(query, how), code);
    }

    describe("the open packet", () => {
        test("over polling: exactly these keys and values, as text that nobody keeps", async () => {
            const answer = await ask(HANDSHAKE);
            assert.equal(answer.status, 200);
            assert.equal(answer.headers["content-type"], "text/plain; charset=UTF-8");
            assert.equal(answer.headers["cache-control"], "no-store");
            const packets = packetsOf(answer.text);
            assert.equal(packets.length, 1);
            assert.equal(packets[0][0], "0");
            const open = JSON.parse(packets[0].slice(1));
            assert.deepEqual(Object.keys(open), ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]);
            const { sid, ...rest } = open;
            const expected = {
                upgrades: ["websocket"],
                pingInterval: 12345,
                pingTimeout: 6789,
                maxPayload: MAX_PAYLOAD,
            };
            assert.deepEqual(rest, expected);
            assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
        });

        test("over websocket: the same without upgrades", async () => {
            const wire = await site.wire();
            const { sid, ...rest } = wire.handshake;
            assert.deepEqual(Object.keys(wire.handshake), [
                "sid",
                "upgrades",
                "pingInterval",
                "pingTimeout",
                "maxPayload",
            ]);
            const expected = { upgrades: [], pingInterval: 12345, pingTimeout: 6789, maxPayload: MAX_PAYLOAD };
            assert.deepEqual(rest, expected);
            assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
        });

        test("sids never repeat, whoever gives them", async () => {
            const asked = Array.from({ length: 200 }, (_, i) => ask(HANDSHAKE, { on: i % 2 }));
            const sids = (await Promise.all(asked)).map((answer) => JSON.parse(answer.text.slice(1)).sid);
            assert.equal(new Set(sids).size, sids.length);
        });

        for (const path of PATHS) {
            test(`${path} serves polling and websocket`, async () => {
                const user = site.user();
                const polling = await site.pollingOf(user, site.gateways, { path });
                await polling.send(eventPacket("ping"));
                assert.equal(await polling.next(), eventPacket("pong"));
                const wire = await site.wireOf(user, 1, { path });
                wire.send(eventPacket("ping"));
                assert.equal(await wire.next(), eventPacket("pong"));
            });
        }

        test("other paths are not found", async () => {
            for (const path of [
                "/socket.io/x",
                "/socket.iox",
                "/api/socket.io/x/",
                "/socketio/",
                "/engine.io/",
                "/echo",
            ]) {
                assert.equal((await ask(HANDSHAKE, { path })).status, 404, path);
            }
        });
    });

    describe("refusals", () => {
        test("0: no transport, or one that nobody knows", async () => {
            for (const query of [{ EIO: 4 }, { EIO: 4, transport: "" }, { EIO: 4, transport: "pigeon" }, {}]) {
                await refuses(query, 0);
            }
            await refuses({ EIO: 4, transport: "webtransport" }, 0);
            await refuses({ EIO: 4, transport: "constructor" }, 0);
        });

        test("1: a session that is not there, on GET, POST and websocket", async () => {
            const strange = [
                "zz",
                "AAAAAAAAAAAAAAAAAAAA",
                "../../etc",
                "eio:{x}",
                "{}",
                "*",
                "a\0b",
                "é",
                "x".repeat(3000),
            ];
            for (const sid of strange) {
                await refuses({ ...HANDSHAKE, sid }, 1);
                await refuses({ ...HANDSHAKE, sid }, 1, { method: "POST", body: "40" });
                const answer = await Wire.refused(site.gateways[1], { sid });
                assertRefused(answer, 1);
            }
        });

        test("2: a handshake by anything but GET", async () => {
            await refuses(HANDSHAKE, 2, { method: "POST", body: "40" });
            await refuses(HANDSHAKE, 2, { method: "POST", body: "" });
        });

        test("3: a transport that does not suit the session or the request", async () => {
            const polling = await site.polling();
            await refuses({ EIO: 4, transport: "websocket", sid: polling.sid }, 3);
            await refuses({ EIO: 4, transport: "websocket" }, 3);
            await polling.send("40{}");
        });

        test("3: polling with the sid of a websocket session", async () => {
            const wire = await site.wire();
            for (const on of [0, 1]) {
                const answer = await ask({ ...HANDSHAKE, sid: wire.handshake.sid }, { on });
                assert.equal(answer.status, 400, `process ${on}`);
            }
            wire.send("40{}");
            await wire.next();
        });

        test("5: every version but 4", async () => {
            for (const EIO of ["3", "2", "5", "", "x", "04", "4.0", "40"]) {
                await refuses({ transport: "polling", EIO }, 5);
                const answer = await Wire.refused(site.gateways[0], { query: { EIO } });
                assertRefused(answer, 5);
            }
            await refuses({ transport: "polling" }, 5);
        });

        test("the transport counts first, then sid or method, then the version", async () => {
            await refuses({ EIO: 3, transport: "pigeon", sid: "x" }, 0);
            await refuses({ EIO: 3, transport: "polling", sid: "x" }, 1);
            await refuses({ EIO: 3, transport: "polling" }, 2, { method: "POST", body: "" });
        });

        test("a session that exists may say any version", async () => {
            const polling = await site.polling();
            const query = { EIO: "3" };
            assert.equal((await polling.post(["40{}"], { query })).text, "ok");
            const answer = await polling.get({ query }).answer;
            assert.equal(answer.status, 200, answer.text);
        });

        test("EIO=3 is refused without a word to Redis", async (t) => {
            const own = await testSite(t, { gateways: 2 });
            const spent = async () => {
                const stats = await own.redis.call("INFO", "stats");
                return Number(stats.match(/total_commands_processed:(\d+)/)[1]);
            };
            const before = await spent();
            for (let i = 0; i < 500; i++) {
                const query = { EIO: 3, transport: "polling" };
                assertRefused(await request(engineUrl(own.gateways[i % 2], { query })), 5);
            }
            const cost = (await spent()) - before;
            assert.ok(cost < 250, `${cost} commands for 500 refusals`);
        });

        for (const transports of [["polling"], ["websocket"]]) {
            test(`socket.io-client 2.x over ${transports} hears connect_error again and again`, async () => {
                const socket = io2(site.gateways[0].url("/"), {
                    transports,
                    forceNew: true,
                    reconnectionDelay: 10,
                    reconnectionDelayMax: 20,
                });
                try {
                    let errors = 0;
                    const refused = new Promise((resolve) => {
                        const count = () => ++errors >= 3 && resolve();
                        socket.on("connect_error", count);
                        socket.on("reconnect_error", count);
                    });
                    await within(refused, "three refusals");
                    assert.equal(socket.connected, false);
                } finally {
                    socket.close();
                }
            });
        }
    });

    describe("sizes of a POST", () => {
        // Packets of exactly so many bytes altogether, each well below the limit of one message.
        function bodyOfBytes(bytes) {
            const packet = (size) => {
                const empty = eventPacket("ping", "").length;
                return eventPacket("ping", "x".repeat(size - empty));
            };
            const packets = [];
            let left = bytes;
            while (left > 12000) {
                packets.push(packet(8000));
                left -= 8001;
            }
            packets.push(packet(left));
            const body = bodyOf(packets);
            assert.equal(body.length, bytes);
            return { body, packets: packets.length };
        }

        test("exactly maxPayload bytes are accepted, and all of it is read", async () => {
            const polling = await site.pollingOf(site.user());
            const { body, packets } = bodyOfBytes(MAX_PAYLOAD);
            const answer = await polling.post(body);
            assert.deepEqual([answer.status, answer.text], [200, "ok"]);
            for (let i = 0; i < packets; i++) {
                assert.equal(await polling.next(), eventPacket("pong"));
            }
        });

        test("one byte more is 413 with an empty body, announced or not; the session stays", async () => {
            const polling = await site.pollingOf(site.user());
            const { body } = bodyOfBytes(MAX_PAYLOAD + 1);
            for (const headers of [{}, { "Content-Length": undefined, "Transfer-Encoding": "chunked" }]) {
                const kept = Object.entries({ "Content-Length": String(body.length), ...headers });
                const answer = await polling.request({
                    method: "POST",
                    body,
                    headers: Object.fromEntries(kept.filter(([, value]) => value !== undefined)),
                });
                assert.equal(answer.status, 413);
                assert.equal(answer.body.length, 0, answer.text);
            }
            await polling.send(eventPacket("ping"));
            assert.equal(await polling.next(), eventPacket("pong"));
        });
    });

    describe("other origins", () => {
        let strict;
        before(async () => {
            strict = await site.addGateway({ origins: `${ORIGIN},http://localhost:3000` });
        });

        const askFrom = (gateway, origin, { query = HANDSHAKE, ...how } = {}) =>
            request(engineUrl(gateway, { query }), { ...how, headers: { Origin: origin, ...how.headers } });

        function assertAllowed(answer, origin) {
            assert.equal(answer.headers["access-control-allow-origin"], origin);
            assert.equal(answer.headers["access-control-allow-credentials"], "true");
            assert.match(answer.headers.vary ?? "", /\borigin\b/i);
        }

        test("an allowed origin is echoed, with credentials; never *", async () => {
            assertAllowed(await askFrom(strict, ORIGIN), ORIGIN);
            assertAllowed(await askFrom(strict, "http://localhost:3000"), "http://localhost:3000");
            assertAllowed(await askFrom(site.gateways[0], "https://anything.example"), "https://anything.example");
        });

        test("refusals and answers of a POST may be read as well", async () => {
            assertAllowed(await askFrom(strict, ORIGIN, { query: { EIO: 4, transport: "pigeon" } }), ORIGIN);
            assertAllowed(await askFrom(strict, ORIGIN, { query: { ...HANDSHAKE, sid: "gone" } }), ORIGIN);
            const polling = await site.polling(strict, { headers: { Origin: ORIGIN } });
            const answer = await polling.post(["40{}"]);
            assert.equal(answer.status, 200);
            assertAllowed(answer, ORIGIN);
            assertAllowed(await polling.get().answer, ORIGIN);
        });

        test("a preflight is answered for every path", async () => {
            for (const path of PATHS) {
                const answer = await request(engineUrl(strict, { path, query: HANDSHAKE }), {
                    method: "OPTIONS",
                    headers: {
                        Origin: ORIGIN,
                        "Access-Control-Request-Method": "POST",
                        "Access-Control-Request-Headers": "content-type,authorization,x-custom",
                    },
                });
                assert.ok([200, 204].includes(answer.status), `${path}: ${answer.status}`);
                assert.equal(answer.body.length, 0);
                assertAllowed(answer, ORIGIN);
                assert.match(answer.headers["access-control-allow-methods"], /\bPOST\b/);
                assert.match(answer.headers["access-control-allow-methods"], /\bGET\b/);
                const allowed = answer.headers["access-control-allow-headers"].toLowerCase();
                for (const name of ["content-type", "authorization"]) {
                    assert.ok(allowed.includes(name), `${name} in ${allowed}`);
                }
            }
        });

        test("another origin is 403, code 4, and may not read it; so is its websocket", async () => {
            for (const origin of ["https://evil.example", "null", "https://app.example.evil", "http://app.example"]) {
                const answer = await askFrom(strict, origin);
                assertRefused(answer, 4);
                assert.equal(answer.headers["access-control-allow-origin"], undefined);
                assertRefused(await Wire.refused(strict, { headers: { Origin: origin } }), 4);
            }
        });

        test("a preflight of another origin allows nothing", async () => {
            const headers = { "Access-Control-Request-Method": "POST" };
            const answer = await askFrom(strict, "https://evil.example", { method: "OPTIONS", headers });
            assert.equal(answer.headers["access-control-allow-origin"], undefined);
        });

        test("clients that are no browsers send no origin and are told of none", async () => {
            const answer = await request(engineUrl(strict, { query: HANDSHAKE }));
            assert.equal(answer.status, 200);
            assert.equal(answer.headers["access-control-allow-origin"], undefined);
            const wire = await site.wire(strict);
            assert.ok(wire.handshake.sid);
        });
    });

    test("a websocket that never says CONNECT does not disturb others", async () => {
        const wires = await Promise.all(Array.from({ length: 50 }, (_, i) => site.wire(i % 2)));
        await sleep(patient(50));
        assert.ok(wires.every((wire) => wire.isOpen));
        const wire = await site.wireOf(site.user());
        wire.send(eventPacket("ping"));
        assert.equal(await wire.next(), eventPacket("pong"));
    });
});
