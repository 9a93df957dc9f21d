// The official clients, 4.x and 3.x, unchanged, over every transport they have.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, until } from "./lib/patience.mjs";
import { VERSIONS } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";

const WAYS = {
    "websocket only": { transports: ["websocket"] },
    "polling only": { transports: ["polling"] },
    "polling, then websocket": { transports: ["polling", "websocket"] },
    "websocket before polling": { transports: ["websocket", "polling"] },
};

const STATE = { isPlaying: true, currentTime: 12.5, duration: 200, mediaId: 7, mediaTitle: "Titel" };

describe("official clients", { concurrency: 8 }, () => {
    const site = suiteSite({ gateways: 3, flags: { rate: 0 } });

    for (const version of Object.keys(VERSIONS)) {
        for (const [way, how] of Object.entries(WAYS)) {
            const options = { version, ...how };

            describe(`${version} over ${way}`, () => {
                test("connects with its token in the auth payload, and ends up on the best transport", async () => {
                    const client = await site.client(site.user(), 0, options);
                    assert.match(client.socket.id, /^[A-Za-z0-9_-]{20}$/);
                    if (how.transports.includes("websocket")) {
                        await client.upgraded();
                    }
                    await client.fence();
                    assert.deepEqual(client.errors, []);
                    assert.deepEqual(client.disconnects, []);
                    assert.equal(client.sessions.length, 1);
                });

                test("sends and hears events, in order, from one process to another", async () => {
                    const user = site.user();
                    const [car, phone] = await Promise.all([
                        site.client(user, 0, options),
                        site.client(user, 1, options),
                    ]);
                    for (let i = 0; i < 100; i++) {
                        (i % 2 ? car : phone).emit("carplay_command", { command: "seek", value: i });
                    }
                    for (const client of [car, phone]) {
                        await client.when(() => client.all("carplay_command").length === 100, "100 commands");
                    }
                    const values = (client) => client.all("carplay_command").map(([{ value }]) => value);
                    assert.deepEqual(values(car), values(phone), "both hear the same order");
                    for (const rest of [0, 1]) {
                        const mine = values(car).filter((value) => value % 2 === rest);
                        assert.deepEqual(
                            mine,
                            [...mine].sort((a, b) => a - b),
                        );
                    }
                    assert.equal(new Set(values(car)).size, 100);
                });

                test("gets acknowledgements, good and bad", async () => {
                    const client = await site.client(site.user(), 0, options);
                    assert.deepEqual(await client.askAll("playback_state_update", STATE), [{ ok: true }]);
                    assert.deepEqual(await client.askAll("carplay_command", { command: "pause" }), [{ ok: true }]);
                    const bad = await client.ask("carplay_command", { command: "explode" });
                    assert.equal(bad.ok, false);
                    assert.equal(typeof bad.error, "string");
                    assert.equal(typeof bad.message, "string");
                });

                test("sends binary, small and large, mixed with text, and stays in step", async () => {
                    const client = await site.client(site.user(), 0, options);
                    client.emit("ping", Buffer.from([1, 2, 3]), { deep: [new Uint8Array(9000)] });
                    client.emit("ping");
                    client.emit("ping", [Buffer.alloc(0)]);
                    client.emit("carplay_command", { command: "next" });
                    await client.when(() => client.all("pong").length === 3, "three pongs");
                    await client.when(() => client.all("carplay_command").length === 1, "a command");
                    assert.deepEqual(client.disconnects, []);
                });

                test("leaves of its own will, and may come back", async () => {
                    const client = await site.client(site.user(), 0, options);
                    const { id } = client.socket;
                    client.socket.disconnect();
                    assert.deepEqual(client.disconnects, ["io client disconnect"]);
                    client.socket.connect();
                    await client.session(2);
                    assert.notEqual(client.socket.id, id);
                    await client.fence();
                });

                test("an unknown namespace is a connect_error, and no harm to others on the same connection", async () => {
                    const user = site.user();
                    const client = await site.client(user, 0, options);
                    const other = client.socket.io.socket("/nope", { auth: {} });
                    const error = await new Promise((resolve) => other.on("connect_error", resolve));
                    assert.equal(error.message, "Invalid namespace");
                    assert.equal(other.connected, false);
                    await client.fence();
                    assert.deepEqual(client.disconnects, []);
                });
            });
        }

        test(`${version}: a user's state is told on connection, and only then`, async () => {
            const user = site.user();
            const first = await site.client(user, 0, { version });
            await first.fence();
            assert.deepEqual(first.all("playback_state"), []);
            await first.ask("playback_state_update", { ...STATE, isPlaying: false });
            const second = await site.client(user, 1, { version });
            const told = await second.next("playback_state");
            assert.equal(told.mediaId, 7);
            assert.equal(told.currentTime, 12.5);
            await second.fence();
            assert.equal(second.all("playback_state").length, 1);
        });
    }

    test("the path may be /api/socket.io", async () => {
        for (const path of ["/api/socket.io", "/api/socket.io/", "/socket.io"]) {
            for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
                const client = await site.client(site.user(), 0, { path, transports });
                await client.fence();
                client.close();
            }
        }
    });

    test("many events in one turn arrive in order, over polling in few requests", async () => {
        const client = await site.client(site.user(), 0, { transports: ["polling"] });
        for (let i = 0; i < 1000; i++) {
            client.emit("carplay_command", { command: "seek", value: i });
        }
        await client.when(() => client.all("carplay_command").length === 1000, "1000 commands");
        const values = client.all("carplay_command").map(([{ value }]) => value);
        assert.deepEqual(
            values,
            values.map((_, i) => i),
        );
    });

    test("acknowledgements with a timeout, as newer clients ask for them", async () => {
        const client = await site.client(site.user(), 0);
        const answer = await client.socket.timeout(patient()).emitWithAck("carplay_command", { command: "next" });
        assert.deepEqual(answer, { ok: true });
    });

    test("volatile and compressed emits are events like others", async () => {
        const client = await site.client(site.user(), 0, { transports: ["websocket"] });
        client.socket.compress(true).emit("carplay_command", { command: "next" });
        assert.deepEqual(await client.next("carplay_command"), { command: "next" });
        client.socket.volatile.emit("carplay_command", { command: "previous" });
        assert.deepEqual(await client.next("carplay_command"), { command: "previous" });
    });
});

