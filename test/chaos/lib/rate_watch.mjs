// RateWatch: how many newcomers each process lets in within any second, seen from outside.
//
// It asks the metrics every 50 ms. What was counted between two answers happened between the question for the first and
// the answer for the second; where these are no second apart, it happened within one, for certain.

import { request } from "../../e2e/lib/http.mjs";

const EVERY_MS = 50;
const SECOND_MS = 1000;

export class RateWatch {
    #series = new Map(); // address -> [{from, to, count}]
    #running = [];
    #over = false;

    // admin: the address of its admin listener.
    follow(admin) {
        const samples = [];
        this.#series.set(admin, samples);
        this.#running.push(this.#watch(admin, samples));
    }

    async #watch(admin, samples) {
        while (!this.#over) {
            const from = performance.now();
            const answer = await request(`${admin}/metrics`).catch(() => null);
            if (answer === null) {
                return; // it has ended
            }
            const count = Number(answer.text.match(/^segue_admitted_total (\d+)$/m)[1]);
            samples.push({ from, to: performance.now(), count });
            await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
        }
    }

    // The most that a process let in within a second; one number for each.
    async most() {
        this.#over = true;
        await Promise.all(this.#running);
        return [...this.#series.values()].map((samples) => {
            let most = 0;
            for (let i = 0; i < samples.length; i++) {
                for (let j = i + 1; j < samples.length && samples[j].to - samples[i].from < SECOND_MS; j++) {
                    most = Math.max(most, samples[j].count - samples[i].count);
                }
            }
            return most;
        });
    }
}
