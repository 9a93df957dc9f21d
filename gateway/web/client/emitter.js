// Emitter: handlers by the name of what they wait for. One that throws is reported, and the others go on.

export class Emitter {
    #handlers = new Map();

    /**
     * @param {string} event
     * @param {(...args: any[]) => void} handler
     * @returns {() => void} takes the handler off again
     */
    on(event, handler) {
        const handlers = this.#handlers.get(event) ?? new Set();
        this.#handlers.set(event, handlers.add(handler));
        return () => handlers.delete(handler);
    }

    // --- for those who extend it

    tell(event, ...args) {
        for (const handler of [...(this.#handlers.get(event) ?? [])]) {
            try {
                handler(...args);
            } catch (error) {
                (globalThis.reportError ?? console.error)(error);
            }
        }
    }
}
