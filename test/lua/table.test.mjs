// The table of transitions: what the build makes of scripts/lua, and what it refuses.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";

import { removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { readTable, SCRIPTS, sha1 } from "./lib/scripts.mjs";
import { suiteStage } from "./lib/stage.mjs";

const GOOD = `-- good: does nothing.
-- uses: part
--
-- A comment.

local one, two = unpack(KEYS)
local three = unpack(ARGV)

    -- an indented comment
return helper(one .. two .. three .. "\\\\ \\"quoted\\" %d\\n")
`;
const PART = `-- part: shared.

local function helper(text)
    return text
end
`;

describe("the table of transitions", () => {
    const stage = suiteStage();

    test("has every script with the counts of its first lines", () => {
        const files = readdirSync(join(SCRIPTS, "lua")).filter((name) => name.endsWith(".lua"));
        const rows = readTable();
        assert.deepEqual(rows.map(({ name }) => `${name}.lua`).sort(), files.sort());
        for (const { name, keys, args } of rows) {
            const text = readFileSync(join(SCRIPTS, "lua", `${name}.lua`), "utf8");
            const line = (what) => text.match(new RegExp(`^local (.*) = unpack\\(${what}\\)$`, "m"))?.[1];
            const count = (what) => line(what)?.split(",").length ?? 0;
            assert.deepEqual([keys, args], [count("KEYS"), count("ARGV")], name);
        }
    });

    test("holds bodies that Redis loads under the digest of their bytes", async () => {
        for (const { name, body } of readTable()) {
            assert.equal(await stage.redis.call("SCRIPT", "LOAD", body), sha1(body), name);
        }
    });

    // A name of a part that is not there, or stands further down, is missed when its line runs, and not before.
    test("holds every part that a script needs, in front of it", () => {
        const namesIn = (list) => list.split(",").map((name) => name.trim());
        const defined = (text, indented) => {
            const found = text.matchAll(new RegExp(`^${indented}local (?:function )?([\\w, ]+)`, "gm"));
            return [...found].flatMap(([, list]) => namesIn(list));
        };
        const parameters = (text) =>
            [...text.matchAll(/function \w+\(([^)]*)\)/g)].flatMap(([, list]) => namesIn(list));
        const folder = join(SCRIPTS, "lua/lib");
        const parts = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
        const shared = new Set(parts.flatMap((text) => defined(text, "")));
        assert.ok(shared.has("next_seq") && shared.has("now_us"), [...shared].join());
        for (const { name, body } of readTable()) {
            const known = new Set();
            for (const line of body.replace(/'(?:[^'\\]|\\.)*'/g, "''").split("\n")) {
                [...defined(line, " *"), ...parameters(line)].forEach((word) => known.add(word));
                const used = [...line.matchAll(/(?<![.\w])[a-z_]\w*/g)].map(([word]) => word);
                assert.deepEqual(used.filter((word) => shared.has(word) && !known.has(word)), [], `${name}: ${line}`);
            }
        }
    });

    test("holds nothing that makes Redis slower than it must", () => {
        for (const { name, body } of readTable()) {
            assert.doesNotMatch(body, /cjson|cmsgpack|\bKEYS\s*\[|\bARGV\s*\[|^\s*--/m, name);
        }
    });
});

describe("scripts/lua-table", () => {
    let folder;

    before(() => {
        folder = temporaryDirectory();
    });
    after(() => removeDirectory(folder));

    // The generator over scripts of ours: {file: text}.
    function generate(files) {
        rmSync(join(folder, "scripts"), { recursive: true, force: true });
        mkdirSync(join(folder, "scripts/lua/lib"), { recursive: true });
        cpSync(join(SCRIPTS, "lua-table"), join(folder, "scripts/lua-table"));
        for (const [name, text] of Object.entries({ "lib/part.lua": PART, ...files })) {
            writeFileSync(join(folder, "scripts/lua", name), text);
        }
        return spawnSync(join(folder, "scripts/lua-table"), [join(folder, "out")], { encoding: "utf8" });
    }

    test("puts the parts in front, leaves comments out and keeps every other byte", () => {
        const { status, stderr } = generate({ "good.lua": GOOD });
        assert.equal(status, 0, stderr);
        const body = [
            "local function helper(text)",
            "    return text",
            "end",
            "local one, two = unpack(KEYS)",
            "local three = unpack(ARGV)",
            'return helper(one .. two .. three .. "\\\\ \\"quoted\\" %d\\n")',
            "",
        ].join("\n");
        assert.deepEqual(readTable(join(folder, "out")), [{ name: "good", keys: 2, args: 1, body }]);
    });

    test("writes C that says the same", () => {
        generate({ "good.lua": GOOD });
        const program = join(folder, "print.c");
        writeFileSync(
            program,
            `#include <stdio.h>
            static const struct { const char *name; int keys, args; const char *body; } rows[] = {
            #include "scripts_table.inc"
            };
            int main(void) { return fputs(rows[0].body, stdout) < 0; }`,
        );
        execFileSync("cc", ["-I", join(folder, "out"), "-o", join(folder, "print"), program]);
        const printed = execFileSync(join(folder, "print"), { encoding: "utf8" });
        assert.equal(printed, readTable(join(folder, "out"))[0].body);
    });

    test("takes a script without arguments", () => {
        const { status } = generate({ "bare.lua": "-- bare: nothing.\nlocal one = unpack(KEYS)\nreturn one\n" });
        assert.equal(status, 0);
        assert.deepEqual(readTable(join(folder, "out")).map(({ keys, args }) => [keys, args]), [[1, 0]]);
    });

    const refused = {
        "a first line with another name": ["-- other: x.\nlocal a = unpack(KEYS)\n", /line 1/],
        "a script without a first line": ["local a = unpack(KEYS)\n", /line 1/],
        "a script without named keys": ["-- bad: x.\nreturn 1\n", /unpack\(KEYS\)/],
        "a key by its number": ["-- bad: x.\nlocal a = unpack(KEYS)\nreturn KEYS[1]\n", /name keys/],
        "an argument by its number": ["-- bad: x.\nlocal a = unpack(KEYS)\nreturn ARGV [2]\n", /name keys/],
        "an ECHO": ["-- bad: x.\nlocal a = unpack(KEYS)\ncall('ECHO', a)\n", /ECHO/],
        "a part that is not there": ["-- bad: x.\n-- uses: nowhere\nlocal a = unpack(KEYS)\n", /nowhere/],
    };
    for (const [what, [text, sentence]] of Object.entries(refused)) {
        test(`refuses ${what}, by name, and writes nothing`, () => {
            rmSync(join(folder, "out"), { recursive: true, force: true });
            const { status, stderr } = generate({ "bad.lua": text });
            assert.notEqual(status, 0);
            assert.match(stderr, sentence);
            assert.match(stderr, /bad\.lua/);
            assert.ok(!readdirSync(join(folder, "out")).some((name) => /\.(h|inc)$/.test(basename(name))));
        });
    }
});
