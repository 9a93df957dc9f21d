// RollProbe: a flock on a cluster that somebody else restarts: `scripts/cluster roll --probe N`.
//
//     node test/chaos/roll_probe.mjs URL CLIENTS      keys in PROBE_SECRET and PROBE_KEY
//
// A line in, a line out:  (start) -> "here N"     "back" -> "back MILLISECONDS", when everybody is there
//                         "judge" -> what was lost, in words; then it ends, with 1 when anything was

import { createInterface } from "node:readline";

import { Flock } from "./lib/flock.mjs";

const [url, clients] = process.argv.slice(2);
const SPEAK_MS = 1000;
const WAVE_MS = 1000;
const PATIENCE_MS = 120000;
const SETTLE_MS = 3000;

const { PROBE_SECRET: secret, PROBE_KEY: key } = process.env;
const flock = new Flock({ url, secret, key, clients: Number(clients) });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (text) => process.stdout.write(`${text}\n`);

let over = false;
let waving = null;

const answers = {
    async back() {
        say(`back ${await flock.back(PATIENCE_MS)}`);
    },
    async judge() {
        over = true;
        await waving;
        await flock.stop();
        await pause(SETTLE_MS);
        const { faults, shown, said, events, absences } = await flock.verdict();
        const worst = Math.max(0, ...absences.map(([, ms]) => ms)) / 1000;
        say(`${flock.clients} clients, away ${absences.length} times, ${worst.toFixed(1)} s at most`);
        say(`${said} updates said, ${events} of ${flock.waves * flock.users} events heard`);
        say(faults === 0 ? "nothing was lost, nothing came twice" : `LOST: ${faults} users are not as they should be`);
        shown.forEach(say);
        flock.end();
        process.exit(faults === 0 ? 0 : 1);
    },
};

await flock.arrive(Math.min(200, Number(clients)));
await flock.speak(SPEAK_MS);
waving = (async () => {
    while (key && !over) {
        await Promise.all([flock.wave(), pause(WAVE_MS)]);
    }
})();
say(`here ${await flock.here()}`);
for await (const line of createInterface({ input: process.stdin })) {
    await answers[line]?.();
}
flock.end(); // whoever asked is gone
process.exit(1);
