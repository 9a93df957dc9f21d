// The end of a connection in the log and in the metrics: one line each, with reason, age and bytes; never a token.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";

import { argumentsOf, BINARY, environment } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { keep, removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { Metrics } from "./lib/metrics.mjs";
import { crowd, patient, sleep, until, within } from "./lib/patience.mjs";
import { freePort } from "./lib/redis.mjs";
import { newTrack } from "./lib/scenario.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "key-of-the-backend";

// The lines about ends in a gateway's log, as objects.
function endsOf(gateway) {
    return gateway.log
        .split("\n")
        .filter((line) => / info (connection|session) closed /.test(line))
        .map((line) => Object.fromEntries(Array.from(line.matchAll(/ (\w+)=(?:"(.*?)"|(\S+))/g), field)));
}

function field([, key, quoted, bare]) {
    return [key, quoted ?? bare];
}

// The lines about the user, once there are so many.
async function ends(gateway, user, count = 1) {
    const mine = () => endsOf(gateway).filter((end) => end.user === user);
    await until(() => mine().length >= count, () => `${count} lines about ${user} in:\n${gateway.log}`);
    assert.equal(mine().length, count, `lines about ${user}`);
    return mine();
}

describe("the end of a connection", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 20, burst: 30 }, env: { SEGUE_API_KEY: KEY } });
    const closed = async (on, labels) => (await site.gateways[on].metrics()).get("segue_closed_total", labels);

    test("a client that leaves is told of in one line, with age and bytes", async () => {
        const [user, began] = [site.user(), Date.now()];
        const one = await site.player(user, 0);
        const witness = await site.player(user, 1);
        one.send(newTrack(0));
        await witness.receives(newTrack(0));
        await sleep(300);
        await one.close();
        const [end] = await ends(site.gateways[0], user);
        assert.deepEqual(Object.keys(end), [
            ...["protocol", "transport", "reason", "age_ms", "bytes_in", "bytes_out", "peer", "user", "id"],
        ]);
        assert.equal(end.protocol, "player");
        assert.equal(end.transport, "websocket");
        assert.equal(end.reason, "closed by peer");
        assert.equal(end.peer, "127.0.0.1");
        assert.match(end.id, /^[\w-]{20}$/);
        assert.ok(end.age_ms >= 300 && end.age_ms <= Date.now() - began, `${end.age_ms} ms`);
        assert.ok(Number(end.bytes_in) > JSON.stringify(newTrack(0)).length + 200, `${end.bytes_in} bytes in`);
        assert.ok(Number(end.bytes_out) > 129, `${end.bytes_out} bytes out: the head and a state`);
        await witness.close();
    });

    test("why it ended is a word, with the code that the client saw", async () => {
        const [lost, fast, sent] = [site.user(), site.user(), site.user()];
        (await site.player(lost, 0)).terminate();
        const talker = await site.player(fast, 1);
        for (let i = 0; i < 100; i++) {
            talker.send({ type_push_state: "ping", t: i });
        }
        await talker.closed();
        const away = await site.player(sent, 0);
        await site.gateways[1].get(`/api/users/${sent}/disconnect`, {
            method: "POST",
            headers: { "X-API-Key": KEY },
            body: "{}",
        });
        assert.equal((await away.closed()).code, 4403);
        const [[a], [b], [c]] = await Promise.all([
            ends(site.gateways[0], lost),
            ends(site.gateways[1], fast),
            ends(site.gateways[0], sent),
        ]);
        assert.deepEqual([a.reason, a.code], ["peer lost", undefined]);
        assert.deepEqual([b.reason, b.code], ["rate limited", "1008"]);
        assert.deepEqual([c.reason, c.code], ["disconnected by operator", "4403"]);
    });

    test("the user of a Socket.IO connection is known, whoever said who it is", async () => {
        const query = (token) => ({ token: undefined, query: { token } });
        for (const who of [() => ({}), query]) {
            const user = site.user();
            const client = await site.client(user, 1, { transports: ["websocket"], ...who(tokenOf(user)) });
            client.close();
            const [end] = await ends(site.gateways[1], user);
            assert.deepEqual([end.protocol, end.transport], ["playback", "websocket"]);
            assert.ok(Number(end.bytes_out) > 100);
        }
    });

    describe("of a polling session", () => {
        const ended = (on, reason) => closed(on, { transport: "polling", reason });

        test("is told by the process that ended it, with what all processes carried", async () => {
            const user = site.user();
            const before = await ended(1, "left");
            const session = await site.pollingOf(user);
            await session.send('42["ping"]');
            assert.equal((await session.post("1", { on: site.gateways[1] })).status, 200);
            const [end] = await ends(site.gateways[1], user);
            assert.deepEqual([end.protocol, end.transport, end.reason, end.code], ["playback", "polling", "left", "1000"]);
            assert.equal(end.id, session.sid);
            assert.ok(Number(end.bytes_in) >= 30 && Number(end.bytes_out) >= 30, `${end.bytes_in} in, ${end.bytes_out} out`);
            assert.ok(end.age_ms >= 0 && end.age_ms < 60000);
            assert.equal(endsOf(site.gateways[0]).filter(({ id }) => id === session.sid).length, 0, "nobody else tells it");
            assert.equal((await ended(1, "left")) - (before ?? 0), 1);
        });

        test("that is given up, or asked for twice, is told once", async () => {
            const [gone, twice] = [site.user(), site.user()];
            const left = await site.pollingOf(gone);
            (await site.hanging(left, { on: site.gateways[0] })).abort();
            const [end] = await ends(site.gateways[0], gone);
            assert.deepEqual([end.transport, end.reason], ["polling", "peer lost"]);

            const session = await site.pollingOf(twice);
            await site.hanging(session, { on: site.gateways[0] });
            assert.equal((await session.request({ on: site.gateways[1] })).status, 400);
            const told = () => site.gateways.flatMap(endsOf).filter(({ id }) => id === session.sid);
            await until(() => told().length > 0, "a line");
            await sleep(200);
            assert.deepEqual(told().map(({ transport, reason }) => [transport, reason]), [["polling", "protocol error"]]);
        });

        test("that becomes a WebSocket is told as one", async () => {
            const user = site.user();
            const client = await site.client(user, 0);
            await until(() => client.socket.io.engine.transport.name === "websocket", "the upgrade");
            client.close();
            const [end] = await ends(site.gateways[0], user);
            assert.deepEqual([end.protocol, end.transport], ["playback", "websocket"]);
        });
    });

    test("what was counted is what was told", async () => {
        const user = site.user();
        const left = () => closed(0, { transport: "websocket", reason: "closed_by_peer" });
        const lost = () => closed(0, { transport: "websocket", reason: "peer_lost" });
        const aged = async () => (await site.gateways[0].metrics()).get("segue_connection_age_seconds_count");
        const opened = async () => (await site.gateways[0].metrics()).get("segue_opened_total", { protocol: "player" });
        const before = await Promise.all([left(), lost(), aged(), opened()]);
        for (let i = 0; i < 3; i++) {
            await (await site.player(user, 0)).close();
        }
        (await site.player(user, 0)).terminate();
        await ends(site.gateways[0], user, 4);
        const after = await Promise.all([left(), lost(), aged(), opened()]);
        assert.deepEqual(
            after.map((value, i) => value - before[i]),
            [3, 1, 4, 4],
        );
    });

    test("a refused request is told of, and no token is in the log", async () => {
        const gateway = await site.addGateway({ "log-level": "debug" });
        const [bad, good] = [tokenOf("mallory", { claims: { exp: 1000 } }), tokenOf(site.user())];
        const refused = await site.refused("mallory", gateway, { token: null, query: { token: bad } });
        assert.equal(refused.status, 401);
        const one = await site.player("nobody", gateway, { token: null, query: { token: good } });
        await one.close();
        await until(() => endsOf(gateway).some(({ reason }) => reason === "closed by peer"), "the line about the second");
        const line = gateway.log.split("\n").find((text) => text.includes(" debug request refused "));
        assert.match(line, / error=unauthorized why=".*" path=\/player peer=127\.0\.0\.1$/);
        for (const token of [bad, good]) {
            for (const part of token.split(".")) {
                assert.ok(!gateway.log.includes(part), "no part of a token");
            }
        }
    });

    test("plain requests are no news", async () => {
        const gateway = await site.addGateway();
        await gateway.get("/healthz", { headers: { Connection: "close" } });
        await gateway.get("/no-such-page", { headers: { Connection: "close" } });
        const one = await site.player(site.user(), gateway);
        await one.close();
        await until(() => endsOf(gateway).some((end) => end.protocol === "player"), "a line about the player");
        assert.equal(endsOf(gateway).length, 1, gateway.log);
    });

    test("a drain tells of everybody, in JSON when wanted", async (t) => {
        const own = await testSite(t, { gateways: 1, flags: { "log-format": "json" } });
        const user = own.user();
        const all = await Promise.all(Array.from({ length: 20 }, () => own.player(`${user} "x" \u202e`, 0)));
        assert.equal(await own.gateways[0].terminate(), 0);
        await Promise.all(all.map((one) => one.closed()));
        const lines = own.gateways[0].log.trim().split("\n").map((line) => JSON.parse(line));
        const closing = lines.filter(({ event }) => event === "connection closed" );
        assert.equal(closing.filter(({ transport }) => transport === "websocket").length, 20);
        for (const { transport, reason, code, user: name, age_ms: age } of closing.slice(0, 20)) {
            if (transport === "websocket") {
                assert.deepEqual([reason, code], ["service restart", 1012]);
                assert.ok(name.startsWith(`${user} "x" `), name);
                assert.equal(typeof age, "number");
            }
        }
    });
});

