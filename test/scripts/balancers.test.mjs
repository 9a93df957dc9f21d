// docker/haproxy.cfg and docker/nginx.conf with TLS, in front of real gateways: official clients that neither notice which process
// serves them nor that one is killed, pages over HTTP/2 and WebSockets never in it, nothing believed that a client says about itself.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

import { Front } from "../e2e/lib/front.mjs";
import { request } from "../e2e/lib/http.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { Client, VERSIONS } from "../e2e/lib/sio.mjs";
import { testSite } from "../e2e/lib/site.mjs";
import { tokenOf } from "../e2e/lib/token.mjs";
import { Nginx } from "./lib/nginx.mjs";

const FRONTS = {
    haproxy: (gateways) => Front.open(gateways, { tls: true }),
    nginx: (gateways) => Nginx.open(gateways),
};
const NEW_TRACK = {
    type_push_state: "new_track",
    track_id: 2,
    from_is: "playlist",
    from_is_id: 3,
    time_state_update: "2022-05-09T09:09:12+0000",
};

for (const [name, open] of Object.entries(FRONTS)) {
    async function behind(t, gateways, options = {}) {
        const site = await testSite(t, { gateways, ...options, flags: { rate: 0, "trusted-proxies": "127.0.0.1", ...options.flags } });
        const front = await open(site.gateways);
        t.after(() => front.close());
        return { site, front };
    }

    describe(`${name} with TLS`, { concurrency: 2 }, () => {
        test("devices on wss are on both gateways, and in step", async (t) => {
            const { site, front } = await behind(t, 2);
            const token = tokenOf(site.user());
            const devices = [];
            for (let number = 0; number < 4; number++) {
                devices.push(await Player.open(front, { token }));
            }
            t.after(() => devices.forEach((device) => device.terminate()));
            devices[0].send(NEW_TRACK);
            await Promise.all(devices.slice(1).map((device) => device.receives(NEW_TRACK)));
            for (const gateway of site.gateways) {
                const metrics = await gateway.metrics();
                assert.equal(metrics.get("segue_connections", { protocol: "player", transport: "websocket" }), 2);
            }
        });

        test("a page comes over HTTP/2, with HSTS, byte for byte; without TLS one is sent to it", async (t) => {
            const { site, front } = await behind(t, 1);
            const plain = `http://127.0.0.1:${front.plainPort}`;
            const certificate = join(front.directory, "gateway.pem");
            const args = ["--silent", "--show-error", "--http2", "--cacert", certificate, "--write-out", "\n%{http_version}"];
            const { stdout } = await promisify(execFile)("curl", [...args, front.url("/player")]);
            const { direct } = site.gateways[0];
            const page = await request(`http://${direct.host}:${direct.port}/player`);
            assert.equal(stdout, `${page.text}\n2`);
            assert.match((await front.get("/player")).headers["strict-transport-security"], /^max-age=\d{7,}$/);
            assert.match((await front.get("/nowhere")).headers["strict-transport-security"], /^max-age=\d{7,}$/);
            const away = await request(`${plain}/player?a=1&b=%20`, { headers: { Host: "gateway.example:80" } });
            assert.equal(away.status, 308);
            const port = name === "haproxy" ? `:${front.port}` : "";
            assert.equal(away.headers.location, `https://gateway.example${port}/player?a=1&b=%20`);
            assert.equal((await request(`${plain}/api/events`, { method: "POST", body: "{}" })).status, 308);
        });

        test("HTTP/2 carries REST, and does not offer WebSockets", async (t) => {
            const { site, front } = await behind(t, 1);
            const session = http2.connect(front.url(), { ca: front.ca });
            t.after(() => session.destroy());
            await once(session, "remoteSettings");
            assert.equal(session.alpnProtocol, "h2");
            assert.ok(!session.remoteSettings.enableConnectProtocol);
            const token = tokenOf(site.user());
            const stream = session.request({ ":path": "/api/carplay/now-playing", authorization: `Bearer ${token}` });
            const [headers] = await once(stream, "response");
            assert.equal(headers[":status"], 200);
            stream.close();
        });

        for (const version of Object.keys(VERSIONS)) {
            test(`official clients ${version}: polling, upgraded and WebSocket, hear all in order while a gateway is killed`, async (t) => {
                const { site, front } = await behind(t, 2);
                const [doomed, survivor] = site.gateways;
                const user = site.user();
                const token = tokenOf(user);
                const listen = (options) => Client.open(front, { version, token, ca: front.ca, ...options });
                // Recovery is the 4.x clients' own; who only polls needs none.
                const clients = [await listen({ transports: ["polling"] })];
                if (version === "4.x") {
                    clients.push(await listen({ recovery: true }), await listen({ transports: ["websocket"], recovery: true }));
                }
                t.after(() => clients.forEach((client) => client.close()));
                const valuesOf = (client) => client.all("carplay_command").map(([{ value }]) => value);
                const { host, port } = survivor.direct;
                const say = async (value) => {
                    const answer = await request(`http://${host}:${port}/api/carplay/control`, {
                        method: "POST",
                        headers: { Authorization: `Bearer ${token}` },
                        body: JSON.stringify({ command: "seek", value }),
                    });
                    assert.equal(answer.status, 200);
                };
                const COUNT = 120;
                for (let value = 0; value < COUNT; value++) {
                    await say(value);
                    await sleep(10);
                    if (value === COUNT / 3) {
                        await doomed.kill();
                    }
                }
                for (const client of clients) {
                    await client.when(() => valuesOf(client).length >= COUNT, "all commands", patient(20000));
                    assert.deepEqual(valuesOf(client), Array.from({ length: COUNT }, (_, value) => value));
                }
                assert.deepEqual(clients[0].disconnects, [], "who polls noticed nothing");
            });
        }

        test("nobody is there: 503 with Retry-After, as a gateway without Redis says it", async (t) => {
            const { site, front } = await behind(t, 1);
            await site.gateways[0].kill();
            const answer = await until(async () => {
                const got = await front.get("/readyz?token=do-not-write-me-down");
                return got.status === 503 && got;
            }, "503");
            assert.equal(answer.headers["retry-after"], "2");
            assert.equal(answer.json().error, "unavailable");
            assert.match(answer.headers["content-type"], /^application\/json/);
            assert.match(answer.headers["strict-transport-security"], /^max-age=/);
            await until(() => front.requests.includes("/readyz"), () => `a line about the request in ${front.requests}`);
            assert.doesNotMatch(front.log + front.requests, /do-not-write-me-down/);
        });

        test("the gateway is told the client's address and that it came with TLS, whatever the client claims; no token is logged", async (t) => {
            const heard = [];
            const server = http.createServer((call, answer) => {
                heard.push(call);
                answer.end("{}");
            });
            server.listen(0, "127.0.0.1");
            await once(server, "listening");
            t.after(() => {
                server.close();
                server.closeAllConnections();
            });
            const front = await open([{ host: "127.0.0.1", port: server.address().port }]);
            t.after(() => front.close());
            const lies = { "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http", Host: "localhost" };
            await front.get("/api/x?token=do-not-write-me-down", { headers: lies });
            const call = heard.find(({ url }) => url.startsWith("/api/x"));
            assert.equal(call.headers["x-forwarded-for"], "127.0.0.1");
            assert.equal(call.headers["x-forwarded-proto"], "https");
            assert.equal(call.headers.host, "localhost");
            await until(() => front.requests.includes("/api/x"), () => `a line about the request in ${front.requests}`);
            assert.doesNotMatch(front.requests, /do-not-write-me-down/);
        });
    });
}
