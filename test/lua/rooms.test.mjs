// Rooms: who is in, who is told what and how often, and what a late-comer gets.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";

import { LEASE, Room } from "./lib/room.mjs";
import { micros, suiteStage } from "./lib/stage.mjs";

describe("rooms", () => {
    const stage = suiteStage();

    // "SEQ KIND ORIGIN/PREV FRAME"
    function changeOf(text) {
        const [, seq, kind, origin, prev, frame] = text.match(/^(\d+) (\w) (\S+)\/(\d+) (\{.*\})$/s);
        return { seq, kind, origin, prev, frame: JSON.parse(frame) };
    }

    const textsOf = ({ history }) => history.map((text) => changeOf(text).frame.text);
    const kindsOf = (heard) => heard.map(({ kind }) => kind).join("");

    async function roomOf(count) {
        const room = await new Room(stage).listen();
        const members = [];
        for (let i = 0; i < count; i++) {
            members.push(await room.join());
        }
        return { room, members, clients: members.map(({ client }) => client) };
    }

    describe("entering", () => {
        test("makes the room, with a number from Redis's clock", async () => {
            const room = await new Room(stage).listen();
            const before = await micros(stage.redis);
            const { outcome, seq, count, nextEnd, history } = await room.join();
            assert.deepEqual([outcome, count, history], ["applied", 1, []]);
            assert.match(seq, /^\d{16}$/);
            assert.ok(Number(seq) > before && Number(seq) <= (await micros(stage.redis)), seq);
            assert.ok(nextEnd > LEASE - 1000 && nextEnd <= LEASE, `${nextEnd}`);
            assert.deepEqual(await room.exists(), ["room", "members", "moves"]);
        });

        test("is told to the others, with the count and under the number that the newcomer is given", async () => {
            const { room, clients, members } = await roomOf(3);
            const heard = await room.published();
            assert.deepEqual(
                heard.map(({ frame }) => frame),
                clients.map((clientId, i) => ({ type: "joined", clientId, roomId: room.name, members: i + 1 })),
            );
            assert.deepEqual(
                heard.map(({ seq }) => seq),
                members.map(({ seq }) => seq),
            );
            assert.deepEqual(
                heard.map(({ prev }) => prev),
                ["0", members[0].seq, members[1].seq],
            );
            assert.deepEqual(
                heard.map(({ origin }) => origin),
                clients.map((client) => client.slice(0, 20)),
            );
            assert.ok(heard.every(({ kind, other }) => kind === "j" && other === ""));
        });

        test("again by one who is in tells nobody and changes nothing", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.say(clients[0], "one");
            await room.published();
            const again = await room.join(clients[1], { reaps: false, known: members[1].seq });
            assert.deepEqual([again.count, textsOf(again).slice(0, 1)], [2, ["one"]]);
            assert.ok(BigInt(again.seq) > BigInt(members[1].seq));
            assert.deepEqual(await room.published(), []);
            assert.deepEqual((await room.join(clients[1], { known: again.seq })).history, [], "nothing was missed");
        });

        test("again by one whose entry was lost is told as joined", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.redis.call("ZREM", room.members, clients[1]);
            await room.published();
            const again = await room.join(clients[1], { reaps: false, known: members[1].seq });
            const [{ frame, seq }, ...more] = await room.published();
            assert.deepEqual([frame.type, frame.clientId, frame.members, more.length], ["joined", clients[1], 2, 0]);
            assert.equal(again.seq, seq);
        });

        test("again, only to see, is not possible for one who is not in", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.leave(clients[1]);
            await room.published();
            const again = await room.join(clients[1], { reaps: false, enters: false, known: members[1].seq });
            assert.equal(again.outcome, "no_state");
            assert.deepEqual(await room.published(), []);
            assert.equal((await room.look())[1], 1);
        });

        test("again after all data was lost makes the room anew, with higher numbers", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.redis.call("DEL", room.room, room.members, room.history);
            const first = await room.join(clients[0], { reaps: false, known: members[1].seq });
            const second = await room.join(clients[1], { reaps: false, known: members[1].seq });
            assert.deepEqual([first.count, second.count], [1, 2]);
            assert.ok(BigInt(first.seq) > BigInt(members[1].seq));
            assert.ok(BigInt(second.seq) > BigInt(first.seq));
        });
    });

    describe("saying", () => {
        test("is told to all, in the frame that becomes history, with its number as id and Redis's time", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.published();
            const before = await stage.redis.now();
            const [outcome, seq] = await room.say(clients[0], 'h\u00e9 "x"\n');
            assert.equal(outcome, "applied");
            assert.ok(BigInt(seq) > BigInt(members[1].seq));
            const [envelope, ...more] = await room.published();
            assert.equal(more.length, 0);
            assert.deepEqual([envelope.kind, envelope.origin, envelope.seq], ["m", "-", seq]);
            assert.equal(envelope.prev, members[1].seq);
            const { id, time, ...said } = envelope.frame;
            assert.deepEqual(said, {
                type: "message",
                clientId: clients[0],
                roomId: room.name,
                text: 'h\u00e9 "x"\n',
            });
            assert.equal(id, seq);
            assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
            assert.ok(Date.parse(time) >= before && Date.parse(time) <= (await stage.redis.now()), time);
            assert.deepEqual((await room.join()).history, [`${seq} m -/${envelope.prev} ${envelope.message}`]);
        });

        test("by one who is not in is refused, keeps nothing and tells nobody", async () => {
            const { room, clients } = await roomOf(1);
            await room.published();
            assert.deepEqual(await room.say(randomUUID(), "hello"), ["no_state"]);
            assert.deepEqual(await room.published(), []);
            assert.deepEqual((await room.join()).history, []);
            await room.leave(clients[0]);
            const empty = await new Room(stage).listen();
            assert.deepEqual(await empty.say(clients[0], "hello"), ["no_state"]);
            assert.deepEqual(await empty.exists(), []);
        });

        test("by the server needs somebody alive who hears it", async () => {
            const { room, clients } = await roomOf(1);
            const [outcome] = await room.say("", "from above");
            assert.equal(outcome, "applied");
            assert.equal((await room.published()).at(-1).frame.clientId, null);
            await room.die(clients[0]);
            assert.deepEqual(await room.say("", "to nobody"), ["no_state"]);
            assert.deepEqual(await new Room(stage).say("", "to nobody"), ["no_state"]);
        });

        test("is kept for late-comers: the newest fifty, oldest first", async () => {
            const { room, clients } = await roomOf(1);
            for (let i = 0; i < 49; i++) {
                await room.say(clients[0], `${i}`);
            }
            assert.equal((await room.join()).history.length, 49);
            for (let i = 49; i < 70; i++) {
                await room.say(clients[0], `${i}`);
            }
            const late = await room.join();
            assert.deepEqual(
                textsOf(late),
                Array.from({ length: 50 }, (_, i) => `${i + 20}`),
            );
            for (const { seq, kind, origin, frame } of late.history.map(changeOf)) {
                assert.deepEqual([seq, kind, origin], [frame.id, "m", "-"]);
            }
        });

        describe("is kept for members who were away", () => {
            const replay = async (room, { client }, known) => {
                const { history } = await room.join(client, { known });
                return history.map(changeOf).sort((a, b) => Number(a.seq) - Number(b.seq));
            };
            const behind = (changes, seq) => changes.filter((change) => Number(change.seq) > Number(seq));

            test("a thousand of them, from wherever they were, without a hole", async () => {
                const { room, members, clients } = await roomOf(2);
                const seqs = [];
                for (let i = 0; i < 1000; i++) {
                    seqs.push((await room.say(clients[0], `${i}`))[1]);
                }
                for (const from of [0, 1, 849, 850, 851, 900, 948, 949, 950, 998]) {
                    const found = behind(await replay(room, members[1], seqs[from]), seqs[from]);
                    assert.deepEqual(found.map(({ seq }) => seq), seqs.slice(from + 1), `from ${from}`);
                    assert.deepEqual(found.map(({ prev }) => prev), seqs.slice(from, -1), "each names the one before");
                }
                assert.deepEqual((await room.join(clients[1], { known: seqs[999] })).history, []);
                assert.equal((await room.join()).history.length, 50, "a newcomer is shown the newest fifty");
                await room.say(clients[0], "1000");
                const found = behind(await replay(room, members[1], members[1].seq), members[1].seq);
                assert.equal(found.filter(({ kind }) => kind === "m").length, 1000);
            });

            test("at most 256 KiB of those that are not shown, the oldest go first", async () => {
                const { room, members, clients } = await roomOf(1);
                const long = "x".repeat(4096);
                for (let i = 0; i < 200; i++) {
                    await room.say(clients[0], `${i} ${long}`);
                }
                const texts = behind(await replay(room, members[0], members[0].seq), "0")
                    .filter(({ kind }) => kind === "m")
                    .map(({ frame }) => parseInt(frame.text));
                const first = texts[0];
                assert.deepEqual(texts, Array.from({ length: 200 - first }, (_, i) => first + i));
                assert.ok(texts.length - 50 >= 60 && texts.length - 50 <= 64, `${texts.length} words`);
                await room.say(clients[0], "short");
                const kept = await stage.redis.call("LRANGE", room.older, 0, -1);
                const bytes = kept.reduce((sum, text) => sum + text.length, 0);
                assert.equal(Number(await stage.redis.call("HGET", room.room, "older")), bytes);
                assert.ok(bytes <= 262144, `${bytes} bytes`);
            });

            test("also where an earlier release said some, which kept fifty: then a hole is seen", async () => {
                const { room, members, clients } = await roomOf(1);
                const seqs = [];
                for (let i = 0; i < 120; i++) {
                    seqs.push((await room.say(clients[0], `${i}`))[1]);
                    if (i === 59) {
                        await stage.redis.call("LTRIM", room.history, -20, -1);
                    }
                }
                const found = behind(await replay(room, members[0], seqs[0]), seqs[0]);
                assert.deepEqual(
                    found.map(({ seq }) => seq),
                    [...seqs.slice(1, 10), ...seqs.slice(40)],
                );
            });

            test("and gone with the room", async () => {
                const { room, clients } = await roomOf(1);
                for (let i = 0; i < 60; i++) {
                    await room.say(clients[0], `${i}`);
                }
                assert.ok((await room.exists()).includes("older"));
                await room.leave(clients[0]);
                assert.deepEqual(await room.exists(), []);
            });
        });

        test("gives numbers that grow and name the one before, whatever happens between", async () => {
            const { room, clients } = await roomOf(2);
            await room.say(clients[0], "one");
            await room.leave(clients[1]);
            await room.say(clients[0], "two");
            await room.join();
            const heard = await room.published();
            assert.equal(kindsOf(heard), "jjmlmj");
            heard.slice(1).forEach(({ seq, prev }, i) => {
                assert.equal(prev, heard[i].seq);
                assert.ok(BigInt(seq) > BigInt(prev));
            });
        });
    });

    describe("leaving", () => {
        test("is told once, with the count of those who stay", async () => {
            const { room, clients } = await roomOf(3);
            await room.published();
            assert.equal(await room.leave(clients[1]), "applied");
            assert.equal(await room.leave(clients[1]), "no_state");
            const [{ frame, kind, origin }, ...more] = await room.published();
            assert.deepEqual(frame, { type: "left", clientId: clients[1], roomId: room.name, members: 2 });
            assert.deepEqual([kind, origin, more.length], ["l", clients[1].slice(0, 20), 0]);
        });

        test("by the last one takes room and history away", async () => {
            const { room, clients } = await roomOf(2);
            await room.say(clients[0], "one");
            assert.deepEqual(await room.exists(), ["room", "members", "history", "moves"]);
            await room.leave(clients[0]);
            assert.deepEqual(await room.exists(), ["room", "members", "history", "moves"]);
            const last = (await room.published()).at(-1).seq;
            await room.leave(clients[1]);
            assert.deepEqual(await room.exists(), []);
            const next = await room.join();
            assert.deepEqual([next.count, next.history], [1, []]);
            assert.ok(BigInt(next.seq) > BigInt(last), "numbers never restart");
        });
    });

    describe("what was missed", () => {
        test("is told to who knows a number: messages and moves, as they were published", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.say(clients[0], "one");
            const guest = await room.join();
            await room.leave(guest.client);
            await room.say(clients[0], "two");
            const heard = (await room.published()).slice(2);
            const { history } = await room.join(clients[1], { reaps: false, known: members[1].seq });
            const missed = history.map(changeOf).filter(({ seq }) => BigInt(seq) > BigInt(members[1].seq));
            missed.sort((a, b) => Number(BigInt(a.seq) - BigInt(b.seq)));
            assert.deepEqual(
                missed,
                heard.map(({ seq, kind, origin, prev, frame }) => ({ seq, kind, origin, prev, frame })),
            );
        });

        test("of moves is kept up to a hundred", async () => {
            const { room, clients } = await roomOf(1);
            for (let i = 0; i < 60; i++) {
                await room.leave((await room.join()).client);
            }
            const { history } = await room.join(clients[0], { known: 1 });
            assert.equal(history.length, 100);
            assert.equal(changeOf(history.at(-1)).kind, "l");
        });

        test("is not told to a newcomer", async () => {
            const { room, clients } = await roomOf(3);
            await room.say(clients[0], "one");
            const late = await room.join();
            assert.deepEqual(textsOf(late), ["one"]);
        });
    });

    describe("the dead", () => {
        test("are told as left once, whoever reaps", async () => {
            const { room, clients } = await roomOf(4);
            await room.published();
            await room.die(clients[1]);
            await room.die(clients[2], 1000);
            const answers = await Promise.all(Array.from({ length: 8 }, () => room.reap()));
            assert.ok(answers.every(([outcome]) => outcome === "applied"));
            const heard = await room.published();
            assert.deepEqual(
                heard.map(({ frame }) => [frame.type, frame.clientId, frame.members]),
                [
                    ["left", clients[2], 3],
                    ["left", clients[1], 2],
                ],
            );
            assert.equal(await room.leave(clients[1]), "no_state");
        });

        test("are told as left before a newcomer is told as joined, and are not counted", async () => {
            const { room, clients } = await roomOf(2);
            await room.say(clients[0], "one");
            await room.published();
            await room.die(clients[0]);
            const late = await room.join();
            assert.deepEqual([late.count, textsOf(late)], [2, ["one"]]);
            const heard = await room.published();
            assert.deepEqual(
                heard.map(({ frame }) => [frame.type, frame.members]),
                [
                    ["left", 1],
                    ["joined", 2],
                ],
            );
        });

        test("when all are, the next one finds a new room without a history", async () => {
            const { room, clients, members } = await roomOf(2);
            await room.say(clients[0], "one");
            await room.die(clients[0]);
            await room.die(clients[1], 5);
            const late = await room.join();
            assert.deepEqual([late.count, late.history], [1, []]);
            assert.ok(BigInt(late.seq) > BigInt(members[1].seq));
            assert.deepEqual(await room.exists(), ["room", "members", "moves"]);
        });

        test("are left alone by one who comes while leases may have run out for no fault of theirs", async () => {
            const { room, clients } = await roomOf(2);
            await room.say(clients[0], "one");
            await room.die(clients[0]);
            await room.die(clients[1]);
            const late = await room.join(randomUUID(), { reaps: false });
            assert.deepEqual([late.count, textsOf(late), late.nextEnd], [3, ["one"], 0]);
        });

        test("with the last of them the room goes", async () => {
            const { room, clients } = await roomOf(1);
            await room.say(clients[0], "one");
            await room.die(clients[0]);
            assert.equal(await room.reap(), "no_state");
            assert.deepEqual(await room.exists(), []);
        });

        test("are not looked at", async () => {
            const { room, clients } = await roomOf(3);
            await room.die(clients[1]);
            const [outcome, count, ...rest] = await room.look();
            assert.deepEqual([outcome, count, rest.sort()], ["applied", 2, [clients[0], clients[2]].sort()]);
            assert.deepEqual(await new Room(stage).look(), ["applied", 0]);
        });

        test("in great numbers are taken out some at a time", async () => {
            const { room, clients } = await roomOf(1);
            const past = (await stage.redis.now()) - 1000;
            for (let i = 0; i < 250; i++) {
                await stage.redis.call("ZADD", room.members, past, randomUUID());
            }
            await room.published();
            assert.deepEqual(await room.reap(), ["applied", 0]);
            assert.deepEqual(await room.reap(), ["applied", 0]);
            const [, left] = await room.reap();
            assert.ok(left > 0, "the living one is next");
            const heard = await room.published();
            assert.deepEqual(
                heard.map(({ frame }) => frame.members),
                Array.from({ length: 250 }, (_, i) => 250 - i),
            );
            assert.deepEqual((await room.look()).slice(2), clients);
        });
    });

    describe("leases", () => {
        test("are as long as their owners say, and the answer tells which ends first", async () => {
            const room = new Room(stage);
            const long = await room.join(randomUUID(), { lease: 60000 });
            const short = await room.join(randomUUID(), { lease: 5000 });
            assert.ok(short.nextEnd > 4000 && short.nextEnd <= 5000, `${short.nextEnd}`);
            const [, afterShort] = await room.renew(short.client, 90000);
            assert.ok(afterShort > 50000 && afterShort <= 60000, `${afterShort}`);
            const [, afterLong] = await room.renew(long.client, 100000);
            assert.ok(afterLong > 80000 && afterLong <= 90000, `${afterLong}`);
        });

        test("of one who was taken out are not renewed", async () => {
            const { room, clients } = await roomOf(2);
            await room.die(clients[1]);
            await room.reap();
            await room.published();
            assert.equal(await room.renew(clients[1]), "no_state");
            assert.equal((await room.look())[1], 1);
            assert.deepEqual(await room.published(), []);
        });

        test("of one who is late, but was not taken out, are renewed without a word", async () => {
            const { room, clients } = await roomOf(2);
            await room.die(clients[1]);
            await room.published();
            const [outcome] = await room.renew(clients[1]);
            assert.equal(outcome, "applied");
            await room.reap();
            assert.deepEqual(await room.published(), []);
        });
    });

    test("do not stay for ever when everybody is gone without a word", async () => {
        const { room, clients } = await roomOf(1);
        await room.say(clients[0], "one");
        for (let i = 0; i < 50; i++) {
            await room.say(clients[0], "another");
        }
        for (const key of room.keys.slice(0, 5)) {
            const left = await stage.redis.call("PTTL", key);
            assert.ok(left > 86000000 && left <= 86400000, `${key}: ${left}`);
            await stage.redis.call("PEXPIRE", key, 1000);
        }
        await room.renew(clients[0]);
        for (const key of room.keys.slice(0, 5)) {
            assert.ok((await stage.redis.call("PTTL", key)) > 86000000, key);
        }
    });

    test("do not hear each other, and each has its keys in one slot", async () => {
        const [ann, bob] = [await roomOf(1), await roomOf(1)];
        await ann.room.published();
        await bob.room.say(bob.clients[0], "to bob's");
        assert.deepEqual(await ann.room.published(), []);
        assert.deepEqual(await bob.room.say(ann.clients[0], "from ann"), ["no_state"]);
        const slots = await Promise.all(ann.room.keys.map((key) => stage.redis.call("CLUSTER", "KEYSLOT", key)));
        assert.deepEqual(slots, Array(ann.room.keys.length).fill(slots[0]));
        const mixed = ann.room.keys.with(1, bob.room.members);
        await assert.rejects(stage.scripts.call("room_reap", mixed, [ann.room.name]), /CROSSSLOT/);
    });
});
