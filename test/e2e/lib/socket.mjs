// Socket: a WebSocket client on the `ws` package, for any protocol of the gateway that speaks text.

import assert from "node:assert/strict";

import WebSocket from "ws";

import { responseOf } from "./http.mjs";
import { patient, within } from "./patience.mjs";

const sockets = new Set();
process.on("exit", () => sockets.forEach((socket) => socket.terminate()));

// The URL of a path on a gateway, or on a balancer, which has `ca` when clients come to it with TLS.
export function urlOf(gateway, path, query = {}) {
    const search = new URLSearchParams(query).toString();
    const host = gateway.host.includes(":") ? `[${gateway.host}]` : gateway.host;
    return `${gateway.ca ? "wss" : "ws"}://${host}:${gateway.port}${path}${search ? `?${search}` : ""}`;
}

function socketOf(gateway, path, { token, query = {}, headers = {}, protocols = [], ...options }) {
    const all = { ...headers };
    if (token !== undefined && token !== null) {
        all.Authorization = `Bearer ${token}`;
    }
    const settings = { headers: all, ca: gateway.ca, perMessageDeflate: false, handshakeTimeout: patient(), ...options };
    return new WebSocket(urlOf(gateway, path, query), protocols, settings);
}

export class Socket {
    protocol;
    first; // the first frame's text
    #socket;
    #frames = [];
    #binary = false;
    #wake = () => {};
    #closed;
    #over = null;

    // Connects and waits for the first frame. token: sent in the Authorization header; the options of `ws` are taken
    // as well (autoPong, localAddress, ...).
    static async connect(gateway, path, options = {}) {
        const self = new this();
        const socket = socketOf(gateway, path, options);
        self.#attach(socket);
        const opened = new Promise((resolve, reject) => {
            socket.once("open", resolve);
            socket.once("error", reject);
        });
        await within(opened, `connection to ${path}`);
        self.protocol = socket.protocol;
        self.first = await self.next();
        return self;
    }

    // The HTTP answer of a handshake that must be refused.
    static async refusal(gateway, path, options = {}) {
        const socket = socketOf(gateway, path, options);
        const answer = new Promise((resolve, reject) => {
            socket.once("open", () => {
                socket.terminate();
                reject(new Error("the connection was accepted"));
            });
            socket.once("error", reject);
            socket.once("unexpected-response", (_, response) => {
                const parts = [];
                response.on("data", (part) => parts.push(part));
                response.on("end", () => {
                    resolve(responseOf(response.statusCode, response.headers, Buffer.concat(parts)));
                    response.destroy();
                });
            });
        });
        return within(answer, "refusal of a connection");
    }

    #attach(socket) {
        this.#socket = socket;
        sockets.add(socket);
        socket.on("message", (data, isBinary) => {
            this.#binary ||= isBinary;
            this.#frames.push(data);
            this.#wake();
        });
        this.#closed = new Promise((resolve) => {
            socket.on("close", (code, reason) => {
                sockets.delete(socket);
                this.#over = { code, reason: reason.toString() };
                this.#wake();
                resolve(this.#over);
            });
        });
        socket.on("error", () => {});
    }

    // The bytes of the next frame.
    async nextBytes(ms = patient()) {
        const wait = async () => {
            while (this.#frames.length === 0) {
                if (this.#over) {
                    throw new Error(`no further frame: closed with ${this.#over.code} ${this.#over.reason}`);
                }
                await new Promise((resolve) => (this.#wake = resolve));
            }
            assert.equal(this.#binary, false, "frames are text");
            return this.#frames.shift();
        };
        return within(wait(), "frame", ms);
    }

    async next(ms) {
        return (await this.nextBytes(ms)).toString("utf8");
    }

    async nextJson(ms) {
        return JSON.parse(await this.next(ms));
    }

    // The next frame is exactly this message: the same bytes.
    async receives(message) {
        const bytes = Buffer.isBuffer(message) ? message : Buffer.from(textOf(message));
        const got = await this.nextBytes();
        assert.ok(got.equals(bytes), `expected ${bytes}, got ${got}`);
    }

    // The frames that came and were not read yet; they count as read now.
    takeAll() {
        return this.#frames.splice(0).map((bytes) => bytes.toString("utf8"));
    }

    get unread() {
        return this.#frames.length;
    }

    send(message) {
        this.#socket.send(textOf(message));
    }

    sendBinary(bytes) {
        this.#socket.send(bytes, { binary: true });
    }

    // Sends and gives the parsed answer.
    async ask(message) {
        this.send(message);
        return this.nextJson();
    }

    // {code, reason} once the connection is over.
    closed(ms = patient()) {
        return within(this.#closed, "end of a connection", ms);
    }

    get isOpen() {
        return this.#over === null;
    }

    pause() {
        this.#socket.pause();
    }

    resume() {
        this.#socket.resume();
    }

    // Leaves with a close handshake.
    async close(code = 1000) {
        this.#socket.close(code);
        return this.closed();
    }

    // Cuts the connection without a word (FIN); reset: with a RST.
    terminate() {
        this.#socket.terminate();
    }

    reset() {
        this.#socket._socket.resetAndDestroy();
    }

    // A protocol ping, which is no message.
    ping() {
        this.#socket.ping();
    }

    onPing(callback) {
        this.#socket.on("ping", callback);
    }
}

export function textOf(message) {
    return typeof message === "string" ? message : JSON.stringify(message);
}
