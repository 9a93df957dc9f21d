// Everything is bounded: messages per second, connections, and what waits for somebody who does not read.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { changePosition, newTrack, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";

const PING = { type_push_state: "ping", t: 1 };
const LIMITED = { type_push_state: "invalid_format", reason: "rate_limited" };
const MIB = 2 ** 20;

describe("limits", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    describe("the rate", { concurrency: 8 }, () => {
        const rated = (rate, burst) => site.addGateway({ rate, burst });

        function pings(player, n) {
            for (let i = 0; i < n; i++) {
                player.send(PING);
            }
        }

        test("a burst is answered, what is above gets one rate_limited, and with time there is room again", async () => {
            const player = await site.player(site.user(), await rated(5, 10));
            pings(player, 15);
            for (let i = 0; i < 10; i++) {
                assert.equal((await player.nextJson()).type_push_state, "pong");
            }
            assert.deepEqual(await player.nextJson(), LIMITED);
            await sleep(1500); // five messages above, five a second
            const answer = await player.ask(PING);
            assert.equal(answer.type_push_state, "pong", "the one answer next is the pong");
            assert.ok(player.isOpen);
        });

        test("another burst above the rate is closed with 1008", async () => {
            const player = await site.player(site.user(), await rated(1, 10));
            pings(player, 40);
            assert.equal((await player.closed()).code, 1008);
            const answers = player.takeAll().map((text) => JSON.parse(text).type_push_state);
            assert.ok(answers.filter((answer) => answer === "pong").length <= 12, answers.join());
            assert.ok(answers.filter((answer) => answer === "invalid_format").length <= 2, answers.join());
        });

        test("the complaint comes once a second", async () => {
            const player = await site.player(site.user(), await rated(5, 20));
            const start = Date.now();
            const flood = setInterval(() => player.isOpen && player.send(PING), 100);
            await sleep(4000);
            clearInterval(flood);
            const took = (Date.now() - start) / 1000;
            const answers = player.takeAll().map((text) => JSON.parse(text).type_push_state);
            const complaints = answers.filter((answer) => answer === "invalid_format").length;
            assert.ok(complaints <= Math.ceil(took), `${complaints} complaints in ${took} s`);
        });

        test("what is above the rate is not applied and not forwarded", async () => {
            const user = site.user();
            const gateway = await rated(1, 10);
            const player = await site.player(user, gateway);
            const witness = await site.player(user, 0);
            for (let i = 1; i <= 15; i++) {
                player.send(newTrack(i, { track: i }));
            }
            assert.deepEqual(await player.nextJson(), LIMITED);
            for (let i = 1; i <= 10; i++) {
                await witness.receives(newTrack(i, { track: i }));
            }
            const after = await site.stateOf(user, 0);
            assert.ok([10, 11].includes(after.track_id), `track ${after.track_id}`);
            const refused = async (reason) => (await gateway.metrics()).get("segue_rejected_total", { reason });
            await until(async () => (await refused("rate_limited")) >= 15 - after.track_id, "each is counted");
            assert.equal(await refused("invalid_format"), 0, "what is well formed is counted once, as what it was");
        });

        test("every connection has its own", async () => {
            const user = site.user();
            const gateway = await rated(1, 5);
            const [one, two] = [await site.player(user, gateway), await site.player(user, gateway)];
            pings(one, 7);
            pings(two, 5);
            for (let i = 0; i < 5; i++) {
                assert.equal((await one.nextJson()).type_push_state, "pong");
                assert.equal((await two.nextJson()).type_push_state, "pong");
            }
            assert.deepEqual(await one.nextJson(), LIMITED);
            assert.equal(two.unread, 0);
        });

        test("a device that keeps to the rate never hears of it", async () => {
            const player = await site.player(site.user(), await rated(20, 5));
            for (let i = 0; i < 20; i++) {
                assert.equal((await player.ask(PING)).type_push_state, "pong");
                await sleep(80);
            }
        });

        test("0 means no limit", async () => {
            const player = await site.player(site.user(), 0);
            pings(player, 5000);
            for (let i = 0; i < 5000; i++) {
                assert.equal((await player.nextJson()).type_push_state, "pong");
            }
        });

        test("bad messages count like good ones", async () => {
            const player = await site.player(site.user(), await rated(1, 10));
            for (let i = 0; i < 40; i++) {
                player.send("nonsense");
            }
            assert.equal((await player.closed()).code, 1008);
        });
    });

    describe("connections", () => {
        test("beyond --max-connections there is 503, and room again when somebody leaves", async () => {
            const small = await site.addGateway({ "max-connections": 3 });
            const players = [];
            const enter = () => site.player(site.user(), small);
            await until(async () => players.push(await enter()) >= 3, "three connections");
            const refusal = await site.refused(site.user(), small);
            assert.equal(refusal.status, 503);
            assert.equal(typeof refusal.json().error, "string");
            await players[1].hearsNothing();
            await players.pop().close();
            const again = await until(enter, "a connection in the free place");
            await again.hearsNothing();
            assert.equal((await site.refused(site.user(), small)).status, 503);
            assert.ok((await small.metrics()).get("segue_rejected_total") >= 2);
        });

        test("where the system allows few open files, the limit follows, and the process stays calm", async () => {
            const small = await site.addGateway({}, { files: 128 });
            const raws = await Promise.all(Array.from({ length: 150 }, () => site.raw(small)));
            await until(async () => {
                const refusals = (await small.metrics()).get("segue_rejected_total", { reason: "max_connections" });
                return refusals >= 20 && refusals < 150;
            }, "some are refused");
            const cpu = async () => (await small.metrics()).get("process_cpu_seconds_total");
            const before = await cpu();
            await sleep(1000);
            assert.ok((await cpu()) - before < patient(200) / 1000, "it does not spin");
            raws.forEach((raw) => raw.destroy());
            const player = await until(() => site.player(site.user(), small), "there is room again", patient(10000));
            await player.hearsNothing();
            assert.doesNotMatch(small.log, /too many open files/i);
        });

        test("metrics and probes of the admin listener answer also when all places are taken", async () => {
            const small = await site.addGateway({ "max-connections": 2 });
            await until(() => site.player(site.user(), small), "a connection");
            await until(() => site.player(site.user(), small), "a second connection");
            assert.equal((await small.metrics()).get("segue_connections", { protocol: "player" }), 2);
        });
    });

    describe("a client that does not read", () => {
        // Sends `count` positions of about `size` bytes from one device while another does not read. What the sleeper
        // then reads, and how much the gateway grew.
        async function flood({ count, size, flags = {} }) {
            const gateway = await site.addGateway({ rate: 0, ...flags });
            const user = site.user();
            const sender = await site.player(user, 0);
            const sleeper = await site.player(user, gateway);
            const witness = await site.player(user, 1);
            sender.send(newTrack(0));
            await sleeper.receives(newTrack(0));
            await witness.receives(newTrack(0));
            const before = gateway.residentBytes();
            sleeper.pause();
            const pad = "x".repeat(size);
            let most = 0;
            for (let i = 1; i <= count; i++) {
                sender.send({ ...changePosition(i, i), pad });
                if (i % 10 === 0) {
                    // so few that the witness is never slow itself
                    await until(() => witness.unread >= 10, "the witness follows", patient(), 0);
                    witness.takeAll();
                    most = Math.max(most, gateway.residentBytes() - before);
                }
            }
            return { gateway, user, sender, sleeper, witness, grown: most };
        }

        test("gets the newest state when it reads again, not its backlog, and memory stays bounded", async () => {
            const count = 3000;
            const { gateway, user, sender, sleeper, witness, grown } = await flood({ count, size: 10000 });
            assert.ok(grown < 6 * MIB * SLOW, `the gateway grew by ${grown} bytes`);
            sleeper.resume();
            let known = 0;
            let frames = 0;
            let states = 0;
            while (known < count) {
                const got = await sleeper.nextJson();
                assert.ok(got.last_sec_position >= known, `${got.last_sec_position} after ${known}`);
                known = got.last_sec_position;
                frames += 1;
                if (!("type_push_state" in got)) {
                    states += 1;
                    assert.deepEqual(got, state(known, known), "a state of six fields");
                }
            }
            assert.ok(states >= 1, "it got a state");
            assert.ok(frames < count, `${frames} frames of ${count}`);
            // From here on it hears everything again.
            sender.send(changePosition(1, 12345));
            await sleeper.receives(changePosition(1, 12345));
            await witness.receives(changePosition(1, 12345));
            await sleeper.hearsNothing();
            assert.deepEqual(await site.stateOf(user, gateway), state(1, 12345));
            assert.ok((await gateway.metrics()).get("segue_slow_consumers_total") >= 1);
        });

        test("is closed with 1013 when even the state does not fit, or gets the newest", async () => {
            const count = 1500;
            const { gateway, user, sleeper, grown } = await flood({ count, size: 15000, flags: { "max-queue": 400 } });
            assert.ok(grown < 6 * MIB * SLOW, `the gateway grew by ${grown} bytes`);
            sleeper.resume();
            let known = 0;
            try {
                while (known < count) {
                    known = (await sleeper.nextJson()).last_sec_position;
                }
            } catch {
                assert.equal((await sleeper.closed()).code, 1013);
            }
            assert.deepEqual(await site.stateOf(user, gateway), state(count, count));
        });

        test("and never comes back is dropped by the heartbeat", async () => {
            const flags = { "ping-interval": 300 * SLOW, "ping-timeout": 700 * SLOW };
            const { gateway, sleeper } = await flood({ count: 1000, size: 15000, flags });
            await until(
                async () => (await gateway.metrics()).get("segue_connections", { protocol: "player" }) === 0,
                "the connection is gone",
                patient(10000),
            );
            sleeper.terminate();
        });

        test("does not hold up the others", async () => {
            const { user, sender, witness, sleeper } = await flood({ count: 1000, size: 10000 });
            const start = Date.now();
            sender.send(changePosition(5, 5));
            await witness.receives(changePosition(5, 5));
            assert.ok(Date.now() - start < patient(1000));
            sleeper.terminate();
            assert.deepEqual(await site.stateOf(user), state(5, 5));
        });

        test("and asks without end does not make memory grow either", async () => {
            const gateway = await site.addGateway({ rate: 0 });
            const player = await site.player(site.user(), gateway);
            await player.hearsNothing();
            const before = gateway.residentBytes();
            player.pause();
            const ping = { type_push_state: "ping", t: "x".repeat(10000) };
            for (let i = 0; i < 3000 && player.isOpen; i++) {
                player.send(ping);
                if (i % 100 === 0) {
                    await sleep(1);
                }
            }
            await sleep(300);
            assert.ok(gateway.residentBytes() - before < 8 * MIB * SLOW);
            player.terminate();
            assert.equal((await gateway.get("/healthz")).status, 200);
        });
    });
});
