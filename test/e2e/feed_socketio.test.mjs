// Feeds in Socket.IO: namespace /feed with the official client, over a websocket and by polling, on more processes
// than one.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Balancer } from "./lib/balancer.mjs";
import { Feed } from "./lib/feed.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { Client } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "server-key";
const OK = { ok: true };
const TRANSPORTS = { websocket: ["websocket"], polling: ["polling"], "polling, upgraded": ["polling", "websocket"] };

let topics = 0;

const newTopic = () => `sio-${++topics}`;

async function tell(gateway, topic, message) {
    const answer = await gateway.get(`/api/feeds/${topic}`, {
        method: "POST",
        headers: { "X-API-Key": KEY },
        body: JSON.stringify({ message }),
    });
    assert.equal(answer.status, 200, answer.text);
}

function lines(client) {
    return client.all("wisdom_distribution").map(([first, ...more]) => {
        assert.deepEqual(more, []);
        return first;
    });
}

// Everything that was said before has come: a line that we say ourselves closes the list.
async function heard(client, gateway, topic) {
    const end = `end ${Math.random()}`;
    await tell(gateway, topic, end);
    await client.when(() => lines(client).some(({ message }) => message === end), "the end of what was said");
    return lines(client).filter(({ message }) => message !== end);
}

describe("feeds in Socket.IO", { concurrency: 8 }, () => {
    const site = suiteSite({ gateways: 2, flags: { "api-key": KEY, rate: 0 } });

    function open(t, on, options = {}) {
        return Client.open(typeof on === "number" ? site.gateways[on] : on, { namespace: "/feed", ...options }).then(
            (client) => {
                t.after(() => client.close());
                return client;
            },
        );
    }

    for (const [name, transports] of Object.entries(TRANSPORTS)) {
        describe(name, () => {
            test("a subscriber gets every line once, in order, with its topic", async (t) => {
                const topic = newTopic();
                const client = await open(t, 0, { transports });
                assert.deepEqual(await client.ask("subscribe", { topic }), OK);
                for (let i = 0; i < 20; i++) {
                    await tell(site.gateways[i % 2], topic, `line ${i}`);
                    await sleep(i % 3);
                }
                const expected = Array.from({ length: 20 }, (_, i) => ({ topic, message: `line ${i}` }));
                assert.deepEqual(await heard(client, site.gateways[1], topic), expected);
            });

            test("topics come and go by themselves", async (t) => {
                const [one, two] = [newTopic(), newTopic()];
                const client = await open(t, 1, { transports });
                await tell(site.gateways[0], one, "too early");
                assert.deepEqual(await client.ask("subscribe", { topic: one }), OK);
                await tell(site.gateways[0], one, "a");
                await tell(site.gateways[0], two, "not yet");
                assert.deepEqual(await client.ask("subscribe", { topic: two }), OK);
                assert.deepEqual(await client.ask("subscribe", { topic: two }), OK);
                await tell(site.gateways[0], two, "b");
                await client.when(() => lines(client).length === 2, "two lines");
                assert.deepEqual(await client.ask("unsubscribe", { topic: one }), OK);
                await tell(site.gateways[0], one, "too late");
                const got = await heard(client, site.gateways[0], two);
                assert.deepEqual(got, [
                    { topic: one, message: "a" },
                    { topic: two, message: "b" },
                ]);
                assert.deepEqual(await client.ask("unsubscribe", { topic: one }), OK);
                assert.deepEqual(await client.ask("subscribe", { topic: one }), OK);
                await tell(site.gateways[0], one, "back");
                assert.deepEqual((await heard(client, site.gateways[0], one)).at(-1), { topic: one, message: "back" });
            });

            test("what is wrong is an error and a refusal, and nothing else changes", async (t) => {
                const topic = newTopic();
                const client = await open(t, 0, { transports });
                assert.deepEqual(await client.ask("subscribe", { topic }), OK);
                const wrong = [
                    [],
                    [null],
                    ["x"],
                    [5],
                    [[topic]],
                    [{}],
                    [{ topic: 5 }],
                    [{ topic: null }],
                    [{ topic: "" }],
                    [{ topic: "a.b" }],
                    [{ topic: "x".repeat(65) }],
                    [{ topic: "a\u0001" }],
                ];
                for (const verb of ["subscribe", "unsubscribe"]) {
                    for (const args of wrong) {
                        const answer = await client.ask(verb, ...args);
                        assert.deepEqual([answer.ok, answer.error], [false, "invalid"], JSON.stringify(args));
                        const { code, message } = await client.next("error");
                        assert.deepEqual([code, message], ["invalid", answer.message]);
                    }
                }
                assert.equal((await client.ask("nothing", { topic })).error, "unknown_event");
                assert.equal((await client.next("error")).code, "unknown_event");
                client.emit("subscribe", { topic: "a b" });
                assert.equal((await client.next("error")).code, "invalid");
                await tell(site.gateways[1], topic, "still here");
                assert.deepEqual(await heard(client, site.gateways[1], topic), [{ topic, message: "still here" }]);
            });

            test("sixteen topics and no more", async (t) => {
                const client = await open(t, 0, { transports });
                const mine = Array.from({ length: 17 }, newTopic);
                for (const topic of mine.slice(0, 16)) {
                    assert.deepEqual(await client.ask("subscribe", { topic }), OK);
                }
                assert.equal((await client.ask("subscribe", { topic: mine[16] })).error, "too_many");
                assert.deepEqual(await client.ask("subscribe", { topic: mine[3] }), OK);
                assert.deepEqual(await client.ask("unsubscribe", { topic: mine[0] }), OK);
                assert.deepEqual(await client.ask("subscribe", { topic: mine[16] }), OK);
                for (const topic of mine) {
                    await tell(site.gateways[1], topic, topic);
                }
                const got = await heard(client, site.gateways[1], mine[16]);
                assert.deepEqual(got.map(({ message }) => message).sort(), mine.slice(1).sort());
            });

            test("any text arrives as it was said", async (t) => {
                const topic = newTopic();
                const client = await open(t, 0, { transports });
                await client.ask("subscribe", { topic });
                const texts = ['"quotes"\\', "<b>", "two\nlines", "\u001e\u001f", "\u{1f43a}\u2028", "x".repeat(16000)];
                for (const text of texts) {
                    await tell(site.gateways[1], topic, text);
                }
                const got = await heard(client, site.gateways[1], topic);
                assert.deepEqual(
                    got.map(({ message }) => message),
                    texts,
                );
            });

            test("through a balancer without stickiness every line comes once", async (t) => {
                const topic = newTopic();
                const balancer = await Balancer.open(site.gateways);
                t.after(() => balancer.close());
                const client = await open(t, balancer, { transports });
                await client.ask("subscribe", { topic });
                const count = 100;
                for (let i = 0; i < count; i++) {
                    await tell(site.gateways[i % 2], topic, `line ${i}`);
                    await sleep((i * 7) % 5);
                }
                const got = await heard(client, site.gateways[1], topic);
                assert.deepEqual(
                    got.map(({ message }) => message),
                    Array.from({ length: count }, (_, i) => `line ${i}`),
                );
            });
        });
    }

    test("nobody needs a token; a bad one is turned away", async (t) => {
        const topic = newTopic();
        const client = await open(t, 0, { token: tokenOf("ann"), transports: ["websocket"] });
        assert.deepEqual(await client.ask("subscribe", { topic }), OK);
        const bad = new Client(site.gateways[0], { namespace: "/feed", token: "x.y.z", transports: ["websocket"] });
        t.after(() => bad.close());
        assert.equal((await bad.next("error")).code, "unauthorized");
        await bad.disconnected();
    });

    test("WebSocket and Socket.IO hear the same", async (t) => {
        const topic = newTopic();
        const feed = await Feed.subscribed(site.gateways[0], `/feed/${topic}`);
        const client = await open(t, 1, { transports: ["websocket"] });
        await client.ask("subscribe", { topic });
        await tell(site.gateways[0], topic, "hello");
        assert.equal(await feed.line(), "hello");
        assert.deepEqual(await heard(client, site.gateways[0], topic), [{ topic, message: "hello" }]);
    });

    test("a client that leaves the namespace hears nothing more, and may come again", async (t) => {
        const topic = newTopic();
        const client = await open(t, 0, { transports: ["websocket"] });
        await client.ask("subscribe", { topic });
        client.socket.disconnect();
        await tell(site.gateways[0], topic, "while away");
        client.socket.connect();
        await client.session(2);
        assert.deepEqual(await client.ask("subscribe", { topic }), OK);
        assert.deepEqual(await heard(client, site.gateways[0], topic), []);
    });
});

