// scripts/cluster: gateways behind the load balancer, one of them or Redis killed, and the clients who hardly notice.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../e2e/lib/http.mjs";
import { removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { Metrics } from "../e2e/lib/metrics.mjs";
import { until } from "../e2e/lib/patience.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { Running, lives, run } from "./lib/script.mjs";

const NEW_TRACK = {
    type_push_state: "new_track",
    track_id: 2,
    from_is: "playlist",
    from_is_id: 3,
    time_state_update: "2022-05-09T09:09:12+0000",
};
const SECRET = "the-key-of-this-cluster-0123456789abcdef";

class Cluster {
    #directory = temporaryDirectory();

    static start(t, args = []) {
        const cluster = new Cluster();
        t.after(() => {
            cluster.does("stop");
            removeDirectory(cluster.#directory);
        });
        cluster.does("start", ...args);
        return cluster;
    }

    // Runs scripts/cluster, which must succeed, and gives what it printed.
    does(...words) {
        const { code, stdout, stderr } = run("cluster", ["--dir", this.#directory, ...words], { SEGUE_JWT_SECRET: SECRET });
        assert.equal(code, 0, `cluster ${words.join(" ")}: ${stderr}`);
        return stdout;
    }

    fails(...words) {
        const { code, stderr } = run("cluster", ["--dir", this.#directory, ...words]);
        assert.notEqual(code, 0, `cluster ${words.join(" ")}`);
        return stderr;
    }

    get status() {
        return JSON.parse(this.does("status", "--json"));
    }

    logOf(who) {
        return readFileSync(join(this.#directory, `${who}.log`), "utf8");
    }

    get token() {
        return this.does("status").match(/#token=(\S+)/)[1];
    }
}

// The load balancer as lib/player.mjs wants a gateway.
function doorOf(status) {
    const { hostname, port } = new URL(status.url);
    return { host: hostname, port: Number(port) };
}

async function connectionsOf(gateway) {
    const { text } = await request(`${gateway.admin}/metrics`);
    return new Metrics(text).get("segue_connections", { protocol: "player", transport: "websocket" });
}

test("devices behind the balancer are on different gateways and follow each other", async (t) => {
    const cluster = Cluster.start(t);
    const status = cluster.status;
    const devices = [];
    for (let number = 0; number < 6; number++) {
        devices.push(await Player.open(doorOf(status), { token: cluster.token }));
    }
    assert.deepEqual(await Promise.all(status.gateways.map(connectionsOf)), [2, 2, 2]);
    devices[0].send(NEW_TRACK);
    await Promise.all(devices.slice(1).map((device) => device.receives(NEW_TRACK)));
});

test("a gateway is killed: its devices come back through the same door, no request fails; it is added again, and one more", async (t) => {
    const cluster = Cluster.start(t);
    const { url } = cluster.status;
    let asked = 0;
    let asking = true;
    const asker = (async () => {
        for (; asking; asked++) {
            assert.equal((await request(`${url}/player`)).status, 200);
        }
    })();
    cluster.does("kill", "2");
    assert.deepEqual(cluster.status.gateways.map(({ alive }) => alive), [true, false, true]);
    await until(() => asked > 50, "requests while a gateway is dead");
    cluster.does("add", "2");
    cluster.does("add");
    const { gateways } = cluster.status;
    assert.deepEqual(gateways.map(({ alive }) => alive), [true, true, true, true]);
    asking = false;
    await asker;

    // The new one gets its share.
    await until(async () => {
        await Player.open(doorOf(cluster.status), { token: cluster.token });
        return (await connectionsOf(gateways[3])) > 0;
    }, "a connection to the gateway that was added");
});

test("Redis is killed: 503 with Retry-After at the door; it is back with its data: so are the states", async (t) => {
    const cluster = Cluster.start(t, ["--replicas", "2"]);
    const status = cluster.status;
    const player = await Player.open(doorOf(status), { token: cluster.token });
    player.send(NEW_TRACK);
    await player.hearsNothing();
    await new Promise((resolve) => setTimeout(resolve, 1100)); // Redis writes its file once a second
    cluster.does("kill", "redis");
    const refused = await until(async () => {
        const answer = await request(`${status.url}/readyz`);
        return answer.headers["retry-after"] && answer;
    }, "the balancer finds nobody ready");
    assert.equal(refused.status, 503);
    assert.equal(refused.json().error, "unavailable");
    cluster.does("add", "redis");
    await until(async () => (await request(`${status.url}/readyz`)).status === 200, "somebody is ready again");
    const again = await Player.open(doorOf(status), { token: cluster.token });
    assert.equal(JSON.parse(again.first).track_id, NEW_TRACK.track_id);
});

test("the client's address reaches the gateway, and what the client claims about it does not", async (t) => {
    const cluster = Cluster.start(t, ["--replicas", "1"]);
    const headers = { "X-Forwarded-For": "203.0.113.7" };
    const player = await Player.open(doorOf(cluster.status), { token: cluster.token, headers, localAddress: "127.0.0.9" });
    await player.close();
    const log = await until(() => cluster.logOf(1).match(/connection closed.*peer=(\S+)/), "the line about the connection");
    assert.match(log[1], /^127\.0\.0\.9/);
});

test("stop ends everybody; whoever was killed before is told from a stranger with the same id", async (t) => {
    const cluster = Cluster.start(t, ["--replicas", "2"]);
    const { gateways, url } = cluster.status;
    assert.match(cluster.fails("start"), /runs in .* already/);
    cluster.does("kill", "1");
    assert.match(cluster.fails("kill", "1"), /dead/);
    assert.match(cluster.fails("kill", "9"), /no '9'/);
    cluster.does("stop");
    assert.ok(!gateways.some(({ pid }) => lives(pid)));
    await assert.rejects(request(`${url}/readyz`));
});

test("run stays in the foreground, and Ctrl-C ends everybody", async (t) => {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    const script = new Running("cluster", ["run", "--dir", directory, "--replicas", "2"]);
    const [, url] = await script.says(/page +(http:\S+?)\/player#token=/);
    assert.equal((await request(`${url}/readyz`)).status, 200);
    const [, chart, processes] = await script.says(/chart +(http:\S+\/)#processes=([\d.:,]+)&pages=/);
    assert.match((await request(chart)).headers["content-type"], /^text\/html/);
    assert.equal(processes.split(",").length, 2);
    const { gateways } = JSON.parse(run("cluster", ["--dir", directory, "status", "--json"]).stdout);
    script.interrupt();
    assert.equal(await script.ended(), 0);
    assert.ok(!gateways.some(({ pid }) => lives(pid)));
    await assert.rejects(request(`${url}/readyz`));
});

test("roll restarts every gateway where it was, and our own clients say that nothing was lost", async (t) => {
    const cluster = Cluster.start(t, ["--replicas", "2", "--", "--drain", "1"]);
    const before = cluster.status.gateways;
    const said = cluster.does("roll", "--probe", "20");
    assert.equal(said.match(/^gateway [12] +\d+ connections +ended after/gm).length, 2, said);
    assert.match(said, /^2 gateways in .* connections moved/m);
    assert.match(said, /20 clients, away [1-9]\d* times/);
    assert.match(said, /nothing was lost, nothing came twice/);
    const after = cluster.status.gateways;
    assert.deepEqual(after.map(({ url, alive }) => [url, alive]), before.map(({ url }) => [url, true]));
    after.forEach(({ pid }, i) => assert.notEqual(pid, before[i].pid));
});

test("roll stops at the first gateway that does not come up, and the others serve as before", async (t) => {
    const cluster = Cluster.start(t, ["--replicas", "2"]);
    const before = cluster.status.gateways;
    assert.match(cluster.fails("roll", "--binary", "/no/such/binary"), /there is no \/no\/such\/binary/);
    assert.match(cluster.fails("roll", "--binary", "/bin/false"), /1 did not start/);
    const [first, second] = cluster.status.gateways;
    assert.deepEqual([first.alive, second.alive, second.pid], [false, true, before[1].pid]);
    assert.match(cluster.fails("roll"), /gateway 1 is dead/);
    const player = await Player.open(doorOf(cluster.status), { token: cluster.token });
    await player.hearsNothing();
    await player.close();
});
