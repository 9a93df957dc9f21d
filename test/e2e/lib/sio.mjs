// Sio: Socket.IO, by the official clients and by hand.
//
//     const client = await Client.open(gateway, { token, transports: ["polling"] });     what an application uses
//     const wire = await connected(await Wire.open(gateway), { token });                 packet by packet
//
// A target is a gateway, or a balancer: whatever has url().

import assert from "node:assert/strict";

import { io as io4 } from "socket.io-client";
import { io as io3 } from "socket.io-client-3";

import { patient, until, within } from "./patience.mjs";

export const VERSIONS = { "4.x": io4, "3.x": io3 };

const sockets = new Set();
process.on("exit", () => sockets.forEach((socket) => socket.disconnect()));

export class Client {
    socket;
    events = []; // [name, ...arguments] as they came, offsets included
    disconnects = []; // reasons
    errors = []; // of connect_error
    sessions = []; // {id, recovered} of every connect
    #waiting = new Set();

    // token: in the auth payload; auth: further members of it; recovery: ask for it; the rest: options of the client.
    static async open(target, options = {}) {
        const client = new Client(target, options);
        await client.connected();
        return client;
    }

    constructor(target, { version = "4.x", namespace = "", token, auth = {}, recovery = false, ...options } = {}) {
        const payload = { ...(token !== undefined && { token }), ...(recovery && { recovery: true }), ...auth };
        this.socket = VERSIONS[version](target.url(namespace || "/"), {
            auth: payload,
            forceNew: true,
            reconnectionDelay: 20,
            reconnectionDelayMax: 200,
            timeout: patient(),
            ...options,
        });
        sockets.add(this.socket);
        this.socket.onAny((...event) => this.#note(this.events, event));
        this.socket.on("disconnect", (reason) => this.#note(this.disconnects, reason));
        this.socket.on("connect_error", (error) => this.#note(this.errors, error));
        this.socket.on("connect", () =>
            this.#note(this.sessions, { id: this.socket.id, recovered: this.socket.recovered ?? false }),
        );
    }

    #note(list, item) {
        list.push(item);
        this.#waiting.forEach((look) => look());
    }

    // What `find` finds, as soon as it finds something, looking whenever something happened.
    async when(find, what, ms = patient()) {
        let look;
        const found = new Promise((resolve) => {
            look = () => {
                const result = find();
                if (result !== undefined && result !== null && result !== false) {
                    resolve(result);
                }
            };
        });
        this.#waiting.add(look);
        look();
        const heard = () => `${typeof what === "function" ? what() : what}; events: ${this.shown()}`;
        return within(found, heard, ms).finally(() => this.#waiting.delete(look));
    }

    shown() {
        return JSON.stringify([this.events.slice(-12), this.disconnects.slice(-3), this.errors.slice(-3).map(String)]);
    }

    connected(ms) {
        return this.when(() => this.socket.connected && this.sessions.length > 0, "connection of a client", ms);
    }

    // The number-th session ({id, recovered}).
    session(number, ms) {
        return this.when(() => this.sessions[number - 1], `session ${number} of a client`, ms);
    }

    disconnected(ms) {
        return this.when(() => this.disconnects.at(-1), "disconnect of a client", ms);
    }

    refused(ms) {
        return this.when(() => this.errors.at(-1), "connect_error of a client", ms);
    }

    // The arguments of all events of that name; of those that asked for recovery without the offset.
    all(name) {
        const mine = this.events.filter(([other]) => other === name);
        return mine.map(([, ...args]) => (this.asks ? args.slice(0, -1) : args));
    }

    get asks() {
        return this.socket.auth.recovery === true;
    }

    // The first argument of the next event of that name; each is given once.
    #given = new Map();
    async next(name, ms) {
        const number = this.#given.get(name) ?? 0;
        this.#given.set(name, number + 1);
        const args = await this.when(() => this.all(name)[number], `event ${name}`, ms);
        return args[0];
    }

    // Marks all that came so far as given.
    skip(name) {
        this.#given.set(name, this.all(name).length);
    }

    emit(...event) {
        this.socket.emit(...event);
    }

    // The acknowledgement's first argument.
    ask(...event) {
        return this.askAll(...event).then(([first]) => first);
    }

    askAll(...event) {
        const answer = new Promise((resolve) => this.socket.emit(...event, (...args) => resolve(args)));
        return within(answer, () => `acknowledgement of ${event[0]}; events: ${this.shown()}`);
    }

    // Everything that was sent to us before now has come. (What is still being read for us, after a break, may be behind it.)
    async fence() {
        const pongs = this.all("pong").length;
        this.emit("ping");
        await this.when(() => this.all("pong").length > pongs, "pong");
    }

    // The transport's name: polling or websocket.
    get transport() {
        return this.socket.io.engine.transport.name;
    }

    upgraded(ms) {
        return until(() => this.socket.io.engine?.transport?.name === "websocket", "upgrade of a client", ms);
    }

    // Cuts the connection without a word; the client comes back on its own.
    cut() {
        const { engine } = this.socket.io;
        const ws = engine.transport.ws;
        if (ws?.terminate) {
            ws.terminate();
        } else {
            engine.close();
        }
    }

    close() {
        sockets.delete(this.socket);
        this.socket.disconnect();
        this.socket.io._close(); // other namespaces may hold the connection
    }
}

// ---- by hand; `line` is a Wire or a Polling ----

export function eventPacket(name, ...args) {
    return `42${JSON.stringify([name, ...args])}`;
}

// [name, ...arguments] of an event packet in the namespace.
export function eventOf(packet, namespace = "/") {
    const prefix = namespace === "/" ? "42" : `42${namespace},`;
    assert.ok(typeof packet === "string" && packet.startsWith(`${prefix}[`), `an event, not ${packet}`);
    return JSON.parse(packet.slice(prefix.length));
}

function say(line, packet) {
    return line.send(packet);
}

// Sends CONNECT and gives the object of the answer.
export async function connect(line, auth, namespace = "/") {
    const where = namespace === "/" ? "" : `${namespace},`;
    await say(line, `40${where}${auth === undefined ? "" : JSON.stringify(auth)}`);
    const answer = await line.next();
    assert.ok(answer.startsWith(`40${where}{`), `an answer to CONNECT, not ${answer}`);
    return JSON.parse(answer.slice(2 + where.length));
}

// The same, giving the line.
export async function connected(line, auth, namespace) {
    line.socket = await connect(line, auth, namespace);
    return line;
}

// The next packet is the answer to our ping: nothing else was said to us so far.
export async function hearsNothing(line) {
    await say(line, eventPacket("ping"));
    assert.equal(await line.next(), eventPacket("pong"));
}
