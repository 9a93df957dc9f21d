// Storm: one run: clients of every kind act while the plan's faults come; then all is healed, everybody is asked what he
// believes, and the history tells it.

import { sleep, until } from "../../e2e/lib/patience.mjs";
import { Player } from "../../e2e/lib/player.mjs";
import { ask } from "../../e2e/lib/api.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";
import { Device, Member, Subscriber } from "./actors.mjs";
import { Backend } from "./backend.mjs";
import { Car } from "./car.mjs";
import { planOf, sentenceOf } from "./plan.mjs";
import { Random } from "./random.mjs";
import { Stage } from "./stage.mjs";
import { Streams } from "./streams.mjs";

const ROOMS = ["r0", "r1"];
const TOPICS = ["f0", "f1"];
const NEWS = "news"; // told from a file
const SKEWS_S = [0, 180, -180, 3600];
const HEALED_MS = 40000;
const BULK = { pieces: 400, bytes: 8000 };
const STREAMS_MS = 1000;

export class Storm {
    rooms = ROOMS;
    topics = TOPICS;
    devices = [];
    cars = [];
    members = [];
    subscribers = [];
    counts = { faults: 0, skipped: 0 };
    #over = false;
    #work = [];
    #say;
    #streams;

    // options: {seed, seconds, gateways, users, fsync, only, without}; say: where a line of progress goes.
    constructor(options, history, say) {
        this.options = options;
        this.history = history;
        this.random = new Random(options.seed ^ 0x5eed);
        this.#say = say;
    }

    get door() {
        return this.stage.door;
    }

    get clients() {
        return [...this.devices, ...this.cars, ...this.members, ...this.subscribers];
    }

    async run(logs) {
        const { gateways, redis, fsync, users } = this.options;
        this.users = Array.from({ length: users }, (_, i) => `u${i}`);
        const mine = this.users.flatMap((user) => [`state:${user}`, `events:${user}`]);
        const entities = [
            ...mine,
            "events:*",
            ...ROOMS.map((room) => `room:${room}`),
            ...[...TOPICS, NEWS].map((topic) => `feed:${topic}`),
        ];
        this.stage = await Stage.start({ gateways, redis, fsync, history: this.history, logs, entities });
        try {
            this.#come();
            await this.#everybody("everybody has come");
            await this.#blow();
            await this.#calm();
            await this.#tell();
        } finally {
            await Promise.all(this.clients.map((client) => client.end()));
            await this.#leftovers().catch((error) => this.#wrong(error.message));
            await this.stage.close();
        }
    }

