// Command: what the drivers of scripts/bench share: their options, what they say meanwhile, and what they leave behind.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";

import { describe } from "./machine.mjs";

export const say = (line) => console.error(`bench: ${line}`);

export function fail(message) {
    say(message);
    process.exit(2);
}

// parseArgs, but what it does not understand is the end.
export function readOptions(config) {
    try {
        return parseArgs(config);
    } catch (error) {
        return fail(error.message);
    }
}

// The number that an option holds, `least` or more.
export function count(name, text, least) {
    const value = Number(text);
    return Number.isFinite(value) && value >= least ? value : fail(`--${name} wants a number from ${least}, not '${text}'`);
}

// What stands beside all figures: when, how and where they were measured.
export function factsOf(name) {
    return {
        when: new Date().toISOString().slice(0, 16).replace("T", " "),
        command: [name, ...process.argv.slice(2)].join(" "),
        machine: describe(),
    };
}

export function write(path, text) {
    mkdirSync(dirname(resolve(path)), { recursive: true });
    writeFileSync(path, text);
}
