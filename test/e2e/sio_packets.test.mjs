// Socket.IO v5 packet by packet, as it is on the wire: what is answered how, what is ignored, what ends it all.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { eventPacket, hearsNothing } from "./lib/sio.mjs";
import { suiteSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const PING = eventPacket("ping");
const PONG = eventPacket("pong");
const PLACEHOLDER = '{"_placeholder":true,"num":0}';
const BYTES = Buffer.from([1, 2, 3]);
const BIG = Buffer.alloc(200, 7);

const RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

// What to send on a connected socket; each ends the connection.
const FATAL = {
    "no packet of Socket.IO": ["4abc"],
    "no packet at all": ["4"],
    "an event whose payload is an object": ["42{}"],
    "an event whose payload is text": ['42"ping"'],
    "an event whose payload is null": ["42null"],
    "letters in front of the payload": ['42abc["ping"]'],
    "an event without a name": ["42[]"],
    "an event whose name is an object": ['42[{"a":1}]'],
    "an event whose name is null": ["42[null]"],
    "an event whose name is a boolean": ["42[true]"],
    "an event of JSON that does not end": ['42["ping"'],
    "an event of JSON that goes on": ['42["ping"]]'],
    "an event with a comma too much": ['42["ping",]'],
    "an event in single quotes": ["42['ping']"],
    "an event with NaN": ['42["ping",NaN]'],
    "a second CONNECT": ["40"],
    "a second CONNECT with a payload": ["40{}"],
    "an event to a namespace that is not connected": ['42/other,["ping"]'],
    "an ACK that is no array": ["431{}"],
    "text while an attachment is due": [`451-["ping",${PLACEHOLDER}]`, PING],
    "another binary event while an attachment is due": [`451-["ping",${PLACEHOLDER}]`, `451-["ping",${PLACEHOLDER}]`],
    "a binary frame that nobody announced": [BYTES],
    "a second binary frame where one was announced": [`451-["ping",${PLACEHOLDER}]`, BYTES, BYTES],
    "a placeholder beyond the attachments": ['451-["ping",{"_placeholder":true,"num":1}]', BYTES],
    "a placeholder far beyond": ['451-["ping",{"_placeholder":true,"num":4294967296}]', BYTES],
    "a placeholder below 0": ['451-["ping",{"_placeholder":true,"num":-1}]', BYTES],
    "a placeholder whose number is text": ['451-["ping",{"_placeholder":true,"num":"0"}]', BYTES],
    "a placeholder whose number is null": ['451-["ping",{"_placeholder":true,"num":null}]', BYTES],
    "a placeholder without number": ['451-["ping",{"_placeholder":true}]', BYTES],
    "a binary event without a number of attachments": [`45["ping",${PLACEHOLDER}]`],
    "a binary event whose number of attachments has no dash": [`451["ping",${PLACEHOLDER}]`],
    "a binary event whose number of attachments is a letter": [`45a-["ping",${PLACEHOLDER}]`],
    "a binary event whose number of attachments is negative": [`45-1-["ping",${PLACEHOLDER}]`],
    "packet type 7": ["47"],
    "packet type 9": ['49["ping"]'],
    "an unknown type of Engine.IO": ["9"],
    "a letter as type of Engine.IO": ["x"],
    "an empty frame": [""],
    "a ping by the client": ["2"],
    ...Object.fromEntries(RESERVED.map((name) => [`the reserved name ${name}`, [eventPacket(name)]])),
};

// What to send first on a connection; each ends it.
const FATAL_FIRST = {
    "an event before CONNECT": [PING],
    "a binary event before CONNECT": [`451-["ping",${PLACEHOLDER}]`, BYTES],
    "an ACK before CONNECT": ["430[]"],
    "a CONNECT whose payload is an array": ["40[]"],
    "a CONNECT whose payload is text": ['40"x"'],
    "a CONNECT whose payload is true": ["40true"],
    "a CONNECT whose payload is null": ["40null"],
    "a CONNECT whose payload does not end": ['40{"token":'],
    "a binary frame": [BYTES],
    "an empty frame": [""],
};

describe("packets of Socket.IO", { concurrency: 16 }, () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });
    const fresh = () => site.wireOf(site.user());

    async function ends(wire, packets) {
        wire.send(...packets);
        const { code } = await wire.closed();
        assert.ok(code !== 1011 && code !== 1006, `closed with ${code}`);
        const heard = wire.takeAll().filter((packet) => packet !== PONG && packet !== "1" && packet !== "41");
        assert.deepEqual(heard, []);
    }

    describe("CONNECT", () => {
        test("is answered with exactly a sid, in the same words whatever its form", async () => {
            const query = { token: tokenOf(site.user()) };
            for (const form of ["40", "40{}", "40/", "40/,", "40/,{}", '40{"a":{"b":[1]}}']) {
                const wire = await site.wire(0, { query });
                wire.send(form);
                assert.match(await wire.next(), /^40\{"sid":"[A-Za-z0-9_-]{20}"\}$/, form);
            }
        });

        test("gives every socket an id of its own, which is not that of the connection", async () => {
            const ids = new Set();
            for (let i = 0; i < 10; i++) {
                const wire = await site.wireOf(site.user(), i % 2);
                ids.add(wire.socket.sid).add(wire.handshake.sid);
            }
            assert.equal(ids.size, 20);
        });

        test("with recovery asked for: also a pid", async () => {
            for (const [how, auth] of [
                [{ query: { recovery: "1" } }, {}],
                [{}, { recovery: true }],
            ]) {
                const wire = await site.wire(0, how);
                wire.send(`40${JSON.stringify({ token: tokenOf(site.user()), ...auth })}`);
                assert.match(await wire.next(), /^40\{"sid":"[A-Za-z0-9_-]{20}","pid":"[^"]+"\}$/);
            }
        });

        test("to a namespace that is not there: 44 with the name, with and without comma; the connection stays", async () => {
            const wire = await fresh();
            for (const [form, name] of [
                ["40/nope,", "/nope"],
                ["40/nope", "/nope"],
                ['40/nope,{"token":"x"}', "/nope"],
                ["40/NOPE/deeper,{}", "/NOPE/deeper"],
                ["40/__proto__,", "/__proto__"],
            ]) {
                wire.send(form);
                assert.equal(await wire.next(), `44${name},{"message":"Invalid namespace"}`, form);
            }
            await hearsNothing(wire);
        });

        test("to a namespace that is not there may be the first and does not count as CONNECT", async () => {
            const wire = await site.wire(0);
            wire.send("40/nope,{}");
            assert.equal(await wire.next(), '44/nope,{"message":"Invalid namespace"}');
            wire.send(PING);
            await wire.closed();
        });
    });

    describe("DISCONNECT", () => {
        test("has no answer, and the connection stays for another CONNECT", async () => {
            const user = site.user();
            const wire = await site.wireOf(user);
            wire.send("41");
            wire.send(`40{"token":"${tokenOf(user)}"}`);
            const answer = await wire.next();
            assert.match(answer, /^40\{"sid":"/);
            assert.notEqual(JSON.parse(answer.slice(2)).sid, wire.socket.sid);
            await hearsNothing(wire);
        });

        test("after it, an event ends the connection", async () => {
            const wire = await fresh();
            wire.send("41", PING);
            await wire.closed();
        });

        test("after it, nothing of the user is heard any more", async () => {
            const user = site.user();
            const [wire, other] = [await site.wireOf(user, 0), await site.wireOf(user, 1)];
            wire.send("41", "40/nope,");
            assert.equal(await wire.next(), '44/nope,{"message":"Invalid namespace"}');
            other.send('421["carplay_command",{"command":"next"}]');
            await other.next();
            await other.next();
            wire.send("40/nope,");
            assert.equal(await wire.next(), '44/nope,{"message":"Invalid namespace"}');
        });
    });

    describe("EVENT and ACK", () => {
        test("an acknowledgement has the id that was given", async () => {
            const wire = await fresh();
            for (const id of ["0", "7", "12", "4294967295", "9007199254740991"]) {
                wire.send(`42${id}["carplay_command",{"command":"seek","value":1.5}]`);
                const heard = [await wire.next(), await wire.next()].sort();
                assert.deepEqual(
                    heard,
                    ['42["carplay_command",{"command":"seek","value":1.5}]', `43${id}[{"ok":true}]`].sort(),
                );
            }
        });

        test("without an id there is none", async () => {
            const wire = await fresh();
            wire.send('42["carplay_command",{"command":"next"}]');
            assert.equal(await wire.next(), '42["carplay_command",{"command":"next"}]');
            await hearsNothing(wire);
        });

        test("an ACK that nobody asked for is ignored", async () => {
            const wire = await fresh();
            wire.send("430[]", '43123["x",{}]', `461-5[${PLACEHOLDER}]`, BYTES);
            await hearsNothing(wire);
        });

        test("a numeric event name is accepted", async () => {
            const wire = await fresh();
            wire.send("42[1]", "42[0,1]", "42[-1.5]");
            wire.send(PING);
            const heard = [await wire.next()];
            while (heard.at(-1) !== PONG) {
                heard.push(await wire.next());
            }
            assert.ok(wire.isOpen);
        });

        test("an event that nobody knows leaves the connection as it was", async () => {
            const wire = await fresh();
            for (const name of [
                "nope",
                "",
                "pong",
                "error",
                "message",
                "__proto__",
                "toString",
                "x".repeat(1000),
                "é\u0000",
            ]) {
                wire.send(eventPacket(name, 1, { a: [] }, null));
                wire.send(PING);
                for (;;) {
                    const heard = await wire.next();
                    if (heard === PONG) {
                        break;
                    }
                    assert.match(heard, /^42\["error",\{/, name);
                }
            }
        });

        test("ping may carry anything, and is answered by a plain pong", async () => {
            const wire = await fresh();
            for (const args of [[], [1], [{ a: { b: ["c", null] } }], ["x".repeat(5000)], [[], {}, "", null, false]]) {
                wire.send(eventPacket("ping", ...args));
                assert.equal(await wire.next(), PONG);
            }
        });

        test("white space in the JSON does not matter", async () => {
            const wire = await fresh();
            wire.send('42 [ "ping" , { } ] ');
            assert.equal(await wire.next(), PONG);
        });
    });

    describe("binary", () => {
        test("an event with attachments, one and several, large and empty", async () => {
            const wire = await fresh();
            wire.send(`451-["ping",${PLACEHOLDER}]`, BYTES);
            assert.equal(await wire.next(), PONG);
            wire.send(
                '452-["ping",{"_placeholder":true,"num":1},[{"x":{"_placeholder":true,"num":0}}]]',
                BIG,
                Buffer.alloc(0),
            );
            assert.equal(await wire.next(), PONG);
            wire.send(`451-["ping",${PLACEHOLDER},${PLACEHOLDER}]`, Buffer.alloc(10000, 1));
            assert.equal(await wire.next(), PONG);
        });

        test("an acknowledgement of a binary event", async () => {
            const wire = await fresh();
            wire.send('451-5["carplay_command",{"_placeholder":true,"num":0}]', BYTES);
            const heard = [await wire.next(), await wire.next()].sort();
            assert.match(heard[0], /^42\["error",\{/);
            assert.match(heard[1], /^435\[\{"ok":false,"error":"/);
        });

        test("a CONNECT between the announcement and the attachment ends the connection", async () => {
            const wire = await fresh();
            await ends(wire, [`451-["ping",${PLACEHOLDER}]`, "40/nope,"]);
        });
    });

    describe("the connection ends at once by", () => {
        for (const [what, packets] of Object.entries(FATAL)) {
            test(what, async () => ends(await fresh(), packets));
        }
        for (const [what, packets] of Object.entries(FATAL_FIRST)) {
            test(`${what} (as the first)`, async () => ends(await site.wire(0), packets));
        }
    });

    describe("over polling the session is gone after", () => {
        const rows = { ...FATAL, ...FATAL_FIRST };
        for (const what of [
            "no packet of Socket.IO",
            "an event whose payload is an object",
            "a second CONNECT",
            "an event to a namespace that is not connected",
            "text while an attachment is due",
            "a binary frame that nobody announced",
            "a placeholder beyond the attachments",
            "packet type 7",
            "the reserved name disconnect",
        ]) {
            for (const together of [true, false]) {
                test(`${what} (${together ? "in one POST" : "in POSTs to several processes"})`, async () => {
                    const polling = await site.pollingOf(site.user());
                    for (const body of together ? [rows[what]] : rows[what].map((packet) => [packet])) {
                        const answer = await polling.post(body);
                        assert.ok([200, 400].includes(answer.status), answer.text);
                    }
                    await polling.isGone();
                });
            }
        }
    });
});
