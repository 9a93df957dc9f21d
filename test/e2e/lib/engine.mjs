// Engine: Engine.IO v4 spoken by hand, over polling and over WebSocket, for tests of what is on the wire.
//
// Both kinds of client take one gateway or several; of several, each request goes to the next (no stickiness).

import assert from "node:assert/strict";

import WebSocket from "ws";

import { exchange, request } from "./http.mjs";
import { patient, within } from "./patience.mjs";

export const SEPARATOR = "\x1e";

const clients = new Set();
process.on("exit", () => clients.forEach((client) => client.destroy()));

let stamps = 0;

// A value of `t` that no other request has.
export function stamp() {
    return `${process.pid.toString(36)}.${(++stamps).toString(36)}`;
}

// What official clients ask first.
export const HANDSHAKE = { EIO: 4, transport: "polling" };

export function engineUrl(gateway, { path = "/socket.io/", query = {} } = {}) {
    return gateway.url(`${path}?${new URLSearchParams(query)}`);
}

// Packets: texts with their type in front; Buffers are binary.
export function bodyOf(packets) {
    const texts = packets.map((packet) => (Buffer.isBuffer(packet) ? `b${packet.toString("base64")}` : packet));
    return texts.join(SEPARATOR);
}

export function packetsOf(body) {
    const texts = body.split(SEPARATOR);
    return texts.map((text) => (text[0] === "b" ? Buffer.from(text.slice(1), "base64") : text));
}

class Packets {
    #list = [];
    #wake = () => {};
    #over = null;

    push(...packets) {
        this.#list.push(...packets);
        this.#wake();
    }

    finish(why) {
        this.#over ??= why;
        this.#wake();
    }

    async next(what, ms) {
        const wait = async () => {
            while (this.#list.length === 0) {
                if (this.#over) {
                    throw new Error(`no ${what}: ${this.#over}`);
                }
                await new Promise((resolve) => (this.#wake = resolve));
            }
            return this.#list.shift();
        };
        return within(wait(), what, ms);
    }

    takeAll() {
        return this.#list.splice(0);
    }
}

export class Polling {
    handshake; // the open packet's object
    sid;
    #gateways;
    #turn = 0;
    #place;
    #hanging = new Set();
    #unread = [];

    // path, query, headers, agent: of every request.
    static async open(gateways, { path, query = {}, headers = {}, agent, ms } = {}) {
        const client = new Polling(gateways, { path, query, headers, agent });
        const answer = await client.request({ query: HANDSHAKE, ms });
        assert.equal(answer.status, 200, `a handshake: ${answer.text}`);
        const [first, ...more] = packetsOf(answer.text);
        assert.equal(first[0], "0", `an open packet: ${answer.text}`);
        client.handshake = JSON.parse(first.slice(1));
        client.sid = client.handshake.sid;
        client.#unread = more;
        return client;
    }

    constructor(gateways, place) {
        this.#gateways = Array.isArray(gateways) ? gateways : [gateways]; // the caller's, who may change it
        this.#place = place;
        clients.add(this);
    }

    gateway(on) {
        return on ?? this.#gateways[this.#turn++ % this.#gateways.length];
    }

    #url(on, query) {
        const { path, query: always } = this.#place;
        const session = this.sid ? { EIO: 4, transport: "polling", sid: this.sid } : {};
        return engineUrl(this.gateway(on), { path, query: { ...always, ...session, ...query } });
    }

    // Any request of this session; the answer as it is.
    request({ on, query = {}, headers = {}, ...how } = {}) {
        const { headers: always, agent } = this.#place;
        return request(this.#url(on, query), { agent, ...how, headers: { ...always, ...headers } });
    }

    // A GET: {answer, abort()}. It may hang until the test ends. t: as it is; null: none.
    get({ on, t = stamp(), query = {}, headers = {}, ms = patient() } = {}) {
        const { headers: always, agent } = this.#place;
        const url = this.#url(on, t === null ? query : { t, ...query });
        const call = exchange(url, { agent, headers: { ...always, ...headers }, ms });
        this.#hanging.add(call);
        call.answer.catch(() => {}).finally(() => this.#hanging.delete(call));
        return call;
    }

    // A GET's packets.
    async poll(options) {
        const answer = await this.get(options).answer;
        assert.equal(answer.status, 200, `a poll: ${answer.text}`);
        return packetsOf(answer.text);
    }

    // A POST of packets, or of a body as it is; the answer as it is.
    post(packets, { headers = {}, ...how } = {}) {
        const body = Array.isArray(packets) ? bodyOf(packets) : packets;
        const all = {
            "Content-Type": "text/plain;charset=UTF-8",
            "Content-Length": Buffer.byteLength(body),
            ...headers,
        };
        return this.request({ method: "POST", body, headers: all, ...how });
    }

    // A POST that must be accepted.
    async send(...packets) {
        const answer = await this.post(packets);
        assert.deepEqual([answer.status, answer.text], [200, "ok"]);
    }

    // The next packet that is no heartbeat; heartbeats are answered.
    async next(ms = patient()) {
        for (;;) {
            if (this.#unread.length === 0) {
                this.#unread = await this.poll({ ms });
            }
            const packet = this.#unread.shift();
            if (packet !== "2") {
                return packet;
            }
            await this.send("3");
        }
    }

    // The session is not known any more, to nobody.
    async isGone(gateways = this.#gateways) {
        for (const on of [gateways].flat()) {
            assertRefused(await this.get({ on }).answer, 1);
        }
    }

    destroy() {
        clients.delete(this);
        this.#hanging.forEach((call) => call.abort());
    }
}

// Engine.IO's error: its HTTP status and body.
export function assertRefused(answer, code, status = code === 4 ? 403 : 400) {
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/);
    const body = answer.json();
    assert.deepEqual(Object.keys(body), ["code", "message"]);
    assert.equal(body.code, code, answer.text);
    assert.equal(body.message, MESSAGES[code]);
}

const MESSAGES = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
];

export class Wire {
    handshake;
    #socket;
    #packets = new Packets();
    #closed;
    #over = null;
    #heartbeat;

