// Link: a wire whose messages are JSON objects, one each: rooms and feeds. The player's adds a clock (player-link.js).
//
// These protocols do not answer by themselves, so a connection that has died while the machine slept looks alive for
// long. After a sleep, and in another network, a page's link is made anew.

import { Wire } from "./wire.js";

const TICK_MS = 5000;
const SLEPT_MS = 90000; // longer than a gateway waits; a page in the background may have one tick a minute

export class Link extends Wire {
    #onFrame;
    #ticker = 0;
    #lastTick = 0;

    /** @param {import("./wire.js").WireOptions & {onFrame: (frame: object, text: string) => void}} options */
    constructor({ onFrame, ...options }) {
        super(options);
        this.#onFrame = onFrame;
    }

    open() {
        this.#stopWatching();
        if (globalThis.document) {
            this.#lastTick = Date.now();
            this.#ticker = setInterval(() => this.#tick(), TICK_MS);
            globalThis.addEventListener("online", this.#renew);
        }
        super.open();
    }

    close() {
        this.#stopWatching();
        super.close();
    }

    /** False when there is no connection to send on. */
    send(message) {
        return this.status === "online" && this.write(JSON.stringify(message));
    }

    received(text) {
        let frame = null;
        try {
            frame = JSON.parse(text);
        } catch {
            // Not for us.
        }
        if (frame !== null && typeof frame === "object") {
            this.#onFrame(frame, text);
        }
    }

    #renew = () => this.refresh();

    #tick() {
        const slept = Date.now() - this.#lastTick > SLEPT_MS;
        this.#lastTick = Date.now();
        if (slept) {
            this.refresh();
        }
    }

    #stopWatching() {
        clearInterval(this.#ticker);
        globalThis.removeEventListener?.("online", this.#renew);
    }
}
