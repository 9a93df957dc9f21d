// Metrics: Prometheus text, read strictly.

import assert from "node:assert/strict";

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([0-9.eE+-]+|[+-]Inf|NaN)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)",?/gy;

export class Metrics {
    samples = [];
    types = new Map();
    helps = new Map();

    constructor(text) {
        assert.ok(text.endsWith("\n"), "the metrics end with a line feed");
        for (const line of text.split("\n").slice(0, -1)) {
            this.#line(line);
        }
    }

    #line(line) {
        const comment = line.match(/^# (HELP|TYPE) (\S+) (.*)$/);
        if (comment) {
            const [, kind, name, rest] = comment;
            const table = kind === "HELP" ? this.helps : this.types;
            assert.ok(!table.has(name), `${kind} of ${name} stands there once`);
            table.set(name, rest);
            return;
        }
        const sample = line.match(SAMPLE);
        assert.ok(sample, `a line of the metrics: ${line}`);
        const [, name, labels = "", value] = sample;
        this.samples.push({ name, labels: labelsOf(labels), value: Number(value.replace("Inf", "Infinity")) });
    }

    // The sum of all samples of that name whose labels include these; undefined when there is none.
    get(name, labels = {}) {
        const found = this.samples.filter(
            (sample) =>
                sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
        );
        return found.length ? found.reduce((sum, sample) => sum + sample.value, 0) : undefined;
    }
}

function labelsOf(text) {
    const labels = {};
    LABEL.lastIndex = 0;
    while (LABEL.lastIndex < text.length) {
        const label = LABEL.exec(text);
        assert.ok(label, `labels of the metrics: ${text}`);
        labels[label[1]] = label[2].replace(/\\n/g, "\n").replace(/\\(.)/g, "$1");
    }
    return labels;
}
