// /socket.io/ of the conformance program: Socket.IO v5 as its protocol says, with events sent back, in / and /custom.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";

import { patient, sleep, SLOW } from "../e2e/lib/patience.mjs";
import { Client, VERSIONS } from "../e2e/lib/sio.mjs";
import { conformanceSite, MEETINGS } from "./lib/program.mjs";

const SID = /^40\{"sid":"[A-Za-z0-9_-]{20}"\}$/;
const CUSTOM_SID = /^40\/custom,\{"sid":"[A-Za-z0-9_-]{20}"\}$/;
const ONE = '{"_placeholder":true,"num":0}';
const TWO = '{"_placeholder":true,"num":1}';

for (const [meeting, gateways] of MEETINGS) {
    describe(`Socket.IO, ${meeting}`, { concurrency: 8 }, () => {
        const site = conformanceSite({ gateways });

        // Both kinds of line; each sends and hears packets.
        const lines = {
            websocket: () => site.wire(0),
            polling: () => site.polling(),
        };

        async function connected(line) {
            await line.send("40");
            assert.match(await line.next(), SID);
            assert.equal(await line.next(), '42["auth",{}]');
            return line;
        }

        async function isAlive(line) {
            await line.send('42["message","alive"]');
            assert.equal(await line.next(), '42["message-back","alive"]');
        }

        // Over polling, the session; over websocket, the connection.
        async function isOver(line) {
            return line.closed ? line.closed() : line.isGone();
        }

        async function say(line, ...packets) {
            if (line.closed) {
                line.send(...packets);
            } else {
                await line.post(packets);
            }
        }

        for (const [kind, open] of Object.entries(lines)) {
            describe(`over ${kind}`, () => {
                test("CONNECT to / and to /custom, with and without payload and comma", async () => {
                    for (const [packet, sid, auth] of [
                        ["40", SID, '42["auth",{}]'],
                        ["40{}", SID, '42["auth",{}]'],
                        ['40{"token":"123"}', SID, '42["auth",{"token":"123"}]'],
                        ["40/custom,", CUSTOM_SID, '42/custom,["auth",{}]'],
                        ["40/custom", CUSTOM_SID, '42/custom,["auth",{}]'],
                        [
                            '40/custom,{"b":{"c":[1,null]},"a":"é"}',
                            CUSTOM_SID,
                            '42/custom,["auth",{"b":{"c":[1,null]},"a":"é"}]',
                        ],
                    ]) {
                        const line = await open();
                        await line.send(packet);
                        assert.match(await line.next(), sid);
                        assert.equal(await line.next(), auth);
                    }
                });

                test("CONNECT to a namespace that is not there", async () => {
                    const line = await open();
                    for (const packet of ["40/random", "40/random,", '40/random,{"a":1}']) {
                        await line.send(packet);
                        assert.equal(await line.next(), '44/random,{"message":"Invalid namespace"}');
                    }
                });

                test("both namespaces on one connection; DISCONNECT of one leaves the other", async () => {
                    const line = await connected(await open());
                    await line.send("40/custom,");
                    assert.match(await line.next(), CUSTOM_SID);
                    assert.equal(await line.next(), '42/custom,["auth",{}]');
                    await line.send('42/custom,["message",1]');
                    assert.equal(await line.next(), '42/custom,["message-back",1]');
                    await line.send("41/custom");
                    await isAlive(line);
                    await line.send("40/custom");
                    assert.match(await line.next(), CUSTOM_SID);
                    await line.next();
                    await line.send("41");
                    await line.send('42/custom,["message","still"]');
                    assert.equal(await line.next(), '42/custom,["message-back","still"]');
                });

                test("41 gets no reply, the connection stays", async () => {
                    const line = await connected(await open());
                    await line.send("41");
                    await line.send("40");
                    assert.match(await line.next(), SID);
                    assert.equal(await line.next(), '42["auth",{}]');
                    await isAlive(line);
                });

                test("events come back with every argument as it was", async () => {
                    const line = await connected(await open());
                    for (const args of [
                        '1,"2",{"3":[true]}',
                        "",
                        "null",
                        '{"b":1,"a":2,"10":3,"9":4}',
                        '1.5,-0.25,1e21,"\\u0001","é 日本 🎵"',
                        '[[[[[]]]]],{"":{"":{}}}',
                        `"${"x".repeat(20000)}"`,
                    ]) {
                        const rest = args ? `,${args}` : "";
                        await line.send(`42["message"${rest}]`);
                        assert.equal(await line.next(), `42["message-back"${rest}]`);
                    }
                });

                test("acknowledgements have their id and every argument", async () => {
                    const line = await connected(await open());
                    for (const [id, args] of [
                        ["456", '1,"2",{"3":[false]}'],
                        ["0", ""],
                        ["9007199254740991", "null"],
                    ]) {
                        await line.send(`42${id}["message-with-ack"${args ? `,${args}` : ""}]`);
                        assert.equal(await line.next(), `43${id}[${args}]`);
                    }
                });

                test("binary events come back with their attachments", async () => {
                    const line = await connected(await open());
                    const [a, b] = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
                    await line.send(`452-["message",${ONE},${TWO}]`, a, b);
                    const heard = [await line.next(), await line.next(), await line.next()];
                    assert.deepEqual(heard, [`452-["message-back",${ONE},${TWO}]`, a, b]);
                });

                test("... deep inside, large, empty, and mixed with text", async () => {
                    const line = await connected(await open());
                    const [a, b] = [randomBytes(70000), Buffer.alloc(0)];
                    await line.send(`452-["message",{"a":[{"b":${ONE}}],"c":"d"},"x",${TWO}]`, a, b, '42["message",5]');
                    const heard = [await line.next(), await line.next(), await line.next(), await line.next()];
                    assert.deepEqual(heard, [
                        `452-["message-back",{"a":[{"b":${ONE}}],"c":"d"},"x",${TWO}]`,
                        a,
                        b,
                        '42["message-back",5]',
                    ]);
                });

                test("binary acknowledgements", async () => {
                    const line = await connected(await open());
                    const bytes = Buffer.from([7, 8, 9]);
                    await line.send(`451-789["message-with-ack",${ONE},"x"]`, bytes);
                    const heard = [await line.next(), await line.next()];
                    assert.deepEqual(heard, [`461-789[${ONE},"x"]`, bytes]);
                });

                test("binary in /custom", async () => {
                    const line = await open();
                    await line.send("40/custom,");
                    await line.next();
                    await line.next();
                    const bytes = Buffer.from([1]);
                    await line.send(`451-/custom,3["message-with-ack",${ONE}]`, bytes);
                    assert.deepEqual([await line.next(), await line.next()], [`461-/custom,3[${ONE}]`, bytes]);
                });

                const fatal = {
                    "4abc": ["4abc"],
                    "42{}": ["42{}"],
                    '42abc["message-with-ack",1]': ['42abc["message-with-ack",1]'],
                    "42[]": ["42[]"],
                    "a second CONNECT": ["40"],
                    "an event to a namespace that is not connected": ['42/custom,["message"]'],
                    "a reserved event": ['42["disconnecting"]'],
                    "text while an attachment is due": [`451-["message",${ONE}]`, '42["message"]'],
                    "a binary frame that nobody announced": [Buffer.from([1])],
                    "a placeholder that is not there": [`451-["message",${TWO}]`, Buffer.from([1])],
                    "an unknown packet type": ["47"],
                    "an empty frame": [""],
                };
                for (const [what, packets] of Object.entries(fatal)) {
                    test(`ends at once by ${what}`, async () => {
                        const line = await connected(await open());
                        await say(line, ...packets);
                        await isOver(line);
                    });
                }

                for (const packet of ['42["message"]', "40[]", "40abc", '40"x"', "4", '42/custom,["message"]']) {
                    test(`ends at once by ${packet} as the first`, async () => {
                        const line = await open();
                        await say(line, packet);
                        await isOver(line);
                    });
                }

                test("an ACK that nobody asked for and a numeric event name do no harm", async () => {
                    const line = await connected(await open());
                    await line.send("43123[1]", "42[1,2]");
                    await isAlive(line);
                });
            });
        }

        for (const version of Object.keys(VERSIONS)) {
            for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
                test(`socket.io-client ${version} over ${transports}: events, binary, acknowledgements, /custom`, async () => {
                    const target = gateways > 1 ? await site.balancer() : site.gateways[0];
                    const options = { version, transports, auth: { who: "me" } };
                    const client = await Client.open(target, options);
                    site.clients.push(client);
                    assert.deepEqual(await client.next("auth"), { who: "me" });
                    const custom = client.socket.io.socket("/custom", { auth: { where: "here" } });
                    const auth = new Promise((resolve) => custom.on("auth", resolve));
                    assert.deepEqual(await auth, { where: "here" });
                    for (let i = 0; i < 100; i++) {
                        client.emit("message", i, { bytes: i % 10 ? "none" : randomBytes(500) });
                    }
                    await client.when(() => client.all("message-back").length === 100, "100 events");
                    assert.deepEqual(
                        client.all("message-back").map(([number]) => number),
                        Array.from({ length: 100 }, (_, i) => i),
                    );
                    const bytes = randomBytes(1000);
                    const acked = await client.askAll("message-with-ack", "a", { b: [bytes] }, 5);
                    assert.equal(acked[0], "a");
                    assert.ok(Buffer.from(acked[1].b[0]).equals(bytes));
                    assert.equal(acked[2], 5);
                    const fromCustom = await new Promise((resolve) => custom.emit("message-with-ack", 1, resolve));
                    assert.equal(fromCustom, 1);
                    assert.deepEqual(client.disconnects, []);
                });
            }
        }
    });

    describe(`Socket.IO without CONNECT, ${meeting}`, { concurrency: 4 }, () => {
        const TIMEOUT = 1000 * SLOW;
        const site = conformanceSite({
            gateways,
            flags: { "connect-timeout": TIMEOUT, "ping-interval": 300 * SLOW, "ping-timeout": 800 * SLOW },
        });

        test("the connection is closed after --connect-timeout, heartbeats or not", async () => {
            const wire = await site.wire(0);
            const began = Date.now();
            await wire.closed();
            const passed = Date.now() - began;
            assert.ok(passed > TIMEOUT * 0.8 && passed < TIMEOUT + patient(3000), `${passed} ms`);
        });

        test("... over polling as well", async () => {
            const polling = await site.polling();
            const began = Date.now();
            for (;;) {
                const answer = await polling.get().answer;
                if (answer.status !== 200 || answer.text === "1") {
                    break;
                }
                await polling.post("3");
            }
            await polling.isGone();
            const passed = Date.now() - began;
            assert.ok(passed > TIMEOUT * 0.5 && passed < TIMEOUT + patient(3000), `${passed} ms`);
        });

        test("a socket of any namespace is enough", async () => {
            const wire = await site.wire(0);
            wire.send("40/custom");
            await wire.next();
            await wire.next();
            await sleep(TIMEOUT * 2);
            wire.send('42/custom,["message"]');
            assert.equal(await wire.next(), '42/custom,["message-back"]');
        });
    });
}
