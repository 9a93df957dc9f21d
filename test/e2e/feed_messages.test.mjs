// Feed messages: what a client says and hears, on whichever process it is, and all that is refused.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CONFIRMATION, Feed } from "./lib/feed.mjs";
import { until } from "./lib/patience.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { seconds, tokenOf } from "./lib/token.mjs";

const KEY = "server-key";
const MESSAGES = ["connect", "subscribe", "unsubscribe", "ping", "disconnect"];

let topics = 0;

const topicPath = () => `/feed/topic-${++topics}`;

// Says something on a feed as a server would; gives the answer.
function post(gateway, path, body, { key = KEY, method = "POST" } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (key) {
        headers["X-API-Key"] = key;
    }
    return gateway.get(`/api${path.replace("/feed/", "/feeds/")}`, {
        method,
        headers,
        body: typeof body === "string" ? body : JSON.stringify(body),
    });
}

async function tell(gateway, path, message) {
    const answer = await post(gateway, path, { message });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json(), { ok: true });
}

describe("feed messages", { concurrency: 8 }, () => {
    const site = suiteSite({ gateways: 2, flags: { "api-key": KEY, rate: 0 } });

    test("every connection is told an id of its own, on every path", async () => {
        const ids = new Set();
        for (const path of [
            "/wisdom",
            "/connect",
            "/feed/wisdom",
            "/feed/a",
            `/feed/${"x".repeat(64)}`,
            "/feed/_-9Z",
        ]) {
            for (const gateway of site.gateways) {
                ids.add((await Feed.open(gateway, path)).id);
            }
        }
        assert.equal(ids.size, 12);
    });

    test("who asks for more is also told which process serves", async () => {
        const names = new Set();
        for (const gateway of site.gateways) {
            for (const path of ["/wisdom?extended=1", "/feed/a?extended=1"]) {
                const feed = await Feed.connect(gateway, path);
                const { type, payload } = JSON.parse(feed.first);
                assert.deepEqual([type, Object.keys(payload)], ["initial", ["id", "server"]]);
                assert.match(payload.server, /^[0-9a-f]{6}$/);
                assert.ok(gateway.log.includes(` name=${payload.server}`), "the log tells the name as well");
                names.add(payload.server);
            }
        }
        assert.equal(names.size, 2);
        await Feed.open(site.gateways[0], "/wisdom?extended=0");
    });

    test("a name that is none is refused before the upgrade", async () => {
        for (const name of ["x".repeat(65), "a.b", "a%20b", "%7D", "a%00b", "%C3%A9", "a:b", "*"]) {
            const answer = await Feed.refused(site.gateways[0], `/feed/${name}`);
            assert.equal(answer.status, 400, name);
            assert.equal(answer.json().error, "bad_request");
        }
        for (const path of ["/feed/", "/feed/a/b", "/wisdom/"]) {
            assert.equal((await Feed.refused(site.gateways[0], path)).status, 404, path);
        }
    });

    test("who is subscribed gets every line once, in order, wherever it was said", async () => {
        const path = topicPath();
        const feeds = await Promise.all([0, 1, 0, 1].map((on) => Feed.subscribed(site.gateways[on], path)));
        for (let i = 0; i < 20; i++) {
            await tell(site.gateways[i % 2], path, `line ${i}`);
        }
        for (const feed of feeds) {
            for (let i = 0; i < 20; i++) {
                assert.equal(await feed.line(), `line ${i}`);
            }
            await feed.hearsNothing();
        }
    });

    test("a line has the reference's form, byte for byte", async () => {
        const path = topicPath();
        const feed = await Feed.subscribed(site.gateways[0], path);
        await tell(site.gateways[1], path, "Auf, auf!");
        assert.equal(await feed.next(), '{"type":"wisdom_distribution","payload":{"message":"Auf, auf!"}}');
    });

    test("only who is connected and subscribed gets lines", async () => {
        const path = topicPath();
        const subscribed = await Feed.subscribed(site.gateways[0], path);
        const silent = await Feed.open(site.gateways[0], path);
        const connected = await Feed.open(site.gateways[1], path);
        connected.say("connect");
        const left = await Feed.subscribed(site.gateways[1], path);
        left.say("unsubscribe");
        await left.hearsNothing();
        await tell(site.gateways[0], path, "hello");
        assert.equal(await subscribed.line(), "hello");
        for (const feed of [silent, connected, left]) {
            await feed.hearsNothing();
        }
        await left.subscribe();
        await tell(site.gateways[0], path, "again");
        assert.equal(await left.line(), "again");
        assert.equal(await subscribed.line(), "again");
    });

    test("topics do not mix, and a name's case counts", async () => {
        const feeds = await Promise.all(
            ["/feed/mixed", "/feed/Mixed"].map((p) => Feed.subscribed(site.gateways[0], p)),
        );
        await tell(site.gateways[1], "/feed/mixed", "lower");
        await tell(site.gateways[1], "/feed/Mixed", "upper");
        assert.equal(await feeds[0].line(), "lower");
        assert.equal(await feeds[1].line(), "upper");
        for (const feed of feeds) {
            await feed.hearsNothing();
        }
    });

    test("/wisdom, /connect and /feed/wisdom are one topic", async () => {
        const paths = ["/wisdom", "/connect", "/feed/wisdom"];
        const feeds = await Promise.all(paths.map((path, i) => Feed.subscribed(site.gateways[i % 2], path)));
        await tell(site.gateways[0], "/feed/wisdom", "said by hand");
        for (const feed of feeds) {
            while ((await feed.line()) !== "said by hand") {
                // a line of the built-in feed
            }
        }
    });

    test("everything may come in one write", async () => {
        const path = topicPath();
        const feed = await Feed.open(site.gateways[0], path);
        for (const type of ["connect", "subscribe", "subscribe", "unsubscribe", "subscribe", "ping"]) {
            feed.say(type);
        }
        assert.deepEqual(await feed.nextJson(), CONFIRMATION);
        await tell(site.gateways[0], path, "hello");
        for (let next = await feed.nextJson(); next.type !== "wisdom_distribution"; next = await feed.nextJson()) {
            assert.deepEqual(next, CONFIRMATION);
        }
        await feed.hearsNothing();
    });

    test("subscribing twice is confirmed twice and tells every line once", async () => {
        const path = topicPath();
        const feed = await Feed.subscribed(site.gateways[0], path);
        await feed.subscribe();
        await tell(site.gateways[1], path, "once");
        assert.equal(await feed.line(), "once");
        await feed.hearsNothing();
    });

    test("what changes nothing is not answered", async () => {
        const feed = await Feed.open(site.gateways[0], topicPath());
        for (const type of ["unsubscribe", "ping", "connect", "connect", "unsubscribe", "ping"]) {
            feed.say(type);
        }
        await feed.hearsNothing();
    });

    test("disconnect closes with 1000, whatever came before", async () => {
        const path = topicPath();
        const fresh = await Feed.open(site.gateways[0], path);
        const subscribed = await Feed.subscribed(site.gateways[1], path);
        for (const feed of [fresh, subscribed]) {
            feed.say("disconnect");
            assert.equal((await feed.closed()).code, 1000);
        }
    });

    test("subscribe before connect is an error, and nothing is lost by it", async () => {
        const path = topicPath();
        const feed = await Feed.open(site.gateways[0], path);
        feed.say("subscribe");
        await feed.error("not_connected");
        await tell(site.gateways[0], path, "not for you");
        await feed.hearsNothing();
        feed.say("connect");
        await feed.subscribe();
        await tell(site.gateways[0], path, "for you");
        assert.equal(await feed.line(), "for you");
    });

    for (const type of MESSAGES) {
        test(`${type} with another's id is an error and does nothing`, async () => {
            const path = topicPath();
            const other = await Feed.subscribed(site.gateways[0], path);
            const feed = await Feed.open(site.gateways[0], path);
            if (type !== "connect") {
                feed.say("connect");
            }
            if (type === "unsubscribe" || type === "disconnect") {
                await feed.subscribe();
            }
            for (const id of [other.id, "", feed.id.toUpperCase() + " ", feed.id.slice(1), `${feed.id} `]) {
                feed.say(type, id);
                await feed.error("wrong_id");
            }
            feed.say("subscribe");
            if (type === "connect") {
                await feed.error("not_connected");
            } else {
                assert.deepEqual(await feed.nextJson(), CONFIRMATION);
            }
            await tell(site.gateways[1], path, "still here");
            assert.equal(await other.line(), "still here");
            if (type !== "connect") {
                assert.equal(await feed.line(), "still here");
            }
        });

        test(`${type} in a wrong form is an error, and the connection goes on`, async () => {
            const path = topicPath();
            const feed = await Feed.subscribed(site.gateways[0], path);
            const { id } = feed;
            const wrong = [
                { type },
                { type, id },
                { type, payload: null },
                { type, payload: id },
                { type, payload: [id] },
                { type, payload: {} },
                { type, payload: { id: null } },
                { type, payload: { id: 5 } },
                { type, payload: { id: [id] } },
                { type, payload: { id: { id } } },
                { type, payload: { Id: id } },
                `{"type":"${type}","payload":{"id":"${id}","id":"${id}"}}`,
                `{"type":"${type}","type":"${type}","payload":{"id":"${id}"}}`,
                `{"type":"${type}","payload":{"id":"${id}"}`,
                `{"type":"${type}","payload":{"id":"${id}"}}}`,
                `{"type":"${type}","payload":{"id":"${id}\\u0000"}}`,
            ];
            for (const message of wrong) {
                feed.send(message);
                await feed.error("invalid_format");
            }
            await tell(site.gateways[1], path, "still here");
            assert.equal(await feed.line(), "still here");
        });
    }

    test("what is no message at all is an error that says why", async () => {
        const path = topicPath();
        const feed = await Feed.subscribed(site.gateways[0], path);
        const payload = { id: feed.id };
        const wrong = [
            "",
            " ",
            "ping",
            "null",
            "1",
            '"connect"',
            "[]",
            "{}",
            { payload },
            { type: null, payload },
            { type: 1, payload },
            { type: ["ping"], payload },
            { type: "", payload },
            { type: "PING", payload },
            { type: "ping ", payload },
            { type: "initial", payload },
            { type: "wisdom_distribution", payload: { message: "mine" } },
            { type: "error", payload },
            { type: "__proto__", payload },
            `${"[".repeat(5000)}`,
            '{"type":"ping","payload":{"id":"\\ud800"}}',
        ];
        for (const message of wrong) {
            feed.send(message);
            await feed.error("invalid_format");
        }
        await tell(site.gateways[1], path, "still here");
        assert.equal(await feed.line(), "still here");
    });

    test("further fields are nobody's business", async () => {
        const feed = await Feed.open(site.gateways[0], topicPath());
        feed.send({ extra: [1], type: "connect", payload: { name: "x", id: feed.id, more: {} } });
        await feed.subscribe();
    });

    test("binary messages are refused as they are everywhere", async () => {
        const feed = await Feed.open(site.gateways[0], topicPath());
        feed.sendBinary(Buffer.from("{}"));
        assert.equal((await feed.closed()).code, 1003);
    });

    test("nobody needs a token, but a bad one is refused", async () => {
        const good = await Feed.open(site.gateways[0], "/wisdom", { token: tokenOf("ann") });
        await good.hearsNothing();
        assert.equal((await Feed.refused(site.gateways[0], "/wisdom", { token: "x.y.z" })).status, 401);
    });

    test("a user who is sent away loses his feeds too, and others do not", async () => {
        const path = topicPath();
        const mine = await Feed.subscribed(site.gateways[0], path, { token: tokenOf("sent-away") });
        const others = await Feed.subscribed(site.gateways[0], path, { token: tokenOf("stays") });
        const answer = await site.gateways[1].get("/api/users/sent-away/disconnect", {
            method: "POST",
            headers: { "X-API-Key": KEY },
            body: "{}",
        });
        assert.equal(answer.status, 202, answer.text);
        assert.equal((await mine.closed()).code, 4403);
        await tell(site.gateways[1], path, "still here");
        assert.equal(await others.line(), "still here");
    });

    test("when the token ends, so does the connection", async () => {
        const token = tokenOf("ann", { claims: { exp: seconds(2) } });
        const feed = await Feed.subscribed(site.gateways[0], topicPath(), { token });
        assert.equal((await feed.closed()).code, 4401);
    });

    describe("by the server API", () => {
        test("any text arrives as it was said", async () => {
            const path = topicPath();
            const feed = await Feed.subscribed(site.gateways[0], path);
            const texts = [
                'quotes " and \\ backslashes',
                "<b>bold</b> &amp; <script>alert(1)</script>",
                "two\nlines\tand a tab\r\n",
                "\u0001\u001e\u001f\u007f",
                "\u00e9\u{1f43a}\u202e\u2028",
                " ",
                "x".repeat(16000),
            ];
            for (const text of texts) {
                await tell(site.gateways[1], path, text);
                assert.equal(await feed.line(), text);
            }
        });

        test("what is wrong is said, and nobody hears of it", async () => {
            const path = topicPath();
            const feed = await Feed.subscribed(site.gateways[0], path);
            for (const body of [
                "",
                "{",
                "[]",
                "null",
                "{}",
                '{"message":1}',
                '{"message":null}',
                '{"message":""}',
                '{"message":"a","message":"b"}',
                '{"Message":"a"}',
                '{"message":"\\u0000"}',
            ]) {
                const answer = await post(site.gateways[0], path, body);
                assert.equal(answer.status, 400, body);
                assert.equal(answer.json().error, "bad_request", body);
            }
            assert.match((await post(site.gateways[0], path, "{}")).json().message, /message/);
            assert.equal((await post(site.gateways[0], path, { message: "x".repeat(20000) })).status, 413);
            for (const name of ["a.b", "x".repeat(65), "%7D"]) {
                assert.equal((await post(site.gateways[0], `/feed/${name}`, { message: "x" })).status, 400, name);
            }
            assert.equal((await post(site.gateways[0], "/feed/", { message: "x" })).status, 404);
            assert.equal((await post(site.gateways[0], "/feed/a/b", { message: "x" })).status, 404);
            assert.equal((await post(site.gateways[0], path, { message: "x" }, { method: "PUT" })).status, 405);
            await feed.hearsNothing();
        });

        test("only with a key", async () => {
            const path = topicPath();
            for (const key of [null, "wrong", ""]) {
                const answer = await post(site.gateways[0], path, { message: "x" }, { key });
                assert.ok([401, 403].includes(answer.status), `${answer.status}`);
            }
        });
    });
});

