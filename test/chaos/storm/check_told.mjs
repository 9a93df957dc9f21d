// Check of rooms and feeds: what members and subscribers were told, compared with each other.

// A room: one number per message, one message per number; every connection hears them in this order, each once, and
// without a hole, but for what a welcome's history had no room for, and for what was said while nobody saw the room.
export function checkRooms(facts, entity) {
    const { e } = entity;
    const marks = new Map(); // id -> mark
    const ids = new Map(); // mark -> id
    for (const { id, m, o } of entity.saws) {
        const write = facts.write(e, m);
        if ((marks.get(id) ?? m) !== m) {
            facts.violate("number", `${o}: ${id} of ${e} is ${m} and ${marks.get(id)}`);
        }
        if ((ids.get(m) ?? id) !== id && !facts.mayBeGone(write)) {
            facts.violate("twice", `${o}: ${m} of ${e} was said as ${id} and as ${ids.get(m)}`);
        }
        marks.set(id, m);
        ids.set(m, id);
        if (write.ok === false) {
            facts.violate("refused", `${o}: ${m} of ${e} was refused and said`);
        }
    }
    const order = [...marks.keys()].filter((id) => !facts.mayBeGone(facts.write(e, marks.get(id))));
    order.sort((a, b) => Number(a) - Number(b));
    checkTime(
        facts,
        entity,
        order.map((id) => facts.write(e, marks.get(id))),
    );
    const silences = silencesOf(entity.saws);
    for (const saws of byConnection(entity.saws).values()) {
        checkConnection(facts, entity, saws, order, marks, silences);
    }
}

// A room in which nobody was heard for so long that all leases may have run out (a lease is 2.5 s from the last sign of
// life, which may be older than what was said last) is made anew, without its history: [since, until].
const LEASES_END_MS = 1500;
const NOTICED_MS = 3000;
function silencesOf(saws) {
    return saws.slice(1).flatMap(({ t }, i) => (t - saws[i].t > LEASES_END_MS ? [[saws[i].t, t]] : []));
}

// Who was begun after another was known has the larger number.
function checkTime(facts, entity, writes) {
    let latest = null;
    for (const write of writes) {
        if (latest && write.known < latest.said) {
            facts.violate(
                "order",
                `${entity.e}: ${write.m} is behind ${latest.m}, which was begun after ${write.m} was known`,
            );
        }
        latest = !latest || write.said > latest.said ? write : latest;
    }
}

function byConnection(saws) {
    const connections = new Map();
    for (const saw of saws) {
        connections.set(saw.c, [...(connections.get(saw.c) ?? []), saw]);
    }
    return connections;
}

function checkConnection(facts, entity, saws, order, marks, silences) {
    const { e, begins } = entity;
    const { c } = saws[0];
    const heard = new Set();
    let last = 0;
    for (const { id, m, as, t } of saws) {
        if (as === "message") {
            if (heard.has(id)) {
                facts.violate("twice", `${c} was told ${m} of ${e} twice, again at ${t}`);
            }
            if (Number(id) < last && !facts.mayBeGone(facts.write(e, m))) {
                facts.violate("order", `${c} was told ${m} (${id}) of ${e} behind ${last}`);
            }
            last = Number(id);
        }
        heard.add(id);
    }
    // What the histories of its welcomes, full or begun anew, leave out, nobody can tell it. A room is begun anew also when
    // its own lease had run out, since its process stood still, and the others left before it was back.
    const near = (list) => (begin) => list.some(([since, until]) => begin.t > since && begin.t < until + NOTICED_MS);
    const [anew, lapsed] = [silences, silencesOf(saws)].map(near);
    const alone = (begin) => lapsed(begin) && begin.history.length === 0;
    const incomplete = (begin) => begin.full || anew(begin) || alone(begin) || facts.forgot(e, 0, begin.t);
    const holes = begins.filter((begin) => begin.c === c && incomplete(begin));
    const wasBefore = (id, { t, history }) =>
        history.length > 0 ? Number(id) < Number(history[0]) : facts.write(e, marks.get(id)).said < t;
    const numbers = [...heard].map(Number);
    const [from, to] = [Math.min(...numbers), Math.max(...numbers)];
    for (const id of order) {
        const inside = Number(id) > from && Number(id) < to;
        if (inside && !heard.has(id) && !holes.some((begin) => wasBefore(id, begin))) {
            facts.violate("missed", `${c} was not told ${marks.get(id)} (${id}) of ${e}`);
        }
    }
}

// A feed: every connection hears a line once at most, and all in one order. Those of a file come in the file's order, each
// once, whichever gateways ran. (A feed keeps no place for those who come back: another gateway may be a moment behind.)
export function checkLines(facts, entity) {
    const { e } = entity;
    const isFile = e.endsWith(":news");
    const last = new Map();
    const told = new Map();
    const before = new Map(); // mark -> what stands behind it somewhere
    for (const { c, m, t } of entity.saws) {
        const set = told.get(c) ?? new Set();
        told.set(c, set);
        const excused = isFile ? facts.forgot(e, 0, t) : facts.mayBeGone(facts.write(e, m));
        if (set.has(m) && !excused) {
            facts.violate("twice", `${c} was told ${m} of ${e} twice, again at ${t}`);
        }
        set.add(m);
        if (isFile && m < (last.get(c) ?? 0) && !excused) {
            facts.violate("order", `${c} was told line ${m} of ${e} behind ${last.get(c)}`);
        }
        if (!isFile && last.has(c)) {
            before.set(last.get(c), new Set([...(before.get(last.get(c)) ?? []), m]));
            if (before.get(m)?.has(last.get(c)) && !excused) {
                facts.violate(
                    "order",
                    `${c} was told ${last.get(c)} and ${m} of ${e} in another order than somebody else`,
                );
            }
        }
        last.set(c, m);
    }
}
