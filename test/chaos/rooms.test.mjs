// Chat rooms while processes die and Redis comes and goes: nobody believes anything wrong, nothing is said twice, the
// dead are told once; and rooms that come and go leave nothing behind.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW, until } from "../e2e/lib/patience.mjs";
import { testSite } from "../e2e/lib/site.mjs";
import { Chatter } from "./lib/chatter.mjs";

const MIB = 1024 * 1024;
const lively = { rate: 0, "ping-interval": 400 * SLOW, "ping-timeout": 600 * SLOW };

// Chatters in rooms, who talk until they are told to stop.
class Talk {
    rooms = [];
    #over = false;
    #running;

    constructor(site, rooms, each) {
        for (let i = 0; i < rooms; i++) {
            const name = site.room();
            this.rooms.push({ name, chatters: Array.from({ length: each }, () => new Chatter(site.gateways, name)) });
        }
        this.#running = this.#talk();
    }

    get chatters() {
        return this.rooms.flatMap(({ chatters }) => chatters);
    }

    async #talk() {
        while (!this.#over) {
            for (const { chatters } of this.rooms) {
                chatters[Math.floor(Math.random() * chatters.length)].say();
            }
            await sleep(5);
        }
    }

    arrived() {
        return until(() => this.chatters.every(({ isConnected }) => isConnected), "all are in", patient(20000));
    }

    async stop() {
        this.#over = true;
        await this.#running;
    }

    // Everybody is in again, knows how many are, and has heard what a newcomer is told.
    async agrees(site) {
        await this.arrived();
        for (const { name, chatters } of this.rooms) {
            const counts = () => chatters.map(({ count }) => count);
            const all = () => counts().every((count) => count === chatters.length);
            await until(all, () => `all of ${name} know ${chatters.length} members: ${counts()}`, patient(10000));
            const { welcome } = await site.member(name, 0);
            const known = () => chatters.every(({ log }) => welcome.history.every(({ id, text }) => log.get(id) === text));
            await until(known, `all of ${name} know what was said`);
            for (const { log, left } of chatters) {
                const texts = [...log.values()];
                assert.equal(new Set(texts).size, texts.length, "nothing was said twice");
                assert.equal(new Set(left).size, left.length, "nobody left twice");
            }
        }
    }

    async end() {
        await this.stop();
        await Promise.all(this.chatters.map((chatter) => chatter.end()));
    }
}

describe("rooms", () => {
    test("kill -9 of one process after the other", async (t) => {
        const site = await testSite(t, { gateways: 3, flags: lively });
        const talk = new Talk(site, 8, 6);
        t.after(() => talk.end());
        await talk.arrived();
        for (let round = 0; round < 4; round++) {
            await sleep(400);
            const [doomed] = site.gateways.splice(round % site.gateways.length, 1);
            await doomed.kill();
            await sleep(200);
            await site.addGateway();
        }
        await sleep(500);
        await talk.stop();
        await talk.agrees(site);
        assert.ok(talk.chatters.some(({ connections }) => connections > 1));
        assert.ok(talk.chatters.some(({ left }) => left.length > 0));
    });

    test("Redis is killed again and again, and keeps its data", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const talk = new Talk(site, 6, 5);
        t.after(() => talk.end());
        await talk.arrived();
        for (let round = 0; round < 3; round++) {
            await sleep(500);
            await site.redis.kill();
            await sleep(300);
            await site.redis.start();
            await sleep(1000);
        }
        await talk.stop();
        await talk.agrees(site);
        assert.ok(
            talk.chatters.every(({ connections }) => connections === 1),
            "nobody had to come back",
        );
    });

    test("Redis is killed and loses everything: the same members make the rooms anew", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const talk = new Talk(site, 6, 5);
        t.after(() => talk.end());
        await talk.arrived();
        await sleep(500);
        await site.redis.restart({ data: false });
        await sleep(2000);
        await talk.stop();
        await talk.agrees(site);
        assert.ok(talk.chatters.every(({ connections, clients }) => connections === 1 && clients.size === 1));
    });

    test("that come and go leave nothing behind, in Redis or in the processes", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const [gateway] = site.gateways;
        const rooms = async (count) => {
            for (let i = 0; i < count; i++) {
                const room = site.room();
                const [ann, bob] = await Promise.all([site.member(room, 0), site.member(room, 0)]);
                ann.say("x".repeat(1000));
                await until(() => bob.unread > 0, "it is heard", patient(), 1);
                await Promise.all([ann.close(), bob.close()]);
                site.players.splice(-2);
            }
        };
        await rooms(300);
        const before = gateway.residentBytes();
        await rooms(Math.ceil(1500 / SLOW));
        const grown = gateway.residentBytes() - before;
        assert.ok(grown < 2 * MIB * SLOW, `${(grown / MIB).toFixed(1)} MiB more after 1500 rooms`);
        const keys = () => site.redis.call("KEYS", "*{room-*");
        await until(async () => (await keys()).length === 0, "no key is left");
        const metrics = await gateway.metrics();
        assert.equal(metrics.get("segue_channels"), 0);
        assert.equal(metrics.get("segue_connections", { protocol: "chat" }) ?? 0, 0);
    });
});
