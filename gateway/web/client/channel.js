// Channel: the namespace / of the gateway's Socket.IO, through our own client (socketio.js), or through the official
// one where the application brings it along: `io` of socket.io-client 3 or 4. Both look the same from here.
//
// Events of the server come under their names; "connect" ({recovered}) and "disconnect" (reason) are the channel's own.
//
// Who leaves keeps the place in the stream of events and goes on there when he comes back, unless told to forget it.

import { Emitter } from "./emitter.js";
import { Gateway } from "./gateway.js";
import { RequestError, SocketIO } from "./socketio.js";

const PATH = "/socket.io/";
const ANSWER_LIMIT_MS = 10000;
const UNAUTHORIZED = "unauthorized";

/** onStatus(): `status` has changed; it is one of those in wire.js. */
export function openChannel({ url, token, io, onStatus, ...wire }) {
    const gateway = new Gateway({ url, token });
    return io ? new OfficialChannel(io, gateway, onStatus) : new OwnChannel(gateway, { ...wire, onStatus });
}

async function authOf(gateway) {
    const token = await gateway.token();
    return token ? { token } : {};
}

class OwnChannel {
    #io;
    #socket;

    constructor(gateway, wire) {
        const auth = () => authOf(gateway);
        this.#io = new SocketIO({ ...gateway.bare(), ...wire, url: gateway.socket(PATH), auth });
        this.#socket = this.#io.of("/");
    }

    get status() {
        return this.#io.status;
    }

    get reason() {
        return this.#io.reason;
    }

    get retryAt() {
        return this.#io.retryAt;
    }

    get isResting() {
        return this.#io.isResting;
    }

    open() {
        this.#io.open();
    }

    close({ forget = false } = {}) {
        if (forget) {
            this.#socket.close();
        }
        this.#io.close();
    }

    retry() {
        this.#io.retry();
    }

    on(event, handler) {
        return this.#socket.on(event, handler);
    }

    request(event, data) {
        return this.#socket.request(event, data);
    }
}

class OfficialChannel extends Emitter {
    status = "closed";
    reason = "";
    retryAt = 0; // the official client does not tell

    #io;
    #gateway;
    #socket;
    #onStatus;
    #heard = new Set(); // events that the socket was asked for
    #error = null; // what the server said last about what went wrong
    #renewed = false; // a new token came, and has not held yet

    constructor(io, gateway, onStatus) {
        super();
        this.#io = io;
        this.#gateway = gateway;
        this.#onStatus = onStatus;
        this.#socket = this.#make();
    }

    #make() {
        const url = this.#gateway.http(PATH);
        const socket = this.#io(url.origin, {
            path: url.pathname,
            transports: ["websocket"],
            forceNew: true,
            autoConnect: false,
            auth: (give) => this.#giveAuth(give),
        });
        socket.on("connect", () => this.#connected());
        socket.on("disconnect", (reason) => this.#disconnected(reason));
        socket.on("connect_error", (error) => this.#refused(error));
        socket.on("error", (error) => (this.#error = error));
        socket.io.on("reconnect_attempt", () => this.#enter("connecting"));
        this.#heard.forEach((event) => this.#hear(socket, event));
        return socket;
    }

    #hear(socket, event) {
        socket.on(event, (...args) => {
            if (socket._pid !== undefined && typeof args.at(-1) === "string") {
                args.pop(); // the place in the stream, which that client leaves there
            }
            this.tell(event, ...args);
        });
    }

    get isResting() {
        return !["connecting", "online", "waiting"].includes(this.status);
    }

    open() {
        this.#renewed = false;
        this.#connect();
    }

    close({ forget = false } = {}) {
        this.#enter("closed");
        this.#socket.disconnect();
        if (forget) {
            this.#socket = this.#make(); // the old one knows its place
        }
    }

    retry() {
        if (this.status === "waiting") {
            this.#socket.disconnect();
            this.#connect();
        }
    }

    on(event, handler) {
        if (event !== "connect" && event !== "disconnect" && !this.#heard.has(event)) {
            this.#heard.add(event);
            this.#hear(this.#socket, event);
        }
        return super.on(event, handler);
    }

    request(event, data) {
        if (!this.#socket.connected) {
            return Promise.reject(new RequestError("offline", "there is no connection"));
        }
        return new Promise((resolve, reject) => {
            const late = () => reject(new RequestError("timeout", "no answer in time"));
            const timer = setTimeout(late, ANSWER_LIMIT_MS);
            this.#socket.emit(event, data, (answer) => {
                clearTimeout(timer);
                resolve(answer);
            });
        });
    }

    async #giveAuth(give) {
        try {
            const canRecover = "recovered" in this.#socket; // 4.6 and later
            give({ ...(await authOf(this.#gateway)), ...(canRecover && { recovery: true }) });
        } catch {
            this.#socket.io.engine?.close(); // no token is to be had now: again after a pause
        }
    }

    #connect() {
        this.#enter("connecting");
        this.#socket.connect();
    }

    #connected() {
        this.#error = null;
        this.#enter("online");
        this.tell("connect", { recovered: Boolean(this.#socket.recovered) });
    }

    #disconnected(reason) {
        this.tell("disconnect", reason);
        if (reason === "io server disconnect") {
            this.#dismissed(this.#error);
        } else if (reason !== "io client disconnect") {
            this.#enter("waiting", reason);
        }
    }

    #refused(error) {
        if (this.#socket.active) {
            this.#enter("waiting", error.message);
        } else {
            this.#dismissed(error.data ?? error);
        }
    }

    // The server does not want us: with this token, or at all.
    async #dismissed(error) {
        const { code, message = "disconnected by the server" } = error ?? {};
        if (code !== UNAUTHORIZED) {
            this.#enter("stopped", message);
            return;
        }
        this.#enter("expired", message);
        const { renew } = this.#gateway.bare();
        if (!this.#renewed && (this.#renewed = await renew()) && this.status === "expired") {
            this.#connect();
        }
    }

    #enter(status, reason = "") {
        this.status = status;
        this.reason = reason;
        this.#onStatus();
    }
}
