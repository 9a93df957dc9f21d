// scripts/top: what it shows of processes that work, of one that is dead, of a Redis that goes; on a terminal and without one.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";

import { keep, removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { patient, sleep, until, within } from "../e2e/lib/patience.mjs";
import { newTrack } from "../e2e/lib/scenario.mjs";
import { suiteSite, testSite } from "../e2e/lib/site.mjs";
import { Running, pathOf, run } from "./lib/script.mjs";

const DEAD = "127.0.0.1:1"; // nobody listens there
const adminOf = ({ adminPort }) => `127.0.0.1:${adminPort}`;

// What `scripts/top --json` says, look by look.
class Looks {
    #running;

    static start(t, args) {
        const looks = new Looks();
        looks.#running = new Running("top", ["--json", "--interval", "0.3", ...args]);
        t.after(async () => {
            looks.#running.interrupt();
            await looks.#running.ended();
        });
        return looks;
    }

    // The newest look for which it holds.
    when(holds, what) {
        let newest;
        const look = () => {
            const lines = this.#running.output.split("\n").slice(0, -1);
            newest = lines.length ? JSON.parse(lines.at(-1)) : undefined;
            return newest && holds(newest) && newest;
        };
        return until(look, () => `${what}: ${JSON.stringify(newest)} ${this.#running.output.slice(-300)}`, patient(20000));
    }
}

// Talks for as long as the test runs.
async function busy(t, site, on = 0) {
    const user = site.user();
    const [one, two] = [await site.player(user, on), await site.player(user, on)];
    let n = 0;
    const talking = setInterval(() => one.send(newTrack(n++)), 20);
    t.after(() => clearInterval(talking));
    return [one, two];
}

describe("looking at processes", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });
    const admins = () => [...site.gateways.map(adminOf), DEAD];

    test("two processes that work, and a dead one", async (t) => {
        await busy(t, site);
        await site.player(site.user(), 1);
        const looks = Looks.start(t, ["--redis", site.redis.unixUrl, ...admins()]);
        const { processes, total, redis, ready } = await looks.when(
            ({ processes: [first] }) => first.perSecond?.sent > 20 && first.delivery.p99 !== null,
            "messages and latencies",
        );
        assert.deepEqual(processes.map(({ address, state }) => [address, state]), [
            [adminOf(site.gateways[0]), "up"],
            [adminOf(site.gateways[1]), "up"],
            [DEAD, "down"],
        ]);
        assert.equal(ready, 2);
        const [busyOne, idle, dead] = processes;
        assert.deepEqual(dead, { address: DEAD, state: "down" });
        assert.deepEqual([busyOne, idle, total].map(({ connections }) => connections.websocket), [2, 1, 3]);
        assert.ok(busyOne.perSecond.received > 20 && busyOne.perSecond.received < 100, `${busyOne.perSecond.received}/s`);
        assert.equal(idle.perSecond.received, 0);
        assert.equal(idle.delivery.p50, null, "nothing was measured there");
        for (const { p50, p99 } of [busyOne.delivery, busyOne.redis, total.delivery, total.redis]) {
            assert.ok(p50 > 0 && p50 <= p99 && p99 < patient(2000) / 1000, `${p50} ${p99}`);
        }
        for (const one of [busyOne, idle]) {
            assert.match(one.name, /^[0-9a-f]{6}$/);
            assert.ok(one.memory > 1e6 && one.files > 5 && one.limit > one.sockets && one.sockets > 0);
            assert.ok(one.perSecond.cpu >= 0 && one.perSecond.cpu <= 2);
        }
        assert.equal(total.memory, busyOne.memory + idle.memory);
        assert.equal(redis[0].answers, true);
        assert.ok(redis[0].clients >= 4 && redis[0].memory > 1e5 && redis[0].perSecond.commands > 10);
    });

    test("one picture as text: a line for each, a total, and no control characters", async (t) => {
        await busy(t, site);
        const once = new Running("top", ["--once", "--interval", "1", ...admins()]);
        assert.equal(await once.ended(), 0, once.output);
        const stdout = once.output;
        assert.match(stdout, /^segue {3}2 of 3 ready {3}\d+ connections {3}in \d+\/s {2}out \d+\/s {3}delivery p50 [\d.]+[mu]?s {2}p99 [\d.]+[mu]?s$/m);
        assert.match(stdout, /^redis {3}from the gateways: [\d.]+k? calls\/s, p50 \S+, p99 \S+, \d+ waiting$/m);
        for (const gateway of site.gateways) {
            assert.match(stdout, new RegExp(`^${adminOf(gateway)} +[0-9a-f]{6} +up +\\d+ `, "m"));
        }
        assert.match(stdout, new RegExp(`^${DEAD} +- +down( +-)+$`, "m"));
        assert.match(stdout, /^TOTAL +2\/3 +\d+ /m);
        assert.match(stdout, /^[\n\x20-\x7e]+$/);
    });

    test("a name is all the addresses behind it", () => {
        const { stdout } = run("top", ["--once", "--json", "--interval", "0.1", `localhost:${site.gateways[0].adminPort}`]);
        const { processes } = JSON.parse(stdout);
        const found = processes.find(({ address }) => address === adminOf(site.gateways[0]));
        assert.equal(found?.state, "up", stdout);
    });

    test("a name that nobody has is somebody who is down", () => {
        const { stdout } = run("top", ["--once", "--json", "--interval", "0.1", "nobody.invalid:9090"]);
        assert.deepEqual(JSON.parse(stdout).processes, [{ address: "nobody.invalid:9090", state: "down" }]);
    });

    test("refusals and ends are told by reason", async (t) => {
        const refused = setInterval(() => site.refused("x", 1, { token: "bad" }).catch(() => {}), 50);
        t.after(() => clearInterval(refused));
        const text = new Running("top", ["--interval", "0.5", ...admins()]);
        t.after(async () => {
            text.interrupt();
            await text.ended();
        });
        await text.says(/^refused \S+\/s unauthorized/m);
        const brief = setInterval(() => site.player(site.user(), 0).then((one) => one.terminate()).catch(() => {}), 50);
        t.after(() => clearInterval(brief));
        await text.says(/^closed {2}\S+\/s peer_lost/m);
    });

    test("who answers and is not one of ours cannot write to the terminal", async (t) => {
        const evil = 'segue_build_info{version="1\u001b[31mx"} 1\nsegue_process_info{name="\u001b]0;x\u0007"} 1\nsegue_closed_total{transport="websocket",reason="\u001b[2J"} 9\n';
        let count = 0;
        const server = createServer((_, response) => response.end(`${evil}segue_rejected_total{reason="\u001b[2J"} ${(count += 100)}\n`));
        await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
        t.after(() => server.close());
        const text = new Running("top", ["--interval", "0.2", `127.0.0.1:${server.address().port}`]);
        t.after(async () => {
            text.interrupt();
            await text.ended();
        });
        await text.says(/^refused \S+/m);
        assert.match(text.output, /^[\n\x20-\x7e]+$/);
    });

    test("what cannot be understood is refused", () => {
        for (const args of [["--interval", "0"], ["--interval", "x"], ["--interval"], ["127.0.0.1"], ["a b:1"], ["--what"], ["x:1;id"]]) {
            const { code, stderr } = run("top", args);
            assert.equal(code, 2, args.join(" "));
            assert.match(stderr, /^top: .*see top --help\n$/, args.join(" "));
        }
        assert.match(run("top", ["--cluster", "/nowhere"]).stderr, /no cluster was started in \/nowhere/);
        assert.match(run("top", ["--help"]).stdout, /a live view of many gateways/);
    });
});

