// Connections that break: which ones come back, when, and what they find.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { freePort } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { browser, gateway, redis, scene } from "./lib/scene.mjs";
import { playerUrl, Window } from "./lib/window.mjs";

const STATE = {
    track_id: 2,
    from_is: "playlist",
    from_is_id: 7,
    on_pause: true,
    last_sec_position: 12,
    time_state_update: "2022-05-09T09:09:07+0000",
};

scene(1, flags);

function flags(port = 0) {
    return { redis: redis.url, "jwt-secret": SECRET, listen: `127.0.0.1:${port}` };
}

// A window whose connections are answered by the test: onSocket(socket, how many there were before).
async function staged(t, user, onSocket) {
    let count = 0;
    const prepare = (page) =>
        page.routeWebSocket(/\/player/, (socket) => {
            onSocket(socket, count);
            count += 1;
        });
    const window = await Window.open(browser, playerUrl(gateway, tokenOf(user)), { prepare });
    t.after(() => window.close());
    return { window, connections: () => count };
}

test("a killed process is replaced by another one, and the devices go on", async (t) => {
    const port = await freePort();
    const first = await Gateway.start({ flags: flags(port) });
    t.after(() => first.close());
    const here = await Window.play(browser, first, "survivor", { mayLose: true });
    t.after(() => here.close());
    const there = await Window.play(browser, gateway, "survivor");
    t.after(() => there.close());
    await here.device(0).press("toggle");
    await there.shows({ state: "Playing", title: "Low Tide Letters" });

    await first.kill();
    const shown = async (part, words) => words.test(await here.device(0).text(part));
    await until(() => shown("status", /^Reconnecting$/), "the device waits to come back");
    await until(() => shown("detail", /^in \d+\.\d s$/), "it says how long");
    assert.equal(await here.device(0).part("toggle").getAttribute("aria-disabled"), "true");
    await there.device(0).press("next");

    const second = await Gateway.start({ flags: flags(port) });
    t.after(() => second.close());
    await here.online(2, patient(20000));
    await here.shows({ state: "Playing", title: "Paper Satellites" });
    await here.device(1).press("toggle");
    await there.shows({ state: "Paused" });
});

test("a drained process sends its devices to another one", async (t) => {
    const port = await freePort();
    const first = await Gateway.start({ flags: flags(port) });
    t.after(() => first.close());
    const window = await Window.play(browser, first, "mover", { mayLose: true });
    t.after(() => window.close());
    const second = await Gateway.start({ flags: flags(port) });
    t.after(() => second.close());
    assert.equal(await first.terminate(), 0);
    await window.online(2, patient(20000));
    await window.device(0).press("toggle");
    await window.shows({ state: "Playing" });
});

for (const code of [1012, 1013, 1001, 1008, 1011, 4408]) {
    test(`close code ${code} comes back after a pause`, async (t) => {
        const times = [];
        const { connections } = await staged(t, `code-${code}`, (socket, before) => {
            times.push(Date.now());
            socket.send(JSON.stringify(STATE));
            if (before < 2) {
                setTimeout(() => socket.close({ code }), 100);
            }
        });
        await until(() => connections() >= 4, "both devices have come back");
        assert.ok(times[2] - times[0] >= 300, "not at once");
        await sleep(1500);
        assert.equal(connections(), 4, "and stayed");
    });
}

test("a service that goes on closing is left more and more time", async (t) => {
    const times = [];
    await staged(t, "rebuffed", (socket, before) => {
        if (before % 2 === 0) {
            times.push(Date.now());
        }
        socket.send(JSON.stringify(STATE));
        setTimeout(() => socket.close({ code: 1013 }), 10);
    });
    await until(() => times.length >= 4, "a few attempts", patient(20000));
    assert.ok(times[3] - times[0] >= 1500, `four attempts took ${times[3] - times[0]} ms`);
});

test("4403 stays away until a person asks for it", async (t) => {
    const { window, connections } = await staged(t, "banned", (socket, before) => {
        socket.send(JSON.stringify(STATE));
        if (before < 2) {
            setTimeout(() => socket.close({ code: 4403, reason: "out" }), 100);
        }
    });
    await until(async () => (await window.device(0).status()) === "stopped", "the device is stopped");
    assert.equal(await window.device(0).text("status"), "Disconnected");
    await sleep(2000);
    assert.equal(connections(), 2, "nobody came back alone");
    await window.device(0).press("plug");
    await until(async () => (await window.device(0).status()) === "online", "the device is back");
    assert.equal(connections(), 3);
});

test("4401 asks for a new token", async (t) => {
    const { window } = await staged(t, "lapsed", (socket) => {
        setTimeout(() => socket.close({ code: 4401 }), 100);
    });
    await window.page.waitForSelector("#token-form:not([hidden])");
    assert.match(await window.page.textContent("#token-reason"), /expired/);
});

test("a refusal is shown, and the device asks what holds", async (t) => {
    const { window, connections } = await staged(t, "refused", (socket, before) => {
        socket.send(JSON.stringify(STATE));
        socket.onMessage((text) => {
            if (before < 2 && JSON.parse(text).type_push_state === "off_pause") {
                socket.send('{"type_push_state":"invalid_format","reason":"rate_limited"}');
            }
        });
    });
    await window.shows({ state: "Paused", title: "Paper Satellites" });
    await window.device(0).press("toggle");
    await until(async () => /rate_limited/.test(await window.device(0).text("notice")), "the reason is shown");
    await until(() => connections() === 3, "the device asks");
    await until(async () => (await window.device(0).text("state")) === "Paused", "the server's word counts");
});

test("what the store could not take is said", async (t) => {
    const { window } = await staged(t, "unlucky", (socket) => {
        socket.send(JSON.stringify(STATE));
        socket.onMessage((text) => {
            if (JSON.parse(text).type_push_state === "off_pause") {
                socket.send('{"type_push_state":"unavailable"}');
                setTimeout(() => socket.send(JSON.stringify(STATE)), 500);
            }
        });
    });
    await window.device(0).press("toggle");
    await until(async () => /may not have been applied/.test(await window.device(0).text("notice")), "the notice");
    await until(async () => (await window.device(0).text("state")) === "Paused", "the state that follows counts");
});

test("when two commands cross, the device asks for the order that holds", async (t) => {
    const { window, connections } = await staged(t, "crossed", (socket, before) => {
        socket.send(JSON.stringify(before < 2 ? STATE : { ...STATE, track_id: 5 }));
        socket.onMessage((text) => {
            if (JSON.parse(text).type_push_state === "off_pause") {
                const time = new Date().toISOString();
                const other = { type_push_state: "new_track", track_id: 4, time_state_update: time };
                socket.send(JSON.stringify(other));
            }
        });
    });
    // What crosses comes within a moment, however long a busy machine takes for it.
    await window.page.evaluate(() => {
        const moment = performance.now();
        performance.now = () => moment;
    });
    await window.device(0).press("toggle");
    await until(async () => (await window.device(0).text("title")) === "Night Bus Home", "the server's order");
    assert.equal(connections(), 3);
});

test("a connection that died without a word is given up", async (t) => {
    let count = 0;
    const prepare = async (page) => {
        await page.clock.install();
        await page.routeWebSocket(/\/player/, (socket) => {
            count += 1;
            socket.send(JSON.stringify(STATE));
        });
    };
    const window = await Window.open(browser, playerUrl(gateway, tokenOf("silent")), { prepare });
    t.after(() => window.close());
    await until(() => count === 2, "both devices are connected");
    await window.page.clock.runFor(13000);
    await until(() => count > 2, "they connect anew");
});
