// Player: one device of a user on /player, as a client on the `ws` package sees it.

import assert from "node:assert/strict";

import WebSocket from "ws";

import { responseOf } from "./http.mjs";
import { patient, within } from "./patience.mjs";

const sockets = new Set();
process.on("exit", () => sockets.forEach((socket) => socket.terminate()));

let pings = 0;

// The URL of a gateway's /player.
export function playerUrl(gateway, query = {}) {
    const search = new URLSearchParams(query).toString();
    const host = gateway.host.includes(":") ? `[${gateway.host}]` : gateway.host;
    return `ws://${host}:${gateway.port}/player${search ? `?${search}` : ""}`;
}

function socketOf(gateway, { token, query = {}, headers = {}, protocols = [], ...options }) {
    const all = { ...headers };
    if (token !== undefined && token !== null) {
        all.Authorization = `Bearer ${token}`;
    }
    const settings = { headers: all, perMessageDeflate: false, handshakeTimeout: patient(), ...options };
    return new WebSocket(playerUrl(gateway, query), protocols, settings);
}

export class Player {
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
    static async open(gateway, options = {}) {
        const player = new Player();
        const socket = socketOf(gateway, options);
        player.#attach(socket);
        const opened = new Promise((resolve, reject) => {
            socket.once("open", resolve);
            socket.once("error", reject);
        });
        await within(opened, "connection of a player");
        player.protocol = socket.protocol;
        player.first = await player.next();
        return player;
    }

    // The HTTP answer of a handshake that must be refused.
    static async refused(gateway, options = {}) {
        const socket = socketOf(gateway, options);
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
            assert.equal(this.#binary, false, "frames of /player are text");
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

    // Asks for a pong and requires that it is the very next frame: the gateway had nothing else to say to us so far.
    async hearsNothing() {
        const t = `fence ${++pings}`;
        const answer = await this.ask({ type_push_state: "ping", t });
        assert.deepEqual([answer.type_push_state, answer.t], ["pong", t], `unexpected: ${JSON.stringify(answer)}`);
    }

    async refuses(message) {
        const answer = await this.ask(message);
        assert.equal(answer.type_push_state, "invalid_format", `answer to ${textOf(message).slice(0, 200)}`);
        assert.equal(typeof answer.reason, "string", "a refusal says why");
        assert.ok(answer.reason.length > 0, "a refusal says why");
        return answer.reason;
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

    onPing(callback) {
        this.#socket.on("ping", callback);
    }
}

export function textOf(message) {
    return typeof message === "string" ? message : JSON.stringify(message);
}
