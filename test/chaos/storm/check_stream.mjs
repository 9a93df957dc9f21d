// Check of a stream: what Redis keeps of it is the truth, and every observer heard exactly its part of it.

// What was ever read of the stream, in its order, and what of it Redis forgot later.
function truthOf(streams) {
    const numbers = new Map();
    for (const { list } of streams) {
        list.forEach(([number, m]) => numbers.set(`${number} ${m}`, { number, m }));
    }
    const final = streams.find((one) => one.final)?.list ?? [];
    const kept = new Set(final.map(([number, m]) => `${number} ${m}`));
    const first = final[0]?.[0] ?? 0;
    const truth = [...numbers.values()].sort((a, b) => a.number - b.number);
    truth.forEach((one) => (one.gone = one.number >= first && !kept.has(`${one.number} ${one.m}`)));
    return truth;
}

// Each acknowledged write is there once; what is there was said; who began after another was known stands behind it.
function checkTruth(facts, entity, truth) {
    const { e } = entity;
    const there = new Map();
    let latest = null; // of all so far, the one that was said last
    for (const { m, gone } of truth) {
        const write = facts.write(e, m);
        if (!write) {
            facts.violate("foreign", `${e} in Redis holds ${m}, which was not said there`);
            continue;
        }
        if (gone) {
            facts.mayBeGone(write) || facts.violate("lost", `${e}: Redis forgot ${m}`);
            continue;
        }
        if (there.has(m) && !facts.mayBeGone(write)) {
            facts.violate("twice", `${e}: ${m} was applied twice`);
        }
        there.set(m, write);
        if (facts.mayBeGone(write)) {
            continue; // it may have been forgotten and been said again
        }
        if (latest && write.known < latest.said) {
            facts.violate("order", `${e}: ${m} stands behind ${latest.m}, which was begun only after ${m} was known`);
        }
        latest = !latest || write.said > latest.said ? write : latest;
    }
    for (const write of entity.writes) {
        const isThere = there.has(write.m);
        if (write.ok === false && isThere) {
            facts.violate("refused", `${e}: ${write.m} was refused and applied`);
        }
        if ((write.ok || write.seen) && !isThere) {
            if (facts.mayBeGone(write)) {
                facts.gone.acknowledged += write.ok ? 1 : 0;
            } else {
                facts.violate("lost", `${e}: ${write.m} was ${write.ok ? "acknowledged" : "seen"} and is not in Redis`);
            }
        }
    }
}

// What one socket said over one connection, in its order, is in this order in Redis.
function checkOwnOrder(facts, entity, places) {
    const last = new Map();
    for (const { m, c, ok, known } of entity.writes) {
        const place = places.get(m);
        if (c === "api" || !ok || place === undefined || known === Infinity) {
            continue;
        }
        if (place < (last.get(c) ?? -1)) {
            facts.violate("order", `${entity.e}: ${m} of ${c} stands before what it said earlier`);
        }
        last.set(c, place);
    }
}

// The connections of an observer, those that recovered joined to the one before: [{begins, saws, ended}].
function stretchesOf(facts, entity) {
    const stretches = new Map(); // observer -> list
    for (const begin of entity.begins) {
        const list = stretches.get(begin.o) ?? [];
        stretches.set(begin.o, list);
        if (!begin.recovered || list.length === 0) {
            list.push({ o: begin.o, begins: [], saws: [] });
        }
        list.at(-1).begins.push(begin);
    }
    for (const saw of entity.saws) {
        const stretch = stretches.get(saw.o)?.find(({ begins }) => begins.some(({ c }) => c === saw.c));
        stretch?.saws.push(saw);
    }
    return [...stretches.values()];
}

// A client that asks for recovery gets it, unless Redis forgot something, or too much was said meanwhile.
const KEPT = 1000;
function checkRecovered(facts, entity, list, truth) {
    for (let i = 1; i < list.length; i++) {
        const begin = list[i].begins[0];
        const before = list[i - 1];
        const from = before.begins.at(-1).t;
        const missed = truth.filter(({ m }) => {
            const { known } = facts.write(entity.e, m) ?? {};
            return known >= from && known <= begin.t + 60000;
        });
        const forgot = begin.e.some((e) => facts.forgot(e, from, begin.t)); // one offset is for all streams
        if (begin.recovers && !forgot && missed.length < KEPT - 50) {
            facts.violate("recovery", `${begin.c} was not recovered (at ${begin.t}, ${entity.e})`);
        }
    }
}

// One stretch: every event once, in the order of Redis, without a hole, from its beginning on.
function checkStretch(facts, entity, stretch, places, order, isLast) {
    const { e } = entity;
    const seen = new Set();
    let last = -1;
    let first = Infinity;
    for (const { m, c, t } of stretch.saws) {
        const write = facts.write(e, m);
        const place = places.get(m);
        if (seen.has(m) && !facts.mayBeGone(write)) {
            facts.violate("twice", `${c} was told ${m} of ${e} twice, again at ${t}`);
        }
        seen.add(m);
        if (place === undefined || facts.mayBeGone(write)) {
            continue; // forgotten by Redis, which is looked at elsewhere
        }
        if (place < last) {
            facts.violate("order", `${c} was told ${m} of ${e} behind ${order[last]}, which is later in Redis`);
        }
        first = Math.min(first, place);
        last = Math.max(last, place);
    }
    const began = stretch.begins[0].t;
    for (let place = 0; place < order.length; place++) {
        const m = order[place];
        const write = facts.write(e, m);
        if (!write || seen.has(m) || facts.mayBeGone(write)) {
            continue;
        }
        const inside = place > first && place < last;
        const behind = write.said > began && (isLast || place < last);
        if (inside || behind) {
            facts.violate("missed", `${stretch.begins.at(-1).c} was not told ${m} of ${e}`);
        }
    }
}

export function checkStream(facts, entity) {
    const truth = truthOf(entity.streams);
    checkTruth(facts, entity, truth);
    const order = truth.filter(({ gone }) => !gone).map(({ m }) => m);
    const places = new Map(order.map((m, place) => [m, place]));
    checkOwnOrder(facts, entity, places);
    for (const list of stretchesOf(facts, entity)) {
        checkRecovered(facts, entity, list, truth);
        list.forEach((stretch, i) => checkStretch(facts, entity, stretch, places, order, i === list.length - 1));
    }
}
