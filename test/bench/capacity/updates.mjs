// Updates: more and more of them per second, until they come late or not all; what each costs on the way there.
//
// The load generator shares the machine with what it measures, so the rate at which this ends is the machine's, not
// Segue's. CPU time per update is Segue's, and says what a core of a gateway or of Redis could do alone.

import { generate } from "../driver/machine.mjs";
import { median } from "../driver/figures.mjs";
import { cores } from "./proc.mjs";
import { startSite } from "./site.mjs";

const DEVICES = 3; // of a user
const USERS = 1000;
const KEEPS_UP = 0.97; // of what is offered
const FULL = 0.9; // of a core, or of all of them
const OVERLOADED = /unavailable|was closed: 10\d\d|503 /; // what a gateway says to more than it can take
const GIVE_UP = 2; // steps that were not kept up with, one after the other

export const DEFAULT_STEPS = [500, 1000, 2000, 4000, 6000, 8000, 12000, 16000, 24000, 32000, 48000, 64000, 96000, 128000, 192000, 256000];

const sum = (values) => values.reduce((a, b) => a + b, 0);

// Cores that a role's processes had ("cpu"), or would have had ("waited"): {gateway: [..], redis: [..], generator: [..]}.
function coresOf(reports, what) {
    const named = (name) => {
        const keys = Object.keys(reports[0].cpu).filter((key) => new RegExp(`^${name}\\d*$`).test(key));
        return keys.map((key) => median(reports.map((report) => report.cpu[key][what] / report.seconds)));
    };
    const generator = reports.map((report) => report.cpu.generator[what] / report.seconds);
    return { gateway: named("server"), redis: named("redis"), generator };
}

// All generators at once, each with its part of the users.
async function generateAll(site, generators, args) {
    await site.ready();
    const share = USERS / generators;
    return Promise.all(
        Array.from({ length: generators }, (_, i) => {
            const [first, next] = [Math.floor(i * share), Math.floor((i + 1) * share)];
            return generate(null, ["sync", ...site.generatorArgs(), "--users", next - first, "--first", first, "--devices", DEVICES, ...args]);
        }),
    );
}

// How many updates per second, what they took, how late they came. offered: null when as many as go.
function resultOf(reports, offered) {
    const used = coresOf(reports, "cpu");
    const rate = sum(reports.map((report) => report.updates / report.seconds));
    const per = (values) => (sum(values) / rate) * 1e6;
    return {
        offered,
        rate,
        p50: Math.max(...reports.map((report) => report.latency.p50)) / 1000,
        p99: Math.max(...reports.map((report) => report.latency.p99)) / 1000,
        lost: sum(reports.map((report) => report.lost)),
        doubled: sum(reports.map((report) => report.doubled)),
        cores: used,
        waited: coresOf(reports, "waited"),
        busy: median(reports.map((report) => report.machine / report.seconds)),
        micros: { gateway: per(used.gateway), redis: per(used.redis), generator: per(used.generator) },
        busiest: { gateway: (Math.max(...used.gateway) / rate) * 1e6, redis: (Math.max(...used.redis) / rate) * 1e6 },
    };
}

// The run with the least p99, because what others do on this machine only makes it worse; CPU time as the median of all.
function best(runs) {
    const chosen = [...runs].sort((a, b) => a.p99 - b.p99)[0];
    const medians = (part) => Object.fromEntries(Object.keys(chosen[part]).map((key) => [key, median(runs.map((run) => run[part][key]))]));
    return { ...chosen, micros: medians("micros"), busiest: medians("busiest"), runs: runs.length };
}

function isSaturated(step, limitMs) {
    return step.p99 > limitMs || step.rate < step.offered * KEEPS_UP || step.lost > 0 || step.doubled > 0;
}

const ROLES = [
    ["gateway", "a gateway"],
    ["redis", "Redis"],
    ["generator", "the load generator"],
];

