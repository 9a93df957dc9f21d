// Stage: one Redis for a file of tests, as a cluster of one node, so that a script that touches a key it did not name,
// or keys of two slots, is refused; users on it, and what can be said for them.

import { after, before } from "node:test";

import { Redis } from "../../e2e/lib/redis.mjs";
import { sleep, until } from "../../e2e/lib/patience.mjs";
import { Listener } from "./listener.mjs";
import { keysOf, onceOf, Scripts } from "./scripts.mjs";

export const ORIGIN = "0123456789abcdefGH-_";
export const LEASE = 45000;
export const GRACE = 30000;

let users = 0;

export function suiteStage() {
    const stage = { listeners: [] };
    before(async () => {
        stage.redis = await Redis.start({ args: ["--cluster-enabled", "yes"] });
        await stage.redis.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
        await until(async () => /cluster_state:ok/.test(await stage.redis.call("CLUSTER", "INFO")), "a cluster");
        stage.scripts = await new Scripts(stage.redis).load();
    });
    after(async () => {
        stage.listeners.forEach((listener) => listener.close());
        await stage.redis.close();
    });
    stage.user = (name) => new User(stage, name);
    // A transition that may be asked for again: with a key, or without one, as most are.
    stage.once = (script, keys, args, name, { key = "", mark = "" } = {}) =>
        stage.scripts.call(script, [...keys, onceOf(name, key)], [...args, mark]);
    return stage;
}

// A user of his own for every test, unless a name is given.
export class User {
    constructor(stage, name = `user-${++users}`) {
        this.stage = stage;
        this.redis = stage.redis;
        this.name = name;
        Object.assign(this, keysOf(name));
    }

    async listen() {
        this.listener = await Listener.open(this.redis, this.channel);
        this.stage.listeners.push(this.listener);
        return this;
    }

    published() {
        return this.listener.take(this.redis, this.channel);
    }

    #say(script, at, more, { origin = ORIGIN, message = "{}" } = {}) {
        const keys = [this.player, this.channel];
        return this.stage.scripts.call(script, keys, [origin, message, at, textOf(at), ...more]);
    }

    newTrack(at, { track = "1", from = "album", fromId = "4", ...rest } = {}) {
        return this.#say("player_new_track", at, [track, from, fromId], rest);
    }

    pause(at, rest) {
        return this.#say("player_pause", at, [], rest);
    }

    resume(at, rest) {
        return this.#say("player_resume", at, [], rest);
    }

    seek(at, pos, rest) {
        return this.#say("player_seek", at, [pos], rest);
    }

    async join({ id = ORIGIN, since = 1, lease = LEASE, grace = GRACE } = {}) {
        const keys = [this.player, this.devices, this.channel];
        const args = [entryOf(id, since, lease), lease, grace];
        const answer = await this.stage.scripts.call("player_join", keys, args);
        const [outcome, now, devices, seq, track, from, fromId, paused, pos, time] = answer;
        return { outcome, now, devices, seq, track, from, fromId, paused, pos, time };
    }

    leave({ id = ORIGIN, since = 1, lease = LEASE, age = 0 } = {}) {
        return this.stage.scripts.call("device_leave", [this.devices], [entryOf(id, since, lease), age]);
    }

    renew({ id = ORIGIN, since = 1, lease = LEASE, age = 0 } = {}) {
        return this.stage.scripts.call("device_renew", [this.devices], [entryOf(id, since, lease), lease, age]);
    }

    // A playback_state_update; what is not given is not said.
    update({ origin = "-", playing = true, pos = 0, ...media } = {}) {
        const { track = "", duration = "", title = "", artist = "", album = "", type = "" } = media;
        const args = [origin, playing ? "1" : "0", String(pos), track, duration, title, artist, album, type];
        return this.stage.scripts.call("playback_update", [this.player, this.channel], args);
    }

    async command(command, { value = "", body = `"${command}"`, origin = "-", grace = 0, once } = {}) {
        const keys = [this.player, this.events, this.channel, this.devices];
        const args = [command, String(value), body, origin, grace];
        const [outcome, devices, number] = await this.stage.once("playback_command", keys, args, this.name, once);
        return { outcome, devices, number };
    }

    // Without `entry`: only looks.
    async playback({ entry = "", lease = LEASE, grace = GRACE } = {}) {
        const keys = [this.player, this.devices, this.channel];
        const answer = await this.stage.scripts.call("playback_join", keys, [entry, lease, grace]);
        const [outcome, now, devices, seq, paused, pos, media, unsaid] = answer;
        return { outcome, now, devices, seq, paused, pos, media, unsaid };
    }

    // Returns the event's number.
    async tell(body, once = {}) {
        const keys = [this.events, this.channel];
        const [outcome, number] = await this.stage.once("event_add", keys, [body], this.name, once);
        if (outcome !== "applied") {
            throw new Error(outcome);
        }
        return number;
    }

    async readEvents(cursor, limit = 100) {
        const answer = await this.stage.scripts.call("events_read", [this.events], [cursor, limit]);
        const [, served, end, more, ...flat] = answer;
        const events = flat.flatMap((number, i) => (i % 2 ? [] : [[number, flat[i + 1]]]));
        return { served: served === "1", end, more: more === "1", events };
    }

    // The hash as Redis holds it; null when there is none.
    async state() {
        const flat = await this.redis.call("HGETALL", this.player);
        const pairs = flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]]));
        return flat.length === 0 ? null : Object.fromEntries(pairs);
    }

    // {entry: score}
    async leases() {
        const flat = await this.redis.call("ZRANGE", this.devices, 0, -1, "WITHSCORES");
        return Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, Number(flat[i + 1])]])));
    }
}

// A device as it stands among its user's.
export function entryOf(id, since, lease) {
    return `${id} ${since} ${lease} player websocket`;
}

// A client's time, from milliseconds.
export function textOf(ms) {
    return new Date(ms).toISOString();
}

// Redis's clock in microseconds.
export async function micros(redis) {
    const [seconds, rest] = await redis.call("TIME");
    return Number(seconds) * 1e6 + Number(rest);
}

// Until Redis's clock shows so many milliseconds.
export async function sleepUntil(redis, ms) {
    for (let now = await redis.now(); now < ms; now = await redis.now()) {
        await sleep(ms - now);
    }
}
