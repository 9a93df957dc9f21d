// The car: Socket.IO on one side, the web player's plain WebSocket on the other, and one state between them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { freePort } from "../e2e/lib/redis.mjs";
import { SECRET, seconds, tokenOf } from "../e2e/lib/token.mjs";
import { browser, gateways, redis, scene } from "./lib/scene.mjs";
import { DeviceCard, Window } from "./lib/window.mjs";

const CLOSE_S = 0.35;

scene(2, flags);

function flags(port = 0) {
    return { redis: redis.url, "jwt-secret": SECRET, listen: `127.0.0.1:${port}` };
}

// The screen of a car on a page.
class Car {
    // A window with a car in it, online. path: /car or /carplay.
    static async drive(t, gateway, user, { path = "/car", ...options } = {}) {
        const window = await Window.open(browser, gateway.url(`${path}#token=${tokenOf(user)}`), options);
        t.after(() => window.close());
        const car = new Car(window);
        await car.online();
        return car;
    }

    constructor(window) {
        this.window = window;
        this.page = window.page;
    }

    part(name) {
        return this.page.locator(`.car [data-part="${name}"]`);
    }

    press(name) {
        return this.part(name).click();
    }

    async online(ms = patient()) {
        await this.page.waitForSelector('.car[data-status="online"]', { timeout: ms });
    }

    async shows({ state, title }) {
        await until(
            async () => {
                const shown = {
                    state: await this.part("state").textContent(),
                    title: await this.part("title").textContent(),
                };
                return (
                    ((state === undefined || shown.state === state) &&
                        (title === undefined || shown.title === title)) ||
                    assert.fail(JSON.stringify(shown))
                );
            },
            () => `the car shows ${state ?? ""} ${title ?? ""}`,
        );
    }

    async position() {
        return Number(await this.part("seek").inputValue());
    }

    // What the wire log says, newest first.
    async wire() {
        await this.page.$eval("#wire-fold", (fold) => (fold.open = true));
        await sleep(100);
        return this.page.$$eval("#log li", (lines) => lines.map((line) => [line.className, line.textContent.slice(8)]));
    }
}

async function player(t, gateway, user) {
    const window = await Window.play(browser, gateway, user);
    t.after(() => window.close());
    return window;
}

test("beside the web player: pause pressed in the car stops the web, and the other way", async (t) => {
    const car = await Car.drive(t, gateways[0], "both", { path: "/carplay" });
    const web = new DeviceCard(car.page, 0);
    const webShows = (state) => until(async () => (await web.text("state")) === state, `the web player is ${state}`);
    await car.window.online(1);
    await web.press("toggle");
    await car.shows({ state: "Playing", title: "Low Tide Letters" });
    await car.press("toggle");
    await webShows("Paused");
    await car.shows({ state: "Paused" });
    await web.press("toggle");
    await car.shows({ state: "Playing" });
    await until(async () => /In step, \d+ ms apart/.test(await car.page.textContent("#step")), "they are in step");
    assert.ok(Math.abs((await web.position()) - (await car.position())) < CLOSE_S);

    await car.press("forward");
    await until(async () => (await web.position()) > 15, "the web player is 15 s further");
    await car.press("next");
    await car.shows({ state: "Playing", title: "Paper Satellites" });
    await until(async () => (await web.text("title")) === "Paper Satellites", "the web player obeys");
    await sleep(2500);
    const started = (await web.frames()).filter(({ frame }) => frame.type_push_state === "new_track");
    assert.deepEqual(
        started.map(({ frame }) => frame.track_id),
        [2, 1],
        "next was obeyed once",
    );
});

test("car and web player in two windows, on two processes", async (t) => {
    const car = await Car.drive(t, gateways[0], "apart");
    const web = await player(t, gateways[1], "apart");
    await web.device(0).row("Glass Orchard").click();
    await car.shows({ state: "Playing", title: "Glass Orchard" });
    assert.equal(await car.part("artist").textContent(), "Otto & the Lanternists");
    await car.press("toggle");
    await web.shows({ state: "Paused", title: "Glass Orchard" });
    await car.press("toggle");
    await web.shows({ state: "Playing" });
    await web.device(1).press("toggle");
    await car.shows({ state: "Paused" });

    await car.part("seek").focus();
    await car.page.keyboard.press("PageUp");
    await until(
        async () => Math.abs((await web.device(0).position()) - (await car.position())) < CLOSE_S,
        "both moved",
    );
    assert.ok((await web.device(0).position()) > 29);
    const frames = await web.device(0).frames();
    const changes = ["change_position", "on_pause", "off_pause"];
    const heard = frames.filter(
        ({ direction, frame }) => direction === "in" && changes.includes(frame.type_push_state),
    );
    const types = heard.map(({ frame }) => frame.type_push_state);
    assert.deepEqual(types, ["change_position", "on_pause", "off_pause", "on_pause"], "each change once");
});