// What stood in the way, in words.
export function bottleneck(step) {
    if (step.refused) {
        return `updates were refused: ${step.refused}`;
    }
    const full = ROLES.filter(([role]) => Math.max(...step.cores[role]) >= FULL);
    if (full.length > 0) {
        return `${full.map(([, name]) => name).join(" and ")}: a whole core`;
    }
    const hungry = ROLES.filter(([role]) => step.cores[role].some((had, i) => had + step.waited[role][i] >= FULL));
    const [gateway, redis, generator] = ROLES.map(([role]) => sum(step.cores[role]));
    const others = Math.max(0, step.busy - gateway - redis - generator);
    const shares = [["gateways", gateway], ["Redis", redis], ["the load generator", generator], ["others", others]];
    const had = shares.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
    if (hungry.length > 0 || step.busy >= FULL * cores()) {
        const who = hungry.map(([, name]) => name).join(" and ") || "everybody";
        return `the machine: ${who} waited for a core; of ${cores()} there had: ${had}`;
    }
    return `no CPU; of ${cores()} cores there had: ${had}`;
}

// As often as settings say, and a few times more before it is said that it can't be done.
async function measureStep(site, offered, settings) {
    const args = ["--rate", offered / settings.generators, "--warmup", settings.warmup, "--seconds", settings.seconds, "--patience", 5];
    const runs = [];
    let step;
    let tries = 0;
    do {
        try {
            runs.push(resultOf(await generateAll(site, settings.generators, args), offered));
            step = best(runs);
            step.saturated = isSaturated(step, settings.limit);
        } catch (error) {
            if (!OVERLOADED.test(error.message)) {
                throw error;
            }
            step ??= { offered, saturated: true, refused: error.message };
        }
        tries++;
    } while (tries < settings.repeat || (step.saturated && tries < settings.repeat + settings.again));
    return step;
}

function told(step) {
    if (step.refused) {
        return `${step.offered} updates/s: refused (${step.refused})`;
    }
    const cpu = `gateway ${step.micros.gateway.toFixed(1)} µs, Redis ${step.micros.redis.toFixed(1)} µs each`;
    return `${step.offered} updates/s: ${Math.round(step.rate)}/s came, p99 ${step.p99.toFixed(1)} ms, ${cpu}`;
}

// knee: the highest step that was kept up with; stop: the next one; null: there was none.
function judge(steps) {
    const sorted = [...steps].sort((a, b) => a.offered - b.offered);
    const at = sorted.findLastIndex((step) => !step.saturated);
    return { steps: sorted, knee: sorted[at] ?? null, stop: sorted[at + 1] ?? null };
}

async function runFull(site, settings) {
    const window = Math.max(1, Math.round(settings.window / settings.generators));
    const args = ["--window", window, "--warmup", settings.warmup, "--seconds", settings.seconds];
    const runs = [];
    for (let i = 0; i < settings.repeat; i++) {
        runs.push(resultOf(await generateAll(site, settings.generators, args), null));
    }
    return best(runs);
}

// {steps, knee, stop, bottleneck, full}. settings: processes, masters, generators, steps, repeat, again, refine, warmup,
// seconds, limit (ms of p99), window.
export async function measureUpdates(settings, say) {
    const site = await startSite(settings);
    try {
        await site.seed(USERS);
        const steps = [];
        const measure = async (offered) => {
            const step = await measureStep(site, offered, settings);
            steps.push(step);
            say(told(step));
        };
        for (const offered of settings.steps) {
            await measure(offered);
            if (steps.slice(-GIVE_UP).filter((step) => step.saturated).length === GIVE_UP) {
                break;
            }
        }
        for (let i = 0; i < settings.refine && judge(steps).stop; i++) {
            const { knee, stop } = judge(steps);
            await measure(Math.round(((knee?.offered ?? 0) + stop.offered) / 2));
        }
        const result = judge(steps);
        const full = await runFull(site, settings);
        say(`as many as go: ${Math.round(full.rate)}/s, gateway ${full.micros.gateway.toFixed(1)} µs, Redis ${full.micros.redis.toFixed(1)} µs each`);
        return { users: USERS, devices: DEVICES, ...result, bottleneck: result.stop && bottleneck(result.stop), full };
    } finally {
        await site.end();
    }
}

// As many as go, with so many in flight: what a core does that has no time to be idle, and what each node takes of it.
export async function measureFull(settings) {
    const site = await startSite(settings);
    try {
        await site.seed(USERS);
        return await runFull(site, settings);
    } finally {
        await site.end();
    }
}
