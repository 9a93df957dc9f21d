// Bounds of Engine.IO and Socket.IO: what a client may cost, and what becomes of those who want more.

import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";

import { engineUrl, HANDSHAKE, Wire } from "./lib/engine.mjs";
import { request } from "./lib/http.mjs";
import { crowd, patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { eventOf, eventPacket, hearsNothing } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const MIB = 1024 * 1024;
const PING = eventPacket("ping");
const PONG = eventPacket("pong");

// What a sanitizer's build takes says nothing about ours.
const measured = SLOW > 1 ? { skip: "sanitizers take memory of their own" } : {};

const seek = (value) => eventPacket("carplay_command", { command: "seek", value });

describe("who never says CONNECT", { concurrency: 2 }, () => {
    test("10,000 handshakes over polling: the process keeps nothing, Redis forgets them", async (t) => {
        const flags = {
            rate: 0,
            "ping-interval": 1000 * SLOW,
            "ping-timeout": 500 * SLOW,
            "connect-timeout": 1500 * SLOW,
        };
        const site = await testSite(t, { gateways: 2, flags });
        const agent = new http.Agent({ keepAlive: true, maxSockets: 50, scheduling: "fifo" });
        t.after(() => agent.destroy());
        const ask = (number) => request(engineUrl(site.gateways[number % 2], { query: HANDSHAKE }), { agent });
        await crowd(500, ask, 50);
        const before = site.gateways.map((gateway) => gateway.residentBytes());
        const answers = await crowd(10000, ask, 50);
        assert.ok(answers.every(({ status }) => status === 200));
        if (!measured.skip) {
            site.gateways.forEach((gateway, i) => {
                const grown = gateway.residentBytes() - before[i];
                assert.ok(grown < 2 * MIB, `${grown} bytes for 5,000 handshakes`);
            });
        }
        await until(
            async () => (await site.redis.call("KEYS", "*")).filter((key) => key.includes("eio")).length === 0,
            "no session is left in Redis",
            patient(20000),
        );
        const polling = await site.pollingOf(site.user());
        await polling.send(PING);
        assert.deepEqual(await polling.poll(), [PONG]);
    });

    test("a thousand websockets are closed after --connect-timeout", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0, "connect-timeout": 1500 * SLOW } });
        const wires = await crowd(1000, (number) => site.wire(number % 2));
        const good = await site.wireOf(site.user());
        await Promise.all(wires.map((wire) => wire.closed(patient(10000))));
        await hearsNothing(good);
        for (const gateway of site.gateways) {
            await until(() => gateway.openFiles() < 60, "their files are closed");
        }
    });

    test("a session that says CONNECT to nothing but unknown namespaces ends as well", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0, "connect-timeout": 600 * SLOW } });
        const wire = await site.wire();
        const polling = await site.polling();
        wire.send("40/nope,");
        await polling.send("40/nope,");
        await wire.next();
        await wire.closed();
        await until(async () => (await polling.post("3")).status === 400, "end of the session");
    });
});