test("Redis goes and comes, a process drains, another takes its address", async (t) => {
    const site = await testSite(t, { gateways: 1, flags: { drain: 4 } });
    const draining = await site.addGateway();
    await Promise.all(Array.from({ length: 10 }, () => site.player(site.user(), draining)));
    const looks = Looks.start(t, ["--redis", site.redis.unixUrl, ...site.gateways.map(adminOf)]);
    const states = (...wanted) => looks.when(({ processes }) => processes.every(({ state }, i) => state === wanted[i]), wanted.join(", "));
    await states("up", "up");
    await site.redis.kill();
    const { redis } = await states("no redis", "no redis");
    assert.equal(redis[0].answers, false);
    await site.redis.restart();
    await states("up", "up");
    draining.signal("SIGTERM");
    await states("up", "draining");
    await states("up", "down");
    assert.equal(await draining.left(), 0);

    // A younger process's counters say nothing about the seconds before it.
    await site.addGateway({ "admin-listen": adminOf(draining) });
    const { processes } = await states("up", "up");
    assert.ok(processes[1].perSecond.received === null || processes[1].perSecond.received >= 0);
    await looks.when(({ processes: [, again] }) => again.perSecond?.received === 0, "rates of the new one");
});

test("a cluster's directory is enough to find its processes and its Redis", async (t) => {
    const directory = temporaryDirectory();
    const cluster = (...words) => run("cluster", ["--dir", directory, ...words], { SEGUE_JWT_SECRET: "x".repeat(40) });
    t.after(() => {
        cluster("stop");
        removeDirectory(directory);
    });
    assert.equal(cluster("start", "--replicas", "2").code, 0);
    const looks = Looks.start(t, ["--cluster", directory]);
    const { redis } = await looks.when(({ ready, redis: [one] }) => ready === 2 && one?.perSecond?.commands >= 0, "two are ready");
    assert.equal(redis.length, 1);
    cluster("kill", "2");
    await looks.when(({ processes }) => processes[1].state === "down", "the second is dead");
    cluster("add");
    await looks.when(({ processes }) => processes.length === 3 && processes[2].state === "up", "a third is there");
    cluster("add", "2");
    await looks.when(({ ready }) => ready === 3, "all three are ready");
});