test("the position runs by itself between two states", async (t) => {
    const car = await Car.drive(t, gateways[0], "runner");
    const web = await player(t, gateways[1], "runner");
    await web.device(0).press("toggle");
    await car.shows({ state: "Playing" });
    const from = await car.position();
    const begun = Date.now();
    await sleep(1500);
    const moved = (await car.position()) - from;
    assert.ok(moved > 1 && moved <= (Date.now() - begun) / 1000 + CLOSE_S, `${moved} s`);
    await until(
        async () => Math.abs((await web.device(0).position()) - (await car.position())) < CLOSE_S,
        "they agree",
    );
    const later = await Car.drive(t, gateways[1], "runner");
    await later.shows({ state: "Playing", title: "Low Tide Letters" });
    await until(
        async () => Math.abs((await later.position()) - (await car.position())) < CLOSE_S,
        "a late car as well",
    );
});

test("a car alone plays its own queue", async (t) => {
    const car = await Car.drive(t, gateways[0], "alone");
    await car.shows({ state: "No track", title: "Nothing plays" });
    await car.press("toggle");
    await car.shows({ state: "Playing", title: "Low Tide Letters" });
    await car.press("next");
    await car.shows({ title: "Paper Satellites" });
    await car.press("previous");
    await car.shows({ title: "Low Tide Letters" });
    assert.equal(await car.part("notice").textContent(), "");
});

test("what a web app says that it plays is shown, as text, in every car", async (t) => {
    const hostile = `<img src=x onerror="document.title='owned'">`;
    const one = await Car.drive(t, gateways[0], "titles");
    const two = await Car.drive(t, gateways[1], "titles");
    await one.page.click("#say-fold summary");
    await one.page.fill("[name=mediaTitle]", hostile);
    await one.page.click("#say [type=submit]");
    for (const car of [one, two]) {
        await car.shows({ state: "Playing", title: hostile });
        assert.equal(await car.part("artist").textContent(), "The Passenger Seats");
        assert.equal(await car.part("album").textContent(), "Side B");
        assert.equal(await car.part("length").textContent(), "3:07");
        assert.ok((await car.position()) >= 42);
        assert.equal(await car.page.locator(".car img").count(), 1);
    }
    const web = await player(t, gateways[1], "titles");
    await web.shows({ state: "Playing", title: "Track 99" });
    await one.page.click("#clear");
    for (const car of [one, two]) {
        await car.shows({ state: "No track" });
    }
    await web.shows({ state: "No track" });
});

test("what the gateway refuses is said", async (t) => {
    const car = await Car.drive(t, gateways[0], "refused");
    await car.page.click("#say-fold summary");
    await car.page.fill("[name=mediaTitle]", "é".repeat(200));
    await car.page.$eval("[name=mediaTitle]", (field) => field.removeAttribute("maxlength"));
    await car.page.fill("[name=mediaTitle]", "é".repeat(600));
    await car.page.click("#say [type=submit]");
    await until(async () => /^Refused: /.test(await car.part("notice").textContent()), "the reason is shown");
    await car.shows({ state: "No track" });
});

test("when its process is killed the car comes back to what plays now", async (t) => {
    const port = await freePort();
    const first = await Gateway.start({ flags: flags(port) });
    t.after(() => first.close());
    const car = await Car.drive(t, first, "survivor", { mayLose: true });
    const web = await player(t, gateways[1], "survivor");
    await web.device(0).press("toggle");
    await car.shows({ state: "Playing", title: "Low Tide Letters" });
    await first.kill();
    await until(async () => (await car.part("status").textContent()) === "Reconnecting", "it shows that it comes back");
    await until(async () => /^in \d+\.\d s$/.test(await car.part("detail").textContent()), "and when");
    assert.equal(await car.part("toggle").getAttribute("aria-disabled"), "true");
    await web.device(0).row("Snow on the Wire").click();
    await web.device(0).press("toggle");

    const second = await Gateway.start({ flags: flags(port) });
    t.after(() => second.close());
    await car.online(patient(20000));
    await car.shows({ state: "Paused", title: "Snow on the Wire" });
    await car.press("toggle");
    await web.shows({ state: "Playing" });
});

test("a token that is wrong, or is over, is asked for", async (t) => {
    const forged = tokenOf("forger", { key: "another-secret-of-enough-bytes-0123456789abcdef" });
    const brief = tokenOf("brief", { claims: { exp: seconds(3) } });
    for (const token of [forged, brief]) {
        const window = await Window.open(browser, gateways[0].url(`/car#token=${token}`));
        t.after(() => window.close());
        await window.page.waitForSelector("#token-form:not([hidden])");
        await window.page.fill("#token", tokenOf("honest"));
        await window.page.click("#token-form [type=submit]");
        await new Car(window).online();
        assert.equal(await window.page.textContent("#user"), "honest");
    }
});

test("the car may be unplugged and plugged in again", async (t) => {
    const car = await Car.drive(t, gateways[0], "plugged");
    await car.press("plug");
    await car.page.waitForSelector('.car[data-status="closed"]');
    await car.press("plug");
    await car.online();
    const wire = await car.wire();
    assert.deepEqual(wire, []);
});
