// Room: one chat room on a stage, and what can be said in it.

import { randomUUID } from "node:crypto";

import { Listener } from "./listener.mjs";
import { PREFIX } from "./scripts.mjs";

let rooms = 0;

export const LEASE = 45000;

export class Room {
    constructor(stage, name = `room-${++rooms}`) {
        this.stage = stage;
        this.redis = stage.redis;
        this.name = name;
        this.room = `${PREFIX}room:{${name}}`;
        this.members = `${PREFIX}members:{${name}}`;
        this.history = `${PREFIX}history:{${name}}`;
        this.older = `${PREFIX}older:{${name}}`;
        this.moves = `${PREFIX}moves:{${name}}`;
        this.channel = this.room;
    }

    get keys() {
        return [this.room, this.members, this.history, this.older, this.moves, this.channel];
    }

    async listen() {
        this.listener = await Listener.open(this.redis, this.channel);
        this.stage.listeners.push(this.listener);
        return this;
    }

    // What was published since the last time: envelopes with `frame`, the parsed message.
    async published() {
        const heard = await this.listener.take(this.redis, this.channel);
        return heard.map((envelope) => ({ ...envelope, frame: JSON.parse(envelope.message) }));
    }

    async join(client = randomUUID(), { lease = LEASE, reaps = true, enters = true, known = 0 } = {}) {
        const args = [this.name, client, lease, reaps ? 1 : 0, enters ? 1 : 0, known];
        const answer = await this.stage.scripts.call("room_join", this.keys, args);
        const [outcome, seq, count, nextEnd, ...history] = [answer].flat();
        return { outcome, client, seq, count, nextEnd, history };
    }

    // The message as the gateway hands it over: without its end.
    say(client, text, { head = { type: "message", clientId: client || null, roomId: this.name, text }, once } = {}) {
        const keys = this.keys.filter((key) => key !== this.moves);
        return this.stage.once("room_say", keys, [client, JSON.stringify(head).slice(0, -1)], this.name, once);
    }

    renew(client, lease = LEASE) {
        return this.stage.scripts.call("room_renew", this.keys.slice(0, 5), [client, lease]);
    }

    leave(client) {
        return this.stage.scripts.call("room_leave", this.keys, [this.name, client]);
    }

    reap() {
        return this.stage.scripts.call("room_reap", this.keys, [this.name]);
    }

    look() {
        return this.stage.scripts.call("room_look", [this.members], []);
    }

    // The member's lease ended so many ms ago.
    async die(client, ms = 1) {
        await this.redis.call("ZADD", this.members, (await this.redis.now()) - ms, client);
    }

    // Which of the room's keys are there.
    async exists() {
        const found = [];
        for (const key of ["room", "members", "history", "older", "moves"]) {
            if (await this.redis.call("EXISTS", this[key])) {
                found.push(key);
            }
        }
        return found;
    }
}
