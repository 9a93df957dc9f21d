// Chat rooms over WebSocket, on two processes: who is told what, in which order, and what a late-comer gets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Member, UUID } from "./lib/chat.mjs";
import { patient, sleep, SLOW, until, within } from "./lib/patience.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { mint, seconds, tokenOf } from "./lib/token.mjs";

describe("chat rooms", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    // Members of one room, on the two processes in turn; each has heard of those that came later.
    async function membersOf(count, room = site.room()) {
        const members = [];
        for (let i = 0; i < count; i++) {
            members.push(await site.member(room, i % 2));
            for (const earlier of members.slice(0, -1)) {
                await earlier.hears("joined", { clientId: members.at(-1).id, members: members.length });
            }
        }
        return members;
    }

    describe("entering", () => {
        test("without a room makes one with a UUID as its name", async () => {
            const member = await site.member();
            const { type, clientId, roomId, members, history } = member.welcome;
            assert.deepEqual(Object.keys(member.welcome), ["type", "clientId", "roomId", "members", "history"]);
            assert.deepEqual([type, members, history], ["welcome", 1, []]);
            assert.match(clientId, UUID);
            assert.match(roomId, UUID);
            assert.notEqual(clientId, roomId);
            assert.notEqual((await site.member()).room, roomId);
            assert.match((await site.member("", 1)).room, UUID, "an empty name is none");
        });

        test("that room by its name meets who made it, on another process", async () => {
            const first = await site.member();
            const second = await site.member(first.room, 1);
            assert.deepEqual([second.room, second.welcome.members], [first.room, 2]);
            const { type, ...joined } = await first.hears("joined");
            assert.deepEqual(joined, { clientId: second.id, roomId: first.room, members: 2 });
            await first.hearsNothing();
        });

        test("is told to all others, with the count, and not to the newcomer", async () => {
            const members = await membersOf(4);
            assert.equal(new Set(members.map(({ id }) => id)).size, 4);
            await members[3].hearsNothing();
        });

        for (const room of ["a", "A-Z_09", "-", "_", "0", "x".repeat(64)]) {
            test(`a room called ${room} is possible`, async () => {
                assert.equal((await site.member(room)).room, room);
            });
        }

        test("with an escaped name is the same room", async () => {
            const room = site.room();
            const first = await site.member(room);
            const escaped = room.replace("r", "%72");
            const second = await Member.connect(site.gateways[1], `/ws?room=${escaped}`);
            site.players.push(second);
            assert.equal(JSON.parse(second.first).roomId, room);
            await first.hears("joined");
        });

        const bad = ["x".repeat(65), "a b", "a.b", "{a}", "a/b", "%", "%zz", "\u00e9", "a%00", "a:b", "*", "a%0ab", "%20"];
        for (const room of bad) {
            test(`a room called ${JSON.stringify(room)} is refused before the upgrade`, async () => {
                const path = `/ws?room=${room.startsWith("%") ? room : encodeURI(room)}`;
                const answer = await Member.refusal(site.gateways[0], path);
                assert.equal(answer.status, 400);
                const { error, message } = answer.json();
                assert.equal(error, "bad_request");
                assert.match(message, /^room: /);
            });
        }
    });

    describe("who may", () => {
        test("everybody, and who has a token as well", async () => {
            const room = site.room();
            await site.member(room);
            const ann = await site.member(room, 1, { token: tokenOf(site.user()) });
            assert.equal(ann.welcome.members, 2);
        });

        test("nobody with a bad token: 401, never silently anonymous", async () => {
            for (const token of ["nonsense", mint({ sub: "ann", exp: seconds(-60) })]) {
                const answer = await Member.refusal(site.gateways[0], "/ws", { token });
                assert.deepEqual([answer.status, answer.json().error], [401, "unauthorized"]);
            }
            const bad = await Member.refusal(site.gateways[0], "/ws?room=a%20b", { token: "nonsense" });
            assert.equal(bad.status, 401, "401 comes before 400");
        });

        test("only who has a token, when chat is not in --anonymous", async (t) => {
            const strict = await testSite(t, { gateways: 1, flags: { anonymous: "feed" } });
            const answer = await Member.refusal(strict.gateways[0], "/ws");
            assert.equal(answer.status, 401);
            await strict.member(undefined, 0, { token: tokenOf("ann") });
        });

        test("until the token ends: 4401, and the others are told", async () => {
            const room = site.room();
            const stays = await site.member(room, 1);
            const goes = await site.member(room, 0, { token: tokenOf("ann", { claims: { exp: seconds(2) } }) });
            await stays.hears("joined");
            assert.equal((await goes.closed()).code, 4401);
            await stays.hears("left", { clientId: goes.id, members: 1 });
        });
    });

    describe("saying", () => {
        test("reaches all members on all processes, the sender too, in the same frame", async () => {
            const members = await membersOf(4);
            const before = await site.redis.now();
            members[1].say("hello");
            const texts = await Promise.all(members.map((member) => member.next()));
            assert.equal(new Set(texts).size, 1);
            const { id, time, ...rest } = JSON.parse(texts[0]);
            const said = { type: "message", clientId: members[1].id, roomId: members[1].room, text: "hello" };
            assert.deepEqual(rest, said);
            assert.equal(typeof id, "string");
            assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
            assert.ok(Date.parse(time) >= before && Date.parse(time) <= (await site.redis.now()), time);
        });

        test("with a name carries it, and an empty one is none", async () => {
            const [ann, bob] = await membersOf(2);
            ann.say("hello", { name: "Ann \u{1f3b5}" });
            assert.deepEqual(Object.keys(await ann.hears("message")), [
                "type",
                "clientId",
                "roomId",
                "name",
                "text",
                "id",
                "time",
            ]);
            await bob.hears("message", { name: "Ann \u{1f3b5}" });
            ann.say("hello", { name: "" });
            assert.ok(!("name" in (await bob.hears("message"))));
        });

        const texts = [
            "x",
            " ",
            "\u0001\u001f\t\r\n\b\f",
            '"\\/"',
            "</script><img src=x onerror=alert(1)>&amp;",
            "\u00e9\u{1f3b5}\u202e\ufeff",
            "x".repeat(4096),
            "\u00e9".repeat(2048),
            "\u{1f3b5}".repeat(1024),
            '"'.repeat(4096),
        ];
        for (const text of texts) {
            test(`${JSON.stringify(text).slice(0, 40)} arrives as it is, live and from the history`, async () => {
                const [ann, bob] = await membersOf(2);
                ann.say(text, { name: text.slice(0, 8) });
                const { type, ...live } = await bob.hears("message", { text, name: text.slice(0, 8) });
                const late = await site.member(ann.room);
                assert.deepEqual(late.welcome.history, [{ type, ...live }]);
            });
        }

        test("each in its own room: nobody hears of another's", async () => {
            const [ann, bob] = await membersOf(2);
            const [eve, dan] = await membersOf(2);
            ann.say("to ann's");
            eve.say("to eve's");
            await bob.hears("message", { text: "to ann's", roomId: ann.room });
            await dan.hears("message", { text: "to eve's", roomId: eve.room });
            await bob.hearsNothing();
            await dan.hearsNothing();
        });

        test("rooms whose names differ by case are two", async () => {
            const room = site.room();
            const [lower, upper] = [await site.member(room), await site.member(room.toUpperCase(), 1)];
            lower.say("lower");
            await lower.hears("message");
            await upper.hearsNothing();
        });

        test("much at once by all: everybody hears the same in the same order, once", async () => {
            const members = await membersOf(6);
            const each = Math.ceil(200 / SLOW);
            for (let i = 0; i < each; i++) {
                members.forEach((member, j) => member.say(`${j} ${i}`));
            }
            const heard = await Promise.all(
                members.map(async (member) => {
                    const texts = [];
                    while (texts.length < each * members.length) {
                        texts.push(await member.next());
                    }
                    return texts;
                }),
            );
            for (const texts of heard.slice(1)) {
                assert.deepEqual(texts, heard[0]);
            }
            const frames = heard[0].map((text) => JSON.parse(text));
            for (let j = 0; j < members.length; j++) {
                const own = frames.filter(({ clientId }) => clientId === members[j].id).map(({ text }) => text);
                assert.deepEqual(
                    own,
                    Array.from({ length: each }, (_, i) => `${j} ${i}`),
                );
            }
            const ids = frames.map(({ id }) => BigInt(id));
            assert.ok(ids.every((id, i) => i === 0 || id > ids[i - 1]));
            for (const member of members) {
            }
        });
    });

    describe("the history", () => {
        test("is the newest fifty, as they were sent, for a late-comer on any process", async () => {
            const [ann, bob] = await membersOf(2);
            const live = [];
            for (let i = 0; i < 60; i++) {
                (i % 2 ? ann : bob).say(`${i}`);
                live.push(await bob.hears("message", { text: `${i}` }));
                if (i === 9) {
                    assert.deepEqual((await site.member(ann.room)).welcome.history, live);
                    await bob.hears("joined");
                }
            }
            for (const on of [0, 1]) {
                assert.deepEqual((await site.member(ann.room, on)).welcome.history, live.slice(-50));
            }
        });

        test("and what comes live fit together without a gap, while others talk", async () => {
            const [ann] = await membersOf(1);
            const talk = { on: true, said: 0 };
            const talking = (async () => {
                while (talk.on) {
                    ann.say(`${talk.said++}`);
                    await sleep(1);
                }
            })();
            for (let i = 0; i < 30; i++) {
                const late = await site.member(ann.room, i % 2);
                const seen = [...late.texts];
                while (seen.length < 60) {
                    const frame = await late.nextJson();
                    if (frame.type === "message") {
                        seen.push(frame.text);
                    }
                }
                const first = Number(seen[0]);
                assert.deepEqual(
                    seen,
                    seen.map((_, n) => `${first + n}`),
                );
                late.terminate();
            }
            talk.on = false;
            await talking;
        });

        test("of the largest messages fits into the welcome as far as the queue allows", async (t) => {
            const small = await testSite(t, { gateways: 2, flags: { rate: 0, "max-queue": 65536 } });
            const ann = await small.member(small.room());
            const said = [];
            for (let i = 0; i < 50; i++) {
                ann.say(`${i}`.padEnd(4096, "x"));
                said.push((await ann.hears("message")).text);
            }
            const late = await small.member(ann.room, 1);
            assert.ok(late.texts.length >= 10 && late.texts.length < 16, `${late.texts.length}`);
            assert.deepEqual(late.texts, said.slice(-late.texts.length), "the newest of them");
            await ann.hears("joined");
            await late.hearsNothing();
        });

        test("is gone with the last member", async () => {
            const [ann, bob] = await membersOf(2);
            ann.say("one");
            await bob.hears("message");
            await bob.close();
            await ann.hears("message");
            await ann.hears("left");
            assert.deepEqual((await site.member(ann.room, 1)).texts, ["one"]);
            const room = site.room();
            const only = await site.member(room);
            await only.hearsNothing();
            await only.close();
            await until(async () => !(await site.redis.call("EXISTS", `segue:room:{${room}}`)), "the room is gone");
            const next = await site.member(room, 1);
            assert.deepEqual([next.welcome.members, next.texts], [1, []]);
        });
    });

    describe("leaving", () => {
        test("by message closes with 1000 and is told to the others once", async () => {
            const [ann, bob, eve] = await membersOf(3);
            bob.send({ type: "leave" });
            assert.equal((await bob.closed()).code, 1000);
            for (const member of [ann, eve]) {
                const { type, ...left } = await member.hears("left");
                assert.deepEqual(left, { clientId: bob.id, roomId: ann.room, members: 2 });
            }
            ann.say("still here");
            await ann.hears("message");
            await eve.hears("message");
        });

        for (const [how, leave] of [
            ["a close handshake", (member) => member.close()],
            ["a lost connection", (member) => member.terminate()],
            ["a reset", (member) => member.reset()],
        ]) {
            test(`by ${how} is told to the others`, async () => {
                const [ann, bob] = await membersOf(2);
                await leave(bob);
                await ann.hears("left", { clientId: bob.id, members: 1 });
                await ann.hearsNothing();
            });
        }

        test("what was said just before is heard before", async () => {
            const [ann, bob] = await membersOf(2);
            for (let i = 0; i < 20; i++) {
                bob.say(`${i}`);
            }
            bob.send({ type: "leave" });
            for (let i = 0; i < 20; i++) {
                await ann.hears("message", { text: `${i}` });
            }
            await ann.hears("left");
        });

        test("and coming back is another member", async () => {
            const [ann, bob] = await membersOf(2);
            await bob.close();
            await ann.hears("left");
            const again = await site.member(ann.room, 0);
            assert.notEqual(again.id, bob.id);
            await ann.hears("joined", { clientId: again.id, members: 2 });
        });
    });

    describe("bad input", () => {
        const message = (fields) => JSON.stringify({ type: "message", ...fields });
        const cases = [
            ["", /./],
            ["hello", /./],
            ["[]", /must be a JSON object/],
            ["null", /must be a JSON object/],
            ["{}", /^type: /],
            ['{"type":1}', /^type: /],
            ['{"type":"shout","text":"x"}', /^type: /],
            ['{"type":"welcome"}', /^type: /],
            ['{"type":"message","type":"leave"}', /type/],
            [message({}), /^text: /],
            [message({ text: "" }), /^text: /],
            [message({ text: null }), /^text: /],
            [message({ text: 1 }), /^text: /],
            [message({ text: ["x"] }), /^text: /],
            [message({ text: "x".repeat(4097) }), /^text: .*4096/],
            [message({ text: "\u00e9".repeat(2049) }), /^text: .*4096/],
            ['{"type":"message","text":"a","text":"b"}', /text/],
            ['{"type":"message","text":"\\u0000"}', /./],
            ['{"type":"message","text":"\\ud800"}', /./],
            [message({ text: "x", name: "x".repeat(65) }), /^name: .*64/],
            [message({ text: "x", name: "\u{1f3b5}".repeat(17) }), /^name: .*64/],
            [message({ text: "x", name: 1 }), /^name: /],
            [message({ text: "x", name: null }), /^name: /],
            ['{"type":"message","text":"x"', /./],
            ['{"type":"message","text":"x"}}', /./],
        ];
        for (const [text, sentence] of cases) {
            test(`${text.slice(0, 60) || "an empty message"} is answered with an error and told to nobody`, async () => {
                const [ann, bob] = await membersOf(2);
                const { code, message: why } = await ann.refuses(text);
                assert.equal(code, "invalid_format");
                assert.match(why, sentence);
                await bob.hearsNothing();
                await ann.hears("message");
                await ann.hearsNothing();
            });
        }

        test("what a client can't know better is not believed: clientId, roomId, id and time are ours", async () => {
            const [ann, bob] = await membersOf(2);
            ann.say("x", { clientId: bob.id, roomId: "other", id: "1", time: "never" });
            const { id, time } = await bob.hears("message", { clientId: ann.id, roomId: ann.room });
            assert.match(id, /^\d{16}$/);
            assert.match(time, /Z$/);
        });

        test("a binary message closes with 1003", async () => {
            const [ann, bob] = await membersOf(2);
            bob.sendBinary(Buffer.from("x"));
            assert.equal((await bob.closed()).code, 1003);
            await ann.hears("left");
        });

        test("too much at once is answered with rate_limited, and much more closes with 1008", async (t) => {
            const slow = await testSite(t, { gateways: 1, flags: { rate: 1, burst: 5 } });
            const member = await slow.member();
            for (let i = 0; i < 20; i++) {
                member.say(`${i}`);
            }
            const { code } = await member.closed();
            assert.equal(code, 1008);
            const frames = member.takeAll().map((text) => JSON.parse(text));
            assert.ok(frames.some((frame) => frame.type === "error" && frame.code === "rate_limited"));
        });
    });

    test("who does not read is sent away with 1013, is told as left, and the others do not wait", async (t) => {
        const site2 = await testSite(t, { gateways: 2, flags: { rate: 0, "max-queue": 65536 } });
        const room = site2.room();
        const ann = await site2.member(room, 0);
        const lazy = await site2.member(room, 1);
        await ann.hears("joined");
        lazy.pause();
        const text = "x".repeat(4096);
        let left = false;
        for (let i = 0; i < 4000 && !left; i++) {
            ann.say(text);
            left = (await ann.nextJson()).type === "left";
        }
        assert.ok(left, "it was sent away");
        lazy.resume();
        assert.equal((await lazy.closed()).code, 1013);
        const metrics = await site2.gateways[1].metrics();
        assert.equal(metrics.get("segue_slow_consumers_total"), 1);
    });

    test("the metrics know chat", async (t) => {
        const own = await testSite(t, { gateways: 1 });
        const ann = await own.member();
        await ann.hearsNothing();
        await ann.refuses("x");
        const metrics = await own.gateways[0].metrics();
        assert.equal(metrics.get("segue_connections", { protocol: "chat", transport: "websocket" }), 1);
        assert.equal(metrics.get("segue_messages_received_total", { protocol: "chat" }), 2);
        assert.equal(metrics.get("segue_messages_sent_total", { protocol: "chat" }), 3);
        assert.equal(metrics.get("segue_transitions_total", { script: "room_say", outcome: "applied" }), 1);
        assert.equal(metrics.get("segue_channels"), 1);
        await ann.close();
        await until(async () => (await own.gateways[0].metrics()).get("segue_channels") === 0, "the channel is left");
    });

    test("SIGTERM: members are told 1012, and the others that they left", async (t) => {
        const own = await testSite(t, { gateways: 2 });
        const room = own.room();
        const ann = await own.member(room, 0);
        const bob = await own.member(room, 1);
        await ann.hears("joined");
        own.gateways[1].signal("SIGTERM");
        assert.equal((await bob.closed()).code, 1012);
        await ann.hears("left", { clientId: bob.id, members: 1 });
        await within(own.gateways[1].left(), "end of the process", patient());
    });
});
