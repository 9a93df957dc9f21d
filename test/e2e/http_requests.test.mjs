// HTTP/1.1 as polite clients speak it: connections kept alive, pipelines, methods, bodies, errors.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { frame, TEXT } from "./lib/frames.mjs";
import { request } from "./lib/http.mjs";
import { patient } from "./lib/patience.mjs";
import { NO_STATE, onPause } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

export function assertError(answer, status, what) {
    assert.equal(answer.status, status, what ?? answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/, what);
    const body = answer.json();
    assert.deepEqual(Object.keys(body).sort(), ["error", "message"], what);
    assert.match(body.error, /^[a-z_]+$/, what);
    assert.ok(body.message.length > 0, what);
}

describe("HTTP requests", () => {
    const site = suiteSite({ gateways: 1 });
    const gateway = () => site.gateways[0];

    describe("connections", () => {
        test("are kept alive: many requests, one after the other", async () => {
            const raw = await site.raw();
            for (let i = 0; i < 20; i++) {
                await raw.request(i % 2 ? "GET /healthz HTTP/1.1" : "GET /nothing HTTP/1.1");
                assert.equal((await raw.response()).status, i % 2 ? 200 : 404);
            }
        });

        test("Connection: close is honoured and said", async () => {
            const raw = await site.raw();
            await raw.request("GET /healthz HTTP/1.1", ["Connection: close"]);
            const answer = await raw.response();
            assert.equal(answer.status, 200);
            assert.match(answer.headers.connection, /close/i);
            assert.equal((await raw.rest()).length, 0);
        });

        test("what comes after Connection: close is not answered", async () => {
            const raw = await site.raw();
            const one = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            await raw.write(one + one);
            assert.equal((await raw.response()).status, 200);
            assert.equal((await raw.rest()).length, 0);
        });

        test("pipelined requests are answered in their order", async () => {
            const raw = await site.raw();
            const paths = Array.from({ length: 100 }, (_, i) => ["/healthz", "/nothing", "/player", "/"][i % 4]);
            await raw.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
            for (const path of paths) {
                const answer = await raw.response();
                assert.equal(answer.status, path === "/nothing" ? 404 : 200, path);
                assert.equal(/html/.test(answer.headers["content-type"]), ["/player", "/"].includes(path), path);
            }
        });

        test("an upgrade may end a pipeline", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert.equal((await raw.response()).status, 200);
            assert.equal((await raw.response({ bodiless: true })).status, 200);
            await raw.upgrade("/player", [`Authorization: Bearer ${tokenOf(site.user())}`]);
            assert.deepEqual(JSON.parse(await raw.text()), NO_STATE);
            await raw.write(frame(TEXT, JSON.stringify(onPause(0))));
            assert.deepEqual(JSON.parse(await raw.text()), NO_STATE);
        });

        test("a request may come one byte at a time", async () => {
            const raw = await site.raw();
            for (const byte of "GET /healthz?x=y HTTP/1.1\r\nHost: segue\r\nAccept: */*\r\n\r\n") {
                await raw.write(byte);
            }
            assert.equal((await raw.response()).status, 200);
        });

        test("a client that half-closes after its request gets its answer", async () => {
            const raw = await site.raw();
            await raw.request("GET /healthz HTTP/1.1");
            raw.end();
            assert.equal((await raw.response()).status, 200);
            assert.equal((await raw.rest()).length, 0);
        });

        test("empty lines before a request are forgiven", async () => {
            const raw = await site.raw();
            await raw.write("\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
            assert.equal((await raw.response()).status, 200);
        });

        test("HTTP/1.0 is answered and closed", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.0\r\n\r\n");
            assert.equal((await raw.response()).status, 200);
            assert.equal((await raw.rest()).length, 0);
        });

        test("HTTP/1.0 with keep-alive is answered", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
            assert.equal((await raw.response()).status, 200);
        });

        test("the absolute form of a target is understood", async () => {
            const raw = await site.raw();
            await raw.request("GET http://segue.test/healthz HTTP/1.1");
            assert.equal((await raw.response()).status, 200);
        });
    });

    describe("methods", () => {
        for (const path of ["/", "/player", "/healthz", "/readyz", "/nothing"]) {
            test(`HEAD ${path} is GET without the body`, async () => {
                const raw = await site.raw();
                await raw.request(`GET ${path} HTTP/1.1`);
                const full = await raw.response();
                await raw.request(`HEAD ${path} HTTP/1.1`);
                const head = await raw.response({ bodiless: true });
                assert.equal(head.status, full.status);
                const stable = ({ date, ...headers }) => headers;
                assert.deepEqual(stable(head.headers), stable(full.headers));
                await raw.request("GET /healthz HTTP/1.1");
                assert.equal((await raw.response()).status, 200, "the connection is still in step");
            });
        }

        test("OPTIONS says what is allowed", async () => {
            for (const path of ["/", "/player", "/healthz"]) {
                const answer = await gateway().get(path, { method: "OPTIONS" });
                assert.ok([200, 204].includes(answer.status), `${answer.status}`);
                for (const method of ["GET", "HEAD", "OPTIONS"]) {
                    assert.ok(answer.headers.allow?.split(/, */).includes(method), answer.headers.allow);
                }
            }
        });

        test("any other method on a known path is 405 with Allow", async () => {
            for (const path of ["/", "/player", "/healthz", "/readyz"]) {
                for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
                    const answer = await gateway().get(path, { method });
                    assertError(answer, 405, `${method} ${path}`);
                    assert.match(answer.headers.allow, /\bGET\b/);
                }
            }
        });

        test("any method on an unknown path is 404", async () => {
            for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"]) {
                assertError(await gateway().get("/nothing", { method }), 404, method);
            }
        });

        test("a method that does not exist is refused", async () => {
            for (const method of ["BREW", "get", "G", "G ET"]) {
                const raw = await site.raw();
                await raw.request(`${method} /healthz HTTP/1.1`);
                const { status } = await raw.response();
                assert.ok([400, 405, 501].includes(status), `${method}: ${status}`);
            }
        });
    });

    describe("paths", () => {
        test("that lead nowhere are 404 with a JSON body", async () => {
            const raw = await site.raw();
            const paths = [
                "/nothing",
                "/player/",
                "/Player",
                "//player",
                "/healthz/x",
                "/../etc/passwd",
                "/%2e%2e/",
                "/.",
            ];
            paths.push("/index.html", "/metrics", `/${"x".repeat(3000)}`, "/%00", "/player%00", "/*", "/player;x");
            for (const path of paths) {
                await raw.request(`GET ${path} HTTP/1.1`);
                assertError(await raw.response(), 404, path);
            }
        });

        test("may carry a query", async () => {
            for (const path of ["/?", "/?a=b", "/player?x", "/healthz?token=%zz", "/readyz?%"]) {
                assert.equal((await gateway().get(path)).status, 200, path);
            }
        });

        test("an unknown path is 404 also for a WebSocket, whatever the token", async () => {
            const raw = await site.raw();
            await raw.request("GET /nothing HTTP/1.1", [
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            ]);
            assertError(await raw.response(), 404);
        });
    });

    describe("bodies", () => {
        const chunked = "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

        test("of a refused request are read, and the next request is answered", async () => {
            const raw = await site.raw();
            const inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
            for (const [field, body] of [
                ["Content-Length: 5", "hello"],
                ["Content-Length: 0", ""],
                [`Content-Length: ${inner.length}`, inner],
                ["Transfer-Encoding: chunked", chunked],
            ]) {
                await raw.request("POST /healthz HTTP/1.1", [field], body);
                assertError(await raw.response(), 405, field);
                await raw.request("GET /healthz HTTP/1.1");
                assert.equal((await raw.response()).status, 200, field);
            }
        });

        test("of a GET are read as well", async () => {
            const raw = await site.raw();
            await raw.request("GET /healthz HTTP/1.1", ["Transfer-Encoding: chunked"], chunked);
            assert.equal((await raw.response()).status, 200);
            await raw.request("GET /healthz HTTP/1.1", ["Content-Length: 3"], "abc");
            assert.equal((await raw.response()).status, 200);
            await raw.request("GET /nothing HTTP/1.1");
            assert.equal((await raw.response()).status, 404);
        });

        test("chunks may come one byte at a time", async () => {
            const raw = await site.raw();
            await raw.request("POST /healthz HTTP/1.1", ["Transfer-Encoding: chunked"]);
            for (const byte of chunked) {
                await raw.write(byte);
            }
            assertError(await raw.response(), 405);
            await raw.request("GET /healthz HTTP/1.1");
            assert.equal((await raw.response()).status, 200);
        });

        test("of some MiB do not keep the client from reading the refusal", async () => {
            for (const field of ["Content-Length: 6000000", "Transfer-Encoding: chunked"]) {
                const raw = await site.raw();
                await raw.request("POST /nothing HTTP/1.1", [field]);
                const part = field.startsWith("C")
                    ? Buffer.alloc(60000, "x")
                    : Buffer.from(`ea60\r\n${"x".repeat(60000)}\r\n`);
                for (let sent = 0; sent < 6000000; sent += 60000) {
                    await raw.write(part);
                }
                assertError(await raw.response(), 404, field);
            }
        });

        test("beyond 8 MiB, or that stop coming, end the connection after the answer", async () => {
            const endless = await site.raw();
            await endless.request("POST /nothing HTTP/1.1", ["Content-Length: 1000000000"]);
            assertError(await endless.response(), 404);
            let over = false;
            const end = endless.rest(patient(15000)).then(() => (over = true));
            for (let sent = 0; !over && sent < 200; sent++) {
                await Promise.race([endless.write(Buffer.alloc(1 << 20)), end]);
            }
            await end;

            const stalled = await site.raw();
            await stalled.request("POST /nothing HTTP/1.1", ["Content-Length: 1000000"], "some");
            assertError(await stalled.response(), 404);
            await stalled.rest(patient(6000));
        });

        test("Expect: 100-continue is answered, with 100 or at once with the refusal", async () => {
            const raw = await site.raw();
            await raw.request("POST /nothing HTTP/1.1", ["Content-Length: 5", "Expect: 100-continue"]);
            let answer = await raw.response();
            if (answer.status === 100) {
                await raw.write("hello");
                answer = await raw.response();
            }
            assertError(answer, 404);
        });
    });

    describe("probes", () => {
        test("/healthz and /readyz answer on both listeners", async () => {
            for (const path of ["/healthz", "/readyz"]) {
                assert.equal((await gateway().get(path)).status, 200);
                assert.equal((await request(gateway().adminUrl(path))).status, 200);
            }
        });

        test("/metrics answers on the admin listener only", async () => {
            const answer = await request(gateway().adminUrl("/metrics"));
            assert.equal(answer.status, 200);
            assert.match(answer.headers["content-type"], /^text\/plain/);
            assertError(await gateway().get("/metrics"), 404);
        });

        test("metrics may be read by the page of another process, without credentials", async () => {
            const headers = { Origin: "http://127.0.0.1:9191" };
            const answer = await request(gateway().adminUrl("/metrics"), { headers });
            assert.equal(answer.headers["access-control-allow-origin"], "*");
            assert.equal(answer.headers["access-control-allow-credentials"], undefined);
        });

        test("the admin listener serves no player", async () => {
            for (const path of ["/player", "/socket.io/?EIO=4&transport=polling", "/ws", "/api/carplay/now-playing"]) {
                assertError(await request(gateway().adminUrl(path)), 404, path);
            }
            assertError(await request(gateway().adminUrl("/metrics"), { method: "POST" }), 405);
        });

        test("without an admin listener the probes answer on the public one", async () => {
            const alone = await site.addGateway({ "admin-listen": "" });
            assert.equal((await alone.get("/healthz")).status, 200);
            assert.equal((await alone.get("/readyz")).status, 200);
            assert.doesNotMatch(alone.log, /admin listening/);
        });
    });
});
