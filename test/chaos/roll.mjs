// A rolling deploy at size: `make roll`, or
//
//     node test/chaos/roll.mjs [--clients 10000] [--processes 3] [--drain 10] [--connect-rate 400] [--every 8000]
//
// Half of the clients are of the project's library, half the official Socket.IO client, every fifth of those by polling. Each
// user says something every so many milliseconds, all of the time. Prints what was seen; fails when something was lost, or
// the rate was exceeded, or somebody did not come back.

import { parseArgs } from "node:util";

import { roll } from "./lib/roll.mjs";

const standard = { clients: "10000", processes: "3", drain: "10", "connect-rate": "400", every: "8000" };
const options = Object.fromEntries(Object.entries(standard).map(([name, value]) => [name, { type: "string", default: value }]));
const { values } = parseArgs({ options });
const connectRate = Number(values["connect-rate"]);
const drain = Number(values.drain);

const start = Date.now();
const say = (text) => console.log(`${((Date.now() - start) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

const seen = await roll({
    clients: Number(values.clients),
    processes: Number(values.processes),
    drain,
    connectRate,
    every: Number(values.every),
    patience: 120000,
    say,
});
const { rolls, most, refused, waves, users, verdict, away } = seen;
const lost = verdict.faults > 0 || verdict.events !== waves * users;
const fast = Math.max(...most) > connectRate;

console.log(`
${2 * users} clients of ${users} users, ${values.processes} processes, --drain ${drain}, --connect-rate ${connectRate}/s

  process ended after       ${rolls.map(({ exit }) => seconds(exit)).join(", ")}
  its connections           ${rolls.map(({ held }) => held).join(", ")}
  everybody was back after  ${rolls.map(({ back }) => seconds(back)).join(", ")}
  a client was away for     ${[away.half, away.most, away.worst].map(seconds).join(", ")} (half, 99 of 100, all of ${away.count})
  newcomers in a second     ${most.join(", ")} at most, by process; ${refused} were sent away to come later
  updates                   ${verdict.said} said, ${verdict.repeated} of them repeated for want of an answer
  events                    ${verdict.events} of ${waves * users} heard, in order, once; ${verdict.recovered} recoveries
  wrong                     ${verdict.faults === 0 ? "nothing" : `${verdict.faults} users`}
${verdict.shown.map((text) => `    ${text}\n`).join("")}`);
process.exit(lost || fast ? 1 : 0);
