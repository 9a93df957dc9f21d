// Shards: several redis-servers, a cluster or a master that sentinels watch, whose masters die, freeze, hand over, and whose
// slots move.
//
// Redis replicates asynchronously: when a replica takes over that was not asked politely, what the old master had
// acknowledged and not yet sent is gone, and what an old master that wakes up acknowledges before it knows. Nothing is
// lost by a master that comes back in time, by a handover in a cluster, or by a slot that moves.

import { sleep, until } from "../../e2e/lib/patience.mjs";
import { Cluster, info, Sentinels } from "../../e2e/lib/topology.mjs";

const BEFORE_MS = 1000; // what a replica may be behind
const DECIDED_MS = 4000; // a replica that is to take over has done so by then
const SETTLED_MS = 60000;

// The hash tag of what a history calls "state:u1", "events:*", "room:r0".
const tagOf = (entity) => entity.slice(entity.indexOf(":") + 1);

export class Shards {
    redis; // with call()
    #kind;
    #busy = false;

    // kind: cluster or sentinel.
    static async start(kind, fsync) {
        const shards = new Shards();
        const args = ["--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"];
        shards.#kind = kind;
        shards.redis =
            kind === "cluster"
                ? await Cluster.start({ masters: 3, replicas: 1, timeout: 1500, args })
                : await Sentinels.start({ timeout: 1000, args });
        return shards;
    }

    get #isCluster() {
        return this.#kind === "cluster";
    }

    url() {
        return this.redis.gatewayUrl;
    }

    get masters() {
        return this.#isCluster ? this.redis.owners() : this.redis.master().then((master) => [master]);
    }

    // The entities that a master has.
    async #ownedBy(master, entities) {
        if (!this.#isCluster) {
            return entities;
        }
        const owned = [];
        for (const entity of entities) {
            const { server } = await this.redis.ownerOf(`{${tagOf(entity)}}`);
            server === master && owned.push(entity);
        }
        return owned;
    }

    // A sentinel may not have heard of another's change of masters and undo it: they name a replica then for half a minute.
    async #agreed() {
        await this.redis.settled();
        const named = (sentinel) => sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.redis.name);
        const names = await Promise.all((this.redis.sentinels ?? []).map(named));
        return names.every(([, port]) => port === names[0][1]);
    }

    // Everybody lives, everybody agrees, every replica follows.
    async settled() {
        const follows = async (server) => {
            const { role, master_link_status: link } = await info(server, "replication");
            return role === "master" || link === "up";
        };
        const roles = async () =>
            (await Promise.all(this.redis.servers.map((one) => info(one, "replication")))).map((one) => one.role);
        await until(
            async () => {
                const count = (await roles()).filter((role) => role === "master").length;
                return (
                    count === (this.#isCluster ? 3 : 1) &&
                    (await this.#agreed()) &&
                    (await Promise.all(this.redis.servers.map(follows))).every(Boolean)
                );
            },
            "the servers of Redis agree",
            SETTLED_MS,
            100,
        );
    }

    // False: the last fault is not over. lost(since, until, why, entities): what may be gone, in epoch ms.
    inflict(fault, entities, lost, later) {
        if (this.#busy) {
            return false;
        }
        this.#busy = true;
        const acts = { kill: this.#kill, pause: this.#pause, handover: this.#handover, move: this.#move };
        later(async () => {
            await acts[fault.what.split("-")[1]].call(this, fault, entities, lost);
            await this.settled();
            this.#busy = false;
        });
        return true;
    }

    async #pick(who) {
        const masters = await this.masters;
        return masters[who % masters.length];
    }

    // A fault of a master. What it acknowledged until it died, or until it knew that it is no master any more, may be gone
    // when another took over; so may what another acknowledged (`took`) whom the sentinels then made a replica again.
    async #fault(who, entities, lost, why, act) {
        const master = await this.#pick(who);
        const owned = await this.#ownedBy(master, entities);
        const since = Date.now() - BEFORE_MS;
        const { died = null, took = false } = await act(master);
        const replaced = async () => (await info(master, "replication")).role === "slave";
        let end = null;
        for (const last = Date.now() + DECIDED_MS; end === null && Date.now() < last; await sleep(50)) {
            end = (await replaced().catch(() => false)) ? Date.now() : null;
        }
        await this.settled();
        if (took || !(await this.masters).includes(master)) {
            lost(since, died ?? end ?? Date.now(), why, owned);
        }
    }

    #kill({ who, ms }, entities, lost) {
        return this.#fault(who, entities, lost, "a master died and its replica took over", async (master) => {
            await master.kill();
            const died = Date.now();
            await sleep(ms);
            await master.start();
            return { died };
        });
    }

    #pause({ who, ms }, entities, lost) {
        return this.#fault(who, entities, lost, "a master froze and its replica took over", async (master) => {
            master.freeze();
            await sleep(ms);
            master.thaw();
            return {};
        });
    }

    // In a cluster the two agree, and nothing is lost.
    async #handover({ who }, entities, lost) {
        if (!this.#isCluster) {
            let from = 0;
            const since = (...what) => lost(from - BEFORE_MS, ...what.slice(1));
            await this.#fault(who, entities, since, "sentinels made the replica the master", async (before) => {
                const [sentinel] = this.redis.sentinels;
                const said = () => sentinel.call("SENTINEL", "FAILOVER", this.redis.name).catch(() => "");
                await until(async () => (await said()) === "OK", "a sentinel begins", SETTLED_MS);
                const other = this.redis.servers.find((one) => one !== before);
                const changed = async () => (await info(other, "replication")).role === "master";
                await until(() => changed().catch(() => false), "the replica is the master", SETTLED_MS, 20);
                from = Date.now();
                return { took: true };
            });
            return;
        }
        const master = await this.#pick(who);
        for (const server of this.redis.servers) {
            const { role, master_port: port } = await info(server, "replication");
            if (role === "slave" && Number(port) === master.port) {
                await server.call("CLUSTER", "FAILOVER");
                await until(
                    async () => (await info(server, "replication")).role === "master",
                    "the replica is master",
                    15000,
                );
            }
        }
    }

    async #move({ who }, entities) {
        const { slot, server } = await this.redis.ownerOf(`{${tagOf(entities[who % entities.length])}}`);
        const others = (await this.masters).filter((one) => one !== server);
        await this.redis.move(slot, server, others[who % others.length]);
    }

    close() {
        this.redis.thaw();
        return this.redis.close();
    }
}
