// Device: a player as an application would write it: it comes back after every break, to whichever process takes it,
// with jittered back-off, and believes what it is told.

import { Mirror } from "../../e2e/lib/mirror.mjs";
import { sleep } from "../../e2e/lib/patience.mjs";
import { Player } from "../../e2e/lib/player.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";

const FIRST_DELAY_MS = 20;
const LONGEST_DELAY_MS = 500;

export class Device {
    connections = 0;
    codes = []; // why connections ended
    #mirror = null;
    #player = null;
    #over = false;
    #running;

    // gateways: a list that may change while the device lives.
    constructor(gateways, user) {
        this.gateways = gateways;
        this.token = tokenOf(user);
        this.#running = this.#run();
    }

    async #run() {
        for (let delay = FIRST_DELAY_MS; !this.#over;) {
            const gateway = this.gateways[Math.floor(Math.random() * this.gateways.length)];
            const player = await Player.open(gateway, { token: this.token }).catch(() => null);
            if (player) {
                delay = FIRST_DELAY_MS;
                this.connections += 1;
                this.#mirror = new Mirror(player);
                this.#player = player;
                if (this.#over) {
                    player.terminate();
                }
                this.codes.push((await player.closed(2 ** 31 - 1)).code);
                this.#player = null;
            }
            await sleep(delay * (0.5 + Math.random()));
            delay = Math.min(delay * 2, LONGEST_DELAY_MS);
        }
    }

    get isConnected() {
        return this.#player !== null;
    }

    // What it believes; undefined while it is not connected.
    get belief() {
        return this.#player ? this.#mirror.catchUp() : undefined;
    }

    // How often it was told that an update may not have been applied, since it connected.
    get unavailable() {
        this.#mirror?.catchUp();
        return this.#mirror?.unavailable ?? 0;
    }

    // Says it when there is somebody to say it to.
    say(message) {
        if (!this.#player?.isOpen) {
            return false;
        }
        this.#player.send(message);
        return true;
    }

    async end() {
        this.#over = true;
        this.#player?.terminate();
        await this.#running;
    }
}
