// Thousands of random sequences of commands, from several devices on two processes, against a model of a few lines
// (lib/mirror.mjs): every device sees the same sequence, save its own messages, and Redis ends where the model ends.
//
// SEGUE_TEST_SEED repeats a run, SEGUE_TEST_SEQUENCES says how many sequences there are.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { apply } from "./lib/mirror.mjs";
import { SLOW } from "./lib/patience.mjs";
import { at, sameState } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";

const SEED = Number(process.env.SEGUE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const SEQUENCES = Number(process.env.SEGUE_TEST_SEQUENCES ?? Math.ceil(10000 / SLOW));
const USERS = 8;
const LONGEST = 8;

// Small, seeded, good enough for tests (mulberry32).
function generator(seed) {
    let state = seed >>> 0;
    return (below) => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    };
}

const TIMES = [(text) => text, (text) => text.replace("+0000", "Z"), (text) => text.replace("+0000", ".250+00:00")];

// A command that is valid where there is a state; `n` makes it unlike all others.
function randomCommand(random, n) {
    const data = { time_state_update: TIMES[random(3)](at(random(100000))), n };
    const type = ["new_track", "on_pause", "off_pause", "change_position"][random(4)];
    if (type === "new_track") {
        data.track_id = random(2) ? random(1000) : `track ${random(1000)}`;
        if (random(2)) {
            data.from_is = ["album", "playlist", "favorites"][random(3)];
        }
        if (random(2)) {
            data.from_is_id = random(1000);
        }
    } else if (type === "change_position") {
        data.last_sec_position = random(4) ? random(1000) : random(100000) / 1000;
    }
    return random(3) ? { type_push_state: type, ...data } : { type_push_state: type, data };
}

function firstCommand(random, n) {
    return {
        type_push_state: "new_track",
        track_id: random(1000),
        from_is: "album",
        from_is_id: random(1000),
        time_state_update: at(random(100000)),
        n,
    };
}

const nonsense = [
    "",
    "{}",
    '{"type_push_state":"on_pause"}',
    '{"type_push_state":"change_position","last_sec_position":-1}',
];

describe(`a simple model (seed ${SEED})`, () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    // Plays the sequences of one user, one after the other; the commands of a sequence are sent by several devices
    // without waiting for each other. The last device only listens, and so sees the order in which Redis applied them.
    async function play(user, random, sequences) {
        const devices = [];
        for (const on of [0, 1, 0, 1]) {
            devices.push(await site.player(user, on));
        }
        const listener = devices.at(-1);
        let known = null;
        for (let sequence = 0, n = 0; sequence < sequences; sequence++) {
            const sent = devices.map(() => []);
            const answers = devices.map(() => 0);
            const say = (from, message) => {
                sent[from].push(JSON.stringify(message));
                devices[from].send(message);
            };
            // A sequence begins with a full state, or goes on from the last one.
            if (known === null || random(3) === 0) {
                const first = firstCommand(random, n++);
                say(0, first);
                assert.deepEqual(JSON.parse(await listener.next()), first);
                known = apply(known, first);
                for (const other of devices.slice(1, -1)) {
                    await other.receives(first);
                }
                sent[0] = [];
            }
            for (let left = 1 + random(LONGEST); left > 0; left--) {
                const from = random(devices.length - 1);
                if (random(10) === 0) {
                    devices[from].send(nonsense[random(nonsense.length)]);
                    answers[from] += 1;
                } else {
                    say(from, randomCommand(random, n++));
                }
            }
            const total = sent.flat().length;
            const order = [];
            while (order.length < total) {
                order.push(await listener.next());
            }
            for (const message of order) {
                known = apply(known, JSON.parse(message));
            }
            for (const [i, device] of devices.slice(0, -1).entries()) {
                const own = new Set(sent[i]);
                assert.deepEqual(
                    order.filter((message) => own.has(message)),
                    sent[i],
                    "one device's order is kept",
                );
                const expected = order.filter((message) => !own.has(message));
                const heard = [];
                let refusals = 0;
                while (heard.length < expected.length || refusals < answers[i]) {
                    const frame = await device.next();
                    if (frame.includes('"invalid_format"')) {
                        refusals += 1;
                    } else {
                        heard.push(frame);
                    }
                }
                assert.deepEqual(heard, expected, "every device hears the same, save its own");
                assert.equal(refusals, answers[i]);
            }
            // A device comes back, and so reads the state.
            const back = random(devices.length - 1);
            devices[back].terminate();
            devices[back] = await site.player(user, random(2));
            sameState(devices[back].first, { ...known });
        }
        for (const device of devices) {
            await device.hearsNothing();
        }
        return sequences;
    }

    test(`agrees about ${SEQUENCES} random sequences of commands`, async () => {
        const share = Math.ceil(SEQUENCES / USERS);
        const played = await Promise.all(
            Array.from({ length: USERS }, (_, i) => play(site.user(), generator(SEED + i), share)),
        );
        assert.equal(
            played.reduce((sum, one) => sum + one, 0),
            share * USERS,
        );
    });
});
