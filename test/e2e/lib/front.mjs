// Front: a site's gateways behind haproxy, which runs docker/haproxy.cfg with other addresses.
//
//     SEGUE_TEST_FRONT=haproxy node --test test/e2e/player_messages.test.mjs
//
// Clients of `site.gateways[n]` then reach whichever gateway haproxy chooses: for tests that do not care on which process somebody
// is. A gateway's own listener is still known to it as `direct`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { request } from "./http.mjs";
import { keep, removeDirectory, temporaryDirectory } from "./keeper.mjs";
import { until } from "./patience.mjs";
import { freePort } from "./redis.mjs";

const CERTIFICATE = fileURLToPath(new URL("../../../scripts/certificate", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../../scripts/haproxy-config", import.meta.url));

// What scripts/haproxy-config prints.
export function haproxyConfig(...args) {
    const { status, stdout, stderr } = spawnSync(CONFIG, args, { encoding: "utf8" });
    assert.equal(status, 0, `haproxy-config ${args.join(" ")}: ${stderr}`);
    return stdout;
}

// A self-signed certificate in a directory of its own: {file, ca}.
export function certificate(directory) {
    const file = join(directory, "gateway.pem");
    const { status, stderr } = spawnSync(CERTIFICATE, [file], { encoding: "utf8" });
    assert.equal(status, 0, `certificate: ${stderr}`);
    return { file, ca: readFileSync(file) };
}

// What the fronts of this and of other kinds have in common: `host` and `port` for clients, `ca` when they come with TLS, then also
// `plainPort`, which only sends there.
export class Balancing {
    host = "127.0.0.1";
    port = 0;
    plainPort = 0;
    ca = undefined;
    log = "";
    directory = temporaryDirectory();
    addresses = [];
    #child;

    // Starts it on free ports; a port may be taken before it is bound, so somebody else may be faster. Without gateways nobody is asked
    // whether it is ready.
    async begin(gateways, { tls = false } = {}) {
        this.addresses = gateways.map(addressOf);
        if (tls) {
            ({ ca: this.ca } = certificate(this.directory));
        }
        for (let attempt = 1; ; attempt++) {
            this.port = await freePort();
            this.plainPort = tls ? await freePort() : this.port;
            try {
                this.#child = this.spawn();
                this.#child.stderr.on("data", (text) => (this.log += text));
                this.#child.stdout.on("data", (text) => (this.log += text));
                await this.#answers();
                gateways.forEach((gateway) => gateway.standBehind?.(this));
                return this;
            } catch (error) {
                await this.stop();
                if (attempt === 3) {
                    throw error;
                }
            }
        }
    }

    async #answers() {
        const ended = () => this.#child.exitCode !== null;
        await until(async () => {
            return ended() || this.addresses.length === 0 || (await this.get("/healthz")).status === 200;
        }, () => `the balancer answers; it said:\n${this.log}`);
        assert.ok(!ended(), `the balancer ended: ${this.log}`);
    }

    // What it noted about requests.
    get requests() {
        return this.log;
    }

    url(path = "/") {
        return `http${this.ca ? "s" : ""}://${this.host}:${this.port}${path}`;
    }

    get(path, options = {}) {
        return request(this.url(path), { ca: this.ca, ...options });
    }

    signal(name) {
        this.#child.kill(name);
    }

    async stop() {
        this.#child?.kill("SIGTERM");
        await this.#child?.ended;
    }

    async close() {
        await this.stop();
        removeDirectory(this.directory);
    }
}

export class Front extends Balancing {
    // tls: clients come with TLS.
    static open(gateways, options) {
        return new Front().begin(gateways, options);
    }

    get #file() {
        return join(this.directory, "haproxy.cfg");
    }

    #write() {
        const bind = `${this.host}:${this.plainPort}`;
        const tls = this.ca ? ["--tls", `${this.host}:${this.port}`] : [];
        writeFileSync(this.#file, haproxyConfig("--bind", bind, ...tls, ...this.addresses));
    }

    spawn() {
        this.#write();
        const tls = { SEGUE_CERTIFICATES: join(this.directory, "gateway.pem"), SEGUE_TLS_SUFFIX: `:${this.port}` };
        return keep("haproxy", ["-W", "-db", "-f", this.#file], {
            env: { ...process.env, ...(this.ca && tls) },
            stdio: ["ignore", "pipe", "pipe"],
        });
    }

    // One more gateway. haproxy loads its file anew; open connections stay with the worker that has them.
    async include(gateway) {
        this.addresses.push(addressOf(gateway));
        this.#write();
        const loaded = () => this.log.split("Loading success").length;
        const before = loaded();
        let told = 0;
        const reloaded = () => {
            if (loaded() === before && Date.now() - told > 1000) {
                this.signal("SIGUSR2"); // again, because it is lost on a master that has only just started
                told = Date.now();
            }
            return loaded() > before;
        };
        await until(reloaded, () => `haproxy has loaded its file; it said:\n${this.log}`);
        gateway.standBehind(this);
    }
}

// Of a gateway, whatever stands in front of it, or of any other server.
function addressOf({ direct, host, port }) {
    return `${direct?.host ?? host}:${direct?.port ?? port}`;
}
