// /engine.io/ of the conformance program: Engine.IO v4 as its protocol says, with every message sent back.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";

import { Socket } from "engine.io-client";

import { assertRefused, bodyOf, engineUrl, HANDSHAKE, Wire } from "../e2e/lib/engine.mjs";
import { request } from "../e2e/lib/http.mjs";
import { patient, sleep, SLOW, until, within } from "../e2e/lib/patience.mjs";
import { conformanceSite, MAX_PAYLOAD, MEETINGS } from "./lib/program.mjs";

const PATH = "/engine.io/";

for (const [meeting, gateways] of MEETINGS) {
    describe(`Engine.IO, ${meeting}`, { concurrency: 8 }, () => {
        const site = conformanceSite({ gateways, flags: { "max-message": MAX_PAYLOAD, "max-queue": 4 * MAX_PAYLOAD } });
        const at = (number) => number % gateways;
        const polling = (options) => site.polling(site.gateways, { path: PATH, ...options });
        const wire = (number = 0, options = {}) => site.wire(at(number), { path: PATH, ...options });

        const hanging = (session) => site.hanging(session);

        test("the open packets", async () => {
            const [slow, fast] = [await polling(), await wire()];
            const { sid, ...rest } = slow.handshake;
            const times = { pingInterval: 25000, pingTimeout: 20000, maxPayload: MAX_PAYLOAD };
            assert.deepEqual(rest, { upgrades: ["websocket"], ...times });
            assert.deepEqual({ ...fast.handshake, sid }, { sid, upgrades: [], ...times });
        });

        test("a token is not asked for, and a bad one is not looked at", async () => {
            for (const options of [{ query: { token: "bad" } }, { headers: { Authorization: "Bearer bad" } }]) {
                const session = await polling(options).catch((error) => error);
                assert.ok(session.sid, String(session));
            }
        });

        test("refusals have their codes", async () => {
            const ask = (query, how) => request(engineUrl(site.gateways[0], { path: PATH, query }), how);
            assertRefused(await ask({ EIO: 4 }), 0);
            assertRefused(await ask({ EIO: 4, transport: "abc" }), 0);
            assertRefused(await ask({ ...HANDSHAKE, sid: "zz" }), 1);
            assertRefused(await ask(HANDSHAKE, { method: "POST", body: "4" }), 2);
            assertRefused(await ask({ EIO: 4, transport: "websocket" }), 3);
            assertRefused(await ask({ ...HANDSHAKE, EIO: 3 }), 5);
            for (const query of [{ EIO: "abc" }, { EIO: 3 }, { transport: "abc" }, { sid: "zz" }]) {
                assert.equal((await Wire.refused(site.gateways[0], { path: PATH, query })).status, 400);
            }
        });

        describe("messages", () => {
            test("over polling: text as text, binary as binary, several in one body", async () => {
                const session = await polling();
                await session.send("4hello");
                assert.deepEqual(await session.poll(), ["4hello"]);
                await session.send("4a", Buffer.from([1, 2, 3, 4]), "4", "4é 日本 🎵");
                const heard = await session.poll();
                assert.deepEqual(heard, ["4a", Buffer.from([1, 2, 3, 4]), "4", "4é 日本 🎵"]);
            });

            test("over websocket: text as text, binary as binary", async () => {
                const socket = await wire();
                for (const packet of [
                    "4hello",
                    "4",
                    Buffer.from([1, 2, 3]),
                    Buffer.alloc(0),
                    "4é 日本 🎵",
                    randomBytes(100000),
                ]) {
                    socket.send(packet);
                    assert.deepEqual(await socket.next(), packet);
                }
            });

            test("over polling: every length of base64, and whole kilobytes", async () => {
                const session = await polling();
                for (const size of [0, 1, 2, 3, 4, 5, 63, 64, 65, 1000, 100000]) {
                    const bytes = randomBytes(size);
                    await session.send(bytes);
                    const [back] = await session.poll();
                    assert.ok(Buffer.isBuffer(back) && back.equals(bytes), `${size} bytes`);
                }
            });

            test("a POST of exactly maxPayload is accepted and comes back whole; one more is 413", async () => {
                const session = await polling();
                const packets = Array.from({ length: 99 }, (_, i) => `4${i}`.padEnd(9999, "x"));
                const last = MAX_PAYLOAD - bodyOf(packets).length - 1;
                packets.push("4".padEnd(last, "y"));
                assert.equal(bodyOf(packets).length, MAX_PAYLOAD);
                await session.send(...packets);
                const heard = [];
                while (heard.length < packets.length) {
                    const answer = await session.get().answer;
                    assert.ok(answer.body.length <= MAX_PAYLOAD);
                    heard.push(...answer.text.split("\x1e"));
                }
                assert.deepEqual(heard, packets);
                const refused = await session.post("4".padEnd(MAX_PAYLOAD + 1, "x"));
                assert.deepEqual([refused.status, refused.body.length], [413, 0]);
                await session.send("4still");
                assert.deepEqual(await session.poll(), ["4still"]);
            });

            test("a thousand in order, whoever is asked", async () => {
                const session = await polling();
                const heard = [];
                for (let i = 0; i < 1000; i += 50) {
                    await session.send(...Array.from({ length: 50 }, (_, j) => `4${i + j}`));
                    while (heard.length < i + 50) {
                        heard.push(...(await session.poll()));
                    }
                }
                assert.deepEqual(
                    heard,
                    heard.map((_, i) => `4${i}`),
                );
                assert.equal(heard.length, 1000);
            });
        });

        describe("closing", () => {
            test("POST 1 while a GET hangs: 6, then 400", async () => {
                const session = await polling();
                const get = await hanging(session);
                await session.send("1");
                assert.equal((await get.answer).text, "6");
                await session.isGone();
            });

            test("a second GET: 1, 400, gone", async () => {
                const session = await polling();
                const first = await hanging(session);
                assert.equal((await session.get().answer).status, 400);
                assert.equal((await first.answer).text, "1");
                await session.isGone();
            });

            test("an aborted GET", async () => {
                const session = await polling();
                (await hanging(session)).abort();
                await until(async () => (await session.post("3")).status === 400, "end");
                await session.isGone();
            });

            test("1 over websocket", async () => {
                const socket = await wire();
                socket.send("1");
                await socket.closed();
            });

            for (const packet of ["abc", "", "7", "2", "x"]) {
                test(`an invalid packet, ${JSON.stringify(packet)}, on both transports`, async () => {
                    const [session, socket] = [await polling(), await wire()];
                    await session.post(packet);
                    await session.isGone();
                    socket.send(packet);
                    await socket.closed();
                });
            }
        });

        describe("the upgrade", () => {
            test("2probe, 3probe, 6, 5; then messages go both ways, and polling is 400", async () => {
                const session = await polling();
                const get = await hanging(session);
                const socket = await wire(1, { sid: session.sid });
                socket.send("2probe");
                assert.equal(await socket.next(), "3probe");
                assert.equal((await get.answer).text, "6");
                socket.send("5");
                socket.send("4hello", Buffer.from([1, 2]));
                assert.equal(await socket.next(), "4hello");
                assert.deepEqual(await socket.next(), Buffer.from([1, 2]));
                assert.equal((await session.get().answer).status, 400);
                const second = new Wire(site.gateways[at(2)], { path: PATH, sid: session.sid });
                await second.opened();
                await second.closed();
                socket.send("4again");
                assert.equal(await socket.next(), "4again");
            });

            test("a message that waits when it begins is not lost", async () => {
                for (let round = 0; round < 5; round++) {
                    const session = await polling();
                    await session.send("4early");
                    const socket = await wire(round, { sid: session.sid });
                    socket.send("2probe");
                    assert.equal(await socket.next(), "3probe");
                    const heard = (await session.get().answer).text.split("\x1e").filter((packet) => packet !== "6");
                    socket.send("5", "4late");
                    while (!heard.includes("4late")) {
                        heard.push(await socket.next());
                    }
                    assert.deepEqual(heard, ["4early", "4late"]);
                }
            });

            test("a prober that dies leaves polling as it was", async () => {
                const session = await polling();
                const socket = await wire(1, { sid: session.sid });
                socket.send("2probe");
                assert.equal(await socket.next(), "3probe");
                socket.destroy();
                await session.send("4hello");
                const heard = [];
                while (!heard.includes("4hello")) {
                    heard.push(...(await session.poll()));
                }
            });
        });

        for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
            test(`engine.io-client over ${transports}: every message back, text and binary, in order`, async () => {
                const target = gateways > 1 ? await site.balancer() : site.gateways[0];
                const socket = new Socket(target.url("/"), { path: PATH, transports });
                const heard = [];
                let failed = null;
                socket.on("message", (data) => heard.push(typeof data === "string" ? data : Buffer.from(data)));
                socket.on("close", (reason) => (failed = reason));
                await within(new Promise((resolve) => socket.on("open", resolve)), "engine.io-client");
                const sent = [];
                for (let i = 0; i < 200; i++) {
                    sent.push(i % 3 ? `text ${i}` : randomBytes(i * 10));
                    socket.send(sent.at(-1));
                    if (i % 20 === 0) {
                        await sleep(5);
                    }
                }
                await until(
                    () => failed || heard.length >= sent.length,
                    () => `${heard.length} messages`,
                );
                assert.equal(failed, null);
                assert.deepEqual(heard, sent);
                if (transports.length > 1) {
                    await until(() => socket.transport.name === "websocket", "upgrade");
                }
                const closed = new Promise((resolve) => socket.on("close", resolve));
                socket.close();
                await within(closed, "end of engine.io-client");
            });
        }
    });

    describe(`heartbeats of Engine.IO, ${meeting}`, { concurrency: 8 }, () => {
        const INTERVAL = 300 * SLOW;
        const TIMEOUT = 1000 * SLOW;
        const flags = { "ping-interval": INTERVAL, "ping-timeout": TIMEOUT, "connect-timeout": 1000 * SLOW };
        const site = conformanceSite({ gateways, flags });
        const polling = () => site.polling(site.gateways, { path: PATH });

        test("websocket: a ping every interval; without a pong the connection is closed after the timeout", async () => {
            const socket = await site.wire(0, { path: PATH, heartbeat: false });
            for (let i = 0; i < 3; i++) {
                const began = Date.now();
                assert.equal(await socket.next(), "2");
                assert.ok(Date.now() - began > INTERVAL * 0.5);
                socket.send("3");
            }
            assert.equal(await socket.next(), "2");
            const began = Date.now();
            await socket.closed();
            const passed = Date.now() - began;
            assert.ok(passed > TIMEOUT * 0.5 && passed < TIMEOUT + patient(3000), `${passed} ms`);
        });

        test("polling: the same; then the sid is 400", async () => {
            const session = await polling();
            for (let i = 0; i < 3; i++) {
                assert.deepEqual(await session.poll(), ["2"]);
                await session.send("3");
            }
            assert.deepEqual(await session.poll(), ["2"]);
            await sleep(TIMEOUT + 3);
            await session.isGone();
        });

        test("polling: never polled, and gone to the millisecond", async () => {
            const session = await polling();
            await sleep(INTERVAL + TIMEOUT + 3);
            await session.isGone();
        });

        test("no message is needed to stay, and no CONNECT", async () => {
            const socket = await site.wire(0, { path: PATH });
            await sleep(2 * (INTERVAL + TIMEOUT));
            socket.send("4there");
            assert.equal(await socket.next(), "4there");
        });
    });
}
