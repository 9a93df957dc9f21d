// The player's page itself: who may come in, how it fits, and that it can be read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "../e2e/lib/patience.mjs";
import { seconds, tokenOf } from "../e2e/lib/token.mjs";
import { contrast, overflow, READABLE } from "./lib/look.mjs";
import { browser, gateway, scene } from "./lib/scene.mjs";
import { playerUrl, Window } from "./lib/window.mjs";

const CARD = "color-mix(in oklab, var(--accent) 15%, var(--card))"; // the strongest colour of a device's card

scene(1);

async function open(t, url, options) {
    const window = await Window.open(browser, url, options);
    t.after(() => window.close());
    return window;
}

async function enter(window, token) {
    await window.page.fill("#token", token);
    await window.page.click("#token-form button");
}

test("the overview leads to the player and brings the token along", async (t) => {
    const window = await open(t, gateway.url(`/#token=${tokenOf("visitor")}`));
    assert.match(await window.page.textContent("h1"), /Press pause here/);
    await window.page.click("text=Open the player");
    await window.online();
    assert.equal(await window.page.textContent("#user"), "visitor");
    await window.page.click(".brand");
    await window.page.waitForSelector("text=Open the player");
    assert.match(window.page.url(), /\/#token=/);
});

test("the second window's link brings the token along", async (t) => {
    const window = await open(t, playerUrl(gateway, tokenOf("pair")));
    await window.online();
    const opened = window.page.context().waitForEvent("page");
    await window.page.click("text=Second window");
    const second = await opened;
    await second.waitForFunction(() => document.querySelectorAll("[data-status=online]").length === 2);
    assert.equal(await second.textContent("#user"), "pair");
});

test("without a token the page asks for one, and keeps it in its tab", async (t) => {
    const window = await open(t, playerUrl(gateway));
    const { page } = window;
    assert.ok(await page.isVisible("#token-form"));
    assert.match(await page.textContent("#token-form"), /scripts\/token/);
    await enter(window, "not a token");
    assert.match(await page.textContent("#token-error"), /not a token/);
    await enter(window, tokenOf("late", { claims: { exp: seconds(-5) } }));
    assert.match(await page.textContent("#token-error"), /expired/);
    await enter(window, tokenOf("pasted"));
    await window.online();
    assert.equal(await page.textContent("#user"), "pasted");
    await page.reload();
    await window.online();
    assert.ok(!page.url().includes("token"), "a pasted token is not in the address");
});

test("a token in a changed address is taken at once", async (t) => {
    const window = await open(t, playerUrl(gateway, tokenOf("first")));
    await window.online();
    await window.page.goto(playerUrl(gateway, tokenOf("second")));
    await window.online();
    assert.equal(await window.page.textContent("#user"), "second");
});

test("a token that the service refuses is asked for again", async (t) => {
    const forged = tokenOf("forger", { key: "another-secret-of-enough-bytes-0123456789abcdef" });
    const window = await open(t, playerUrl(gateway, forged), { mayLose: true });
    await window.page.waitForSelector("#token-form:not([hidden])");
    assert.match(await window.page.textContent("#token-reason"), /does not accept this token/);
    await enter(window, tokenOf("honest"));
    await window.online();
});

test("when the token expires the page asks for a new one", async (t) => {
    const window = await open(t, playerUrl(gateway, tokenOf("guest", { claims: { exp: seconds(3) } })));
    await window.online();
    await window.page.waitForSelector("#token-form:not([hidden])");
    assert.match(await window.page.textContent("#token-reason"), /expired/);
});

test("somebody else may come in by another token", async (t) => {
    const window = await open(t, playerUrl(gateway, tokenOf("parent")));
    await window.online();
    await window.page.click("#change-token");
    assert.equal(await window.page.locator(".device").count(), 0);
    await enter(window, tokenOf("child"));
    await window.online();
    assert.equal(await window.page.textContent("#user"), "child");
});

test("devices come and go, up to six", async (t) => {
    const window = await open(t, playerUrl(gateway, tokenOf("collector")));
    await window.online();
    for (let count = 3; count <= 6; count++) {
        await window.page.click("#add");
        await window.online(count);
    }
    await window.page.click("#add", { force: true });
    assert.equal(await window.page.locator(".device").count(), 6);
    const names = await window.page.locator(".device h2").allTextContents();
    assert.equal(new Set(names).size, 6, "each has a name of its own");
    for (let count = 5; count >= 0; count--) {
        await window.device(0).press("remove");
        assert.equal(await window.page.locator(".device").count(), count);
    }
    assert.match(await window.page.textContent("#step"), /Add a device/);
    await window.page.click("#add");
    await window.online(1);
});

test("latency, clock and frames are shown", async (t) => {
    const window = await open(t, playerUrl(gateway, tokenOf("curious")));
    await window.online();
    const device = window.device(0);
    await until(async () => /^[\d.]+ ms$/.test(await device.text("detail")), "the round trip is shown");
    await device.press("toggle");
    const frames = await device.frames();
    assert.deepEqual(frames.map(({ direction, frame }) => `${direction} ${frame.type_push_state}`),
        ["out new_track", "in no_track_state"]);
    const facts = await device.text("facts");
    assert.match(facts, /Server's clock.*ms/);
    assert.match(facts, /Devices at connection\d/);
    assert.match(facts, /Sequence at connection\d/);
});

for (const width of [320, 390, 768, 1600]) {
    for (const colorScheme of ["light", "dark"]) {
        test(`nothing sticks out at ${width} pixels, ${colorScheme}`, async (t) => {
            const context = { viewport: { width, height: 800 }, colorScheme };
            const user = `u${"wide".repeat(30)}`;
            const window = await open(t, playerUrl(gateway, tokenOf(user)), { context });
            await window.online();
            await window.device(0).press("next");
            for (const fold of await window.page.locator("details").all()) {
                await fold.evaluate((node) => (node.open = true));
            }
            await window.device(0).press("toggle");
            assert.equal(await overflow(window), 0, "the player fits");
            await window.page.click("#change-token");
            assert.equal(await overflow(window), 0, "the form fits");
            await window.page.goto(gateway.url("/"));
            assert.equal(await overflow(window), 0, "the overview fits");
        });
    }
}

test("every colour is light on dark or dark on light, enough to be read", async (t) => {
    for (const colorScheme of ["light", "dark"]) {
        const context = { colorScheme, reducedMotion: "reduce" };
        const window = await open(t, playerUrl(gateway, tokenOf(`reader-${colorScheme}`)), { context });
        await window.online();
        for (const row of await window.device(0).part("queue").getByRole("button").all()) {
            await row.click();
            for (const part of ["title", "artist", "album", "state", "name", "status", "detail", "elapsed"]) {
                const ratio = await contrast(window.device(0).part(part), ".device", CARD);
                const title = await window.device(0).text("title");
                assert.ok(ratio >= READABLE, `${part} with ${title} in ${colorScheme}: ${ratio.toFixed(2)}`);
            }
        }
    }
});
