// Prometheus: metrics as text, read, and what two readings of them say. Pure.
//
//   segue_connections{protocol="player",transport="websocket"} 12
//   segue_delivery_latency_seconds_bucket{le="0.001"} 7            so many were observed up to here
//
// Counters begin at 0 again when their process does.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?$/;
const LABEL = /\s*([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;
const ESCAPES = { n: "\n" };

export class Metrics {
    #samples = new Map(); // name -> [{labels, value}]

    // What is no sample is passed over.
    constructor(text) {
        for (const line of text.split("\n")) {
            const [, name, labels = "", value] = line.trim().match(SAMPLE) ?? [];
            const read = name === undefined ? null : readLabels(labels);
            if (read) {
                const list = this.#samples.get(name) ?? [];
                this.#samples.set(name, list);
                list.push({ labels: read, value: readNumber(value) });
            }
        }
    }

    get isEmpty() {
        return this.#samples.size === 0;
    }

    // Over all labels; 0 when there is no such sample.
    sum(name) {
        return (this.#samples.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);
    }

    // A histogram's buckets: [{bound, count}], bounds ascending, counts cumulative.
    buckets(name) {
        const found = (this.#samples.get(`${name}_bucket`) ?? []).map(({ labels, value }) => ({
            bound: readNumber(labels.le ?? ""),
            count: value,
        }));
        return found.sort((a, b) => a.bound - b.bound);
    }
}

function readNumber(text) {
    return /^[+-]?Inf$/i.test(text) ? Number(`${text.startsWith("-") ? "-" : ""}Infinity`) : Number(text || NaN);
}

// Null when they are not written as labels are.
function readLabels(text) {
    const labels = {};
    LABEL.lastIndex = 0;
    for (let at = 0; at < text.length; at = LABEL.lastIndex) {
        const label = LABEL.exec(text);
        if (!label) {
            return null;
        }
        labels[label[1]] = label[2].replace(/\\(.)/g, (_, letter) => ESCAPES[letter] ?? letter);
    }
    return labels;
}

// By how much a counter grew.
export function growth(before, after) {
    return after < before ? after : after - before;
}

// The same for every bucket of a histogram.
export function growthOfBuckets(before, after) {
    const restarted = before.length !== after.length || after.some(({ count }, i) => count < before[i].count);
    return restarted ? after : after.map(({ bound, count }, i) => ({ bound, count: count - before[i].count }));
}

// The value below which a share of what was observed lies, as far as buckets can tell: within one, all values are
// taken to be equally far apart. NaN when nothing was observed.
export function quantile(buckets, share) {
    const total = buckets.at(-1)?.count ?? 0;
    const index = buckets.findIndex(({ count }) => count >= share * total);
    if (!(total > 0) || index < 0) {
        return NaN;
    }
    const { bound, count } = buckets[index];
    const { bound: from, count: below } = buckets[index - 1] ?? { bound: 0, count: 0 };
    if (bound === Infinity) {
        return from; // more than the histogram can tell
    }
    return count === below ? bound : from + ((bound - from) * (share * total - below)) / (count - below);
}
