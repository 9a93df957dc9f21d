// The server API: events to users and to everybody, devices, and sending a user away, from any process.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ask, assertJson, assertRefused } from "./lib/api.mjs";
import { Member } from "./lib/chat.mjs";
import { Feed } from "./lib/feed.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { newTrack } from "./lib/scenario.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";
import { SINGLE } from "./lib/topology.mjs";

const KEYS = ["first-key", "second key"];
const [KEY] = KEYS;
const WS = { transports: ["websocket"] };
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe("server API", () => {
    const site = suiteSite({ flags: { rate: 0, "api-key": KEYS } });

    const post = (path, body, on = 0, options = {}) =>
        ask(site.gateways[on], "POST", path, { key: KEY, body, ...options });
    const pathOf = (user, what) => `/api/users/${encodeURIComponent(user)}/${what}`;

    async function told(answer) {
        assert.equal(answer.status, 200, answer.text);
        const { ok, id, ...rest } = answer.json();
        assert.deepEqual([ok, rest], [true, {}]);
        assert.match(id, /^\d{16}$/);
        return id;
    }

    const tell = async (user, event, on) => told(await post(pathOf(user, "events"), event, on));

    // What Redis keeps of a stream, as the texts of the arguments.
    async function keptOf(tag) {
        const entries = await site.redis.call("XRANGE", `segue:events:{${tag}}`, "-", "+");
        return entries.map(([, fields]) => fields[fields.indexOf("b") + 1]);
    }

    describe("events", () => {
        test("reach all the user's sockets on all processes, under their own name", async () => {
            const user = site.user();
            const clients = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
            const other = await site.client(site.user(), 1, WS);
            await tell(user, { event: "on_upload_success", data: { id: "a", size: 1.5, tags: [1, null, "ü"] } }, 0);
            await tell(user, { event: "on_asset_delete", data: "id-1" }, 1);
            await tell(user, { event: "on_session_delete" }, 0);
            await tell(user, { event: "x:y.z-1", data: null }, 1);
            for (const client of clients) {
                await client.when(() => client.all("x:y.z-1").length > 0, "the last event");
                const mine = client.events.filter(([name]) => name !== "playback_state");
                assert.deepEqual(mine, [
                    ["on_upload_success", { id: "a", size: 1.5, tags: [1, null, "ü"] }],
                    ["on_asset_delete", "id-1"],
                    ["on_session_delete"],
                    ["x:y.z-1", null],
                ]);
            }
            await other.fence();
            assert.deepEqual(
                other.events.filter(([name]) => name !== "pong"),
                [],
            );
        });

        test("to everybody reach everybody", async () => {
            const clients = await Promise.all([0, 1, 0].map((on) => site.client(site.user(), on, WS)));
            const id = await told(await post("/api/events", { event: "on_server_version", data: [1, 2] }, 1));
            for (const client of clients) {
                assert.deepEqual(await client.next("on_server_version"), [1, 2]);
            }
            assert.match((await site.redis.call("XREVRANGE", "segue:events:{*}", "+", "-"))[0][0], new RegExp(`^${id}-0$`));
        });

        test("the command of a car reaches every socket too", async () => {
            const user = site.user();
            const clients = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
            const token = tokenOf(user);
            const answer = await ask(site.gateways[1], "POST", "/api/carplay/control", {
                token,
                body: { command: "seek", value: 30 },
            });
            assertJson(answer, 200, { ok: true, devices: 2 });
            for (const client of clients) {
                assert.deepEqual(await client.next("carplay_command"), { command: "seek", value: 30 });
            }
        });

        test("data arrives as it was spelled, without its blanks", async () => {
            const user = site.user();
            const data = '{ "big" : 9007199254740993, "e":1e2 ,"s" : " a\\u00e9\\u001f " , "n":-0.0, "o":{"b":1,"a":2}}';
            const bodies = [
                `{"event":"e","data":${data}}`,
                `{"d\\u0061ta":[ 1, 2 ],"event":"\\u0065"}`,
                `{"event":"e"}`,
                `{"event":"e","data":false,"more":"is ignored"}`,
            ];
            for (const body of bodies) {
                await told(await post(pathOf(user, "events"), body));
            }
            const tag = user;
            assert.deepEqual(await keptOf(tag), [
                '"e",{"big":9007199254740993,"e":1e2,"s":" a\\u00e9\\u001f ","n":-0.0,"o":{"b":1,"a":2}}',
                '"e",[1,2]',
                '"e"',
                '"e",false',
            ]);
        });

        test("any user may be named", async () => {
            for (const user of ["42", "a b", "ü/ö?&#%", "{x}", "*", "x".repeat(128), "a+b"]) {
                const client = await site.client(user, 0, WS);
                await tell(user, { event: "hello", data: user }, 1);
                assert.equal(await client.next("hello"), user);
                client.close();
            }
        });

        test("a thousand in a burst arrive in order, once, everywhere", async () => {
            const user = site.user();
            const clients = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
            const count = 1000;
            for (let from = 0; from < count; from += 50) {
                for (let i = from; i < from + 50; i++) {
                    await tell(user, { event: "n", data: i }, i % 2);
                }
            }
            const expected = Array.from({ length: count }, (_, i) => i);
            for (const client of clients) {
                await client.when(() => client.all("n").length >= count, "all events");
                assert.deepEqual(
                    client.all("n").map(([n]) => n),
                    expected,
                );
            }
        });
    });

    describe("bad input", () => {
        const named = /^event: /;
        const rows = [
            ["{", "bad_request", /./],
            ["[]", "bad_request", /JSON object/],
            ["", "bad_request", named],
            [{}, "bad_request", named],
            [{ event: null }, "bad_request", named],
            [{ event: 5 }, "bad_request", named],
            [{ event: "" }, "bad_request", named],
            [{ event: "x".repeat(65) }, "bad_request", named],
            [{ event: "a b" }, "bad_request", named],
            [{ event: "ü" }, "bad_request", named],
            [{ event: "a\n" }, "bad_request", named],
            [{ event: "a/b" }, "bad_request", named],
            ...["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"].map((name) => [
                { event: name },
                "bad_request",
                named,
            ]),
            ['{"event":"a","event":"b"}', "bad_request", named],
            ['{"event":"a","data":1,"data":2}', "bad_request", /^data: /],
            ['{"event":"a","data":"\\u0000"}', "bad_request", /./],
            ['{"event":"a","data":"\\ud800"}', "bad_request", /./],
            [`{"event":"a","data":${"[".repeat(40)}${"]".repeat(40)}}`, "bad_request", /./],
        ];

        test("is refused with the field named, and nothing is told", async () => {
            const user = site.user();
            const client = await site.client(user, 1, WS);
            const everybody = (await keptOf("*")).length;
            for (const [body, error, message] of rows) {
                assertRefused(await post(pathOf(user, "events"), body), 400, error, message);
                assertRefused(await post("/api/events", body), 400, error, message);
            }
            assert.deepEqual(await keptOf(user), []);
            assert.equal((await keptOf("*")).length, everybody);
            await client.fence();
            assert.deepEqual(
                client.events.filter(([name]) => name !== "pong"),
                [],
            );
        });

        test("names of users that are none", async () => {
            for (const [user, status] of [
                ["", 404],
                ["a/b", 404],
                ["%00", 400],
                ["%0a", 400],
                ["%7f", 400],
                ["%ff", 400],
                ["%zz", 400],
                ["%", 400],
                ["x".repeat(129), 400],
            ]) {
                for (const [method, what] of [
                    ["POST", "events"],
                    ["GET", "devices"],
                    ["POST", "disconnect"],
                ]) {
                    const body = method === "POST" ? { event: "a" } : undefined;
                    const answer = await ask(site.gateways[0], method, `/api/users/${user}/${what}`, { key: KEY, body });
                    assert.equal(answer.status, status, `${what} ${user}`);
                }
            }
        });

        test("the limits of an event are those of a message", async () => {
            const user = site.user();
            const body = JSON.stringify({ event: "e", data: "x" });
            await told(await post(pathOf(user, "events"), body.padEnd(16384)));
            assertRefused(await post(pathOf(user, "events"), body.padEnd(16385)), 413, "too_large");
        });
    });

    describe("keys", () => {
        const routes = [
            ["POST", "/api/events"],
            ["POST", "/api/users/u/events"],
            ["POST", "/api/users/u/disconnect"],
            ["GET", "/api/users/u/devices"],
        ];
        const body = (method) => (method === "POST" ? { event: "e" } : undefined);

        test("every key opens, in both headers", async () => {
            for (const [method, path] of routes) {
                for (const key of KEYS) {
                    const own = await ask(site.gateways[0], method, path, { key, body: body(method) });
                    const bearer = await ask(site.gateways[1], method, path, { token: key, body: body(method) });
                    assert.deepEqual([own.status < 300, bearer.status < 300], [true, true], `${method} ${path}`);
                }
            }
        });

        test("nothing else does", async () => {
            for (const [method, path] of routes) {
                const asked = (options) => ask(site.gateways[0], method, path, { body: body(method), ...options });
                for (const options of [
                    {},
                    { key: "first-ke" },
                    { key: "first-key2" },
                    { key: "First-Key" },
                    { token: tokenOf("u") },
                    { headers: { Authorization: `Basic ${KEY}` } },
                    { headers: { Cookie: `token=${KEY}` } },
                ]) {
                    assertRefused(await asked(options), 401, "unauthorized");
                }
            }
        });

        test("without a key configured the answer is 403", async (t) => {
            const own = await testSite(t, { gateways: 1 });
            for (const [method, path] of routes) {
                for (const options of [{}, { key: KEY }, { token: tokenOf("u") }]) {
                    const answer = await ask(own.gateways[0], method, path, { body: body(method), ...options });
                    assertRefused(answer, 403, "forbidden", /--api-key/);
                }
            }
        });
    });

    describe("devices", () => {
        const devicesOf = async (user, on = 0) => {
            const answer = await ask(site.gateways[on], "GET", pathOf(user, "devices"), { key: KEY });
            assert.equal(answer.status, 200, answer.text);
            assert.deepEqual(Object.keys(answer.json()), ["devices"]);
            return answer.json().devices;
        };

        test("are listed from all processes, and no longer when they leave", async () => {
            const user = site.user();
            assert.deepEqual(await devicesOf(user), []);
            const began = await site.redis.now();
            const player = await site.player(user, 0);
            const client = await site.client(user, 1, WS);
            const devices = await devicesOf(user, 1);
            assert.deepEqual(devices.map(({ protocol }) => protocol).sort(), ["playback", "player"]);
            for (const { id, protocol, transport, since, seen, ...rest } of devices) {
                assert.match(id, /^[\w-]{20}$/, protocol);
                assert.equal(transport, "websocket");
                assert.deepEqual(rest, {});
                for (const time of [since, seen]) {
                    assert.match(time, ISO);
                    const off = Date.parse(time) - began;
                    assert.ok(off > -1500 && off < patient(3000), `${off} ms`);
                }
            }
            await player.close();
            client.close();
            await until(async () => (await devicesOf(user)).length === 0, "no devices");
        });
    });

    describe("sending a user away", () => {
        const sendAway = async (user, body = { reason: "spam" }, on = 1) =>
            assertJson(await post(pathOf(user, "disconnect"), body, on), 202, { ok: true });

        test("closes what he has on every process, and nothing of others", async () => {
            const user = site.user();
            const token = tokenOf(user);
            const other = site.user();
            const sockets = [
                await site.player(user, 0),
                await site.player(user, 1),
                await Member.enter(site.gateways[0], site.room(), { token }),
                await Feed.open(site.gateways[0], "/wisdom", { token }),
                await Feed.open(site.gateways[1], "/feed/news", { token }),
            ];
            const clients = [await site.client(user, 0, WS), await site.client(user, 1, WS)];
            const stays = [
                await site.player(other, 0),
                await Feed.open(site.gateways[0], "/wisdom"),
                await Feed.open(site.gateways[0], "/wisdom", { token: tokenOf(other) }),
            ];
            await sleep(200); // the leash of a feed is taken after its first frame
            await sendAway(user);
            for (const socket of sockets) {
                assert.equal((await socket.closed()).code, 4403);
            }
            for (const client of clients) {
                assert.equal(await client.disconnected(), "io server disconnect");
            }
            await sleep(100);
            for (const socket of stays) {
                assert.ok(socket.isOpen);
            }
        });

        for (const namespace of ["", "/feed"]) {
            for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
                test(`official clients stay away: ${namespace || "/"} over ${transports}`, async () => {
                    const user = site.user();
                    const client = await site.client(user, 0, { transports, namespace });
                    await sleep(100);
                    await sendAway(user);
                    assert.equal(await client.disconnected(), "io server disconnect");
                    await sleep(200); // their delay is up to 200 ms
                    assert.equal(client.sessions.length, 1);
                });
            }
        }

        test("a poll that waits is told, and the next ones are not known", async () => {
            const user = site.user();
            const polling = await site.pollingOf(user);
            const poll = polling.get();
            await sleep(100);
            await sendAway(user);
            assert.equal((await poll.answer).text, "41");
            await polling.isGone();
        });

        test("a session between two polls learns it at the next one, once", async () => {
            const user = site.user();
            const polling = await site.pollingOf(user);
            await sendAway(user);
            const poll = async () => (await polling.poll()).filter((packet) => packet.startsWith("4"));
            assert.ok((await until(poll, "the last words")).includes("41"));
            await polling.isGone();
        });

        test("he may come back at once", async () => {
            const user = site.user();
            const player = await site.player(user, 0);
            await sendAway(user, "");
            assert.equal((await player.closed()).code, 4403);
            const again = await site.player(user, 1);
            again.send(newTrack(0));
            await again.hearsNothing();
        });

        test("who is not there is sent away all the same", async () => {
            await sendAway(site.user(), {});
        });

        test("bad reasons are refused, and nobody goes", async () => {
            const user = site.user();
            const player = await site.player(user, 0);
            for (const reason of [5, null, {}, "x".repeat(257)]) {
                assertRefused(await post(pathOf(user, "disconnect"), { reason }), 400, "bad_request", /^reason: /);
            }
            await player.hearsNothing();
        });
    });

    test("while Redis is away: 503 with Retry-After", async (t) => {
        const own = await testSite(t, { gateways: 0, redis: SINGLE });
        const proxy = await Proxy.open(own.redis.port);
        t.after(() => proxy.close());
        const gateway = await own.addGateway({ redis: proxy.url, "api-key": KEY });
        proxy.cut();
        await until(async () => (await gateway.get("/readyz")).status === 503, "/readyz says 503");
        for (const [method, path, body] of [
            ["POST", "/api/events", { event: "e" }],
            ["POST", "/api/users/u/events", { event: "e" }],
            ["POST", "/api/users/u/disconnect", {}],
            ["GET", "/api/users/u/devices", undefined],
        ]) {
            const answer = await ask(gateway, method, path, { key: KEY, body });
            assertRefused(answer, 503, "unavailable");
            assert.match(answer.headers["retry-after"], /^\d+$/);
        }
    });
});
