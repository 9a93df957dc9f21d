// Raw: a TCP connection that sends exactly the bytes it is told, and reads HTTP answers and WebSocket frames from what
// comes back. For everything that a polite client would never say.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";

import { CLOSE, parseFrame } from "./frames.mjs";
import { responseOf } from "./http.mjs";
import { patient, within } from "./patience.mjs";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD_END = "\r\n\r\n";

export class Raw {
    #socket;
    #bytes = Buffer.alloc(0);
    #wake = () => {};
    #finished = false;
    #error = null;

    // gateway: whose public listener; port: another one.
    static async open(gateway, { port = gateway.port } = {}) {
        const raw = new Raw();
        raw.#socket = connect({ host: gateway.host, port, allowHalfOpen: true });
        raw.#socket.setNoDelay(true);
        raw.#listen();
        await within(once(raw.#socket, "connect"), "connection");
        return raw;
    }

    #listen() {
        const finish = (error) => {
            this.#finished = true;
            this.#error ??= error;
            this.#wake();
        };
        this.#socket.on("data", (bytes) => {
            this.#bytes = Buffer.concat([this.#bytes, bytes]);
            this.#wake();
        });
        this.#socket.on("end", () => finish(null));
        this.#socket.on("error", (error) => finish(error));
        this.#socket.on("close", () => finish(null));
    }

    write(bytes) {
        return new Promise((resolve) => this.#socket.write(bytes, () => resolve()));
    }

    // Half-closes: our direction is over, theirs goes on.
    end() {
        this.#socket.end();
    }

    reset() {
        this.#socket.resetAndDestroy();
    }

    destroy() {
        this.#socket.destroy();
    }

    pause() {
        this.#socket.pause();
    }

    resume() {
        this.#socket.resume();
    }

    // Waits until `take` finds something in the unread bytes: {value, end}.
    async #take(take, what, ms = patient()) {
        const search = async () => {
            for (;;) {
                const found = take(this.#bytes);
                if (found) {
                    this.#bytes = this.#bytes.subarray(found.end);
                    return found.value;
                }
                if (this.#finished) {
                    const why = this.#error ? `: ${this.#error.code}` : "";
                    throw new Error(`the connection ended before ${what}${why}; unread: ${this.#shown()}`);
                }
                await new Promise((resolve) => (this.#wake = resolve));
            }
        };
        return within(search(), () => `${what}; unread: ${this.#shown()}`, ms);
    }

    #shown() {
        return JSON.stringify(this.#bytes.toString("latin1").slice(0, 300));
    }

    // Everything until the other side ends or resets; a reset is an end as well.
    async rest(ms = patient()) {
        const finish = async () => {
            while (!this.#finished) {
                await new Promise((resolve) => (this.#wake = resolve));
            }
        };
        await within(finish(), () => `end of the connection; unread: ${this.#shown()}`, ms);
        const rest = this.#bytes;
        this.#bytes = Buffer.alloc(0);
        return rest;
    }

    // The next HTTP answer; bodiless: it answers a HEAD.
    async response({ bodiless = false, ms } = {}) {
        const head = await this.#take(
            (bytes) => {
                const end = bytes.indexOf(HEAD_END);
                return end < 0 ? null : { value: bytes.toString("latin1", 0, end), end: end + HEAD_END.length };
            },
            "head of an answer",
            ms,
        );
        const [line, ...fields] = head.split("\r\n");
        const status = line.match(/^HTTP\/1\.1 (\d{3}) \S.*$/);
        assert.ok(status, `a status line: ${line}`);
        const headers = {};
        for (const field of fields) {
            const [, name, value] = field.match(/^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/) ?? [];
            assert.ok(name, `a field of an answer: ${field}`);
            headers[name.toLowerCase()] =
                name.toLowerCase() in headers ? `${headers[name.toLowerCase()]}, ${value}` : value;
        }
        const code = Number(status[1]);
        const empty = bodiless || code < 200 || code === 204 || code === 304;
        const length = empty ? 0 : Number(headers["content-length"]);
        assert.ok(Number.isInteger(length), `an answer says its length: ${head}`);
        const body = await this.#take(
            (bytes) => {
                return bytes.length < length ? null : { value: Buffer.from(bytes.subarray(0, length)), end: length };
            },
            "body of an answer",
            ms,
        );
        return responseOf(code, headers, body);
    }

    // Sends a request head (lines without their ends) and, when given, a body.
    request(line, fields = [], body = "") {
        const head = [line, "Host: segue.test", ...fields, "", ""].join("\r\n");
        return this.write(Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]));
    }

    // The WebSocket handshake; the answer must be right in every respect.
    async upgrade(path, fields = []) {
        const key = randomBytes(16).toString("base64");
        await this.request(`GET ${path} HTTP/1.1`, [
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            `Sec-WebSocket-Key: ${key}`,
            ...fields,
        ]);
        const answer = await this.response();
        assert.equal(answer.status, 101, `the upgrade of ${path}: ${answer.text}`);
        assert.match(answer.headers.upgrade, /^websocket$/i);
        assert.match(answer.headers.connection, /upgrade/i);
        const accept = createHash("sha1")
            .update(key + GUID)
            .digest("base64");
        assert.equal(answer.headers["sec-websocket-accept"], accept);
        assert.equal(answer.headers["sec-websocket-extensions"], undefined);
        return answer;
    }

    // The next frame, which a server never masks and whose reserved bits are clear.
    async frame(ms) {
        const got = await this.#take(
            (bytes) => {
                const parsed = parseFrame(bytes);
                return parsed && { value: parsed, end: parsed.end };
            },
            "frame",
            ms,
        );
        assert.equal(got.masked, false, "a server's frame is not masked");
        assert.equal(got.rsv, 0, "a server's frame has no reserved bit");
        return { ...got, payload: Buffer.from(got.payload) };
    }

    async text(ms) {
        const got = await this.frame(ms);
        assert.equal(got.opcode, 1, `a text frame, not opcode ${got.opcode} (${got.payload})`);
        assert.equal(got.fin, true);
        return got.payload.toString("utf8");
    }

    // Reads until the close frame; {code, reason, before}: the frames that came before it.
    async closeFrame(ms) {
        const before = [];
        for (;;) {
            const got = await this.frame(ms);
            if (got.opcode !== CLOSE) {
                before.push(got);
                continue;
            }
            const code = got.payload.length >= 2 ? got.payload.readUInt16BE(0) : 1005;
            return { code, reason: got.payload.toString("utf8", 2), before };
        }
    }
}
