// All pages: that they fit, can be read and reached, and need nothing from elsewhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { request } from "../e2e/lib/http.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { contrast, overflow, READABLE, tooSmall } from "./lib/look.mjs";
import { browser, gateway, redis, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

const KEY = "the-backends-key";
const LONG = `${"A_very_long_name_that_has_no_place_to_break_it_".repeat(4)} and one more`;

const ADMIN = "admin:/"; // the page of the admin listener

// Path, and what it takes until everything stands there that can.
const PAGES = {
    "/": async () => {},
    "/#processes=127.0.0.1:9090": async ({ page }) => {
        await page.waitForSelector("#chart:not([hidden])");
    },
    [`${ADMIN}#pages=http://127.0.0.1`]: async ({ page }) => {
        await page.waitForSelector('#list [data-status="online"]');
        await page.fill("#processes", "?");
        await page.click("#processes-form button");
        await page.evaluate(() => (document.querySelector("#list b").textContent = "a-long-name.".repeat(20)));
        await page.evaluate(() => (document.querySelector(".process").textContent = "a-long-name.".repeat(20)));
    },
    "/car": fillCar,
    "/carplay": async ({ page }) => {
        await page.waitForSelector('.car[data-status="online"]');
        await page.waitForSelector('.device[data-status="online"] [data-part=next][aria-disabled=false]');
        await page.click(".device [data-part=next]");
        await page.waitForSelector(".car.playing");
    },
    "/api": async (window) => {
        await window.page.waitForSelector("#stage:not([hidden])");
        await openFolds(window);
    },
    "/rooms": async ({ page }) => {
        await page.waitForSelector("#door:not([hidden])");
    },
    "/rooms#room=wide": fillRoom,
    "/feed": fillFeed,
    "/timeline": async ({ page }) => {
        await page.waitForSelector("#connection[data-status=online]");
    },
    [`/timeline#key=${KEY}`]: fillTimeline,
};

scene(1, () => ({ redis: redis.url, "jwt-secret": SECRET, "api-key": KEY }));

async function open(t, path, user, options) {
    const hash = `${path.includes("#") ? "&" : "#"}token=${tokenOf(user)}`;
    const window = await Window.open(browser, addressOf(path + hash), options);
    t.after(() => window.close());
    return window;
}

function addressOf(path) {
    return path.startsWith(ADMIN) ? gateway.adminUrl(path.slice(ADMIN.length - 1)) : gateway.url(path);
}

async function openFolds({ page }) {
    for (const fold of await page.locator("details").all()) {
        await fold.evaluate((node) => (node.open = true));
    }
}

async function fillCar(window) {
    const { page } = window;
    await page.waitForSelector('.car[data-status="online"]');
    await openFolds(window);
    await page.fill("[name=mediaTitle]", LONG);
    await page.fill("[name=mediaArtist]", LONG);
    await page.click("#say [type=submit]");
    await page.waitForSelector(".car.playing");
    await page.fill("[name=mediaId]", "0.5");
    await page.$eval("[name=mediaId]", (field) => (field.step = "any"));
    await page.$eval("[name=mediaId]", (field) => (field.min = ""));
    await page.click("#say [type=submit]");
    await page.waitForSelector(".car .notice:not(:empty)");
}

async function fillRoom({ page }) {
    await page.waitForSelector(".room [data-part=send][aria-disabled=false]");
    await page.fill(".room [data-part=name]", LONG.slice(0, 60));
    await page.fill(".room [data-part=text]", LONG);
    await page.press(".room [data-part=text]", "Enter");
    await page.waitForSelector(".message:not(.pending)");
    await page.click(".room [data-part=copy]");
}

async function fillFeed({ page }) {
    await page.click(".topic [data-part=subscribe]");
    await page.waitForFunction(() =>
        document.querySelector(".topic [data-part=hint]").textContent.startsWith("Subscribed"),
    );
    const { status } = await request(gateway.url("/api/feeds/wisdom"), {
        method: "POST",
        headers: { "X-API-Key": KEY, "Content-Type": "application/json" },
        body: JSON.stringify({ message: LONG }),
    });
    assert.equal(status, 200);
    await page.waitForSelector(".lines li");
}

// Photos, one of them with a long name, something that waits, and a notice.
async function fillTimeline(window) {
    const { page } = window;
    await page.waitForSelector("#connection[data-status=online]");
    await openFolds(window);
    for (const what of ["trash", "announce", "one"]) {
        await page.click(`[data-say=${what}]`);
    }
    await page.waitForSelector("#release:not([hidden])");
    await page.waitForSelector(".photo");
    await page.evaluate((text) => (document.querySelector(".photo span").textContent = text), LONG);
    await page.click(".photo");
    await page.click("[data-say=many]");
    await page.waitForSelector("#pending:not(:empty)");
    await page.evaluate((text) => (document.querySelector("#backend-notice").textContent = text), LONG);
}

test("the overview leads to every page and brings the token along", async (t) => {
    const window = await open(t, "/", "visitor");
    const names = ["Player", "Car", "Rooms", "Feed", "Timeline"];
    for (const name of names) {
        await window.page.click(`.doors a:has-text("${name}")`);
        await window.page.waitForSelector("#stage:not([hidden])");
        assert.equal(await window.page.textContent("#user"), "visitor", name);
        assert.equal(await window.page.textContent(".pages [aria-current]"), name);
        assert.deepEqual(await window.page.locator(".pages a").allTextContents(), names);
        await window.page.click(".brand");
        await window.page.waitForSelector(".doors");
    }
    await window.page.click("text=With a car beside it");
    await window.page.waitForSelector(".car");
});

for (const [path, fill] of Object.entries(PAGES)) {
    test(`${path} fits every width`, async (t) => {
        const window = await open(t, path, `u${"wide".repeat(30)}`);
        await fill(window);
        for (const width of [320, 390, 600, 768, 1024, 1600]) {
            await window.page.setViewportSize({ width, height: 800 });
            assert.equal(await overflow(window), 0, `${width} pixels`);
            assert.deepEqual(await tooSmall(window), [], `${width} pixels`);
        }
    });
}

// Selector of what is read, the ground that it stands on, and its colour where it has more than one.
const CAR = "color-mix(in oklab, var(--accent) 18%, var(--card))";
const READ = {
    "/": [
        [".lead", "body"],
        [".doors span", "a"],
        [".points p", "body"],
        [".pages a", "body"],
        [".steps dd", ".steps"],
        [".live p", ".live"],
    ],
    [`${ADMIN}#pages=http://127.0.0.1`]: [
        ["#list b", "body"],
        ["#list .link-state", "body"],
        ["#list .hint", "body"],
        ["#processes", "input"],
        ["#processes-error", "body"],
        [".chart h2", ".chart"],
        [".scale span", ".chart"],
        [".axis span", ".chart"],
        [".process", ".chart"],
        [".legend b", ".chart"],
    ],
    "/car": [
        [".car-clock", ".car", CAR],
        [".car .state", ".car", CAR],
        [".car h2", ".car", CAR],
        [".car-artist", ".car", CAR],
        [".car .album", ".car", CAR],
        [".car .link-state", ".car", CAR],
        [".car .times span", ".car"],
        [".car .notice", ".car"],
        [".fields label", "body"],
        [".fields .hint", "body"],
        [".fields input", "input"],
        [".log code", ".log"],
        [".log time", ".log"],
        [".foot p", "body"],
    ],
    "/api": [
        [".about p", "body"],
        [".about .hint", "body"],
        [".contents a", ".contents"],
        [".contents h2", ".contents"],
        [".method", ".method"],
        [".operation > p", ".operation"],
        [".who-asks", ".operation"],
        [".operation h4", ".operation"],
        [".kind", ".operation"],
        [".fields-of small", ".operation"],
        [".sample", ".sample"],
        [".status.good", ".operation"],
        [".status.bad", ".operation"],
    ],
    "/rooms": [
        ["#door .hint", "#door"],
        [".or", "#door"],
        ["#enter .primary", ".primary"],
    ],
    "/rooms#room=wide": [
        [".room h1", ".room"],
        [".members", ".room"],
        [".message .text", ".text"],
        [".message b", ".talk"],
        [".message time", ".talk"],
        [".note", ".talk"],
        [".composer input", "input"],
    ],
    "/feed": [
        [".topic .hint", ".topic"],
        [".lines p", "li"],
        [".lines time", "li"],
        ["#topic", "input"],
    ],
};

READ["/timeline"] = [
    ["#key-form .hint", ".card"],
    ["#key-form label", ".card"],
    ["#key", "input"],
    ["#empty", "body"],
    [".link-state", "body"],
];
READ[`/timeline#key=${KEY}`] = [
    ["#pending", "body"],
    ["#release", "#release"],
    [".batch time", "body"],
    [".photo span", ".photo"],
    ["#says button", "button"],
    ["#backend .hint", ".card"],
    ["#counts", ".card"],
    ["#listeners", "select"],
    ["#diary span", ".card"],
    ["#diary time", ".card"],
    ["#wire code", ".log"],
];

for (const colorScheme of ["light", "dark"]) {
    test(`what is written can be read, ${colorScheme}`, async (t) => {
        for (const [path, parts] of Object.entries(READ)) {
            const context = { colorScheme, reducedMotion: "reduce" };
            const window = await open(t, path, `reader-${colorScheme}`, { context });
            await PAGES[path](window);
            for (const [selector, ground, colour] of parts) {
                const ratio = await contrast(window.page.locator(selector).first(), ground, colour);
                assert.ok(ratio >= READABLE, `${path} ${selector}, ${colorScheme}: ${ratio.toFixed(2)}`);
            }
        }
    });

    test(`every colour of members and processes can be read, ${colorScheme}`, async (t) => {
        const window = await open(t, "/feed", `hues-${colorScheme}`, { context: { colorScheme } });
        await fillFeed(window);
        const mark = window.page.locator(".lines .server").first();
        for (let hue = 0; hue < 6; hue++) {
            await mark.evaluate((node, number) => (node.dataset.hue = number), hue);
            const colour = await mark.evaluate((node) => getComputedStyle(node).color);
            const ground = `color-mix(in oklab, ${colour} 11%, var(--sunk))`;
            const ratio = await contrast(mark, "li", ground);
            assert.ok(ratio >= READABLE, `colour ${hue}, ${colorScheme}: ${ratio.toFixed(2)}`);
        }
    });
}

test("nothing is loaded from elsewhere, nothing is inline, and no address bears a token", async (t) => {
    for (const path of ["/player", ...Object.keys(PAGES)]) {
        const asked = [];
        const prepare = async (page) => {
            page.on("request", (one) => asked.push(one.url()));
            page.on("websocket", (socket) => asked.push(socket.url().replace("ws", "http")));
        };
        const window = await open(t, path, "hermit", { prepare });
        await PAGES[path]?.(window);
        assert.ok(asked.length > 5, path);
        const faceless = await window.page.$$eval("use", (nodes) =>
            nodes.map((node) => node.getAttribute("href")).filter((name) => !document.querySelector(`symbol${name}`)),
        );
        assert.deepEqual(faceless, [], `${path}: every icon is in the page, where it needs no gateway`);
        assert.deepEqual(
            asked.filter((url) => !url.startsWith(addressOf(path).split("#")[0].replace(/[^/]*$/, ""))),
            [],
            path,
        );
        assert.deepEqual(
            asked.filter((url) => url.split("#")[0].includes("token=")),
            [],
            path,
        );
        const { text, headers } = await request(addressOf(path).split("#")[0]);
        assert.match(headers["content-security-policy"], /default-src 'none'/);
        assert.doesNotMatch(text, /<style|style=|<script(?![^>]*\bsrc=)|\son\w+=/, path);
    }
});

test("every control has a name, and is reached by the keyboard", async (t) => {
    for (const [path, fill] of Object.entries(PAGES)) {
        const window = await open(t, path, "typist");
        await fill(window);
        const nameless = await window.page.$$eval("button, a, input, select, textarea", (nodes) =>
            nodes
                .filter((node) => node.checkVisibility())
                .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.labels?.[0]?.textContent.trim()))
                .map((node) => node.outerHTML),
        );
        assert.deepEqual(nameless, [], path);
        // Numbered, because what a control says of itself may change while it is being looked for.
        const controls = "button, a, summary, input, select, textarea";
        const count = await window.page.$$eval(controls, (nodes) => {
            const seen = nodes.filter((node) => node.checkVisibility() && !node.disabled);
            seen.forEach((node, number) => (node.dataset.number = number));
            return seen.length;
        });
        await window.page.evaluate(() => document.activeElement?.blur());
        const reached = new Set();
        for (let i = 0; i < count + 3; i++) {
            await window.page.keyboard.press("Tab");
            reached.add(await window.page.evaluate(() => document.activeElement.dataset.number));
        }
        const missed = await window.page.$$eval(
            "[data-number]",
            (nodes, seen) =>
                nodes
                    .filter(({ dataset }) => !seen.includes(dataset.number))
                    .map((node) => node.outerHTML.slice(0, 120)),
            [...reached],
        );
        assert.deepEqual(missed, [], path);
    }
});
