// Operations: what Redis does for one of each thing that clients do: how many commands reach it, how many there are with
// those inside the scripts, and how long it takes by its own clock.

import { setTimeout as sleep } from "node:timers/promises";

import { frame } from "../../e2e/lib/frames.mjs";
import { Raw } from "../../e2e/lib/raw.mjs";
import { between, statistics } from "./commands.mjs";
import { API_KEY, startSite } from "./site.mjs";

const TEXT = 1;
const TOGETHER = 50; // connections
const QUIET_MS = 300; // until what was done has reached Redis
class Worker {
    constructor(site) {
        this.site = site;
        this.gateway = { host: "127.0.0.1", port: site.port };
    }

    async socket(path, user) {
        const raw = await Raw.open(this.gateway);
        await raw.upgrade(path, user ? [`Authorization: Bearer ${this.site.token(user)}`] : []);
        return raw;
    }

    async player(user) {
        const raw = await this.socket("/player", user);
        await raw.text();
        return raw;
    }

    async socketio(user) {
        const raw = await this.socket("/socket.io/?EIO=4&transport=websocket");
        await raw.text();
        await raw.write(frame(TEXT, `40${JSON.stringify({ token: this.site.token(user) })}`));
        await raw.text();
        return raw;
    }

    async room(name) {
        const raw = await this.socket(`/ws?room=${name}`);
        await raw.text();
        return raw;
    }

    async poll(raw, sid, packets) {
        const path = `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ""}`;
        const head = packets === undefined ? [`GET ${path} HTTP/1.1`, []] : [`POST ${path} HTTP/1.1`, [`Content-Length: ${packets.length}`]];
        await raw.request(...head, packets);
        return (await raw.response()).text;
    }

    // Returns {raw, sid}; the connection is idle between two polls.
    async polling(user) {
        const raw = await Raw.open(this.gateway);
        const { sid } = JSON.parse((await this.poll(raw)).slice(1));
        await this.poll(raw, sid, `40${JSON.stringify({ token: this.site.token(user) })}`);
        let body = "";
        while (!body.includes("40{")) {
            body = await this.poll(raw, sid);
        }
        return { raw, sid };
    }

    async tell(user) {
        const raw = await Raw.open(this.gateway);
        const body = JSON.stringify({ event: "on_notification", data: "x".repeat(100) });
        await raw.request(`POST /api/users/${user}/events HTTP/1.1`, [`X-API-Key: ${API_KEY}`, `Content-Length: ${body.length}`], body);
        const answer = await raw.response();
        raw.destroy();
        if (answer.status !== 200) {
            throw new Error(`an event was answered ${answer.status} ${answer.text}`);
        }
    }
}

const users = Array.from({ length: TOGETHER }, (_, i) => `user-${i}`);
const pause = (at) => frame(TEXT, JSON.stringify({ type_push_state: at % 2 ? "on_pause" : "off_pause", time_state_update: new Date().toISOString() }));
const seek = () => frame(TEXT, JSON.stringify({ type_push_state: "change_position", last_sec_position: 30, time_state_update: new Date().toISOString() }));

// Opens one of something for each user; closes all of them.
const openAll = (open) => Promise.all(users.map(open));
const closeAll = async (raws) => {
    raws.forEach((raw) => (raw.raw ?? raw).destroy());
    await sleep(QUIET_MS);
};

