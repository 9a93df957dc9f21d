// Redis: a private redis-server of one test: on a unix socket and a free TCP port, in a directory of its own, keeping
// its data in an append-only file so that it may be killed and come back with or without them.

import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
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

export class Redis {
    directory = temporaryDirectory();
    socket = join(this.directory, "redis.sock");
    port = 0;
    password;
    #args;
    #env;
    #sentinel = false;
    #child = null;
    #client = null;

    // password: what clients must say; args, env: further arguments and environment of redis-server; sentinel: it is one.
    static async start({ password, args = [], env = {}, sentinel = false } = {}) {
        const redis = new Redis();
        redis.password = password;
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
        return `redis://${who}127.0.0.1:${this.port}`;
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
        return this.unixUrl;
    }

    get pid() {
        return this.#child.pid;
    }

    // It was started, and not killed.
    get lives() {
        return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
    }

    #command() {
        if (this.#sentinel) {
            const file = join(this.directory, "sentinel.conf");
            const lines = [`port ${this.port}`, "bind 127.0.0.1", `unixsocket ${this.socket}`, `dir ${this.directory}`];
            const password = this.password ? [`requirepass "${this.password}"`] : [];
            writeFileSync(file, `${[...lines, ...password].join("\n")}\n`);
            return [file, "--sentinel"];
        }
        const args = ["--port", this.port, "--bind", "127.0.0.1", "--unixsocket", this.socket];
        args.push("--dir", this.directory, "--save", "", "--appendonly", "yes", "--appendfsync", "no");
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

    async call(...words) {
        if (!this.#client) {
            const client = await RespClient.open({ path: this.socket });
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
