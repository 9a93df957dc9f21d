// Stage: a Redis, gateways in numbered slots, and the wires between them and to the clients; and what is done to them.
//
//     clients --- door (wires) ---> gateway 0, 1, 2 ... --- link of each (wires) ---> Redis
//
// A slot whose gateway dies gets a new one. Whatever ends without having been told to is noted as wrong.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Gateway } from "../../e2e/lib/gateway.mjs";
import { removeDirectory, temporaryDirectory } from "../../e2e/lib/keeper.mjs";
import { patient, SLOW, sleep, until } from "../../e2e/lib/patience.mjs";
import { SECRET } from "../../e2e/lib/token.mjs";
import { PING_MS, QUEUE } from "./actors.mjs";
import { KEY } from "./backend.mjs";
import { Disk } from "./disk.mjs";
import { preloaded } from "./preload.mjs";
import { Shards } from "./shards.mjs";
import { Wires } from "../../e2e/lib/wires.mjs";

const LINES = 20000; // of the feed `news`, one a second
const SETTLED_MS = 4000; // a process of that age has what it needs
const EMPTY = 3 * 1024 * 1024; // what a gateway without clients has more in RAM than when it began, at most

export class Stage {
    slots = []; // {number, gateway, link, state, past}
    ports = []; // of the gateways, 0: away
    memory = new Map(); // pid -> {slot, samples of its size}
    #history;
    #directory = temporaryDirectory();
    #redisState = "up"; // or "down", "paused"
    #tasks = new Set();
    #logs;
    #entities;
    #preload = {}; // a sanitizer has memory of its own, and wants to be first

    // logs: the directory where the logs of all processes go.
    // entities: those that a history tells of.
    static async start({ gateways, redis, fsync, history, logs, entities }) {
        const stage = new Stage();
        stage.#history = history;
        stage.#logs = logs;
        stage.#entities = entities;
        if (redis === "single") {
            stage.disk = await Disk.start(fsync);
        } else {
            stage.shards = await Shards.start(redis, fsync);
        }
        if (SLOW === 1) {
            stage.#preload = { LD_PRELOAD: preloaded("trim", stage.#directory) };
        }
        stage.news = join(stage.#directory, "news.txt");
        writeFileSync(stage.news, Array.from({ length: LINES }, (_, i) => `${i + 1}\n`).join(""));
        for (let number = 0; number < gateways; number++) {
            const link = stage.disk ? await Wires.open([stage.redis.port]) : null;
            stage.slots.push({ number, link, state: "down", past: 0 });
            stage.ports.push(0);
        }
        stage.door = await Wires.open(stage.ports);
        await Promise.all(stage.slots.map((slot) => stage.#launch(slot)));
        await stage.ready();
        return stage;
    }

    get redis() {
        return (this.disk ?? this.shards).redis;
    }

    get gateways() {
        return this.slots.filter(({ state }) => state === "up").map(({ gateway }) => gateway);
    }

    ready() {
        const all = () => Promise.all(this.gateways.map(async (one) => (await one.get("/readyz")).status === 200));
        return until(async () => (await all()).every(Boolean), "/readyz of all gateways says 200", patient(30000));
    }

    async #launch(slot) {
        const gateway = await Gateway.start({
            ready: false,
            env: { SEGUE_JWT_SECRET: SECRET, ...this.#preload },
            flags: {
                redis: slot.link ? `redis://127.0.0.1:${slot.link.port}` : this.shards.url(),
                "api-key": KEY,
                rate: 0,
                drain: 1,
                "max-queue": QUEUE,
                "ping-interval": PING_MS,
                "ping-timeout": 1500,
                "connect-timeout": 4000,
                feed: `news=${this.news}:1`,
            },
        });
        Object.assign(slot, { gateway, state: "up", began: Date.now(), bytes: gateway.residentBytes() });
        this.ports[slot.number] = gateway.port;
        gateway.ended.then(({ code, signal }) => {
            if (slot.gateway === gateway && slot.state === "up") {
                slot.state = "ended";
                this.ports[slot.number] = 0;
                this.#wrong(
                    `gateway ${slot.number} ended on its own: code ${code}, signal ${signal}\n${gateway.log.slice(-4000)}`,
                );
            }
        });
    }

    #wrong(what) {
        this.#history.note("wrong", { what });
    }

    // A gateway that was told to go: its log, its exit, and whether a sanitizer complained.
    async #bury(slot, polite) {
        const { gateway } = slot;
        slot.state = "down";
        this.ports[slot.number] = 0;
        try {
            if (polite) {
                gateway.signal("SIGCONT");
                const code = await gateway.terminate();
                code === 0 || this.#wrong(`gateway ${slot.number} ended with ${code} after SIGTERM`);
            } else {
                await gateway.kill();
            }
            await gateway.close(); // asks its log for complaints
        } catch (error) {
            this.#wrong(`gateway ${slot.number}: ${error.message}`);
        }
        writeFileSync(join(this.#logs, `gateway-${slot.number}-${slot.past++}.log`), gateway.log);
    }

    // Notes how large the processes are.
    weigh() {
        for (const { number, gateway, state, began } of this.slots) {
            if (state === "up" && Date.now() - began > SETTLED_MS) {
                const known = this.memory.get(gateway.pid) ?? { slot: number, samples: [] };
                known.samples.push(gateway.residentBytes());
                this.memory.set(gateway.pid, known);
            }
        }
    }

    // Of a gateway without clients: what they needed is free.
    isEmpty({ gateway, bytes }) {
        return SLOW > 1 || gateway.residentBytes() < bytes + EMPTY;
    }

    // Does it; the answer is false when there is nobody to do it to. What it takes to end it goes on behind.
    async inflict(fault) {
        const [whom] = fault.what.split("-");
        if (whom === "master" || whom === "slot") {
            const lost = (...what) => this.#lost(...what);
            return this.shards.inflict(fault, this.#entities, lost, (task) => this.#later(task));
        }
        const act = { gateway: this.#onGateway, redis: this.#onRedis, link: this.#onWires, net: this.#onWires }[whom];
        return act.call(this, fault);
    }

    #later(task) {
        const running = task().catch((error) => this.#wrong(`the storm itself: ${error.stack}`));
        this.#tasks.add(running);
        running.finally(() => this.#tasks.delete(running));
    }

    #onGateway({ what, who, ms }) {
        const slot = this.slots[who];
        if (slot.state !== "up" || slot.busy) {
            return false;
        }
        slot.busy = true;
        this.#later(async () => {
            if (what === "gateway-pause") {
                slot.gateway.signal("SIGSTOP");
                await sleep(ms);
                slot.gateway.signal("SIGCONT");
            } else {
                await this.#bury(slot, what === "gateway-term");
                await sleep(ms);
                await this.#launch(slot);
            }
            slot.busy = false;
        });
        return true;
    }

    // Epoch ms; entities: those that are concerned, all unless given.
    #lost(since, until, why, entities) {
        if (since !== null) {
            const at = (ms) => this.#history.at(ms);
            this.#history.note("lost", { since: at(since), until: at(until), why, ...(entities && { entities }) });
        }
    }

    async #redisDown(what) {
        if (what === "redis-kill") {
            this.#lost(await this.disk.kill(), Date.now(), "killed while an fdatasync took its time");
            return;
        }
        const { bytes, since } = await this.disk.losePower();
        this.#history.note("power", { bytes });
        this.#lost(since, Date.now(), "lost power before an fdatasync");
    }

