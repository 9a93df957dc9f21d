// Check: what a history must hold, worked out from its records alone; it knows no gateway.
//
//     check(records) -> {violations: [text], gone: {...}, counts: {...}}
//
// It trusts nobody's word but the clock of the process that wrote the history: a write took effect between its beginning
// (`said`) and the first time that anybody knew of it (acknowledged, or seen). What was answered with `unavailable`, or not
// at all, may have been done or not, at any time after its beginning. Where Redis lost what it had not yet put on disk
// (`lost`), the writes of that time may be gone; they are counted.

import { checkLines, checkRooms } from "./check_told.mjs";
import { checkState } from "./check_state.mjs";
import { checkStream } from "./check_stream.mjs";

const MOST = 20; // violations that are told of one kind

const concerns = ({ entities }, e) => entities?.includes(e) ?? true;

export class Facts {
    writes = new Map(); // "e m" -> {m, e, c, v, said, known, ok}
    byEntity = new Map(); // e -> {writes, saws, begins, streams, reads}
    ends = new Map(); // connection -> t
    unsure = new Set(); // connections that were told that something may not have happened
    lost = [];
    finals = [];
    violations = [];
    gone = { acknowledged: 0 };
    #told = {};

    constructor(records) {
        const told = records.filter(({ k }) => k !== "said");
        for (const record of [...records.filter(({ k }) => k === "said"), ...told]) {
            const read = this[`_${record.k}`];
            read?.call(this, record);
        }
    }

    violate(kind, text) {
        this.#told[kind] = (this.#told[kind] ?? 0) + 1;
        if (this.#told[kind] <= MOST) {
            this.violations.push(`${kind}: ${text}`);
        }
    }

    entity(e) {
        if (!this.byEntity.has(e)) {
            this.byEntity.set(e, { e, writes: [], saws: [], begins: [], streams: [], reads: [] });
        }
        return this.byEntity.get(e);
    }

    write(e, m) {
        return this.writes.get(`${e} ${m}`);
    }

    // May a write that was known then have been forgotten by Redis? One of which nobody knew may have been as well.
    mayBeGone({ e, said, known }) {
        return this.lost.some((one) => said <= one.until && known >= one.since && concerns(one, e));
    }

    // Did Redis forget something of it between these times?
    forgot(e, since, until) {
        return this.lost.some((one) => one.until >= since && one.since <= until && concerns(one, e));
    }

    _said({ t, m, e, c, v }) {
        const write = { m, e, c, v, said: t, known: Infinity, ok: null };
        this.writes.set(`${e} ${m}`, write);
        this.entity(e).writes.push(write);
    }

    _done({ t, m, ok }) {
        for (const write of this.#of(m)) {
            write.ok = ok;
            if (ok) {
                write.known = Math.min(write.known, t);
            }
        }
    }

    #marks = null;
    #of(m) {
        this.#marks ??= new Map();
        if (!this.#marks.has(m)) {
            this.#marks.set(m, []);
        }
        const list = this.#marks.get(m);
        if (list.length === 0) {
            list.push(...[...this.writes.values()].filter((write) => write.m === m));
        }
        return list;
    }

    _saw(record) {
        const { t, e, m, o, as } = record;
        const write = this.write(e, m);
        if (!write && !e.endsWith(":news")) {
            const others = [...this.writes.values()].filter((other) => other.m === m).map((other) => other.e);
            this.violate(
                "foreign",
                `${o} saw ${m} (${as}) of ${e}, which was said ${others.length ? `to ${others}` : "by nobody"}`,
            );
            return;
        }
        if (write) {
            write.known = Math.min(write.known, t);
            write.seen = true;
        }
        this.entity(e).saws.push(record);
    }

    _begin(record) {
        for (const e of [record.e].flat()) {
            this.entity(e).begins.push(record);
        }
    }

    _end({ t, c }) {
        this.ends.set(c, t);
    }

    _unsure({ c }) {
        this.unsure.add(c);
    }

    _stream(record) {
        this.entity(record.e).streams.push(record);
    }

    _read(record) {
        this.entity(record.e).reads.push(record);
    }

    _lost(record) {
        this.lost.push(record);
    }

    _final(record) {
        this.finals.push(record);
    }

    _wrong({ what }) {
        this.violate("wrong", what);
    }
}

// All views of a thing at the end are the same.
function checkFinals(facts) {
    for (const { e, views } of facts.finals) {
        const texts = Object.entries(views).map(([name, view]) => [name, JSON.stringify(view)]);
        if (new Set(texts.map(([, text]) => text)).size > 1) {
            const list = texts.map(([name, text]) => `\n    ${name}: ${text}`).join("");
            facts.violate("disagreement", `about ${e} at the end:${list}`);
        }
    }
}

export function check(records) {
    const facts = new Facts(records);
    checkFinals(facts);
    for (const [e, entity] of facts.byEntity) {
        const [kind] = e.split(":");
        const checks = { state: checkState, events: checkStream, room: checkRooms, feed: checkLines };
        checks[kind]?.(facts, entity);
    }
    const writes = [...facts.writes.values()];
    const counts = {
        said: writes.length,
        acknowledged: writes.filter(({ ok }) => ok).length,
        unknown: writes.filter(({ ok, c }) => ok === null && c === "api").length,
        seen: records.filter(({ k }) => k === "saw").length,
    };
    return { violations: facts.violations, gone: facts.gone, counts };
}
