// Idempotency-Key: a request that is repeated is answered the same and done once, whichever process gets it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";

import { ask, assertJson, assertRefused } from "./lib/api.mjs";
import { Feed } from "./lib/feed.mjs";
import { exchange } from "./lib/http.mjs";
import { until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";

const KEY = "a key";
const WS = { transports: ["websocket"] };
const HEADER = "Idempotency-Key";

describe("once", () => {
    const site = suiteSite({ flags: { rate: 0, "api-key": KEY } });

    const post = (path, body, { once, on = 0, headers = {}, ...options } = {}) =>
        ask(site.gateways[on], "POST", path, {
            key: KEY,
            body,
            headers: { ...headers, ...(once !== undefined && { [HEADER]: once }) },
            ...options,
        });
    const eventsOf = (user) => `/api/users/${encodeURIComponent(user)}/events`;
    const same = (answers) => {
        for (const answer of answers) {
            assert.deepEqual([answer.status, answer.text], [answers[0].status, answers[0].text]);
        }
    };

    // Everything that may be asked with a key: a request, and how often its doing was seen.
    const rows = {
        async "an event to a user"() {
            const user = site.user();
            const client = await site.client(user, 1, WS);
            const seen = async () => (await client.fence(), client.all("e").length);
            return { path: eventsOf(user), body: { event: "e", data: 1 }, other: { event: "e", data: 2 }, seen };
        },
        async "an event to everybody"() {
            const client = await site.client(site.user(), 1, WS);
            const event = `e-${randomUUID()}`;
            const seen = async () => (await client.fence(), client.all(event).length);
            return { path: "/api/events", body: { event }, other: { event: "other" }, seen };
        },
        async "a message to a room"() {
            const member = await site.member(site.room(), 1);
            const [text, end] = [randomUUID(), randomUUID()];
            const seen = async () => {
                member.say(end);
                for (let count = 0; ; count++) {
                    const frame = JSON.parse(await member.next());
                    if (frame.text === end) {
                        return count;
                    }
                    assert.equal(frame.text, text);
                }
            };
            return { path: `/api/rooms/${member.room}/messages`, body: { text }, other: { text: "other" }, seen };
        },
        async "a line on a feed"() {
            const topic = site.room();
            const feed = await Feed.subscribed(site.gateways[1], `/feed/${topic}`);
            site.players.push(feed);
            const path = `/api/feeds/${topic}`;
            const seen = async () => {
                await post(path, { message: "end" });
                for (let count = 0; ; count++) {
                    const { payload } = JSON.parse(await feed.next());
                    if (payload.message === "end") {
                        return count;
                    }
                    assert.equal(payload.message, "line");
                }
            };
            return { path, body: { message: "line" }, other: { message: "other" }, seen };
        },
        async "a car's command"() {
            const user = site.user();
            const client = await site.client(user, 1, WS);
            const seen = async () => (await client.fence(), client.all("carplay_command").length);
            const who = { key: undefined, token: tokenOf(user) };
            const [body, other] = [{ command: "next" }, { command: "previous" }];
            return { path: "/api/carplay/control", body, other, seen, who };
        },
        async "sending a user away"() {
            const user = site.user();
            const player = await site.player(user, 1);
            const seen = async () => {
                assert.equal((await player.closed()).code, 4403);
                return 1;
            };
            return { path: `/api/users/${user}/disconnect`, body: { reason: "a" }, other: { reason: "b" }, seen };
        },
    };

    for (const [what, open] of Object.entries(rows)) {
        test(`${what}: again, and on the other process`, async () => {
            const { path, body, other, seen, who } = await open();
            const once = randomUUID();
            const answers = [];
            for (const on of [0, 0, 1, 1, 0]) {
                answers.push(await post(path, body, { once, on, ...who }));
            }
            assert.ok([200, 202].includes(answers[0].status), answers[0].text);
            same(answers);
            for (const on of [0, 1]) {
                assertRefused(await post(path, other, { once, on, ...who }), 400, "bad_request", /^Idempotency-Key: /);
            }
            assert.equal(await seen(), 1);
        });

        test(`${what}: at the same time on both processes`, async () => {
            const { path, body, seen, who } = await open();
            const once = randomUUID();
            const all = Array.from({ length: 40 }, (_, i) => post(path, body, { once, on: i % 2, ...who }));
            const answers = await Promise.all(all);
            assert.ok([200, 202].includes(answers[0].status), answers[0].text);
            same(answers);
            assert.equal(await seen(), 1);
        });
    }

    test("whose answer nobody heard", async () => {
        const user = site.user();
        const client = await site.client(user, 1, WS);
        const once = randomUUID();
        const body = { event: "e", data: 1 };
        const lost = exchange(site.gateways[0].url(eventsOf(user)), {
            method: "POST",
            headers: { "X-API-Key": KEY, [HEADER]: once },
            body: JSON.stringify(body),
        });
        await client.when(() => client.all("e").length === 1, "the event");
        lost.abort();
        const answer = await post(eventsOf(user), body, { once, on: 1 });
        assert.equal(answer.status, 200, answer.text);
        await client.fence();
        assert.equal(client.all("e").length, 1);
    });

    test("which Redis took, and the process that asked never learned it", async (t) => {
        const own = await testSite(t, { gateways: 1, flags: { rate: 0, "api-key": KEY }, redis: SINGLE });
        const proxy = await Proxy.open(own.redis.port);
        t.after(() => proxy.close());
        const lonely = await own.addGateway({ redis: proxy.url });
        const user = own.user();
        const client = await own.client(user, 0, WS);
        const options = { key: KEY, body: { event: "e" }, headers: { [HEADER]: randomUUID() } };
        proxy.mute();
        const lost = ask(lonely, "POST", eventsOf(user), options);
        await client.when(() => client.all("e").length === 1, "the event");
        proxy.cut();
        assertRefused(await lost, 503, "unavailable");
        const answers = [await ask(own.gateways[0], "POST", eventsOf(user), options)];
        assert.equal(answers[0].status, 200, answers[0].text);
        proxy.restore();
        await until(async () => (await lonely.get("/readyz")).status === 200, "/readyz says 200");
        answers.push(await ask(lonely, "POST", eventsOf(user), options));
        same(answers);
        await client.fence();
        assert.equal(client.all("e").length, 1);
    });

    test("with another key, on another path, or without one it is another request", async () => {
        const [one, two] = [site.user(), site.user()];
        const clients = [await site.client(one, 0, WS), await site.client(two, 1, WS)];
        const body = { event: "e" };
        for (const [user, once] of [
            [one, "a"],
            [one, "b"],
            [one, "A"],
            [one, undefined],
            [one, undefined],
            [two, "a"],
        ]) {
            assert.equal((await post(eventsOf(user), body, { once })).status, 200);
        }
        assert.equal((await post(`/api/users/${two}/disconnect`, { event: "e" }, { once: "a" })).status, 202);
        assert.equal(await clients[1].disconnected(), "io server disconnect");
        await clients[0].fence();
        assert.deepEqual(
            clients.map((client) => client.all("e").length),
            [5, 1],
        );
    });

    test("blanks make no other request", async () => {
        const path = eventsOf(site.user());
        const once = randomUUID();
        same([
            await post(path, '{"event":"e","data":" x"}', { once }),
            await post(path, ' { "event" : "e",\r\n"data":" x" } ', { once, on: 1 }),
        ]);
        assertRefused(await post(path, '{"event":"e","data":"x"}', { once }), 400, "bad_request", /Idempotency-Key/);
    });

    test("what was refused was not asked yet", async () => {
        const path = eventsOf(site.user());
        const once = randomUUID();
        assertRefused(await post(path, { event: "" }, { once }), 400, "bad_request", /^event: /);
        assertRefused(await post(path, { event: "e" }, { once, key: "wrong" }), 401, "unauthorized");
        assert.equal((await post(path, { event: "e" }, { once })).status, 200);
    });

    test("that nobody was there to hear is an answer, too", async () => {
        const room = site.room();
        const path = `/api/rooms/${room}/messages`;
        assertRefused(await post(path, { text: "a" }, { once: "k" }), 404, "not_found");
        const member = await site.member(room, 1);
        assertRefused(await post(path, { text: "a" }, { once: "k", on: 1 }), 404, "not_found");
        await member.hearsNothing();
        assert.equal((await post(path, { text: "a" }, { once: "l" })).status, 200);
    });

    describe("keys", () => {
        const path = eventsOf("keys");
        const body = { event: "e" };
        const visible = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join("");

        test("are 1 to 128 visible characters, which all count", async () => {
            const ids = new Set();
            for (const once of ["x", "X", '"x"', visible, "k".repeat(127), "k".repeat(128), `${"k".repeat(127)}l`]) {
                const answer = await post(path, body, { once });
                assert.equal(answer.status, 200, once);
                ids.add(answer.json().id);
            }
            assert.equal(ids.size, 7);
        });

        test("that are none are refused, after a bad API key and before a bad body", async () => {
            const bad = ["", " ", "a b", "a\tb", "\u00e9", "k".repeat(129), ["a", "b"], ["a", "a"]];
            for (const once of bad) {
                for (const [where, text] of [
                    [path, "{"],
                    ["/api/batch", "{"],
                    ["/api/events", body],
                ]) {
                    const answer = await post(where, text, { once });
                    assertRefused(answer, 400, "bad_request", /^Idempotency-Key: must be 1 to 128 visible ASCII/);
                }
                assertRefused(await post(path, body, { once, key: "wrong" }), 401, "unauthorized");
            }
        });
    });

    describe("a batch", () => {
        const operationsOf = (user, count) =>
            Array.from({ length: count }, (_, i) => ({ path: eventsOf(user), body: { event: "n", data: i } }));

        test("again, on the other process, and at the same time: every operation is done once, in order", async () => {
            const user = site.user();
            const client = await site.client(user, 1, WS);
            const once = "k".repeat(128);
            const body = { operations: [...operationsOf(user, 300), { path: "/nothing" }, { path: "/api/events", body: {} }] };
            const answers = await Promise.all([0, 1, 0, 1].map((on) => post("/api/batch", body, { once, on })));
            answers.push(await post("/api/batch", body, { once, on: 1 }));
            assert.equal(answers[0].status, 200);
            same(answers);
            await client.fence();
            assert.deepEqual(
                client.all("n").map(([n]) => n),
                Array.from({ length: 300 }, (_, i) => i),
            );
        });

        test("another one with its key is refused as a whole", async () => {
            const user = site.user();
            const client = await site.client(user, 1, WS);
            const once = randomUUID();
            const operations = operationsOf(user, 3);
            assert.equal((await post("/api/batch", { operations }, { once })).status, 200);
            for (const others of [[], operations.slice(1), operationsOf(user, 4), operationsOf(site.user(), 3)]) {
                const answer = await post("/api/batch", { operations: others }, { once, on: 1 });
                assertRefused(answer, 400, "bad_request", /^Idempotency-Key: /);
            }
            await client.fence();
            assert.equal(client.all("n").length, 3);
        });

        test("what is the same in it, twice, is done twice", async () => {
            const user = site.user();
            const [operation] = operationsOf(user, 1);
            const answer = await post("/api/batch", { operations: [operation, operation] }, { once: randomUUID() });
            assert.equal(new Set(answer.json().results.map(({ body }) => body.id)).size, 2);
        });

        test("an operation of it can be asked for alone, by its number", async () => {
            const user = site.user();
            const once = randomUUID();
            const operations = operationsOf(user, 2);
            const { results } = (await post("/api/batch", { operations }, { once })).json();
            const alone = await post(operations[1].path, operations[1].body, { once: `${once}/1`, on: 1 });
            assertJson(alone, 200, results[1].body);
        });
    });
});
