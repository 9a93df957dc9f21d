// Goals: what Segue sets itself, against what was measured. Only those whose cells were measured are told.

import { number, ratioOf } from "./figures.mjs";

// How many times what Segue takes the other takes: [workload, figure, contestant, at least].
const LESS_THAN = [
    ["sync-max", "server", "socketio", 5],
    ["sync-max", "server", "ws", 2.5],
    ["sync-max", "server", "nchan", 2],
    ["sync-6000", "p99", "socketio", 10],
    ["fanout-1000", "server", "socketio", 2.5],
    ["fanout-5000", "server", "socketio", 6],
    ["fanout-1000-64", "server", "socketio", 20],
    ["connect", "server", "socketio", 10],
];

// How many times what the other takes Segue takes: [workload, figure, workload and contestant of the other, at most].
const CLOSE_TO = [
    ["sync-max", "server", "sync-max", "floor", 1.3],
    ["sync-max", "redis", "redis-max", "redis", 1.15],
    ["fanout-1000", "server", "fanout-1000", "floor", 1.25],
    ["fanout-5000", "server", "fanout-5000", "floor", 1.25],
];

// What Segue takes: [workload, figure, at most, unit].
const AT_MOST = [
    ["sync-6000", "p99", 2, "ms"],
    ["idle", "server", 1, "KiB"],
];

export function goals(cells) {
    const find = (workload, contestant) =>
        cells.find((cell) => cell.workload.name === workload && cell.contestant.name === contestant && cell.figures);
    const rows = [];
    const add = (what, value, unit, limit, reached, sign) => {
        if (value !== undefined) {
            rows.push([what, `${number(value, 2)} ${unit}`, `${sign} ${limit} ${unit}`, reached ? "yes" : "no"]);
        }
    };
    const title = (workload, figure) => `${workload}, ${find(workload, "segue")?.workload.figures[figure][0]}`;
    for (const [workload, figure, other, limit] of LESS_THAN) {
        const [ours, theirs] = [find(workload, "segue"), find(workload, other)];
        const value = ours && theirs && ratioOf(theirs, figure, ours);
        add(`${title(workload, figure)}: ${theirs?.contestant.title} to Segue`, value, "x", limit, value >= limit, "at least");
    }
    for (const [workload, figure, otherWorkload, other, limit] of CLOSE_TO) {
        const [ours, theirs] = [find(workload, "segue"), find(otherWorkload, other)];
        const value = ours && theirs && ratioOf(ours, figure, theirs);
        add(`${title(workload, figure)}: Segue to ${theirs?.contestant.title}`, value, "x", limit, value <= limit, "at most");
    }
    for (const [workload, figure, limit, unit] of AT_MOST) {
        const value = find(workload, "segue")?.figures[figure]?.median;
        add(title(workload, figure), value, unit, limit, value <= limit, "at most");
    }
    return rows;
}
