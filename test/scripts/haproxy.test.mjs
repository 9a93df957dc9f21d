// docker/haproxy.cfg as the compose file uses it: gateways found by name, whose number changes.
//
// Where Docker has its name server, this test has one of its own; the gateways share a port on addresses 127.0.0.x.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { haproxyConfig } from "../e2e/lib/front.mjs";
import { Gateway } from "../e2e/lib/gateway.mjs";
import { request } from "../e2e/lib/http.mjs";
import { keep, removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { until } from "../e2e/lib/patience.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { Redis, freePort } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";

const QUESTION_AT = 12;
const TYPE_A = 1;

// A name server that knows one set of addresses, for whatever name.
class NameServer {
    addresses = [];
    #socket = createSocket("udp4");

    static async start(t) {
        const server = new NameServer();
        server.#socket.on("message", (query, from) => server.#socket.send(server.#answer(query), from.port, from.address));
        server.#socket.bind(0, "127.0.0.1");
        await once(server.#socket, "listening");
        t.after(() => server.#socket.close());
        return server;
    }

    get port() {
        return this.#socket.address().port;
    }

    // RFC 1035, 4.1: the question again, then a record for each address.
    #answer(query) {
        const nameEnd = query.indexOf(0, QUESTION_AT) + 1;
        const question = query.subarray(QUESTION_AT, nameEnd + 4);
        const found = query.readUInt16BE(nameEnd) === TYPE_A ? this.addresses : [];
        const head = Buffer.from(query.subarray(0, QUESTION_AT));
        head.writeUInt16BE(0x8180, 2);
        [1, found.length, 0, 0].forEach((count, at) => head.writeUInt16BE(count, 4 + 2 * at));
        const records = found.map((address) =>
            Buffer.from([0xc0, QUESTION_AT, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split(".").map(Number)]));
        return Buffer.concat([head, question, ...records]);
    }
}

test("haproxy finds gateways by name, leaves those that are not ready, and loses no device of the others", async (t) => {
    const names = await NameServer.start(t);
    const redis = await Redis.start();
    t.after(() => redis.close());
    const [door, shared] = [await freePort(), await freePort()];
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    const startGateway = async (address) => {
        const gateway = await Gateway.start({
            flags: { listen: `${address}:${shared}`, redis: redis.url, "jwt-secret": SECRET },
        });
        t.after(() => gateway.close());
        return gateway;
    };

    const [bind, resolver, name] = [`127.0.0.1:${door}`, `127.0.0.1:${names.port}`, `gateway:${shared}`];
    const config = haproxyConfig("--bind", bind, "--resolver", resolver, "--name", name);
    writeFileSync(join(directory, "haproxy.cfg"), config);
    const haproxy = keep("haproxy", ["-db", "-f", join(directory, "haproxy.cfg")], { stdio: "ignore" });
    t.after(async () => {
        haproxy.kill("SIGKILL");
        await haproxy.ended;
    });
    const url = `http://127.0.0.1:${door}`;
    const status = async () => (await request(`${url}/readyz`)).status;

    // Nobody yet: the balancer itself answers, as a gateway without Redis would.
    const nobody = await until(() => request(`${url}/readyz`), "an answer of haproxy");
    assert.equal(nobody.status, 503);
    assert.ok(nobody.headers["retry-after"]);
    assert.equal(nobody.json().error, "unavailable");

    const first = await startGateway("127.0.0.2");
    names.addresses = ["127.0.0.2"];
    await until(async () => (await status()) === 200, "the first gateway is found");
    const device = await Player.open({ host: "127.0.0.1", port: door }, { token: tokenOf("alice") });

    const second = await startGateway("127.0.0.3");
    names.addresses = ["127.0.0.2", "127.0.0.3"];
    const others = [];
    await until(async () => {
        others.push(await Player.open({ host: "127.0.0.1", port: door }, { token: tokenOf("bob") }));
        return (await second.metrics()).get("segue_connections", { protocol: "player", transport: "websocket" }) > 0;
    }, "the second gateway is found");

    // A gateway goes away: no request notices, nor does a device of the other one.
    names.addresses = ["127.0.0.2"];
    const ended = second.terminate();
    for (let number = 0; number < 100; number++) {
        assert.equal(await status(), 200);
    }
    await device.hearsNothing();
    assert.equal(await ended, 0);
    assert.equal(first.isOver, false);
});
