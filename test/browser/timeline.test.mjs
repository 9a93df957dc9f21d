// The timeline: what a backend says through one process, seen in windows on another.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { request } from "../e2e/lib/http.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { freePort } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { browser, gateways, redis, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

const KEY = "the-backends-key";

scene(2, flags);

function flags(port = 0) {
    return { redis: redis.url, "jwt-secret": SECRET, "api-key": KEY, listen: `127.0.0.1:${port}` };
}

// A backend that is not a page.
async function emit(user, event, data, gateway = gateways[0]) {
    const answer = await request(gateway.url(`/api/users/${user}/events`), {
        method: "POST",
        headers: { "X-API-Key": KEY, "Content-Type": "application/json" },
        body: JSON.stringify({ event, data }),
    });
    assert.equal(answer.status, 200, answer.text);
}

function upload(user, id, gateway) {
    return emit(user, "on_upload_success", { id, originalFileName: `${id}.jpg` }, gateway);
}

class Timeline {
    static async open(t, gateway, user, { key = KEY, connected = true, ...options } = {}) {
        const hash = `#token=${tokenOf(user)}${key ? `&key=${key}` : ""}`;
        const window = await Window.open(browser, gateway.url(`/timeline${hash}`), options);
        t.after(() => window.close());
        const timeline = new Timeline(window.page);
        if (connected) {
            await timeline.is("Connected");
        }
        return timeline;
    }

    constructor(page) {
        this.page = page;
    }

    async is(status, ms = patient()) {
        await until(async () => (await this.page.textContent("#status")) === status, `it is ${status}`, ms);
    }

    say(what) {
        return this.page.click(`[data-say=${what}]`);
    }

    // What the page did, oldest first.
    async diary() {
        return (await this.page.locator("#diary li span").allTextContents()).reverse();
    }

    async notes(words, ms = patient(12000)) {
        await until(async () => (await this.diary()).some((line) => words.test(line)), `a line like ${words}`, ms);
    }

    // The photos that can be seen, newest first.
    photos() {
        return this.page.locator(".photo:visible span").allTextContents();
    }

    async shows(names) {
        const wanted = names.map((name) => `${name}.jpg`).join();
        await until(async () => (await this.photos()).join() === wanted, `the photos ${wanted}`);
    }

    async counts() {
        return (await this.page.textContent("#counts")).match(/\d+/g).map(Number);
    }

    pending() {
        return this.page.textContent("#pending");
    }

    // Has the page write down what it says from now on of what is pending, since a busy machine reads it late; the
    // function that is given back tells the first of these lines that begins with the words.
    async watchPending() {
        const pending = await this.page.$("#pending");
        const lines = await pending.evaluateHandle((node) => {
            const said = [];
            const options = { childList: true, characterData: true, subtree: true };
            new MutationObserver(() => said.push(node.textContent)).observe(node, options);
            return said;
        });
        return async (words) => (await lines.jsonValue()).find((line) => line.startsWith(words));
    }
}

test("25 uploads arrive as one batch, in windows on both processes", async (t) => {
    const one = await Timeline.open(t, gateways[0], "amelie");
    const two = await Timeline.open(t, gateways[1], "amelie", { key: "" });
    const other = await Timeline.open(t, gateways[1], "somebody-else", { key: "" });
    const firsts = [await one.watchPending(), await two.watchPending()];
    await one.say("many");
    for (const [i, timeline] of [one, two].entries()) {
        let line;
        await until(async () => (line = await firsts[i]("Waiting: 25 photos")), "25 wait");
        assert.match(line, /^Waiting: 25 photos uploaded, [45]\.\d s$/);
        assert.deepEqual(await timeline.counts(), [25, 0]);
        assert.deepEqual(await timeline.photos(), [], "nothing is drawn yet");
    }
    for (const timeline of [one, two]) {
        await timeline.notes(/^25 photos uploaded, as one batch$/);
        assert.deepEqual(await timeline.counts(), [25, 1]);
        assert.equal(await timeline.pending(), "");
        assert.equal((await timeline.photos()).length, 25);
        assert.equal(await timeline.page.locator(".batch").count(), 1);
    }
    assert.deepEqual(await two.photos(), await one.photos());
    assert.deepEqual(await other.counts(), [0, 0]);
});

