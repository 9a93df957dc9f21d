// Debounce: runs something once when it has been quiet for a while, or when the first who asked has waited long enough.

export class Debounce {
    #quiet;
    #longest;
    #run;
    #timer = 0;
    #since = 0; // when the first who waits has asked

    /** @param {{quiet: number, longest?: number, run: () => void}} options  milliseconds */
    constructor({ quiet, longest = Infinity, run }) {
        this.#quiet = quiet;
        this.#longest = longest;
        this.#run = run;
    }

    ask() {
        this.#since = this.#timer ? this.#since : performance.now();
        clearTimeout(this.#timer);
        const left = this.#since + this.#longest - performance.now();
        this.#timer = setTimeout(() => this.now(), Math.max(0, Math.min(this.#quiet, left)));
    }

    /** Does not wait any longer. */
    now() {
        this.cancel();
        this.#run();
    }

    cancel() {
        clearTimeout(this.#timer);
        this.#timer = 0;
    }
}
