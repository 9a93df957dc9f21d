// Connection state recovery, as the official client does it: what was missed comes once and in order, on any process.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { patient, sleep, until } from "./lib/patience.mjs";
import { connect, eventOf, eventPacket } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const STATE = { isPlaying: false, currentTime: 5, duration: 10, mediaId: 1 };
const WAYS = { websocket: ["websocket"], polling: ["polling"], "polling, then websocket": ["polling", "websocket"] };

const seek = (value) => ({ command: "seek", value });
const valuesOf = (client) => client.all("carplay_command").map(([{ value }]) => value);
const upTo = (count) => Array.from({ length: count }, (_, i) => i);

// An event by the server's own way in.
async function say(gateway, user, payload) {
    const headers = { Authorization: `Bearer ${tokenOf(user)}`, "Content-Type": "application/json" };
    const answer = await gateway.get("/api/carplay/control", {
        method: "POST",
        headers,
        body: JSON.stringify(payload),
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.json();
}

// An asking client that has heard the commands 0 to 2, and comes back so late that something can be missed.
async function listener(site, user, target, options = {}) {
    const client = await site.client(user, target, { recovery: true, reconnectionDelay: 400, ...options });
    for (const value of upTo(3)) {
        await say(site.gateways[0], user, seek(value));
    }
    await client.when(() => valuesOf(client).length === 3, "three commands");
    return client;
}

describe("recovery", { concurrency: 6 }, () => {
    const site = suiteSite({ gateways: 3, flags: { rate: 0 } });

    // A socket by hand that asks for recovery.
    const asking = (user, on = 0, auth = {}) => site.wireOf(user, on, { auth: { recovery: true, ...auth } });

    // [name, payload..., offset] of the next event.
    async function withOffset(wire) {
        const event = eventOf(await wire.next());
        assert.equal(typeof event.at(-1), "string", `an offset: ${JSON.stringify(event)}`);
        return event;
    }

    for (const [way, transports] of Object.entries(WAYS)) {
        for (const [how, cut] of [
            ["a cut", (client) => client.cut()],
            ["a close of the engine", (client) => client.socket.io.engine.close()],
        ]) {
            test(`over ${way}, after ${how}: the missed events, once, in order, on another process; the same id`, async () => {
                const user = site.user();
                const balancer = await site.balancer();
                const client = await listener(site, user, balancer, { transports });
                if (transports.includes("websocket")) {
                    await client.upgraded();
                }
                const { id } = client.socket;
                assert.equal(client.sessions[0].recovered, false);
                for (let round = 0; round < 3; round++) {
                    const first = 3 + round * 10;
                    cut(client);
                    for (const i of upTo(10)) {
                        await say(site.gateways[i % 3], user, seek(first + i));
                    }
                    assert.deepEqual(await client.session(2 + round), { id, recovered: true });
                    await client.when(() => valuesOf(client).length >= first + 10, "what was missed");
                    await client.fence();
                    assert.deepEqual(valuesOf(client), upTo(first + 10));
                }
                await say(site.gateways[0], user, seek(33));
                await client.when(() => valuesOf(client).length === 34, "a new command");
                await client.fence();
                assert.deepEqual(valuesOf(client), upTo(34));
            });
        }

        test(`over ${way}, after kill -9`, async (t) => {
            const own = await testSite(t, { gateways: 2, flags: { rate: 0 } });
            const user = own.user();
            const balancer = await own.balancer({ retry: false });
            const client = await listener(own, user, balancer, { transports });
            if (transports.includes("websocket")) {
                await client.upgraded();
            }
            const { id } = client.socket;
            for (let round = 0; round < 2; round++) {
                const first = 3 + round * 5;
                await own.addGateway();
                for (const doomed of own.gateways.splice(0, own.gateways.length - 1)) {
                    await doomed.kill();
                }
                for (const i of upTo(5)) {
                    await say(own.gateways[0], user, seek(first + i));
                }
                await client.when(() => valuesOf(client).length >= first + 5, "what was missed", patient(15000));
                await client.fence();
                assert.deepEqual(valuesOf(client), upTo(first + 5));
                assert.equal(client.socket.id, id);
                assert.ok(client.sessions.slice(1).every(({ recovered }) => recovered));
            }
        });
    }

    test("after a drain (1012)", async (t) => {
        const own = await testSite(t, { gateways: 2, flags: { rate: 0, drain: 1 } });
        const user = own.user();
        const balancer = await own.balancer();
        const client = await listener(own, user, balancer, { transports: ["websocket"] });
        const { id } = client.socket;
        for (let round = 0; round < 2; round++) {
            await own.addGateway();
            const leaving = own.gateways.shift();
            const code = leaving.terminate();
            await say(own.gateways[0], user, seek(3 + round));
            assert.equal(await code, 0);
            await client.when(() => valuesOf(client).length === 4 + round, "what was missed");
        }
        await client.fence();
        assert.deepEqual(valuesOf(client), upTo(5));
        assert.deepEqual(client.sessions[1], { id, recovered: true });
    });

    test("a client that has not heard one event yet", async () => {
        const user = site.user();
        const balancer = await site.balancer();
        const client = await site.client(user, balancer, { recovery: true, reconnectionDelay: 400 });
        const { id } = client.socket;
        client.cut();
        for (const i of upTo(5)) {
            await say(site.gateways[i % 3], user, seek(i));
        }
        assert.deepEqual(await client.session(2), { id, recovered: true });
        await client.when(() => valuesOf(client).length === 5, "what was missed");
        await client.fence();
        assert.deepEqual(valuesOf(client), upTo(5));
    });

    test("a client that missed nothing", async () => {
        const user = site.user();
        const balancer = await site.balancer();
        const client = await listener(site, user, balancer);
        const { id } = client.socket;
        client.cut();
        assert.deepEqual(await client.session(2), { id, recovered: true });
        await client.fence();
        assert.deepEqual(valuesOf(client), upTo(3));
    });

    test("commands that the client itself sent just before the break come back once", async () => {
        const user = site.user();
        const balancer = await site.balancer();
        const client = await listener(site, user, balancer, { transports: ["websocket"], reconnectionDelay: 50 });
        for (let round = 0; round < 10; round++) {
            const { length } = client.sessions;
            for (const i of upTo(5)) {
                client.emit("carplay_command", seek(10 * (round + 1) + i));
            }
            await sleep(round);
            client.cut();
            await client.session(length + 1);
            await client.fence();
            // What Redis got, it kept; what did not reach it, nobody heard.
            const values = valuesOf(client);
            assert.deepEqual(
                values,
                [...new Set(values)].sort((a, b) => a - b),
                `round ${round}`,
            );
        }
        assert.deepEqual(valuesOf(client).slice(0, 3), upTo(3));
    });

    test("asked for by query recovery=1 as well", async () => {
        const user = site.user();
        const client = await site.client(user, await site.balancer(), {
            query: { recovery: "1" },
            reconnectionDelay: 300,
        });
        await say(site.gateways[0], user, seek(0));
        await client.when(() => client.all("carplay_command").length === 1, "a command");
        const [, offset] = client.all("carplay_command")[0];
        assert.equal(typeof offset, "string");
        const { id } = client.socket;
        client.cut();
        await say(site.gateways[1], user, seek(1));
        assert.deepEqual(await client.session(2), { id, recovered: true });
        await client.when(() => client.all("carplay_command").length === 2, "what was missed");
        assert.deepEqual(valuesOf(client), [0, 1]);
    });

    describe("playback_state is state", () => {
        test("who comes back is told the newest, once, when it changed meanwhile", async () => {
            const user = site.user();
            const balancer = await site.balancer();
            const client = await listener(site, user, balancer, { transports: ["websocket"] });
            const other = await site.wireOf(user, 1);
            client.cut();
            for (const i of upTo(10)) {
                other.send(eventPacket("playback_state_update", { ...STATE, currentTime: i }));
            }
            await client.session(2);
            await client.when(() => client.all("playback_state").length > 0, "the newest state");
            await client.fence();
            const times = client.all("playback_state").map(([{ currentTime }]) => currentTime);
            assert.deepEqual(times, [9]);
        });

        test("... and nothing when it did not", async () => {
            const user = site.user();
            const balancer = await site.balancer();
            const other = await site.wireOf(user, 1);
            other.send(eventPacket("playback_state_update", STATE));
            await other.next();
            const client = await site.client(user, balancer, {
                recovery: true,
                transports: ["websocket"],
                reconnectionDelay: 200,
            });
            await client.when(() => client.all("playback_state").length > 0, "the state");
            await client.fence();
            assert.equal(client.all("playback_state").length, 1);
            client.cut();
            assert.equal((await client.session(2)).recovered, true);
            await client.fence();
            assert.ok(client.all("playback_state").length <= 2);
        });
    });

    describe("every event of those who ask carries an offset, nobody else's does", () => {
        test("commands, states, pong and error, side by side", async () => {
            const user = site.user();
            const [ask, plain] = [await asking(user, 0), await site.wireOf(user, 1)];
            assert.deepEqual(Object.keys(ask.socket), ["sid", "pid"]);
            assert.deepEqual(Object.keys(plain.socket), ["sid"]);
            for (const wire of [ask, plain]) {
                const tail = async (name, length) => {
                    const event = eventOf(await wire.next());
                    assert.equal(event[0], name);
                    assert.equal(event.length, length + (wire === ask ? 1 : 0), JSON.stringify(event));
                    if (wire === ask) {
                        assert.equal(typeof event.at(-1), "string");
                        assert.ok(event.at(-1).length > 0);
                    }
                };
                wire.send(eventPacket("ping"));
                await tail("pong", 1);
                wire.send(eventPacket("carplay_command", {}));
                await tail("error", 2);
            }
            plain.send(eventPacket("carplay_command", { command: "next" }));
            plain.send(eventPacket("playback_state_update", STATE));
            assert.equal((await withOffset(ask)).length, 3);
            assert.equal((await withOffset(ask)).length, 3);
            assert.equal(eventOf(await plain.next()).length, 2);
            assert.equal(eventOf(await plain.next()).length, 2);
        });

        test("acknowledgements carry none", async () => {
            const ask = await asking(site.user());
            ask.send('421["carplay_command",{"command":"next"}]');
            const heard = [await ask.next(), await ask.next()];
            assert.ok(heard.includes('431[{"ok":true}]'), String(heard));
        });

        test("clients of 3.x, which know nothing of it, and 4.x ones at the same time", async () => {
            const user = site.user();
            const old = await site.client(user, 0, { version: "3.x" });
            const modern = await site.client(user, 1, { recovery: true });
            const plain = await site.client(user, 2, { transports: ["polling"] });
            for (const i of upTo(20)) {
                await say(site.gateways[i % 3], user, seek(i));
            }
            for (const client of [old, modern, plain]) {
                await client.when(() => valuesOf(client).length === 20, "20 commands");
                assert.deepEqual(valuesOf(client), upTo(20));
            }
            assert.ok(old.events.every((event) => event.length === 2));
            assert.ok(plain.events.every((event) => event.length === 2));
            assert.ok(modern.events.every((event) => event.length === 3));
        });
    });

    describe("what can't be served is a plain new session", () => {
        // A user whose stream holds three commands, and the pid and last offset of a socket that heard them.
        async function history() {
            const user = site.user();
            const wire = await asking(user);
            for (const i of upTo(3)) {
                await say(site.gateways[i], user, seek(i));
            }
            let offset;
            for (let i = 0; i < 3; i++) {
                offset = (await withOffset(wire)).at(-1);
            }
            await wire.close();
            return { user, sid: wire.socket.sid, pid: wire.socket.pid, offset };
        }

        // What he hears before a command of his own: a pong would be no end, it may overtake what is still being read.
        async function comesBack({ user }, auth) {
            const wire = await site.wire(1);
            const socket = await connect(wire, { token: tokenOf(user), recovery: true, ...auth });
            const heard = [];
            wire.send(eventPacket("carplay_command", seek(99)));
            while (heard.at(-1)?.[1].value !== 99) {
                heard.push(eventOf(await wire.next()));
            }
            heard.pop();
            return { socket, heard };
        }

        test("first of all: a good one is served", async () => {
            const past = await history();
            const all = await comesBack(past, { pid: past.pid });
            assert.equal(all.socket.sid, past.sid);
            assert.deepEqual(
                all.heard.map(([, { value }]) => value),
                [0, 1, 2],
            );
            const none = await comesBack(past, { pid: past.pid, offset: past.offset });
            assert.equal(none.socket.sid, past.sid);
            assert.deepEqual(none.heard, []);
        });

        const digits = /\d+/g;
        const moved = (text, by) => text.replace(digits, (number) => String(BigInt(number) + by));
        const tables = {
            "no text": () => ({ pid: 5 }),
            null: () => ({ pid: null, offset: null }),
            "an object": ({ pid }) => ({ pid: { pid } }),
            "an empty one": () => ({ pid: "", offset: "" }),
            rubbish: () => ({ pid: "x", offset: "y" }),
            "a huge one": () => ({ pid: "9".repeat(5000) }),
            "numbers beyond 64 bits": ({ sid }) => ({ pid: `${sid}.99999999999999999999999.99999999999999999999999` }),
            "negative numbers": ({ sid }) => ({ pid: `${sid}.-1.-1` }),
            "one part too little": ({ pid }) => ({ pid: pid.slice(0, pid.lastIndexOf(".")) }),
            "one part too much": ({ pid }) => ({ pid: `${pid}.1` }),
            "one cut short": ({ sid }) => ({ pid: sid.slice(0, 19) }),
            "one with letters of other tongues": ({ pid }) => ({ pid: `й${pid.slice(1)}` }),
            "one with a blank": ({ pid }) => ({ pid: ` ${pid}` }),
        };
        for (const [what, forge] of Object.entries(tables)) {
            test(`a pid that is ${what}`, async () => {
                const past = await history();
                const { socket, heard } = await comesBack(past, forge(past));
                assert.notEqual(socket.sid, past.sid);
                assert.deepEqual(Object.keys(socket), ["sid", "pid"]);
                assert.deepEqual(heard, []);
            });
        }

        test("an offset that is malformed", async () => {
            for (const offset of ["x", 5, {}, [], "1.2.3.4", "-1.-1", "9".repeat(3000), "…"]) {
                const past = await history();
                const { socket, heard } = await comesBack(past, { pid: past.pid, offset });
                assert.notEqual(socket.sid, past.sid, JSON.stringify(offset));
                assert.deepEqual(heard, []);
            }
        });

        test("an offset newer than the end of the stream", async () => {
            const past = await history();
            const { socket, heard } = await comesBack(past, { pid: past.pid, offset: moved(past.offset, 10n ** 9n) });
            assert.notEqual(socket.sid, past.sid);
            assert.deepEqual(heard, []);
        });

        test("an offset older than the beginning of the stream", async () => {
            const past = await history();
            const long = 10n ** 12n;
            const [sid, ...cursors] = past.pid.split(".");
            const old = cursors.map((cursor) => moved(cursor, -long));
            const { socket, heard } = await comesBack(past, { pid: [sid, ...old].join(".") });
            assert.notEqual(socket.sid, past.sid);
            assert.deepEqual(heard, []);
        });

        test("another user's pid brings nothing of that user's", async () => {
            const [mine, theirs] = [await history(), await history()];
            const { heard } = await comesBack(mine, { pid: theirs.pid, offset: theirs.offset });
            const { heard: more } = await comesBack({ user: site.user() }, { pid: theirs.pid });
            assert.ok(heard.length <= 3);
            assert.deepEqual(more, []);
        });

        test("more than a thousand missed events: not recovered, a new id, none of them; a thousand are", async () => {
            for (const [count, recovered] of [
                [1000, true],
                [1001, false],
            ]) {
                const user = site.user();
                const balancer = await site.balancer();
                const client = await site.client(user, balancer, {
                    recovery: true,
                    transports: ["websocket"],
                    reconnection: false,
                });
                const { id } = client.socket;
                await say(site.gateways[0], user, seek(0));
                await client.when(() => valuesOf(client).length === 1, "a command");
                client.cut();
                const other = await site.wireOf(user, 1);
                for (let i = 0; i < count; i++) {
                    other.send(eventPacket("carplay_command", seek(1 + i)));
                }
                for (let i = 0; i < count; i++) {
                    await other.next();
                }
                client.socket.connect();
                const session = await client.session(2);
                assert.equal(session.recovered, recovered, `${count} missed`);
                assert.equal(session.id === id, recovered);
                const most = recovered ? count + 1 : 1;
                await client.when(() => valuesOf(client).length >= most, "what was missed");
                await client.fence();
                assert.deepEqual(valuesOf(client), upTo(most));
            }
        });

        test("when Redis has lost its data", async (t) => {
            const own = await testSite(t, { gateways: 2, flags: { rate: 0 } });
            const user = own.user();
            const client = await listener(own, user, await own.balancer(), { transports: ["websocket"] });
            const { id } = client.socket;
            client.cut();
            await own.redis.call("FLUSHALL");
            await say(own.gateways[0], user, seek(50));
            const session = await client.session(2);
            assert.equal(session.recovered, false);
            assert.notEqual(session.id, id);
            await client.fence();
            await say(own.gateways[1], user, seek(51));
            await client.when(() => valuesOf(client).at(-1) === 51, "new commands");
            assert.deepEqual(valuesOf(client), [0, 1, 2, 51]);
        });
    });

    describe("the flag", () => {
        const flagged = suiteSite({ gateways: 1, flags: { rate: 0 } });
        let ask, on, off;
        before(async () => {
            [ask] = flagged.gateways;
            on = await flagged.addGateway({ recovery: "on" });
            off = await flagged.addGateway({ recovery: "off" });
        });

        test("--recovery on: for all, asked or not", async () => {
            const user = flagged.user();
            const wire = await flagged.wireOf(user, on);
            assert.deepEqual(Object.keys(wire.socket), ["sid", "pid"]);
            wire.send(eventPacket("ping"));
            assert.equal((await withOffset(wire)).length, 2);
            await wire.close();
            await say(on, user, seek(1));
            const back = await flagged.wire(on);
            const socket = await connect(back, { token: tokenOf(user), pid: wire.socket.pid });
            assert.equal(socket.sid, wire.socket.sid);
            assert.deepEqual((await withOffset(back)).slice(0, 2), ["carplay_command", seek(1)]);
        });

        test("--recovery off: for nobody, asked or not", async () => {
            const user = flagged.user();
            const wire = await flagged.wireOf(user, off, { auth: { recovery: true }, query: { recovery: 1 } });
            assert.deepEqual(Object.keys(wire.socket), ["sid"]);
            wire.send(eventPacket("ping"));
            assert.equal(await wire.next(), eventPacket("pong"));
            const good = await flagged.wireOf(user, ask, { auth: { recovery: true } });
            await good.close();
            await say(ask, user, seek(1));
            assert.deepEqual(eventOf(await wire.next()), ["carplay_command", seek(1)]);
            const back = await flagged.wire(off);
            const { sid } = await connect(back, { token: tokenOf(user), recovery: true, pid: good.socket.pid });
            assert.notEqual(sid, good.socket.sid);
            back.send(eventPacket("ping"));
            assert.equal(await back.next(), eventPacket("pong"));
        });

        test("ask: only true asks", async () => {
            for (const recovery of [false, "true", 1, null, {}]) {
                const wire = await site.wireOf(site.user(), 0, { auth: { recovery } });
                wire.send(eventPacket("ping"));
                assert.equal(eventOf(await wire.next()).length, 1 + ("pid" in wire.socket ? 1 : 0));
            }
            const wire = await site.wireOf(site.user(), 0, { auth: { recovery: false } });
            assert.ok(!("pid" in wire.socket));
        });
    });

    test("the end of the old half-open connection does not take the recovered socket away", async () => {
        const user = site.user();
        const old = await asking(user, 0);
        const back = await site.wire(1);
        const socket = await connect(back, { token: tokenOf(user), recovery: true, pid: old.socket.pid });
        assert.equal(socket.sid, old.socket.sid);
        await old.close();
        await until(async () => (await say(site.gateways[2], user, seek(1))).devices === 1, "one device");
        const heard = [eventOf(await back.next())];
        assert.deepEqual(heard[0].slice(0, 2), ["carplay_command", seek(1)]);
        assert.ok(back.isOpen);
    });

    test("a recovered socket may be recovered again, and its own offset goes on", async () => {
        const user = site.user();
        let wire = await asking(user, 0);
        const first = wire.socket;
        let offset;
        for (let round = 0; round < 5; round++) {
            await wire.close();
            await say(site.gateways[round % 3], user, seek(round));
            const back = await site.wire(round % 3);
            const auth = { token: tokenOf(user), recovery: true, pid: wire.socket.pid ?? first.pid, offset };
            back.socket = await connect(back, auth);
            assert.equal(back.socket.sid, first.sid);
            const event = await withOffset(back);
            assert.deepEqual(event.slice(0, 2), ["carplay_command", seek(round)]);
            offset = event.at(-1);
            back.send(eventPacket("ping"));
            assert.equal((await withOffset(back))[0], "pong");
            wire = back;
        }
    });
});