test("uploads that never pause are handled after ten seconds", async (t) => {
    const timeline = await Timeline.open(t, gateways[0], "busy");
    const begin = Date.now();
    let sent = 0;
    while ((await timeline.diary()).length < 2) {
        await upload("busy", `busy-${sent++}`, gateways[1]);
        await sleep(500);
        assert.ok(Date.now() - begin < patient(14000), "a batch in time");
    }
    const waited = Date.now() - begin;
    assert.ok(waited > 9500, `it waited for ${waited} ms`);
    const [, line] = await timeline.diary();
    assert.ok(Number(line.match(/^(\d+) photos uploaded/)[1]) >= 10, line);
});

test("trash, hide, delete and restore, of the photos that are chosen or the newest", async (t) => {
    const timeline = await Timeline.open(t, gateways[1], "keeper");
    for (const id of ["a", "b", "c", "d", "e"]) {
        await upload("keeper", id);
    }
    await timeline.notes(/^5 photos uploaded/);
    await timeline.shows(["e", "d", "c", "b", "a"]);
    await timeline.say("trash");
    await timeline.notes(/^1 photo moved to the trash$/);
    await timeline.shows(["d", "c", "b", "a"]);
    for (const name of ["a.jpg", "c.jpg"]) {
        await timeline.page.getByRole("button", { name }).click();
        assert.equal(await timeline.page.getByRole("button", { name }).getAttribute("aria-pressed"), "true");
    }
    await timeline.say("hide");
    await timeline.notes(/^2 photos moved to the locked folder$/);
    await timeline.shows(["d", "b"]);
    assert.match(await timeline.page.textContent("#elsewhere"), /trash: 1\. .*locked folder: 2\./);
    await timeline.say("remove");
    await timeline.notes(/^1 photo deleted for good$/);
    await timeline.shows(["b"]);
    await timeline.say("restore");
    await timeline.notes(/^All restored: 1 photo came back/);
    await timeline.shows(["e", "b"]);
});

test("settings and releases are told at once", async (t) => {
    const timeline = await Timeline.open(t, gateways[0], "admin");
    await timeline.say("many");
    await timeline.say("configure");
    await timeline.say("announce");
    await timeline.notes(/^New settings/, patient(2000));
    await timeline.notes(/^Version 1\.3\.\d+ is out; the server runs 1\.2\.3$/, patient(2000));
    assert.match(await timeline.page.textContent("#release"), /^Version 1\.3\.\d+ is there/);
    assert.match(await timeline.pending(), /25 photos/, "while uploads still wait");
});

test("nothing is lost when the process is killed, and nothing comes twice", async (t) => {
    const port = await freePort();
    const first = await Gateway.start({ flags: flags(port) });
    t.after(() => first.close());
    const timeline = await Timeline.open(t, first, "survivor", { mayLose: true });
    const witness = await Timeline.open(t, gateways[1], "survivor", { key: "" });
    await upload("survivor", "before");
    await until(async () => (await timeline.counts())[0] === 1, "the first event");
    await first.kill();
    await timeline.is("Reconnecting");
    for (const id of ["during-1", "during-2", "during-3"]) {
        await upload("survivor", id);
    }
    await emit("survivor", "on_asset_trash", ["during-2"]);
    const second = await Gateway.start({ flags: flags(port) });
    t.after(() => second.close());
    await timeline.is("Connected", patient(20000));
    await timeline.notes(/^Back: what was said meanwhile follows$/);
    await timeline.notes(/^1 photo moved to the trash$/);
    await timeline.shows(["during-3", "during-1", "before"]);
    assert.equal((await timeline.counts())[0], 5, "each event once");
    await upload("survivor", "after", second);
    await timeline.notes(/^1 photo uploaded, as one batch$/);
    for (const one of [timeline, witness]) {
        await one.shows(["after", "during-3", "during-1", "before"]);
        assert.equal((await one.counts())[0], 6);
    }
});

test("the state of the connection is shown, and left and taken up by hand", async (t) => {
    const timeline = await Timeline.open(t, gateways[0], "visitor");
    await timeline.page.click("#connect");
    await timeline.is("Disconnected");
    assert.equal(await timeline.page.textContent("#connect"), "Connect");
    await emit("visitor", "on_config_update");
    await sleep(300);
    assert.deepEqual(await timeline.diary(), ["Connected"]);
    await timeline.page.click("#connect");
    await timeline.is("Connected");
    await timeline.notes(/^New settings/);
    assert.equal(await timeline.page.textContent("#connect"), "Disconnect");
});