describe("the log of a process", () => {
    const site = suiteSite({ gateways: 1 });

    // A pipe that nobody reads until the end.
    function pipe(t) {
        const directory = temporaryDirectory();
        t.after(() => removeDirectory(directory));
        const path = join(directory, "log");
        spawnSync("mkfifo", [path]);
        const [reader, file] = [openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), openSync(path, constants.O_WRONLY)];
        t.after(() => [reader, file].forEach((one) => closeSync(one)));
        return { file, read: () => readAll(reader) };
    }

    function readAll(file) {
        const parts = [];
        const room = Buffer.alloc(65536);
        for (;;) {
            try {
                parts.push(Buffer.from(room.subarray(0, readSync(file, room))));
            } catch (error) {
                assert.equal(error.code, "EAGAIN");
                return Buffer.concat(parts).toString();
            }
        }
    }

    test("may stand still: nobody waits for its reader, and what was lost is told", async (t) => {
        const { file, read } = pipe(t);
        const [port, adminPort] = [await freePort(), await freePort()];
        const flags = {
            listen: `127.0.0.1:${port}`,
            "admin-listen": `127.0.0.1:${adminPort}`,
            redis: site.redis.gatewayUrl,
            "log-level": "debug",
            drain: 0,
        };
        const env = environment({ SEGUE_JWT_SECRET: "x".repeat(40) });
        const gateway = keep(BINARY, argumentsOf(flags), { env, stdio: ["ignore", "ignore", file] });
        t.after(() => gateway.kill("SIGKILL"));
        const get = (path, at = port) => request(`http://127.0.0.1:${at}${path}`);
        const lost = async () => new Metrics((await get("/metrics", adminPort)).text).get("segue_log_lines_lost_total");
        await until(async () => (await get("/readyz")).status === 200, "it is ready");
        const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
        t.after(() => agent.destroy());
        const path = `/player/${"x".repeat(1500)}`;
        await until(
            async () => {
                await crowd(100, () => request(`http://127.0.0.1:${port}${path}`, { agent }), 20);
                return (await lost()) > 100;
            },
            "lines are lost",
            patient(30000),
        );
        const began = Date.now();
        assert.equal((await get("/healthz")).status, 200);
        assert.ok(Date.now() - began < patient(1000), "it answers as ever");

        let text = read();
        await until(async () => (text += read()).includes(" warn log lines lost count=") || (await get("/nothing"), false), "the loss is told");
        gateway.kill("SIGTERM");
        assert.equal((await within(gateway.ended, "its end")).code, 0);
        text += read();
        for (const line of text.split("\n").slice(0, -1)) {
            assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn) [a-z ]+( \w+=|$)/, "lines are whole");
        }
        assert.match(text, / info exit\n$/);
    });
});
