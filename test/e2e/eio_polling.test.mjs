// Engine.IO over polling, on several processes: whoever is asked knows the session.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { assertRefused, bodyOf, engineUrl, HANDSHAKE, packetsOf, stamp } from "./lib/engine.mjs";
import { request } from "./lib/http.mjs";
import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { connected, eventOf, eventPacket } from "./lib/sio.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const PING = eventPacket("ping");
const PONG = eventPacket("pong");

describe("Engine.IO over polling", { concurrency: 8 }, () => {
    const site = suiteSite({ gateways: 3, flags: { rate: 0 } });
    const session = (on) => site.pollingOf(site.user(), on);

    const hanging = (polling, on) => site.hanging(polling, { on });

    async function textOf(get) {
        const answer = await get.answer;
        assert.equal(answer.status, 200, answer.text);
        return answer.text;
    }

    describe("bodies", () => {
        test("several packets in one POST are read, and one GET returns all that they caused", async () => {
            const polling = await session();
            await polling.send(PING, eventPacket("carplay_command", { command: "next" }), PING);
            const answer = await polling.get().answer;
            assert.equal(answer.headers["content-type"], "text/plain; charset=UTF-8");
            assert.equal(answer.headers["cache-control"], "no-store");
            assert.deepEqual(packetsOf(answer.text).sort(), [
                eventPacket("carplay_command", { command: "next" }),
                PONG,
                PONG,
            ]);
        });

        test("what a POST caused is queued before its ok goes out, wherever the GET goes", async () => {
            const polling = await session();
            for (let i = 0; i < 30; i++) {
                await polling.send(PING, PING);
                assert.deepEqual(await polling.poll(), [PONG, PONG], `round ${i}`);
            }
        });

        test("a hanging GET hears of a POST on any process", async () => {
            const polling = await session();
            for (let i = 0; i < 9; i++) {
                const get = await hanging(polling);
                await polling.send(PING);
                assert.equal(await textOf(get), PONG);
            }
        });

        test("an answer is at most maxPayload; the rest comes with the next, in order", async (t) => {
            const small = await testSite(t, { gateways: 2, flags: { rate: 0, "max-message": 300, "max-batch": 300 } });
            const polling = await small.pollingOf(small.user());
            assert.equal(polling.handshake.maxPayload, 300);
            for (let i = 0; i < 40; i++) {
                await polling.send(eventPacket("carplay_command", { command: "seek", value: i }));
            }
            const values = [];
            while (values.length < 40) {
                const answer = await polling.get().answer;
                assert.ok(answer.body.length <= 300, `${answer.body.length} bytes`);
                values.push(...packetsOf(answer.text).map((packet) => eventOf(packet)[1].value));
            }
            assert.deepEqual(
                values,
                values.map((_, i) => i),
            );
        });

        test("binary packets are b and base64", async () => {
            const polling = await session();
            await polling.send('451-["ping",{"_placeholder":true,"num":0}]', Buffer.from([0, 1, 2, 255]));
            assert.equal(await polling.next(), PONG);
        });

        test("a binary packet's attachment may come with a later POST, on another process", async () => {
            const polling = await session();
            await polling.send('452-["ping",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
            await polling.send(Buffer.from("one"));
            await polling.send(Buffer.from("two"));
            assert.equal(await polling.next(), PONG);
        });

        test("10,000 packets in one POST are all served", async () => {
            const polling = await session();
            await polling.send(...Array.from({ length: 10000 }, () => PING));
            let pongs = 0;
            while (pongs < 10000) {
                const packets = await polling.poll();
                assert.ok(packets.every((packet) => packet === PONG));
                pongs += packets.length;
            }
            assert.equal(pongs, 10000);
            await polling.send(PING);
            assert.deepEqual(await polling.poll(), [PONG]);
        });

        test("a body of UTF-8 keeps every character", async () => {
            const user = site.user();
            const polling = await site.pollingOf(user);
            const mediaTitle = 'Ça, Ω, щука, 日本, 🎵 \u2028 \\ " \u001e';
            const state = { isPlaying: true, currentTime: 1, duration: 2, mediaId: 3, mediaTitle };
            await polling.send(eventPacket("playback_state_update", state));
            const [name, got] = eventOf(await polling.next());
            assert.equal(name, "playback_state");
            assert.equal(got.mediaTitle, mediaTitle);
        });
    });

    describe("what is no packet closes the session", () => {
        const bodies = {
            "an unknown type": "abc",
            "a type that is no digit": "x",
            "a type beyond the last": "9",
            "an empty body": "",
            "an empty packet between two": bodyOf([PING, "", PING]),
            "a lone separator": "\x1e",
            "a ping by the client": "2",
            "an open packet": '0{"sid":"x"}',
            "wrong base64": "b@@@@",
            "base64 that stops in the middle": "bA",
            "a byte that is no UTF-8": Buffer.concat([
                Buffer.from('42["ping","'),
                Buffer.from([0xff]),
                Buffer.from('"]'),
            ]),
        };
        for (const [what, body] of Object.entries(bodies)) {
            test(what, async () => {
                const polling = await session();
                const answer = await polling.post(body);
                assert.ok([200, 400].includes(answer.status), answer.text);
                await polling.isGone();
            });
        }

        test("a hanging GET of the session ends", async () => {
            for (const on of [0, 1]) {
                const polling = await session();
                const get = await hanging(polling, site.gateways[0]);
                await polling.post("abc", { on: site.gateways[on] });
                const answer = await get.answer;
                assert.ok(answer.status === 400 || ["1", "6"].includes(answer.text), answer.text);
                await polling.isGone();
            }
        });
    });

    describe("closing", () => {
        for (const other of [0, 1]) {
            const where = other ? "another process" : "the same process";
            test(`a second GET on ${where}: the first gets 1, the second 400, the session is gone`, async () => {
                const polling = await session();
                const first = await hanging(polling, site.gateways[0]);
                const second = polling.get({ on: site.gateways[other] });
                assert.equal((await second.answer).status, 400);
                assert.equal(await textOf(first), "1");
                await polling.isGone();
            });

            test(`POST 1 on ${where} while a GET hangs: the GET gets 6, afterwards 400`, async () => {
                const polling = await session();
                const get = await hanging(polling, site.gateways[0]);
                const answer = await polling.post("1", { on: site.gateways[other] });
                assert.deepEqual([answer.status, answer.text], [200, "ok"]);
                assert.equal(await textOf(get), "6");
                await polling.isGone();
            });

            test(`a GET that the client aborts closes the session for ${where}`, async () => {
                const polling = await session();
                const get = await hanging(polling, site.gateways[0]);
                get.abort();
                await until(async () => (await polling.post("3", { on: site.gateways[other] })).status === 400, "end");
                await polling.isGone();
            });
        }

        test("two GETs at the same millisecond on two processes: one gets 1, one 400", async () => {
            for (let round = 0; round < 20; round++) {
                const polling = await session();
                const gets = [polling.get({ on: site.gateways[0] }), polling.get({ on: site.gateways[1] })];
                const answers = await Promise.all(gets.map((get) => get.answer));
                const short = answers.map(({ status, text }) => (status === 200 ? text : status)).sort();
                assert.deepEqual(short, ["1", 400].sort(), `round ${round}`);
                await polling.isGone();
            }
        });

        test("POST 1 without a GET: afterwards 400", async () => {
            const polling = await session();
            await polling.send("1");
            await polling.isGone();
        });

        test("POST 1 at the same millisecond as the GET: the GET gets 6 or 400, afterwards 400", async () => {
            for (let round = 0; round < 20; round++) {
                const polling = await session();
                const get = polling.get({ on: site.gateways[round % 3] });
                const post = polling.post("1", { on: site.gateways[(round >> 1) % 3] });
                const [answer, posted] = await Promise.all([get.answer, post]);
                assert.ok(answer.status === 400 || answer.text === "6", `round ${round}: ${answer.text}`);
                assert.equal(posted.status, 200);
                await polling.isGone();
            }
        });

        test("packets behind a 1 in the same POST are not read", async () => {
            const user = site.user();
            const witness = await site.wireOf(user);
            const polling = await site.pollingOf(user);
            await polling.post(bodyOf(["1", eventPacket("carplay_command", { command: "play" })]));
            witness.send(PING);
            assert.equal(await witness.next(), PONG);
        });

        test("a session that is gone leaves its user's device list", async () => {
            const user = site.user();
            const polling = await site.pollingOf(user);
            const witness = await site.wireOf(user, 1);
            const count = async () => {
                witness.send(`420["carplay_command",{"command":"next"}]`);
                const packets = [await witness.next(), await witness.next()];
                assert.ok(packets.includes('430[{"ok":true}]'), String(packets));
            };
            await count();
            await polling.send("1");
            await polling.isGone();
            await count();
        });
    });

    describe("a GET that is repeated", () => {
        test("with the same t gets the same again, on any process; the next t does not", async () => {
            const polling = await session();
            for (let round = 0; round < 6; round++) {
                await polling.send(PING, eventPacket("carplay_command", { command: "seek", value: round }));
                const t = stamp();
                const first = await polling.poll({ t });
                assert.equal(first.length, 2);
                assert.deepEqual(await polling.poll({ t }), first);
                assert.deepEqual(await polling.poll({ t }), first);
                await polling.send(PING);
                assert.deepEqual(await polling.poll(), [PONG]);
            }
        });

        test("after its process was killed with -9 while it hung goes on where it was", async (context) => {
            const own = await testSite(context, { gateways: 3, flags: { rate: 0 } });
            const polling = await own.pollingOf(own.user());
            for (let round = 0; round < 2; round++) {
                const doomed = own.gateways.shift();
                const t = stamp();
                const get = await own.hanging(polling, { on: doomed, t });
                const failed = get.answer.then(
                    () => "answered",
                    () => "cut off",
                );
                await doomed.kill();
                assert.equal(await failed, "cut off");
                const repeated = polling.get({ t });
                await polling.send(PING);
                assert.equal(await textOf(repeated), PONG);
                await polling.send(PING);
                assert.deepEqual(await polling.poll(), [PONG]);
                await own.addGateway();
            }
        });

        test("with a new t after the kill goes on as well", async (t) => {
            const own = await testSite(t, { gateways: 2, flags: { rate: 0 } });
            const polling = await own.pollingOf(own.user());
            await own.hanging(polling, { on: own.gateways[0] });
            await own.gateways[0].kill();
            const on = own.gateways[1];
            const answer = await polling.post([PING], { on });
            assert.equal(answer.text, "ok");
            assert.deepEqual(await polling.poll({ on }), [PONG]);
            assert.equal((await polling.post([PING], { on })).text, "ok");
            assert.deepEqual(await polling.poll({ on }), [PONG]);
        });
    });

    describe("processes that go", () => {
        test("a session outlives the process that opened it", async (t) => {
            const own = await testSite(t, { gateways: 2, flags: { rate: 0 } });
            const user = own.user();
            const polling = await own.pollingOf(user, own.gateways[0]);
            await own.gateways[0].kill();
            const on = own.gateways[1];
            assert.equal((await polling.post([PING], { on })).text, "ok");
            assert.deepEqual(await polling.poll({ on }), [PONG]);
        });

        test("a draining process answers 6 and leaves the session alone", async (t) => {
            const own = await testSite(t, { gateways: 2, flags: { rate: 0, drain: 1 } });
            const polling = await own.pollingOf(own.user());
            const get = await own.hanging(polling, { on: own.gateways[0] });
            own.gateways[0].signal("SIGTERM");
            assert.equal(await textOf(get), "6");
            const on = own.gateways[1];
            assert.equal((await polling.post([PING], { on })).text, "ok");
            assert.deepEqual(await polling.poll({ on }), [PONG]);
            await own.gateways[0].left();
        });

        test("between two polls the process keeps nothing that a kill could lose", async (t) => {
            const own = await testSite(t, { gateways: 2, flags: { rate: 0 } });
            const polling = await own.pollingOf(own.user());
            const [first, second] = own.gateways;
            const half = '452-["ping",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
            assert.equal((await polling.post([PING, half, Buffer.from("one")], { on: first })).text, "ok");
            await first.kill();
            assert.deepEqual(await polling.poll({ on: second }), [PONG]);
            assert.equal((await polling.post([Buffer.from("two")], { on: second })).text, "ok");
            assert.deepEqual(await polling.poll({ on: second }), [PONG]);
        });
    });

    describe("when Redis is away", () => {
        test("requests wait, and are served when it is back in time; else 503, and the session goes on", async (t) => {
            const flags = { rate: 0, "connect-timeout": 1500 * SLOW };
            const own = await testSite(t, { gateways: 2, flags });
            const polling = await own.pollingOf(own.user());
            await own.redis.kill();
            const [get, post] = [polling.get(), polling.post([PING])];
            const answers = await Promise.all([get.answer, post]);
            for (const answer of answers) {
                assert.equal(answer.status, 503, answer.text);
                assert.ok(Number(answer.headers["retry-after"]) > 0);
            }
            const handshake = await request(engineUrl(own.gateways[0], { query: HANDSHAKE }));
            assert.equal(handshake.status, 503);
            await own.redis.start();
            await Promise.all(own.gateways.map((gateway) => gateway.ready()));
            await polling.send(PING);
            assert.ok((await polling.poll()).includes(PONG));
        });
    });

    test("a token in the query, header or cookie of the handshake is enough for CONNECT", async () => {
        const token = tokenOf(site.user());
        const ways = [
            { query: { token } },
            { headers: { Authorization: `Bearer ${token}` } },
            { headers: { Cookie: `token=${token}` } },
        ];
        for (const way of ways) {
            const polling = await connected(await site.polling(site.gateways, way));
            await polling.send(PING);
            assert.deepEqual(await polling.poll(), [PONG]);
        }
    });
});

describe("heartbeats over polling", { concurrency: 8 }, () => {
    const INTERVAL = 500 * SLOW;
    const TIMEOUT = 1500 * SLOW;
    const site = suiteSite({
        gateways: 2,
        flags: { rate: 0, "ping-interval": INTERVAL, "ping-timeout": TIMEOUT },
    });

    test("a ping every interval, as long as each is answered", async () => {
        const polling = await site.pollingOf(site.user());
        let last = Date.now();
        for (let i = 0; i < 4; i++) {
            assert.deepEqual(await polling.poll(), ["2"]);
            const passed = Date.now() - last;
            assert.ok(passed > INTERVAL * 0.5 && passed < INTERVAL + patient(3000), `${passed} ms`);
            last = Date.now();
            await polling.send("3");
        }
    });

    test("a ping that is not answered in time ends the session, to the millisecond", async () => {
        const polling = await site.pollingOf(site.user());
        assert.deepEqual(await polling.poll(), ["2"]);
        await sleep(TIMEOUT + 3);
        await polling.isGone();
    });

    test("a pong just in time keeps it, a late one does not bring it back", async () => {
        const polling = await site.pollingOf(site.user());
        assert.deepEqual(await polling.poll(), ["2"]);
        await sleep(TIMEOUT * 0.6);
        await polling.send("3");
        assert.deepEqual(await polling.poll(), ["2"]);
        await sleep(TIMEOUT + 3);
        assertRefused(await polling.post("3"), 1);
        await polling.isGone();
    });

    test("a GET that hangs when the time is over ends", async () => {
        const polling = await site.pollingOf(site.user());
        assert.deepEqual(await polling.poll(), ["2"]);
        const answer = await polling.get().answer;
        assert.ok(answer.status === 400 || ["1", "6"].includes(answer.text), answer.text);
        await polling.isGone();
    });

    test("a session that is never polled ends after interval and timeout, to the millisecond", async () => {
        const polling = await site.polling();
        await sleep(INTERVAL + TIMEOUT + 3);
        await polling.isGone();
    });

    test("the ping of a session that was not polled meanwhile waits for the poll", async () => {
        const polling = await site.pollingOf(site.user());
        await sleep(INTERVAL + TIMEOUT * 0.3);
        assert.deepEqual(await polling.poll(), ["2"]);
        await polling.send("3");
    });

    test("sessions that ended leave nothing in Redis", async (t) => {
        const own = await testSite(t, {
            gateways: 2,
            flags: { rate: 0, "ping-interval": 200 * SLOW, "ping-timeout": 200 * SLOW },
        });
        for (let i = 0; i < 10; i++) {
            await own.pollingOf(own.user());
        }
        await until(
            async () => {
                const keys = await own.redis.call("KEYS", "*");
                return keys.filter((key) => key.includes("eio")).length === 0;
            },
            "keys of sessions are gone",
            patient(20000),
        );
    });
});
