// The overview and the chart: what two processes do is seen live, and the ways to it and from it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { freePort, Redis } from "../e2e/lib/redis.mjs";
import { newTrack } from "../e2e/lib/scenario.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { browser, gateways, redis, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

const CONNECTIONS = 0;
const LATENCY = 1;
const IN = 2;
const OUT = 3;

scene(2, flags);

function flags(admin = 0) {
    return { redis: redis.url, "jwt-secret": SECRET, rate: 0, "admin-listen": `127.0.0.1:${admin}` };
}

const nameOf = ({ adminPort }) => `127.0.0.1:${adminPort}`;
const hashOf = (list) => `#processes=${list.map(nameOf).join(",")}`;

class Overview {
    static async open(t, url, options) {
        const window = await Window.open(browser, url, options);
        t.after(() => window.close());
        return new Overview(window.page);
    }

    constructor(page) {
        this.page = page;
    }

    // The processes as the page lists them: [[name, status]].
    processes() {
        return this.page.$$eval("#list li", (items) =>
            items.map((item) => ["name", "status"].map((part) => item.querySelector(`[data-part=${part}]`).textContent)),
        );
    }

    async lists(...wanted) {
        const text = JSON.stringify(wanted);
        await until(async () => JSON.stringify(await this.processes()) === text, `the list ${text}`);
    }

    // What a chart says of every process: [[name, value]].
    values(chart) {
        return this.page.$$eval(
            ".chart",
            (charts, number) =>
                [...charts[number].querySelectorAll(".legend li")].map((item) =>
                    [".process", "b"].map((part) => item.querySelector(part).textContent),
                ),
            chart,
        );
    }

    async numbers(chart) {
        return (await this.values(chart)).map(([, value]) => Number(value.replace(",", "")));
    }

    // The drawn line of a process: [{x, y}], y from 0 (bottom) to 1 (top).
    line(chart, process, key) {
        return this.page.$$eval(
            ".chart",
            (charts, [number, index, name]) => {
                const path = charts[number].querySelectorAll(`path.${name}`)[index];
                return [...path.getAttribute("d").matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)].map(([, x, y]) => ({
                    x: Number(x),
                    y: 1 - Number(y) / 100,
                }));
            },
            [chart, process, key],
        );
    }
}

// Two devices of a user on every one of these processes, the first of which goes on changing the track.
async function traffic(t, on, user) {
    const devices = [];
    for (const gateway of on) {
        devices.push(await Player.open(gateway, { token: tokenOf(user) }));
        devices.push(await Player.open(gateway, { token: tokenOf(user) }));
    }
    let sent = 0;
    const timer = setInterval(() => devices[0].send(newTrack(sent++)), 20);
    t.after(() => {
        clearInterval(timer);
        devices.forEach((device) => device.terminate());
    });
    return devices;
}

test("the page of the admin listener watches its own process", async (t) => {
    const overview = await Overview.open(t, gateways[0].adminUrl("/"));
    await overview.lists([nameOf(gateways[0]), "Up"]);
    assert.equal(await overview.page.inputValue("#processes"), nameOf(gateways[0]));
    assert.equal(await overview.page.locator(".chart").count(), 4);
    assert.match(await overview.page.textContent("#list .hint"), /^Redis up, \d+\.\d MiB$/);
    assert.equal(await overview.page.isVisible("#pages"), false, "nobody said where the other pages are");
});

test("the chart shows both processes, and moves when messages flow", async (t) => {
    const overview = await Overview.open(t, gateways[0].adminUrl("/") + hashOf(gateways));
    await overview.lists([nameOf(gateways[0]), "Up"], [nameOf(gateways[1]), "Up"]);
    await until(async () => (await overview.numbers(IN)).every((value) => value === 0), "nothing is said yet");
    assert.deepEqual(await overview.numbers(CONNECTIONS), [0, 0]);

    const devices = await traffic(t, gateways, "listener");
    await until(async () => (await overview.numbers(CONNECTIONS)).every((value) => value === 2), "two connections each");
    await until(async () => (await overview.numbers(IN))[0] > 5, "messages come in at the first");
    assert.equal((await overview.numbers(IN))[1], 0, "and not at the second");
    await until(async () => (await overview.numbers(OUT)).every((value) => value > 5), "messages go out of both");
    await until(
        async () => (await overview.values(LATENCY)).every(([, value]) => /^p50 [\d.]+ m?s, p99 [\d.]+ m?s$/.test(value)),
        "both tell their latency",
    );
    for (const number of [0, 1]) {
        const line = await overview.line(OUT, number, "sent");
        assert.ok(line.length >= 2, "it is drawn");
        assert.ok(Math.min(...line.map(({ y }) => y)) < 0.01 && Math.max(...line.map(({ y }) => y)) > 0.1, "it rises");
        assert.ok(line.every(({ x, y }, i) => x <= 1200 && y <= 1 && (i === 0 || x > line[i - 1].x)));
    }
    const p50 = (await overview.line(LATENCY, 1, "p50")).at(-1);
    const p99 = (await overview.line(LATENCY, 1, "p99")).at(-1);
    assert.ok(0 < p50.y && p50.y <= p99.y, `p50 ${p50.y}, p99 ${p99.y}`);

    devices.forEach((device) => device.terminate());
    await until(async () => (await overview.numbers(CONNECTIONS)).every((value) => value === 0), "nobody is left");
    const line = await overview.line(CONNECTIONS, 0, "connections");
    assert.ok(Math.max(...line.map(({ y }) => y)) > 0.1, "what was can still be seen");
});

