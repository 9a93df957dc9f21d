// Clock: what time it is on the server, worked out from pings.
//
// A ping that left at `sentAt` and came back with the server's time after `roundTrip` says: the server's clock
// is ahead of ours by serverTime - (sentAt + roundTrip / 2), give or take half the round trip. So of the last
// samples the one with the shortest round trip is believed.

const KEEP = 12;
const SLACK_MS = 100;

export class Clock {
    #samples = [];
    #rough = 0;

    // A server time without a round trip (a state frame): used until the first ping is back.
    hint(serverTime, receivedAt = Date.now()) {
        this.#rough = serverTime - receivedAt;
    }

    add(sentAt, roundTrip, serverTime) {
        const sample = { offset: serverTime - (sentAt + roundTrip / 2), roundTrip };
        const best = this.#best();
        // Two samples that cannot both be right: a clock was set, or another process answers now.
        if (best && Math.abs(sample.offset - best.offset) > (sample.roundTrip + best.roundTrip) / 2 + SLACK_MS) {
            this.#samples = [];
        }
        this.#samples.push(sample);
        if (this.#samples.length > KEEP) {
            this.#samples.shift();
        }
    }

    // Another process, another clock: measure anew, and go on with what was known until then.
    restart() {
        this.#rough = this.offset;
        this.#samples = [];
    }

    now() {
        return Date.now() + this.offset;
    }

    get offset() {
        return this.#best()?.offset ?? this.#rough;
    }

    // The newest round trip in milliseconds; undefined before the first one.
    get latency() {
        return this.#samples.at(-1)?.roundTrip;
    }

    #best() {
        return this.#samples.reduce((best, one) => (best && best.roundTrip <= one.roundTrip ? best : one), undefined);
    }
}
