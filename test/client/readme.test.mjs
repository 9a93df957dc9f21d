// The examples of the README's chapter on the client library, run as they stand there, on real processes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ask } from "../e2e/lib/api.mjs";
import { until } from "../e2e/lib/patience.mjs";
import { suiteSite } from "../e2e/lib/site.mjs";
import { tokenOf } from "../e2e/lib/token.mjs";

const KEY = "the-backends-key";
const NATIVE = "--experimental-websocket"; // Node 20 and later; from 22 on it is there without asking

const site = suiteSite({ flags: { "api-key": KEY } });
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const [chapter] = readFileSync(path("../../README.md"), "utf8").match(/^## The client library\n.*?^## /ms);
const examples = [...chapter.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);

// An application that has installed the packages.
const place = mkdtempSync(join(tmpdir(), "segue-readme-"));
mkdirSync(join(place, "node_modules"));
symlinkSync(path("../../gateway/web/client"), join(place, "node_modules/segue"));
for (const name of ["ws", "socket.io-client"]) {
    symlinkSync(path(`../node_modules/${name}`), join(place, "node_modules", name));
}
after(() => rmSync(place, { recursive: true }));

// Runs the example that imports these names. native: with the WebSocket that this Node brings along.
function run(t, names, user, { native = false } = {}) {
    const code = examples.find((one) => one.includes(`import { ${names} } from`));
    assert.ok(code, `an example with ${names}`);
    const file = join(place, `${names.replaceAll(/\W+/g, "-")}.mjs`);
    const address = site.gateways[0].url("").replace(/\/$/, "");
    const text = code
        .replaceAll('"https://gateway.example/segue.js"', '"segue"')
        .replaceAll("https://gateway.example", address);
    writeFileSync(join(place, "begin.mjs"), 'import WebSocket from "ws";\nglobalThis.WebSocket = WebSocket;\n');
    const begin = native ? "" : 'import "./begin.mjs";\n';
    writeFileSync(file, `${begin}const token = ${JSON.stringify(tokenOf(user))};\n${text}`);
    const child = spawn(process.execPath, [...(native ? [NATIVE] : []), file], { cwd: place, stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    const example = { output: "" };
    child.stdout.on("data", (data) => (example.output += data));
    child.stderr.on("data", (data) => (example.output += data));
    example.says = (...lines) =>
        until(
            () => lines.every((line) => `\n${example.output}`.includes(`\n${line}\n`)),
            () => `"${lines.join('", "')}" in:\n${example.output}`,
        );
    return example;
}

test("every example is run here", () => {
    assert.equal(examples.length, 5);
});

test("player", async (t) => {
    const user = site.user();
    const example = run(t, "player", user);
    await example.says("self 7 true", "self 7 false", "42.0", "server 7 false");
    const state = await site.stateWhen(user, ({ on_pause: paused }) => paused === true);
    assert.deepEqual([state.track_id, Math.floor(state.last_sec_position)], [7, 42]);
});

if (process.allowedNodeEnvironmentFlags.has(NATIVE)) {
    test("player, with the WebSocket of Node itself", async (t) => {
        const example = run(t, "player", site.user(), { native: true });
        await example.says("self 7 true", "self 7 false", "42.0", "server 7 false");
    });
}

test("carplay", async (t) => {
    const example = run(t, "carplay", site.user());
    await example.says("Low Tide true", "seek 30", "{ ok: true }");
});

test("events", async (t) => {
    const user = site.user();
    const example = run(t, "events", user);
    await example.says("disconnected", "connected", "refresh");
    const emit = (event, data) =>
        ask(site.gateways[1], "POST", `/api/users/${user}/events`, { key: KEY, body: { event, data } });
    await emit("on_upload_success", { id: "a" });
    await emit("on_upload_success", { id: "b" });
    await emit("on_config_update");
    await example.says("settings have changed", "2 a");
});

test("rooms and feed", async (t) => {
    const example = run(t, "feed, rooms", site.user());
    await example.says("Ann hello true");
    await ask(site.gateways[1], "POST", "/api/feeds/wisdom", { key: KEY, body: { message: "be a wolf" } });
    await example.says("be a wolf");
});

test("with the official client, and a WebSocket of one's own", async (t) => {
    const example = run(t, "events, player", site.user());
    await example.says("player online", "events connected");
});
