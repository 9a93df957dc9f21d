// Topology: the Redis of a site, in one of three forms that answer to the same calls: one server, a master that
// sentinels watch, or a cluster. SEGUE_TEST_REDIS=single|sentinel|cluster chooses for tests that do not choose.

import { isIP } from "node:net";

import { until } from "./patience.mjs";
import { flagsFor, freePort, Redis } from "./redis.mjs";
import { RedisError } from "./resp.mjs";

export const TOPOLOGY = process.env.SEGUE_TEST_REDIS || "single";

// For tests that are about one server whatever the others run on: its port, its socket, its database, or a proxy before it.
export const SINGLE = { topology: "single" };

const SLOTS = 16384;
const ALL = new Set(["KEYS", "PUBSUB", "SCAN"]); // answered by every master, put together
const EACH = new Set(["FLUSHALL", "SCRIPT", "CONFIG", "CLIENT", "DBSIZE"]); // done by every master, answered by the first
const ANY = new Set(["PING", "TIME", "INFO", "PUBLISH", "SELECT"]);

export function startRedis({ topology = TOPOLOGY, ...options } = {}) {
    if (topology === "cluster") {
        return Cluster.start(options);
    }
    return topology === "sentinel" ? Sentinels.start(options) : Redis.start(options);
}

// What is the same for several servers.
class Servers {
    servers = []; // all of them
    password;
    tls; // as of one Redis

    get masters() {
        return this.servers;
    }

    get gatewayUrl() {
        return this.url;
    }

    get gatewayFlags() {
        return this.tls ? flagsFor(this.tls) : {};
    }

    // Of one of them: what is published there reaches all.
    get socket() {
        return this.servers[0].socket;
    }

    async kill() {
        await Promise.all(this.servers.map((server) => server.kill()));
    }

    freeze() {
        this.servers.forEach((server) => server.freeze());
    }

    thaw() {
        this.servers.forEach((server) => server.thaw());
    }

    async now() {
        return this.masters[0].now();
    }

    // All of them, after kill(); data: with what they had.
    async start({ data = true } = {}) {
        await Promise.all(this.servers.map((server) => server.start({ data })));
        await this.settled();
    }

    async restart({ data = true } = {}) {
        await this.kill();
        await this.start({ data });
    }

    async close() {
        await Promise.all(this.servers.map((server) => server.close()));
    }
}

function fields(text) {
    return Object.fromEntries(
        String(text)
            .split("\r\n")
            .filter((line) => line.includes(":"))
            .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
    );
}

export async function info(server, section) {
    return fields(await server.call("INFO", section));
}

// masters, each with that many replicas; timeout: how long a node is silent before it counts as dead (ms).
export class Cluster extends Servers {
    #owners = new Map(); // port -> server

    static async start({ masters = 3, replicas = 0, timeout = 2000, password, tls, args = [] } = {}) {
        const cluster = new Cluster();
        cluster.password = password;
        cluster.tls = tls;
        for (let attempt = 1; ; attempt++) {
            try {
                await cluster.#begin(masters, replicas, timeout, args);
                return cluster;
            } catch (error) {
                await cluster.close();
                cluster.servers = [];
                if (attempt === 3) {
                    throw error;
                }
            }
        }
    }

