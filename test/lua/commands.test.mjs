// Commands of a player: outcomes, positions, numbers, and what is published.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { micros, ORIGIN, suiteStage, textOf } from "./lib/stage.mjs";

const T0 = Date.parse("2022-05-09T09:09:07Z");

describe("commands of a player", () => {
    const stage = suiteStage();

    async function after(...steps) {
        const user = stage.user();
        for (const [verb, ...args] of steps) {
            assert.equal(await user[verb](...args), "applied");
        }
        return user.state();
    }

    async function positionAfter(...steps) {
        return (await after(...steps)).pos;
    }

    describe("without a state", () => {
        for (const verb of ["pause", "resume", "seek"]) {
            test(`${verb} finds no state, keeps nothing and tells nobody`, async () => {
                const user = await stage.user().listen();
                assert.equal(await user[verb](T0, verb === "seek" ? "5" : undefined), "no_state");
                assert.equal(await user.state(), null);
                assert.deepEqual(await user.published(), []);
            });
        }

        test("a new track without a source is refused, keeps nothing and tells nobody", async () => {
            const user = await stage.user().listen();
            assert.equal(await user.newTrack(T0, { from: "" }), "refused");
            assert.equal(await user.newTrack(T0, { fromId: "" }), "refused");
            assert.equal(await user.newTrack(T0, { from: "", fromId: "" }), "refused");
            assert.equal(await user.state(), null);
            assert.deepEqual(await user.published(), []);
        });
    });

    describe("the state", () => {
        test("holds what a new track says, from position 0, playing", async () => {
            const user = stage.user();
            const before = await micros(stage.redis);
            await user.newTrack(T0, { track: '"a\\"b"', from: "playlist", fromId: "17" });
            const { upd, seq, ...rest } = await user.state();
            assert.deepEqual(rest, {
                track: '"a\\"b"',
                from: "playlist",
                from_id: "17",
                paused: "0",
                pos: "0",
                time: textOf(T0),
                at: String(T0),
                media: '"duration":0,"mediaId":"a\\"b"',
                details: "",
            });
            assert.ok(Number(upd) >= before && Number(upd) <= (await micros(stage.redis)), upd);
            assert.equal(seq, upd);
        });

        test("keeps the old source when a new track has none", async () => {
            const both = await after(["newTrack", T0], ["newTrack", T0 + 1, { track: "2", from: "", fromId: "" }]);
            assert.deepEqual([both.track, both.from, both.from_id], ["2", "album", "4"]);
            const id = await after(["newTrack", T0], ["newTrack", T0 + 1, { track: "2", from: "liked", fromId: "" }]);
            assert.deepEqual([id.track, id.from, id.from_id], ["2", "liked", "4"]);
            const from = await after(["newTrack", T0], ["newTrack", T0 + 1, { track: "2", from: "", fromId: "9" }]);
            assert.deepEqual([from.track, from.from, from.from_id], ["2", "album", "9"]);
        });

        test("of a new track begins anew, whatever was before", async () => {
            const before = [["newTrack", T0], ["seek", T0 + 5, "77"], ["pause", T0 + 9]];
            const state = await after(...before, ["newTrack", T0 + 20]);
            assert.deepEqual([state.paused, state.pos, state.time], ["0", "0", textOf(T0 + 20)]);
        });

        test("has the last command's time, also when that is an earlier one", async () => {
            for (const [verb, ...more] of [["pause"], ["resume"], ["seek", "3"], ["newTrack"]]) {
                const state = await after(["newTrack", T0], [verb, T0 - 5000, ...more]);
                assert.deepEqual([state.time, state.at], [textOf(T0 - 5000), String(T0 - 5000)], verb);
            }
        });

        test("never runs out of time", async () => {
            const user = stage.user();
            await user.newTrack(T0);
            assert.equal(await stage.redis.call("PTTL", user.player), -1);
        });
    });

    describe("positions", () => {
        test("on_pause while playing moves on by the time since the last command", async () => {
            assert.equal(await positionAfter(["newTrack", T0], ["pause", T0 + 15000]), "15");
        });

        test("on_pause while paused leaves it", async () => {
            assert.equal(await positionAfter(["newTrack", T0], ["pause", T0 + 15000], ["pause", T0 + 99000]), "15");
        });

        test("off_pause when paused leaves it", async () => {
            assert.equal(await positionAfter(["newTrack", T0], ["pause", T0 + 15000], ["resume", T0 + 99000]), "15");
        });

        test("off_pause when playing moves it on", async () => {
            assert.equal(await positionAfter(["newTrack", T0], ["resume", T0 + 20000]), "20");
        });

        test("change_position sets it as it is, paused or playing", async () => {
            const playing = await after(["newTrack", T0], ["seek", T0 + 1000, "12.345"]);
            assert.deepEqual([playing.pos, playing.paused], ["12.345", "0"]);
            const paused = await after(["newTrack", T0], ["pause", T0 + 1000], ["seek", T0 + 2000, "0"]);
            assert.deepEqual([paused.pos, paused.paused], ["0", "1"]);
        });

        test("time never runs backwards", async () => {
            for (const verb of ["pause", "resume"]) {
                const steps = [["newTrack", T0], ["seek", T0, "30"], [verb, T0 - 10000]];
                assert.equal(await positionAfter(...steps), "30", verb);
                assert.equal(await positionAfter(["newTrack", T0], ["seek", T0, "30"], [verb, T0]), "30", verb);
            }
        });

        test("milliseconds count and do not smear", async () => {
            assert.equal(await positionAfter(["newTrack", T0], ["pause", T0 + 345]), "0.345");
            const steps = [["newTrack", T0], ["seek", T0, "0.1"], ["resume", T0 + 200]];
            assert.equal(await positionAfter(...steps), "0.3"); // not 0.30000000000000004
        });

        test("the longest time there is fits", async () => {
            const first = Date.parse("0000-01-01T00:00:00Z");
            const last = Date.parse("9999-12-31T23:59:59.999Z");
            assert.equal(await positionAfter(["newTrack", first], ["pause", last]), "315569519999.999");
        });

        test("the largest position there is stays a number", async () => {
            const pos = await positionAfter(["newTrack", T0], ["seek", T0, "9007199254740991"], ["pause", T0 + 1000]);
            assert.equal(JSON.parse(pos), 9.00719925474099e15);
        });

        test("a thousand random commands agree with a model", async () => {
            const user = stage.user();
            let seed = 1;
            const random = (below) => {
                seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
                return Math.floor((seed / 2 ** 32) * below);
            };
            const model = { pos: 0, at: T0, paused: false };
            const advance = (at) => {
                if (!model.paused && at > model.at) {
                    model.pos = Number((model.pos + (at - model.at) / 1000).toPrecision(15));
                }
            };
            await user.newTrack(T0);
            for (let i = 0; i < 1000; i++) {
                const at = model.at + random(20000) - 5000;
                const what = random(10);
                if (what < 4) {
                    advance(at);
                    model.paused = true;
                    await user.pause(at);
                } else if (what < 8) {
                    advance(at);
                    model.paused = false;
                    await user.resume(at);
                } else if (what < 9) {
                    model.pos = random(1e6) / 1000;
                    await user.seek(at, String(model.pos));
                } else {
                    Object.assign(model, { pos: 0, paused: false });
                    await user.newTrack(at);
                }
                model.at = at;
                const state = await user.state();
                const found = { pos: Number(state.pos), paused: state.paused === "1", at: Number(state.at) };
                assert.deepEqual(found, model);
            }
        });
    });

    describe("numbers", () => {
        test("the first comes from Redis's clock in microseconds", async () => {
            const user = await stage.user().listen();
            const before = await micros(stage.redis);
            await user.newTrack(T0);
            const { seq } = await user.state();
            assert.match(seq, /^\d{16}$/);
            assert.ok(Number(seq) >= before && Number(seq) <= (await micros(stage.redis)), seq);
            assert.equal((await user.published())[0].seq, seq);
        });

        test("every further one is larger, whichever command it is, and names the one before", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.pause(T0);
            await user.resume(T0);
            await user.seek(T0, "1");
            await user.newTrack(T0);
            const told = await user.published();
            assert.equal(told.length, 5);
            told.slice(1).forEach(({ seq, prev }, i) => {
                assert.equal(prev, told[i].seq);
                assert.ok(BigInt(seq) > BigInt(prev));
            });
            assert.equal((await user.state()).seq, told.at(-1).seq);
        });

        test("it is the next one where Redis's clock is behind it", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await stage.redis.call("HSET", user.player, "seq", "8000000000000000");
            await user.pause(T0);
            await user.resume(T0);
            assert.equal((await user.state()).seq, "8000000000000002");
        });

        test("none is given twice when Redis forgets the newest changes", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            const kept = await stage.redis.call("HGETALL", user.player);
            await user.pause(T0);
            await user.seek(T0, "1");
            const forgotten = (await user.published()).map(({ seq }) => seq);
            await stage.redis.call("DEL", user.player);
            await stage.redis.call("HSET", user.player, ...kept);
            await user.seek(T0, "2");
            const [{ seq, prev }] = await user.published();
            assert.equal(prev, forgotten[0]);
            assert.ok(BigInt(seq) > BigInt(forgotten.at(-1)), `${seq} after ${forgotten}`);
        });

        test("a new state goes on above the lost one", async () => {
            const user = stage.user();
            await user.newTrack(T0);
            for (let i = 0; i < 20; i++) {
                await user.pause(T0);
            }
            const last = BigInt((await user.state()).seq);
            await stage.redis.call("DEL", user.player);
            await user.newTrack(T0);
            assert.ok(BigInt((await user.state()).seq) > last);
        });

        test("stay exact as long as they can be", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await stage.redis.call("HSET", user.player, "seq", String(2 ** 53 - 2));
            await user.pause(T0);
            assert.equal((await user.state()).seq, String(2 ** 53 - 1));
            assert.equal((await user.published()).at(-1).seq, String(2 ** 53 - 1));
        });
    });

    describe("publications", () => {
        test("one per command, with kind, origin, number, time and the message byte for byte", async () => {
            const user = await stage.user().listen();
            const messages = ['{"a":1}', '{ "a" : "\u00e9\\u00e9" }\n\n', " \t", "x".repeat(16384)];
            const verbs = [["newTrack"], ["pause"], ["resume"], ["seek", "1"]];
            const before = await micros(stage.redis);
            for (const [i, [verb, ...more]] of verbs.entries()) {
                await user[verb](T0 + i, ...more, { message: messages[i], origin: `origin-${i}` });
            }
            const after = await micros(stage.redis);
            const heard = await user.published();
            assert.equal(heard.length, 4);
            for (const [i, envelope] of heard.entries()) {
                assert.equal(envelope.kind, "nprs"[i]);
                assert.equal(envelope.origin, `origin-${i}`);
                assert.equal(envelope.message, messages[i]);
                assert.match(envelope.time, /^\d{16}$/);
                assert.ok(Number(envelope.time) >= before && Number(envelope.time) <= after, envelope.time);
            }
        });

        test("name the number before their own, and none at the beginning", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.pause(T0);
            await user.resume(T0);
            await user.seek(T0, "1");
            await user.newTrack(T0);
            const heard = await user.published();
            const before = ["0", ...heard.slice(0, -1).map(({ seq }) => seq)];
            assert.deepEqual(heard.map(({ prev }) => prev), before);
        });

        test("say the state for Socket.IO sockets as well", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0, { track: '"\u00e9"' });
            await user.seek(T0 + 1000, "7.5");
            await user.pause(T0 + 2500);
            await user.seek(T0 + 3000, "11");
            await user.resume(T0 + 4000);
            await user.resume(T0 + 5000);
            const states = (await user.published()).map(({ other }) => JSON.parse(other));
            const expected = [[true, 0], [true, 7.5], [false, 9], [false, 11], [true, 11], [true, 12]];
            const media = { duration: 0, mediaId: "\u00e9" };
            assert.deepEqual(
                states,
                expected.map(([isPlaying, currentTime]) => ({ isPlaying, currentTime, ...media })),
            );
        });

        test("say it with what is known of the media, until another track begins", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            const media = '"duration":9,"mediaId":1,"mediaTitle":"x"';
            await stage.redis.call("HSET", user.player, "media", media, "details", '9\u001f"x"\u001f\u001f\u001f');
            await user.pause(T0 + 1000);
            await user.newTrack(T0 + 2000, { track: "2" });
            const [, paused, next] = (await user.published()).map(({ other }) => other);
            assert.equal(paused, `{"isPlaying":false,"currentTime":1,${media}}`);
            assert.equal(next, '{"isPlaying":true,"currentTime":0,"duration":0,"mediaId":2}');
            assert.equal((await user.state()).details, "");
        });

        test("say it for a state that was written before there were media", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            for (const [verb, ...more] of [["pause"], ["resume"], ["seek", "3"]]) {
                await stage.redis.call("HDEL", user.player, "media", "details");
                assert.equal(await user[verb](T0, ...more), "applied");
                assert.equal(JSON.parse((await user.published()).at(-1).other).mediaId, 1);
            }
        });

        test("reach the user's channel alone", async () => {
            const [ann, bob] = [await stage.user().listen(), await stage.user().listen()];
            await ann.newTrack(T0, { message: "to ann" });
            assert.deepEqual(await bob.published(), []);
            const [{ origin, message }] = await ann.published();
            assert.deepEqual([origin, message], [ORIGIN, "to ann"]);
        });
    });
});
