// Front: a site's gateways behind haproxy, which runs docker/haproxy.cfg with other addresses.
//
//     SEGUE_TEST_FRONT=haproxy node --test test/e2e/player_messages.test.mjs
//
// Clients of `site.gateways[n]` then reach whichever gateway haproxy chooses: for tests that do not care on which process somebody
// is. A gateway's own listener is still known to it as `direct`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { request } from "./http.mjs";
import { keep, removeDirectory, temporaryDirectory } from "./keeper.mjs";
import { until } from "./patience.mjs";
import { freePort } from "./redis.mjs";

const CONFIG = fileURLToPath(new URL("../../../scripts/haproxy-config", import.meta.url));

// What scripts/haproxy-config prints.
export function haproxyConfig(...args) {
    const { status, stdout, stderr } = spawnSync(CONFIG, args, { encoding: "utf8" });
    assert.equal(status, 0, `haproxy-config ${args.join(" ")}: ${stderr}`);
    return stdout;
}

export class Front {
    host = "127.0.0.1";
    port = 0;
    log = "";
    #directory = temporaryDirectory();
    #addresses = [];
    #haproxy;

    static async open(gateways) {
        const front = new Front();
        front.#addresses = gateways.map(addressOf);
        for (let attempt = 1; ; attempt++) {
            front.port = await freePort();
            try {
                await front.#start();
                gateways.forEach((gateway) => gateway.standBehind(front));
                return front;
            } catch (error) {
                await front.#stop();
                if (attempt === 3) {
                    throw error;
                }
            }
        }
    }

    get #file() {
        return join(this.#directory, "haproxy.cfg");
    }

    #write() {
        writeFileSync(this.#file, haproxyConfig("--bind", `${this.host}:${this.port}`, ...this.#addresses));
    }

    async #start() {
        this.#write();
        this.#haproxy = keep("haproxy", ["-W", "-db", "-f", this.#file], { stdio: ["ignore", "ignore", "pipe"] });
        this.#haproxy.stderr.on("data", (text) => (this.log += text));
        await until(async () => {
            assert.equal(this.#haproxy.exitCode, null, `haproxy ended: ${this.log}`);
            return this.#addresses.length === 0 || (await request(this.url("/healthz"))).status === 200;
        }, () => `haproxy answers; it said:\n${this.log}`);
    }

    url(path = "/") {
        return `http://${this.host}:${this.port}${path}`;
    }

    // One more gateway. haproxy loads its file anew; open connections stay with the worker that has them.
    async include(gateway) {
        this.#addresses.push(addressOf(gateway));
        this.#write();
        const loaded = () => this.log.split("Loading success").length;
        const before = loaded();
        this.#haproxy.kill("SIGUSR2");
        await until(() => loaded() > before, () => `haproxy has loaded its file; it said:\n${this.log}`);
        gateway.standBehind(this);
    }

    async #stop() {
        this.#haproxy?.kill("SIGTERM");
        await this.#haproxy?.ended;
    }

    async close() {
        await this.#stop();
        removeDirectory(this.#directory);
    }
}

function addressOf({ direct }) {
    return `${direct.host}:${direct.port}`;
}
