// Script: one of scripts/, run as a person would, with the text that it prints.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { keep } from "../../e2e/lib/keeper.mjs";
import { patient, until, within } from "../../e2e/lib/patience.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export function pathOf(name) {
    return `${ROOT}${name}`;
}

// Our environment without the twins of flags; SEGUE_BIN stays, because it says what is tested.
function environment(extra) {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("SEGUE_") || name === "SEGUE_BIN");
    return { ...Object.fromEntries(kept), ...extra };
}

// Runs a script to its end: {code, stdout, stderr}.
export function run(name, args, env = {}) {
    const ended = spawnSync(pathOf(`scripts/${name}`), args, {
        env: environment(env),
        encoding: "utf8",
        timeout: patient(60000),
    });
    return { code: ended.status, stdout: ended.stdout, stderr: ended.stderr };
}

// Does a process with this id run (and not only wait to be reaped)?
export function lives(pid) {
    try {
        return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
        return false;
    }
}

// A script that goes on running, in a process group of its own like one that was typed at a prompt.
export class Running {
    output = "";
    #child;

    constructor(name, args, env = {}) {
        this.#child = keep(pathOf(`scripts/${name}`), args, {
            env: environment(env),
            stdio: ["ignore", "pipe", "pipe"],
            detached: true,
        });
        this.#child.stdout.on("data", (text) => (this.output += text));
        this.#child.stderr.on("data", (text) => (this.output += text));
    }

    get pid() {
        return this.#child.pid;
    }

    // Waits for a text and gives its match.
    async says(pattern) {
        const match = () => this.output.match(pattern);
        await until(() => match() || this.#child.exitCode !== null, () => `${pattern} in:\n${this.output}`, patient(30000));
        return match() ?? Promise.reject(new Error(`it ended with ${this.#child.exitCode}:\n${this.output}`));
    }

    // To the whole group, as a terminal does it for Ctrl-C.
    interrupt() {
        process.kill(-this.pid, "SIGINT");
    }

    // Harmless when it has ended.
    signal(name) {
        this.#child.kill(name);
    }

    // The exit code.
    async ended() {
        const { code } = await within(this.#child.ended, () => `end of the script; it said:\n${this.output}`, patient(20000));
        return code;
    }
}
