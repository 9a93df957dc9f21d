// Roll: every process of a site on one port (SO_REUSEPORT) restarted, one after the other, under a flock that acts; and
// what came of it.

import assert from "node:assert/strict";

import { Gateway } from "../../e2e/lib/gateway.mjs";
import { sleep, within } from "../../e2e/lib/patience.mjs";
import { Redis } from "../../e2e/lib/redis.mjs";
import { SECRET } from "../../e2e/lib/token.mjs";
import { Flock } from "./flock.mjs";
import { RateWatch } from "./rate_watch.mjs";

const KEY = "the-backends-key";
const WAVE_MS = 2000;

const percentile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

// {rolls: [{exit, back}], most, refused, verdict, away}: milliseconds from SIGTERM to the end of each process and until
// everybody is there again; the most newcomers in a second of each process; how many were sent away by the rate.
export async function roll({ clients, processes = 3, drain, connectRate, every, patience = 60000, say = () => {} }) {
    const redis = await Redis.start();
    const flags = { redis: redis.unixUrl, "api-key": KEY, drain, "connect-rate": `${connectRate}/s` };
    const env = { SEGUE_JWT_SECRET: SECRET };
    const watch = new RateWatch();
    const gateways = [];
    let flock;
    let rolling = true;

    async function start(listen) {
        const gateway = await Gateway.start({ flags: { ...flags, listen }, env });
        gateways.push(gateway);
        watch.follow(gateway.adminUrl("").replace(/\/$/, ""));
        return gateway;
    }

    async function finish() {
        rolling = false;
        flock?.end();
        await Promise.all(gateways.map((gateway) => gateway.close()));
        await redis.close();
    }

    try {
        const first = await start("127.0.0.1:0");
        const listen = `127.0.0.1:${first.port}`;
        for (let i = 1; i < processes; i++) {
            await start(listen);
        }
        flock = new Flock({ url: `http://${listen}`, secret: SECRET, key: KEY, clients });
        await flock.arrive(Math.min(600, connectRate * processes * 0.7));
        say(`${await flock.here()} clients on ${processes} processes`);
        await flock.speak(every);
        const waving = (async () => {
            while (rolling) {
                await Promise.all([flock.wave(), sleep(WAVE_MS)]);
            }
        })();
        const rolls = [];
        let refused = 0;
        const refusals = async (gateway) => (await gateway.metrics()).get("segue_rejected_total", { reason: "connect_rate" });
        for (let i = 0; i < processes; i++) {
            const leaving = gateways.shift();
            const held = (await leaving.metrics()).get("segue_connections");
            refused += await refusals(leaving);
            const begin = Date.now();
            leaving.signal("SIGTERM");
            await within(leaving.ended, "end of a process", drain * 1000 + patience);
            const exit = Date.now() - begin;
            assert.equal(await leaving.left(), 0);
            await leaving.close(); // without a complaint
            await start(listen);
            await flock.back(patience);
            rolls.push({ begin, held, exit, back: Date.now() - begin });
            say(`process ${i + 1}: ${held} connections, ended after ${exit} ms, all are back after ${Date.now() - begin} ms`);
        }
        rolling = false;
        await waving;
        await flock.stop();
        await sleep(3000); // what is under way arrives
        const verdict = await flock.verdict();
        for (const gateway of gateways) {
            refused += await refusals(gateway);
        }
        const away = verdict.absences.map(([, ms]) => ms).sort((a, b) => a - b);
        return {
            rolls,
            refused,
            most: await watch.most(),
            waves: flock.waves,
            users: flock.users,
            verdict,
            away: { count: away.length, half: percentile(away, 0.5), most: percentile(away, 0.99), worst: away.at(-1) ?? 0 },
        };
    } finally {
        await finish();
    }
}
