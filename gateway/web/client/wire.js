// Wire: one WebSocket to whichever gateway process answers, which comes back by itself.
//
//   closed -> connecting -> online -> waiting -> connecting -> ...      back-off with jitter
//                   |          |
//                   |          +-> expired (4401), stopped (4403)       only a token or a person can go on from here
//                   +-> refused                                         the service is ready, but not for us
//
// No process is special: the next connection may reach another one. What is said on the wire is the matter of those
// who extend it (link.js, socketio.js): they override opened(), received() and dropped(), and call online(), lost() and
// expire().

/**
 * @typedef {"closed" | "connecting" | "online" | "waiting" | "expired" | "refused" | "stopped"} WireStatus
 *
 * @typedef {object} WireOptions
 * @property {string | (() => string)} url              asked again for every connection
 * @property {string[] | (() => string[] | Promise<string[]>)} [protocols]  likewise
 * @property {() => Promise<boolean | number>} [isReady]  does the service take connections at all? Tells a refusal from
 *     a failure, which a browser's WebSocket does not. A number: it does, and so many come at once that it sends some
 *     away: again after so many seconds
 * @property {() => boolean | Promise<boolean>} [renew]  the token has expired; true: there is a new one, try again;
 *     rejected: none is to be had now, ask again later
 * @property {(wire: any) => void} [onStatus]  runs after every change of status
 * @property {typeof WebSocket} [WebSocket]    where there is no global one, or another is wanted
 */

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15000;
const SETTLED_MS = 5000;
const CONNECT_LIMIT_MS = 10000;
const REFUSALS = 3;
const REFUSALS_LATER = 15; // of one that has been online: it was welcome, and a crowd may be before it

const EXPIRED = 4401;
const STOPPED = 4403;
const OPEN = 1;

const valueOf = (option) => (typeof option === "function" ? option() : option);

export class Wire {
    /** @type {WireStatus} */
    status = "closed";
    reason = "";
    retryAt = 0; // while waiting: when the next attempt is due

    #options;
    #socket = null;
    #timer = 0;
    #failures = 0;
    #refusals = 0;
    #wasWelcome = false; // it has been online
    #attempts = 0;
    #onlineSince = 0;
    #renewed = false; // a new token came, and has not held yet

    /** @param {WireOptions} options */
    constructor({ WebSocket = globalThis.WebSocket, ...options }) {
        this.#options = { onStatus: () => {}, protocols: [], ...options, WebSocket };
    }

    open() {
        if (!this.#options.WebSocket) {
            throw new TypeError("there is no WebSocket here: give one as an option");
        }
        this.#failures = 0;
        this.#refusals = 0;
        this.#wasWelcome = false;
        this.#renewed = false;
        this.#listen("addEventListener");
        this.#connect();
    }

    close() {
        this.#listen("removeEventListener");
        this.#drop();
        this.#enter("closed");
    }

    /** Not connected, and not about to be. */
    get isResting() {
        return !["connecting", "online", "waiting"].includes(this.status);
    }

    /** Does not wait for the end of a back-off. */
    retry() {
        if (this.status === "waiting") {
            this.#connect();
        }
    }

    /** A new connection at once, for what the server says first. */
    refresh() {
        if (this.status === "online") {
            this.#connect();
        }
    }

    // --- for those who extend it

    /** The WebSocket is open. */
    opened() {
        this.online();
    }

    /** @param {string | ArrayBuffer} data */
    received(data) {}

    /** The WebSocket is gone, or was never open: let go of what belonged to it. */
    dropped() {}

