// Random comings, goings and talk in several rooms, by members of every kind on two processes, against a model: what a
// witness hears who is always there is the truth, and everybody else must have heard exactly the part of it from his
// own joining to his own leaving.
//
// SEGUE_TEST_SEED repeats a run.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { Client } from "./lib/sio.mjs";
import { suiteSite } from "./lib/site.mjs";

const SEED = Number(process.env.SEGUE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const ROOMS = 3;
const STEPS = Math.ceil(400 / SLOW);
const MOST = 12; // members of a room besides the witness

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

// A member on /ws; `frames` are all that it heard, its welcome first.
class Plain {
    static async enter(site, room, on) {
        const self = new Plain();
        self.member = await site.member(room, on);
        return self;
    }

    get frames() {
        this.heard = [...(this.heard ?? [this.member.welcome]), ...this.member.takeAll().map((text) => JSON.parse(text))];
        return this.heard;
    }

    say(text) {
        this.member.say(text);
    }

    leave(how) {
        if (how === 0) {
            this.member.send({ type: "leave" });
        } else if (how === 1) {
            this.member.close();
        } else {
            this.member.terminate();
        }
    }
}

// The same in the namespace /rooms.
class Packed {
    static async enter(site, room, target, transport) {
        const self = new Packed();
        self.client = new Client(target, { namespace: "/rooms", transports: [transport] });
        site.clients.push(self.client);
        await self.client.connected();
        assert.deepEqual(await self.client.ask("join", { room }), { ok: true });
        return self;
    }

    get frames() {
        return this.client.events.map(([name, frame]) => {
            assert.equal(name, frame.type);
            return frame;
        });
    }

    say(text) {
        this.client.emit("message", { text });
    }

    leave(how) {
        if (how === 0) {
            this.client.emit("leave");
        } else {
            this.client.close();
        }
    }
}

describe(`rooms and a model (seed ${SEED})`, () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    async function enter(room, random, balancer) {
        const kind = random(4);
        if (kind < 2) {
            return Plain.enter(site, room, kind);
        }
        const target = kind === 2 ? site.gateways[random(2)] : balancer;
        return Packed.enter(site, room, target, kind === 2 ? "websocket" : "polling");
    }

    // What a member heard is the truth from its own joining on, as long as it listened.
    function check({ frames }, truth) {
        const [welcome, ...heard] = frames;
        assert.equal(welcome.type, "welcome");
        const own = (frame) => frame.clientId === welcome.clientId;
        const begin = truth.findIndex((frame) => frame.type === "joined" && own(frame));
        assert.ok(begin >= 0, "the others were told that it joined");
        assert.equal(welcome.members, truth[begin].members);
        const said = truth.slice(0, begin).filter(({ type }) => type === "message");
        assert.deepEqual(welcome.history, said.slice(-50));
        const rest = truth.slice(begin + 1).filter((frame) => frame.type === "message" || !own(frame));
        assert.deepEqual(heard, rest.slice(0, heard.length));
        return { heard: heard.length, could: rest.length };
    }

    async function play(room, random, balancer) {
        const witness = await Plain.enter(site, room, random(2));
        const there = [];
        const gone = [];
        let said = 0;
        for (let step = 0; step < STEPS; step++) {
            const what = random(10);
            if (what < 1 && there.length < MOST) {
                there.push(await enter(room, random, balancer));
            } else if (what < 2 && there.length > 0) {
                const [member] = there.splice(random(there.length), 1);
                member.leave(random(3));
                gone.push(member);
            } else if (there.length > 0) {
                there[random(there.length)].say(`${room} ${said++}`);
            } else {
                there.push(await enter(room, random, balancer)); // every step does something
            }
            await sleep(random(4));
        }
        const hasLeft = ({ frames: [{ clientId }] }) =>
            witness.frames.some((frame) => frame.type === "left" && frame.clientId === clientId);
        await until(() => gone.every(hasLeft), "all have left who wanted to", patient(15000));
        // A member's words are in order: after the last one nothing comes from it.
        const all = [witness, ...there];
        all.forEach((member) => member.say("end"));
        const hasEnded = ({ frames }) => frames.filter(({ text }) => text === "end").length === all.length;
        await until(() => hasEnded(witness), "the end", patient(15000));
        const truth = witness.frames.slice(1);
        for (const member of there) {
            await until(() => hasEnded(member), "everybody hears the end");
            const { heard, could } = check(member, truth);
            assert.equal(heard, could, "and all that came before");
        }
        gone.forEach((member) => check(member, truth));
        const texts = truth.filter(({ type, text }) => type === "message" && text !== "end").map(({ text }) => text);
        assert.equal(new Set(texts).size, texts.length, "nothing is said twice");
        const left = truth.filter(({ type }) => type === "left").map(({ clientId }) => clientId);
        assert.equal(new Set(left).size, left.length, "nobody leaves twice");
        assert.ok(truth.length > STEPS / 2, `${truth.length} frames`);
        assert.equal(truth.filter(({ type }) => type !== "message").at(-1)?.members ?? 1, there.length + 1);
        return truth.length;
    }

    test(`agree about ${ROOMS} rooms of ${STEPS} steps`, async () => {
        const balancer = await site.balancer();
        const plays = Array.from({ length: ROOMS }, (_, i) => play(site.room(), generator(SEED + i), balancer));
        const failed = (await Promise.allSettled(plays)).find(({ status }) => status === "rejected");
        assert.ok(!failed, failed?.reason.stack);
    });
});
