// SocketIO: a small client of Socket.IO v5 over Engine.IO v4, for browsers and Node. Websocket only, no dependency.
//
//   const io = new SocketIO({ url: "wss://host/socket.io/", auth: () => ({ token }) });
//   const socket = io.of("/rooms");
//   socket.on("message", ({ text }) => ...);
//   io.open();
//   const answer = await socket.request("message", { text });      // the server's acknowledgement
//
// The wire (wire.js) comes back by itself. With recovery, which is on unless told otherwise, a socket then says where
// it was: the server goes on from there, and the socket keeps its id. The place is the last argument of every event; it
// is taken off before handlers see the event.
//
// A socket that the server has disconnected stays away; when no other is left, so does the wire. An `error` event with
// the code "unauthorized" asks for a new token, as close code 4401 does.

import { Emitter } from "./emitter.js";
import { ACK, CONNECT, CONNECT_ERROR, Decoder, DISCONNECT, encode, EVENT } from "./socketio-packet.js";
import { Wire } from "./wire.js";

const ANSWER_LIMIT_MS = 10000;
const RESERVED = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]);
const UNAUTHORIZED = "unauthorized";

// Engine.IO's packets: the first letter of a text.
const ENGINE = { open: "0", close: "1", ping: "2", pong: "3", message: "4", noop: "6" };

/** Why a request has no answer: `code` is "offline", "disconnected" or "timeout". */
export class RequestError extends Error {
    constructor(code, message) {
        super(message);
        this.name = "RequestError";
        this.code = code;
    }
}

/**
 * @typedef {object} SocketIOOptions
 * @property {object | (() => object | Promise<object>)} [auth]  what CONNECT brings along; asked again every time
 * @property {boolean} [recovery]  ask for connection state recovery (default: yes)
 * @property {number} [answerLimit]  milliseconds that a request waits for its answer (default: 10 s)
 */

export class SocketIO extends Wire {
    #auth;
    #recovery;
    #answerLimit;
    #sockets = new Map();
    #decoder = new Decoder();
    #silence = 0; // the longest time between two packets of the server
    #watchdog = 0;

    /** @param {import("./wire.js").WireOptions & SocketIOOptions} options */
    constructor({ url, auth = {}, recovery = true, answerLimit = ANSWER_LIMIT_MS, ...options }) {
        super({ ...options, url: () => engineUrl(typeof url === "function" ? url() : url) });
        this.#auth = auth;
        this.#recovery = recovery;
        this.#answerLimit = answerLimit;
    }

    /**
     * The socket of a namespace; the same one every time.
     * @param {string} namespace
     * @returns {Socket}
     */
    of(namespace = "/") {
        let socket = this.#sockets.get(namespace);
        if (!socket) {
            socket = new Socket(namespace, {
                send: (packet) => this.#send({ ...packet, namespace }),
                connect: () => this.#silence > 0 && this.#connectSocket(socket),
                left: () => this.#left(socket),
                answerLimit: this.#answerLimit,
            });
            this.#sockets.set(namespace, socket);
            socket.open();
        }
        return socket;
    }

    // --- Engine.IO

    opened() {} // of use when the sockets are connected

    received(data) {
        this.#watch();
        try {
            this.#take(data);
        } catch (error) {
            this.lost(`not understood: ${error.message}`);
        }
    }

    dropped() {
        clearTimeout(this.#watchdog);
        this.#silence = 0;
        this.#decoder = new Decoder();
        for (const socket of this.#sockets.values()) {
            socket.lost("the connection is gone");
        }
    }

    // The server pings. When nothing comes for longer than it said, it is not there any more.
    #watch() {
        clearTimeout(this.#watchdog);
        if (this.#silence > 0) {
            this.#watchdog = setTimeout(() => this.lost("no heartbeat"), this.#silence);
        }
    }

    #take(data) {
        const kind = typeof data === "string" ? data[0] : ENGINE.message;
        if (kind === ENGINE.message) {
            this.#takePacket(this.#decoder.add(typeof data === "string" ? data.slice(1) : data));
        } else if (kind === ENGINE.ping) {
            this.write(ENGINE.pong + data.slice(1));
        } else if (kind === ENGINE.open) {
            const { pingInterval, pingTimeout } = JSON.parse(data.slice(1));
            this.#silence = pingInterval + pingTimeout;
            this.#watch();
            this.#sockets.forEach((socket) => this.#connectSocket(socket));
        } else if (kind === ENGINE.close) {
            this.lost("closed by the server");
        } else if (kind !== ENGINE.noop) {
            throw new Error("an unknown packet");
        }
    }

