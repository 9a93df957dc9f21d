// PlayerLink: a wire to /player. Pings measure the server's clock (clock.js) and notice a connection that died
// without a word.
//
// onFrame(frame, text) runs for every frame, pongs included; frames are what playback.js reads from the text.

import { Clock } from "./clock.js";
import { readFrame } from "./playback.js";
import { Wire } from "./wire.js";

const QUICK_PINGS = 6;
const QUICK_PING_MS = 200;
const PING_MS = 5000;
const PONG_LIMIT_MS = 10000;

export class PlayerLink extends Wire {
    clock = new Clock();

    #onFrame;
    #timer = 0;
    #pings = new Map();
    #pingsSent = 0;

    constructor({ onFrame, ...options }) {
        super(options);
        this.#onFrame = onFrame;
    }

    /** False when there is no connection to send on. */
    send(text) {
        return this.status === "online" && this.write(text);
    }

    opened() {
        this.clock.restart();
        this.#pings.clear();
        this.#pingsSent = 0;
        this.online();
        this.#ping();
    }

    dropped() {
        clearTimeout(this.#timer);
    }

    #ping() {
        const oldest = this.#pings.values().next().value;
        if (oldest && performance.now() - oldest.tick > PONG_LIMIT_MS) {
            this.lost("no answer");
            return;
        }
        this.#pingsSent += 1;
        this.#pings.set(this.#pingsSent, { tick: performance.now(), at: Date.now() });
        this.write(JSON.stringify({ type_push_state: "ping", t: this.#pingsSent }));
        this.#timer = setTimeout(() => this.#ping(), this.#pingsSent < QUICK_PINGS ? QUICK_PING_MS : PING_MS);
    }

    received(text) {
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