    // sid: of a session to upgrade; else a new one is opened, and its open packet read. heartbeat: answer and hide "2".
    static async open(gateway, { path, query = {}, sid, heartbeat = true, ...options } = {}) {
        const wire = new Wire(gateway, { path, query, sid, heartbeat, ...options });
        await wire.opened();
        if (!sid) {
            const first = await wire.next();
            assert.equal(first[0], "0", `an open packet: ${first}`);
            wire.handshake = JSON.parse(first.slice(1));
        }
        return wire;
    }

    constructor(gateway, { path, query = {}, sid, heartbeat = true, headers = {}, ...options } = {}) {
        const all = { EIO: 4, transport: "websocket", ...(sid && { sid }), ...query };
        const url = engineUrl(gateway, { path, query: all }).replace(/^http/, "ws");
        const socket = new WebSocket(url, { headers, perMessageDeflate: false, ...options });
        this.#heartbeat = heartbeat;
        this.#socket = socket;
        clients.add(this);
        socket.on("message", (data, isBinary) => this.#take(isBinary ? data : data.toString("utf8")));
        socket.on("error", (error) => this.#packets.finish(error.message));
        this.#closed = new Promise((resolve) => {
            socket.on("close", (code, reason) => {
                clients.delete(this);
                this.#over = { code, reason: reason.toString() };
                this.#packets.finish(`closed with ${code} ${reason}`);
                resolve(this.#over);
            });
        });
    }

    #take(packet) {
        if (this.#heartbeat && packet === "2") {
            this.#socket.send("3");
        } else {
            this.#packets.push(packet);
        }
    }

    opened() {
        const opened = new Promise((resolve, reject) => {
            this.#socket.once("open", resolve);
            this.#socket.once("error", reject);
        });
        return within(opened, "a websocket");
    }

    // The answer of a handshake that must be refused.
    static async refused(gateway, options) {
        const wire = new Wire(gateway, options);
        const answer = new Promise((resolve, reject) => {
            wire.#socket.once("open", () => {
                wire.destroy();
                reject(new Error("the websocket was accepted"));
            });
            wire.#socket.once("error", reject);
            wire.#socket.once("unexpected-response", (_, response) => {
                const parts = [];
                response.on("data", (part) => parts.push(part));
                response.on("end", () => {
                    const body = Buffer.concat(parts);
                    resolve({
                        status: response.statusCode,
                        headers: response.headers,
                        text: body.toString("utf8"),
                        json: () => JSON.parse(body.toString("utf8")),
                    });
                    response.destroy();
                });
            });
        });
        return within(answer, "refusal of a websocket");
    }

    // The next packet: a text, or a Buffer.
    next(ms = patient()) {
        return this.#packets.next("packet", ms);
    }

    takeAll() {
        return this.#packets.takeAll();
    }

    // Texts and Buffers are sent as such frames.
    send(...packets) {
        for (const packet of packets) {
            this.#socket.send(packet, { binary: Buffer.isBuffer(packet) });
        }
    }

    // {code, reason} once the connection is over.
    closed(ms = patient()) {
        return within(this.#closed, "end of a websocket", ms);
    }

    get isOpen() {
        return this.#over === null;
    }

    close(code = 1000) {
        this.#socket.close(code);
        return this.closed();
    }

    // Without a word.
    destroy() {
        clients.delete(this);
        this.#socket.terminate();
    }

    pause() {
        this.#socket.pause();
    }

    resume() {
        this.#socket.resume();
    }
}
