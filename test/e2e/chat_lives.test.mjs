// Chat rooms when processes die or freeze and Redis goes away: who is told as left, how often, and what the others miss.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Member } from "./lib/chat.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { testSite } from "./lib/site.mjs";
import { SINGLE } from "./lib/topology.mjs";

const LEASE = 1000 * SLOW;
const FEW_SECONDS = 3000;
const lively = { rate: 0, "ping-interval": LEASE * 0.4, "ping-timeout": LEASE * 0.6 };

// Members of one room on these processes; each has heard of those that came later.
async function membersOn(site, places, room = site.room()) {
    const members = [];
    for (const on of places) {
        members.push(await site.member(room, on));
        for (const earlier of members.slice(0, -1)) {
            await earlier.hears("joined", { clientId: members.at(-1).id });
        }
    }
    return members;
}

// Everybody says something, and everybody hears it; nobody hears anything else.
async function inStep(members) {
    for (const [i, member] of members.entries()) {
        member.say(`in step ${i}`);
        for (const other of members) {
            await other.hears("message", { text: `in step ${i}`, clientId: member.id });
        }
    }
}

function countOf(site, on, room) {
    return site.redis.call("ZCARD", `segue:members:{${room}}`);
}

describe("a process that is killed", () => {
    test("takes its members with it: the others are told once, soon after the lease", async (t) => {
        const site = await testSite(t, { gateways: 3, flags: lively });
        const [ann, bob, eve, dan] = await membersOn(site, [0, 1, 2, 2]);
        await inStep([ann, bob, eve, dan]);
        const killed = Date.now();
        await site.gateways[2].kill();
        const gone = new Map();
        for (const member of [ann, bob]) {
            const ids = [await member.hears("left", { members: 3 }), await member.hears("left", { members: 2 })];
            gone.set(member, ids.map(({ clientId }) => clientId).sort());
            const took = Date.now() - killed;
            assert.ok(took < LEASE + FEW_SECONDS, `told ${took} ms after the kill`);
        }
        assert.deepEqual(gone.get(ann), [eve.id, dan.id].sort());
        assert.deepEqual(gone.get(bob), gone.get(ann));
        await sleep(LEASE);
        await inStep([ann, bob]);
    });

    test("and was alone in the room takes the room and its history with it", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const [ann, bob] = await membersOn(site, [1, 1]);
        await inStep([ann, bob]);
        await site.gateways[1].kill();
        await sleep(LEASE + 300);
        const late = await site.member(ann.room, 0);
        assert.deepEqual([late.welcome.members, late.texts], [1, []]);
        await late.hearsNothing();
    });

    test("leaves a room whose history the others keep", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const [ann, bob] = await membersOn(site, [0, 1]);
        bob.say("last words");
        await ann.hears("message", { text: "last words" });
        await site.gateways[1].kill();
        const late = await site.member(ann.room, 0);
        assert.deepEqual(late.texts, ["last words"]);
        await ann.hears("joined");
        for (const member of [ann, late]) {
            await member.hears("left", { clientId: bob.id, members: 2 });
        }
        await inStep([ann, late]);
    });

    test("with very many in one room: all are told, each once, the count falling to the living", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const many = 150; // more than one script takes out
        const [ann] = await membersOn(site, [0]);
        const ids = [];
        for (let i = 0; i < many; i++) {
            ids.push((await site.member(ann.room, 1)).id);
            await ann.hears("joined", { clientId: ids[i], members: i + 2 });
        }
        await site.gateways[1].kill();
        const start = Date.now();
        const gone = [];
        for (let left = many; left > 0; left--) {
            gone.push((await ann.hears("left", { members: left })).clientId);
        }
        assert.deepEqual(gone.sort(), ids.sort());
        assert.ok(Date.now() - start < LEASE + FEW_SECONDS);
        await inStep([ann]);
    });

    test("in the middle of talk: all who stay hear the same in the same order, and each left once", async (t) => {
        const site = await testSite(t, { gateways: 3, flags: lively });
        const members = await membersOn(site, [0, 1, 2, 0, 1, 2]);
        const stay = members.filter((_, i) => i % 3 !== 2);
        const talk = { on: true };
        const talking = members.map(async (member, i) => {
            for (let n = 0; talk.on; n++) {
                member.say(`${i} ${n}`);
                await sleep(2);
            }
        });
        await sleep(300);
        await site.gateways[2].kill();
        await sleep(LEASE + FEW_SECONDS);
        talk.on = false;
        await Promise.all(talking);
        const heard = await Promise.all(
            stay.map(async (member) => {
                member.say("end");
                const texts = [];
                for (let ends = 0; ends < stay.length;) {
                    texts.push(await member.next());
                    ends += JSON.parse(texts.at(-1)).text === "end";
                }
                return texts;
            }),
        );
        for (const texts of heard.slice(1)) {
            assert.deepEqual(texts, heard[0]);
        }
        const frames = heard[0].map((text) => JSON.parse(text));
        const left = frames.filter(({ type }) => type === "left").map(({ clientId }) => clientId);
        assert.deepEqual(left.sort(), [members[2].id, members[5].id].sort());
        for (const [i, member] of members.entries()) {
            const said = frames.filter(({ type, clientId }) => type === "message" && clientId === member.id);
            const numbers = said.map(({ text }) => text).filter((text) => text !== "end");
            assert.deepEqual(
                numbers,
                numbers.map((_, n) => `${i} ${n}`),
            );
            assert.ok(numbers.length > 5, `${numbers.length} messages of one`);
        }
    });
});

