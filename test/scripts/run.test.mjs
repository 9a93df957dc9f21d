// scripts/run: one command up, Ctrl-C down, and nothing left behind.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";

import { request } from "../e2e/lib/http.mjs";
import { removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { Metrics } from "../e2e/lib/metrics.mjs";
import { until } from "../e2e/lib/patience.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { Running, lives, pathOf, run } from "./lib/script.mjs";

const NEW_TRACK = {
    type_push_state: "new_track",
    track_id: 2,
    from_is: "playlist",
    from_is_id: 3,
    time_state_update: "2022-05-09T09:09:12+0000",
};

// A run on a free port, with what it printed; ended when the test is over.
async function started(t, args = [], env = {}) {
    const script = new Running("run", ["--port", "0", "--no-setup", ...args], env);
    t.after(async () => {
        script.signal("SIGTERM");
        await script.ended();
    });
    const [, port, token] = await script.says(/http:\/\/localhost:(\d+)\/player#token=(\S+)/);
    await script.says(/Ctrl-C/);
    const metrics = [...script.output.matchAll(/(http:\/\/[\d.:]+)\/metrics/g)].map(([, url]) => url);
    return { script, host: "127.0.0.1", port: Number(port), token, metrics, link: pathOf(`build/run-${port}`) };
}

// Where a run keeps what ends with it.
function temporaryOf(segue) {
    return segue.script.output.match(/redis=(\/\S+)\/redis\.sock/)[1];
}

// The processes that a run (or a --join) started, from its records.
function processesOf(directory) {
    return readdirSync(directory)
        .filter((name) => /^(redis|gateway-\d+)$/.test(name))
        .map((name) => Number(readFileSync(`${directory}/${name}`, "utf8").split(" ")[0]));
}

function nobodyLives(pids) {
    return until(() => !pids.some(lives), `end of ${pids}`);
}

async function pausedFromOneToTheOther(here, there) {
    const pause = { type_push_state: "on_pause", time_state_update: "2022-05-09T09:10:12+0000" };
    here.send(pause);
    await there.receives(pause);
}

test("what it prints is enough for two devices that follow each other", async (t) => {
    const segue = await started(t);
    assert.equal((await request(`http://127.0.0.1:${segue.port}/player`)).status, 200);
    const one = await Player.open(segue, { protocols: ["bearer", segue.token] });
    const two = await Player.open(segue, { protocols: ["bearer", segue.token] });
    one.send(NEW_TRACK);
    await two.receives(NEW_TRACK);
    await pausedFromOneToTheOther(two, one);
});

test("scripts/top finds it, whatever its port", async (t) => {
    await started(t);
    const look = () => JSON.parse(run("top", ["--once", "--json", "--interval", "0.1"]).stdout);
    await until(() => look().processes.some(({ state }) => state === "up"), "a process that runs here");
});

test("every address that it prints is a page", async (t) => {
    const segue = await started(t);
    const pages = [...segue.script.output.matchAll(/http:\/\/localhost(:\d+\/\w*)/g)].map(([, rest]) => rest);
    assert.ok(pages.length >= 5, pages.join(" "));
    for (const rest of pages) {
        const { status, headers } = await request(`http://127.0.0.1${rest}`);
        assert.equal(status, 200, rest);
        assert.match(headers["content-type"], /^text\/html/);
    }
});

test("with the key that it prints, a backend speaks to the user whose timeline it prints", async (t) => {
    const segue = await started(t);
    const [, key] = segue.script.output.match(/\/timeline#token=\S+&key=(\w{64})\n/);
    const speak = (headers) =>
        request(`http://127.0.0.1:${segue.port}/api/users/demo/events`, {
            method: "POST",
            headers: { "Content-Type": "application/json", ...headers },
            body: '{"event":"on_config_update"}',
        });
    assert.equal((await speak({ "X-API-Key": key })).status, 200);
    assert.equal((await speak({})).status, 401);
});

test("a key of the operator's is used and not printed", async (t) => {
    const given = await started(t, [], { SEGUE_API_KEY: "key-of-the-operator" });
    assert.doesNotMatch(given.script.output, /key=|key-of-the-operator/);
    const flagged = await started(t, ["--", "--api-key", "another-key"]);
    assert.doesNotMatch(flagged.script.output, /key=|another-key/);
});

test("--replicas: so many gateways on one port, and a further one by --join, whose end nobody else notices", async (t) => {
    const segue = await started(t, ["--replicas", "3"]);
    assert.equal(new Set(segue.metrics).size, 3);
    for (const url of segue.metrics) {
        assert.equal((await request(`${url}/readyz`)).status, 200);
    }
    const [, chart, processes] = segue.script.output.match(/a live chart +(http:\S+\/)#processes=([\d.:,]+)&/);
    assert.match((await request(chart)).headers["content-type"], /^text\/html/);
    assert.deepEqual(
        processes.split(",").map((address) => `http://${address}`),
        segue.metrics,
    );
    const joined = new Running("run", ["--join", "--port", String(segue.port)]);
    await joined.says(/One more process/);
    const [, admin] = await joined.says(/admin listening address=(\S+)/);
    assert.equal((await request(`http://${admin}/readyz`)).status, 200);

    // Until some devices are on the process that joined, and others are not.
    const token = run("token", ["--port", String(segue.port), "alice"]).stdout.trim();
    const devices = [];
    await until(async () => {
        devices.push(await Player.open(segue, { token }));
        const metrics = new Metrics((await request(`http://${admin}/metrics`)).text);
        const there = metrics.get("segue_connections", { protocol: "player", transport: "websocket" });
        return there > 0 && there < devices.length;
    }, "devices here and there");
    devices[0].send(NEW_TRACK);
    await Promise.all(devices.slice(1).map((device) => device.receives(NEW_TRACK)));

    joined.interrupt();
    assert.equal(await joined.ended(), 0);
    assert.equal((await request(`http://127.0.0.1:${segue.port}/readyz`)).status, 200);
    const left = [];
    for (const device of devices) {
        const closed = await Promise.race([device.closed(), new Promise((resolve) => setTimeout(resolve, 200, null))]);
        if (closed) {
            assert.equal(closed.code, 1012);
        } else {
            left.push(device);
        }
    }
    assert.ok(left.length >= 1 && left.length < devices.length, `${left.length} of ${devices.length} are left`);
});

for (const [how, end] of [
    ["Ctrl-C", (script) => script.interrupt()],
    ["SIGTERM", (script) => script.signal("SIGTERM")],
]) {
    test(`${how} ends all that it started, with exit code 0, and leaves nothing`, async (t) => {
        const segue = await started(t, ["--replicas", "2"]);
        await Player.open(segue, { token: segue.token });
        const directory = temporaryOf(segue);
        const pids = processesOf(directory);
        assert.equal(pids.length, 3);
        end(segue.script);
        assert.equal(await segue.script.ended(), 0);
        await nobodyLives(pids);
        assert.ok(!existsSync(directory));
        assert.throws(() => statSync(segue.link));
    });
}

test("kill -9 of the script takes its processes with it", async (t) => {
    const segue = await started(t);
    const directory = temporaryOf(segue);
    t.after(() => removeDirectory(directory));
    t.after(() => rmSync(segue.link));
    const pids = processesOf(directory);
    segue.script.signal("SIGKILL");
    await segue.script.ended();
    await nobodyLives(pids);
});

test("a gateway that dies leaves the others at work; when the last is dead the script ends and fails", async (t) => {
    const segue = await started(t, ["--replicas", "2"]);
    const directory = temporaryOf(segue);
    const pids = processesOf(directory);
    const gateways = ["gateway-1", "gateway-2"].map((name) => Number(readFileSync(`${directory}/${name}`, "utf8").split(" ")[0]));
    process.kill(gateways[0], "SIGKILL");
    await segue.script.says(/gateway 1 ended/);
    await (await Player.open(segue, { token: segue.token })).close();
    process.kill(gateways[1], "SIGKILL");
    assert.equal(await segue.script.ended(), 1);
    await nobodyLives(pids);
});

test("a port that is taken is refused with a sentence that says what to do", async (t) => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const taken = new Running("run", ["--no-setup", "--port", String(server.address().port)]);
    assert.equal(await taken.ended(), 1);
    assert.match(taken.output, /port \d+ is taken by another program; --port N/);

    const segue = await started(t);
    const second = run("run", ["--no-setup", "--port", String(segue.port)]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /--join/);
    assert.equal((await request(`http://127.0.0.1:${segue.port}/readyz`)).status, 200);
});

test("--data keeps the state and the key of the tokens, for its owner alone", async (t) => {
    const data = temporaryDirectory();
    t.after(() => removeDirectory(data));
    const before = await started(t, ["--data", data]);
    const player = await Player.open(before, { token: before.token });
    player.send(NEW_TRACK);
    await player.hearsNothing();
    assert.equal(statSync(`${data}/secret`).mode & 0o777, 0o600);

    const other = run("run", ["--no-setup", "--port", "0", "--data", data]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /another run uses/);

    before.script.interrupt();
    assert.equal(await before.script.ended(), 0);
    const after = await started(t, ["--data", data]);
    const again = await Player.open(after, { token: before.token });
    assert.equal(JSON.parse(again.first).track_id, NEW_TRACK.track_id);
});

test("the key is in no command line and in nothing that is printed", async (t) => {
    const key = `key-of-this-test-${process.pid}-0123456789abcdef`;
    const segue = await started(t, [], { SEGUE_JWT_SECRET: key });
    for (const pid of [segue.script.pid, ...processesOf(temporaryOf(segue))]) {
        assert.ok(!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(key));
    }
    assert.ok(!segue.script.output.includes(key));
    assert.equal(statSync(`${segue.link}/secret`).mode & 0o777, 0o600);
    assert.equal(statSync(`${segue.link}/settings`).mode & 0o777, 0o600);
});

test("what follows -- goes to the gateways, those that join included", async (t) => {
    const segue = await started(t, ["--", "--max-message", "100"]);
    const joined = new Running("run", ["--join", "--port", String(segue.port), "--", "--log-level", "debug"]);
    await joined.says(/One more process/);
    const pid = Number(readFileSync(`/proc/${joined.pid}/task/${joined.pid}/children`, "utf8").trim().split(" ")[0]);
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    assert.ok(line.includes("--max-message") && line.includes("--log-level"), line.join(" "));
    joined.signal("SIGTERM");
    assert.equal(await joined.ended(), 0);
});

test("a bad option is refused with exit code 2, a bad value for the gateway with the gateway's own words", () => {
    for (const args of [["--what"], ["--port", "x"], ["--replicas", "0"], ["--replicas"]]) {
        const { code, stderr } = run("run", args);
        assert.equal(code, 2, args.join(" "));
        assert.match(stderr, /^run: .+\n$/);
    }
    const { code, stderr } = run("run", ["--no-setup", "--port", "0", "--", "--rate", "many"]);
    assert.equal(code, 1);
    assert.match(stderr, /rate/);
});
