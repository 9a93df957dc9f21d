// Feed heartbeats: who has said `connect` and then is silent for 15 s is closed with 4408, not sooner and not much
// later; only messages count.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Feed } from "./lib/feed.mjs";
import { patient, sleep } from "./lib/patience.mjs";
import { suiteSite } from "./lib/site.mjs";

const SILENCE = 15000;
const LATEST = SILENCE + patient(2000);

describe("feed heartbeats", { concurrency: 16 }, () => {
    const site = suiteSite({ gateways: 2, flags: { "ping-interval": 1000, "ping-timeout": 5000, feed: [] } });

    // When the connection was closed, in ms after `since`, which is read before the last message is sent.
    async function closing(feed, since) {
        const { code } = await feed.closed(LATEST + patient(3000));
        const after = performance.now() - since;
        assert.equal(code, 4408);
        assert.ok(after >= SILENCE && after <= LATEST, `closed after ${after} ms`);
    }

    test("silence after connect ends after 15 s, whatever is subscribed", async () => {
        const since = performance.now();
        const connected = await Feed.open(site.gateways[0], "/feed/silence");
        connected.say("connect");
        const subscribed = await Feed.subscribed(site.gateways[1], "/feed/silence");
        await Promise.all([closing(connected, since), closing(subscribed, since)]);
    });

    const signs = {
        ping: (feed) => feed.say("ping"),
        "connect again": (feed) => feed.say("connect"),
        unsubscribe: (feed) => feed.say("unsubscribe"),
        "an error": (feed) => feed.send("nonsense"),
        "another's id": (feed) => feed.say("ping", "x"),
    };
    for (const [what, say] of Object.entries(signs)) {
        test(`${what} begins the 15 s anew`, async () => {
            const feed = await Feed.open(site.gateways[0], "/feed/silence");
            feed.say("connect");
            for (let i = 0; i < 2; i++) {
                await sleep(4000);
                say(feed);
            }
            await sleep(4000);
            const since = performance.now();
            say(feed);
            await closing(feed, since);
        });
    }

    test("pongs and protocol pings are not messages", async () => {
        const since = performance.now();
        const feed = await Feed.subscribed(site.gateways[0], "/feed/silence");
        let pings = 0;
        feed.onPing(() => pings++);
        const timer = setInterval(() => feed.ping(), 1000);
        await closing(feed, since);
        clearInterval(timer);
        assert.ok(pings >= 10, `${pings} pings were answered meanwhile`);
    });

    test("what the server says is no message of the client's", async () => {
        const since = performance.now();
        const feed = await Feed.subscribed(site.gateways[0], "/wisdom");
        await closing(feed, since);
        assert.ok(feed.unread >= 1, "lines came meanwhile");
    });

    test("who pings every five seconds, as the reference's clients do, stays", async () => {
        const feed = await Feed.subscribed(site.gateways[1], "/feed/silence");
        for (let i = 0; i < 5; i++) {
            await sleep(5000);
            feed.say("ping");
        }
        await feed.hearsNothing();
    });

    test("who pings at the last moment stays", async () => {
        const feed = await Feed.subscribed(site.gateways[1], "/feed/silence");
        await sleep(14800);
        feed.say("ping");
        await sleep(3000);
        await feed.hearsNothing();
    });

    test("who has not said connect may be silent", async () => {
        const feed = await Feed.open(site.gateways[0], "/feed/silence");
        feed.say("ping");
        await sleep(LATEST + 1000);
        await feed.hearsNothing();
    });

    test("a process that was stopped for a while hears what was said meanwhile first", async () => {
        const gateway = await site.addGateway({ "ping-interval": 60000 });
        const feed = await Feed.subscribed(gateway, "/feed/silence");
        await sleep(9000);
        gateway.signal("SIGSTOP");
        feed.say("ping");
        await sleep(8000);
        gateway.signal("SIGCONT");
        await feed.hearsNothing();
    });
});