describe("attachments", { concurrency: 4 }, () => {
    const flags = { rate: 0 };
    const place = (num) => ({ _placeholder: true, num });
    const announce = (count, ...args) => `45${count}-${JSON.stringify(["ping", ...args])}`;

    test("thousands announced and never sent cost nothing", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const before = site.gateways[0].residentBytes();
        const counts = ["100000", "4294967295", "4294967296", "99999999999999999999", "1000"];
        for (const count of counts) {
            const wire = await site.wireOf(site.user());
            wire.send(`45${count}-["ping",{"_placeholder":true,"num":0}]`);
            await Promise.race([wire.closed(), sleep(200)]);
            wire.destroy();
        }
        const grown = site.gateways[0].residentBytes() - before;
        assert.ok(grown < 2 * MIB * SLOW, `${grown} bytes`);
        await hearsNothing(await site.wireOf(site.user()));
    });

    test("... by many who send all but the last: each is bounded", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const before = site.gateways[0].residentBytes();
        const wires = await crowd(20, () => site.wireOf(site.user(), 0));
        const bytes = Buffer.alloc(16000, 1);
        for (const wire of wires) {
            wire.send(announce(1000, place(0)));
            for (let i = 0; i < 999 && wire.isOpen; i++) {
                wire.send(bytes);
            }
        }
        await sleep(500 * SLOW);
        const grown = site.gateways[0].residentBytes() - before;
        assert.ok(grown < 20 * MIB * SLOW, `${grown} bytes for 320 MB that were sent`);
        await hearsNothing(await site.wireOf(site.user(), 1));
    });

    test("... over polling: neither the processes nor Redis keep more than a message's worth", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const polling = await site.pollingOf(site.user());
        await polling.post([announce(1000, place(0))]);
        for (let i = 0; i < 30; i++) {
            const answer = await polling.post(Array.from({ length: 60 }, () => Buffer.alloc(12000, i)));
            if (answer.status !== 200) {
                break;
            }
        }
        const keys = await site.redis.call("KEYS", "*");
        for (const key of keys) {
            const size = await site.redis.call("MEMORY", "USAGE", key);
            assert.ok(size === null || size < 2 * MIB, `${key}: ${size} bytes`);
        }
    });

    test("placeholders in deep nests, and nests without any, are refused or served, and hurt nobody", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const nest = (depth, inside) => `${"[".repeat(depth)}${inside}${"]".repeat(depth)}`;
        const objects = (depth, inside) => `${'{"a":'.repeat(depth)}${inside}${"}".repeat(depth)}`;
        const inside = '{"_placeholder":true,"num":0}';
        for (const depth of [1, 10, 60, 100, 1000, 2500, 8000]) {
            for (const text of [nest(depth, inside), objects(Math.min(depth, 2500), inside), "[".repeat(depth)]) {
                const wire = await site.wireOf(site.user());
                wire.send(`451-["ping",${text}]`, Buffer.from("x"));
                const heard = await Promise.race([wire.next(), wire.closed()]).catch((error) => error);
                const fine =
                    heard === PONG || heard instanceof Error || heard.code > 1000 || /^42\["error"/.test(heard);
                assert.ok(fine, `depth ${depth}: ${heard}`);
                wire.destroy();
            }
        }
        await hearsNothing(await site.wireOf(site.user()));
    });

    test("the same placeholder ten thousand times does not multiply the attachment", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const before = site.gateways[0].residentBytes();
        const wire = await site.wireOf(site.user(), 0);
        const many = Array.from({ length: 500 }, () => place(0));
        for (let i = 0; i < 20; i++) {
            wire.send(announce(1, ...many), Buffer.alloc(15000, 1));
            const heard = await Promise.race([wire.next(), wire.closed()]).catch((error) => error);
            if (heard !== PONG) {
                break;
            }
        }
        const grown = site.gateways[0].residentBytes() - before;
        assert.ok(grown < 3 * MIB * SLOW, `${grown} bytes`);
    });
});

describe("rates", { concurrency: 4 }, () => {
    // The bucket holds 10 and fills by 5 a second.
    const flags = { rate: 5, burst: 10 };

    test("above the rate: error rate_limited once a second; after another burst 1008", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const wire = await site.wireOf(site.user());
        for (let i = 0; i < 15; i++) {
            wire.send(PING);
        }
        await sleep(patient(200));
        const heard = wire.takeAll();
        assert.ok(wire.isOpen);
        const pongs = heard.filter((packet) => packet === PONG).length;
        assert.ok(pongs >= 8 && pongs <= 11 + SLOW * 5, `${pongs} pongs`);
        const errors = heard.filter((packet) => packet !== PONG).map((packet) => eventOf(packet));
        assert.equal(errors.length, 1);
        assert.deepEqual([errors[0][0], errors[0][1].code], ["error", "rate_limited"]);
        for (let i = 0; i < 40; i++) {
            wire.send(PING);
        }
        assert.equal((await wire.closed()).code, 1008);
    });

    test("who waits is served again", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const wire = await site.wireOf(site.user());
        for (let round = 0; round < 3; round++) {
            for (let i = 0; i < 5; i++) {
                wire.send(PING);
                assert.equal(await wire.next(), PONG);
            }
            await sleep(1100);
        }
    });

    test("what was refused was not applied", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const user = site.user();
        const witness = await site.wireOf(user, 1);
        const wire = await site.wireOf(user, 0);
        for (let i = 0; i < 18; i++) {
            wire.send(seek(i));
        }
        await sleep(patient(300));
        const applied = witness.takeAll().map((packet) => eventOf(packet)[1].value);
        assert.ok(applied.length >= 8 && applied.length <= 12 + SLOW * 5, `${applied.length} applied`);
        assert.deepEqual(
            applied,
            applied.map((_, i) => i),
        );
    });

    test("over polling the rate is that of the session, however many processes are asked", async (t) => {
        const site = await testSite(t, { gateways: 3, flags });
        const polling = await site.pollingOf(site.user());
        let last = 200;
        for (let i = 0; i < 60 && last === 200; i++) {
            last = (await polling.post([PING])).status;
        }
        assert.equal(last, 400, "the session is closed in the end");
        await polling.isGone();
    });

    test("over polling: error rate_limited, then it ends; one POST with everything as well", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const polling = await site.pollingOf(site.user());
        await polling.send(...Array.from({ length: 15 }, () => PING));
        const heard = await polling.poll();
        const errors = heard.filter((packet) => packet !== PONG).map((packet) => eventOf(packet)[1].code);
        assert.deepEqual(errors, ["rate_limited"]);
        await polling.post(Array.from({ length: 100 }, () => PING));
        await until(async () => (await polling.post("3")).status === 400, "end of the session");
    });

    test("heartbeats and acknowledgements are not counted against anybody's patience", async (t) => {
        const own = { rate: 5, burst: 10, "ping-interval": 100 * SLOW, "ping-timeout": 2000 * SLOW };
        const site = await testSite(t, { gateways: 2, flags: own });
        const wire = await site.wireOf(site.user());
        await sleep(2500 * SLOW);
        await hearsNothing(wire);
    });
});