    /** What has to be said first is said: the wire is of use. */
    online() {
        clearTimeout(this.#timer);
        this.#refusals = 0;
        this.#wasWelcome = true;
        this.#onlineSince = performance.now();
        this.#enter("online");
    }

    /** The connection is of no use any more; another one is made after a while. */
    lost(reason) {
        this.#drop();
        this.#wait(reason);
    }

    /** The token does not hold. A new one is asked for, once, until one has held for a while. */
    async expire(reason) {
        const { renew } = this.#options;
        const held = this.#hasSettled();
        this.#drop();
        this.#enter("expired", reason);
        if (!renew || (this.#renewed && !held)) {
            return;
        }
        this.#renewed = true;
        let next = () => this.#wait("no token");
        try {
            next = (await renew()) ? () => this.#connect() : () => {};
        } catch {
            // Then later.
        }
        if (this.status === "expired") {
            next();
        }
    }

    /** Somebody decided that we stay away. */
    stop(reason) {
        this.#drop();
        this.#enter("stopped", reason);
    }

    /** False when there is no connection to write to. */
    write(data) {
        if (this.#socket?.readyState !== OPEN) {
            return false;
        }
        this.#socket.send(data);
        return true;
    }

    // --- the life of a connection

    #enter(status, reason = "") {
        this.status = status;
        this.reason = reason;
        this.#options.onStatus(this);
    }

    #connect() {
        this.#drop();
        const url = valueOf(this.#options.url);
        const protocols = valueOf(this.#options.protocols);
        if (typeof protocols.then === "function") {
            this.#dialSoon(url, protocols);
        } else {
            this.#dial(url, protocols);
        }
        this.#timer = setTimeout(() => this.lost("no answer"), CONNECT_LIMIT_MS);
        this.#enter("connecting");
    }

    // Meanwhile it may have been closed, or another attempt may have taken this one's place.
    async #dialSoon(url, promise) {
        const attempt = this.#attempts;
        let protocols = null;
        try {
            protocols = await promise;
        } catch {
            // No token is to be had now.
        }
        if (attempt !== this.#attempts) {
            return;
        }
        if (protocols === null) {
            this.lost("no token");
            return;
        }
        try {
            this.#dial(url, protocols);
        } catch {
            this.lost("no token that could be sent");
        }
    }

    #dial(url, protocols) {
        const { WebSocket } = this.#options;
        const socket = new WebSocket(url, protocols);
        socket.binaryType = "arraybuffer";
        socket.onopen = () => this.opened();
        socket.onmessage = (event) => this.received(event.data);
        socket.onclose = (event) => this.#closed(event.code, event.reason);
        socket.onerror = () => {}; // a close follows; Node's `ws` throws errors that nobody listens to
        this.#socket = socket;
    }

    // Lets go of the socket; what it still says is not heard.
    #drop() {
        clearTimeout(this.#timer);
        this.#attempts += 1;
        const socket = this.#socket;
        this.#socket = null;
        if (socket) {
            socket.onopen = socket.onmessage = socket.onclose = null;
            socket.close(1000);
        }
        this.dropped();
    }

    #closed(code, reason) {
        const wasOnline = this.status === "online";
        if (code === EXPIRED) {
            this.expire(reason);
        } else if (code === STOPPED) {
            this.stop(reason);
        } else if (wasOnline) {
            this.lost(`closed with ${code}${reason ? `: ${reason}` : ""}`);
        } else {
            this.#failed();
        }
    }

    // The connection never became of use. A service that is ready and yet says no, again and again, does not want
    // this token.
    async #failed() {
        const { isReady } = this.#options;
        this.lost("cannot connect");
        const ready = isReady ? await isReady() : false;
        if (!ready || (this.status !== "waiting" && this.status !== "connecting")) {
            return;
        }
        if (typeof ready === "number") {
            this.#refusals = 0;
            this.#postpone(ready * 1000);
            return;
        }
        this.#refusals += 1;
        if (this.#refusals >= (this.#wasWelcome ? REFUSALS_LATER : REFUSALS)) {
            this.#drop();
            this.#enter("refused");
        }
    }

    // Where there is a network that comes and goes, and a page that is looked at again: no waiting then.
    #listen(how) {
        globalThis[how]?.("online", this.#goOn);
        globalThis.document?.[how]("visibilitychange", this.#goOn);
    }

    #goOn = () => globalThis.document?.hidden || this.retry();

    #hasSettled() {
        return this.#onlineSince > 0 && performance.now() - this.#onlineSince > SETTLED_MS;
    }

    #wait(reason) {
        if (this.#hasSettled()) {
            this.#failures = 0;
            this.#renewed = false;
        }
        this.#onlineSince = 0;
        const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures);
        const delay = longest * (0.5 + Math.random() / 2);
        this.#failures += 1;
        this.#retryIn(delay);
        this.#enter("waiting", reason);
    }

    #retryIn(delay) {
        clearTimeout(this.#timer);
        this.retryAt = Date.now() + delay;
        this.#timer = setTimeout(() => this.#connect(), delay);
    }

    // Not before the service asks for it, and not all of those who were told the same at once.
    #postpone(delay) {
        const least = delay + Math.random() * 1000;
        if (this.status === "waiting" && this.retryAt - Date.now() < least) {
            this.#retryIn(least);
            this.#enter("waiting", this.reason);
        }
    }
}
