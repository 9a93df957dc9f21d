// Emitter: handlers by the name of what they wait for. One that throws, or whose promise is rejected, is reported, and
// the others go on.

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
                const done = handler(...args);
                if (typeof done?.catch === "function") {
                    done.catch((error) => this.failed(event, error));
                }
            } catch (error) {
                this.failed(event, error);
            }
        }
    }

    failed(event, error) {
        (globalThis.reportError ?? console.error)(error);
    }
}
