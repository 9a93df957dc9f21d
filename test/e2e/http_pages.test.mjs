// The pages in the binary: what a browser needs, and nothing that could be used against it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";

import { request } from "./lib/http.mjs";
import { suiteSite } from "./lib/site.mjs";

const TYPES = {
    html: /^text\/html; *charset=utf-8$/i,
    js: /^text\/javascript/,
    css: /^text\/css/,
    json: /^application\/json$/,
    svg: /^image\/svg\+xml/,
};

describe("pages", () => {
    const site = suiteSite({ gateways: 1 });
    const get = (path, headers = {}) => site.gateways[0].get(path, { headers });

    function typeOf(path) {
        return TYPES[path.match(/\.([a-z]+)$/)?.[1] ?? "html"];
    }

    // All files that the pages, and the scripts and styles they name, load from this server.
    async function everything() {
        const found = new Map();
        const look = async (path) => {
            if (found.has(path)) {
                return;
            }
            const answer = await get(path);
            assert.equal(answer.status, 200, path);
            found.set(path, answer);
            const text = answer.text;
            const links = [...text.matchAll(/(?:src|href)="([^"#?]+)/g), ...text.matchAll(/\burl\(["']?([^"')#]+)/g)];
            const imports = [...text.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)];
            for (const [, link] of [...links, ...imports]) {
                const url = new URL(link, `http://segue.test${path}`);
                assert.equal(url.host, "segue.test", `${path} loads ${link} from elsewhere`);
                await look(url.pathname);
            }
        };
        await look("/");
        await look("/player");
        return found;
    }

    test("/ and /player are pages, and the one links to the other", async () => {
        const home = await get("/");
        const player = await get("/player");
        for (const page of [home, player]) {
            assert.equal(page.status, 200);
            assert.match(page.headers["content-type"], TYPES.html);
            assert.match(page.text, /^<!doctype html>/i);
        }
        assert.match(home.text, /href="\/player"/);
        assert.match(player.text, /name="viewport"/);
    });

    test("everything that they load is here, with its type", async () => {
        const files = await everything();
        assert.ok(files.size >= 5, [...files.keys()].join(" "));
        for (const [path, answer] of files) {
            assert.match(answer.headers["content-type"], typeOf(path), path);
            assert.equal(answer.headers["x-content-type-options"], "nosniff", path);
        }
    });

    test("the Content-Security-Policy forbids inline code and foreign resources", async () => {
        for (const [path, answer] of await everything()) {
            const policy = answer.headers["content-security-policy"];
            assert.ok(policy, path);
            const rules = Object.fromEntries(policy.split(";").map((rule) => rule.trim().split(/ (.*)/s)));
            assert.equal(rules["default-src"], "'none'", path);
            assert.equal(rules["script-src"], "'self'", path);
            assert.equal(rules["style-src"], "'self'", path);
            assert.equal(rules["base-uri"], "'none'", path);
            assert.equal(rules["frame-ancestors"], "'none'", path);
            assert.equal(rules["form-action"], "'none'", path);
            assert.doesNotMatch(policy, /unsafe|https?:|\*/, path);
        }
    });

    test("the admin listener has a page of its own, which may ask other processes", async () => {
        const admin = (path) => request(site.gateways[0].adminUrl(path));
        const page = await admin("/");
        assert.equal(page.status, 200);
        assert.match(page.headers["content-type"], TYPES.html);
        assert.match(page.headers["content-security-policy"], /script-src 'self';.* connect-src 'self' http: https:;/);
        assert.notEqual(page.text, (await get("/")).text);
        for (const [, link] of page.text.matchAll(/(?:src|href)="(\/[^"#?]+\.\w+)/g)) {
            const answer = await admin(link);
            assert.equal(answer.status, 200, link);
            assert.doesNotMatch(answer.headers["content-security-policy"], /https?:/, link);
        }
        assert.equal((await get("/status")).status, 404);
    });

    test("the pages hold no inline script, style or handler, which the policy would stop", async () => {
        for (const [path, answer] of await everything()) {
            if (TYPES.html.test(answer.headers["content-type"])) {
                assert.doesNotMatch(answer.text, /<script(?![^>]*\bsrc=)[^>]*>/, path);
                assert.doesNotMatch(answer.text, /<style|\sstyle=|\son[a-z]+=|"javascript:/i, path);
            }
        }
    });

    test("an ETag saves the second download", async () => {
        for (const [path, answer] of await everything()) {
            const { etag } = answer.headers;
            assert.match(etag, /^(W\/)?"[^"]+"$/, path);
            for (const value of [etag, `W/${etag.replace(/^W\//, "")}`, `"other", ${etag}`, `${etag}, "other"`, "*"]) {
                const again = await get(path, { "If-None-Match": value });
                assert.equal(again.status, 304, `${path} ${value}`);
                assert.equal(again.body.length, 0);
                assert.equal(again.headers.etag, etag);
            }
            for (const value of ['"other"', "nonsense", "", etag.slice(0, -2), '"']) {
                const again = await get(path, { "If-None-Match": value });
                assert.equal(again.status, 200, `${path} ${value}`);
                assert.ok(again.body.equals(answer.body));
            }
        }
    });

    test("different files have different ETags, also plain and gzip", async () => {
        const files = await everything();
        const plain = [...files.values()].map((answer) => answer.headers.etag);
        assert.equal(new Set(plain).size, plain.length);
    });

    test("a client that takes gzip gets the same bytes in fewer", async () => {
        let smaller = 0;
        for (const [path, plain] of await everything()) {
            assert.equal(plain.headers["content-encoding"], undefined, path);
            assert.match(plain.headers.vary ?? "", /accept-encoding/i, path);
            for (const accept of ["gzip", "gzip, deflate, br", "deflate, gzip;q=0.8", "GZIP"]) {
                const answer = await get(path, { "Accept-Encoding": accept });
                assert.equal(answer.status, 200);
                if (answer.headers["content-encoding"] === "gzip") {
                    assert.ok(gunzipSync(answer.body).equals(plain.body), path);
                    assert.ok(answer.body.length < plain.body.length, path);
                    smaller += 1;
                } else {
                    assert.ok(answer.body.equals(plain.body), path);
                    assert.ok(plain.body.length < 1000, `${path} is worth packing`);
                }
                assert.match(answer.headers.vary, /accept-encoding/i);
            }
        }
        assert.ok(smaller > 0);
    });

    test("a client that does not take gzip does not get it", async () => {
        for (const accept of ["", "identity", "br", "gzip;q=0", "deflate, gzip;q=0.0", "xgzip", "gzipx"]) {
            const answer = await get("/player", { "Accept-Encoding": accept });
            assert.equal(answer.headers["content-encoding"], undefined, accept);
            assert.match(answer.text, /^<!doctype html>/i);
        }
    });

    test("304 holds for the packed form too", async () => {
        const packed = await get("/player", { "Accept-Encoding": "gzip" });
        const again = await get("/player", { "Accept-Encoding": "gzip", "If-None-Match": packed.headers.etag });
        assert.equal(again.status, 304);
    });

    test("HEAD of a page says its length and sends nothing", async () => {
        for (const accept of ["identity", "gzip"]) {
            const full = await get("/player", { "Accept-Encoding": accept });
            const head = await site.gateways[0].get("/player", {
                method: "HEAD",
                headers: { "Accept-Encoding": accept },
            });
            assert.equal(head.body.length, 0);
            assert.equal(Number(head.headers["content-length"]), full.body.length);
            assert.equal(head.headers.etag, full.headers.etag);
        }
    });

    test("pages tell browsers not to send the address on", async () => {
        for (const path of ["/", "/player"]) {
            const answer = await get(path);
            const said =
                answer.headers["referrer-policy"] ?? answer.text.match(/name="referrer" content="([^"]+)"/)?.[1];
            assert.match(said, /^(no-referrer|same-origin)$/, path);
        }
    });

    test("a path climbs out of nothing", async () => {
        for (const path of [
            "/../gateway.c",
            "/..%2f..%2fetc%2fpasswd",
            "/player.html",
            "/%2fplayer",
            "/segue.css/",
            "/.git",
        ]) {
            const raw = await site.raw();
            await raw.request(`GET ${path} HTTP/1.1`);
            assert.equal((await raw.response()).status, 404, path);
        }
    });
});
