// One part of a flock: some of its users, and the answers to what the flock asks (flock.mjs).

import http from "node:http";
import https from "node:https";

import { mint, seconds } from "../../e2e/lib/token.mjs";
import { FlockUser } from "./flock_user.mjs";

const { url, secret, tag, first, count, polling } = JSON.parse(process.env.FLOCK);
const AT_ONCE = 20;
const FAULTS_SHOWN = 5;
const DAY_S = 86400;

// The gateway closes an idle connection after 10 s; who uses it in that moment hears nothing.
const IDLE_MS = 4000;
const agent = new (url.startsWith("https") ? https : http).Agent({ keepAlive: true, timeout: IDLE_MS });
let speaking = [];

const users = Array.from({ length: count }, (_, i) => {
    const number = first + i;
    const name = `${tag}-${number}`;
    return new FlockUser({
        name,
        url,
        token: mint({ sub: name, exp: seconds(DAY_S) }, { key: secret }),
        speaks: number % 2 === 0 ? "device" : "socket",
        transport: (Math.floor(number / 2) % 10) / 10 < polling ? "polling" : "websocket",
        agent,
    });
});

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const answers = {
    async arrive({ every }) {
        const arriving = [];
        for (const user of users) {
            arriving.push(user.arrive());
            await pause(every);
        }
        await Promise.all(arriving);
        return { arrived: users.length };
    },
    speak({ every }) {
        speaking = users.map((user) => user.speak(every));
        return {};
    },
    here() {
        return { here: users.flatMap(({ presences }) => presences).filter(({ isHere }) => isHere).length };
    },
    // What those who are not here do: [text...].
    missing() {
        return { what: users.flatMap((user) => user.absent) };
    },
    async stop() {
        users.forEach((user) => user.stop());
        await Promise.all(speaking);
        return {};
    },
    async judge({ waves }) {
        const faults = [];
        let next = 0;
        const worker = async () => {
            while (next < users.length) {
                faults.push(await users[next++].fault(waves));
            }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        const found = faults.filter(Boolean);
        const sum = (of) => users.reduce((total, user) => total + of(user), 0);
        return {
            faults: found.length,
            shown: found.slice(0, FAULTS_SHOWN),
            said: sum(({ said }) => said),
            repeated: sum(({ repeated }) => repeated),
            events: sum(({ events }) => events.length),
            recovered: sum(({ recovered }) => recovered),
            absences: users.flatMap(({ presences }) => presences.flatMap(({ absences }) => absences)),
        };
    },
};

process.on("disconnect", () => process.exit(0));
process.on("message", async ({ ask, ...how }) => process.send(await answers[ask](how)));
