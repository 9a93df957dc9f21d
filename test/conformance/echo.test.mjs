// /echo of the conformance program: what comes goes back, same opcode, any size.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";

import WebSocket from "ws";

import { within } from "../e2e/lib/patience.mjs";
import { conformanceSite, LARGEST } from "./lib/program.mjs";

describe("/echo", { concurrency: 4 }, () => {
    const site = conformanceSite({ gateways: 1 });

    async function open() {
        const socket = new WebSocket(site.gateways[0].url("/echo").replace("http", "ws"), { perMessageDeflate: false });
        const messages = [];
        let wake = () => {};
        socket.on("message", (data, isBinary) => {
            messages.push([data, isBinary]);
            wake();
        });
        socket.on("error", () => {});
        const closed = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
        await within(new Promise((resolve) => socket.on("open", resolve)), "websocket");
        const next = async () => {
            while (messages.length === 0) {
                await within(new Promise((resolve) => (wake = resolve)), "echo");
            }
            return messages.shift();
        };
        return { socket, next, closed };
    }

    test("text comes back as text, binary as binary", async () => {
        const { socket, next } = await open();
        for (const [data, binary] of [
            ["hello", false],
            ["", false],
            ["\u0000 é 日本 🎵", false],
            ["", true],
            [Buffer.from([0, 255, 1]), true],
        ]) {
            socket.send(data, { binary });
            const [back, isBinary] = await next();
            assert.equal(isBinary, binary);
            assert.ok(back.equals(Buffer.from(data)));
        }
        socket.terminate();
    });

    for (const size of [125, 126, 65535, 65536, 1 << 20, LARGEST]) {
        test(`${size} bytes, of both kinds`, async () => {
            const { socket, next } = await open();
            for (const binary of [true, false]) {
                const data = binary ? randomBytes(size) : Buffer.alloc(size, "x");
                socket.send(data, { binary });
                const [back, isBinary] = await next();
                assert.equal(isBinary, binary);
                assert.ok(back.equals(data));
            }
            socket.terminate();
        });
    }

    test("fragments come back as one message", async () => {
        const { socket, next } = await open();
        for (let i = 0; i < 50; i++) {
            socket.send(`part ${i};`, { fin: i === 49, binary: false });
        }
        const [back] = await next();
        assert.equal(back.toString(), Array.from({ length: 50 }, (_, i) => `part ${i};`).join(""));
        socket.terminate();
    });

    test("many messages come back in order", async () => {
        const { socket, next } = await open();
        for (let i = 0; i < 1000; i++) {
            socket.send(String(i));
        }
        for (let i = 0; i < 1000; i++) {
            assert.equal((await next())[0].toString(), String(i));
        }
        socket.terminate();
    });

    test("a byte beyond --max-message is 1009, text that is no UTF-8 1007", async () => {
        const large = await open();
        large.socket.send(Buffer.alloc(LARGEST + 1));
        assert.equal(await within(large.closed, "close"), 1009);
        const bad = await open();
        bad.socket.send(Buffer.from([0xff]), { binary: false });
        assert.equal(await within(bad.closed, "close"), 1007);
    });
});