describe("official clients come back", { concurrency: 4 }, () => {
    const lively = { rate: 0, drain: 1 };

    async function throughBalancer(t, options) {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const balancer = await site.balancer();
        const user = site.user();
        const client = await site.client(user, balancer, options);
        return { site, balancer, user, client };
    }

    for (const version of Object.keys(VERSIONS)) {
        for (const transports of [["websocket"], ["polling", "websocket"]]) {
            const options = { version, transports };

            test(`${version} over ${transports}: after a drain (1012), and hears what is said then`, async (t) => {
                const { site, client } = await throughBalancer(t, options);
                await client.upgraded();
                for (let round = 0; round < 2; round++) {
                    const { length } = client.sessions;
                    await site.addGateway();
                    const leaving = site.gateways.shift();
                    assert.equal(await leaving.terminate(), 0);
                    await client.connected();
                    const moved = client.sessions.length > length;
                    assert.equal(client.disconnects.length, client.sessions.length - 1);
                    if (moved) {
                        assert.equal(client.disconnects.at(-1), "transport close");
                    }
                    await client.fence();
                }
                assert.ok(client.disconnects.length >= 1, "one of the two processes was its own");
            });

            test(`${version} over ${transports}: after kill -9 of its process`, async (t) => {
                const { site, client } = await throughBalancer(t, options);
                await client.upgraded();
                await site.addGateway();
                for (const doomed of site.gateways.splice(0, 2)) {
                    await doomed.kill();
                }
                await client.session(2);
                assert.match(client.disconnects[0], /^transport (close|error)$/);
                await client.upgraded();
                await client.fence();
            });
        }

        test(`${version} over polling: a drain is not even noticed`, async (t) => {
            const { site, client } = await throughBalancer(t, { version, transports: ["polling"] });
            for (let round = 0; round < 3; round++) {
                await site.addGateway();
                const leaving = site.gateways.shift();
                const code = leaving.terminate();
                assert.deepEqual(await client.ask("carplay_command", { command: "next" }), { ok: true });
                assert.equal(await code, 0);
                await client.fence();
            }
            assert.deepEqual(client.disconnects, []);
            assert.equal(client.sessions.length, 1);
        });

        test(`${version} over polling: kill -9 of a process is not even noticed, with a balancer that repeats GETs`, async (t) => {
            const { site, client } = await throughBalancer(t, { version, transports: ["polling"] });
            for (let round = 0; round < 3; round++) {
                await site.addGateway();
                await sleep(100);
                const [doomed] = site.gateways.splice(round % 2, 1);
                await doomed.kill();
                assert.deepEqual(await client.ask("carplay_command", { command: "next" }), { ok: true });
                await client.fence();
            }
            assert.deepEqual(client.disconnects, []);
            assert.equal(client.all("carplay_command").length, 3);
        });
    }

    test("when no process is left, and then one is", async (t) => {
        const { site, client } = await throughBalancer(t, { transports: ["polling", "websocket"] });
        for (const doomed of site.gateways.splice(0)) {
            await doomed.kill();
        }
        await client.disconnected();
        await until(() => client.errors.length > 0, "a failed attempt");
        await site.addGateway();
        await client.session(2);
        await client.fence();
    });
});
