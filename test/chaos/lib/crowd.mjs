// Crowd: many users with several devices each, who press buttons all the time; and the question whether they agree.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

import { patient, sleep, until } from "../../e2e/lib/patience.mjs";
import { changePosition, newTrack } from "../../e2e/lib/scenario.mjs";
import { Device } from "./device.mjs";

const LISTENERS = 2;

export class Crowd {
    users = [];
    said = 0;
    #site;
    #gateways;
    #running = null;
    #over = false;

    // gateways: those that devices may come to; the list may change.
    constructor(site, count, gateways = site.gateways) {
        this.#site = site;
        this.#gateways = gateways;
        for (let i = 0; i < count; i++) {
            const name = site.user();
            const devices = Array.from({ length: 1 + LISTENERS }, () => new Device(gateways, name));
            this.users.push({ name, speaker: devices[0], listeners: devices.slice(1), devices });
        }
    }

    get devices() {
        return this.users.flatMap((user) => user.devices);
    }

    async arrive() {
        await until(() => this.devices.every((device) => device.isConnected), "everybody is connected", patient(20000));
        this.users.forEach(({ speaker }) => speaker.say(newTrack(0)));
        this.#running = this.#press();
    }

    // Each user moves on about twenty times a second.
    async #press() {
        for (let at = 1; !this.#over; at++) {
            for (const { speaker } of this.users) {
                this.said += speaker.say(changePosition(at, at)) ? 1 : 0;
            }
            await sleep(50);
        }
    }

    async stop() {
        this.#over = true;
        await this.#running;
    }

    // Everybody is connected again, and every listener believes what a new device is told.
    async agrees() {
        for (const { name, listeners } of this.users) {
            let truth;
            const agreed = async () => {
                truth = await this.#site.stateOf(name, this.#gateways[0]);
                return listeners.every((device) => isDeepStrictEqual(device.belief, truth));
            };
            const beliefs = () => JSON.stringify([truth, ...listeners.map((device) => device.belief)]);
            await until(agreed, () => `everybody of ${name} agrees: ${beliefs()}`, patient(10000));
            assert.equal(truth.track_id, 2);
        }
    }

    async end() {
        await this.stop();
        await Promise.all(this.devices.map((device) => device.end()));
    }
}
