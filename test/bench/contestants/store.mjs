// Store: the Redis client of the Node servers: the transitions by EVALSHA.
//
// node-redis writes the commands of one tick together (ioredis with enableAutoPipelining takes 15 % more CPU here).

import { createClient } from "redis";

import { script } from "./transitions.mjs";

const NAMES = ["player_join", "player_seek", "player_pause", "player_resume", "player_new_track", "device_leave"];

export async function openRedis(port) {
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    client.on("error", (error) => console.error(error));
    return client.connect();
}

export async function openStore(port, { publish }) {
    const client = await openRedis(port);
    const shas = {};
    for (const name of NAMES) {
        const { body, sha } = script(name, { publish });
        await client.scriptLoad(body);
        shas[name] = sha;
    }
    return ({ name, keys, args }) => client.evalSha(shas[name], { keys, arguments: args });
}