test("a line moves to the left as time goes by", async (t) => {
    const overview = await Overview.open(t, gateways[0].adminUrl("/"));
    await until(async () => (await overview.line(CONNECTIONS, 0, "connections")).length > 0, "a first point");
    const [{ x: before }] = await overview.line(CONNECTIONS, 0, "connections");
    await sleep(2500);
    const [{ x: later }] = await overview.line(CONNECTIONS, 0, "connections");
    assert.ok(before - later >= 10, `from ${before} to ${later}: two seconds are 20 of 1200`);
});

test("a killed process leaves a gap, and comes back", async (t) => {
    const admin = await freePort();
    const first = await Gateway.start({ flags: flags(admin) });
    t.after(() => first.close());
    const watched = [gateways[0], first];
    const overview = await Overview.open(t, gateways[0].adminUrl("/") + hashOf(watched), { mayLose: true });
    await overview.lists([nameOf(gateways[0]), "Up"], [nameOf(first), "Up"]);
    await first.kill();
    await overview.lists([nameOf(gateways[0]), "Up"], [nameOf(first), "No answer"]);
    assert.equal((await overview.values(CONNECTIONS))[1][1], "no answer");
    await sleep(1500);
    const second = await Gateway.start({ flags: flags(admin) });
    t.after(() => second.close());
    await overview.lists([nameOf(gateways[0]), "Up"], [nameOf(second), "Up"]);
    const path = await overview.page.locator(".chart path.connections").nth(1).getAttribute("d");
    assert.equal(path.match(/M/g).length, 2, path);
});

test("other processes are watched without loading the page anew, and are remembered in this tab", async (t) => {
    const overview = await Overview.open(t, gateways[0].adminUrl("/"));
    await overview.page.fill("#processes", "not one/at all");
    await overview.page.click("#processes-form button");
    assert.match(await overview.page.textContent("#processes-error"), /host:port/);
    await overview.page.fill("#processes", `${nameOf(gateways[1])}, ${nameOf(gateways[0])}`);
    await overview.page.press("#processes", "Enter");
    await overview.lists([nameOf(gateways[1]), "Up"], [nameOf(gateways[0]), "Up"]);
    assert.equal(await overview.page.textContent("#processes-error"), "");
    await overview.page.goto(gateways[0].adminUrl("/"));
    await overview.lists([nameOf(gateways[1]), "Up"], [nameOf(gateways[0]), "Up"]);
});

test("who answers something else is no process of ours", async (t) => {
    const hash = `#processes=${nameOf(gateways[0])},${gateways[0].host}:${redis.port}`;
    const overview = await Overview.open(t, gateways[0].adminUrl("/") + hash, { mayLose: true });
    await overview.lists([nameOf(gateways[0]), "Up"], [`127.0.0.1:${redis.port}`, "No answer"]);
});

test("from the overview to the chart of all processes, and back to the pages, with the token", async (t) => {
    const hash = `${hashOf(gateways)}&token=${tokenOf("visitor")}`;
    const overview = await Overview.open(t, gateways[1].url("/") + hash);
    await overview.page.click("#chart");
    await overview.lists([nameOf(gateways[0]), "Up"], [nameOf(gateways[1]), "Up"]);
    await overview.page.click(".pages a:has-text('Rooms')");
    await overview.page.waitForSelector("#stage:not([hidden])");
    assert.equal(await overview.page.textContent("#user"), "visitor");
    assert.ok(overview.page.url().startsWith(gateways[1].url("/rooms")));
    await overview.page.click(".brand");
    await overview.page.waitForSelector("#chart:not([hidden])", { timeout: patient() });
});

test("without processes in the address the overview says where the chart is", async (t) => {
    const overview = await Overview.open(t, gateways[0].url("/"));
    assert.equal(await overview.page.isVisible("#chart"), false);
    assert.match(await overview.page.textContent(".live p"), /admin-listen/);
});

test("no address makes the links lead to a script", async (t) => {
    for (const pages of ["javascript:alert(1)//", "data:text/html,hello", "ftp://x"]) {
        const hash = `#pages=${encodeURIComponent(pages)}`;
        const overview = await Overview.open(t, gateways[0].adminUrl("/") + hash);
        await overview.lists([nameOf(gateways[0]), "Up"]);
        assert.equal(await overview.page.isVisible("#pages"), false, pages);
        assert.equal(await overview.page.getAttribute(".brand", "href"), "/", pages);
    }
});