    async #begin(masters, replicas, timeout, args) {
        const start = async () => {
            const bus = await freePort();
            const own = ["--cluster-enabled", "yes", "--cluster-node-timeout", timeout, "--cluster-port", bus];
            own.push("--cluster-require-full-coverage", "no"); // or a shard that is away stops them all
            const auth = this.password ? ["--masterauth", this.password] : [];
            const { password, tls } = this;
            const server = await Redis.start({ password, tls, args: [...own, ...auth, ...args] });
            server.bus = bus;
            this.servers.push(server);
            this.#owners.set(server.port, server);
        };
        await Promise.all(Array.from({ length: masters * (1 + replicas) }, start));
        const heads = this.servers.slice(0, masters);
        await Promise.all(
            heads.map((server, i) => {
                const [first, next] = [i, i + 1].map((n) => Math.floor((SLOTS * n) / masters));
                return server.call("CLUSTER", "ADDSLOTSRANGE", first, next - 1);
            }),
        );
        for (const [i, server] of this.servers.entries()) {
            await server.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
            await server.call("CLUSTER", "MEET", "127.0.0.1", this.servers[0].port, this.servers[0].bus);
        }
        await this.settled();
        for (const [i, server] of this.servers.slice(masters).entries()) {
            server.masterPort = heads[i % masters].port;
            await server.call("CLUSTER", "REPLICATE", await heads[i % masters].call("CLUSTER", "MYID"));
        }
        await until(async () => {
            const states = await Promise.all(this.servers.slice(masters).map((one) => info(one, "replication")));
            return states.every((state) => state.master_link_status === "up");
        }, "the replicas follow");
    }

    // Until everybody who lives agrees that all slots are served, by masters who live.
    async settled() {
        const living = () => this.servers.filter((server) => server.lives);
        const agrees = async (server) => {
            const state = fields(await server.call("CLUSTER", "INFO"));
            if (state.cluster_state !== "ok" || Number(state.cluster_known_nodes) < this.servers.length) {
                return false;
            }
            const ports = new Set(living().map((one) => one.port));
            return (await server.call("CLUSTER", "SLOTS")).every(([, , [, port]]) => ports.has(port));
        };
        await until(
            async () => (await Promise.all(living().map((one) => agrees(one).catch(() => false)))).every(Boolean),
            "the cluster is settled",
        );
    }

    get url() {
        const who = this.password ? `:${this.password}@` : "";
        const hosts = this.servers.map((server) => `127.0.0.1:${server.port}`).join(",");
        return `cluster${this.tls ? "s" : ""}://${who}${hosts}`;
    }

    // The servers that are masters by the word of a server that lives.
    async owners() {
        for (const server of this.servers.filter((one) => one.lives)) {
            const slots = await server.call("CLUSTER", "SLOTS").catch(() => null);
            if (slots) {
                const ports = [...new Set(slots.map(([, , [, port]]) => port))];
                return ports.map((port) => this.#owners.get(port));
            }
        }
        throw new Error("no node of the cluster answers");
    }

    // The master that has the key, and its slot.
    async ownerOf(key) {
        const server = this.servers.find((one) => one.lives);
        const slot = await server.call("CLUSTER", "KEYSLOT", key);
        const range = (await server.call("CLUSTER", "SLOTS")).find(([first, last]) => first <= slot && slot <= last);
        return { slot, server: this.#owners.get(range[2][1]) };
    }

    async call(verb, ...words) {
        const name = verb.toUpperCase();
        if (ALL.has(name) || EACH.has(name)) {
            const [first, ...rest] = words;
            const sharded = name === "PUBSUB" && first !== "NUMPAT";
            const sub = sharded ? [`SHARD${first}`, ...rest] : words;
            const owners = await this.owners();
            const answers = await Promise.all(owners.map((one) => one.call(verb, ...sub)));
            if (name === "PUBSUB" && first === "NUMSUB") {
                const sum = (i) => answers.reduce((total, answer) => total + answer[i], 0);
                return answers[0].map((word, i) => (i % 2 ? sum(i) : word));
            }
            return ALL.has(name) && Array.isArray(answers[0]) ? answers.flat() : answers[0];
        }
        let server = this.servers.find((one) => one.lives);
        for (let hop = 0; !ANY.has(name); hop++) {
            try {
                return await server.call(verb, ...words);
            } catch (error) {
                const moved = /^MOVED \d+ .*:(\d+)$/.exec(error.message);
                if (!(error instanceof RedisError) || !moved || hop === 5) {
                    throw error;
                }
                server = this.#owners.get(Number(moved[1]));
            }
        }
        return server.call(verb, ...words);
    }

    // Gives a slot to another master, with all that is in it, key by key, as redis-cli does it.
    async move(slot, from, to, { between } = {}) {
        const [source, target] = await Promise.all([from, to].map((one) => one.call("CLUSTER", "MYID")));
        await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source);
        await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target);
        for (;;) {
            const keys = await from.call("CLUSTER", "GETKEYSINSLOT", slot, 10);
            if (keys.length === 0) {
                break;
            }
            await from.call("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", ...keys);
            await between?.();
        }
        await between?.();
        for (const server of [to, from, ...(await this.owners())]) {
            await server.call("CLUSTER", "SETSLOT", slot, "NODE", target);
        }
    }
}

// A master with a replica, and three sentinels that give it up after `timeout` ms; host: what all of them call themselves.
export class Sentinels extends Servers {
    name = "segue";
    host;
    sentinels = [];
    sentinelPassword;

