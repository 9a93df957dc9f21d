// The example for React, on real processes: gateway/web/client/examples/player-context.js as it stands there.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { createElement, StrictMode, useState } from "react";
import { act, create } from "react-test-renderer";
import WebSocket from "ws";

import { load } from "../browser/lib/web.mjs";
import { ask } from "../e2e/lib/api.mjs";
import { until } from "../e2e/lib/patience.mjs";
import { suiteSite } from "../e2e/lib/site.mjs";
import { tokenOf } from "../e2e/lib/token.mjs";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

const { carplay, player } = await load("segue.js");
const { PlayerProvider, usePlayer } = await example();

const KEY = "the-backends-key";

const site = suiteSite({ flags: { "api-key": KEY } });

// The example in an application of its own, with the packages that it imports.
function example() {
    const path = (name) => fileURLToPath(new URL(name, import.meta.url));
    const place = mkdtempSync(join(tmpdir(), "segue-react-"));
    process.on("exit", () => rmSync(place, { recursive: true }));
    mkdirSync(join(place, "node_modules"));
    symlinkSync(path("../../gateway/web/client"), join(place, "node_modules/segue"));
    symlinkSync(path("../node_modules/react"), join(place, "node_modules/react"));
    writeFileSync(join(place, "package.json"), '{"type":"module"}');
    copyFileSync(path("../../gateway/web/client/examples/player-context.js"), join(place, "player-context.js"));
    return import(pathToFileURL(join(place, "player-context.js")));
}

// React draws what happens meanwhile.
async function drawn(holds, what) {
    await until(async () => {
        await act(async () => {});
        return holds();
    }, what);
}

test("a component follows the player, gives commands, and hears the car", async (t) => {
    const user = site.user();
    const options = (on) => ({ url: site.gateways[on].url("/"), token: tokenOf(user), WebSocket });
    const [other, car] = [player(options(1)), carplay(options(1))];
    other.connect();
    car.connect();
    t.after(() => [other, car].forEach((one) => one.disconnect()));

    let now;
    let draws = 0;
    const commands = [];
    const onCommand = (command) => commands.push(command);
    function NowPlaying() {
        now = usePlayer({ every: 20 });
        draws += 1;
        return createElement("button", null, now.playing ? "Pause" : "Play");
    }
    function App() {
        const [provided] = useState(() => options(0));
        return createElement(PlayerProvider, { options: provided, onCommand }, createElement(NowPlaying));
    }

    let tree;
    await act(async () => (tree = create(createElement(StrictMode, null, createElement(App)))));
    await drawn(() => now.status === "online", "it is online");
    assert.equal(tree.toJSON().children[0], "Play");

    await act(async () => now.newTrack({ trackId: 7, fromIs: "album", fromIsId: 3 }));
    assert.equal(tree.toJSON().children[0], "Pause");
    await drawn(() => other.playing, "the other one plays");
    const before = [draws, now.position];
    await drawn(() => draws > before[0] + 4, "it is drawn while it plays");
    assert.ok(now.position > before[1]);

    other.pause();
    await drawn(() => tree.toJSON().children[0] === "Play", "a pause from elsewhere");
    await drawn(() => car.isConnected(), "the car is connected");
    await car.sendCommand("next");
    await drawn(() => commands.length === 1, "a button of the car");
    assert.deepEqual(commands, [{ command: "next" }]);

    const devices = async () => {
        const answer = await ask(site.gateways[1], "GET", `/api/users/${user}/devices`, { key: KEY });
        return answer.json().devices.length;
    };
    assert.equal(await devices(), 4);
    await act(async () => tree.unmount());
    await until(async () => (await devices()) === 2, "both connections of the application are gone");
});
