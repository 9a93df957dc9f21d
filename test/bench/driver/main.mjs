// The driver of scripts/bench: measures each workload against each contestant, in turns, and writes down what came out.

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { runCell } from "./cell.mjs";
import { chart } from "./chart.mjs";
import { count, factsOf, fail, readOptions, say } from "./command.mjs";
import { CONTESTANTS } from "./contestants.mjs";
import { figuresOf, number } from "./figures.mjs";
import { BUILD, load, redisVersion } from "./machine.mjs";
import { tables } from "./table.mjs";
import { WORKLOADS } from "./workloads.mjs";

// The workloads without a server have one contestant: Redis itself.
const ALONE = { name: "redis", title: "pipelined client", redis: true };

const OPTIONS = {
    quick: { type: "boolean" },
    list: { type: "boolean" },
    profile: { type: "boolean" },
    repeat: { type: "string" },
    seconds: { type: "string" },
    out: { type: "string", default: join(BUILD, "bench") },
    cores: { type: "string", default: "0,1" },
};

function list() {
    for (const [title, rows] of [["workloads", WORKLOADS], ["contestants", CONTESTANTS]]) {
        console.log(`${title}:`);
        for (const row of rows) {
            console.log(`  ${row.name.padEnd(16)} ${row.title}${row.group ? ` [${row.group}]` : ""}`);
        }
    }
}

function choose(words) {
    const isWorkload = (word) => (row) => row.name === word || row.group === word;
    const isContestant = (word) => (row) => row.name === word;
    for (const word of words) {
        if (!WORKLOADS.some(isWorkload(word)) && !CONTESTANTS.some(isContestant(word))) {
            fail(`there is neither a workload nor a contestant '${word}'; see --list`);
        }
    }
    const workloads = WORKLOADS.filter((row) => words.some((word) => isWorkload(word)(row)));
    const contestants = CONTESTANTS.filter((row) => words.some((word) => isContestant(word)(row)));
    return [workloads.length > 0 ? workloads : WORKLOADS, contestants.length > 0 ? contestants : CONTESTANTS];
}

function settingsOf(values) {
    const [server, loadCore] = values.cores.split(",").map((core) => count("cores", core, 0));
    return {
        quick: values.quick,
        repeat: count("repeat", values.repeat ?? (values.quick ? 1 : 3), 1),
        seconds: count("seconds", values.seconds ?? (values.quick ? 0.8 : 5), 0.1),
        warmup: values.quick ? 0.4 : 1,
        profile: values.profile,
        out: resolve(values.out),
        cores: { server, load: loadCore },
    };
}

function shorten({ quick = {}, figures, ...workload }) {
    const kept = Object.entries(figures).filter(([name]) => !quick.without?.includes(name));
    return { ...workload, ...quick, figures: Object.fromEntries(kept) };
}

function cellsOf(workloads, contestants) {
    return workloads.flatMap((workload) =>
        (workload.alone ? [ALONE] : contestants).map((contestant) => ({ workload, contestant, reports: [], errors: [] })));
}

function summary(cell) {
    const { workload } = cell;
    const figures = figuresOf({ ...cell, reports: cell.reports.slice(-1) });
    return Object.entries(figures)
        .slice(0, 3)
        .map(([name, { median }]) => `${number(median, workload.figures[name][1])} ${workload.figures[name][0]}`)
        .join(", ");
}

// after: called when a round is complete, so that a long measurement that is interrupted leaves what it has.
async function measure(cells, settings, after) {
    const total = cells.length * settings.repeat;
    let done = 0;
    for (let round = 1; round <= settings.repeat; round++) {
        for (const cell of cells) {
            const { workload, contestant } = cell;
            process.stderr.write(`[${++done}/${total}] ${workload.name} ${contestant.name}: `);
            try {
                cell.reports.push({ ...(await runCell(workload, contestant, settings)), load: load() });
                process.stderr.write(`${summary(cell)}\n`);
            } catch (error) {
                cell.reports.push(null);
                cell.errors.push(error.message);
                process.stderr.write(`FAILED: ${error.message}\n`);
            }
        }
        after();
    }
}

function versionsOf(contestants) {
    const versions = Object.fromEntries(contestants.map((row) => [row.name, row.version()]));
    versions.redis = redisVersion();
    return versions;
}

function write(cells, workloads, contestants, settings) {
    for (const cell of cells) {
        cell.figures = figuresOf(cell);
    }
    const facts = {
        ...factsOf("scripts/bench"),
        versions: versionsOf(contestants),
        notes: contestants.filter((row) => row.lacks).map((row) => `${row.title}: ${row.lacks}`),
    };
    const text = tables(workloads, cells, facts);
    const results = cells.map(({ workload, contestant, figures, reports, errors }) =>
        ({ workload: workload.name, contestant: contestant.name, figures, reports, errors }));
    writeFileSync(join(settings.out, "results.json"), `${JSON.stringify({ ...facts, settings: { ...settings, out: undefined }, results }, null, 1)}\n`);
    writeFileSync(join(settings.out, "table.md"), text);
    writeFileSync(join(settings.out, "chart.svg"), chart(workloads, cells));
    return text;
}

const { values, positionals } = readOptions({ options: OPTIONS, allowPositionals: true });
if (values.list) {
    list();
    process.exit(0);
}
const settings = settingsOf(values);
const [chosen, contestants] = choose(positionals);
const workloads = settings.quick ? chosen.filter((row) => row.quick !== false).map(shorten) : chosen;
mkdirSync(settings.out, { recursive: true });
const cells = cellsOf(workloads, contestants);
let text = "";
await measure(cells, settings, () => (text = write(cells, workloads, contestants, settings)));
console.log(`\n${text}`);
say(`results.json, table.md and chart.svg are in ${settings.out}`);
process.exit(cells.some((cell) => cell.errors.length > 0) ? 1 : 0);
