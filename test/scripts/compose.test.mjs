// What the compose files start, tried without containers: the nodes of compose.cluster.yaml with the arguments that stand there,
// docker/cluster-init, and gateways on the cluster that it made. And what `make install` puts where.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { test } from "node:test";

import { BINARY, Gateway } from "../e2e/lib/gateway.mjs";
import { keep, removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { patient, until } from "../e2e/lib/patience.mjs";
import { Player } from "../e2e/lib/player.mjs";
import { freePort } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { pathOf } from "./lib/script.mjs";

const NODES = 6;

// The `command:` of the nodes, which is JSON but for its line breaks.
function nodeCommand() {
    const [, list] = readFileSync(pathOf("docker/compose.cluster.yaml"), "utf8").match(/command: (\[redis-server[^\]]*\])/);
    const command = JSON.parse(list.replace(/([[ ])(redis-server|--[a-z-]+)(?=,)/g, '$1"$2"'));
    return command.map((word) => word.replace(/^\$\{[A-Z_]+:-(.*)\}$/, "$1"));
}

async function answers(port) {
    const socket = connect(port, "127.0.0.1");
    try {
        await once(socket, "connect");
        return true;
    } catch {
        return false;
    } finally {
        socket.destroy();
    }
}

async function startNode(t, directory, [program, ...args]) {
    for (let attempt = 1; ; attempt++) {
        const port = await freePort();
        const home = join(directory, String(port));
        mkdirSync(home);
        // The bus of a node is 10,000 above its port, where outgoing connections live.
        const bus = await freePort();
        const place = ["--port", port, "--cluster-port", bus, "--bind", "127.0.0.1", "--dir", home].map(String);
        const node = keep(program, [...args, ...place], { stdio: "ignore" });
        t.after(async () => {
            node.kill("SIGKILL");
            await node.ended;
        });
        await until(async () => node.exitCode !== null || (await answers(port)), "a node answers or ends");
        if (node.exitCode === null) {
            return port;
        }
        assert.ok(attempt < 3, "a node starts");
    }
}

test("cluster-init makes six nodes a cluster, once, and gateways serve from it", { timeout: patient(120000) }, async (t) => {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    const ports = await Promise.all(Array.from({ length: NODES }, () => startNode(t, directory, nodeCommand())));
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const init = () => spawnSync(pathOf("docker/cluster-init"), addresses, { encoding: "utf8", timeout: patient(60000) });
    const first = init();
    assert.equal(first.status, 0, first.stdout + first.stderr);
    const topology = () => {
        const text = execFileSync("redis-cli", ["-p", String(ports[0]), "cluster", "nodes"], { encoding: "utf8" });
        const lines = text.trim().split("\n").map((line) => line.replace("myself,", "").split(" "));
        return lines.map(([id, , flags, master]) => [id, flags, master].join(" ")).sort();
    };
    const bound = execFileSync("redis-cli", ["-p", String(ports[0]), "config", "get", "maxmemory"], { encoding: "utf8" });
    assert.match(bound, new RegExp(`^${2 ** 30}$`, "m"), "a node that is full refuses to write, and is not killed");
    const masters = () => topology().filter((line) => line.includes(" master ")).length;
    await until(() => masters() === NODES / 2, "each master has its replica");
    const made = topology();
    const again = init();
    assert.equal(again.status, 0, again.stdout + again.stderr);
    assert.doesNotMatch(again.stdout, /Performing hash slots allocation/);
    assert.deepEqual(topology(), made);

    const flags = { redis: `cluster://${addresses.slice(0, 3).join(",")}`, "jwt-secret": SECRET };
    const gateways = await Promise.all([Gateway.start({ flags }), Gateway.start({ flags })]);
    t.after(() => Promise.all(gateways.map((gateway) => gateway.close())));
    const token = tokenOf("alice");
    const [phone, car] = [await Player.open(gateways[0], { token }), await Player.open(gateways[1], { token })];
    t.after(() => [phone, car].forEach((device) => device.terminate()));
    const track = { type_push_state: "new_track", track_id: 2, from_is: "album", from_is_id: 3, time_state_update: "2022-05-09T09:09:12+0000" };
    phone.send(track);
    await car.receives(track);
});

test("a node's address stays its own while it is away: Docker gives others none of that range", () => {
    const text = readFileSync(pathOf("docker/compose.cluster.yaml"), "utf8");
    const [, first, bits] = text.match(/ip_range: \$\{SEGUE_CLUSTER_NET:-[0-9.]+\}\.(\d+)\/(\d+)/);
    const addresses = [...text.matchAll(/ipv4_address: \$\{SEGUE_CLUSTER_NET:-[0-9.]+\}\.(\d+)/g)].map(([, last]) => Number(last));
    assert.equal(addresses.length, NODES);
    const size = 2 ** (32 - bits);
    assert.deepEqual(addresses.filter((last) => Math.floor(last / size) === Math.floor(first / size)), []);
});

test("make install puts the binary, the units and the manual into place, uninstall takes them away", (t) => {
    const directory = temporaryDirectory();
    t.after(() => removeDirectory(directory));
    // What was built already: nothing is built for this.
    const make = (what) => execFileSync("make", ["-s", "-o", "all", what, `DESTDIR=${directory}`, "PREFIX=/opt/segue"], { cwd: pathOf(""), encoding: "utf8" });
    make("install");
    const at = (path) => join(directory, "/opt/segue", path);
    assert.equal(execFileSync(at("bin/segue"), ["--version"], { encoding: "utf8" }), execFileSync(BINARY, ["--version"], { encoding: "utf8" }));
    for (const unit of ["segue.service", "segue@.service"]) {
        const text = readFileSync(at(`lib/systemd/system/${unit}`), "utf8");
        assert.match(text, /^ExecStart=.*\/opt\/segue\/bin\/segue/m);
        assert.doesNotMatch(text, /\/usr\/local/);
        assert.match(readFileSync(at(`lib/systemd/system/${unit}.d/hardening.conf`), "utf8"), /^NoNewPrivileges=yes$/m);
    }
    assert.ok(existsSync(at("share/man/man8/segue.8")));
    assert.equal(statSync(at("bin/segue")).mode & 0o777, 0o755);
    make("uninstall");
    for (const path of ["bin/segue", "lib/systemd/system/segue.service", "lib/systemd/system/segue@.service.d", "share/doc/segue", "share/man/man8/segue.8"]) {
        assert.ok(!existsSync(at(path)), path);
    }
});