// Each row: [name, what is measured: async (worker, measure) => ...]; measure(count, act) counts what act does.
const ROWS = [
    ["/player: connect", async (worker, measure) => closeAll(await measure(TOGETHER, () => openAll((user) => worker.player(user))))],
    ["/player: disconnect", async (worker, measure) => {
        const raws = await openAll((user) => worker.player(user));
        await measure(TOGETHER, () => closeAll(raws));
    }],
    ...[["pause or resume", pause], ["seek", seek]].map(([name, write]) => [`/player: ${name}, to another device`, async (worker, measure) => {
        const senders = await openAll((user) => worker.player(user));
        const others = await openAll((user) => worker.player(user));
        await measure(TOGETHER * 10, async () => {
            for (let round = 0; round < 10; round++) {
                await Promise.all(senders.map((raw, i) => Promise.all([raw.write(write(round)), others[i].text()])));
            }
        });
        await closeAll([...senders, ...others]);
    }]),
    ["Socket.IO by WebSocket: connect", async (worker, measure) => closeAll(await measure(TOGETHER, () => openAll((user) => worker.socketio(user))))],
    ["event of the server API, to one socket", async (worker, measure) => {
        const raws = await openAll((user) => worker.socketio(user));
        await openAll((user) => worker.tell(user)); // the first one makes the stream
        await measure(TOGETHER, () => openAll((user) => worker.tell(user)));
        await closeAll(raws);
    }],
    ["Socket.IO by polling: connect", async (worker, measure) => closeAll(await measure(TOGETHER, () => openAll((user) => worker.polling(user))))],
    ["event to a client that polls: event, POST, GET", async (worker, measure) => {
        const polls = await openAll((user) => worker.polling(user));
        await measure(TOGETHER, () => Promise.all(polls.map(async ({ raw, sid }, i) => {
            const body = worker.poll(raw, sid);
            await sleep(QUIET_MS); // it hangs
            await worker.tell(users[i]);
            await body;
        })));
        await closeAll(polls);
    }],
    ["room: join", async (worker, measure) => closeAll(await measure(TOGETHER, () => openAll((user) => worker.room(`room-${user}`))))],
    ["room: message, to two members", async (worker, measure) => {
        const senders = await openAll((user) => worker.room(`room-${user}`));
        const others = await openAll((user) => worker.room(`room-${user}`));
        await Promise.all(senders.map((raw) => raw.text())); // joined
        const say = frame(TEXT, JSON.stringify({ type: "message", text: "hello, how are you today" }));
        await measure(TOGETHER * 10, async () => {
            for (let round = 0; round < 10; round++) {
                await Promise.all(senders.map((raw, i) => Promise.all([raw.write(say), raw.text(), others[i].text()])));
            }
        });
        await closeAll([...senders, ...others]);
    }],
];

// Commands that the gateways send while nobody does anything, in a second: ticks of feeds.
async function idleRate(site) {
    const before = await statistics(site);
    await sleep(2000);
    const after = await statistics(site);
    return Object.fromEntries(Object.entries(after).map(([name, { calls }]) => [name, (calls - (before[name]?.calls ?? 0)) / 2]));
}

// {rows: [{name, received, total, micros, commands}], memory}: per operation; memory: bytes of keys by what is in them.
export async function measureOperations(settings, say) {
    const site = await startSite({ ...settings, flags: { rate: 0 } });
    try {
        await site.seed(TOGETHER);
        const worker = new Worker(site);
        await closeAll(await openAll((user) => worker.player(user))); // whatever is done once is done
        const idle = await idleRate(site);
        const rows = [];
        for (const [name, act] of ROWS) {
            await act(worker, async (count, what) => {
                const before = await statistics(site);
                const began = Date.now();
                const result = await what();
                await sleep(QUIET_MS);
                const seconds = (Date.now() - began) / 1000;
                const background = Object.fromEntries(Object.entries(idle).map(([command, rate]) => [command, rate * seconds]));
                rows.push({ name, ...between(before, await statistics(site), count, background) });
                return result;
            });
            say(`${name}: ${rows.at(-1).total.toFixed(1)} commands`);
        }
        return { rows, memory: await measureMemory(site, worker) };
    } finally {
        await site.end();
    }
}

// Bytes of a user's keys, by how much is in them.
async function measureMemory(site, worker) {
    const usage = async (key) => {
        for (const { client } of site.nodes) {
            const bytes = await client.call("MEMORY", "USAGE", key, "SAMPLES", 0).catch(() => null);
            if (bytes !== null) {
                return bytes;
            }
        }
        return 0;
    };
    const memory = { player: await usage("segue:player:{user-0}"), devices: {}, events: {} };
    const raws = [];
    for (let count = 1; count <= 3; count++) {
        raws.push(await worker.player("user-0"));
        memory.devices[count] = await usage("segue:devices:{user-0}");
    }
    await closeAll(raws);
    let told = 0;
    for (const count of [1, 10, 100]) {
        for (; told < count; told++) {
            await worker.tell("memory");
        }
        memory.events[count] = await usage("segue:events:{memory}");
    }
    return memory;
}