    static async start({ password, sentinelPassword, tls, host = "127.0.0.1", ...options } = {}) {
        const site = Object.assign(new Sentinels(), { password, sentinelPassword, tls, host });
        try {
            await site.#begin(options);
            return site;
        } catch (error) {
            await site.close();
            throw error;
        }
    }

    async #begin({ timeout = 1000, args = [] }) {
        const { password, tls } = this;
        const own = ["--replica-announce-ip", this.host, ...(password ? ["--masterauth", password] : []), ...args];
        if (isIP(this.host) === 0) {
            own.push("--bind", "127.0.0.1", "-::1"); // servers believe in a name's first address
        }
        const start = async (...more) => {
            this.servers.push(await Redis.start({ password, tls, args: [...own, ...more] }));
            return this.servers.at(-1);
        };
        const master = await start();
        const replica = await start("--replicaof", `${this.host} ${master.port}`);
        await until(async () => (await info(replica, "replication")).master_link_status === "up", "the replica follows");
        for (let i = 0; i < 3; i++) {
            this.sentinels.push(await Redis.start({ sentinel: true, password: this.sentinelPassword, tls }));
        }
        for (const sentinel of this.sentinels) {
            await this.#instruct(sentinel, master, timeout);
        }
        await until(async () => {
            const all = await Promise.all(this.sentinels.map((one) => one.call("SENTINEL", "MASTER", this.name)));
            const entry = (list, key) => Number(list[list.indexOf(key) + 1]);
            return all.every((list) => entry(list, "num-slaves") === 1 && entry(list, "num-other-sentinels") === 2);
        }, "the sentinels know each other");
    }

    async #instruct(sentinel, master, timeout) {
        const say = (...words) => sentinel.call("SENTINEL", ...words);
        if (isIP(this.host) === 0) {
            await say("CONFIG", "SET", "resolve-hostnames", "yes");
            await say("CONFIG", "SET", "announce-hostnames", "yes");
        }
        await say("MONITOR", this.name, this.host, master.port, 2);
        await say("SET", this.name, "down-after-milliseconds", timeout);
        await say("SET", this.name, "failover-timeout", timeout * 3);
        if (this.password) {
            await say("SET", this.name, "auth-pass", this.password);
        }
        if (this.sentinelPassword) {
            await say("CONFIG", "SET", "sentinel-pass", this.sentinelPassword);
        }
    }

    get masters() {
        return [this.servers[0]];
    }

    get url() {
        const who = this.password ? `:${this.password}@` : "";
        const ports = this.sentinels.map((one) => `${this.host}:${one.port}`).join(",");
        const auth = this.sentinelPassword ? `?auth=:${this.sentinelPassword}` : "";
        return `sentinel${this.tls ? "s" : ""}://${who}${ports}/${this.name}${auth}`;
    }

    // The server that the sentinels name.
    async master() {
        for (const sentinel of this.sentinels) {
            const [, port] = await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.name);
            const found = this.servers.find((server) => server.port === Number(port));
            if (found) {
                return found;
            }
        }
        throw new Error("no sentinel answers");
    }

    // By hand, as for a maintenance: the master lives.
    async failover() {
        const before = await this.master();
        await until(
            async () => (await this.sentinels[0].call("SENTINEL", "FAILOVER", this.name).catch(() => "")) === "OK",
            "the sentinel begins",
        );
        return this.changed(before);
    }

    // The new master, once there is one.
    async changed(before) {
        let now;
        const ready = async () => {
            now = await this.master();
            return now !== before && (await info(now, "replication")).role === "master";
        };
        await until(() => ready().catch(() => false), "another master is named");
        return now;
    }

    async call(...words) {
        return (await this.master()).call(...words);
    }

    async ownerOf() {
        return { server: await this.master() };
    }

    // Until the one that the sentinels name is a master, and the other follows it.
    async settled() {
        await until(async () => {
            const master = await this.master();
            const others = this.servers.filter((server) => server !== master);
            const states = await Promise.all([master, ...others].map((server) => info(server, "replication")));
            const [{ role }, ...follow] = states;
            return role === "master" && follow.every(({ master_link_status: link }) => link === "up");
        }, "a master, and one that follows it");
    }

    async close() {
        await Promise.all(this.sentinels.map((sentinel) => sentinel.close()));
        await super.close();
    }
}
