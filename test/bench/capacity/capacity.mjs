// The driver of `scripts/bench capacity`: what a machine carries, in steps.

import { join } from "node:path";

import { count, factsOf, fail, readOptions, say, write } from "../driver/command.mjs";
import { BUILD, redisVersion } from "../driver/machine.mjs";
import { KINDS, measureKind, mostConnections } from "./connections.mjs";
import { measureOperations } from "./operations.mjs";
import { cores } from "./proc.mjs";
import { chart, tables } from "./report.mjs";
import { DEFAULT_STEPS, measureUpdates } from "./updates.mjs";

const PARTS = ["connections", "updates", "operations"];
const MOST_BY_ITSELF = 40000; // connections: more only when asked for

const OPTIONS = {
    quick: { type: "boolean", default: false },
    steps: { type: "string" },
    connections: { type: "string" },
    processes: { type: "string" },
    masters: { type: "string", default: "0" },
    generators: { type: "string" },
    seconds: { type: "string" },
    repeat: { type: "string" },
    limit: { type: "string", default: "100" },
    out: { type: "string", default: join(BUILD, "bench", "capacity.svg") },
    json: { type: "string" },
};

// What stands behind `--` is for the gateways.
function readWords() {
    const words = process.argv.slice(2);
    const end = words.includes("--") ? words.indexOf("--") : words.length;
    return { ...readOptions({ args: words.slice(0, end), options: OPTIONS, allowPositionals: true }), args: words.slice(end + 1) };
}

const listOf = (name, text) => text.split(",").map((word) => count(name, word, 1)).sort((a, b) => a - b);

// Up to what the limit of open files allows, unless more is asked for than that.
function connectionSteps(values, processes) {
    const most = mostConnections(processes);
    if (values.connections) {
        const steps = listOf("connections", values.connections);
        return steps.at(-1) <= most ? steps : fail(`${processes} processes hold ${most} connections here (ulimit -n); see --processes`);
    }
    const last = Math.min(most, values.quick ? 3000 : MOST_BY_ITSELF);
    return [0.05, 0.25, 0.5, 1].map((part) => Math.max(1, Math.round(last * part)));
}

function settingsOf(values) {
    const { quick } = values;
    const processes = count("processes", values.processes ?? Math.max(2, Math.floor(cores() / 2)), 1);
    return {
        processes,
        masters: count("masters", values.masters, 0),
        generators: count("generators", values.generators ?? Math.max(1, Math.floor(cores() / 4)), 1),
        limit: count("limit", values.limit, 0.1),
        connections: connectionSteps(values, processes),
        settle: quick ? 500 : 2000,
        heartbeat: quick ? { interval: 3000, beats: 1 } : { interval: 25000, beats: 1 },
        steps: values.steps ? listOf("steps", values.steps) : quick ? DEFAULT_STEPS.filter((_, i) => i % 2 === 1) : DEFAULT_STEPS,
        seconds: count("seconds", values.seconds ?? (quick ? 1 : 4), 0.1),
        warmup: quick ? 0.3 : 1,
        window: 256,
        repeat: count("repeat", values.repeat ?? (quick ? 1 : 2), 1),
        again: 1,
        refine: quick || values.steps ? 0 : 2,
    };
}

const stepsOf = ({ part }, { connections }) => [...new Set(connections.map((step) => Math.ceil(step * part)))];

// after: called with what there is so far, so that a long measurement that is interrupted leaves it.
async function measure(parts, settings, after) {
    const results = {};
    const add = (name, value) => after(Object.assign(results, { [name]: value }));
    if (parts.includes("operations")) {
        say("what Redis does for one of each operation");
        add("operations", await measureOperations(settings, say));
    }
    if (parts.includes("updates")) {
        say(`updates in steps, ${settings.seconds} s each, until p99 is over ${settings.limit} ms`);
        add("updates", await measureUpdates(settings, say));
    }
    if (parts.includes("connections")) {
        say(`idle connections in steps to ${settings.connections.at(-1)}`);
        for (const kind of KINDS) {
            add("connections", [...(results.connections ?? []), await measureKind(kind, stepsOf(kind, settings), settings, say)]);
        }
    }
}

const { values, positionals, args } = readWords();
const unknown = positionals.find((word) => !PARTS.includes(word));
if (unknown) {
    fail(`there is no part '${unknown}', only ${PARTS.join(", ")}`);
}
const settings = { ...settingsOf(values), args };
const facts = {
    ...factsOf("scripts/bench capacity"),
    redis: redisVersion(),
    settings,
};
let text = "";
await measure(positionals.length > 0 ? positionals : PARTS, settings, (some) => {
    const results = { ...facts, ...some };
    text = tables(results);
    write(values.out, chart(results));
    if (values.json) {
        write(values.json, `${JSON.stringify(results, null, 1)}\n`);
    }
});
console.log(`\n${text}`);
say(`the chart is in ${values.out}${values.json ? `, all figures in ${values.json}` : ""}`);
process.exit(0);