    #wrong(what) {
        this.history.note("wrong", { what });
    }

    // Names carry the user, so that a history can be read.
    #come() {
        this.backend = new Backend(this);
        this.#streams = new Streams(this.users, this.history);
        this.users.forEach((user, i) => {
            this.devices.push(
                new Device(this, `${user}-listener-0`, user),
                new Device(this, `${user}-listener-1`, user),
            );
            SKEWS_S.slice(0, 2 + (i % 3)).forEach((skew, j) =>
                this.devices.push(new Device(this, `${user}-speaker-${j}`, user, skew * 1000)),
            );
            const ways = { ws: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] };
            for (const [way, transports] of Object.entries(ways)) {
                this.cars.push(new Car(this, `${user}-${way}`, user, { transports }));
            }
            this.cars.push(new Car(this, `${user}-plain`, user, { transports: ["websocket"], recovery: false }));
        });
        for (const room of this.rooms) {
            this.members.push(...[0, 1, 2, 3].map((i) => new Member(this, `${room}-member-${i}`, room)));
        }
        for (const topic of [...this.topics, NEWS]) {
            this.subscribers.push(...[0, 1].map((i) => new Subscriber(this, `${topic}-subscriber-${i}`, topic)));
        }
    }

    async #everybody(what) {
        const missing = () => this.clients.filter((client) => !client.isConnected).map(({ name }) => name);
        await until(
            () => missing().length === 0,
            () => `${what}; not: ${missing().slice(0, 10).join(" ")}`,
            HEALED_MS,
            100,
        );
    }

    // Does it again and again, with pauses of about so long.
    #again(ms, act) {
        const loop = async () => {
            while (!this.#over) {
                await sleep(ms * (0.3 + 1.4 * this.random.next()));
                this.#over || act();
            }
        };
        this.#work.push(loop());
    }

    #act() {
        const speakers = this.devices.filter(({ name }) => name.includes("speaker"));
        speakers.forEach((device) => this.#again(700, () => device.act()));
        this.cars.filter(({ name }) => !name.includes("upgrade")).forEach((car) => this.#again(1500, () => car.act()));
        this.members.forEach((member) => this.#again(900, () => member.act()));
        this.#again(120, () => this.backend.act());
        this.#again(STREAMS_MS, () => this.#streams.read(this.stage.redis).catch(() => {}));
        this.#again(1000, () => this.stage.weigh());
    }

    async #blow() {
        const plan = planOf(this.options);
        const began = Date.now();
        const seconds = () => (Date.now() - began) / 1000;
        const wait = (at) => sleep(Math.max(0, (at - seconds()) * 1000));
        this.#act();
        const summary = setInterval(() => this.#summary(seconds()), 10000);
        for (const fault of plan) {
            await wait(fault.at);
            const did = await this.#inflict(fault);
            this.counts[did ? "faults" : "skipped"] += 1;
            this.history.note("fault", { ...fault, did });
            const whoIs = (who) =>
                fault.what === "slow-reader" || fault.what === "client-gone" ? this.#client(fault).name : who;
            this.#say(
                `${fault.at.toFixed(1).padStart(7)} s  ${sentenceOf(fault, whoIs)}${did ? "" : " (down already)"}`,
            );
        }
        await wait(this.options.seconds);
        clearInterval(summary);
        this.#over = true;
        await Promise.all(this.#work);
        this.#summary(seconds());
    }

    #client({ what, who }) {
        const readers = [...this.devices.filter(({ name }) => name.includes("listener")), ...this.members];
        readers.push(...this.cars.filter(({ transports }) => transports.at(-1) === "websocket"));
        const list = what === "slow-reader" ? readers : this.clients;
        return list[who % list.length];
    }

    #inflict(fault) {
        const { what, ms } = fault;
        if (what === "client-gone") {
            this.#client(fault).cut();
            return true;
        }
        if (what !== "slow-reader") {
            return this.stage.inflict(fault);
        }
        const client = this.#client(fault);
        client.pause();
        this.#work.push(this.#flood(client));
        this.#work.push(sleep(ms).then(() => client.resume()));
        return true;
    }

    // Much for one who does not read.
    async #flood(client) {
        for (let i = 0; i < BULK.pieces && !this.#over; i++) {
            if (client instanceof Member) {
                this.members.find((other) => other.room === client.room && other !== client).act(4000);
            } else if (client instanceof Device) {
                const mine = ({ user, name }) => user === client.user && name.includes("speaker");
                this.devices.find(mine).act(BULK.bytes);
            } else {
                this.backend.event(client.user, BULK.bytes);
            }
            await sleep(i % 10 ? 0 : 30);
        }
    }

    #summary(seconds) {
        const { records } = this.history;
        const count = (k) => records.reduce((sum, record) => sum + (record.k === k), 0);
        const acknowledged = records.reduce((sum, { k, ok }) => sum + (k === "done" && ok), 0);
        const there = this.clients.filter((client) => client.isConnected).length;
        this.#say(
            `-- ${seconds.toFixed(0)} s: ${this.counts.faults} faults, ${there} of ${this.clients.length} clients there, ` +
                `${count("said")} said, ${acknowledged} acknowledged, ${count("saw")} seen, ${count("begin")} connections, ` +
                `${this.backend.repeated} requests repeated`,
        );
    }

    // Everything is healed, everybody is back, nothing is under way.
    async #calm() {
        this.#say("-- the storm is over; everybody is waited for");
        await this.stage.heal();
        const quiet = () => this.cars.every(({ pending }) => pending === 0) && this.backend.pending === 0;
        await until(quiet, "every request is answered", 70000, 100);
        try {
            await this.#everybody("everybody has come back");
            await this.#fences();
        } catch (error) {
            this.#wrong(error.message);
        }
    }

    // A last word to everybody, who must hear it: so all that came before is there as well.
    async #fences() {
        const saw = new Set();
        const last = [];
        for (const user of this.users) {
            const cars = this.cars.filter((car) => car.user === user);
            last.push({ ...(await this.backend.event(user)), clients: cars });
        }
        last.push({ ...(await this.backend.eventToAll()), clients: this.cars });
        for (const room of this.rooms) {
            last.push({
                ...(await this.backend.message(room)),
                clients: this.members.filter((one) => one.room === room),
            });
        }
        for (const topic of this.topics) {
            const clients = this.subscribers.filter(({ entity }) => entity === `feed:${topic}`);
            last.push({ ...(await this.backend.line(topic)), clients });
        }
        let read = 0;
        const missing = () => {
            for (; read < this.history.records.length; read++) {
                const { k, o, m } = this.history.records[read];
                k === "saw" && saw.add(`${o} ${m}`);
            }
            return last.flatMap(({ m, clients }) =>
                clients.filter(({ name }) => !saw.has(`${name} ${m}`)).map(({ name }) => `${name}:${m}`),
            );
        };
        await until(
            () => missing().length === 0,
            () => `the last word reaches everybody; not ${missing().slice(0, 10).join(" ")}`,
            HEALED_MS,
            100,
        );
    }

    // What everybody believes, and what Redis and each gateway say.
    async #tell() {
        for (const user of this.users) {
            const listeners = this.devices.filter((one) => one.user === user && one.name.includes("listener"));
            const views = async () => {
                const all = {};
                for (const gateway of this.stage.gateways) {
                    const player = await Player.open(gateway, { token: tokenOf(user) });
                    all[`/player of ${gateway.port}`] = stateOf(JSON.parse(player.first));
                    player.terminate();
                }
                listeners.forEach((one) => (all[one.name] = stateOf(one.state)));
                all.redis = await this.#redisState(user);
                return all;
            };
            const equal = (all) => new Set(Object.values(all).map((view) => JSON.stringify(view))).size === 1;
            let all = await views();
            for (const end = Date.now() + 10000; !equal(all) && Date.now() < end; all = await views()) {
                await sleep(200);
            }
            this.history.note("final", { e: `state:${user}`, views: all });
            await this.#playing(user);
        }
        await this.#streams.read(this.stage.redis, true);
    }

    async #redisState(user) {
        const names = ["track", "from", "from_id", "paused", "pos", "time"];
        const [track, from, fromId, paused, pos, time] = await this.stage.redis.call(
            "HMGET",
            `segue:player:{${user}}`,
            ...names,
        );
        return track === null
            ? null
            : stateOf({
                  track_id: JSON.parse(track),
                  from_is: from,
                  from_is_id: JSON.parse(fromId),
                  on_pause: paused === "1",
                  last_sec_position: Number(pos),
                  time_state_update: time,
              });
    }

    // The car's view of the same.
    async #playing(user) {
        const views = {};
        for (const gateway of this.stage.gateways) {
            const { mediaId, isPlaying } = (
                await ask(gateway, "GET", "/api/carplay/now-playing", { token: tokenOf(user) })
            ).json();
            views[`now-playing of ${gateway.port}`] = { mediaId, isPlaying };
        }
        this.history.note("final", { e: `playing:${user}`, views });
    }

    // When everybody has gone, nothing of them is left in the gateways.
    async #leftovers() {
        for (const slot of this.stage.slots) {
            const { gateway, number, state } = slot;
            if (state !== "up") {
                continue;
            }
            let left;
            const empty = async () => {
                const metrics = await gateway.metrics();
                left = { connections: metrics.get("segue_connections"), channels: metrics.get("segue_channels") };
                left.more = gateway.residentBytes() - slot.bytes;
                // The channel of the adapter or of everybody may stay.
                return left.connections === 0 && left.channels <= 1 && this.stage.isEmpty(slot);
            };
            await until(empty, () => `nothing is left in gateway ${number}: ${JSON.stringify(left)}`, 15000, 200);
        }
    }
}

// The six fields, positions to a millisecond.
function stateOf(state) {
    if (!state || state.type_push_state) {
        return null;
    }
    const { track_id, from_is, from_is_id, on_pause, last_sec_position, time_state_update } = state;
    const position = Math.round(last_sec_position * 1000) / 1000;
    return { track_id, from_is, from_is_id, on_pause, last_sec_position: position, time_state_update };
}