describe("sizes", { concurrency: 4 }, () => {
    const flags = { rate: 0, "max-message": 1000, "max-batch": 4000 };
    const sized = (bytes) => {
        const empty = eventPacket("ping", "").length;
        return eventPacket("ping", "x".repeat(bytes - empty));
    };

    test("a websocket message of --max-message is served; one byte more is 1009 with an empty reason", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const wire = await site.wireOf(site.user());
        wire.send(sized(1000));
        assert.equal(await wire.next(), PONG);
        wire.send(sized(1001));
        assert.deepEqual(await wire.closed(), { code: 1009, reason: "" });
        const binary = await site.wireOf(site.user());
        binary.send('451-["ping",{"_placeholder":true,"num":0}]', Buffer.alloc(1001));
        assert.deepEqual(await binary.closed(), { code: 1009, reason: "" });
    });

    test("a packet larger than --max-message within a POST is not served: it ends the session or is 413", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const polling = await site.pollingOf(site.user());
        await polling.send(sized(1000));
        assert.deepEqual(await polling.poll(), [PONG]);
        const answer = await polling.post([sized(1500)]);
        assert.ok([400, 413].includes(answer.status) || (await polling.post("3")).status === 400, answer.text);
    });

    test("a POST that announces gigabytes is refused at once", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const polling = await site.pollingOf(site.user());
        const raw = await site.raw(0);
        const path = `/socket.io/?EIO=4&transport=polling&sid=${polling.sid}`;
        await raw.request(`POST ${path} HTTP/1.1`, ["Content-Type: text/plain", "Content-Length: 9000000000"]);
        const answer = await raw.response();
        assert.deepEqual([answer.status, answer.body.length], [413, 0]);
    });

    test("thousands of CONNECTs to namespaces that are not there are answered and forgotten", async (t) => {
        const site = await testSite(t, { gateways: 1, flags });
        const wire = await site.wireOf(site.user());
        const before = site.gateways[0].residentBytes();
        for (let i = 0; i < 5000; i += 100) {
            for (let j = 0; j < 100; j++) {
                wire.send(`40/${i + j}-${"x".repeat(100)},{}`);
            }
            for (let j = 0; j < 100; j++) {
                assert.match(await wire.next(), /^44\//);
            }
        }
        const grown = site.gateways[0].residentBytes() - before;
        assert.ok(grown < 3 * MIB * SLOW, `${grown} bytes`);
        await hearsNothing(wire);
    });

    test("answers that nobody fetches are not dropped in silence: all come, or the connection ends", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { ...flags, "max-queue": 10000 } });
        for (const [packet, answer] of [
            ["40/nope,", /^44\/nope,/],
            [eventPacket("nope"), /^42\["error"/],
            [PING, /^42\["pong"\]$/],
        ]) {
            const wire = await site.wireOf(site.user());
            wire.pause();
            const count = 150000;
            for (let i = 0; i < count; i++) {
                wire.send(packet);
            }
            await sleep(300);
            wire.resume();
            let heard = 0;
            while (heard < count) {
                const got = await wire.next().catch(() => null);
                if (got === null) {
                    break;
                }
                assert.match(got, answer);
                heard += 1;
            }
            assert.ok(heard === count || !wire.isOpen, `${heard} of ${count} ${packet}`);
            wire.destroy();
        }
    });
});

