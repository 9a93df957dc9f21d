// Gateway: one `segue` process, started as an operator would, seen through its ports, its log and its metrics.
//
// SEGUE_BIN chooses the binary. A process that ends with a sanitizer's complaint fails the test that stops it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { request } from "./http.mjs";
import { keep } from "./keeper.mjs";
import { Metrics } from "./metrics.mjs";
import { patient, until, within } from "./patience.mjs";

export const BINARY = process.env.SEGUE_BIN ?? fileURLToPath(new URL("../../../build/segue", import.meta.url));

const COMPLAINTS = /ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|WARNING: MemorySanitizer|Assertion .* failed/;

// {"max-message": 100, "jwt-key": ["a=1", "b=2"], "help": true} -> arguments. null: left out.
export function argumentsOf(flags) {
    const args = [];
    for (const [name, value] of Object.entries(flags)) {
        for (const one of Array.isArray(value) ? value : [value]) {
            if (one === true) {
                args.push(`--${name}`);
            } else if (one !== null && one !== undefined) {
                args.push(`--${name}`, String(one));
            }
        }
    }
    return args;
}

// The environment of a gateway: ours without any twin of a flag. AddressSanitizer keeps little of what was freed, so
// that the size of the process still says something.
export function environment(extra = {}) {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("SEGUE_"));
    const sanitizer = [process.env.ASAN_OPTIONS, "quarantine_size_mb=4"].filter(Boolean).join(":");
    return { ...Object.fromEntries(kept), ASAN_OPTIONS: sanitizer, ...extra };
}

// Runs the binary to its end: {code, stdout, stderr}. For what does not serve: --help, bad values. files: a limit of open files.
export function runOnce(args, env = {}, files = 0) {
    const [program, ...rest] = files ? ["prlimit", `--nofile=${files}`, BINARY, ...args] : [BINARY, ...args];
    const run = spawnSync(program, rest, { env: environment(env), encoding: "utf8", timeout: patient() });
    return { code: run.status, signal: run.signal, stdout: run.stdout, stderr: run.stderr };
}

export class Gateway {
    port = 0;
    adminPort = 0;
    host = "127.0.0.1";
    log = "";
    #child;
    #ending = false;
    #direct = null;

    // Both listeners take free ports unless told otherwise; port: the public one, when the log will not say it; files:
    // a limit of open files; ready: wait until /readyz says 200; binary: another program that takes the same flags.
    static async start({ flags = {}, env = {}, port = 0, files = 0, ready = true, binary = BINARY } = {}) {
        assert.ok(existsSync(binary), `${binary} is not there: build it first`);
        const gateway = new Gateway();
        const all = { listen: "127.0.0.1:0", "admin-listen": "127.0.0.1:0", drain: 0, ...flags };
        const command = [binary, ...argumentsOf(all)];
        gateway.#spawn(files ? ["prlimit", `--nofile=${files}`, ...command] : command, environment(env));
        try {
            await gateway.#come(all["admin-listen"] !== "", port, ready);
        } catch (error) {
            await gateway.kill(); // or it would keep the test's process from ending
            throw error;
        }
        return gateway;
    }

    async #come(admin, port, ready) {
        if (port) {
            this.port = port;
        } else {
            await this.#learnPorts(admin);
        }
        if (ready) {
            await this.ready();
        }
    }

    #spawn([program, ...args], env) {
        this.#child = keep(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
        this.#child.stderr.on("data", (text) => (this.log += text));
        this.#child.stdout.on("data", (text) => (this.log += text));
    }

    async #learnPorts(admin) {
        await until(
            () => this.isOver || (this.address("listening") && (!admin || this.address("admin listening"))),
            () => `the gateway listens; its log:\n${this.log}`,
        );
        if (this.isOver) {
            throw new Error(`the gateway ended at once: ${this.log}`);
        }
        const [, host, port] = this.address("listening").match(/^\[?(.*?)\]?:(\d+)$/);
        this.host = host === "0.0.0.0" ? "127.0.0.1" : host;
        this.port = Number(port);
        this.adminPort = admin ? Number(this.address("admin listening").split(":").at(-1)) : 0;
    }

    get isOver() {
        return this.#child.exitCode !== null || this.#child.signalCode !== null;
    }

    get pid() {
        return this.#child.pid;
    }

    // The promise of {code, signal}.
    get ended() {
        return this.#child.ended;
    }

    // What the log says about a listener, in either format.
    address(event) {
        const text = this.log.match(new RegExp(` info ${event} address=(\\S+)`));
        const json = this.log.match(new RegExp(`"event":"${event}","address":"([^"]+)"`));
        return (text ?? json)?.[1];
    }

    url(path = "/") {
        return `http://${this.host.includes(":") ? `[${this.host}]` : this.host}:${this.port}${path}`;
    }

    adminUrl(path = "/") {
        return `http://127.0.0.1:${this.adminPort}${path}`;
    }

    get(path, options) {
        return request(this.url(path), options);
    }

    // Where it listens itself, whatever stands in front of it.
    get direct() {
        return this.#direct ?? { host: this.host, port: this.port };
    }

    // From now on clients are sent to the front.
    standBehind(front) {
        this.#direct = this.direct;
        this.host = front.host;
        this.port = front.port;
    }

    // It takes clients, and reaches all of Redis: in a cluster a part of it is enough for /readyz.
    async isReady() {
        if ((await this.get("/readyz")).status !== 200) {
            return false;
        }
        return this.adminPort === 0 || (await this.metrics()).get("segue_redis_up") === 1;
    }

    ready(ms = patient()) {
        const done = async () => this.isOver || (await this.isReady());
        return until(done, () => `it is ready; the log:\n${this.log}`, ms);
    }

    async metrics() {
        const answer = await request(this.adminUrl("/metrics"));
        assert.equal(answer.status, 200, "/metrics answers");
        return new Metrics(answer.text);
    }

    signal(name) {
        this.#child.kill(name);
    }

    async kill() {
        this.#ending = true;
        this.signal("SIGKILL");
        await this.ended;
    }

    // SIGTERM; gives the exit code.
    terminate() {
        this.signal("SIGTERM");
        return this.left();
    }

    // The exit code of a process that was told to go.
    async left() {
        const { code } = await within(this.ended, "end of a gateway after a signal");
        this.#ending = true;
        return code;
    }

    residentBytes() {
        const [, pages] = readFileSync(`/proc/${this.pid}/statm`, "utf8").split(" ");
        return Number(pages) * 4096;
    }

    openFiles() {
        return readdirSync(`/proc/${this.pid}/fd`).length;
    }

    // For the end of a test: it must leave politely and clean, unless the test ended it already.
    async close() {
        if (!this.#ending && !this.isOver) {
            this.signal("SIGCONT");
            this.signal("SIGTERM");
            try {
                const { code, signal } = await within(this.ended, "end of a gateway after SIGTERM", patient(15000));
                assert.equal(code, 0, `a gateway ended with code ${code}, signal ${signal}; its log:\n${this.log}`);
            } finally {
                this.signal("SIGKILL");
            }
        } else if (!this.#ending) {
            const { code, signal } = await this.ended;
            assert.fail(`a gateway ended on its own with code ${code}, signal ${signal}; its log:\n${this.log}`);
        }
        assert.doesNotMatch(this.log, COMPLAINTS);
    }
}
