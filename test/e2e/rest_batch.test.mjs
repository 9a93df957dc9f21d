// Batches: many operations of the server API in one request, one result each, in order.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ask, assertJson, assertRefused } from "./lib/api.mjs";
import { sleep, until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";

const KEY = "a key";
const WS = { transports: ["websocket"] };
const MOST = 1000;

describe("batch", () => {
    const site = suiteSite({ flags: { rate: 0, "api-key": KEY } });

    const post = (body, { on = 0, ...options } = {}) =>
        ask(site.gateways[on], "POST", "/api/batch", { key: KEY, body, ...options });
    const batch = (operations, options) => post({ operations }, options);
    const eventsOf = (user) => `/api/users/${encodeURIComponent(user)}/events`;
    const event = (user, name, data) => ({ path: eventsOf(user), body: { event: name, data } });

    async function resultsOf(operations, options) {
        const answer = await batch(operations, options);
        assert.equal(answer.status, 200, answer.text);
        const { results, ...rest } = answer.json();
        assert.deepEqual(rest, {});
        assert.equal(results.length, operations.length);
        results.forEach((result) => assert.deepEqual(Object.keys(result), ["status", "body"]));
        return results;
    }

    const statuses = (results) => results.map(({ status }) => status);

    // The events that Redis keeps of a user.
    const kept = (user) => site.redis.call("XLEN", `segue:events:{${user}}`);

    describe("what it does", () => {
        test("every operation that a server may POST, with the answer that it has alone", async () => {
            const user = site.user();
            const room = site.room();
            const client = await site.client(user, 1, WS);
            // Of another user: between users nothing says what comes first, the event for all or the end.
            const leaver = site.user();
            const leaving = await site.client(leaver, 1, WS);
            const member = await site.member(room, 1);
            const results = await resultsOf([
                event(user, "one", { a: 1 }),
                { path: "/api/events", body: { event: "two" } },
                { path: `/api/rooms/${room}/messages`, body: { text: "three", name: "backend" } },
                { path: "/api/feeds/news", body: { message: "four" } },
                { path: "/api/users/nobody/disconnect" },
                event(leaver, "five"),
                { path: `/api/users/${leaver}/disconnect`, body: { reason: "six" } },
            ]);
            assert.deepEqual(statuses(results), [200, 200, 200, 200, 202, 200, 202]);
            assert.match(results[0].body.id, /^\d{16}$/);
            assert.match(results[1].body.id, /^\d{16}$/);
            assert.match(results[2].body.id, /^\d+$/);
            results.slice(0, 3).forEach(({ body }) => assert.deepEqual(Object.keys(body), ["ok", "id"]));
            [3, 4, 6].forEach((i) => assert.deepEqual(results[i].body, { ok: true }));
            assert.deepEqual(await client.next("one"), { a: 1 });
            await client.when(() => client.all("two").length === 1, "the event for all");
            await member.hears("message", { text: "three", name: "backend", clientId: null, id: results[2].body.id });
            assert.equal(await leaving.disconnected(), "io server disconnect");
            assert.equal(leaving.all("five").length, 1, "what was said before the end came before it");
        });

        test("any user's name, escaped in the path and in JSON", async () => {
            const user = 'ü/ö "?&#% {x}';
            const client = await site.client(user, 1, WS);
            const path = JSON.stringify(eventsOf(user)).replaceAll("/", "\\/").replace("users", "u\\u0073ers");
            const answer = await post(`{"operations":[{"body":{"event":"hello"},"p\\u0061th":${path}}]}`);
            assert.deepEqual(statuses(answer.json().results), [200]);
            await client.when(() => client.all("hello").length === 1, "the event");
            client.close();
        });

        test("data arrives as it was spelled", async () => {
            const user = site.user();
            const body = '{ "event":"e" , "data" : {"big":9007199254740993, "e":1e2, "s":" \\u00e9 "} }';
            const answer = await post(`{"operations":[ {"path":"${eventsOf(user)}", "body": ${body} } ]}`);
            assert.equal(answer.status, 200, answer.text);
            const [[, fields]] = await site.redis.call("XRANGE", `segue:events:{${user}}`, "-", "+");
            assert.equal(fields[fields.indexOf("b") + 1], '"e",{"big":9007199254740993,"e":1e2,"s":" \\u00e9 "}');
        });

        test("none is none", async () => {
            assertJson(await batch([]), 200, { results: [] });
        });

        test("a thousand for one user arrive in order, once, on both processes", async () => {
            const user = site.user();
            const clients = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
            clients.push(await site.client(user, 1, { transports: ["polling"] }));
            const results = await resultsOf(Array.from({ length: MOST }, (_, i) => event(user, "n", i)));
            assert.ok(results.every(({ status, body }) => status === 200 && body.ok));
            const ids = results.map(({ body }) => Number(body.id));
            assert.deepEqual(ids, [...ids].sort((a, b) => a - b), "numbers of events as they were asked for");
            assert.equal(new Set(ids).size, MOST);
            for (const client of clients) {
                await client.when(() => client.all("n").length >= MOST, "all events");
                await client.fence();
                assert.deepEqual(
                    client.all("n").map(([n]) => n),
                    Array.from({ length: MOST }, (_, i) => i),
                );
            }
        });

        test("ten thousand in bursts reach all sockets of a user on both processes in one order, once", async () => {
            const user = site.user();
            const clients = [];
            for (const on of [0, 1, 0, 1]) {
                clients.push(await site.client(user, on, WS));
            }
            const bursts = Array.from({ length: 10 }, (_, burst) =>
                Array.from({ length: MOST }, (__, i) => event(user, "n", burst * MOST + i)),
            );
            await Promise.all(bursts.map((operations, i) => resultsOf(operations, { on: i % 2 })));
            const heard = [];
            for (const client of clients) {
                await client.when(() => client.events.length >= 10 * MOST, () => `all, not ${client.events.length} events`);
                await client.fence();
                heard.push(client.all("n").map(([n]) => n));
            }
            assert.equal(heard[0].length, 10 * MOST);
            assert.equal(new Set(heard[0]).size, 10 * MOST);
            heard.slice(1).forEach((other) => assert.deepEqual(other, heard[0]));
            for (let burst = 0; burst < 10; burst++) {
                const mine = heard[0].filter((n) => Math.floor(n / MOST) === burst);
                assert.deepEqual(mine, [...mine].sort((a, b) => a - b), `order of burst ${burst}`);
            }
        });

        test("a client that leaves in the middle keeps nothing from being done", async () => {
            const user = site.user();
            const text = JSON.stringify({ operations: Array.from({ length: MOST }, (_, i) => event(user, "n", i)) });
            const raw = await site.raw(0);
            const head = `POST /api/batch HTTP/1.1\r\nHost: a\r\nX-API-Key: ${KEY}\r\nContent-Length: ${text.length}\r\n\r\n`;
            raw.write(head + text);
            await until(async () => (await kept(user)) > 0, "the first event");
            raw.destroy();
            await until(async () => (await kept(user)) === MOST, "all events");
            assert.equal((await resultsOf([event(user, "n", 0)]))[0].status, 200);
        });
    });

    describe("an operation that can't be done", () => {
        const body = { event: "e" };
        const path = "/api/events";
        const tooLarge = { event: "e", data: "x".repeat(16384) };
        const rows = [
            [5, 400, "bad_request", /^operations: /],
            [null, 400, "bad_request", /^operations: /],
            ["x", 400, "bad_request", /^operations: /],
            [[], 400, "bad_request", /^operations: /],
            [["path", "/api/events"], 400, "bad_request", /^operations: /],
            [{}, 400, "bad_request", /^path: is missing/],
            [{ body }, 400, "bad_request", /^path: is missing/],
            [{ path: 5, body }, 400, "bad_request", /^path: must be a string/],
            [{ path: null, body }, 400, "bad_request", /^path: /],
            [{ path: [path], body }, 400, "bad_request", /^path: /],
            ['{"path":"\\u0000","body":{}}', 400, "bad_request", /^path: /],
            ['{"path":"\\ud800","body":{}}', 400, "bad_request", /^path: /],
            [`{"path":"${path}","path":"${path}","body":{"event":"e"}}`, 400, "bad_request", /^path: stands there twice/],
            [{ path: "", body }, 404, "not_found", /^path: /],
            [{ path: "/", body }, 404, "not_found", /^path: /],
            [{ path: "api/events", body }, 404, "not_found", /^path: /],
            [{ path: "/api/events/", body }, 404, "not_found", /^path: /],
            [{ path: "/API/events", body }, 404, "not_found", /^path: /],
            [{ path: "/api/events?a=b", body }, 404, "not_found", /^path: /],
            [{ path: "/api/users//events", body }, 404, "not_found", /^path: /],
            [{ path: "/api/batch", body: { operations: [] } }, 404, "not_found", /^path: /],
            [{ path: "/api/users/u/devices", body: {} }, 404, "not_found", /^path: /],
            [{ path: "/api/carplay/control", body: { command: "play" } }, 404, "not_found", /^path: /],
            [{ path: "/api/rooms/r/livekit-token", body: {} }, 404, "not_found", /^path: /],
            [{ path: "/nothing", body: tooLarge }, 404, "not_found", /^path: /],
            [{ path, body: tooLarge }, 413, "too_large", /./],
            [{ path, body: "x".repeat(16384) }, 413, "too_large", /./],
            [{ path }, 400, "bad_request", /^event: is missing/],
            [{ path, body: 5 }, 400, "bad_request", /^body: must be an object/],
            [{ path, body: null }, 400, "bad_request", /^body: /],
            [{ path, body: "{}" }, 400, "bad_request", /^body: /],
            [{ path, body: [body] }, 400, "bad_request", /^body: /],
            [`{"path":"${path}","body":{"event":"e"},"body":{"event":"e"}}`, 400, "bad_request", /^body: stands there twice/],
            [{ path, body: {} }, 400, "bad_request", /^event: /],
            [{ path, body: { event: "a b" } }, 400, "bad_request", /^event: /],
            [{ path, body: { event: "connect" } }, 400, "bad_request", /^event: /],
            [`{"path":"${path}","body":{"event":"e","event":"e"}}`, 400, "bad_request", /^event: /],
            [`{"path":"${path}","body":{"event":"e","data":"\\u0000"}}`, 400, "bad_request", /./],
            [`{"path":"${path}","body":{"event":"e","data":"\\ud800"}}`, 400, "bad_request", /./],
            [`{"path":"${path}","body":{"event":"e","data":${"[".repeat(40)}${"]".repeat(40)}}}`, 400, "bad_request", /./],
            [{ path: "/api/users/%zz/events", body }, 400, "bad_request", /^path: has a bad escape/],
            [{ path: "/api/users/%0a/events", body }, 400, "bad_request", /user/],
            [{ path: `/api/users/${"x".repeat(129)}/events`, body }, 400, "bad_request", /user/],
            [{ path: "/api/users/u/disconnect", body: { reason: 5 } }, 400, "bad_request", /^reason: /],
            [{ path: "/api/rooms/a%20b/messages", body: { text: "x" } }, 400, "bad_request", /^room: /],
            [{ path: "/api/rooms/nobody-there/messages", body: { text: "x" } }, 404, "not_found", /nobody/],
            [{ path: "/api/rooms/r/messages", body: {} }, 400, "bad_request", /^text: /],
            [{ path: "/api/feeds/a%20b", body: { message: "x" } }, 400, "bad_request", /./],
            [{ path: "/api/feeds/news", body: { message: "" } }, 400, "bad_request", /^message: /],
        ];
        const textOf = (operation) => (typeof operation === "string" && operation !== "x" ? operation : JSON.stringify(operation));

        function assertResult(result, [operation, status, error, message]) {
            const shown = `${textOf(operation).slice(0, 80)}: ${JSON.stringify(result)}`;
            assert.equal(result.status, status, shown);
            assert.deepEqual(Object.keys(result.body), ["error", "message"], shown);
            assert.equal(result.body.error, error, shown);
            assert.match(result.body.message, message, shown);
        }

        test("says why in its own result, and does nothing", async () => {
            const everybody = await kept("*");
            for (const row of rows) {
                const answer = await post(`{"operations":[${textOf(row[0])}]}`);
                assert.equal(answer.status, 200, answer.text);
                assertResult(answer.json().results[0], row);
            }
            assert.equal(await kept("*"), everybody);
        });

        test("keeps no other one from being done", async () => {
            const user = site.user();
            const good = JSON.stringify(event(user, "e"));
            const text = rows.map(([operation]) => `${good},${textOf(operation)}`).join(",");
            const { results } = (await post(`{"operations":[${text},${good}]}`)).json();
            assert.equal(results.length, 2 * rows.length + 1);
            rows.forEach((row, i) => assertResult(results[2 * i + 1], row));
            assert.ok(results.every(({ status }, i) => i % 2 === 1 || status === 200));
            assert.equal(await kept(user), rows.length + 1);
        });

        test("what is allowed alone is allowed here: depth, size and number of values", async () => {
            const user = site.user();
            const path = eventsOf(user);
            const deep = `{"path":"${path}","body":{"event":"e","data":${"[".repeat(31)}${"]".repeat(31)}}}`;
            const large = `{"path":"${path}","body":{"event":"e"}`;
            const many = JSON.stringify(event(user, "e", Array(5000).fill(1)));
            const operations = [deep, `${large.padEnd(16383)}}`, `${large.padEnd(16384)}}`, ...Array(60).fill(many)];
            const answer = await post(`{"operations":[${operations.join(",")}]}`);
            const found = statuses(answer.json().results);
            assert.deepEqual(found, [200, 200, 413, ...Array(60).fill(200)]);
        });
    });

    describe("a batch that is none", () => {
        const refusals = [
            ["", /^operations: is missing/],
            ["{", /./],
            ["5", /JSON object/],
            ["[]", /JSON object/],
            ['"operations"', /JSON object/],
            ['{"operations":[]} x', /./],
            ['{"operations":[{"path":"/api/events","body":{"event":"e"}},]}', /./],
            [{}, /^operations: is missing/],
            [{ operations: null }, /^operations: must be an array/],
            [{ operations: 5 }, /^operations: must be an array/],
            [{ operations: "[]" }, /^operations: must be an array/],
            [{ operations: { 0: { path: "/api/events", body: { event: "e" } } } }, /^operations: must be an array/],
            ['{"operations":[],"operations":[]}', /^operations: stands there twice/],
            [{ operations: Array(MOST + 1).fill({ path: "/api/events", body: { event: "e" } }) }, /^operations: .*1000/],
            [`{"operations":[${"1,".repeat(400000)}1]}`, /^operations: .*1000/],
            [`{"operations":${"[".repeat(100000)}${"]".repeat(100000)}}`, /deep/],
        ];

        test("is refused as a whole, and nothing is done", async () => {
            const before = await kept("*");
            for (const [body, message] of refusals) {
                assertRefused(await post(body), 400, "bad_request", message);
            }
            assert.equal(await kept("*"), before);
        });

        test("in the usual order: method, key, size", async () => {
            const body = { operations: [] };
            const large = JSON.stringify(body).padEnd(1048577);
            assertRefused(await ask(site.gateways[0], "GET", "/api/batch", { key: KEY }), 405, "method_not_allowed");
            assertRefused(await ask(site.gateways[0], "POST", "/api/batch", { body: "{" }), 401, "unauthorized");
            assertRefused(await ask(site.gateways[0], "POST", "/api/batch", { body, token: tokenOf("u") }), 401, "unauthorized");
            assertRefused(await ask(site.gateways[0], "POST", "/api/batch", { body: large }), 401, "unauthorized");
            assertRefused(await post(large), 413, "too_large");
            assertJson(await post(JSON.stringify(body).padEnd(1048576)), 200, { results: [] });
        });

        test("the server API is off without a key: 403", async (t) => {
            const own = await testSite(t, { gateways: 1 });
            const answer = await ask(own.gateways[0], "POST", "/api/batch", { key: KEY, body: { operations: [] } });
            assertRefused(answer, 403, "forbidden", /--api-key/);
        });
    });

    test("while Redis is away: 503 with Retry-After for the whole, and all is done when it is back", async (t) => {
        const own = await testSite(t, { gateways: 0, redis: SINGLE });
        const proxy = await Proxy.open(own.redis.port);
        t.after(() => proxy.close());
        const gateway = await own.addGateway({ redis: proxy.url, "api-key": KEY });
        const operations = [event("u", "e"), { path: "/nothing" }];
        const send = (options) => ask(gateway, "POST", "/api/batch", { key: KEY, body: { operations }, ...options });
        proxy.cut();
        await until(async () => (await gateway.get("/readyz")).status === 503, "/readyz says 503");
        for (const headers of [{}, { "Idempotency-Key": "k" }]) {
            const answer = await send({ headers });
            assertRefused(answer, 503, "unavailable");
            assert.match(answer.headers["retry-after"], /^\d+$/);
        }
        proxy.restore();
        await until(async () => (await gateway.get("/readyz")).status === 200, "/readyz says 200");
        assert.deepEqual(statuses((await send()).json().results), [200, 404]);
    });

    test("when Redis goes away in the middle: 503 for each operation that is not known to be done", async (t) => {
        const own = await testSite(t, { gateways: 0, redis: SINGLE });
        const proxy = await Proxy.open(own.redis.port);
        t.after(() => proxy.close());
        const gateway = await own.addGateway({ redis: proxy.url, "api-key": KEY });
        proxy.hang();
        const sent = ask(gateway, "POST", "/api/batch", { key: KEY, body: { operations: [event("u", "e"), { path: "/" }] } });
        await sleep(200);
        proxy.cut();
        const answer = await sent;
        assert.equal(answer.status, 200, answer.text);
        const { results } = answer.json();
        assert.deepEqual(statuses(results), [503, 404]);
        assert.equal(results[0].body.error, "unavailable");
    });
});
