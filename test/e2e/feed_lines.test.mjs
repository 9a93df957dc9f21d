// Feed lines: the built-in feeds against a model: one line per period over the whole cluster, in the file's order,
// whichever processes start, stop, are killed or all of them at once.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Feed } from "./lib/feed.mjs";
import { runOnce } from "./lib/gateway.mjs";
import { removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { testSite } from "./lib/site.mjs";
import { SECRET } from "./lib/token.mjs";
import { envelopeOf, Listener } from "../lua/lib/listener.mjs";

const WISDOM = fileURLToPath(new URL("../../gateway/feeds/wisdom.txt", import.meta.url));

// Everything that Redis publishes on a topic, with Redis's time, as a model sees it.
class Model {
    static async open(site, topic) {
        const model = new Model();
        model.listener = await Listener.open(site.redis, `segue:feed:{${topic}}`);
        return model;
    }

    get heard() {
        return this.listener.heard.map((text) => {
            const { time, message } = envelopeOf(text);
            return { time: Number(time) / 1000, message: JSON.parse(message).payload.message };
        });
    }

    get lines() {
        return this.heard.map(({ message }) => message);
    }

    // One line in each period at most, and the lines are those of the file from `first` on, round and round.
    check(lines, period, first = 0) {
        const expected = this.lines.map((_, i) => lines[(first + i) % lines.length]);
        assert.deepEqual(this.lines, expected, "the file's order");
        const periods = this.heard.map(({ time }) => Math.floor(time / period));
        assert.equal(new Set(periods).size, periods.length, `two lines in one period: ${periods}`);
        return periods;
    }

    // ... and none of the periods between the first and the last is left out.
    checkWithoutGap(lines, period, first) {
        const periods = this.check(lines, period, first);
        assert.equal(periods.at(-1) - periods[0] + 1, periods.length, `a period was left out: ${periods}`);
    }

    until(count) {
        return until(() => this.heard.length >= count, `${count} lines`, patient(count * 1000 + 8000));
    }
}

describe("feed lines", { concurrency: 6 }, () => {
    let folder;
    let files = 0;

    before(() => (folder = temporaryDirectory()));
    after(() => removeDirectory(folder));

    function fileOf(lines) {
        const path = join(folder, `lines-${++files}.txt`);
        writeFileSync(path, typeof lines === "string" ? lines : `${lines.join("\n")}\n`);
        return path;
    }

    const named = (word, count) => Array.from({ length: count }, (_, i) => `${word} ${i}`);

    test("three processes tell every line once, in order, round and round, to clients on each of them", async (t) => {
        const lines = named("line", 3);
        const site = await testSite(t, { gateways: 3, flags: { feed: `news=${fileOf(lines)}:1` } });
        const model = await Model.open(site, "news");
        const feeds = await Promise.all(site.gateways.map((gateway) => Feed.subscribed(gateway, "/feed/news")));
        const first = [];
        for (let i = 0; i < 5; i++) {
            const heard = await Promise.all(feeds.map((feed) => feed.line()));
            assert.deepEqual(heard, Array(3).fill(heard[0]));
            first.push(heard[0]);
        }
        const start = lines.indexOf(first[0]);
        assert.deepEqual(
            first,
            first.map((_, i) => lines[(start + i) % 3]),
        );
        model.checkWithoutGap(lines, 1000, lines.indexOf(model.lines[0]));
    });

    test("processes that are killed and started again and again leave nothing out and double nothing", async (t) => {
        const lines = named("line", 7);
        const file = fileOf(lines);
        const site = await testSite(t, { gateways: 2, flags: { feed: `news=${file}:1` } });
        const model = await Model.open(site, "news");
        await model.until(1);
        const start = lines.indexOf(model.lines[0]);
        for (let round = 0; round < 9; round++) {
            await sleep(Math.random() * 900);
            const doomed = site.gateways.at(-1);
            const next = site.addGateway();
            await (round % 2 ? doomed.kill() : next.then(() => doomed.kill()));
            await next;
        }
        await model.until(model.heard.length + 2);
        assert.ok(model.heard.length >= 5, `${model.heard.length} lines`);
        model.checkWithoutGap(lines, 1000, start);
    });

    test("processes that come and go politely double nothing and leave nothing out", async (t) => {
        const lines = named("line", 4);
        const site = await testSite(t, { gateways: 1, flags: { feed: `news=${fileOf(lines)}:1` } });
        const model = await Model.open(site, "news");
        await model.until(1);
        const start = lines.indexOf(model.lines[0]);
        for (let round = 0; round < 5; round++) {
            const next = await site.addGateway();
            await site.gateways.at(-2).terminate();
            await until(async () => (await next.get("/readyz")).status === 200, "the next one is ready");
        }
        await model.until(model.heard.length + 1);
        model.checkWithoutGap(lines, 1000, start);
    });

    test("when all are killed, the periods meanwhile are not made up for, and the next line follows", async (t) => {
        const lines = named("line", 5);
        const site = await testSite(t, { gateways: 3, flags: { feed: `news=${fileOf(lines)}:1` } });
        const model = await Model.open(site, "news");
        await model.until(2);
        await Promise.all(site.gateways.map((gateway) => gateway.kill()));
        await sleep(100);
        const before = model.heard.length;
        await sleep(3300);
        assert.equal(model.heard.length, before, "nobody is there to tell");
        await Promise.all([site.addGateway(), site.addGateway()]);
        await model.until(before + 2);
        const periods = model.check(lines, 1000, lines.indexOf(model.lines[0]));
        assert.ok(periods[before] - periods[before - 1] >= 3, `${periods}`);
        assert.ok(model.heard.length - before <= 4);
    });

    test("a topic's clients are told what is said by hand in between", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { "api-key": "k", feed: `news=${fileOf(["a"])}:1` } });
        const feed = await Feed.subscribed(site.gateways[1], "/feed/news");
        const body = JSON.stringify({ message: "by hand" });
        const answer = await site.gateways[0].get("/api/feeds/news", {
            method: "POST",
            headers: { "X-API-Key": "k" },
            body,
        });
        assert.equal(answer.status, 200);
        const heard = new Set([await feed.line(), await feed.line()]);
        assert.deepEqual([...heard].sort(), ["a", "by hand"]);
    });

    test("a file is read again on SIGHUP; a bad one leaves the old lines", async (t) => {
        const file = fileOf(["old"]);
        const site = await testSite(t, { gateways: 2, flags: { feed: `news=${file}:1` } });
        const [, gateway] = site.gateways;
        await site.gateways[0].terminate();
        const feed = await Feed.subscribed(gateway, "/feed/news");
        assert.equal(await feed.line(), "old");
        writeFileSync(file, "new 0\nnew 1\n");
        gateway.signal("SIGHUP");
        await until(() => /feed read topic=news .*lines=2/.test(gateway.log), "the file is read");
        let line = await feed.line();
        line = line === "old" ? await feed.line() : line;
        const told = [line, await feed.line(), await feed.line()].map((text) => text.split(" ")[1]);
        assert.ok(["0 1 0", "1 0 1"].includes(told.join(" ")), `${told}`);
        writeFileSync(file, "\n  \n");
        gateway.signal("SIGHUP");
        await until(() => /warn .*feed not read.*has no line/.test(gateway.log), "the empty file is refused");
        assert.match(await feed.line(), /^new \d$/);
        assert.match(await feed.line(), /^new \d$/);
    });

    test("SIGHUP harms no process without files", async (t) => {
        const site = await testSite(t, { gateways: 1 });
        const feed = await Feed.open(site.gateways[0]);
        site.gateways[0].signal("SIGHUP");
        await sleep(100);
        await feed.hearsNothing();
    });

    test("processes with different files tell one line per period nonetheless", async (t) => {
        const site = await testSite(t, { gateways: 0 });
        const model = await Model.open(site, "news");
        const files = [fileOf(named("a", 2)), fileOf(named("b", 5)), fileOf(["c"])];
        await Promise.all(files.map((file) => site.addGateway({ feed: `news=${file}:1` })));
        await model.until(6);
        const periods = model.heard.map(({ time }) => Math.floor(time / 1000));
        assert.deepEqual(
            periods,
            periods.map((_, i) => periods[0] + i),
        );
    });

    test("when Redis was away the feed goes on where it was", async (t) => {
        const lines = named("line", 6);
        const site = await testSite(t, { gateways: 2, flags: { feed: `news=${fileOf(lines)}:1` } });
        const feed = await Feed.subscribed(site.gateways[0], "/feed/news");
        const start = lines.indexOf(await feed.line());
        const second = await feed.line();
        assert.equal(second, lines[(start + 1) % 6]);
        await site.redis.restart();
        const later = await feed.line(patient(10000));
        const at = lines.indexOf(later);
        assert.ok([2, 3, 4].includes((at - start + 6) % 6), `${later} after ${second}`);
        assert.equal(await feed.line(), lines[(at + 1) % 6]);
    });

    test("wisdom is there without a word in the configuration", async (t) => {
        const wisdom = readFileSync(WISDOM, "utf8").trim().split("\n");
        assert.ok(wisdom.length >= 40 && new Set(wisdom).size === wisdom.length);
        const site = await testSite(t, { gateways: 0 });
        const model = await Model.open(site, "wisdom");
        await site.redis.call("HSET", "segue:feed:{wisdom}", "start", Date.now(), "line", 41);
        await Promise.all([site.addGateway(), site.addGateway()]);
        const feeds = await Promise.all(
            ["/wisdom", "/connect"].map((path, i) => Feed.subscribed(site.gateways[i], path)),
        );
        const heard = await Promise.all(feeds.map((feed) => feed.line(patient(15000))));
        assert.deepEqual(heard, Array(2).fill(wisdom[41]));
        model.check(wisdom, 10000, wisdom.indexOf(model.lines[0]));
    });

    test("wisdom of one's own takes the place of the built-in one", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { feed: [`wisdom=${fileOf(["mine"])}:1`] } });
        const feed = await Feed.subscribed(site.gateways[0], "/wisdom");
        assert.equal(await feed.line(), "mine");
    });

    describe("at the start", () => {
        const check = (...feeds) =>
            runOnce(["--check-config", ...feeds.flatMap((feed) => ["--feed", feed])], { SEGUE_JWT_SECRET: SECRET });

        test("good feeds are taken, any number of them", () => {
            const file = fileOf("one\r\n\n  two  \n\u00fcber\tden");
            const { code, stderr } = check(`a=${file}:1`, `B_-9=${file}:86400`, `wisdom=${file}:5`);
            assert.deepEqual([code, stderr], [0, ""]);
        });

        const text = {
            "an empty file": ["", /no line/],
            "blank lines alone": ["\n \t\r\n", /no line/],
            "a line that is too long": ["x".repeat(16385), /line 1 is longer/],
            "bytes that are not UTF-8": [Buffer.from("fine\n\xff\n", "latin1"), /line 2 is not UTF-8/],
            "a NUL byte": ["a\0b", /line 1 holds a control byte/],
            "too many lines": ["x\n".repeat(100001), /more than \d+ lines/],
            "too many bytes": [`${"x".repeat(1000)}\n`.repeat(4300), /larger than/],
        };
        for (const [what, [content, why]] of Object.entries(text)) {
            test(`${what}: refused`, () => {
                const path = fileOf("");
                writeFileSync(path, content);
                const { code, stderr } = check(`a=${path}:1`);
                assert.equal(code, 2);
                assert.match(stderr, why);
                assert.match(stderr, /^segue: --feed .*\n$/, "one line that names the flag");
                assert.ok(stderr.includes(path));
            });
        }

        test("a file that is not there, or is a folder, is refused", () => {
            assert.match(check(`a=${folder}/nothing:1`).stderr, /No such file/);
            const { code, stderr } = check(`a=${folder}:1`);
            assert.equal(code, 2);
            assert.match(stderr, /directory/);
        });

        test("what is not NAME=FILE:SECONDS is refused", () => {
            const file = fileOf(["x"]);
            for (const feed of [
                "a",
                "=",
                `=${file}:1`,
                `a=${file}`,
                `a=${file}:`,
                `a=${file}:0`,
                `a=${file}:x`,
                `a=${file}:1.5`,
                `a=${file}:-1`,
                `a=${file}:86401`,
                "a=:1",
                `a b=${file}:1`,
                `a.b=${file}:1`,
                `${"x".repeat(65)}=${file}:1`,
            ]) {
                const { code, stderr } = check(feed);
                assert.equal(code, 2, feed);
                assert.match(stderr, /^segue: --feed: .*NAME=FILE:SECONDS.*\n$/, feed);
            }
            assert.match(check(`a=${file}:1`, `a=${file}:2`).stderr, /second feed of that name/);
        });

        test("the variable takes several, parted by commas", () => {
            const file = fileOf(["x"]);
            const run = (value) => runOnce(["--check-config"], { SEGUE_FEED: value });
            assert.equal(run(`a=${file}:1,b=${file}:2`).code, 0);
            assert.match(run(`a=${file}:1,b`).stderr, /^segue: SEGUE_FEED: /);
        });
    });
});
