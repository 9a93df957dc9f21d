// Keeper: child processes and temporary directories that do not outlive the test, however it ends.
//
// `setpriv --pdeathsig` makes the kernel kill a child when the test itself is killed.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SETPRIV = ["/usr/bin/setpriv", "/bin/setpriv"].find(existsSync);

const children = new Set();
const directories = new Set();

function leaveNothing() {
    for (const child of children) {
        child.kill("SIGKILL");
    }
    for (const directory of directories) {
        rmSync(directory, { recursive: true, force: true });
    }
}

process.on("exit", leaveNothing);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => process.exit(1));
}

// A child process with `ended`: a promise of {code, signal}.
export function keep(command, args, options = {}) {
    const child = SETPRIV
        ? spawn(SETPRIV, ["--pdeathsig", "KILL", command, ...args], options)
        : spawn(command, args, options);
    children.add(child);
    child.ended = new Promise((resolve) => {
        child.once("error", (error) => {
            children.delete(child);
            resolve({ code: null, signal: null, error });
        });
        child.once("close", (code, signal) => {
            children.delete(child);
            resolve({ code, signal });
        });
    });
    return child;
}

export function temporaryDirectory() {
    const directory = mkdtempSync(join(tmpdir(), "segue-"));
    directories.add(directory);
    return directory;
}

export function removeDirectory(directory) {
    directories.delete(directory);
    rmSync(directory, { recursive: true, force: true });
}
