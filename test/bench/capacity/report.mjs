// Report: what was measured, as text that is Markdown too, and as a chart.

import { number } from "../driver/figures.mjs";
import { align } from "../driver/table.mjs";
import { bars, lines, page } from "./plot.mjs";

const KIB = 1024;
const MIB = 1024 * 1024;
const HEARTBEAT_S = 25; // the default

const kib = (bytes) => (bytes === null || bytes === undefined ? "?" : number(bytes / KIB, 2));
const ms = (value) => number(value, value < 10 ? 2 : 0);
const whole = (value) => number(value, 0);

// What a core does in a second of what takes so many microseconds.
const perCore = (micros) => whole(Math.round(1e6 / micros / 100) * 100);

function connectionTable(kinds) {
    const head = ["connections", "gateway KiB each", "kernel KiB each", "Redis KiB each", "came per second", "gateway µs to come", "Redis µs to come"];
    return kinds.map((kind) => {
        const rows = kind.steps.map((step) => [
            whole(step.connections),
            kib(step.perConnection.gateway),
            kib(kind.kernel === null ? null : kind.kernel + step.perConnection.buffers),
            kib(step.perConnection.redis),
            whole(step.perSecond),
            whole(step.cpu.gateway),
            whole(step.cpu.redis),
        ]);
        const keys = Object.entries(kind.keys).map(([name, bytes]) => `${name} ${bytes}`);
        return `${kind.title}\n\n${align([head, ...rows])}

- a heartbeat: gateway ${whole(kind.heartbeat.gateway)} µs, Redis ${whole(kind.heartbeat.redis)} µs, ${number(kind.heartbeat.received, 2)} calls; of 1,000 clients, every ${HEARTBEAT_S} s: ${number((kind.heartbeat.gateway * 1000) / HEARTBEAT_S / 10000, 2)} % of a core and ${number((kind.heartbeat.redis * 1000) / HEARTBEAT_S / 10000, 2)} %
- leaving: gateway ${whole(kind.leaving.gateway)} µs, Redis ${whole(kind.leaving.redis)} µs
- bytes by MEMORY USAGE: ${keys.join(", ")}; all that Redis has for a user's state: ${whole(kind.state)}
${kind.failed ? `- within ${whole(kind.failed.within)} connections it ended: ${kind.failed.why.split("\n")[0]}\n` : ""}`;
    });
}

function updateTable({ window }, { steps, knee, stop, bottleneck, full, users, devices }) {
    const head = ["offered/s", "came/s", "p50 ms", "p99 ms", "gateways µs", "Redis µs", "generator µs", "cores: gateways", "Redis", "generator", ""];
    const cores = (values) => number(values.reduce((a, b) => a + b, 0), 2);
    const rows = steps.map((step) => step.refused
        ? [whole(step.offered), "", "", "", "", "", "", "", "", "", "refused"]
        : [
            whole(step.offered),
            whole(step.rate),
            ms(step.p50),
            ms(step.p99),
            ...[step.micros.gateway, step.micros.redis, step.micros.generator].map((value) => number(value, 1)),
            ...[step.cores.gateway, step.cores.redis, step.cores.generator].map(cores),
            step === knee ? "the knee" : step.saturated ? "too much" : "",
        ]);
    const said = [];
    if (knee) {
        said.push(`- kept up with: ${whole(knee.offered)} updates/s`);
    }
    said.push(stop ? `- what stood in the way of ${whole(stop.offered)}: ${bottleneck}` : "- the steps ended before anything did");
    said.push(`- as many as go, ${window} in flight: ${whole(full.rate)}/s; gateways ${number(full.micros.gateway, 1)} µs, Redis ${number(full.micros.redis, 1)} µs each`);
    said.push(`- by that CPU time a core of gateways does ${perCore(full.micros.gateway)} updates/s, a core of Redis ${perCore(full.micros.redis)}`);
    return `Updates: ${whole(users)} users with ${devices} devices, each update reaches ${devices - 1}\n\n${align([head, ...rows])}\n\n${said.join("\n")}\n`;
}

