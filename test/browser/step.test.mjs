// In step: two windows on two processes show the same, whoever presses what.

import assert from "node:assert/strict";
import { test } from "node:test";

import { sleep, until } from "../e2e/lib/patience.mjs";
import { browser, gateways, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

const CLOSE_S = 0.25;

scene(2);

// Two windows of a user, each on its own process.
async function twoWindows(t, user, options = {}) {
    const one = await Window.play(browser, gateways[0], user);
    t.after(() => one.close());
    const two = await Window.play(browser, gateways[1], user, options);
    t.after(() => two.close());
    return [one, two];
}

// How far the positions of two devices are apart, drawn at the same moment of the same machine.
async function apart(one, two) {
    const [a, b] = await Promise.all([one.position(), two.position()]);
    return Math.abs(a - b);
}

test("pause pressed in one window stops the other", async (t) => {
    const [one, two] = await twoWindows(t, "pauser");
    await one.shows({ state: "No track" });
    await one.device(0).press("toggle");
    await one.shows({ state: "Playing", title: "Low Tide Letters" });
    await two.shows({ state: "Playing", title: "Low Tide Letters" });

    await two.device(1).press("toggle");
    await two.shows({ state: "Paused" });
    await one.shows({ state: "Paused" });
    await sleep(100); // the last frame may not be drawn yet
    const stopped = await one.device(0).position();
    await sleep(400);
    assert.equal(await one.device(0).position(), stopped, "the position rests");
    assert.ok((await apart(one.device(1), two.device(0))) < 0.01, "all rest at the same place");

    await one.device(1).press("toggle");
    await two.shows({ state: "Playing" });
});

test("the position runs by itself, at the same place on all devices", async (t) => {
    const [one, two] = await twoWindows(t, "runner");
    await one.device(0).press("toggle");
    await two.shows({ state: "Playing" });
    // A reading takes its time on a busy machine: what the position may have moved by lies between two bounds, and a page that
    // was late to draw gets another chance.
    await until(async () => {
        const begun = Date.now();
        const from = await two.device(0).position();
        const read = Date.now();
        await sleep(1000);
        const ended = Date.now();
        const moved = (await two.device(0).position()) - from;
        return moved > (ended - read) / 1000 - CLOSE_S && moved < (Date.now() - begun) / 1000 + CLOSE_S;
    }, "the position moves with the clock");
    await until(async () => (await apart(one.device(0), two.device(1))) < CLOSE_S, "the windows agree");
    await until(async () => /2 devices in step, \d+ ms apart/.test(await one.page.textContent("#step")), "they say so");
});

test("a device whose clock is an hour wrong is in step all the same", async (t) => {
    const wrongClock = () => {
        const right = Date.now;
        Date.now = () => right() + 3600000;
    };
    const [one, two] = await twoWindows(t, "hourly", { prepare: (page) => page.addInitScript(wrongClock) });
    await one.device(0).press("toggle");
    await two.shows({ state: "Playing" });
    await until(async () => (await apart(one.device(0), two.device(0))) < CLOSE_S, "they agree on the first track");
    await two.device(0).press("next");
    await one.shows({ title: "Paper Satellites" });
    assert.ok((await one.device(0).position()) < 5, "the new track begins at its beginning");
    await until(async () => (await apart(one.device(0), two.device(0))) < CLOSE_S, "they agree on the second");
});

test("queue, next and previous choose the track for all", async (t) => {
    const [one, two] = await twoWindows(t, "chooser");
    await one.device(0).row("Night Bus Home").click();
    await two.shows({ state: "Playing", title: "Night Bus Home" });
    await two.device(0).press("next");
    await one.shows({ title: "Snow on the Wire" });
    await one.device(1).press("next");
    await two.shows({ title: "Low Tide Letters" });
    await two.device(1).press("previous");
    await one.shows({ title: "Snow on the Wire" });
    assert.equal(await two.device(0).row("Snow on the Wire").getAttribute("aria-current"), "true");
});

test("seeking with the pointer moves all devices", async (t) => {
    const [one, two] = await twoWindows(t, "seeker");
    await one.device(0).row("Low Tide Letters").click();
    await two.shows({ state: "Playing" });
    const bar = one.device(0).part("seek");
    const { width, height } = await bar.boundingBox();
    await bar.click({ position: { x: width / 2, y: height / 2 } });
    await until(async () => Math.abs((await two.device(1).position()) - 107) < 4, "the others are in the middle");
});

test("the keyboard does what the pointer does", async (t) => {
    const [one, two] = await twoWindows(t, "typist");
    const device = one.device(0);
    await device.part("toggle").focus();
    await one.page.keyboard.press("Space");
    await two.shows({ state: "Playing" });
    await one.page.keyboard.press("Enter");
    await two.shows({ state: "Paused" });
    await device.part("seek").focus();
    const before = await device.position();
    await one.page.keyboard.press("ArrowRight");
    await one.page.keyboard.press("ArrowRight");
    await one.page.keyboard.press("PageUp");
    const place = async () => (await two.device(0).position()) - before;
    await until(async () => Math.abs((await place()) - 40) < 0.01, "5 s a key, 30 s a page, for all");
    await one.page.keyboard.press("Home");
    await until(async () => (await two.device(0).position()) === 0, "Home is the beginning");
});

test("at the end of a track the next one begins, once", async (t) => {
    const [one, two] = await twoWindows(t, "patient");
    await one.device(0).row("Saffron Morning").click();
    await two.shows({ title: "Saffron Morning" });
    await one.device(0).part("seek").focus();
    await one.page.keyboard.press("End");
    await one.page.keyboard.press("ArrowLeft");
    await two.shows({ title: "Glass Orchard" });
    await sleep(2000);
    const frames = await two.device(0).frames();
    const started = frames.filter(({ frame }) => frame.type_push_state === "new_track");
    assert.deepEqual(started.map(({ frame }) => frame.track_id), [4, 3], "one new_track for each track");
    await one.shows({ state: "Playing", title: "Glass Orchard" });
});

test("when the device that chose the track is gone another one goes on", async (t) => {
    const [one, two] = await twoWindows(t, "successor");
    await one.device(0).row("Saffron Morning").click();
    await one.device(0).part("seek").focus();
    await one.page.keyboard.press("End");
    await one.page.keyboard.press("ArrowLeft");
    await until(async () => (await two.device(0).position()) > 172, "the track is near its end");
    await one.device(0).press("plug");
    await two.shows({ state: "Playing", title: "Glass Orchard" });
});

test("a device that was away catches up, and one that was removed leaves the others alone", async (t) => {
    const [one, two] = await twoWindows(t, "traveller");
    await one.device(0).press("plug");
    await until(async () => (await one.device(0).status()) === "closed", "the device is unplugged");
    await two.device(0).row("Glass Orchard").click();
    await two.device(0).press("toggle");
    await two.shows({ state: "Paused" });
    assert.equal(await one.device(0).text("title"), "Nothing yet");
    await one.device(0).press("plug");
    await one.online();
    await one.shows({ state: "Paused", title: "Glass Orchard" });

    await one.page.click("#add");
    await one.online(3);
    await one.shows({ state: "Paused", title: "Glass Orchard" });
    await one.device(2).press("toggle");
    await two.shows({ state: "Playing" });
    await one.device(2).press("remove");
    await one.online(2);
    await sleep(300);
    await two.shows({ state: "Playing" });
});

test("what comes from elsewhere is text, whatever it looks like", async (t) => {
    const [one, two] = await twoWindows(t, "stranger");
    const hostile = '<img src=x onerror="document.title=1">';
    const token = await one.page.evaluate(() => sessionStorage.getItem("segue.token"));
    await one.page.evaluate(
        ([secret, id]) =>
            new Promise((resolve) => {
                const socket = new WebSocket(`ws://${location.host}/player`, ["bearer", secret]);
                const frame = { type_push_state: "new_track", track_id: id, from_is: "album", from_is_id: "<b>4</b>" };
                frame.time_state_update = new Date().toISOString().replace(/\.\d+Z/, "+0000");
                socket.onmessage = () => {
                    socket.send(JSON.stringify({ type_push_state: frame.type_push_state, data: frame }));
                    socket.onmessage = null;
                    resolve();
                };
            }),
        [token, hostile],
    );
    await two.shows({ state: "Playing", title: `Track ${hostile}` });
    const [newest] = await two.device(0).frames();
    assert.equal(newest.frame.data.track_id, hostile);
    assert.equal(await two.page.locator('img[src="x"]').count(), 0);
    await two.device(0).press("next");
    await one.shows({ title: "Low Tide Letters" });
});

test("the last window pauses the track before it closes; any other leaves it alone", async (t) => {
    const one = await Window.play(browser, gateways[0], "leaver");
    t.after(() => one.close());
    await one.device(0).press("toggle");
    await one.shows({ state: "Playing" });
    const two = await Window.play(browser, gateways[1], "leaver");
    t.after(() => two.close());
    await two.leave();
    await sleep(300);
    await one.shows({ state: "Playing" });
    await one.leave();
    const three = await Window.play(browser, gateways[1], "leaver");
    t.after(() => three.close());
    await three.shows({ state: "Paused", title: "Low Tide Letters" });
    assert.ok((await three.device(0).position()) > 0.2, "at the place where it was left");
});
