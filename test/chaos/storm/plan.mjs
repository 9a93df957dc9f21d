// Plan: what is done to whom and when: a pure function of the seed, the seconds and the number of gateways.
//
// A fault is {at, what, who, ms, ...}: `at` seconds after the beginning, `who` a gateway's number or a client's (taken
// modulo those that there are), `ms` how long it lasts. Faults overlap as they come. The last CALM_S seconds have none.

import { Random } from "./random.mjs";

export const CALM_S = 2;
const FIRST_S = 3; // everybody has come
const GAP_S = [0.3, 2.2]; // from one fault to the next

// What may happen: how often beside the others, how long it lasts (ms), in words, and with which Redis (`on`; all).
const SINGLE = ["single"];
const SHARDS = ["cluster", "sentinel"];
const FAULTS = {
    "gateway-kill": { weight: 10, ms: [200, 3000], says: "kill -9 of gateway {who}, back after {ms} ms" },
    "gateway-term": { weight: 4, ms: [100, 1000], says: "SIGTERM to gateway {who}, a new one {ms} ms after its end" },
    "gateway-pause": { weight: 6, ms: [300, 4000], says: "SIGSTOP of gateway {who} for {ms} ms" },
    "redis-kill": { on: SINGLE, weight: 4, ms: [50, 2500], says: "kill -9 of Redis, back after {ms} ms" },
    "redis-power": { on: SINGLE, weight: 3, ms: [50, 2500], says: "Redis's machine loses power, back after {ms} ms" },
    "redis-pause": { on: SINGLE, weight: 6, ms: [200, 5000], says: "SIGSTOP of Redis for {ms} ms" },
    "redis-hangup": { on: SINGLE, weight: 4, ms: [0, 0], says: "Redis drops its {kind} clients" },
    "link-cut": { on: SINGLE, weight: 5, ms: [0, 1500], says: "gateway {who} cannot reach Redis for {ms} ms" },
    "link-delay": {
        on: SINGLE,
        weight: 4,
        ms: [500, 3000],
        says: "gateway {who} <-> Redis takes {by} ms longer, for {ms} ms",
    },
    "link-half": { on: SINGLE, weight: 4, ms: [500, 5000], says: "gateway {who} <-> Redis is deaf {way}, for {ms} ms" },
    "link-split": {
        on: SINGLE,
        weight: 4,
        ms: [0, 0],
        says: "gateway {who} <-> Redis ends in the middle of a message",
    },
    "master-kill": { on: SHARDS, weight: 5, ms: [100, 7000], says: "kill -9 of a Redis master, back after {ms} ms" },
    "master-pause": { on: SHARDS, weight: 4, ms: [300, 6000], says: "SIGSTOP of a Redis master for {ms} ms" },
    "master-handover": { on: SHARDS, weight: 4, ms: [0, 0], says: "a Redis master hands over to its replica" },
    "slot-move": { on: ["cluster"], weight: 6, ms: [0, 0], says: "a slot in use moves to another Redis master" },
    "net-cut": { weight: 6, ms: [0, 1500], says: "all clients lose gateway {who}, for {ms} ms" },
    "net-delay": { weight: 5, ms: [500, 4000], says: "clients <-> gateway {who} takes {by} ms longer, for {ms} ms" },
    "net-half": { weight: 5, ms: [500, 6000], says: "clients <-> gateway {who} is deaf {way}, for {ms} ms" },
    "net-split": { weight: 6, ms: [0, 0], says: "clients <-> gateway {who} end in the middle of a message" },
    "slow-reader": { weight: 7, ms: [500, 5000], says: "client {who} does not read for {ms} ms, and is told much" },
    "client-gone": { weight: 5, ms: [0, 4000], says: "client {who} goes without a word, back after {ms} ms" },
};

export const NAMES = Object.keys(FAULTS);

// options: {seed, seconds, gateways, redis (single, cluster, sentinel), only (names), without (names)}.
export function planOf({ seed, seconds, gateways, redis = "single", only = NAMES, without = [] }) {
    const random = new Random(seed);
    const fits = (name) => FAULTS[name].on?.includes(redis) ?? true;
    const names = only.filter((name) => fits(name) && !without.includes(name));
    const weights = Object.fromEntries(names.map((name) => [name, FAULTS[name].weight]));
    const plan = [];
    for (let at = FIRST_S; names.length > 0; at += random.between(...GAP_S)) {
        const what = random.weighted(weights);
        const fault = { at: Number(at.toFixed(3)), what, ms: Math.round(random.between(...FAULTS[what].ms)) };
        fault.who = random.below(what === "slow-reader" || what === "client-gone" ? 2 ** 20 : gateways);
        fault.by = 20 + random.below(600);
        fault.way = random.pick(["in", "out"]);
        fault.kind = random.pick(["normal", "pubsub"]);
        if (at + fault.ms / 1000 > seconds - CALM_S) {
            if (at > seconds - CALM_S) {
                break;
            }
            continue;
        }
        plan.push(fault);
    }
    return plan;
}

export function sentenceOf(fault, whoIs = (who) => who) {
    const words = FAULTS[fault.what].says.replace("{who}", whoIs(fault.who));
    return words.replace(/\{(\w+)\}/g, (_, name) => fault[name]);
}

export function lineOf(fault) {
    return `${fault.at.toFixed(3).padStart(9)} s  ${fault.what.padEnd(14)} ${sentenceOf(fault)}`;
}