describe("feeds in Socket.IO under other rules", { concurrency: 4 }, () => {
    test("where feeds are not anonymous, a token is needed", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { anonymous: "chat" } });
        const client = new Client(site.gateways[0], { namespace: "/feed", transports: ["websocket"] });
        t.after(() => client.close());
        assert.equal((await client.next("error")).code, "unauthorized");
    });

    for (const [name, transports] of Object.entries(TRANSPORTS)) {
        test(`the built-in feeds are told to clients of every process (${name})`, async (t) => {
            const site = await testSite(t, { gateways: 2 });
            const clients = await Promise.all(
                site.gateways.map((gateway) => Client.open(gateway, { namespace: "/feed", transports })),
            );
            t.after(() => clients.forEach((client) => client.close()));
            for (const client of clients) {
                assert.deepEqual(await client.ask("subscribe", { topic: "wisdom" }), OK);
            }
            const got = await Promise.all(clients.map((client) => client.next("wisdom_distribution", patient(15000))));
            assert.deepEqual(got[0], got[1]);
            assert.equal(got[0].topic, "wisdom");
        });
    }

    test("when Redis was away, a websocket's subscriptions are there as before", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "api-key": KEY } });
        const [gateway] = site.gateways;
        const client = await Client.open(gateway, { namespace: "/feed", transports: ["websocket"] });
        t.after(() => client.close());
        const topic = newTopic();
        await client.ask("subscribe", { topic });
        await tell(gateway, topic, "before");
        await client.when(() => lines(client).length === 1, "the line before");
        await site.redis.kill();
        await until(async () => (await gateway.get("/readyz")).status === 503, "Redis is missed");
        assert.equal((await client.ask("subscribe", { topic: "other" })).error, "unavailable");
        await site.redis.restart();
        await gateway.ready();
        await tell(gateway, topic, "after");
        const got = await heard(client, gateway, topic);
        assert.deepEqual(
            got.map(({ message }) => message),
            ["before", "after"],
        );
        assert.equal(client.sessions.length, 1);
    });

    test("who does not read is sent away", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "api-key": KEY, "max-queue": 65536 } });
        const [gateway] = site.gateways;
        const client = await Client.open(gateway, {
            namespace: "/feed",
            transports: ["websocket"],
            reconnection: false,
        });
        t.after(() => client.close());
        const topic = newTopic();
        await client.ask("subscribe", { topic });
        const { ws } = client.socket.io.engine.transport;
        ws.pause();
        const slow = async () => (await gateway.metrics()).get("segue_slow_consumers_total");
        for (let count = 0; (await slow()) === 0; count++) {
            assert.ok(count < 3000, "48 MB fit into no socket");
            for (let i = 0; i < 20; i++, count++) {
                await tell(gateway, topic, "x".repeat(16000));
            }
        }
        ws.resume();
        assert.equal(await client.disconnected(), "transport close");
        assert.equal(await slow(), 1);
    });
});
