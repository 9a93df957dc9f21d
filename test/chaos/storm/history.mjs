// History: what everybody said, heard and did, in the order in which this process learned it; what the checker reads.
//
// A record is an object with `t` (ms since the beginning) and `k`, its kind:
//
//     said     m, e, c             a write was begun: its mark, what it changes, the connection (or "api") that said it
//     done     m, ok, why          its answer: true: acknowledged, false: refused, null: nobody knows
//     begin    o, c, e, since      an observer's connection is there; since: when it was begun; `recovered`: it goes on
//                                  where the last one ended
//     end      o, c                ... is over
//     saw      o, c, e, m, as      an observer was told of a write; as: by what (a frame, a snapshot, a line of history)
//     stream   e, list             what Redis keeps of a stream: {id, m}, oldest first
//     lost     since, until, why   writes of that time may be gone though they were acknowledged
//     final    e, views            at the end: what each of those who can be asked says: {name: state}
//     fault    ...                 what was done to whom
//     wrong    what                something that no check needs to work out
//
// `e` is "state:USER", "events:USER", "events:*", "room:NAME", "feed:TOPIC". A mark is a number, unique in the run, so
// that whoever sees it knows who said it, when, and to whom.

import { createWriteStream, readFileSync } from "node:fs";

export class History {
    records = [];
    #file = null;
    #began = performance.now();
    #marks = 0;

    constructor(path) {
        this.#file = path ? createWriteStream(path) : null;
    }

    static read(path) {
        const history = new History();
        history.records = readFileSync(path, "utf8")
            .split("\n")
            .filter(Boolean)
            .map((line) => JSON.parse(line));
        return history;
    }

    now() {
        return Math.round((performance.now() - this.#began) * 1000) / 1000;
    }

    // The time of something that Date.now() has named.
    at(epochMs) {
        return this.now() - (Date.now() - epochMs);
    }

    note(k, more) {
        const record = { t: this.now(), k, ...more };
        this.records.push(record);
        this.#file?.write(`${JSON.stringify(record)}\n`);
        return record;
    }

    // A new mark, said just now.
    say(e, c, more = {}) {
        this.#marks += 1;
        this.note("said", { m: this.#marks, e, c, ...more });
        return this.#marks;
    }

    // The same mark in another stream as well: a command is an event and changes the state.
    also(m, e, c) {
        this.note("said", { m, e, c });
    }

    done(m, ok, why) {
        this.note("done", { m, ok, ...(why !== undefined && { why }) });
    }

    async close() {
        if (this.#file) {
            await new Promise((resolve) => this.#file.end(resolve));
        }
    }
}
