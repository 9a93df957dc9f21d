// The client library as the gateway serves it: one file that pages of other origins may load, where --origins allows.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { suiteSite } from "./lib/site.mjs";

const APP = "https://app.example.com";

describe("the client library", () => {
    const site = suiteSite({ gateways: 1, flags: { origins: APP } });
    const get = (path, headers = {}) => site.gateways[0].get(path, { headers });

    test("is one module: it imports nothing, and comes with its types", async () => {
        const code = await get("/segue.js");
        assert.equal(code.status, 200);
        assert.match(code.headers["content-type"], /^text\/javascript/);
        assert.doesNotMatch(code.text, /^import\b|\bimport\(/m);
        assert.match(code.text, /^export const \{ .*\bSocketIO\b.* \} = /m);
        const types = await get("/segue.d.ts");
        assert.equal(types.status, 200);
        assert.match(types.text, /^export /m);
    });

    test("may be loaded by pages that may connect, and by nobody else's", async () => {
        for (const path of ["/segue.js", "/segue.d.ts", "/readyz"]) {
            const theirs = await get(path, { Origin: APP });
            assert.equal(theirs.status, 200, path);
            assert.equal(theirs.headers["access-control-allow-origin"], APP, path);
            assert.match(theirs.headers.vary, /\borigin\b/i, path);
            const others = await get(path, { Origin: "https://evil.example.com" });
            assert.equal(others.status, 403, path);
            assert.equal(others.headers["access-control-allow-origin"], undefined, path);
            const own = await get(path);
            assert.deepEqual([own.status, own.headers["access-control-allow-origin"]], [200, undefined], path);
        }
        const page = await get("/player.js", { Origin: APP });
        assert.equal(page.headers["access-control-allow-origin"], undefined, "a page's own script is nobody's library");
    });

    test("is fetched again only when it has changed", async () => {
        const first = await get("/segue.js", { Origin: APP });
        const again = await get("/segue.js", { Origin: APP, "If-None-Match": first.headers.etag });
        assert.deepEqual([again.status, again.text], [304, ""]);
        assert.equal(again.headers["access-control-allow-origin"], APP);
    });
});
