// What a process says about itself when it is asked: a part of its manual, all of it, and the page for man(1).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { BINARY, runOnce } from "./lib/gateway.mjs";

function says(...args) {
    const run = runOnce(args);
    assert.equal(run.code, 0, `${args.join(" ")}: ${run.stderr}`);
    assert.equal(run.stderr, "");
    return run.stdout;
}

describe("the manual", () => {
    test("--help tells about one option or chapter when it is named", () => {
        const rate = says("--help", "rate");
        assert.match(rate, /^ *--rate N\n/m);
        assert.match(rate, /SEGUE_RATE.*default `50`/);
        assert.equal(says("--help=rate"), rate);
        assert.equal(says("--help", "--rate"), rate);
        assert.equal(says("-h", "rate"), rate);
        assert.match(says("--help", "signals"), /SIGTERM[^]*SIGHUP/);
        assert.match(says("--help", "close codes"), /\b4401\n *token expired/);
    });

    test("what it has nothing about is one line and exit code 2", () => {
        for (const topic of ["bogus", "rat", "\u001b[31m\nforged"]) {
            const run = runOnce(["--help", topic]);
            assert.equal(run.code, 2);
            assert.equal(run.stdout, "");
            assert.match(run.stderr, /^segue: --help: [\x20-\x7e]+\n$/);
        }
    });

    test("--manual tells of every option that --help lists, in lines of 80 columns", () => {
        const manual = says("--manual");
        const listed = [...says("--help").matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag);
        assert.ok(listed.length > 30);
        for (const flag of listed) {
            assert.match(manual, new RegExp(`^ {4}--${flag}( \\S+)?$`, "m"));
        }
        assert.ok(manual.split("\n").every((line) => line.length <= 80));
        for (const chapter of ["SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES", "CLOSE CODES", "EXAMPLES"]) {
            assert.match(manual, new RegExp(`^${chapter}$`, "m"));
        }
    });

    test("the page for man(1) is what the build makes, and groff and mandoc have nothing to say against it", () => {
        const page = says("--man-page");
        const built = join(dirname(BINARY), "segue.8");
        assert.ok(existsSync(built), `${built} is built`);
        assert.equal(readFileSync(built, "utf8"), page);
        for (const [program, ...args] of [
            ["groff", "-man", "-ww", "-z", "-Tutf8"],
            ["mandoc", "-Tlint", "-W", "style"],
        ]) {
            const run = spawnSync(program, args, { input: page, encoding: "utf8" });
            assert.equal(run.error, undefined, `${program} is installed (scripts/setup --test)`);
            const said = `${run.stdout}${run.stderr}`.split("\n").filter((line) => line && !/missing date/.test(line));
            assert.deepEqual(said, [], program);
        }
        const shown = spawnSync("groff", ["-man", "-Tascii", "-P-c"], { input: page, encoding: "utf8" });
        const text = shown.stdout.replaceAll(/.\u0008/g, "");
        assert.match(text, /--jwt-key 2026=\/etc\/segue\/2026\.pem/);
        assert.match(text, /^ +SEGUE_RATE; 0 to 1000000; default 50\.$/m);
    });
});