    #send(packet) {
        const [text, ...attachments] = encode(packet);
        return this.write(ENGINE.message + text) && attachments.every((bytes) => this.write(bytes));
    }

    // --- Socket.IO

    async #connectSocket(socket) {
        if (!socket.wanted) {
            return;
        }
        const decoder = this.#decoder;
        let auth = null;
        try {
            auth = typeof this.#auth === "function" ? await this.#auth() : this.#auth;
        } catch {
            // No token is to be had now.
        }
        // Meanwhile another connection may have taken this one's place.
        if (decoder !== this.#decoder || !socket.wanted) {
            return;
        }
        if (auth === null) {
            this.lost("no token");
            return;
        }
        const data = { ...auth, ...(this.#recovery ? { recovery: true, ...socket.place } : {}) };
        this.#send({ type: CONNECT, namespace: socket.namespace, data });
    }

    #takePacket(packet) {
        const socket = packet && this.#sockets.get(packet.namespace);
        if (!socket) {
            return;
        }
        if (packet.type === CONNECT) {
            socket.connected(packet.data ?? {});
            this.#settle();
        } else if (packet.type === CONNECT_ERROR) {
            socket.refused(packet.data ?? {});
            this.#ended(socket, socket.error.message ?? "refused");
        } else if (packet.type === DISCONNECT) {
            socket.dismissed();
            this.#ended(socket, "disconnected by the server");
        } else if (packet.type === EVENT) {
            socket.heard(packet.data, packet.id);
        } else if (packet.type === ACK) {
            socket.answered(packet.id, packet.data);
        }
    }

    // Of use when every socket that should be connected is.
    #settle() {
        const wanted = [...this.#sockets.values()].filter((socket) => socket.wanted);
        if (this.status === "connecting" && wanted.length > 0 && wanted.every((socket) => socket.isConnected)) {
            this.online();
        }
    }

    // The server does not want a socket (any more).
    #ended({ error }, reason) {
        if (error?.code === UNAUTHORIZED) {
            this.expire(error.message);
            this.#sockets.forEach((socket) => socket.open()); // with the next token
        } else if ([...this.#sockets.values()].every((socket) => !socket.wanted)) {
            this.stop(reason);
        } else {
            this.#settle();
        }
    }

    #left(socket) {
        this.#send({ type: DISCONNECT, namespace: socket.namespace });
        this.#settle();
    }

    open() {
        this.#sockets.forEach((socket) => socket.open());
        super.open();
    }
}

// http(s), ws(s) or a URL object -> the address of the websocket transport.
function engineUrl(address) {
    const url = new URL(address, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("EIO", "4");
    url.searchParams.set("transport", "websocket");
    return url.href;
}

/**
 * One namespace of a connection. Made by SocketIO.of().
 *
 * Tells events of the server under their names, and of the socket itself: "connect" ({recovered}), "disconnect"
 * (reason), "connect_error" ({message, code}). A handler of an event that wants an acknowledgement gets `reply` as its
 * last argument.
 */
export class Socket extends Emitter {
    namespace;
    id = "";
    isConnected = false;
    recovered = false; // the last connection went on where the one before ended
    wanted = false; // should be connected whenever the wire is
    /** @type {{code?: string, message?: string} | null} what the server said last about what went wrong */
    error = null;

    #carrier;
    #requests = new Map();
    #requestsSent = 0;
    #pid = undefined;
    #offset = undefined;

    constructor(namespace, carrier) {
        super();
        this.namespace = namespace;
        this.#carrier = carrier;
    }

    open() {
        if (!this.wanted) {
            this.wanted = true;
            this.#carrier.connect();
        }
    }

    close() {
        if (this.wanted) {
            this.wanted = false;
            this.#pid = this.#offset = undefined;
            if (this.isConnected) {
                this.lost("left");
                this.#carrier.left();
            }
        }
    }

    /** False when there is no connection to send on. */
    emit(event, ...args) {
        return this.isConnected && this.#carrier.send({ type: EVENT, data: [event, ...args] });
    }

    /**
     * An event that the server acknowledges.
     * @returns {Promise<any>} the acknowledgement's first argument; rejected with a RequestError when there is none
     */
    request(event, ...args) {
        if (!this.isConnected) {
            return Promise.reject(new RequestError("offline", "there is no connection"));
        }
        const id = this.#requestsSent++;
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                this.#requests.delete(id);
                reject(new RequestError("timeout", "no answer in time"));
            }, this.#carrier.answerLimit);
            this.#requests.set(id, { resolve, reject, timer });
            this.#carrier.send({ type: EVENT, id, data: [event, ...args] });
        });
    }

    // --- what SocketIO tells it

    /** What CONNECT says for recovery. */
    get place() {
        return { pid: this.#pid, offset: this.#offset };
    }

    connected({ sid, pid }) {
        this.recovered = pid !== undefined && pid === this.#pid;
        if (!this.recovered) {
            this.#offset = undefined;
        }
        this.#pid = pid;
        this.id = sid;
        this.error = null;
        this.isConnected = true;
        this.tell("connect", { recovered: this.recovered });
    }

    refused(error) {
        this.wanted = false;
        this.error = error;
        this.tell("connect_error", error);
    }

    dismissed() {
        this.wanted = false;
        this.#pid = this.#offset = undefined;
        this.lost("disconnected by the server");
    }

    lost(reason) {
        if (!this.isConnected) {
            return;
        }
        this.isConnected = false;
        for (const { reject, timer } of this.#requests.values()) {
            clearTimeout(timer);
            reject(new RequestError("disconnected", "the connection was lost before the answer came"));
        }
        this.#requests.clear();
        this.tell("disconnect", reason);
    }

    heard([event, ...args], id) {
        if (!this.isConnected || RESERVED.has(event)) {
            return;
        }
        if (this.#pid !== undefined && typeof args.at(-1) === "string") {
            this.#offset = args.pop();
        }
        if (event === "error") {
            this.error = args[0] ?? null;
        }
        if (id !== undefined) {
            args.push((...answer) => this.isConnected && this.#carrier.send({ type: ACK, id, data: answer }));
        }
        this.tell(event, ...args);
    }

    answered(id, [answer]) {
        const request = this.#requests.get(id);
        if (request) {
            this.#requests.delete(id);
            clearTimeout(request.timer);
            request.resolve(answer);
        }
    }
}
