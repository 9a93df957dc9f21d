// A browser behind docker/haproxy.cfg with TLS: pages over HTTP/2, and WebSockets beside them, each on an HTTP/1.1 connection of its own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Front } from "../e2e/lib/front.mjs";
import { Gateway } from "../e2e/lib/gateway.mjs";
import { until } from "../e2e/lib/patience.mjs";
import { Redis } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { launch, playerUrl, Window } from "./lib/window.mjs";

let browser;
let redis;
let gateway;
let front;

before(async () => {
    redis = await Redis.start();
    gateway = await Gateway.start({ flags: { redis: redis.url, "jwt-secret": SECRET } });
    front = await Front.open([gateway], { tls: true });
    browser = await launch();
});

after(async () => {
    await browser?.close();
    await front?.close();
    await gateway?.close();
    await redis?.close();
});

test("the page comes over HTTP/2, its devices connect over HTTP/1.1; the API is asked over HTTP/2", async () => {
    const window = await Window.open(browser, playerUrl(front, tokenOf("alice")), { context: { ignoreHTTPSErrors: true } });
    await window.online();
    const asked = await window.page.evaluate(async () => {
        await (await fetch("/healthz")).text();
        const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
        return entries.map(({ name, nextHopProtocol }) => [new URL(name).pathname, nextHopProtocol]);
    });
    assert.ok(asked.some(([path]) => path === "/healthz"));
    assert.deepEqual(asked.filter(([, protocol]) => protocol !== "h2"), []);
    await window.close();
    await until(() => /101 GET \/player HTTP\/1\.1 /.test(front.requests), () => `a WebSocket's line in ${front.requests}`);
    assert.doesNotMatch(front.requests, /101 .* HTTP\/2/);
    assert.match(front.requests, /200 GET \/player HTTP\/2\.0 /);
});
