// Link: one WebSocket to whichever gateway process answers, and what keeps it alive.
//
//   closed -> connecting -> online -> waiting -> connecting -> ...      back-off with jitter
//                   |          |
//                   |          +-> expired (4401), stopped (4403)       only a person can go on from here
//                   +-> refused                                         the service is ready, but not for us
//
// No process is special: the next connection may reach another one, and finds the same state there. Pings
// measure the server's clock (clock.js) and notice a connection that died without a word.
//
// onStatus(link) runs after every change of status, onFrame(frame, text) for every frame, pongs included.

import { Clock } from "./clock.js";
import { readFrame } from "./playback.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15000;
const SETTLED_MS = 5000;
const CONNECT_LIMIT_MS = 10000;
const QUICK_PINGS = 6;
const QUICK_PING_MS = 200;
const PING_MS = 5000;
const PONG_LIMIT_MS = 10000;
const REFUSALS = 3;

const EXPIRED = 4401;
const STOPPED = 4403;

export class Link {
    status = "closed";
    reason = "";
    retryAt = 0;
    clock = new Clock();

    #url;
    #token;
    #isReady;
    #onStatus;
    #onFrame;
    #socket = null;
    #timer = 0;
    #failures = 0;
    #refusals = 0;
    #onlineSince = 0;
    #pings = new Map();
    #pingsSent = 0;

    // isReady: an async question whether the service takes connections at all; it tells a refusal from a
    // failure, which a browser's WebSocket does not.
    constructor({ url, token, isReady, onStatus, onFrame }) {
        this.#url = url;
        this.#token = token;
        this.#isReady = isReady;
        this.#onStatus = onStatus;
        this.#onFrame = onFrame;
    }

    open() {
        this.#failures = 0;
        this.#refusals = 0;
        this.#connect();
    }

    close() {
        this.#drop();
        this.#enter("closed");
    }

    // Does not wait for the end of a back-off.
    retry() {
        if (this.status === "waiting") {
            this.#connect();
        }
    }

    // A new connection at once, for the state that the server sends first.
    refresh() {
        if (this.status === "online") {
            this.#connect();
        }
    }

    // False when there is no connection to send on.
    send(text) {
        if (this.status !== "online" || this.#socket.readyState !== WebSocket.OPEN) {
            return false;
        }
        this.#socket.send(text);
        return true;
    }

    #enter(status, reason = "") {
        this.status = status;
        this.reason = reason;
        this.#onStatus(this);
    }

    #connect() {
        this.#drop();
        const socket = new WebSocket(this.#url, ["bearer", this.#token]);
        socket.onopen = () => this.#opened();
        socket.onmessage = (event) => this.#received(event.data);
        socket.onclose = (event) => this.#closed(event.code, event.reason);
        this.#socket = socket;
        this.#timer = setTimeout(() => this.#lost("no answer"), CONNECT_LIMIT_MS);
        this.#enter("connecting");
    }

    // Lets go of the socket; what it still says is not heard.
    #drop() {
        clearTimeout(this.#timer);
        if (this.#socket) {
            this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
            this.#socket.close(1000);
            this.#socket = null;
        }
    }

    #opened() {
        clearTimeout(this.#timer);
        this.#refusals = 0;
        this.#onlineSince = performance.now();
        this.clock.restart();
        this.#pings.clear();
        this.#pingsSent = 0;
        this.#enter("online");
        this.#ping();
    }

    #closed(code, reason) {
        const wasOnline = this.status === "online";
        this.#drop();
        if (code === EXPIRED) {
            this.#enter("expired", reason);
        } else if (code === STOPPED) {
            this.#enter("stopped", reason);
        } else if (wasOnline) {
            this.#wait(`closed with ${code}${reason ? `: ${reason}` : ""}`);
        } else {
            this.#failed();
        }
    }

    #lost(reason) {
        this.#drop();
        this.#wait(reason);
    }

    // The connection never opened. A service that is ready and yet says no, again and again, does not
    // want this token.
    async #failed() {
        this.#wait("cannot connect");
        const ready = this.#isReady ? await this.#isReady() : false;
        if (!ready || (this.status !== "waiting" && this.status !== "connecting")) {
            return;
        }
        this.#refusals += 1;
        if (this.#refusals >= REFUSALS) {
            this.#drop();
            this.#enter("refused");
        }
    }

    #wait(reason) {
        if (this.#onlineSince > 0 && performance.now() - this.#onlineSince > SETTLED_MS) {
            this.#failures = 0;
        }
        this.#onlineSince = 0;
        const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures);
        const delay = longest * (0.5 + Math.random() / 2);
        this.#failures += 1;
        this.retryAt = Date.now() + delay;
        this.#timer = setTimeout(() => this.#connect(), delay);
        this.#enter("waiting", reason);
    }

    #ping() {
        const oldest = this.#pings.values().next().value;
        if (oldest && performance.now() - oldest.tick > PONG_LIMIT_MS) {
            this.#lost("no answer");
            return;
        }
        this.#pingsSent += 1;
        this.#pings.set(this.#pingsSent, { tick: performance.now(), at: Date.now() });
        this.#socket.send(JSON.stringify({ type_push_state: "ping", t: this.#pingsSent }));
        this.#timer = setTimeout(() => this.#ping(), this.#pingsSent < QUICK_PINGS ? QUICK_PING_MS : PING_MS);
    }

    #received(text) {
        const tick = performance.now();
        const frame = readFrame(text);
        if (frame.kind === "pong" && this.#pings.has(frame.t)) {
            const ping = this.#pings.get(frame.t);
            const roundTrip = tick - ping.tick;
            this.#pings.delete(frame.t);
            this.clock.add(ping.at, roundTrip, frame.serverTime);
        }
        this.#onFrame(frame, text);
    }
}