describe("a process that freezes", () => {
    test("for longer than the lease: its member is told as left, and as joined when it is back", async (t) => {
        const flags = { ...lively, "connect-timeout": 60000 };
        const site = await testSite(t, { gateways: 2, flags });
        const [ann, bob] = await membersOn(site, [0, 1]);
        await inStep([ann, bob]);
        site.gateways[1].signal("SIGSTOP");
        await ann.hears("left", { clientId: bob.id, members: 1 });
        ann.say("while bob was away");
        await ann.hears("message");
        site.gateways[1].signal("SIGCONT");
        await ann.hears("joined", { clientId: bob.id, members: 2 });
        const seen = [];
        for (let frame; frame?.type !== "welcome"; seen.push(frame)) {
            frame = await bob.nextJson();
        }
        const welcome = seen.pop();
        assert.deepEqual([welcome.clientId, welcome.members], [bob.id, 2]);
        assert.deepEqual(
            seen.map(({ type, text }) => [type, text]),
            [["message", "while bob was away"]],
        );
        await inStep([ann, bob]);
    });

    test("for a short while: nobody is told anything", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: lively });
        const [ann, bob] = await membersOn(site, [0, 1]);
        site.gateways[1].signal("SIGSTOP");
        await sleep(LEASE * 0.3);
        site.gateways[1].signal("SIGCONT");
        await sleep(LEASE * 2);
        await inStep([ann, bob]);
    });
});

describe("Redis that goes away", () => {
    async function untilReady(site, status) {
        for (const gateway of site.gateways) {
            const holds = async () =>
                status === 200 ? gateway.isReady() : (await gateway.get("/readyz")).status === status;
            await until(holds, `/readyz says ${status}`, patient(15000));
        }
    }

    test("and comes back with its data, for longer than the leases: nobody left, nothing is lost", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { ...lively, "ping-timeout": LEASE * 10 } });
        const members = await membersOn(site, [0, 1, 1]);
        await inStep(members);
        await site.redis.kill();
        await untilReady(site, 503);
        // What runs out while Redis is away ran out for no fault of the members.
        await site.redis.start();
        for (const { id, room } of members) {
            await site.redis.call("ZADD", `segue:members:{${room}}`, 1, id);
        }
        await untilReady(site, 200);
        await inStep(members);
        const late = await site.member(members[0].room, 0);
        assert.deepEqual([late.welcome.members, late.texts.length], [4, 6]);
    });

    test("is said to who speaks, and to who comes: error unavailable, and 503", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const [ann, bob] = await membersOn(site, [0, 1]);
        await site.redis.kill();
        await untilReady(site, 503);
        const { code } = await ann.refuses({ type: "message", text: "x" });
        assert.equal(code, "unavailable");
        assert.equal((await Member.refusal(site.gateways[0], "/ws")).status, 503);
        await site.redis.start();
        await untilReady(site, 200);
        await inStep([ann, bob]);
    });

    test("and comes back empty: the same members make the room anew, without its history", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const members = await membersOn(site, [0, 1, 1]);
        await inStep(members);
        await site.redis.restart({ data: false });
        await untilReady(site, 200);
        await until(async () => (await countOf(site, 0, members[0].room)) === 3, "all are in again");
        for (const member of members) {
            const { clientId, history, members: count } = await member.hears("welcome");
            assert.deepEqual([clientId, history], [member.id, []]);
            for (let known = count; known < 3; known++) {
                await member.hears("joined", { members: known + 1 });
            }
        }
        await inStep(members);
    });

    test("for one process alone: its members are told all that they missed, then how things stand", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { rate: 0 }, redis: SINGLE });
        const proxy = await Proxy.open(site.redis.port);
        t.after(() => proxy.close());
        const cut = await site.addGateway({ redis: proxy.url });
        const [ann, bob] = await membersOn(site, [0, cut]);
        await inStep([ann, bob]);
        proxy.cut();
        for (let i = 0; i < 5; i++) {
            ann.say(`missed ${i}`);
            await ann.hears("message");
        }
        const eve = await site.member(ann.room, 0);
        await ann.hears("joined");
        proxy.restore();
        for (let i = 0; i < 5; i++) {
            await bob.hears("message", { text: `missed ${i}` });
        }
        await bob.hears("joined", { clientId: eve.id, members: 3 });
        const { members, history } = await bob.hears("welcome", { clientId: bob.id });
        assert.deepEqual([members, history.length], [3, 7]);
        await inStep([ann, bob, eve]);
    });

    test("for one process alone, and much is missed: all of it is told, and then the newest fifty are shown", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { rate: 0 }, redis: SINGLE });
        const proxy = await Proxy.open(site.redis.port);
        t.after(() => proxy.close());
        const cut = await site.addGateway({ redis: proxy.url });
        const [ann, bob] = await membersOn(site, [0, cut]);
        proxy.cut();
        for (let i = 0; i < 80; i++) {
            ann.say(`missed ${i}`);
            await ann.hears("message");
        }
        proxy.restore();
        for (let i = 0; i < 80; i++) {
            await bob.hears("message", { text: `missed ${i}` });
        }
        assert.equal((await bob.hears("welcome")).history.length, 50);
        await inStep([ann, bob]);
    });

    test("while nothing happens: nobody is told anything", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const members = await membersOn(site, [0, 1]);
        await site.redis.restart();
        await untilReady(site, 200);
        await inStep(members);
    });

    test("and loses a room without losing its connections: who speaks next enters again", async (t) => {
        const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const [ann, bob] = await membersOn(site, [0, 1]);
        await site.redis.call("FLUSHALL");
        const { code } = await ann.refuses({ type: "message", text: "into the void" });
        assert.equal(code, "unavailable");
        await ann.hears("welcome", { clientId: ann.id, members: 1 });
        await bob.hears("welcome", { clientId: bob.id, members: 2 });
        await ann.hears("joined", { clientId: bob.id, members: 2 });
        await inStep([ann, bob]);
    });
});