    #onRedis({ what, kind, ms }) {
        if (this.#redisState !== "up") {
            return false;
        }
        if (what === "redis-hangup") {
            this.#later(() => this.redis.call("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").catch(() => {}));
            return true;
        }
        this.#redisState = what === "redis-pause" ? "paused" : "down";
        this.#later(async () => {
            if (what === "redis-pause") {
                this.redis.freeze();
                await sleep(ms);
                this.redis.thaw();
            } else {
                await this.#redisDown(what);
                await sleep(ms);
                await this.redis.start();
            }
            this.#redisState = "up";
        });
        return true;
    }

    #onWires({ what, who, ms, by, way }) {
        const [whom, how] = what.split("-");
        const [wires, target] = whom === "net" ? [this.door, who] : [this.slots[who].link, 0];
        const acts = {
            cut: () => wires.cut(target),
            delay: () => wires.slow(target, by),
            half: () => wires.deafen(target, way),
            split: () => wires.tear(target),
        };
        acts[how]();
        if (how !== "split") {
            this.#later(async () => {
                await sleep(ms);
                wires.restore(target);
            });
        }
        return true;
    }

    // All faults are over, all slots are filled, everybody says that he is ready.
    async heal() {
        while (this.#tasks.size > 0) {
            await Promise.all(this.#tasks);
        }
        this.slots.forEach(({ number, link }) => {
            this.door.restore(number);
            link?.restore(0);
        });
        await this.shards?.settled();
        await this.ready();
    }

    // Ends everything politely; what is left of each process is looked at.
    async close() {
        await Promise.all(this.slots.filter(({ state }) => state === "up").map((slot) => this.#bury(slot, true)));
        this.door.close();
        this.slots.forEach(({ link }) => link?.close());
        await (this.disk ?? this.shards).close();
        removeDirectory(this.#directory);
    }
}
