// The PROXY protocol: who a trusted proxy names in front of the first request is the client; from anybody else the
// same bytes are a bad request. Tried by hand, and behind a real haproxy in front of two gateways.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { request } from "./lib/http.mjs";
import { keep, removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { sleep, SLOW, until } from "./lib/patience.mjs";
import { Player } from "./lib/player.mjs";
import { Raw } from "./lib/raw.mjs";
import { freePort } from "./lib/redis.mjs";
import { suiteSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const CLIENT = "203.0.113.9";
const LINE = Buffer.from(`PROXY TCP4 ${CLIENT} 10.0.0.1 56324 443\r\n`);

function block(command, family, ...parts) {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
    const head = Buffer.from([0x20 | command, family, body.length >> 8, body.length & 255]);
    return Buffer.concat([SIGNATURE, head, body]);
}

const V4 = [203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 4, 1, 187];
const V6 = [...Buffer.from("20010db8000000000000000000000005", "hex"), ...new Array(16).fill(0), 1, 2, 3, 4];

describe("the PROXY protocol", () => {
    const site = suiteSite({ gateways: 1, flags: { "trusted-proxies": "127.0.0.1,198.51.100.0/24" } });

    // A device's connection that begins with these bytes; its address as the log has it in the end.
    async function peerOf(header, { fields = [], gateway = site.gateways[0], write } = {}) {
        const user = site.user();
        const raw = await site.raw(gateway);
        const before = gateway.log.length;
        await (write ?? ((bytes) => raw.write(bytes)))(header, raw);
        await raw.upgrade("/player", [`Authorization: Bearer ${tokenOf(user)}`, ...fields]);
        await raw.text();
        raw.destroy();
        const line = await until(
            () => gateway.log.slice(before).match(/ connection closed .*\bpeer=(\S+) /),
            () => `the end of the connection in the log:\n${gateway.log.slice(before)}`,
        );
        return line[1];
    }

    for (const [what, header, peer] of [
        ["version 1, TCP4", LINE, CLIENT],
        ["version 1, TCP6", Buffer.from("PROXY TCP6 2001:db8::5 ::1 1 2\r\n"), "2001:db8::5"],
        ["version 1, UNKNOWN", Buffer.from("PROXY UNKNOWN and more\r\n"), "127.0.0.1"],
        ["version 2, TCP over IPv4", block(1, 0x11, V4), CLIENT],
        ["version 2, TCP over IPv6", block(1, 0x21, V6), "2001:db8::5"],
        ["version 2 with more behind the addresses", block(1, 0x11, V4, [4, 0, 2, 1, 2, 0xee, 0, 1, 9]), CLIENT],
        ["version 2, LOCAL", block(0, 0x11, V4), "127.0.0.1"],
        ["version 2, unspecified", block(1, 0x00, "abc"), "127.0.0.1"],
        ["no header at all", Buffer.alloc(0), "127.0.0.1"],
    ]) {
        test(`${what}: the client is ${peer}`, async () => {
            assert.equal(await peerOf(header), peer);
        });
    }

    test("a header may come byte by byte", async () => {
        for (const [header, peer] of [
            [LINE, CLIENT],
            [block(1, 0x21, V6), "2001:db8::5"],
        ]) {
            const seen = await peerOf(header, {
                write: async (bytes, raw) => {
                    for (const byte of bytes) {
                        await raw.write(Buffer.from([byte]));
                        await sleep(1);
                    }
                },
            });
            assert.equal(seen, peer);
        }
    });

    test("header and request may come in one packet", async () => {
        for (const header of [LINE, block(1, 0x11, V4)]) {
            const raw = await site.raw();
            const asked = Buffer.from("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
            await raw.write(Buffer.concat([header, asked, asked]));
            assert.equal((await raw.response()).status, 200);
            assert.equal((await raw.response()).status, 200);
        }
    });

    test("X-Forwarded-For behind it counts when the named address is trusted itself", async () => {
        const fields = ["X-Forwarded-For: 192.0.2.77"];
        assert.equal(await peerOf(LINE, { fields }), CLIENT);
        const trusted = Buffer.from("PROXY TCP4 198.51.100.4 10.0.0.1 1 2\r\n");
        assert.equal(await peerOf(trusted, { fields }), "192.0.2.77");
    });

    test("a client's own X-Forwarded-For header in front of the proxy's is not believed", async () => {
        const fields = ["X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.77"];
        assert.equal(await peerOf(Buffer.alloc(0), { fields }), "192.0.2.77");
    });

    for (const [what, bytes] of [
        ["a wrong family", "PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n"],
        ["a wrong address", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"],
        ["a line that does not end", `PROXY UNKNOWN ${"x".repeat(200)}`],
        ["a second header", Buffer.concat([LINE, LINE])],
        ["a block without its addresses", block(1, 0x11, "abc")],
        ["a block of a version to come", Buffer.concat([SIGNATURE, Buffer.from([0x31, 0x11, 0, 0])])],
        ["a block that is too long", Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
    ]) {
        test(`${what} is answered 400, and the connection ends`, async () => {
            const raw = await site.raw();
            await raw.write(bytes);
            const answer = await raw.response();
            assert.equal(answer.status, 400);
            assert.equal(answer.json().error, "bad_request");
            assert.equal((await raw.rest()).length, 0);
        });
    }

    test("from anybody else it is a bad request, whichever version", async () => {
        for (const trusted of [null, "10.0.0.0/8"]) {
            const gateway = await site.addGateway({ "trusted-proxies": trusted });
            for (const header of [LINE, block(1, 0x11, V4), block(0, 0)]) {
                const raw = await site.raw(gateway);
                await raw.write(Buffer.concat([header, Buffer.from("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")]));
                assert.equal((await raw.response()).status, 400);
                assert.equal((await raw.rest()).length, 0);
            }
        }
    });

    test("header and request have --connect-timeout together", async () => {
        const limit = 3000 * SLOW;
        const gateway = await site.addGateway({ "connect-timeout": limit });
        const part = await site.raw(gateway);
        const whole = await site.raw(gateway);
        const begun = Date.now();
        await part.write(LINE.subarray(0, 20));
        await whole.write(LINE);
        await sleep(limit / 2);
        await whole.write("GET /healthz HTTP/1.1\r\n");
        assert.equal((await whole.response()).status, 408);
        const took = Date.now() - begun;
        assert.ok(took >= 0.9 * limit && took < 1.45 * limit, `${took} ms: each of them has not a time of its own`);
        await whole.rest();
        assert.equal((await part.rest()).length, 0);
    });

    test("the admin listener knows nothing of it", async () => {
        const admin = await Raw.open(site.gateways[0], { port: site.gateways[0].adminPort });
        await admin.write(LINE);
        assert.equal((await admin.response()).status, 400);
        admin.destroy();
    });

    for (const way of ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"]) {
        test(`haproxy with ${way} in front of two gateways`, async (t) => {
            const gateways = [await site.addGateway(), await site.addGateway()];
            const directory = temporaryDirectory();
            t.after(() => removeDirectory(directory));
            const door = await freePort();
            const options = `${way} check check-send-proxy inter 200ms`;
            writeFileSync(
                join(directory, "haproxy.cfg"),
                `
global
    fd-hard-limit 1000
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend public
    bind 127.0.0.1:${door}
    default_backend gateways
backend gateways
    balance roundrobin
    option httpchk GET /readyz
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host gateway
${gateways.map(({ port }, i) => `    server g${i} 127.0.0.1:${port} ${options}\n`).join("")}`,
            );
            const haproxy = keep("haproxy", ["-db", "-f", join(directory, "haproxy.cfg")], { stdio: "ignore" });
            t.after(async () => {
                haproxy.kill("SIGKILL");
                await haproxy.ended;
            });
            const ready = async () => (await request(`http://127.0.0.1:${door}/readyz`).catch(() => ({}))).status === 200;
            await until(ready, "haproxy finds the gateways");
            // From 127.0.0.x, as if from elsewhere: haproxy itself is 127.0.0.1.
            const devices = [];
            for (const localAddress of ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]) {
                const token = tokenOf(site.user());
                devices.push(await Player.open({ host: "127.0.0.1", port: door }, { token, localAddress }));
            }
            const served = await Promise.all(
                gateways.map(async (gateway) =>
                    (await gateway.metrics()).get("segue_connections", { protocol: "player", transport: "websocket" })),
            );
            assert.deepEqual(served, [2, 2], "both gateways serve");
            await Promise.all(devices.map((device) => device.close()));
            for (const peer of ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]) {
                await until(
                    () => gateways.some((gateway) => gateway.log.includes(` peer=${peer} `)),
                    () => `peer ${peer} in the logs:\n${gateways.map((gateway) => gateway.log).join("")}`,
                );
            }
        });
    }
});