// A terminal of so many rows and columns in which it runs.
class Terminal {
    output = "";
    directory = temporaryDirectory(); // where it may put things while it runs
    #child;

    static open(t, rows, columns, args) {
        const terminal = new Terminal();
        const command = ["stty", "rows", rows, "cols", columns, "&&", pathOf("scripts/top"), ...args].join(" ");
        const typescript = join(terminal.directory, "typescript");
        terminal.#child = keep("script", ["-qefc", `${command}; echo "left with $?"; stty -a`, typescript], {
            stdio: ["pipe", "pipe", "pipe"],
            env: { ...process.env, TERM: "xterm", NO_COLOR: "", TMPDIR: terminal.directory },
        });
        terminal.#child.stdout.on("data", (text) => (terminal.output += text));
        t.after(() => {
            terminal.#child.kill("SIGKILL");
            removeDirectory(terminal.directory);
        });
        return terminal;
    }

    // The pictures that were drawn, each as lines without colours.
    pictures() {
        const text = this.output.split("\u001b[?1049l")[0].replaceAll(/\u001b\[\d*m/g, "");
        return text
            .split("\u001b[H")
            .slice(1)
            .filter((picture) => picture.includes("\u001b[J"))
            .map((picture) => picture.replaceAll(/\u001b\[(K|J)|\r/g, "").split("\n"));
    }

    picture(number) {
        return until(() => this.pictures()[number - 1], () => `picture ${number}: ${JSON.stringify(this.output)}`, patient(20000));
    }

    // As if its window were closed.
    vanish() {
        this.#child.kill("SIGKILL");
    }

    type(text) {
        this.#child.stdin.write(text);
    }

    ended() {
        return within(this.#child.ended, () => `end: ${JSON.stringify(this.output)}`, patient(15000));
    }
}

describe("on a terminal", () => {
    const site = suiteSite({ gateways: 2 });
    const admins = () => [...site.gateways.map(adminOf), DEAD];

    for (const [rows, columns] of [
        [24, 80],
        [40, 200],
        [9, 40],
    ]) {
        test(`pictures fit into ${rows} rows and ${columns} columns, and q leaves the terminal as it was`, async (t) => {
            const terminal = Terminal.open(t, rows, columns, ["--interval", "0.5", ...admins(), ...admins(), ...admins()]);
            const lines = await terminal.picture(3);
            assert.ok(lines.length <= rows, `${lines.length} lines`);
            for (const line of lines) {
                assert.ok(line.length <= columns, `${line.length} columns: ${line}`);
            }
            assert.match(lines[0], /^segue {3}6 of 9 ready/);
            assert.match(lines.at(-1), /^TOTAL/);
            assert.equal(rows === 9, lines.some((line) => /^\.\.\. and \d+ more/.test(line)), lines.join("\n"));
            assert.equal(columns >= 80, lines.some((line) => line.includes("CPU")));
            terminal.type("q");
            await terminal.ended();
            assert.ok(terminal.output.includes("\u001b[?25h\u001b[?1049l"), "the cursor and the old screen are back");
            assert.match(terminal.output, /left with 0/);
            assert.match(terminal.output, / icanon .* echo /s, "what is typed is shown again");
            assert.ok(terminal.output.includes("\u001b[31m"), "what is down is red, and is there");
        });
    }

    test("a terminal that vanishes ends it, too", async (t) => {
        const terminal = Terminal.open(t, 24, 80, ["--interval", "30", ...admins()]);
        await terminal.picture(1);
        terminal.vanish();
        await until(() => readdirSync(terminal.directory).join() === "typescript", "nothing is left behind");
    });

    test("Ctrl-C ends it, too, and leaves nothing behind", async (t) => {
        const terminal = Terminal.open(t, 24, 80, ["--interval", "30", ...admins()]);
        await terminal.picture(1);
        await sleep(300);
        terminal.type("\u0003");
        await terminal.ended();
        assert.ok(terminal.output.includes("\u001b[?25h\u001b[?1049l"));
        assert.deepEqual(readdirSync(terminal.directory), ["typescript"]);
        assert.doesNotMatch(terminal.output, /No such file|Terminated|cannot/);
    });
});
