// Streams: what Redis keeps of the events, read again and again, since it keeps only the newest.

import { markOf } from "./actors.mjs";

function markOfEvent(body) {
    const [name, data] = JSON.parse(`[${body}]`);
    return name === "carplay_command" ? markOf(data.value) : markOf(data.m);
}

export class Streams {
    #last = new Map(); // entity -> the last number that was read
    #history;

    constructor(users, history) {
        this.#history = history;
        [...users.map((user) => `events:${user}`), "events:*"].forEach((entity) => this.#last.set(entity, 0));
    }

    // Notes what is new in each stream; the last time, `final`, all that is there.
    async read(redis, final = false) {
        for (const [entity, last] of this.#last) {
            const key = `segue:events:{${entity.slice("events:".length)}}`;
            const entries = await redis.call("XRANGE", key, final ? "-" : `(${last}-0`, "+");
            const list = entries.map(([id, fields]) => [
                Number(id.split("-")[0]),
                markOfEvent(fields[fields.indexOf("b") + 1]),
            ]);
            if (list.length > 0 || final) {
                this.#last.set(entity, Math.max(this.#last.get(entity), list.at(-1)?.[0] ?? 0));
                this.#history.note("stream", { e: entity, list, final });
            }
        }
    }
}
