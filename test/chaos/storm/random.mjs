// Random: small, seeded, good enough for tests (mulberry32).

export class Random {
    #state;

    constructor(seed) {
        this.#state = seed >>> 0;
    }

    // 0 <= result < 1.
    next() {
        this.#state = (this.#state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    }

    below(count) {
        return Math.floor(this.next() * count);
    }

    between(low, high) {
        return low + this.next() * (high - low);
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    // A key of {key: weight}.
    weighted(weights) {
        const entries = Object.entries(weights);
        let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
        return entries.find(([, weight]) => (left -= weight) < 0)?.[0] ?? entries[0][0];
    }
}
