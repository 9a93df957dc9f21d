// Check of a user's state: there is one order of its updates that explains what everybody saw, and when, and what remains.
//
// The updates are the nodes of a graph. An edge says "before": by what one observer was told one after the other, by what
// one connection said one after the other, and by time: an update that was known before another was begun. A circle is
// a contradiction. The reads of the state (the first frame of a device, what a car asks for) must not be older than
// what was known when they were begun.

class Graph {
    #edges = new Map(); // node -> Map of (node -> why)

    add(from, to, why) {
        if (from !== to) {
            const edges = this.#edges.get(from) ?? new Map();
            this.#edges.set(from, edges);
            edges.has(to) || edges.set(to, why);
        }
    }

    // A list of edges that leads back to its beginning; null: there is none.
    circle() {
        const states = new Map(); // 1: on the way, 2: done
        for (const start of this.#edges.keys()) {
            const found = states.has(start) ? null : this.#walk(start, states);
            if (found) {
                return found;
            }
        }
        return null;
    }

    #walk(start, states) {
        const path = [];
        const enter = (node, why) => {
            states.set(node, 1);
            path.push({ node, why, rest: (this.#edges.get(node) ?? new Map()).entries() });
        };
        enter(start, null);
        while (path.length > 0) {
            const { value, done } = path.at(-1).rest.next();
            if (done) {
                states.set(path.pop().node, 2);
                continue;
            }
            const [next, why] = value;
            if (states.get(next) === 1) {
                const from = path.findIndex(({ node }) => node === next);
                return [
                    ...path.slice(from + 1).map((step) => ({ node: step.node, why: step.why })),
                    { node: next, why },
                ];
            }
            states.has(next) || enter(next, why);
        }
        return null;
    }
}

// What is told of an update, and what shows the track that there is, which may be older than the last update.
const MESSAGES = ["track", "seek", "turn"];
const TRACKS = ["track", "snapshot", "playback"];

const clock = (t) => `at ${t}`;

// Time as a chain of moments: an update leads to the moment when it was known, a moment to the updates that began later.
function addTime(graph, writes) {
    const moments = [];
    for (const write of writes) {
        moments.push({ t: write.said, begins: write.m });
        if (write.known < Infinity) {
            moments.push({ t: write.known, knows: write.m });
        }
    }
    moments.sort((a, b) => a.t - b.t);
    let last = null;
    moments.forEach(({ t, begins, knows }, i) => {
        const now = `moment ${i}`;
        if (knows !== undefined) {
            graph.add(knows, now, `known ${clock(t)}`);
            last && graph.add(last, now, "");
            last = now;
        } else if (last) {
            graph.add(last, begins, `begun ${clock(t)}`);
        }
    });
}

// What observers were told, and what connections said, in their order.
function addOrders(facts, graph, entity, counts) {
    for (const kinds of [MESSAGES, TRACKS]) {
        const last = new Map();
        for (const { o, m, t, as } of entity.saws.filter((saw) => kinds.includes(saw.as) && counts(saw.m))) {
            last.has(o) && graph.add(last.get(o), m, `${o} was told so (${as} ${clock(t)})`);
            last.set(o, m);
        }
    }
    const said = new Map();
    for (const { m, c, known, said: t } of entity.writes) {
        if (c !== "api" && !facts.unsure.has(c) && known < Infinity && counts(m)) {
            said.has(c) && graph.add(said.get(c), m, `${c} said so ${clock(t)}`);
            said.set(c, m);
        }
    }
}

// A forwarded message is told to an observer once, and not behind a snapshot that contains it.
function checkOnce(facts, entity) {
    const told = new Map(); // observer -> Set
    const shown = new Map(); // observer -> the track of its last snapshot
    for (const { o, c, m, t, as } of entity.saws) {
        if (facts.mayBeGone(facts.write(entity.e, m)) || as === "playback") {
            continue;
        }
        if (as === "snapshot") {
            shown.set(o, m);
            continue;
        }
        const set = told.get(o) ?? new Set();
        told.set(o, set);
        if (set.has(`${as} ${m}`)) {
            facts.violate("twice", `${c} was told ${as} ${m} of ${entity.e} twice, again at ${t}`);
        }
        if (as === "track" && shown.get(o) === m) {
            facts.violate("twice", `${c} was told track ${m} of ${entity.e} behind a state that had it, at ${t}`);
        }
        set.add(`${as} ${m}`);
    }
}

// A read that shows a track while a later one was known before it began.
function checkReads(facts, entity) {
    const tracks = entity.writes.filter(
        ({ v, m, known }) => v === "track" && known < Infinity && !facts.mayBeGone(facts.write(entity.e, m)),
    );
    const starts = new Map(entity.begins.map(({ c, since }) => [c, since]));
    const reads = entity.reads.map((one) => ({ ...one, who: "now-playing" }));
    const first = new Set();
    for (const { c, m, t, as } of entity.saws) {
        if (as === "snapshot" && !first.has(c)) {
            reads.push({ m, t, since: starts.get(c), who: c });
            first.add(c);
        }
    }
    for (const { m, since, t, who } of reads) {
        const shown = facts.write(entity.e, m);
        if (!shown || facts.mayBeGone(shown)) {
            continue;
        }
        const newer = tracks.find((other) => other.known < since && other.said > shown.known);
        if (newer) {
            facts.violate(
                "stale",
                `${who} read track ${m} of ${entity.e} at ${t}, begun at ${since}, when ${newer.m} was known since ${newer.known}`,
            );
        }
    }
}

// What remains is the last of its kind: nothing that must be later was known.
function checkLast(facts, entity) {
    const final = facts.finals.find(({ e }) => e === entity.e);
    const view = final && Object.values(final.views)[0];
    const tracks = entity.writes.filter((write) => write.v === "track");
    const known = tracks.filter((write) => (write.ok || write.seen) && !facts.mayBeGone(write));
    if (!final) {
        return;
    }
    const m = view ? Number(String(view.track_id).slice(1)) : null;
    const shown = tracks.find((write) => write.m === m);
    if (!shown) {
        (view || known.length > 0) &&
            facts.violate("final", `${entity.e} ends with ${JSON.stringify(view)}, which nobody said`);
        return;
    }
    const later = known.find((write) => write.said > shown.known);
    if (later) {
        facts.violate(
            "lost",
            `${entity.e} ends with track ${m}, but ${later.m} is later and was known at ${later.known}`,
        );
    }
    for (const [o, last] of lastTold(facts, entity)) {
        if (last !== m && !facts.mayBeGone(facts.write(entity.e, last))) {
            facts.violate("final", `${o} was told track ${last} of ${entity.e} last, and it ends with ${m}`);
        }
    }
}

// The last track that every listener was told of; who says tracks himself is not told of his own.
function lastTold(facts, entity) {
    const last = new Map();
    const tracks = new Set(entity.writes.filter(({ v }) => v === "track").map(({ m }) => m));
    for (const { o, m } of entity.saws) {
        tracks.has(m) && !o.includes("speaker") && last.set(o, m);
    }
    return last;
}

export function checkState(facts, entity) {
    const graph = new Graph();
    const counts = (m) => !facts.mayBeGone(facts.write(entity.e, m));
    addTime(
        graph,
        entity.writes.filter(({ m }) => counts(m)),
    );
    addOrders(facts, graph, entity, counts);
    const circle = graph.circle();
    if (circle) {
        const steps = circle.filter(({ why }) => why !== "").map(({ node, why }) => `\n    then ${node}: ${why}`);
        facts.violate("order", `${entity.e}: no order explains what was seen:${steps.join("")}`);
    }
    checkOnce(facts, entity);
    checkReads(facts, entity);
    checkLast(facts, entity);
}
