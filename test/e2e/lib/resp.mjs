// Resp: a small Redis client for looking into the tests' Redis.

import { connect } from "node:net";
import { connect as connectSecurely } from "node:tls";

import { patient, within } from "./patience.mjs";

const CRLF = "\r\n";

export class RedisError extends Error {}

export class RespClient {
    #socket;
    #unread = Buffer.alloc(0);
    #waiting = [];
    #dead = null; // why it is over

    // to: {path} or {host, port}, as for net.connect; tls: what tls.connect wants besides.
    static async open(to) {
        const client = new RespClient();
        await client.#connect(to);
        return client;
    }

    #connect({ tls, ...to }) {
        this.#socket = tls ? connectSecurely({ ...to, ...tls }) : connect(to);
        this.#socket.on("data", (bytes) => this.#read(bytes));
        this.#socket.on("close", () => this.#fail(new Error("Redis closed the connection")));
        return new Promise((resolve, reject) => {
            this.#socket.once(tls ? "secureConnect" : "connect", resolve);
            this.#socket.on("error", (error) => {
                this.#fail(error);
                reject(error);
            });
        });
    }

    get isOver() {
        return this.#dead !== null;
    }

    // The reply as strings, numbers, null and arrays; an error reply is thrown.
    call(...words) {
        if (this.#dead) {
            return Promise.reject(this.#dead);
        }
        const answer = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
        const parts = [Buffer.from(`*${words.length}${CRLF}`)];
        for (const word of words) {
            const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
            parts.push(Buffer.from(`$${bytes.length}${CRLF}`), bytes, Buffer.from(CRLF));
        }
        this.#socket.write(Buffer.concat(parts));
        return within(answer, `answer of Redis to ${words[0]}`, patient());
    }

    close() {
        this.#socket.destroy();
    }

    #fail(error) {
        this.#dead ??= error;
        for (const { reject } of this.#waiting.splice(0)) {
            reject(error);
        }
    }

    #read(bytes) {
        this.#unread = Buffer.concat([this.#unread, bytes]);
        for (;;) {
            const parsed = parse(this.#unread, 0);
            if (!parsed) {
                return;
            }
            this.#unread = this.#unread.subarray(parsed.end);
            const { resolve, reject } = this.#waiting.shift();
            if (parsed.value instanceof RedisError) {
                reject(parsed.value);
            } else {
                resolve(parsed.value);
            }
        }
    }
}

// {value, end}, or null when more bytes are needed.
export function parse(bytes, at) {
    const lineEnd = bytes.indexOf(CRLF, at);
    if (lineEnd < 0) {
        return null;
    }
    const line = bytes.toString("utf8", at + 1, lineEnd);
    const start = lineEnd + CRLF.length;
    switch (String.fromCharCode(bytes[at])) {
        case "+":
            return { value: line, end: start };
        case "-":
            return { value: new RedisError(line), end: start };
        case ":":
            return { value: Number(line), end: start };
        case "$":
            return parseBulk(bytes, start, Number(line));
        case "*":
            return parseArray(bytes, start, Number(line));
        default:
            throw new Error(`not RESP: ${line}`);
    }
}

function parseBulk(bytes, start, length) {
    if (length < 0) {
        return { value: null, end: start };
    }
    const end = start + length + CRLF.length;
    return bytes.length < end ? null : { value: bytes.toString("utf8", start, start + length), end };
}

function parseArray(bytes, start, count) {
    if (count < 0) {
        return { value: null, end: start };
    }
    const value = [];
    let end = start;
    for (let i = 0; i < count; i++) {
        const item = parse(bytes, end);
        if (!item) {
            return null;
        }
        value.push(item.value);
        end = item.end;
    }
    return { value, end };
}