describe("feeds under other rules", { concurrency: 4 }, () => {
    test("where feeds are not anonymous, a token is needed", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { anonymous: "chat" } });
        assert.equal((await Feed.refused(site.gateways[0], "/wisdom")).status, 401);
        await Feed.subscribed(site.gateways[0], "/feed/a", { token: tokenOf("ann") });
    });

    test("who talks too fast is told so, and then sent away", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { rate: 5, burst: 5 } });
        const feed = await Feed.open(site.gateways[0], "/feed/a");
        for (let i = 0; i < 30; i++) {
            feed.say("ping");
        }
        await feed.error("rate_limited");
        assert.equal((await feed.closed()).code, 1008);
    });

    test("while Redis is away nobody can subscribe, and everybody stays", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { "api-key": KEY } });
        const path = "/feed/away";
        const subscribed = await Feed.subscribed(site.gateways[0], path);
        const connected = await Feed.open(site.gateways[1], path);
        connected.say("connect");
        await connected.hearsNothing();
        await site.redis.kill();
        await until(async () => (await site.gateways[1].get("/readyz")).status === 503, "Redis is missed");
        connected.say("subscribe");
        await connected.error("unavailable");
        const answer = await post(site.gateways[1], path, { message: "x" });
        assert.equal(answer.status, 503);
        assert.ok(answer.headers["retry-after"]);
        await site.redis.restart();
        await Promise.all(site.gateways.map((gateway) => gateway.ready()));
        await connected.subscribe();
        await tell(site.gateways[1], path, "back again");
        assert.equal(await subscribed.line(), "back again");
        assert.equal(await connected.line(), "back again");
    });

    test("who does not read is sent away, and nobody waits for him", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { "api-key": KEY, "max-queue": 65536 } });
        const [gateway] = site.gateways;
        const path = "/feed/slow";
        const slow = await Feed.subscribed(gateway, path);
        const quick = await Feed.subscribed(gateway, path);
        slow.pause();
        const text = "x".repeat(16000);
        const slowConsumers = async () => (await gateway.metrics()).get("segue_slow_consumers_total");
        let count = 0;
        while ((await slowConsumers()) === 0) {
            assert.ok(count < 3000, "48 MB fit into no socket");
            for (let i = 0; i < 20; i++, count++) {
                await tell(gateway, path, text);
            }
        }
        assert.equal(await slowConsumers(), 1);
        slow.resume();
        assert.equal((await slow.closed()).code, 1013);
        for (let i = 0; i < count; i++) {
            assert.equal((await quick.line()).length, 16000);
        }
        await quick.hearsNothing();
    });
});
