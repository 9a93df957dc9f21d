// RFC 6455, frame by frame.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { BINARY, CLOSE, closeFrame, CONTINUATION, frame, PING, PONG, TEXT } from "./lib/frames.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { changePosition, newTrack, onPause, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";

const MAX = 16384;

describe("WebSocket", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    const text = (message) => (typeof message === "string" ? message : JSON.stringify(message));

    // A raw device and a witness of the same user, with a state, so that what the raw one says can be seen to arrive.
    async function pair() {
        const user = site.user();
        const raw = await site.rawPlayer(user, 0);
        const witness = await site.player(user, 1);
        await raw.write(frame(TEXT, text(newTrack(0))));
        await witness.receives(newTrack(0));
        return { user, raw, witness };
    }

    async function failsWith(code, bytes, what) {
        const raw = await site.rawPlayer(site.user());
        for (const part of [bytes].flat()) {
            await raw.write(part);
        }
        const got = await raw.closeFrame().catch((error) => assert.fail(`${what}: ${error.message}`));
        assert.equal(got.code, code, what);
        assert.deepEqual(got.before, [], what);
        await raw.rest();
    }

    async function pong(raw, payload = "") {
        await raw.write(frame(PING, payload));
        const got = await raw.frame();
        assert.equal(got.opcode, PONG);
        assert.equal(got.payload.toString(), payload);
    }

    describe("fragments", () => {
        const fragments = (bytes, size) => {
            const count = Math.max(1, Math.ceil(bytes.length / size));
            return Array.from({ length: count }, (_, i) =>
                frame(i === 0 ? TEXT : CONTINUATION, bytes.subarray(i * size, (i + 1) * size), {
                    fin: i === count - 1,
                }),
            );
        };

        test("make one message, whatever their size, and it is forwarded byte for byte", async () => {
            const { raw, witness } = await pair();
            for (const size of [1, 2, 3, 7, 50, 1000]) {
                const message = `{"type_push_state":"on_pause", "time_state_update":"2022-05-09T09:10:12+0000","x":"日本語 😀"}`;
                await raw.write(Buffer.concat(fragments(Buffer.from(message), size)));
                await witness.receives(message);
            }
        });

        test("may be empty", async () => {
            const { raw, witness } = await pair();
            const message = Buffer.from(text(onPause(5)));
            await raw.write(
                Buffer.concat([
                    frame(TEXT, "", { fin: false }),
                    frame(CONTINUATION, "", { fin: false }),
                    frame(CONTINUATION, message, { fin: false }),
                    frame(CONTINUATION, "", { fin: false }),
                    frame(CONTINUATION, "", { fin: true }),
                ]),
            );
            await witness.receives(message);
        });

        test("may have control frames between them, which are answered at once", async () => {
            const { raw, witness } = await pair();
            const message = Buffer.from(text(onPause(5)));
            const parts = fragments(message, 10);
            for (const [i, part] of parts.slice(0, -1).entries()) {
                await raw.write(Buffer.concat([part, frame(PING, `ping ${i}`), frame(PONG, "unasked")]));
                const got = await raw.frame();
                assert.equal(got.opcode, PONG);
                assert.equal(got.payload.toString(), `ping ${i}`);
            }
            await raw.write(parts.at(-1));
            await witness.receives(message);
        });

        test("may be split between frames of one byte and packets of one byte", async () => {
            const { raw, witness } = await pair();
            const message = text(onPause(5));
            for (const byte of Buffer.concat(fragments(Buffer.from(message), 3))) {
                await raw.write(Buffer.from([byte]));
            }
            await witness.receives(message);
        });

        test("a continuation of nothing is 1002", async () => {
            await failsWith(1002, frame(CONTINUATION, "x"), "continuation first");
            await failsWith(1002, frame(CONTINUATION, "x", { fin: false }), "unfinished continuation first");
            await failsWith(1002, [frame(TEXT, "", { fin: false }), frame(TEXT, "x")], "text within a message");
            await failsWith(1002, [frame(TEXT, "a", { fin: false }), frame(BINARY, "x")], "binary within a message");
        });

        test("a message that is never finished does no harm", async () => {
            const raw = await site.rawPlayer(site.user());
            await raw.write(frame(TEXT, "{", { fin: false }));
            await pong(raw, "still here");
            raw.destroy();
        });

        test("a million empty fragments do not make memory grow", async () => {
            const raw = await site.rawPlayer(site.user());
            await pong(raw);
            const before = site.gateways[0].residentBytes();
            await raw.write(frame(TEXT, "", { fin: false }));
            const burst = Buffer.concat(Array.from({ length: 10000 }, () => frame(CONTINUATION, "", { fin: false })));
            for (let i = 0; i < 20; i++) {
                await raw.write(burst);
            }
            await pong(raw, "done");
            assert.ok(site.gateways[0].residentBytes() - before < 8 * 2 ** 20 * SLOW);
        });
    });

    describe("packets", () => {
        test("a frame may be split at any byte", async () => {
            const { raw, witness } = await pair();
            for (const message of [text(onPause(5)), text(changePosition(6, 7)).padEnd(300, " ")]) {
                const bytes = frame(TEXT, message);
                for (let at = 1; at < Math.min(bytes.length, 130); at++) {
                    await raw.write(bytes.subarray(0, at));
                    await sleep(0);
                    await raw.write(bytes.subarray(at));
                    await witness.receives(message);
                }
            }
        });

        test("a control frame may be split at any byte", async () => {
            const raw = await site.rawPlayer(site.user());
            const bytes = frame(PING, "0123456789");
            for (let at = 1; at < bytes.length; at++) {
                await raw.write(bytes.subarray(0, at));
                await sleep(0);
                await raw.write(bytes.subarray(at));
                assert.equal((await raw.frame()).payload.toString(), "0123456789");
            }
        });

        test("many frames may come in one packet", async () => {
            const { raw, witness } = await pair();
            const messages = Array.from({ length: 500 }, (_, i) => text(changePosition(i, i)));
            await raw.write(Buffer.concat(messages.map((message) => frame(TEXT, message))));
            for (const message of messages) {
                await witness.receives(message);
            }
        });
    });

    describe("text", () => {
        const INVALID = {
            "a byte that never occurs": "ff",
            "a lone continuation byte": "80",
            "an overlong form of two bytes": "c080",
            "an overlong form of /": "c0af",
            "an overlong form of three bytes": "e08080",
            "an overlong form of four bytes": "f0808080",
            "a surrogate": "eda080",
            "a pair of surrogates": "eda080edb080",
            "beyond U+10FFFF": "f4908080",
            "five bytes": "f888808080",
            "a sequence that breaks off": "e282c3a9",
        };
        for (const [what, hex] of Object.entries(INVALID)) {
            test(`with ${what} is 1007, as soon as it comes`, async () => {
                const bad = Buffer.from(hex, "hex");
                await failsWith(1007, frame(TEXT, bad), "in one frame");
                await failsWith(
                    1007,
                    frame(TEXT, Buffer.concat([Buffer.from("{"), bad]), { fin: false }),
                    "unfinished",
                );
                const bytes = [...bad].map((byte, i) => frame(i ? CONTINUATION : TEXT, [byte], { fin: false }));
                await failsWith(1007, Buffer.concat(bytes), "byte by byte");
                const long = frame(TEXT, Buffer.concat([Buffer.from("{"), bad, Buffer.alloc(5000, " ")]));
                await failsWith(1007, long.subarray(0, 40), "in the middle of a frame");
            });
        }

        test("that ends within a character is 1007", async () => {
            for (const hex of ["c3", "e282", "f09f98"]) {
                await failsWith(1007, frame(TEXT, Buffer.from(hex, "hex")), hex);
                const parts = [frame(TEXT, Buffer.from(hex, "hex"), { fin: false }), frame(CONTINUATION, "")];
                await failsWith(1007, Buffer.concat(parts), hex);
            }
        });

        test("may break a character between fragments", async () => {
            const { raw, witness } = await pair();
            const message = Buffer.from(
                `{"type_push_state":"on_pause","time_state_update":"2022-05-09T09:10:12Z","é€😀":1}`,
            );
            for (let at = message.indexOf("é"); at < message.length; at++) {
                await raw.write(frame(TEXT, message.subarray(0, at), { fin: false }));
                await raw.write(frame(CONTINUATION, message.subarray(at)));
                await witness.receives(message);
            }
        });

        test("may hold the first and last characters of every length", async () => {
            const { raw, witness } = await pair();
            for (const point of [0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x10ffff]) {
                const message = text({ ...onPause(5), x: String.fromCodePoint(point) });
                await raw.write(frame(TEXT, message));
                await witness.receives(message);
            }
        });
    });

    describe("frames that do not exist", () => {
        test("reserved bits are 1002", async () => {
            for (let rsv = 1; rsv < 8; rsv++) {
                await failsWith(1002, frame(TEXT, "{}", { rsv }), `text ${rsv}`);
                await failsWith(1002, frame(PING, "", { rsv }), `ping ${rsv}`);
                await failsWith(1002, frame(CLOSE, "", { rsv }), `close ${rsv}`);
            }
            await failsWith(
                1002,
                [frame(TEXT, "{", { fin: false }), frame(CONTINUATION, "}", { rsv: 4 })],
                "continuation",
            );
        });

        test("reserved opcodes are 1002", async () => {
            for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
                await failsWith(1002, frame(opcode, ""), `opcode ${opcode}`);
                await failsWith(1002, frame(opcode, "payload"), `opcode ${opcode} with payload`);
            }
        });

        test("unmasked frames of every kind are 1002", async () => {
            for (const opcode of [TEXT, BINARY, PING, PONG]) {
                await failsWith(1002, frame(opcode, "x", { mask: false }), `opcode ${opcode}`);
                await failsWith(1002, frame(opcode, "", { mask: false }), `empty opcode ${opcode}`);
            }
        });

        test("a control frame of more than 125 bytes, or in fragments, is 1002", async () => {
            for (const opcode of [PING, PONG, CLOSE]) {
                await failsWith(1002, frame(opcode, "x".repeat(126)), `126 bytes in ${opcode}`);
                await failsWith(
                    1002,
                    frame(opcode, "", { form: 16, length: 65535 }).subarray(0, 8),
                    `65535 in ${opcode}`,
                );
                await failsWith(
                    1002,
                    frame(opcode, "", { form: 64, length: 2 ** 40 }).subarray(0, 14),
                    `2^40 in ${opcode}`,
                );
                await failsWith(1002, frame(opcode, "", { fin: false }), `fragment of ${opcode}`);
            }
        });

        test("a length that is not in its shortest form is 1002", async () => {
            await failsWith(1002, frame(TEXT, "{}", { form: 16 }), "2 in 16 bits");
            await failsWith(1002, frame(TEXT, "{}", { form: 64 }), "2 in 64 bits");
            await failsWith(1002, frame(TEXT, "x".repeat(200), { form: 64 }), "200 in 64 bits");
        });

        test("a length with its highest bit set is 1002", async () => {
            const bytes = frame(TEXT, "", { form: 64, length: 2n ** 63n });
            await failsWith(1002, bytes, "2^63");
        });

        test("nothing that follows a failure is read", async () => {
            const { user, raw, witness } = await pair();
            await raw.write(Buffer.concat([frame(3, ""), frame(TEXT, text(onPause(9)))]));
            assert.equal((await raw.closeFrame()).code, 1002);
            await raw.rest();
            await witness.hearsNothing();
            assert.deepEqual(await site.stateOf(user), state(0, 0));
        });
    });

    describe("sizes", () => {
        const sized = (size) => text(onPause(5)).padEnd(size, " ");

        test("a ping of up to 125 bytes comes back", async () => {
            const raw = await site.rawPlayer(site.user());
            for (const size of [0, 1, 124, 125]) {
                await pong(raw, "p".repeat(size));
            }
        });

        test("16 KiB are accepted, in one frame and in many", async () => {
            const { raw, witness } = await pair();
            for (const size of [125, 126, 127, 65535 % MAX, MAX - 1, MAX]) {
                await raw.write(frame(TEXT, sized(size)));
                await witness.receives(sized(size));
            }
            const bytes = Buffer.from(sized(MAX));
            await raw.write(frame(TEXT, bytes.subarray(0, 10000), { fin: false }));
            await raw.write(frame(CONTINUATION, bytes.subarray(10000)));
            await witness.receives(sized(MAX));
        });

        test("16 KiB and a byte are 1009, in one frame and in many, also unfinished", async () => {
            await failsWith(1009, frame(TEXT, sized(MAX + 1)), "one frame");
            await failsWith(1009, frame(TEXT, sized(MAX + 1)).subarray(0, 100), "its beginning");
            const first = frame(TEXT, sized(MAX), { fin: false });
            await failsWith(1009, Buffer.concat([first, frame(CONTINUATION, " ")]), "two fragments");
            await failsWith(1009, Buffer.concat([first, frame(CONTINUATION, " ", { fin: false })]), "unfinished");
            const raw = await site.rawPlayer(site.user());
            await raw.write(Buffer.concat([first, frame(PING, "within"), frame(CONTINUATION, " ".repeat(500))]));
            const { code, before } = await raw.closeFrame();
            assert.equal(code, 1009);
            assert.ok(before.every((got) => got.opcode === PONG));
        });

        test("a binary message that is too big is refused for either reason", async () => {
            const raw = await site.rawPlayer(site.user());
            await raw.write(frame(BINARY, Buffer.alloc(MAX + 1)));
            const { code } = await raw.closeFrame();
            assert.ok([1003, 1009].includes(code), `${code}`);
        });

        test("a frame that says 2 GiB is 1009 as soon as its head is there, and so is one that says 2^62", async () => {
            const before = site.gateways[0].residentBytes();
            for (const length of [MAX + 1, 2 ** 31, 2 ** 31 - 1, 2 ** 32, 2 ** 32 + 5, 2n ** 62n, 2n ** 63n - 1n]) {
                const start = Date.now();
                await failsWith(1009, frame(TEXT, "", { form: length > 65535 ? 64 : 16, length }), `${length}`);
                assert.ok(Date.now() - start < patient(2000));
            }
            assert.ok(site.gateways[0].residentBytes() - before < 4 * 2 ** 20 * SLOW);
        });

        test("--max-message moves the limit", async () => {
            const small = await site.addGateway({ "max-message": 200 });
            const user = site.user();
            const player = await site.player(user, small);
            await player.refuses("x".repeat(200));
            player.send("x".repeat(201));
            assert.equal((await player.closed()).code, 1009);
        });
    });

    describe("closing", () => {
        test("a close frame is answered with its code, and the connection ends", async () => {
            for (const code of [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]) {
                const raw = await site.rawPlayer(site.user());
                await raw.write(closeFrame(code, "good bye"));
                assert.equal((await raw.closeFrame()).code, code);
                assert.equal((await raw.rest()).length, 0);
            }
        });

        test("a close frame without a code is answered", async () => {
            const raw = await site.rawPlayer(site.user());
            await raw.write(frame(CLOSE, ""));
            const { code } = await raw.closeFrame();
            assert.ok([1000, 1005].includes(code), `${code}`);
            await raw.rest();
        });

        test("a reason of the largest size is fine", async () => {
            const raw = await site.rawPlayer(site.user());
            await raw.write(closeFrame(1000, "ü".repeat(61)));
            assert.equal((await raw.closeFrame()).code, 1000);
            await raw.rest();
        });

        test("a code that must not be sent is 1002", async () => {
            for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
                await failsWith(1002, closeFrame(code), `${code}`);
            }
        });

        test("half a code is 1002", async () => {
            await failsWith(1002, frame(CLOSE, Buffer.from([3])), "one byte");
        });

        test("a reason that is not UTF-8 is 1007", async () => {
            await failsWith(1007, frame(CLOSE, Buffer.from([3, 232, 0xff])), "ff");
            await failsWith(1007, frame(CLOSE, Buffer.from([3, 232, 0xe2, 0x82])), "half a character");
        });

        test("what comes after a close frame is not read", async () => {
            const { user, raw, witness } = await pair();
            await raw.write(Buffer.concat([closeFrame(1000), frame(TEXT, text(onPause(9))), frame(PING, "x")]));
            const { code, before } = await raw.closeFrame();
            assert.equal(code, 1000);
            assert.deepEqual(before, []);
            assert.equal((await raw.rest()).length, 0);
            await witness.hearsNothing();
            assert.deepEqual(await site.stateOf(user), state(0, 0));
        });

        test("a close frame within a fragmented message counts", async () => {
            const raw = await site.rawPlayer(site.user());
            await raw.write(Buffer.concat([frame(TEXT, "{", { fin: false }), closeFrame(1001)]));
            assert.equal((await raw.closeFrame()).code, 1001);
            await raw.rest();
        });

        test("messages before a close frame are applied", async () => {
            const { user, raw, witness } = await pair();
            await raw.write(Buffer.concat([frame(TEXT, text(onPause(9))), closeFrame(1000)]));
            await witness.receives(onPause(9));
            assert.deepEqual(await site.stateOf(user), state(9, 9, { paused: true }));
        });

        test("a message and then the end of the connection without a word: the message is applied", async () => {
            const { raw, witness } = await pair();
            await raw.write(frame(TEXT, text(onPause(9))));
            raw.end();
            await witness.receives(onPause(9));
            await raw.rest();
        });

        test("a client that does not close its side is let go", async () => {
            const files = site.gateways[0].openFiles();
            const raws = [];
            for (let i = 0; i < 10; i++) {
                const raw = await site.rawPlayer(site.user());
                await raw.write(closeFrame(1000));
                raws.push(raw);
            }
            await Promise.all(raws.map((raw) => raw.rest()));
            await until(() => site.gateways[0].openFiles() <= files, "the files are closed");
        });

        test("half-closed sockets are let go", async () => {
            const connections = async () =>
                (await site.gateways[0].metrics()).get("segue_connections", { protocol: "player" });
            const before = await connections();
            const raws = [];
            for (const leave of [
                () => null,
                (raw) => raw.write(frame(TEXT, "{}").subarray(0, 3)),
                (raw) => raw.write(frame(TEXT, "{", { fin: false })),
                (raw) => raw.write(frame(PING, "x")),
            ]) {
                const raw = await site.rawPlayer(site.user());
                raws.push(raw);
                await leave(raw);
                raw.end();
            }
            await Promise.all(raws.map((raw) => raw.rest()));
            await until(async () => (await connections()) <= before, "the gauge is back");
        });
    });

    describe("heartbeat", { concurrency: 4 }, () => {
        const interval = 300 * SLOW;
        const timeout = 600 * SLOW;
        let beating;
        const device = async () => {
            beating ??= site.addGateway({ "ping-interval": interval, "ping-timeout": timeout });
            return site.rawPlayer(site.user(), await beating);
        };

        test("the server pings, and who answers stays", async () => {
            const raw = await device();
            for (let i = 0; i < 6; i++) {
                const got = await raw.frame(patient(4000));
                assert.equal(got.opcode, PING);
                assert.ok(got.payload.length <= 125);
                await raw.write(frame(PONG, got.payload));
            }
            await pong(raw, "still open");
        });

        test("who misses the pong is closed with 4408", async () => {
            const raw = await device();
            const start = Date.now();
            const { code, before } = await raw.closeFrame(patient(8000));
            const took = Date.now() - start;
            assert.equal(code, 4408);
            assert.ok(before.length >= 1 && before.every((got) => got.opcode === PING), `${before.length} frames`);
            assert.ok(took >= timeout && took < patient(6000), `${took} ms`);
        });

        test("a client of the ws package stays, with its own pongs", async () => {
            beating ??= site.addGateway({ "ping-interval": interval, "ping-timeout": timeout });
            const player = await site.player(site.user(), await beating);
            let seen = 0;
            player.onPing(() => (seen += 1));
            await until(() => seen >= 5, "five pings", patient(10000));
            await player.hearsNothing();
        });

        test("a client that is frozen is dropped although it cannot read the close", async () => {
            beating ??= site.addGateway({ "ping-interval": interval, "ping-timeout": timeout });
            const gateway = await beating;
            const user = site.user();
            const raw = await device();
            raw.pause();
            const player = await site.player(user, gateway);
            await player.hearsNothing();
            assert.ok(raw);
            await until(
                async () => {
                    const metrics = await gateway.metrics();
                    return metrics.get("segue_connections", { protocol: "player" }) <= 4;
                },
                "it is dropped",
                patient(8000),
            );
        });
    });

    test("random frames never bring the process down", async () => {
        let seed = 4711;
        const random = (n) => Math.floor(((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x80000000) * n);
        for (let i = 0; i < 150; i++) {
            const raw = await site.rawPlayer(site.user(), i % 2);
            const parts = [];
            for (let n = 1 + random(6); n > 0; n--) {
                const payload = Buffer.from(
                    Array.from({ length: random(4) ? random(40) : random(3000) }, () => 32 + random(95)),
                );
                const options = { fin: random(3) > 0, mask: random(12) > 0, rsv: random(12) ? 0 : random(8) };
                parts.push(frame(random(4) ? random(3) : random(16), payload, options));
            }
            const bytes = Buffer.concat(parts);
            const at = random(bytes.length);
            await raw.write(bytes.subarray(0, at));
            await raw.write(bytes.subarray(at));
            raw.end();
            await raw.rest();
            raw.destroy();
        }
        const { user, raw, witness } = await pair();
        await raw.write(frame(TEXT, text(onPause(1))));
        await witness.receives(onPause(1));
        assert.deepEqual(await site.stateOf(user), state(1, 1, { paused: true }));
    });
});
