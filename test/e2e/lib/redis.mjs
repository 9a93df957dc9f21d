// Redis: a private redis-server of one test: on a unix socket and a free TCP port, in a directory of its own, keeping
// its data in an append-only file so that it may be killed and come back with or without them.

import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { keep, removeDirectory, temporaryDirectory } from "./keeper.mjs";
import { until } from "./patience.mjs";
import { RespClient } from "./resp.mjs";

// A port below those that the kernel gives to outgoing connections, so that nobody takes it while Redis is away.
export async function freePort() {
    for (;;) {
        const port = 10000 + Math.floor(Math.random() * 22000);
        const server = createServer();
        server.listen(port, "127.0.0.1");
        const free = await Promise.race([
            once(server, "listening").then(() => true),
            once(server, "error").then(() => false),
        ]).catch(() => false);
        if (free) {
            server.close();
            await once(server, "close");
            return port;
        }
    }
}

// What gateways are told of the certificates.
export function flagsFor({ ca, certificate, key, clients }) {
    return { "redis-ca": ca, ...(clients === "yes" && { "redis-cert": certificate, "redis-key": key }) };
}

// The same for the tests themselves, who know whom they call.
function credentials({ ca, certificate, key }) {
    const [authority, cert, own] = [ca, certificate, key].map((file) => readFileSync(file));
    return { ca: authority, cert, key: own, checkServerIdentity: () => undefined };
}

export class Redis {
    directory = temporaryDirectory();
    socket = join(this.directory, "redis.sock");
    port = 0;
    password;
    tls; // {ca, certificate, key, clients}: it speaks nothing else over TCP; clients: "yes": they need a certificate too
    #args;
    #env;
    #sentinel = false;
    #child = null;
    #client = null;

    // password: what clients must say; tls: as above; args, env: further arguments and environment of redis-server;
    // sentinel: it is one.
    static async start({ password, tls, args = [], env = {}, sentinel = false } = {}) {
        const redis = new Redis();
        redis.password = password;
        redis.tls = tls;
        redis.#sentinel = sentinel;
        redis.#args = args;
        redis.#env = { ...process.env, ...env };
        for (let attempt = 1; ; attempt++) {
            redis.port = await freePort();
            try {
                await redis.start();
                return redis;
            } catch (error) {
                await redis.kill();
                if (attempt === 3) {
                    throw error;
                }
            }
        }
    }

    get url() {
        const who = this.password ? `:${this.password}@` : "";
        return `redis${this.tls ? "s" : ""}://${who}127.0.0.1:${this.port}`;
    }

    get unixUrl() {
        return `unix://${this.socket}`;
    }

    // The server that has the key; what is published on the channel of that name is heard there.
    async ownerOf() {
        return { server: this };
    }

    // What gateways of a site are told.
    get gatewayUrl() {
        return this.tls ? this.url : this.unixUrl;
    }

    get gatewayFlags() {
        return this.tls ? flagsFor(this.tls) : {};
    }

    get pid() {
        return this.#child.pid;
    }

    // It was started, and not killed.
    get lives() {
        return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
    }

    // Where it listens, and how.
    get #network() {
        const { tls } = this;
        const where = { bind: "127.0.0.1", unixsocket: this.socket, dir: this.directory };
        if (!tls) {
            return Object.entries({ port: this.port, ...where });
        }
        return Object.entries({
            port: 0,
            "tls-port": this.port,
            "tls-cert-file": tls.certificate,
            "tls-key-file": tls.key,
            "tls-ca-cert-file": tls.ca,
            "tls-auth-clients": tls.clients ?? "no",
            "tls-replication": "yes",
            "tls-cluster": "yes",
            ...where,
        });
    }

    #command() {
        if (this.#sentinel) {
            const file = join(this.directory, "sentinel.conf");
            const lines = this.#network.map(([name, value]) => `${name} ${value}`);
            const password = this.password ? [`requirepass "${this.password}"`] : [];
            writeFileSync(file, `${[...lines, ...password].join("\n")}\n`);
            return [file, "--sentinel"];
        }
        const args = this.#network.flatMap(([name, value]) => [`--${name}`, value]);
        args.push("--save", "", "--appendonly", "yes", "--appendfsync", "no");
        args.push("--daemonize", "no", "--maxclients", "5000", "--loglevel", "warning");
        if (this.password) {
            args.push("--requirepass", this.password);
        }
        return [...args, ...this.#args].map(String);
    }

    // data: with what it had when it went.
    async start({ data = true } = {}) {
        if (!data) {
            rmSync(join(this.directory, "appendonlydir"), { recursive: true, force: true });
        }
        let output = "";
        const child = keep("redis-server", this.#command(), {
            stdio: ["ignore", "pipe", "pipe"],
            env: this.#env,
        });
        child.stdout.on("data", (text) => (output += text));
        child.stderr.on("data", (text) => (output += text));
        this.#child = child;
        await until(async () => {
            if (child.exitCode !== null) {
                return true;
            }
            return (await this.call("PING")) === "PONG";
        }, "redis-server answers");
        if (child.exitCode !== null) {
            throw new Error(`redis-server ended at once: ${output}`);
        }
    }

    // kill -9.
    async kill() {
        this.#client?.close();
        this.#client = null;
        this.#child?.kill("SIGKILL");
        await this.#child?.ended;
    }

    async restart({ data = true } = {}) {
        await this.kill();
        await this.start({ data });
    }

    freeze() {
        this.#child.kill("SIGSTOP");
    }

    thaw() {
        this.#child.kill("SIGCONT");
    }

    // A cluster tells who asks without TLS the ports without TLS, even where there are none.
    get #door() {
        const { tls, port } = this;
        return tls ? { host: "127.0.0.1", port, tls: credentials(tls) } : { path: this.socket };
    }

    async call(...words) {
        // A server that becomes a replica is made to drop its clients.
        if (!this.#client || this.#client.isOver) {
            const client = await RespClient.open(this.#door);
            if (this.password) {
                await client.call("AUTH", this.password);
            }
            this.#client = client;
        }
        try {
            return await this.#client.call(...words);
        } catch (error) {
            if (error.constructor.name !== "RedisError") {
                this.#client?.close();
                this.#client = null;
            }
            throw error;
        }
    }

    // Redis's clock in milliseconds.
    async now() {
        const [seconds, micros] = await this.call("TIME");
        return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    }

    async close() {
        if (this.#child?.exitCode === null) {
            this.thaw();
        }
        await this.kill();
        removeDirectory(this.directory);
    }
}
