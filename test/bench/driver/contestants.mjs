// The contestants, one row each: how it is spoken to, how it is started, what it cannot do.
//
//     dialect   what the load generator speaks to it
//     redis     it works on Redis; token: it checks one
//     start     -> {child, port, pids}: the process, where it listens, whose CPU and memory count
//     lacks     what the others do and it does not, for the table

import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";

import { BUILD, ROOT, SECRET, freePort, launch, listens, output, until } from "./machine.mjs";

const SEGUE = process.env.SEGUE_BIN ?? `${BUILD}/segue`;

function isReady(port) {
    return new Promise((resolve) => {
        const asked = request({ host: "127.0.0.1", port, path: "/readyz" }, (answer) => {
            answer.resume();
            resolve(answer.statusCode === 200);
        });
        asked.once("error", () => resolve(false));
        asked.end();
    });
}

async function startSegue({ core, redisPort }) {
    const port = await freePort();
    const child = launch(
        core,
        SEGUE,
        ["--listen", `127.0.0.1:${port}`, "--admin-listen", "", "--redis", `redis://127.0.0.1:${redisPort}`],
        { env: { PATH: process.env.PATH, SEGUE_JWT_SECRET: SECRET, SEGUE_DRAIN: "0" } },
    );
    await until(() => isReady(port), child, "Segue");
    return { child, port, pids: [child.pid] };
}

async function startFloor({ core }) {
    const port = await freePort();
    const child = launch(core, `${BUILD}/segue-floor`, [port]);
    await listens(port, child, "the floor");
    return { child, port, pids: [child.pid] };
}

export const CONTESTANTS = [
    {
        name: "segue",
        title: "Segue",
        dialect: "player",
        redis: true,
        token: true,
        start: startSegue,
        version: () => output(SEGUE, ["--version"]),
    },
    {
        name: "floor",
        title: "the floor",
        dialect: "floor",
        start: startFloor,
        version: () => "test/bench/floor.c",
        lacks: "no Redis, no state, no token, no checks",
    },
];
