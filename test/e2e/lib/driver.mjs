// Driver: devices that are used all the while Redis fails, and what everybody must believe afterwards.

import assert from "node:assert/strict";

import { Mirror } from "./mirror.mjs";
import { patient, sleep, SLOW, until } from "./patience.mjs";
import { changePosition, newTrack } from "./scenario.mjs";

// A user of the site whose keys are on that master.
export async function userOn(site, server) {
    for (;;) {
        const user = site.user();
        if ((await site.redis.ownerOf(`segue:player:{${user}}`)).server === server) {
            return user;
        }
    }
}

export async function redisUp(gateway) {
    return (await gateway.metrics()).get("segue_redis_up");
}

export function allWhole(site) {
    return Promise.all(
        site.gateways.map((gateway) => until(async () => (await redisUp(gateway)) === 1, "all shards are up", patient(20000))),
    );
}

// A device that seeks on and on; it counts what it was refused.
export class Driver {
    sent = 0;
    #going = true;

    constructor(player, every = 5) {
        this.mirror = new Mirror(player);
        this.done = this.#drive(player, every);
    }

    async #drive(player, every) {
        while (this.#going) {
            this.sent += 1;
            player.send(changePosition(this.sent, this.sent));
            await sleep(every);
        }
    }

    async stop() {
        this.#going = false;
        await this.done;
    }
}

// Everybody of the user believes what Redis knows, on both processes.
export async function inStep(site, user, mirrors) {
    let last;
    await until(
        async () => {
            const state = await site.stateOf(user, 0);
            last = [state, ...mirrors.map((mirror) => mirror.catchUp())];
            return last.every((one) => JSON.stringify(one) === JSON.stringify(state));
        },
        () => `all devices in step: ${JSON.stringify(last)}`,
        patient(15000),
        200,
    );
    return last[0];
}

// All gateways use this master, which sentinels named.
export function allUse(site, master) {
    const last = (gateway) => gateway.log.split("\n").findLast((line) => / redis up /.test(line));
    const uses = (gateway) => last(gateway)?.includes(`:${master.port} `);
    const isReady = async (gateway) => (await gateway.get("/readyz")).status === 200;
    return Promise.all(
        site.gateways.map((gateway) =>
            until(async () => uses(gateway) && (await isReady(gateway)), () => `the new master is used:\n${gateway.log}`, patient(20000)),
        ),
    );
}

// Two devices on two processes; the first one seeks on and on, and counts what it was refused.
export async function playing(site, user = site.user()) {
    const [player, watcher] = [await site.player(user, 0), await site.player(user, 1)];
    player.send(newTrack(0));
    await watcher.receives(newTrack(0));
    const mirror = new Mirror(watcher, await site.stateOf(user));
    const driver = new Driver(player, 10);
    return {
        // Ends it; everybody must believe what Redis knows.
        async stop() {
            await sleep(300 * SLOW);
            await driver.stop();
            const state = await inStep(site, user, [mirror]);
            driver.mirror.catchUp();
            return { state, refused: driver.mirror.unavailable, sent: driver.sent };
        },
    };
}

// Devices of the user on two processes hear of each other, in either protocol.
export async function isServed(site, user = site.user()) {
    const [player, watcher] = [await site.player(user, 0), await site.player(user, 1)];
    const car = await site.client(user, 1, { transports: ["websocket"] });
    player.send(newTrack(0));
    await watcher.receives(newTrack(0));
    assert.deepEqual(await car.ask("carplay_command", { command: "pause" }), { ok: true });
    assert.equal(JSON.parse(await player.next()).type_push_state, "on_pause");
}
