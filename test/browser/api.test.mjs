// The page of the HTTP API: it shows all that the document says, and what it shows can be pointed at.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { browser, gateway, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

const described = JSON.parse(readFileSync(new URL("../../gateway/web/openapi.json", import.meta.url), "utf8"));
const operations = Object.entries(described.paths).flatMap(([path, item]) =>
    Object.entries(item)
        .filter(([name]) => name !== "parameters")
        .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

scene(1);

async function open(t, path, options) {
    const window = await Window.open(browser, gateway.url(path), options);
    t.after(() => window.close());
    return window;
}

test("every operation is shown, with its fields, its examples and its answers", async (t) => {
    const { page } = await open(t, "/api");
    await page.waitForSelector("#stage:not([hidden])");
    assert.equal(await page.textContent("h1"), described.info.summary);
    assert.equal(await page.locator(".operation").count(), operations.length);
    for (const { method, path, operation } of operations) {
        const article = page.locator(`#${operation.operationId}`);
        assert.equal(await article.locator("h3").textContent(), `${method} ${path}`);
        const text = await article.textContent();
        assert.ok(text.includes(operation.summary));
        const statuses = await article.locator(".status").allTextContents();
        assert.deepEqual(statuses, Object.keys(operation.responses));
        for (const { value } of Object.values(operation.requestBody?.content["application/json"].examples ?? {})) {
            assert.ok(text.includes(`-d '${JSON.stringify(value)}'`), `${method} ${path}: its example`);
        }
        assert.ok(text.includes("security" in operation && JSON.stringify(operation.security).includes("apiKey") ? "$key" : "$token"));
    }
    const control = await page.locator("#control .fields-of").nth(1).textContent();
    assert.match(control, /command.*play, pause, next, previous, seek.*value optional.*number, 0 or more: seconds/);
    assert.match(await page.locator("#lookAtRoom").textContent(), /members\[\]\.clientId/);
    assert.doesNotMatch(await page.locator("main").textContent(), /undefined|\[object|NaN/);
});

test("the overview leads there, and the contents and an address lead to an operation", async (t) => {
    const { page } = await open(t, "/");
    await page.click('a[href="/api"]');
    await page.click(".contents a:has-text('Say something in a room')");
    assert.match(page.url(), /\/api#sayInRoom$/);
    await page.waitForFunction(() => document.getElementById("sayInRoom").getBoundingClientRect().top < 100);
    const other = await open(t, "/api#sayOnFeed");
    await other.page.waitForSelector("#sayOnFeed");
    await other.page.waitForFunction(() => document.getElementById("sayOnFeed").getBoundingClientRect().top < innerHeight);
});

test("a document that is not there is an error that is said", async (t) => {
    const { page } = await open(t, "/api", {
        mayLose: true,
        prepare: (fresh) => fresh.route("**/api/openapi.json", (route) => route.fulfill({ status: 503, body: "" })),
    });
    await page.waitForSelector("#failure:not(:empty)");
    assert.match(await page.textContent("#failure"), /could not be loaded: status 503/);
    assert.equal(await page.isVisible("#stage"), false);
});
