// Profile: where a server's time goes, by `perf`, while the generator runs.

import { join } from "node:path";

import { end, launch } from "./machine.mjs";

export function startProfile(settings, workload, contestant, server) {
    const file = join(settings.out, `${workload.name}-${contestant.name}.perf`);
    const pids = server.pids.join(",");
    const child = launch(settings.cores.load, "perf", ["record", "-q", "-e", "cpu-clock", "-g", "-o", file, "-p", pids]);
    return { end: () => end(child, "SIGINT") };
}
