// Engine.IO's upgrade from polling to websocket, the two on different processes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { assertRefused, Wire } from "./lib/engine.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { eventOf, eventPacket, hearsNothing } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";

const PING = eventPacket("ping");
const PONG = eventPacket("pong");

const seek = (value) => eventPacket("carplay_command", { command: "seek", value });

describe("the upgrade of Engine.IO", { concurrency: 8 }, () => {
    const site = suiteSite({ gateways: 3, flags: { rate: 0 } });

    // A websocket with the session's sid that has been answered 3probe.
    async function prober(polling, on) {
        const wire = await site.wire(on, { sid: polling.sid });
        wire.send("2probe");
        assert.equal(await wire.next(), "3probe");
        return wire;
    }

    // The session on websocket; the wire.
    async function upgraded(polling, on) {
        const wire = await prober(polling, on);
        const answer = await polling.get().answer;
        assert.deepEqual([answer.status, answer.text], [200, "6"]);
        wire.send("5");
        return wire;
    }

    for (const [where, get, ws] of [
        ["on one process", 0, 0],
        ["with the GET on one process and the websocket on another", 0, 1],
    ]) {
        test(`2probe, 3probe, the hanging GET gets 6, 5 completes (${where})`, async () => {
            const polling = await site.pollingOf(site.user());
            const hanging = await site.hanging(polling, { on: site.gateways[get] });
            const wire = await prober(polling, ws);
            assert.equal((await hanging.answer).text, "6");
            wire.send("5");
            await hearsNothing(wire);
        });

        test(`a GET that comes later gets 6 as well (${where})`, async () => {
            const polling = await site.pollingOf(site.user());
            const wire = await prober(polling, ws);
            const answer = await polling.get({ on: site.gateways[get] }).answer;
            assert.equal(answer.text, "6");
            wire.send("5");
            await hearsNothing(wire);
        });
    }

    test("after it, GET and POST with that sid are 400 on every process, and the websocket goes on", async () => {
        const polling = await site.pollingOf(site.user());
        const wire = await upgraded(polling, 1);
        await hearsNothing(wire);
        for (const on of site.gateways) {
            assert.equal((await polling.get({ on }).answer).status, 400);
            assert.equal((await polling.post([PING], { on })).status, 400);
        }
        await hearsNothing(wire);
    });

    test("what was queued before and during it comes once and in order", async () => {
        for (let round = 0; round < 6; round++) {
            const user = site.user();
            const polling = await site.pollingOf(user);
            const witness = await site.wireOf(user, 2);
            for (let i = 0; i < 5; i++) {
                witness.send(seek(i));
            }
            const wire = await prober(polling, round % 3);
            for (let i = 5; i < 10; i++) {
                witness.send(seek(i));
            }
            const first = await polling.get().answer;
            assert.equal(first.status, 200);
            const packets = first.text.split("\x1e").filter((packet) => packet !== "6");
            for (let i = 10; i < 15; i++) {
                witness.send(seek(i));
            }
            wire.send("5");
            while (packets.length < 15) {
                packets.push(await wire.next());
            }
            const values = packets.map((packet) => eventOf(packet)[1].value);
            assert.deepEqual(values, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], `round ${round}`);
            await hearsNothing(wire);
        }
    });

    test("a POST while the upgrade is pending is accepted", async () => {
        const polling = await site.pollingOf(site.user());
        const wire = await prober(polling, 1);
        await polling.send(PING);
        const heard = (await polling.get().answer).text.split("\x1e").filter((packet) => packet !== "6");
        wire.send("5");
        heard.push(...(heard.length ? [] : [await wire.next()]));
        assert.deepEqual(heard, [PONG]);
        await hearsNothing(wire);
    });

    test("a prober that dies leaves polling as it was", async () => {
        for (const ways of ["destroy", "close"]) {
            const polling = await site.pollingOf(site.user());
            const wire = await prober(polling, 1);
            await wire[ways]();
            await until(
                async () => {
                    await polling.send(PING);
                    const answer = await polling.get().answer;
                    assert.equal(answer.status, 200, answer.text);
                    return answer.text.includes(PONG);
                },
                "polling goes on",
                patient(),
            );
            await polling.send(PING);
            const left = (await polling.poll()).filter((packet) => packet !== "6");
            assert.ok(left.length === 0 || left.every((packet) => packet === PONG));
        }
    });

    test("a prober whose process is killed leaves polling as it was, and another may upgrade", async (t) => {
        const own = await testSite(t, { gateways: 2, flags: { rate: 0 } });
        const polling = await own.pollingOf(own.user());
        const doomed = await own.wire(0, { sid: polling.sid });
        doomed.send("2probe");
        assert.equal(await doomed.next(), "3probe");
        await own.gateways[0].kill();
        const on = own.gateways[1];
        assert.equal((await polling.post([PING], { on })).text, "ok");
        const heard = [];
        while (!heard.includes(PONG)) {
            heard.push(...(await polling.poll({ on })));
        }
        assert.ok(
            heard.every((packet) => packet === "6" || packet === PONG),
            String(heard),
        );
        await until(
            async () => {
                const wire = await own.wire(1, { sid: polling.sid });
                wire.send("2probe");
                return (await wire.next(patient(500))) === "3probe" && ((polling.wire = wire), true);
            },
            "another prober is answered",
            patient(15000),
        );
        const get = polling.get({ on });
        assert.equal((await get.answer).text, "6");
        polling.wire.send("5");
        await hearsNothing(polling.wire);
    });

    test("a prober that says anything but 2probe is closed; polling goes on", async () => {
        for (const packet of ["2", "4abc", "40{}", "2other", "", Buffer.from("2probe"), "9"]) {
            const polling = await site.pollingOf(site.user());
            const wire = await site.wire(1, { sid: polling.sid });
            wire.send(packet);
            await wire.closed();
            await polling.send(PING);
            const heard = [];
            while (!heard.includes(PONG)) {
                heard.push(...(await polling.poll()));
            }
        }
    });

    test("a websocket with the sid of an upgraded session gets 101 and is then closed; the first goes on", async () => {
        const polling = await site.pollingOf(site.user());
        const wire = await upgraded(polling, 0);
        await hearsNothing(wire);
        for (const on of [0, 1]) {
            const second = new Wire(site.gateways[on], { sid: polling.sid });
            await second.opened();
            second.send("2probe");
            await second.closed();
            assert.deepEqual(second.takeAll(), []);
            await hearsNothing(wire);
        }
    });

    test("one with the sid of a session that began as websocket is refused or closed; the first goes on", async () => {
        const first = await site.wireOf(site.user(), 0);
        for (const on of [0, 1]) {
            const second = new Wire(site.gateways[on], { sid: first.handshake.sid });
            const opened = await second.opened().then(
                () => true,
                () => false,
            );
            if (opened) {
                second.send("2probe");
                await second.closed();
                assert.deepEqual(second.takeAll(), []);
            }
            await hearsNothing(first);
        }
    });

    test("two probers at once on two processes: one completes, the session lives and answers once", async () => {
        for (let round = 0; round < 8; round++) {
            const polling = await site.pollingOf(site.user());
            const both = [
                new Wire(site.gateways[0], { sid: polling.sid }),
                new Wire(site.gateways[1], { sid: polling.sid }),
            ];
            site.clients.push(...both);
            const probed = await Promise.all(
                both.map(async (wire) => {
                    await wire.opened();
                    wire.send("2probe");
                    return wire.next().catch(() => null);
                }),
            );
            const winners = both.filter((_, i) => probed[i] === "3probe");
            assert.ok(winners.length >= 1, `round ${round}: ${probed}`);
            await polling.get().answer;
            winners.forEach((wire) => wire.send("5"));
            const pongs = async (wire) => {
                wire.send(PING);
                return wire.next().catch(() => null);
            };
            const heard = await Promise.all(winners.map(pongs));
            assert.equal(heard.filter((packet) => packet === PONG).length, 1, `round ${round}: ${heard}`);
        }
    });

    test("a GET at the same moment as the 5 gets 6, data, or 400, and nothing is lost", async () => {
        for (let round = 0; round < 10; round++) {
            const user = site.user();
            const polling = await site.pollingOf(user);
            const wire = await prober(polling, round % 3);
            assert.equal((await polling.get().answer).text, "6");
            const witness = await site.wireOf(user, 2);
            witness.send(seek(round));
            const get = polling.get();
            wire.send("5");
            const answer = await get.answer;
            const heard = [200].includes(answer.status) ? answer.text.split("\x1e") : [];
            if (!heard.some((packet) => packet.startsWith("42"))) {
                heard.push(await wire.next());
            }
            const events = heard.filter((packet) => packet.startsWith("42"));
            assert.deepEqual(events, [seek(round)], `round ${round}: ${answer.status} ${answer.text}`);
            await hearsNothing(wire);
        }
    });

    test("a POST at the same moment as the 5 is served once or not at all, and everybody hears the same", async () => {
        const last = seek(1000);
        for (let round = 0; round < 15; round++) {
            const user = site.user();
            const witness = await site.wireOf(user, 2);
            const polling = await site.pollingOf(user);
            const wire = await prober(polling, round % 3);
            assert.equal((await polling.get().answer).text, "6");
            const post = polling.post([seek(round)]);
            wire.send("5");
            const { status } = await post;
            assert.ok([200, 400].includes(status), `round ${round}: ${status}`);
            // What it has done, if anything, was done before its answer; this command comes behind it.
            witness.send(last);
            const heard = [[], []];
            for (const [i, line] of [wire, witness].entries()) {
                while (heard[i].at(-1) !== last) {
                    heard[i].push(await line.next());
                }
                await hearsNothing(line);
            }
            assert.deepEqual(heard[0], heard[1], `round ${round}`);
            const before = heard[0].slice(0, -1);
            assert.ok(before.length === 1 || (before.length === 0 && status === 400), `round ${round}: ${status}`);
        }
    });

    test("an attachment that was announced in a POST may come over the websocket", async () => {
        const polling = await site.pollingOf(site.user());
        await polling.send('451-["ping",{"_placeholder":true,"num":0}]');
        const wire = await upgraded(polling, 1);
        wire.send(Buffer.from("abc"));
        assert.equal(await wire.next(), PONG);
        await hearsNothing(wire);
    });

    test("the rate of a session goes with it", async (t) => {
        const slow = await testSite(t, { gateways: 2, flags: { rate: 5, burst: 20 } });
        const polling = await slow.pollingOf(slow.user());
        await polling.send(...Array.from({ length: 19 }, () => PING));
        const wire = await slow.wire(1, { sid: polling.sid });
        wire.send("2probe");
        assert.equal(await wire.next(), "3probe");
        await polling.get().answer;
        wire.send("5");
        for (let i = 0; i < 60; i++) {
            wire.send(PING);
        }
        assert.equal((await wire.closed()).code, 1008);
    });

    test("the end of the websocket ends the session", async () => {
        const polling = await site.pollingOf(site.user());
        const wire = await upgraded(polling, 1);
        await hearsNothing(wire);
        await wire.close();
        await until(async () => (await polling.get().answer).status === 400, "end of the session");
        const second = await Wire.refused(site.gateways[0], { sid: polling.sid }).catch(() => null);
        if (second) {
            assertRefused(second, 1);
        }
    });

    test("before the CONNECT of Socket.IO: the CONNECT may come over the websocket", async () => {
        const polling = await site.polling();
        const wire = await upgraded(polling, 2);
        wire.send("40{}");
        assert.match(await wire.next(), /^40\{"sid":/);
    });

    test(
        "a pending upgrade is void after a while; polling went on all the time",
        { timeout: patient(30000) },
        async () => {
            const polling = await site.pollingOf(site.user());
            const wire = await prober(polling, 1);
            const end = Date.now() + 11000;
            while (Date.now() < end && wire.isOpen) {
                await polling.send(PING);
                const heard = [];
                while (!heard.includes(PONG)) {
                    heard.push(...(await polling.poll()));
                }
                await sleep(300);
            }
            await wire.closed(patient(2000));
            await polling.send(PING);
            assert.deepEqual(
                (await polling.poll()).filter((packet) => packet !== "6"),
                [PONG],
            );
        },
    );
});
