// Site: gateways that share a port, on one Redis or on the masters of a Redis Cluster, all of them fresh, on loopback.
//
//     const site = await startSite({ processes: 2, masters: 1, flags: { pingInterval: 5000 } });
//     await site.seed(1000);
//     await site.end();

import { get } from "node:http";

import { RespClient } from "../../e2e/lib/resp.mjs";
import { mint, seconds } from "../../e2e/lib/token.mjs";
import { BUILD, SECRET, end, freePort, generate, launch, sleep, startRedis, until } from "../driver/machine.mjs";
import { cpuOfAll, memoryOfAll } from "./proc.mjs";

const SEGUE = process.env.SEGUE_BIN ?? `${BUILD}/segue`;
const SLOTS = 16384;
const ANY = null; // core
const GONE_MS = 30000;
export const API_KEY = "the key of the benchmark's server API";

// A gateway's own defaults, but for limits that meet in one address what production has in thousands.
const SETTINGS = { SEGUE_JWT_SECRET: SECRET, SEGUE_API_KEY: API_KEY, SEGUE_DRAIN: "0" };

async function startNode(cluster) {
    const bus = cluster ? await freePort() : null;
    const redis = await startRedis(ANY, cluster ? ["--cluster-enabled", "yes", "--cluster-port", bus] : []);
    redis.bus = bus;
    redis.client = await RespClient.open({ host: "127.0.0.1", port: redis.port });
    return redis;
}

// Each master gets its share of the slots.
async function formCluster(nodes) {
    for (const [i, node] of nodes.entries()) {
        const slot = (n) => Math.floor((n * SLOTS) / nodes.length);
        await node.client.call("CLUSTER", "ADDSLOTSRANGE", slot(i), slot(i + 1) - 1);
        await node.client.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
        await node.client.call("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus);
    }
    for (const node of nodes) {
        for (;;) {
            const info = await node.client.call("CLUSTER", "INFO");
            if (info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${nodes.length}`)) {
                break;
            }
            await sleep(50);
        }
    }
}

function ask(url) {
    return new Promise((resolve) => {
        const asked = get(url, { agent: false }, (answer) => {
            let text = "";
            answer.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => resolve({ status: answer.statusCode, text }));
        });
        asked.once("error", () => resolve({ status: 0, text: "" }));
    });
}

async function startGateway(address, redisUrl, flags, more) {
    const args = ["--listen", address, "--admin-listen", "127.0.0.1:0", "--redis", redisUrl];
    for (const [name, value] of Object.entries(flags)) {
        args.push(`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`, value);
    }
    const child = launch(ANY, SEGUE, [...args, ...more], { env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, ...SETTINGS } });
    const admin = () => child.log.match(/admin listening address=(\S+)/)?.[1];
    await until(async () => admin() && (await ask(`http://${admin()}/readyz`)).status === 200, child, "Segue");
    return { child, pid: child.pid, admin: admin() };
}

class Site {
    nodes = [];
    gateways = [];

    // args: further ones of the gateways, as words.
    async start({ processes, masters = 0, flags = {}, args = [] }) {
        for (let i = 0; i < Math.max(masters, 1); i++) {
            this.nodes.push(await startNode(masters > 0));
        }
        if (masters > 0) {
            await formCluster(this.nodes);
        }
        const addresses = this.nodes.map((node) => `127.0.0.1:${node.port}`);
        this.redisUrl = masters > 0 ? `cluster://${addresses.join(",")}` : `redis://${addresses[0]}`;
        this.port = await freePort();
        for (let i = 0; i < processes; i++) {
            this.gateways.push(await startGateway(`127.0.0.1:${this.port}`, this.redisUrl, flags, args));
        }
        return this;
    }

    get gatewayPids() {
        return this.gateways.map((gateway) => gateway.pid);
    }

    get redisPids() {
        return this.nodes.map((node) => node.pid);
    }

    // A state for each of so many users.
    async seed(users) {
        let seeded = 0;
        for (const node of this.nodes) {
            const report = await generate(ANY, ["seed", "--redis", `127.0.0.1:${node.port}`, "--users", users]);
            seeded += report.users;
        }
        if (seeded !== users) {
            throw new Error(`${seeded} of ${users} users have a state`);
        }
    }

    // What the generator is told to reach the site and to read its processes, one by one.
    generatorArgs() {
        const watch = (name, pids) => pids.flatMap((pid, i) => ["--watch", `${name}${i + 1}:${pid}`]);
        const names = [...watch("server", this.gatewayPids), ...watch("redis", this.redisPids)];
        return ["--server", `127.0.0.1:${this.port}`, "--secret", SECRET, ...names];
    }

    token(user) {
        return mint({ sub: user, exp: seconds(3600) }, { key: SECRET });
    }

    cpu() {
        return { gateway: cpuOfAll(this.gatewayPids), redis: cpuOfAll(this.redisPids) };
    }

    // Bytes: pages of all gateways, and what Redis itself counts of its own.
    async memory() {
        let redis = 0;
        for (const node of this.nodes) {
            redis += Number((await node.client.call("INFO", "memory")).match(/used_memory:(\d+)/)[1]);
        }
        return { gateway: memoryOfAll(this.gatewayPids).pss, redis };
    }

    // The sum of a metric over all processes and labels.
    async metric(name) {
        let sum = 0;
        for (const { admin } of this.gateways) {
            const { text } = await ask(`http://${admin}/metrics`);
            const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
            if (values.length === 0) {
                throw new Error(`a gateway has no metric ${name}`);
            }
            sum += values.reduce((total, [, value]) => total + Number(value), 0);
        }
        return sum;
    }

    // After too much a gateway may have lost sight of Redis for a moment.
    async ready() {
        for (const { child, admin } of this.gateways) {
            await until(async () => (await ask(`http://${admin}/readyz`)).status === 200, child, "Segue");
        }
    }

    async connectionsGone() {
        const limit = Date.now() + GONE_MS;
        while ((await this.metric("segue_connections")) > 0) {
            if (Date.now() > limit) {
                throw new Error("connections that were closed are still there");
            }
            await sleep(100);
        }
    }

    // What the processes said that is worse than usual, for an error's text.
    complaints() {
        return this.gateways
            .flatMap(({ child }) => child.log.split("\n").filter((line) => / (warn|error) /.test(line)))
            .slice(-5)
            .join("\n");
    }

    async end() {
        for (const { child } of this.gateways) {
            await end(child, "SIGKILL");
        }
        for (const node of this.nodes) {
            node.client.close();
            await node.end();
        }
    }
}

export async function startSite(settings) {
    const site = new Site();
    try {
        return await site.start(settings);
    } catch (error) {
        await site.end();
        throw error;
    }
}
