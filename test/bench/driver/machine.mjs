// Machine: processes on their cores, files, and what the machine is. Children and directories end with the driver,
// however it ends (the keeper of the black-box tests sees to that).

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus, loadavg, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { keep, removeDirectory, temporaryDirectory } from "../../e2e/lib/keeper.mjs";
import { freePort } from "../../e2e/lib/redis.mjs";

export { freePort, removeDirectory, sleep, temporaryDirectory };

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const BUILD = `${ROOT}build`;
export const SECRET = "the key of the benchmark's tokens, which is long enough";

const READY_MS = 20000;
const END_MS = 15000;

// A process on one core (null: on any), with what it says in `log`.
export function launch(core, command, args, options = {}) {
    const pinned = core === null ? [] : ["taskset", "-c", core];
    const [first, ...words] = [...pinned, command, ...args].map(String);
    const child = keep(first, words, { stdio: ["ignore", "pipe", "pipe"], ...options });
    child.log = "";
    child.stdout.on("data", (text) => (child.log += text));
    child.stderr.on("data", (text) => (child.log += text));
    return child;
}

export async function end(child, signal = "SIGTERM") {
    if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await Promise.race([child.ended, sleep(END_MS)]);
        child.kill("SIGKILL");
        await child.ended;
    }
}

function accepts(port) {
    return new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.once("connect", () => (socket.destroy(), resolve(true)));
        socket.once("error", () => resolve(false));
    });
}

// Until it holds; throws with the child's log when it takes too long or the child ends.
export async function until(holds, child, what) {
    const limit = Date.now() + READY_MS;
    while (!(await holds())) {
        if (child.exitCode !== null || child.signalCode !== null || Date.now() > limit) {
            throw new Error(`${what} did not get ready:\n${child.log}`);
        }
        await sleep(20);
    }
}

export const listens = (port, child, what) => until(() => accepts(port), child, what);

// A Redis without persistence; port, pid, end().
export async function startRedis(core, more = []) {
    const directory = temporaryDirectory();
    const port = await freePort();
    const settings = ["--port", port, "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no"];
    const child = launch(core, "redis-server", [...settings, "--loglevel", "warning", ...more]);
    await listens(port, child, "Redis");
    return {
        port,
        pid: child.pid,
        async end() {
            await end(child, "SIGKILL");
            removeDirectory(directory);
        },
    };
}

// Runs the load generator to its end and gives what it reports.
export async function generate(core, args) {
    const child = launch(core, `${BUILD}/segue-bench`, args);
    let out = "";
    child.stdout.on("data", (text) => (out += text));
    const { code } = await child.ended;
    if (code !== 0) {
        throw new Error(child.log.trim());
    }
    return JSON.parse(out);
}

export function output(command, args) {
    try {
        return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
    } catch {
        return "";
    }
}

export function redisVersion() {
    return output("redis-server", ["--version"]).replace(/^Redis server v=(\S+).*/s, "Redis $1");
}

export function load() {
    return loadavg()[0];
}

export function describe() {
    const release = readFileSync("/etc/os-release", "utf8").match(/^PRETTY_NAME="?([^"\n]*)/m)?.[1];
    return {
        cpu: `${cpus().length} x ${cpus()[0].model}`,
        memory: totalmem(),
        system: `${release}, Linux ${output("uname", ["-r"])}`,
    };
}
