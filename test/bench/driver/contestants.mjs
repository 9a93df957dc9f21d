// The contestants, one row each: how it is spoken to, how it is started, what it cannot do.
//
//     dialect   what the load generator speaks to it
//     redis     it works on Redis; token: it checks one
//     start     -> {child, port, pids}: the process, where it listens, whose CPU and memory count
//     lacks     what the others do and it does not, for the table

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";

import { BUILD, ROOT, SECRET, freePort, launch, listens, output, until } from "./machine.mjs";
import { removeDirectory, temporaryDirectory } from "./machine.mjs";

const SERVERS = join(ROOT, "test/bench/contestants");

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

async function startNode(script, { core, redisPort }) {
    const port = await freePort();
    const child = launch(core, process.execPath, [join(SERVERS, script), port, redisPort], {
        env: { PATH: process.env.PATH, NODE_ENV: "production", SECRET },
    });
    await listens(port, child, script);
    return { child, port, pids: [child.pid] };
}

const packageVersion = (name) => JSON.parse(readFileSync(join(SERVERS, "node_modules", name, "package.json"), "utf8")).version;

async function startNchan({ core, redisPort }) {
    const port = await freePort();
    const dir = temporaryDirectory();
    const values = { dir, port, redis: redisPort };
    const template = readFileSync(join(SERVERS, "nginx.conf"), "utf8");
    writeFileSync(join(dir, "nginx.conf"), template.replace(/@(\w+)@/g, (_, name) => values[name]));
    const child = launch(core, "nginx", ["-p", dir, "-c", join(dir, "nginx.conf")]);
    await until(() => takesSubscribers(port), child, "nginx");
    return { child, port, pids: [child.pid], clean: () => removeDirectory(dir) };
}

// It refuses subscribers until it has found its Redis.
function takesSubscribers(port) {
    const headers = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": 13, "Sec-WebSocket-Key": "c2VndWUncyBiZW5jaG1hcg==" };
    return new Promise((resolve) => {
        const asked = request({ host: "127.0.0.1", port, path: "/player/nobody", headers });
        asked.once("upgrade", (_, socket) => (socket.destroy(), resolve(true)));
        asked.once("response", (answer) => (answer.resume(), resolve(false)));
        asked.once("error", () => resolve(false));
        asked.end();
    });
}

function nchanVersion() {
    const module = output("dpkg-query", ["-Wf", "${Version}", "libnginx-mod-nchan"]);
    return `nchan ${module}, nginx ${output("sh", ["-c", "nginx -v 2>&1"]).replace(/.*nginx\//, "")}`;
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
        name: "socketio",
        title: "Socket.IO",
        dialect: "socketio",
        redis: true,
        token: true,
        start: (world) => startNode("socketio.mjs", world),
        version: () => `socket.io ${packageVersion("socket.io")} with redis-adapter ${packageVersion("@socket.io/redis-adapter")} on Node ${process.version}`,
    },
    {
        name: "ws",
        title: "ws by hand",
        dialect: "player",
        redis: true,
        token: true,
        start: (world) => startNode("ws.mjs", world),
        version: () => `ws ${packageVersion("ws")} with node-redis ${packageVersion("redis")}`,
    },
    {
        name: "nchan",
        title: "Nchan",
        dialect: "nchan",
        redis: true,
        start: startNchan,
        version: nchanVersion,
        lacks: "no transition (it passes messages on through Redis), no state on connection, no token; the sender gets its message back",
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