describe("who does not read", { concurrency: 4 }, () => {
    test("over websocket is closed as a slow consumer; others go on", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0, "max-queue": 65536 } });
        const user = site.user();
        const slow = await site.wireOf(user, 0, { auth: { recovery: true } });
        const fast = await site.wireOf(user, 1);
        slow.pause();
        const before = site.gateways[0].residentBytes();
        const isSlow = async () => (await site.gateways[0].metrics()).get("segue_slow_consumers_total") >= 1;
        let said = 0;
        while (!(await isSlow())) {
            assert.ok(said < 200000, "nobody is slow");
            for (let i = 0; i < 500; i++) {
                fast.send(seek(said++));
            }
            for (let i = 0; i < 500; i++) {
                await fast.next();
            }
        }
        assert.equal((await site.gateways[0].metrics()).get("segue_slow_consumers_total"), 1);
        assert.ok(site.gateways[0].residentBytes() - before < 8 * MIB * SLOW);
        slow.resume();
        const { code } = await slow.closed();
        assert.ok([1013, 1006].includes(code), `closed with ${code}`);
        await hearsNothing(fast);
    });

    test("over polling: what is not fetched is bounded; there is no silent gap", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const user = site.user();
        const lazy = await site.pollingOf(user);
        const fast = await site.wireOf(user, 1);
        for (let i = 0; i < 3000; i++) {
            fast.send(seek(i));
        }
        for (let i = 0; i < 3000; i++) {
            await fast.next();
        }
        const answer = await lazy.get().answer;
        if (answer.status === 200) {
            const values = answer.text.split("\x1e").filter((packet) => packet.startsWith("42"));
            assert.deepEqual(
                values.map((packet) => eventOf(packet)[1].value),
                values.map((_, i) => i),
            );
        } else {
            assert.equal(answer.status, 400);
        }
        const keys = await site.redis.call("KEYS", "*");
        for (const key of keys) {
            const size = await site.redis.call("MEMORY", "USAGE", key);
            assert.ok(size === null || size < 2 * MIB, `${key}: ${size} bytes`);
        }
    });

    test("over polling: a state that changed a thousand times between two polls is told once", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const user = site.user();
        const lazy = await site.pollingOf(user);
        const fast = await site.wireOf(user, 1);
        for (let i = 0; i < 1000; i++) {
            fast.send(eventPacket("playback_state_update", { isPlaying: false, currentTime: i, mediaId: 1 }));
        }
        for (let i = 0; i < 1000; i++) {
            await fast.next();
        }
        const packets = await lazy.poll();
        assert.equal(packets.length, 1);
        assert.equal(eventOf(packets[0])[1].currentTime, 999);
    });
});

describe("sids", () => {
    test("guesses are refused and cost no memory", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { rate: 0 } });
        const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
        t.after(() => agent.destroy());
        const guess = (i) => {
            const sid = `${i}`.padStart(20, "A");
            return request(engineUrl(site.gateways[0], { query: { ...HANDSHAKE, sid } }), { agent });
        };
        await crowd(1000, guess, 20);
        const before = site.gateways[0].residentBytes();
        const answers = await crowd(5000, guess, 20);
        assert.ok(answers.every(({ status }) => status === 400));
        const grown = site.gateways[0].residentBytes() - before;
        assert.ok(grown < (SLOW > 1 ? 8 : 1) * MIB, `${grown} bytes`);
        const size = await site.redis.call("DBSIZE");
        assert.ok(size < 20, `${size} keys`);
    });

    test("a session is of its own: another's sid over websocket upgrades nothing without polling's consent", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const wire = await site.wireOf(site.user(), 0);
        const thief = new Wire(site.gateways[1], {
            sid: wire.handshake.sid,
            headers: { Cookie: `token=${tokenOf("x")}` },
        });
        await Promise.race([thief.closed(), thief.opened().catch(() => {})]);
        await hearsNothing(wire);
        thief.destroy();
    });
});
