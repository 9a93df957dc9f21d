// The driver of `scripts/bench shards`: does throughput grow with the masters of a Redis Cluster, with a gateway for each?
//
// All of them share this machine, so the rate that is reached says little. CPU time per update, node by node, says it:
// the busiest node of a kind is what bounds all of them once each has a core of its own.

import { join } from "node:path";

import { count, factsOf, readOptions, say, write } from "../driver/command.mjs";
import { median, number } from "../driver/figures.mjs";
import { BUILD } from "../driver/machine.mjs";
import { align } from "../driver/table.mjs";
import { lines, page } from "./plot.mjs";
import { measureFull } from "./updates.mjs";

const OPTIONS = {
    masters: { type: "string", default: "1,2,3" },
    processes: { type: "string" },
    window: { type: "string", default: "256" },
    seconds: { type: "string", default: "4" },
    repeat: { type: "string", default: "3" },
    generators: { type: "string", default: "1" },
    out: { type: "string", default: join(BUILD, "bench", "shards.svg") },
    json: { type: "string" },
};

function settingsOf() {
    const { values } = readOptions({ options: OPTIONS });
    const whole = (name) => Math.round(count(name, values[name], 1));
    const masters = values.masters.split(",").map((word) => Math.round(count("masters", word, 1)));
    const seconds = count("seconds", values.seconds, 0.1);
    const processes = values.processes ? whole("processes") : null; // null: one for each master
    return { masters, processes, seconds, window: whole("window"), repeat: whole("repeat"), generators: whole("generators"), out: values.out, json: values.json };
}

// Rounds in turns, so that a machine that gets slower does so for all.
async function measure({ masters, processes, repeat, seconds, window, generators }) {
    const all = masters.map((count) => ({ masters: count, runs: [] }));
    for (let round = 1; round <= repeat; round++) {
        for (const row of all) {
            const settings = { processes: processes ?? row.masters, masters: row.masters, generators, repeat: 1, warmup: 1, seconds, window: window * row.masters };
            const run = await measureFull(settings);
            if (run.lost > 0 || run.doubled > 0) {
                throw new Error(`${run.lost} updates were lost, ${run.doubled} came twice`);
            }
            row.runs.push(run);
            say(`[${round}/${repeat}] ${row.masters} masters: ${number(run.rate, 0)}/s; the busiest gateway ${number(run.busiest.gateway, 1)} µs, the busiest master ${number(run.busiest.redis, 1)} µs per update`);
        }
    }
    return all.map(({ masters: count, runs }) => {
        const middle = (pick) => median(runs.map(pick));
        return {
            masters: count,
            rate: middle((run) => run.rate),
            micros: { gateway: middle((run) => run.micros.gateway), redis: middle((run) => run.micros.redis) },
            busiest: { gateway: middle((run) => run.busiest.gateway), redis: middle((run) => run.busiest.redis) },
        };
    });
}

const carries = (row, role) => 1e6 / row.busiest[role];

function table(rows, { window, processes }) {
    const head = [processes ? `masters, with ${processes} gateways` : "masters, and gateways", "µs: all gateways", "the busiest", "carry/s", "growth", "µs: all masters", "the busiest", "carry/s", "growth", "came here/s"];
    const of = (row, role) => [
        number(row.micros[role], 1),
        number(row.busiest[role], 1),
        number(Math.round(carries(row, role) / 100) * 100, 0),
        `${number(carries(row, role) / carries(rows[0], role), 2)} x`,
    ];
    const body = rows.map((row) => [String(row.masters), ...of(row, "gateway"), ...of(row, "redis"), number(row.rate, 0)]);
    return `CPU time per update, 1,000 users with 3 devices, ${window} updates in flight for each master

${align([head, ...body])}

- carry/s: updates per second once each node has a core of its own, by the CPU time of the busiest of a kind
- came here/s: all nodes and the load generator shared this machine
`;
}

function chart(rows, machine, when, { processes }) {
    const series = (value) => [
        { title: "gateways", colour: 1, points: rows.map((row) => [row.masters, value(row, "gateway")]) },
        { title: "masters", colour: 2, points: rows.map((row) => [row.masters, value(row, "redis")]) },
    ];
    const x = { title: processes ? `masters, with ${processes} gateways` : "masters, with a gateway each", whole: true };
    return page({
        title: "Throughput grows with the masters",
        subtitle: `${machine.cpu}, ${machine.system}; ${when}`,
        panels: [
            lines({ name: "CPU time per update of the busiest node", x, y: { title: "microseconds" }, series: series((row, role) => row.busiest[role]) }),
            lines({ name: "What they carry, a core for each", x, y: { title: "updates per second" }, series: series(carries) }),
        ],
        notes: ["All nodes and the load generator shared this machine: what they carry is worked out from the CPU time of the busiest node of a kind."],
    });
}

function keep(path, text) {
    write(path, text);
    say(`wrote ${path}`);
}

const settings = settingsOf();
const { when, command, machine } = factsOf("scripts/bench shards");
const rows = await measure(settings);
console.log(`\n${table(rows, settings)}\n- ${machine.cpu}, ${machine.system}; ${when}; ${command}`);
keep(settings.out, chart(rows, machine, when, settings));
if (settings.json) {
    keep(settings.json, `${JSON.stringify({ when, machine, settings, rows }, null, 1)}\n`);
}
process.exit(0);
