// The types: what they promise is there, what is there they promise, and they catch what they should.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import ts from "typescript";

import { load } from "../browser/lib/web.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const TYPES = join(HERE, "../../gateway/web/client/segue.d.ts");
const EXAMPLE = join(HERE, "types/example.ts");

// As `tsc --noEmit --strict`.
const program = ts.createProgram([EXAMPLE], {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUnusedLocals: true,
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    types: [],
    paths: { segue: [TYPES] },
});
const checker = program.getTypeChecker();

test("an application in TypeScript is checked as it should be", () => {
    const found = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
        const { line } = file ? file.getLineAndCharacterOfPosition(start) : { line: 0 };
        return `${file?.fileName}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
    });
    assert.deepEqual(found, []);
});

const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(TYPES)));
const values = exported.filter(({ flags }) => flags & ts.SymbolFlags.Value);

test("the module exports what the types say, and nothing else", async () => {
    const module = await load("segue.js");
    assert.deepEqual(values.map(({ name }) => name).sort(), Object.keys(module).sort());
});

test("objects have the members that the types say", async () => {
    const { SocketIO, ...segue } = await load("segue.js");
    const options = { url: "http://segue.test", window: null, page: null, WebSocket: class {} };
    const objects = {
        Player: segue.player(options),
        Carplay: segue.carplay(options),
        Events: segue.events(options),
        Room: new segue.Room({ id: "", address: () => "ws://segue.test" }),
        Feed: segue.feed(options),
        SocketIO: new SocketIO({ url: "http://segue.test" }),
        Socket: new SocketIO({ url: "http://segue.test" }).of("/"),
        Observable: segue.events(options).connection,
    };
    for (const [name, object] of Object.entries(objects)) {
        const symbol = exported.find((one) => one.name === name);
        const type = checker.getDeclaredTypeOfSymbol(symbol);
        const members = checker.getPropertiesOfType(type).map((member) => member.name);
        assert.ok(members.length >= 2, name);
        for (const member of members) {
            assert.ok(member in object, `${name} has ${member}`);
        }
    }
});
