// What a player may say, what becomes of the state, and who hears of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { at, changePosition, newTrack, NO_STATE, offPause, onPause, sameState, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";

describe("player messages", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    // A device on the first process, of a user whose state these messages make; and a witness on the second one.
    async function devices(...messages) {
        const user = site.user();
        const sender = await site.player(user, 0);
        const witness = await site.player(user, 1);
        const all = { user, sender, witness, say: (message) => say(all, message) };
        for (const message of messages) {
            await all.say(message);
        }
        return all;
    }

    async function say({ sender, witness }, message) {
        sender.send(message);
        await witness.receives(message);
    }

    async function stateAfter(...messages) {
        const { user, sender, witness } = await devices(...messages);
        await sender.hearsNothing();
        sender.terminate();
        witness.terminate();
        return site.stateOf(user);
    }

    describe("positions", () => {
        test("a new track starts at 0 and plays", async () => {
            assert.deepEqual(await stateAfter(newTrack(0)), state(0, 0));
        });

        test("a new track after a paused one plays from 0", async () => {
            const messages = [newTrack(0), changePosition(5, 77), onPause(10), newTrack(20, { track: 9 })];
            assert.deepEqual(await stateAfter(...messages), state(20, 0, { track: 9 }));
        });

        test("on_pause while playing moves the position on by the time since the last message", async () => {
            assert.deepEqual(await stateAfter(newTrack(0), onPause(15)), state(15, 15, { paused: true }));
        });

        test("on_pause while paused leaves the position where it is", async () => {
            const messages = [newTrack(0), onPause(15), onPause(100)];
            assert.deepEqual(await stateAfter(...messages), state(100, 15, { paused: true }));
        });

        test("on_pause with an earlier time than the last one does not move the position back", async () => {
            const messages = [newTrack(60), changePosition(60, 30), onPause(10)];
            assert.deepEqual(await stateAfter(...messages), state(10, 30, { paused: true }));
        });

        test("off_pause when paused leaves the position where it is", async () => {
            const messages = [newTrack(0), onPause(15), offPause(1000)];
            assert.deepEqual(await stateAfter(...messages), state(1000, 15));
        });

        test("off_pause when already playing moves the position on", async () => {
            assert.deepEqual(await stateAfter(newTrack(0), offPause(20)), state(20, 20));
        });

        test("off_pause when already playing, with an earlier time, does not move the position back", async () => {
            assert.deepEqual(await stateAfter(newTrack(100), offPause(20)), state(20, 0));
        });

        test("change_position while paused stays paused", async () => {
            const messages = [newTrack(0), onPause(15), changePosition(30, 84)];
            assert.deepEqual(await stateAfter(...messages), state(30, 84, { paused: true }));
        });

        test("change_position while playing goes on playing from there", async () => {
            const messages = [newTrack(0), changePosition(30, 84), onPause(35)];
            assert.deepEqual(await stateAfter(...messages), state(35, 89, { paused: true }));
        });

        test("change_position takes fractions and 0", async () => {
            sameState(await stateAfter(newTrack(0), changePosition(1, 12.345)), state(1, 12.345));
            sameState(await stateAfter(newTrack(0), changePosition(1, 0)), state(1, 0));
        });

        test("a position is kept as given, to the last digit", async () => {
            for (const position of [0.1, 1e-7, 5e-324, 1 / 3, 123456789.12345679, 1e15 + 0.5]) {
                const result = await stateAfter(newTrack(0), changePosition(1, position));
                assert.equal(result.last_sec_position, position);
                const paused = await stateAfter(newTrack(0), changePosition(1, position), onPause(1));
                assert.ok(Math.abs(paused.last_sec_position - position) <= position * 1e-14, `${position}`);
            }
        });

        test("positions add up over many pauses", async () => {
            const messages = [newTrack(0)];
            for (let i = 0; i < 10; i++) {
                messages.push(onPause(i * 20 + 3), offPause(i * 20 + 20));
            }
            assert.deepEqual(await stateAfter(...messages), state(200, 30));
        });

        test("fractions of seconds count", async () => {
            const pause = { type_push_state: "on_pause", time_state_update: "2022-05-09T09:09:12.345Z" };
            const result = await stateAfter(newTrack(0), pause);
            sameState(result, { ...state(0, 0.345, { paused: true }), time_state_update: pause.time_state_update });
        });

        test("the largest and the smallest times that exist do no harm", async () => {
            const early = { ...newTrack(0), time_state_update: "0001-01-01T00:00:00Z" };
            const late = { ...onPause(0), time_state_update: "9999-12-31T23:59:59.999Z" };
            const result = await stateAfter(early, late);
            assert.equal(result.on_pause, true);
            assert.ok(Math.abs(result.last_sec_position - 315537897599.999) < 0.001, `${result.last_sec_position}`);
        });
    });

    describe("times", () => {
        const accepted = [
            "2022-05-09T09:09:30+0000",
            "2022-05-09T09:09:30Z",
            "2022-05-09T09:09:30+00:00",
            "2022-05-09T09:09:30.000+0000",
            "2022-05-09T09:09:30.0Z",
            "2022-05-09T09:09:30.00+00:00",
            "2020-02-29T23:59:59Z",
            "2000-02-29T00:00:00Z",
            "2022-12-31T23:59:59.999+0000",
        ];
        for (const time of accepted) {
            test(`${time} is taken and stored as sent`, async () => {
                const result = await stateAfter({ ...newTrack(0), time_state_update: time });
                assert.equal(result.time_state_update, time);
            });
        }

        test("all forms of one moment mean the same moment", async () => {
            for (const time of [
                "2022-05-09T09:09:30Z",
                "2022-05-09T09:09:30.000+00:00",
                "2022-05-09T09:09:30.0+0000",
            ]) {
                const result = await stateAfter(newTrack(0), { ...onPause(0), time_state_update: time });
                assert.equal(result.last_sec_position, 18, time);
            }
        });

        const refused = [
            "2022-13-09T09:09:30+0000",
            "2022-00-09T09:09:30+0000",
            "2022-05-00T09:09:30+0000",
            "2022-05-32T09:09:30+0000",
            "2022-04-31T09:09:30+0000",
            "2022-02-29T09:09:30+0000",
            "1900-02-29T09:09:30+0000",
            "2022-05-09T24:00:00+0000",
            "2022-05-09T09:60:00+0000",
            "2022-05-09T09:09:60+0000",
            "2022-05-09T09:09:61+0000",
            "2022-05-09T09:09:30.1234Z",
            "2022-05-09T09:09:30.123456+0000",
            "2022-05-09T09:09:30.Z",
            "2022-05-09T09:09:30",
            "2022-05-09T09:09:30.5",
            "2022-05-09T09:09Z",
            "2022-05-09",
            "2022-05-09 09:09:30+0000",
            "2022-05-09T9:09:30+0000",
            "22-05-09T09:09:30+0000",
            "+2022-05-09T09:09:30Z",
            "20220509T090930Z",
            "2022-05-09T09:09:30Z ",
            " 2022-05-09T09:09:30Z",
            "2022-05-09T09:09:30ZZ",
            "2022-05-09T09:09:30+00",
            "2022-05-09T09:09:30+000",
            "2022-05-09T09:09:30+00000",
            "2022-05-09T09:09:30+0:00",
            "2022-05-09T09:09:30 +0000",
            "2022-05-09T09:09:30+2500",
            "2022-05-09T09:09:30+0060",
            "2022-05-09T-9:09:30+0000",
            "2022-05-09T09:09:3aZ",
            "٢٠٢٢-05-09T09:09:30Z",
            "now",
            "",
            1652087370,
            1652087370.5,
            null,
            true,
            [],
            {},
        ];
        test("a time that does not exist, or in any other form, is invalid_format and changes nothing", async () => {
            const { user, sender, witness, say: tell } = await devices(newTrack(0));
            for (const time of refused) {
                for (const message of [newTrack(0), onPause(0), offPause(0), changePosition(0, 5)]) {
                    await sender.refuses({ ...message, time_state_update: time });
                }
            }
            await tell(onPause(3));
            await witness.hearsNothing();
            assert.deepEqual(await site.stateOf(user), state(3, 3, { paused: true }));
        });

        test("the clock is the client's: years off are taken as sent", async () => {
            const past = { ...newTrack(0), time_state_update: "1970-01-01T00:00:00Z" };
            const pause = { ...onPause(0), time_state_update: "1970-01-01T00:00:07Z" };
            const result = await stateAfter(past, pause);
            assert.equal(result.time_state_update, "1970-01-01T00:00:07Z");
            assert.equal(result.last_sec_position, 7);
        });
    });

    describe("what a track is and where it is from", () => {
        test("a first new_track needs from_is and from_is_id", async () => {
            const user = site.user();
            const player = await site.player(user);
            const { from_is, from_is_id, ...bare } = newTrack(0);
            await player.refuses(bare);
            await player.refuses({ ...bare, from_is });
            await player.refuses({ ...bare, from_is_id });
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });

        test("later ones may leave out both, or either, and then the value is kept", async () => {
            const next = { type_push_state: "new_track", track_id: 7, time_state_update: at(10) };
            assert.deepEqual(await stateAfter(newTrack(0), next), state(10, 0, { track: 7 }));
            assert.deepEqual(
                await stateAfter(newTrack(0), { ...next, from_is: "album" }),
                state(10, 0, { track: 7, from: "album" }),
            );
            assert.deepEqual(
                await stateAfter(newTrack(0), { ...next, from_is_id: 12 }),
                state(10, 0, { track: 7, fromId: 12 }),
            );
        });

        for (const id of [
            0,
            1,
            -5,
            2147483648,
            9007199254740991,
            "abc",
            "5",
            "ü".repeat(64),
            "x".repeat(128),
            'a"\\b\n',
        ]) {
            test(`an id may be ${JSON.stringify(id).slice(0, 30)} and comes back as it was`, async () => {
                const result = await stateAfter(newTrack(0, { track: id, fromId: id }));
                assert.deepEqual(result, state(0, 0, { track: id, fromId: id }));
            });
        }

        test("an id of another kind is invalid_format", async () => {
            const user = site.user();
            const player = await site.player(user);
            for (const id of [1.5, null, true, [], {}, "", "x".repeat(129), "ü".repeat(65), 1e300]) {
                await player.refuses(newTrack(0, { track: id }));
                await player.refuses(newTrack(0, { fromId: id }));
            }
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });

        for (const from of ["album", "favorites", "radio_2", "_", "A1", "x".repeat(32)]) {
            test(`from_is may be ${from}`, async () => {
                assert.deepEqual(await stateAfter(newTrack(0, { from })), state(0, 0, { from }));
            });
        }

        test("from_is is refused unless it is an identifier of up to 32 letters, digits and _", async () => {
            const user = site.user();
            const player = await site.player(user);
            for (const from of ["", "x".repeat(33), "a b", "a-b", "плейлист", "a\n", "{", 5, null, true, [], {}]) {
                await player.refuses(newTrack(0, { from }));
            }
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });
    });

    describe("forms", () => {
        const nested = ({ type_push_state, ...data }) => ({ type_push_state, data });

        test("the fields may be flat or nested under data", async () => {
            const messages = [newTrack(0), changePosition(10, 50), onPause(15), offPause(20), onPause(21)];
            assert.deepEqual(await stateAfter(...messages), state(21, 56, { paused: true }));
            assert.deepEqual(await stateAfter(...messages.map(nested)), state(21, 56, { paused: true }));
        });

        test("both forms may be mixed in one conversation", async () => {
            const messages = [nested(newTrack(0)), changePosition(10, 50), nested(onPause(15))];
            assert.deepEqual(await stateAfter(...messages), state(15, 55, { paused: true }));
        });

        test("when there is an object under data, its fields count and the flat ones do not", async () => {
            const message = { ...newTrack(0), data: { ...newTrack(5, { track: "nested", fromId: 8 }) } };
            assert.deepEqual(await stateAfter(message), state(5, 0, { track: "nested", fromId: 8 }));
            const user = site.user();
            const player = await site.player(user);
            await player.refuses({ ...newTrack(0), data: {} });
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });

        test("data that is no object is an unknown field like any other", async () => {
            for (const data of ["text", 5, null, true]) {
                assert.deepEqual(await stateAfter({ ...newTrack(0), data }), state(0, 0));
            }
        });

        test("unknown fields do no harm", async () => {
            const message = { ...newTrack(0), device: "tv", nested: { a: [1, 2, { b: null }] }, on_pause: true };
            assert.deepEqual(await stateAfter(message), state(0, 0));
        });
    });

    describe("forwarding", () => {
        const odd = [
            `{ "type_push_state" :\t"on_pause",\n\n  "time_state_update":"${at(30)}"  }`,
            `\n\t {"time_state_update":"${at(31)}","type_push_state":"off_pause"}\r\n `,
            `{"type_push_state":"\\u006f\\u006E_pause","time_state_update":"${at(32)}","x":"\\u00fc\\ud83d\\ude00\\/"}`,
            `{"type_push_state":"on_pause","time_state_update":"${at(33)}","naïve":"日本語 😀 \u2028 \u007f"}`,
            `{"type_push_state":"change_position","last_sec_position":1.50e1,"time_state_update":"${at(34)}"}`,
            `{"type_push_state":"change_position","last_sec_position":15.000000,"time_state_update":"${at(35)}"}`,
            `{"type_push_state":"new_track","track_id":2,"time_state_update":"${at(36)}","z":[{},[],-0.0,1E5,null]}`,
            `{"data":{"time_state_update":"${at(37)}","more":{"deep":[[[[]]]]}},"type_push_state":"on_pause"}`,
            `{"type_push_state":"on_pause","time_state_update":"${at(38)}","pad":"${"x".repeat(10000)}"}`,
        ];

        test("a message reaches all other devices on all processes byte for byte, in order, never its sender", async () => {
            const user = site.user();
            const all = [];
            for (const on of [0, 1, 0, 1, 0]) {
                all.push(await site.player(user, on));
            }
            for (const sender of [all[0], all[1]]) {
                sender.send(newTrack(0));
                for (const other of all.filter((one) => one !== sender)) {
                    await other.receives(newTrack(0));
                }
                for (const message of odd) {
                    sender.send(message);
                }
                for (const other of all.filter((one) => one !== sender)) {
                    for (const message of odd) {
                        await other.receives(message);
                    }
                }
            }
            // Had a sender got a message of its own, it would come before this one.
            all[2].send(offPause(50));
            for (const other of all.filter((one) => one !== all[2])) {
                await other.receives(offPause(50));
            }
            await all[2].hearsNothing();
        });

        test("three hundred devices of one user all hear the same", async () => {
            const user = site.user();
            const all = await Promise.all(Array.from({ length: 300 }, (_, i) => site.player(user, i % 2)));
            all[0].send(newTrack(0));
            await Promise.all(all.slice(1).map((player) => player.receives(newTrack(0))));
            all[1].send(onPause(5));
            await Promise.all(all.filter((_, i) => i !== 1).map((player) => player.receives(onPause(5))));
            all.forEach((player) => player.terminate());
        });

        test("a message of 16 KiB is forwarded whole", async () => {
            const { say: tell } = await devices(newTrack(0));
            const head = `{"type_push_state":"on_pause","time_state_update":"${at(5)}","pad":"`;
            const message = `${head}${"x".repeat(16384 - head.length - 2)}"}`;
            assert.equal(message.length, 16384);
            await tell(message);
        });

        test("other users hear nothing", async () => {
            const stranger = await site.player(site.user(), 1);
            const { say: tell } = await devices(newTrack(0), onPause(4));
            await tell(offPause(8));
            await stranger.hearsNothing();
            assert.deepEqual(JSON.parse(stranger.first), NO_STATE);
        });

        test("a device that joins in the middle of a stream gets state and messages without gap or duplicate", async () => {
            const { user, sender, witness } = await devices(newTrack(0, { track: 0 }));
            const total = 400;
            const joiners = [];
            for (let i = 1; i <= total; i++) {
                sender.send(newTrack(i, { track: i }));
                if (i % 20 === 0) {
                    joiners.push(site.player(user, (i / 20) % 2));
                    await sender.hearsNothing();
                }
            }
            for (let i = 1; i <= total; i++) {
                await witness.receives(newTrack(i, { track: i }));
            }
            for (const joiner of await Promise.all(joiners)) {
                let known = JSON.parse(joiner.first).track_id;
                while (known < total) {
                    const { track_id } = await joiner.nextJson();
                    assert.equal(track_id, known + 1);
                    known = track_id;
                }
                await joiner.hearsNothing();
            }
        });
    });

    describe("no state", () => {
        test("every command but new_track is answered no_track_state and nobody hears of it", async () => {
            const { user, sender, witness } = await devices();
            for (const message of [onPause(0), offPause(0), changePosition(0, 5)]) {
                assert.deepEqual(await sender.ask(message), NO_STATE);
            }
            await witness.hearsNothing();
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });

        test("a malformed command is invalid_format also where there is no state", async () => {
            const player = await site.player(site.user());
            await player.refuses({ type_push_state: "on_pause" });
        });
    });

    describe("ping", () => {
        for (const t of [
            0,
            1,
            -1.5,
            1e21,
            "",
            'ü 😀 " \\ \n',
            true,
            false,
            null,
            [],
            [1, [2]],
            {},
            { a: { b: [null] } },
        ]) {
            test(`t may be ${JSON.stringify(t)} and comes back`, async () => {
                const player = await site.player(site.user());
                const before = await site.redis.now();
                const answer = await player.ask({ type_push_state: "ping", t });
                assert.equal(answer.type_push_state, "pong");
                assert.deepEqual(answer.t, t);
                assert.deepEqual(Object.keys(answer).sort(), ["server_time", "t", "type_push_state"]);
                assert.ok(Number.isInteger(answer.server_time), "server_time is in whole milliseconds");
                assert.ok(Math.abs(answer.server_time - before) < 10000, "server_time is Redis's clock");
            });
        }

        test("a large t comes back whole", async () => {
            const player = await site.player(site.user());
            const t = { text: "x".repeat(15000), list: Array.from({ length: 100 }, (_, i) => i) };
            assert.deepEqual((await player.ask({ type_push_state: "ping", t })).t, t);
        });

        test("a ping is nobody else's business and makes no state", async () => {
            const { user, sender, witness } = await devices();
            await sender.hearsNothing();
            await witness.hearsNothing();
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });
    });

    describe("extended=1", () => {
        const extended = { query: { extended: "1" } };

        test("the state also carries seq, server_time and devices", async () => {
            const { user, sender } = await devices(newTrack(0));
            sender.terminate();
            const before = await site.redis.now();
            const player = await site.player(user, 0, extended);
            const { seq, server_time, devices: count, ...six } = JSON.parse(player.first);
            assert.deepEqual(six, state(0, 0));
            assert.ok(Number.isSafeInteger(seq) && seq > 0, `seq ${seq}`);
            assert.ok(server_time >= before && server_time <= (await site.redis.now()), `server_time ${server_time}`);
            assert.ok(Number.isInteger(count) && count >= 2, `devices ${count}`);
        });

        test("devices counts the user's devices on all processes", async () => {
            const { user } = await devices(newTrack(0));
            const third = await site.player(user, 0, extended);
            const fourth = await site.player(user, 1, extended);
            assert.equal(JSON.parse(third.first).devices, 3);
            assert.equal(JSON.parse(fourth.first).devices, 4);
            await fourth.close();
            const again = await site.stateWhen(user, (found) => found.devices === 4, 0, extended);
            assert.equal(again.devices, 4);
        });

        test("seq grows with every change, whichever process makes it", async () => {
            const { user, sender, witness } = await devices(newTrack(0));
            let last = 0;
            for (let i = 1; i <= 6; i++) {
                const [from, to] = i % 2 ? [sender, witness] : [witness, sender];
                from.send(onPause(i));
                await to.receives(onPause(i));
                const { seq } = await site.stateOf(user, i % 2, extended);
                assert.ok(seq > last, `${seq} after ${last}`);
                last = seq;
            }
        });

        test("messages of other devices come byte for byte to extended clients as well", async () => {
            const { user, sender, witness } = await devices(newTrack(0));
            const player = await site.player(user, 1, extended);
            sender.send(onPause(9));
            await player.receives(onPause(9));
            await witness.receives(onPause(9));
        });

        test("clients that did not ask never see the additional fields", async () => {
            const { user } = await devices(newTrack(0));
            for (const query of [{}, { extended: "0" }, { extended: "" }, { other: "1" }]) {
                const found = await site.stateOf(user, 0, { query });
                assert.deepEqual(found, state(0, 0), JSON.stringify(query));
            }
        });
    });

    test("many messages in one segment are all applied, in order", async () => {
        const { user, sender, witness } = await devices(newTrack(0));
        const messages = Array.from({ length: 300 }, (_, i) => changePosition(i, i));
        messages.forEach((message) => sender.send(message));
        for (const message of messages) {
            await witness.receives(message);
        }
        assert.deepEqual(await site.stateOf(user), state(299, 299));
    });
});
