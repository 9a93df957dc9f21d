// What Prometheus and Grafana are given in docker/: checked by promtool, against the metrics that gateways really have, and by a
// Prometheus that watches two gateways while Redis and one of them die.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { request } from "../e2e/lib/http.mjs";
import { keep, removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { patient, until, within } from "../e2e/lib/patience.mjs";
import { newTrack } from "../e2e/lib/scenario.mjs";
import { suiteSite, testSite } from "../e2e/lib/site.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROMETHEUS = join(ROOT, "docker/prometheus");
const ALERTS = readFileSync(join(PROMETHEUS, "alerts.yml"), "utf8");
const CONFIG = readFileSync(join(PROMETHEUS, "prometheus.yml"), "utf8");
const PLAYED = readFileSync(join(ROOT, "test/prometheus/alerts.yml"), "utf8");
const DASHBOARD = JSON.parse(readFileSync(join(ROOT, "docker/grafana/dashboards/segue.json"), "utf8"));

const PANELS = DASHBOARD.panels.filter(({ type }) => type !== "row");
const QUERIES = PANELS.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr: filledIn(expr) })));

// What Grafana puts in the place of its variables.
function filledIn(expr) {
    return expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*");
}

function promtool(args, input) {
    const { status, stdout, stderr, error } = spawnSync("promtool", args, { encoding: "utf8", input, timeout: patient(30000) });
    assert.equal(error, undefined, "promtool runs: scripts/setup --test");
    return { code: status, said: stdout + stderr };
}

function agrees(args, input) {
    const { code, said } = promtool(args, input);
    assert.equal(code, 0, said);
    return said;
}

function directoryOf(t) {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    return directory;
}

// The names of alerts, each with the text of its rule.
function alerts() {
    return ALERTS.split(/^ {6}- alert: /m)
        .slice(1)
        .map((text) => ({ name: text.match(/^\w+/)[0], text }));
}

describe("what promtool says", () => {
    test("the configuration and the alerts are well-formed", () => {
        agrees(["check", "config", join(PROMETHEUS, "prometheus.yml")]);
    });

    test("each alert is played: quiet while all is well, told when it is not", () => {
        agrees(["test", "rules", join(ROOT, "test/prometheus/alerts.yml")]);
        const played = Array.from(PLAYED.matchAll(/^ {2}- name: (\w+)$/gm), ([, name]) => name);
        assert.deepEqual(played, alerts().map(({ name }) => name));
    });

    test("each alert says how urgent it is, what happens and what to do", () => {
        for (const { name, text } of alerts()) {
            assert.match(text, /^ {8}labels: \{ severity: (page|ticket) \}$/m, name);
            assert.match(text, /^ {10}summary: \S/m, name);
            assert.match(text, /^ {10}action: \S/m, name);
        }
    });

    test("every query of the dashboard is one", (t) => {
        const file = join(directoryOf(t), "queries.json"); // JSON is YAML
        const rules = QUERIES.map(({ expr }, i) => ({ record: `query_${i}`, expr }));
        writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
        agrees(["check", "rules", file]);
    });
});

describe("the metrics", () => {
    const site = suiteSite({ gateways: 2 });
    const scrape = async () => (await request(site.gateways[0].adminUrl("/metrics"))).text;

    // With everything in it that moves.
    async function inUse() {
        const user = site.user();
        const one = await site.player(user, 0);
        const two = await site.player(user, 0);
        one.send(newTrack(0));
        await two.receives(newTrack(0));
        await site.refused(user, 0, { token: "bad" });
        await site.client(user, 0, { transports: ["websocket"] });
        return scrape();
    }

    test("promtool has nothing to say about them", async () => {
        assert.equal(agrees(["check", "metrics"], await inUse()).trim(), "");
    });

    test("every name in the alerts and in the dashboard is one of them", async () => {
        const text = await inUse();
        const known = new Set(Array.from(text.matchAll(/^(\w+)(?:\{| )/gm), ([, name]) => name));
        const named = new Set([ALERTS, ...QUERIES.map(({ expr }) => expr)].join(" ").match(/\b(segue|process)_[a-z_]+\b/g));
        assert.ok(named.size >= 25, `${named.size} names`);
        for (const name of named) {
            assert.ok(known.has(name), `${name} is not in /metrics`);
        }
    });

    test("README tells of every one of them, and of no other", async () => {
        const families = Array.from((await inUse()).matchAll(/^# TYPE (\w+) /gm), ([, name]) => name);
        const chapter = readFileSync(join(ROOT, "README.md"), "utf8").match(/^## Watch it$[^]*?^## /m)[0];
        const rows = chapter.split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split(" | ")[0]);
        const told = rows.join(" ").match(/\b(segue|process)_[a-z_]+/g);
        assert.deepEqual(told.sort(), families.sort());
    });

    test("every label in the alerts and in the dashboard is one that a sample has", async () => {
        const text = await inUse();
        const used = [ALERTS, ...QUERIES.map(({ expr }) => expr)].join(" ");
        const values = Array.from(used.matchAll(/\b(reason|transport|outcome|protocol)(?:=|!=|=~|!~)"([^"]+)"/g));
        assert.ok(values.length >= 5, `${values.length} labels`);
        for (const [, label, alternatives] of values) {
            for (const value of alternatives.split("|")) {
                assert.ok(text.includes(`${label}="${value}"`), `${label}="${value}" is not in /metrics`);
            }
        }
        for (const [, labels] of used.matchAll(/\bby \(([^)]*)\)/g)) {
            for (const label of labels.split(", ")) {
                assert.ok(label === "instance" || text.includes(`${label}="`), `nothing has a label ${label}`);
            }
        }
    });

    test("the dashboard shows what the metrics have: each panel has a title, a source and a place of its own", () => {
        const taken = new Set();
        for (const { title, datasource, gridPos, targets } of PANELS) {
            assert.ok(title.length > 0 && targets.length > 0, title);
            assert.equal(datasource.uid, "${datasource}");
            for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
                for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
                    assert.ok(x < 24 && !taken.has(`${x} ${y}`), `${title} lies over another`);
                    taken.add(`${x} ${y}`);
                }
            }
        }
    });
});

