// Flock: thousands of users with two clients each, one of the project's library and one of the official Socket.IO client,
// who act, listen, come back after every break, and know at the end whether anything was lost.
//
//     const flock = new Flock({ url, secret, key, clients: 10000 });
//     await flock.arrive();            await flock.here()         how many clients are connected
//     await flock.speak();             await flock.wave()         an event to every user, by the server API
//     await flock.stop();              await flock.verdict()      what is wrong, who was away for how long
//
// The clients live in child processes (flock_child.mjs), because of the limit of open files and of what one core does.

import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";

import { until } from "../../e2e/lib/patience.mjs";

const PER_CHILD = 1250; // users
const BATCH = 500;
const RETRY_MS = 200;

export class Flock {
    waves = 0;
    users;
    #children = [];
    #tag = `flock-${process.pid}-${Date.now().toString(36)}`;
    #options;
    #over = false;

    // secret: of the tokens; key: of the server API, for waves; polling: which part of the official clients polls.
    constructor({ url, secret, key, clients, polling = 0.2 }) {
        this.#options = { url, secret, key };
        this.users = Math.ceil(clients / 2);
        const script = fileURLToPath(new URL("flock_child.mjs", import.meta.url));
        const parts = Math.ceil(this.users / PER_CHILD);
        for (let part = 0, first = 0; part < parts; part++) {
            const count = Math.floor((this.users - first) / (parts - part));
            const FLOCK = JSON.stringify({ url, secret, tag: this.#tag, first, count, polling });
            this.#children.push(fork(script, [], { env: { ...process.env, FLOCK }, stdio: "inherit" }));
            first += count;
        }
    }

    get clients() {
        return 2 * this.users;
    }

    // The children's answers, each an object: numbers are added up, lists joined.
    async #ask(ask, how = {}) {
        const all = {};
        const answers = this.#children.map(
            (child) =>
                new Promise((resolve, reject) => {
                    const gone = () => reject(new Error("a part of the flock is gone"));
                    child.once("exit", gone);
                    child.once("message", (answer) => {
                        child.removeListener("exit", gone);
                        resolve(answer);
                    });
                    child.send({ ask, ...how });
                }),
        );
        for (const answer of await Promise.all(answers)) {
            for (const [name, value] of Object.entries(answer)) {
                all[name] = Array.isArray(value) ? [...(all[name] ?? []), ...value] : (all[name] ?? 0) + value;
            }
        }
        return all;
    }

    // perSecond: clients of the whole flock.
    arrive(perSecond = 500) {
        return this.#ask("arrive", { every: (2000 * this.#children.length) / perSecond });
    }

    // Each user says something every so many milliseconds.
    speak(every) {
        return this.#ask("speak", { every });
    }

    async here() {
        return (await this.#ask("here")).here;
    }

    // Waits until all are back; gives the milliseconds.
    async back(ms) {
        const start = Date.now();
        let here = 0;
        const all = async () => (here = await this.here()) === this.clients;
        try {
            await until(all, () => `all are back: ${here} of ${this.clients}`, ms, 100);
        } catch (error) {
            throw new Error(`${error.message}; the others: ${await this.#missing()}`);
        }
        return Date.now() - start;
    }

    // "12 player connecting, 3 player waiting: ..."
    async #missing() {
        const counts = new Map();
        const { what = [] } = await this.#ask("missing");
        what.forEach((text) => counts.set(text, (counts.get(text) ?? 0) + 1));
        return [...counts].map(([text, count]) => `${count} ${text}`).join(", ");
    }

    // An event to everybody by the server API, once, however often it has to be asked for.
    async wave() {
        const number = this.waves++;
        for (let first = 0; first < this.users; first += BATCH) {
            const count = Math.min(BATCH, this.users - first);
            const operations = Array.from({ length: count }, (_, i) => ({
                path: `/api/users/${this.#tag}-${first + i}/events`,
                body: { event: "wave", data: number },
            }));
            await this.#post(JSON.stringify({ operations }), randomUUID());
        }
    }

    async #post(body, once) {
        const headers = { "X-API-Key": this.#options.key, "Idempotency-Key": once };
        while (!this.#over) {
            const answer = await fetch(`${this.#options.url}/api/batch`, { method: "POST", headers, body }).catch(() => null);
            const results = answer?.ok ? (await answer.json().catch(() => null))?.results : null;
            if (results?.every(({ status }) => status === 200)) {
                return;
            }
            await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
    }

    // Nobody begins to say anything more, and what was begun is said.
    stop() {
        return this.#ask("stop");
    }

    // {faults, shown, said, repeated, events, recovered, absences: [[start, milliseconds]...]}
    verdict() {
        return this.#ask("judge", { waves: this.waves });
    }

    end() {
        this.#over = true;
        this.#children.forEach((child) => {
            child.removeAllListeners("exit");
            child.kill("SIGKILL");
        });
    }
}
