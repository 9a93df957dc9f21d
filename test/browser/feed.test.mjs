// Feeds: lines that arrive in windows on several processes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { request } from "../e2e/lib/http.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { freePort } from "../e2e/lib/redis.mjs";
import { SECRET } from "../e2e/lib/token.mjs";
import { browser, gateways, redis, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

const KEY = "the-backends-key";

scene(2, flags);

function flags(port = 0) {
    return { redis: redis.url, "jwt-secret": SECRET, "api-key": KEY, listen: `127.0.0.1:${port}` };
}

// A backend says a line, through any process.
async function distribute(topic, message) {
    const answer = await request(gateways[0].url(`/api/feeds/${topic}`), {
        method: "POST",
        headers: { "X-API-Key": KEY, "Content-Type": "application/json" },
        body: JSON.stringify({ message }),
    });
    assert.ok([200, 202].includes(answer.status), answer.text);
}

class Reader {
    static async open(t, gateway, topic, options = {}) {
        const window = await Window.open(browser, gateway.url(`/feed#topic=${topic}`), options);
        t.after(() => window.close());
        const reader = new Reader(window.page);
        await reader.hints(/Connected/);
        return reader;
    }

    constructor(page) {
        this.page = page;
    }

    card(index = 0) {
        return this.page.locator(".topic").nth(index);
    }

    part(name, index = 0) {
        return this.card(index).locator(`[data-part="${name}"]`);
    }

    async hints(words, index = 0, ms = patient()) {
        await until(async () => words.test(await this.part("hint", index).textContent()), `the page says ${words}`, ms);
    }

    async subscribe(index = 0) {
        await this.part("subscribe", index).click();
        await this.hints(/^Subscribed/, index);
    }

    // The lines, newest first.
    lines(index = 0) {
        return this.part("lines", index).locator("li p:first-child").allTextContents();
    }

    async reads(lines, index = 0) {
        await until(
            async () => (await this.lines(index)).join("\n") === lines.join("\n"),
            `the lines ${lines.join(" | ")}`,
        );
    }
}

test("subscribed windows on two processes get a line, others do not", async (t) => {
    const one = await Reader.open(t, gateways[0], "news");
    const two = await Reader.open(t, gateways[1], "news");
    const idle = await Reader.open(t, gateways[1], "news");
    const other = await Reader.open(t, gateways[1], "other");
    await Promise.all([one, two, other].map((reader) => reader.subscribe()));
    await distribute("news", "the first line");
    await one.reads(["the first line"]);
    await two.reads(["the first line"]);
    await one.part("subscribe").click();
    await one.hints(/^Connected/);
    await distribute("news", "the second line");
    await two.reads(["the second line", "the first line"]);
    await one.subscribe();
    await distribute("news", "the third line");
    await one.reads(["the third line", "the first line"]);
    assert.deepEqual([await idle.lines(), await other.lines()], [[], []]);
    await idle.hints(/Nothing comes before you subscribe/);
});

test("a line bears the mark of the process that served it", async (t) => {
    const marks = [];
    for (const gateway of gateways) {
        const reader = await Reader.open(t, gateway, "marked");
        await reader.subscribe();
        marks.push(reader);
    }
    await distribute("marked", "who served me?");
    const names = [];
    for (const reader of marks) {
        await reader.reads(["who served me?"]);
        const name = await reader.part("server").textContent();
        assert.match(name, /^\S+$/);
        assert.equal(await reader.part("lines").locator(".server").textContent(), name);
        names.push(name);
    }
    assert.notEqual(names[0], names[1]);
});

test("several connections in one window, each with its own mind", async (t) => {
    const reader = await Reader.open(t, gateways[0], "several");
    await reader.page.click("#add");
    await reader.hints(/Connected/, 1);
    await reader.subscribe(1);
    await distribute("several", "for the second");
    await reader.reads(["for the second"], 1);
    assert.deepEqual(await reader.lines(0), []);
    await reader.part("connect", 1).click();
    await reader.hints(/subscribe again/, 1);
    await reader.part("connect", 1).click();
    await reader.hints(/^Subscribed/, 1);
    await reader.part("remove", 0).click();
    assert.equal(await reader.page.locator(".topic").count(), 1);
});

test("another topic is followed without loading the page anew", async (t) => {
    const reader = await Reader.open(t, gateways[0], "before");
    await reader.subscribe();
    await reader.page.fill("#topic", "not a topic");
    await reader.page.click("#topic-form button");
    assert.match(reader.page.url(), /topic=before/);
    await reader.page.fill("#topic", "after");
    await reader.page.click("#topic-form button");
    await reader.hints(/^Subscribed/);
    await distribute("before", "old");
    await distribute("after", "new");
    await reader.reads(["new"]);
    assert.match(reader.page.url(), /topic=after/);
});

test("HTML in a line is only ever text", async (t) => {
    const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    const reader = await Reader.open(t, gateways[1], "hostile");
    await reader.subscribe();
    await distribute("hostile", hostile);
    await reader.reads([hostile]);
    assert.equal(await reader.page.locator(".lines img, .lines script").count(), 0);
    assert.equal(await reader.page.title(), "Feed · Segue");
});

test("when the process is killed the page comes back and subscribes again", async (t) => {
    const port = await freePort();
    const first = await Gateway.start({ flags: flags(port) });
    t.after(() => first.close());
    const reader = await Reader.open(t, first, "survivors", { mayLose: true });
    await reader.subscribe();
    await first.kill();
    await until(
        async () => /^Reconnecting$/.test(await reader.part("status").textContent()),
        "it shows that it comes back",
    );
    await reader.hints(/subscribe again/);
    const second = await Gateway.start({ flags: flags(port) });
    t.after(() => second.close());
    await reader.hints(/^Subscribed/, 0, patient(20000));
    await distribute("survivors", "welcome back");
    await reader.reads(["welcome back"]);
});

test("a reader who is quiet for long stays connected", async (t) => {
    const reader = await Reader.open(t, gateways[0], "quiet");
    await reader.subscribe();
    await sleep(18000);
    await distribute("quiet", "still there?");
    await reader.reads(["still there?"]);
    assert.equal(await reader.part("status").textContent(), "Online");
});
