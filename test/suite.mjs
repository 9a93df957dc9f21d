// Suite: runs test files side by side, each in a process of its own, and gives those that failed a second chance, alone.
//
//     node test/suite.mjs [--side-by-side N] [--limit SECONDS] FILE...
//
// Most of these tests measure what happens in time between real processes; on a busy machine one of many can be late by
// accident. What fails twice, the second time with the machine for itself, is no accident. A file that needed its second
// chance is named, with what it said the first time. The last lines are the sums, as node's own runner prints them.

import { spawn } from "node:child_process";

const options = { "--side-by-side": 2, "--limit": 300 };
const files = [];
for (let i = 2; i < process.argv.length; i++) {
    if (process.argv[i] in options) {
        options[process.argv[i]] = Number(process.argv[++i]);
    } else {
        files.push(process.argv[i]);
    }
}

const SUMS = ["pass", "fail", "cancelled", "skipped", "todo"];
const sums = Object.fromEntries(SUMS.map((name) => [name, 0]));
const late = [];
const running = new Set();

// A group of its own, so that a file that hangs ends with all its children.
function run(file) {
    return new Promise((done) => {
        const began = Date.now();
        const child = spawn(process.execPath, ["--test", "--test-reporter=tap", file], {
            detached: true,
            stdio: ["ignore", "pipe", "pipe"],
        });
        let output = "";
        let hung = false;
        running.add(child);
        child.stdout.on("data", (text) => (output += text));
        child.stderr.on("data", (text) => (output += text));
        const end = () => {
            try {
                process.kill(-child.pid, "SIGKILL");
            } catch {
                // it is gone
            }
        };
        const timer = setTimeout(() => {
            hung = true;
            end();
        }, options["--limit"] * 1000);
        child.on("close", (code) => {
            clearTimeout(timer);
            running.delete(child);
            end();
            const found = Object.fromEntries(
                SUMS.map((name) => [name, Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(output)?.[1] ?? 0)]),
            );
            if (found.pass + found.skipped === 0 && /^ok \d+ .* # SKIP/m.test(output)) {
                found.skipped = 1; // a whole suite, whose tests node does not count
            }
            const good = code === 0 && !hung && found.pass + found.skipped > 0;
            if (!good && found.fail + found.cancelled === 0) {
                found.fail = 1;
            }
            if (hung) {
                output += `\nended after ${options["--limit"]} s\n`;
            }
            done({ file, good, found, output, seconds: Math.round((Date.now() - began) / 1000) });
        });
    });
}

function say({ file, good, found, output, seconds }, second = false) {
    const word = good ? "ok    " : "FAILED";
    const again = second ? ", at its second try" : "";
    console.log(`${word} ${file}: ${found.pass} passed, ${found.fail + found.cancelled} failed, ${seconds} s${again}`);
    if (!good) {
        const lines = output.split("\n").filter((line) => !/^# (pass|fail|cancelled|skipped|todo) \d+$/.test(line));
        console.log(lines.slice(-400).join("\n"));
    }
}

function count(found) {
    SUMS.forEach((name) => (sums[name] += found[name]));
}

for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
        running.forEach((child) => process.kill(-child.pid, "SIGKILL"));
        process.exit(130);
    });
}

const waiting = [...files];
async function work() {
    while (waiting.length > 0) {
        const result = await run(waiting.shift());
        say(result);
        if (result.good) {
            count(result.found);
        } else {
            late.push(result.file);
        }
    }
}
await Promise.all(Array.from({ length: options["--side-by-side"] }, work));

let failed = false;
for (const file of late) {
    const result = await run(file);
    say(result, true);
    count(result.found);
    failed ||= !result.good;
}
console.log(`# files ${files.length}, at their second try ${late.length}`);
SUMS.forEach((name) => console.log(`# ${name} ${sums[name]}`));
process.exit(failed || files.length === 0 ? 1 : 0);
