// Observable: a value that others look at while it changes. Who subscribes is told the present value at once.

import { Emitter } from "./emitter.js";

export class Observable {
    #value;
    #changes = new Emitter();

    constructor(value) {
        this.#value = value;
    }

    get value() {
        return this.#value;
    }

    /**
     * @param {((value: any) => void) | {next: (value: any) => void}} observer
     * @returns {(() => void) & {unsubscribe: () => void}} ends it, in either form
     */
    subscribe(observer) {
        const run = typeof observer === "function" ? (value) => observer(value) : (value) => observer.next(value);
        const stop = this.#changes.on("next", run);
        run(this.#value);
        return Object.assign(stop, { unsubscribe: stop });
    }

    /** For its owner. */
    set(value) {
        if (value !== this.#value) {
            this.#value = value;
            this.#changes.tell("next", value);
        }
    }
}
