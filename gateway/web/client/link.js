// Link: a wire whose messages are JSON objects, one each: rooms and feeds. The player's adds a clock (player-link.js).

import { Wire } from "./wire.js";

export class Link extends Wire {
    #onFrame;

    /** @param {import("./wire.js").WireOptions & {onFrame: (frame: object, text: string) => void}} options */
    constructor({ onFrame, ...options }) {
        super(options);
        this.#onFrame = onFrame;
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
}