test("the other set of listeners is put on without losing what waits", async (t) => {
    const timeline = await Timeline.open(t, gateways[0], "modern");
    await upload("modern", "old-words");
    await until(async () => /1 photo uploaded/.test(await timeline.pending()), "it waits");
    await timeline.page.selectOption("#listeners", "beta");
    await emit("modern", "AssetUploadReadyV1", { asset: { id: "new", originalFileName: "new-words.jpg" } });
    await upload("modern", "not-heard");
    await timeline.notes(/^2 photos uploaded, as one batch$/);
    await timeline.shows(["new-words", "old-words"]);
    assert.deepEqual(await timeline.counts(), [2, 1]);
});

test("without a key the page asks for one, and says what the gateway thinks of it", async (t) => {
    const asked = [];
    const prepare = async (page) => page.on("request", (one) => asked.push(one));
    const timeline = await Timeline.open(t, gateways[0], "asker", { key: "", prepare });
    const { page } = timeline;
    assert.equal(await page.isVisible("#backend"), false);
    await page.fill("#key", KEY);
    await page.press("#key", "Enter");
    await timeline.say("configure");
    await timeline.notes(/^New settings/);
    assert.ok(asked.every((one) => !one.url().includes(KEY)), "no address bears the key");
    const kept = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));
    assert.ok(!kept.includes(KEY), "it is not kept");
    await page.click("#forget-key");
    assert.equal(await page.isVisible("#backend"), false);
    assert.equal(await page.inputValue("#key"), "");
});

test("a key from the address is gone from it when it is to be forgotten", async (t) => {
    const timeline = await Timeline.open(t, gateways[0], "forgetful");
    assert.match(timeline.page.url(), /key=/);
    await timeline.page.click("#forget-key");
    assert.doesNotMatch(timeline.page.url(), /key=/);
    assert.match(timeline.page.url(), /token=/);
});

test("what cannot be said is told: no photo, a wrong key", async (t) => {
    const timeline = await Timeline.open(t, gateways[0], "luckless", { key: "wrong", mayBeRefused: true });
    await timeline.say("trash");
    await until(
        async () => /no photo here yet/.test(await timeline.page.textContent("#backend-notice")),
        "there is nothing to trash",
    );
    await timeline.say("configure");
    await until(
        async () => /^Not said: .*key/.test(await timeline.page.textContent("#backend-notice")),
        "the key is wrong",
    );
});

test("a token that does not hold is told, and another one is asked for", async (t) => {
    const strange = tokenOf("stranger", { key: "another-secret" });
    const window = await Window.open(browser, gateways[0].url(`/timeline#token=${strange}`));
    t.after(() => window.close());
    const { page } = window;
    await page.waitForSelector("#token-form:not([hidden])");
    assert.match(await page.textContent("#token-reason"), /token/);
    assert.equal(await page.isVisible("#stage"), false);
    await page.fill("#token", tokenOf("native"));
    await page.click("#token-form [type=submit]");
    await new Timeline(page).is("Connected");
    assert.equal(await page.textContent("#user"), "native");
});

test("a token that ends while it is in use is asked for anew", async (t) => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const brief = tokenOf("brief", { claims: { exp } });
    const window = await Window.open(browser, gateways[1].url(`/timeline#token=${brief}`));
    t.after(() => window.close());
    await window.page.waitForSelector("#token-form:not([hidden])");
    assert.match(await window.page.textContent("#token-reason"), /expired/);
});

test("HTML in what comes is only ever text", async (t) => {
    const hostile = `<img src=x onerror="document.title='owned'">`;
    const timeline = await Timeline.open(t, gateways[1], "target");
    await emit("target", "on_upload_success", { id: hostile, originalFileName: hostile });
    await emit("target", "on_new_release", { releaseVersion: { major: hostile, minor: 1, patch: 1 } });
    await timeline.notes(/^1 photo uploaded/);
    assert.deepEqual(await timeline.photos(), [hostile]);
    await timeline.page.click("#wire-fold summary");
    await until(async () => /onerror/.test(await timeline.page.textContent("#wire")), "it stands in the log");
    assert.equal(await timeline.page.locator("#stage img").count(), 0);
    assert.equal(await timeline.page.title(), "Timeline · Segue");
});