function operationTable({ rows, memory }) {
    const table = rows.map((row) => [row.name, number(row.received, 1), number(row.total, 1), number(row.micros, 0)]);
    const counted = (sizes, what) => Object.entries(sizes).map(([count, bytes]) => `${count} ${what}: ${whole(bytes)}`).join(", ");
    return `What Redis does for one

${align([["", "calls", "commands, with those in scripts", "µs by its own clock"], ...table])}

- bytes by MEMORY USAGE: state of a player: ${memory.player}; devices of a user, ${counted(memory.devices, "there")}; events of 100 bytes to a user, ${counted(memory.events, "kept")}
`;
}

export function tables(results) {
    const { connections, updates, operations, machine, when, command, settings } = results;
    const parts = [
        ...(connections ? connectionTable(connections) : []),
        ...(updates ? [updateTable(settings, updates)] : []),
        ...(operations ? [operationTable(operations)] : []),
    ];
    return `${parts.join("\n")}
- ${settings.processes} gateway processes, ${settings.masters > 0 ? `a Redis Cluster of ${settings.masters} masters` : "one Redis"}; the load generator runs on the same machine
- ${machine.cpu}, ${machine.system}; ${when}; ${command}
`;
}

const RATE = { title: "updates offered per second", log: true };

function updatePanels({ steps, knee }, limit) {
    const shown = steps.filter((step) => !step.refused);
    const points = (value) => shown.map((step) => [step.offered, value(step)]);
    const mark = knee && { value: knee.offered, title: `kept up: ${whole(knee.offered)}/s` };
    return [
        lines({
            name: "Delivery latency, sender to receiver",
            x: RATE,
            y: { title: "milliseconds", log: true },
            series: [
                { title: "p99", colour: 2, points: points((step) => step.p99) },
                { title: "p50", colour: 1, points: points((step) => step.p50) },
            ],
            level: { value: limit, title: `limit ${limit} ms` },
            mark,
        }),
        lines({
            name: "CPU time per update",
            x: RATE,
            y: { title: "microseconds" },
            series: [
                { title: "gateways", colour: 1, points: points((step) => step.micros.gateway) },
                { title: "Redis", colour: 2, points: points((step) => step.micros.redis) },
                { title: "load generator", colour: 4, dashed: true, points: points((step) => step.micros.generator) },
            ],
            mark,
        }),
    ];
}

function connectionPanels(kinds) {
    const last = (kind) => kind.steps.at(-1);
    return [
        lines({
            name: "Memory of the gateways",
            x: { title: "idle connections" },
            y: { title: "MiB" },
            series: kinds.map((kind, i) => ({
                title: kind.title,
                colour: i + 1,
                points: kind.steps.map((step) => [step.connections, step.memory.gateway / MIB]),
            })),
        }),
        bars({
            name: "Memory per connection, at the most",
            parts: [["gateway", 1], ["Redis", 2], ["kernel (one end)", 4]],
            unit: "KiB",
            rows: kinds.map((kind) => ({
                title: kind.title,
                values: [last(kind).perConnection.gateway, last(kind).perConnection.redis, (kind.kernel ?? 0) + last(kind).perConnection.buffers].map((bytes) => bytes / KIB),
            })),
        }),
    ];
}

export function chart(results) {
    const { connections, updates, machine, when, settings } = results;
    const redis = settings.masters > 0 ? `a Redis Cluster of ${settings.masters} masters` : "one Redis";
    return page({
        title: "What this machine carries",
        subtitle: `${machine.cpu}, ${machine.system}; ${settings.processes} gateways and ${redis}; ${when}`,
        panels: [...(updates ? updatePanels(updates, settings.limit) : []), ...(connections ? connectionPanels(connections) : [])], // operations have none
        notes: [
            ...(updates ? [`Updates: ${whole(updates.users)} users with ${updates.devices} devices each; an update is applied in Redis and reaches the other ${updates.devices - 1}.`] : []),
            "The load generator shares the machine: where the lines end is the machine's limit; CPU time per update is Segue's.",
        ],
    });
}