async function freePort() {
    const server = createServer();
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

// The files as they are, but for where the gateways are and that nobody waits: seconds are made of minutes.
class Prometheus {
    #url;
    #child;
    #said = "";

    static async start(t, gateways) {
        const directory = temporaryDirectory();
        const targets = gateways.map(({ adminPort }) => `"127.0.0.1:${adminPort}"`).join(", ");
        const config = CONFIG.replaceAll(/: 15s/g, ": 1s").replace(
            /dns_sd_configs:[^]*$/,
            `static_configs:\n      - targets: [${targets}]\n`,
        );
        writeFileSync(join(directory, "prometheus.yml"), config);
        writeFileSync(join(directory, "alerts.yml"), ALERTS.replaceAll(/for: \d+[smh]/g, "for: 1s"));
        const prometheus = new Prometheus();
        t.after(() => prometheus.stop(directory));
        await prometheus.#run(directory, await freePort());
        return prometheus;
    }

    async #run(directory, port) {
        this.#url = `http://127.0.0.1:${port}`;
        this.#child = keep("prometheus", [
            `--config.file=${join(directory, "prometheus.yml")}`,
            `--storage.tsdb.path=${join(directory, "data")}`,
            `--web.listen-address=127.0.0.1:${port}`,
        ]);
        this.#child.stderr.on("data", (text) => (this.#said += text));
        this.#child.stdout.resume();
        await until(
            async () => (await request(`${this.#url}/-/ready`)).status === 200,
            () => `Prometheus is ready: ${this.#said}`,
            patient(30000),
        );
    }

    async stop(directory) {
        this.#child?.kill("SIGTERM");
        await within(this.#child.ended, "end of Prometheus", patient(20000));
        removeDirectory(directory);
    }

    async ask(path) {
        const answer = await request(`${this.#url}/api/v1/${path}`, { ms: patient(20000) });
        const { status, data, error } = answer.json();
        assert.equal(status, "success", `${path}: ${error}`);
        return data;
    }

    async query(expr) {
        return (await this.ask(`query?query=${encodeURIComponent(expr)}`)).result;
    }

    async firing(name) {
        const { alerts: all } = await this.ask("alerts");
        return all.filter(({ state, labels }) => state === "firing" && labels.alertname === name);
    }

    fires(name, count) {
        return until(
            async () => (await this.firing(name)).length === count,
            () => `${name} fires ${count} times`,
            patient(40000),
            200,
        );
    }
}

test("a Prometheus sees the gateways, and tells of a Redis and a gateway that die", async (t) => {
    const site = await testSite(t, { gateways: 2 });
    const prometheus = await Prometheus.start(t, site.gateways);
    await until(async () => (await prometheus.query('up{job="segue"} == 1')).length === 2, "both are up", patient(30000), 200);
    const user = site.user();
    const [one, two] = [await site.player(user, 0), await site.player(user, 1)];
    one.send(newTrack(0));
    await two.receives(newTrack(0));

    const connections = async () => (await prometheus.query("sum(segue_connections)"))[0]?.value[1];
    await until(async () => (await connections()) === "2", "two connections", patient(20000), 200);
    for (const { title, expr } of QUERIES) {
        await prometheus.query(expr).catch((error) => assert.fail(`${title}: ${error.message}`));
    }
    const delivered = QUERIES.find(({ title }) => title === "Delivery p99").expr;
    await until(async () => Number((await prometheus.query(delivered))[0]?.value[1]) > 0, "a latency", patient(20000), 200);
    assert.deepEqual(await prometheus.firing("RedisDown"), []);

    await site.redis.kill();
    await prometheus.fires("RedisDown", 2);
    const [{ annotations, labels }] = await prometheus.firing("RedisDown");
    assert.match(annotations.summary, new RegExp(`^${labels.instance} has lost Redis$`));
    assert.equal(labels.severity, "page");
    await site.redis.restart();
    await prometheus.fires("RedisDown", 0);

    await site.gateways[1].kill();
    await prometheus.fires("GatewayDown", 1);
    assert.deepEqual(await prometheus.firing("NoGateway"), []);
});
