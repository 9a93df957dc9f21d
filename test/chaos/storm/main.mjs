// Main: the command line of scripts/chaos.

import { createWriteStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { SLOW } from "../../e2e/lib/patience.mjs";
import { check } from "./check.mjs";
import { History } from "./history.mjs";
import { lineOf, NAMES, planOf } from "./plan.mjs";
import { Storm } from "./storm.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
// How much larger a process may be in the last fifth of its life than in the middle one, and than in the first.
const GROWTH = 1.25;
const SLACK = 8 * 1024 * 1024;
const MOST = (SLOW === 1 ? 16 : 64) * 1024 * 1024;

const SPEC = {
    seed: { type: "string" },
    seconds: { type: "string", default: "120" },
    gateways: { type: "string", default: "3" },
    users: { type: "string", default: "5" },
    redis: { type: "string", default: "single" },
    fsync: { type: "string", default: "everysec" },
    only: { type: "string" },
    without: { type: "string", default: "" },
    out: { type: "string" },
    keep: { type: "boolean", default: false },
    plan: { type: "boolean", default: false },
    check: { type: "string" },
};

function misused(what) {
    console.error(`chaos: ${what}; see chaos --help`);
    process.exit(2);
}

function numberOf(values, name, from) {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < from || number > 2 ** 31) {
        misused(`--${name} wants a number from ${from}, not '${values[name]}'`);
    }
    return number;
}

function namesOf(text) {
    const names = text.split(",").filter(Boolean);
    const unknown = names.find((name) => !NAMES.includes(name));
    unknown && misused(`there is no fault '${unknown}', only ${NAMES.join(" ")}`);
    return names;
}

function optionsOf(args) {
    let values;
    try {
        ({ values } = parseArgs({ args, options: SPEC, strict: true }));
    } catch (error) {
        misused(error.message);
    }
    if (!["everysec", "always"].includes(values.fsync)) {
        misused(`--fsync wants everysec or always, not '${values.fsync}'`);
    }
    if (!["single", "cluster", "sentinel"].includes(values.redis)) {
        misused(`--redis wants single, cluster or sentinel, not '${values.redis}'`);
    }
    return {
        ...values,
        seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf(values, "seed", 0),
        seconds: numberOf(values, "seconds", 10),
        gateways: numberOf(values, "gateways", 1),
        users: numberOf(values, "users", 1),
        only: values.only === undefined ? NAMES : namesOf(values.only),
        without: namesOf(values.without),
    };
}

function tell({ violations, gone, counts }, lost) {
    console.log(`${counts.said} said, ${counts.acknowledged} acknowledged, ${counts.seen} seen`);
    for (const { since, until, why } of lost) {
        console.log(`Redis: what was acknowledged in ${((until - since) / 1000).toFixed(2)} s may be gone: ${why}`);
    }
    if (lost.length > 0) {
        console.log(`${gone.acknowledged} acknowledged commands and events are gone, as Redis documents`);
    }
    violations.forEach((one) => console.log(`VIOLATION ${one}`));
}

// What grew: of each process that lived long enough, by what it had in the middle of its life, and by what it had when it had
// settled. What waits for a slow reader or a frozen Redis costs some MiB meanwhile (600 requests of 8 KB: 20 MiB); a sanitizer
// keeps that.
function growth(memory, history) {
    const mean = (list) => list.reduce((sum, one) => sum + one, 0) / list.length;
    const mib = (bytes) => (bytes / 1048576).toFixed(1);
    for (const [pid, { slot, samples }] of memory) {
        const fifth = Math.floor(samples.length / 5);
        if (fifth < 4) {
            continue;
        }
        const [first, middle, last] = [0, 2, 4].map((i) => mean(samples.slice(i * fifth, (i + 1) * fifth)));
        if (last > middle * GROWTH + SLACK || last > first + MOST) {
            const words = [first, middle, last].map(mib).join(" to ");
            history.note("wrong", { what: `gateway ${slot} (${pid}) grew from ${words} MiB` });
        }
    }
}

// One run. The answer: its history.
export async function run(options, directory, say = console.log) {
    const history = new History(join(directory, "history.jsonl"));
    const log = createWriteStream(join(directory, "chaos.log"));
    const storm = new Storm(options, history, (line) => {
        say(line);
        log.write(`${line}\n`);
    });
    try {
        await storm.run(directory);
        growth(storm.stage.memory, history);
    } catch (error) {
        history.note("wrong", { what: `the run broke: ${error.stack}` });
    }
    await history.close();
    await new Promise((done) => log.end(done));
    return history.records;
}

export async function main(args) {
    const options = optionsOf(args);
    if (options.check !== undefined) {
        const { records } = History.read(options.check);
        const found = check(records);
        tell(
            found,
            records.filter(({ k }) => k === "lost"),
        );
        return found.violations.length > 0 ? 1 : 0;
    }
    const plan = planOf(options);
    const again = `--seed ${options.seed} --seconds ${options.seconds} --gateways ${options.gateways} --redis ${options.redis} --fsync ${options.fsync}`;
    console.log(`chaos ${again} --users ${options.users}`);
    if (options.plan) {
        plan.forEach((fault) => console.log(lineOf(fault)));
        return 0;
    }
    const directory = options.out ?? join(ROOT, "build", "chaos", String(options.seed));
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "plan.txt"), plan.map((fault) => `${lineOf(fault)}\n`).join(""));
    const records = await run(options, directory);
    const found = check(records);
    tell(
        found,
        records.filter(({ k }) => k === "lost"),
    );
    if (found.violations.length > 0) {
        console.log(`FAILED: seed ${options.seed}; plan, history and logs: ${directory}`);
        return 1;
    }
    options.keep || rmSync(directory, { recursive: true, force: true });
    console.log(`ok: seed ${options.seed}${options.keep ? `; plan, history and logs: ${directory}` : ""}`);
    return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    process.exit(await main(process.argv.slice(2)));
}
