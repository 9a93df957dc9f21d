// Meter: one process, as its metrics tell it: a point of the charts for every look at them.
//
// A rate is what was counted since the last look. Latencies are those of the last ten seconds, since a second alone
// seldom has enough of them. Where a value cannot be known it is NaN, and the line has a gap.

import { growth, growthOfBuckets, Metrics, quantile } from "./prometheus.js";

const SPAN_MS = 120000;
const WINDOW_MS = 10000;

const RECEIVED = "segue_messages_received_total";
const SENT = "segue_messages_sent_total";
const LATENCY = "segue_delivery_latency_seconds";

const NOTHING = { connections: NaN, received: NaN, sent: NaN, p50: NaN, p99: NaN };

export class Meter {
    static SPAN_MS = SPAN_MS;

    points = []; // oldest first: {at, connections, received, sent (a second), p50, p99 (seconds)}
    status = "unknown"; // "up", "down"
    redisUp = false;
    memory = NaN; // bytes

    #looks = []; // {at, received, sent, buckets}: of the last ten seconds, oldest first

    constructor(name) {
        this.name = name;
    }

    get now() {
        return this.points.at(-1) ?? NOTHING;
    }

    // What /metrics answered. False when it is something else.
    take(text, at) {
        const metrics = new Metrics(text);
        if (metrics.isEmpty) {
            this.miss(at);
            return false;
        }
        const look = {
            at,
            received: metrics.sum(RECEIVED),
            sent: metrics.sum(SENT),
            buckets: metrics.buckets(LATENCY),
        };
        this.status = "up";
        this.redisUp = metrics.sum("segue_redis_up") > 0;
        this.memory = metrics.sum("process_resident_memory_bytes");
        this.#add({ at, connections: metrics.sum("segue_connections"), ...this.#rates(look), ...this.#latencies(look) });
        this.#looks.push(look);
        return true;
    }

    // It did not answer.
    miss(at) {
        this.status = "down";
        this.#looks = [];
        this.#add({ ...NOTHING, at });
    }

    #add(point) {
        this.points.push(point);
        while (point.at - this.points[0].at > SPAN_MS) {
            this.points.shift();
        }
    }

    #rates({ at, received, sent }) {
        const last = this.#looks.at(-1);
        const seconds = last ? (at - last.at) / 1000 : 0;
        if (seconds <= 0) {
            return { received: NaN, sent: NaN };
        }
        return { received: growth(last.received, received) / seconds, sent: growth(last.sent, sent) / seconds };
    }

    #latencies({ at, buckets }) {
        while (this.#looks.length > 1 && at - this.#looks[0].at > WINDOW_MS) {
            this.#looks.shift();
        }
        const grown = this.#looks.length > 0 ? growthOfBuckets(this.#looks[0].buckets, buckets) : [];
        return { p50: quantile(grown, 0.5), p99: quantile(grown, 0.99) };
    }
}
