// Playback: one state per user, whatever it speaks. Socket.IO sockets and REST change it and hear of it, once; with
// /player devices: sio_playback_player.test.mjs.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep } from "./lib/patience.mjs";
import { command, hears, hearsState, NOTHING, PAUSED, playbackOn, SONG, update } from "./lib/playback.mjs";
import { newTrack, NO_STATE, onPause } from "./lib/scenario.mjs";
import { eventOf, eventPacket, hearsNothing } from "./lib/sio.mjs";
import { suiteSite } from "./lib/site.mjs";

const NESTED = {
    isPlaying: true,
    currentTime: 12.5,
    duration: 200,
    media: { id: 7, title: SONG.mediaTitle, artist: SONG.mediaArtist, album: SONG.mediaAlbum, type: "music" },
};

let numbers = 1000000 + Math.floor(Math.random() * 1e9);

describe("playback", { concurrency: 16 }, () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0, "orphan-grace": 1 } });
    const { mixed, nowPlaying, pair, pairWith, rest } = playbackOn(site);

    describe("playback_state_update", () => {
        test("reaches all the user's sockets, the sender's too, in the reference's form", async () => {
            const { user, a, b } = await pair();
            update(a, SONG);
            for (const wire of [a, b]) {
                const got = await hearsState(wire);
                assert.deepEqual(got, { userId: user, ...SONG });
            }
            await Promise.all([a, b].map(hearsNothing));
        });

        test("the order of the keys is that of the reference", async () => {
            const { a } = await pair();
            update(a, SONG);
            const keys = Object.keys(await hearsState(a));
            assert.deepEqual(keys, [
                "userId",
                "isPlaying",
                "currentTime",
                "duration",
                "mediaId",
                "mediaTitle",
                "mediaArtist",
                "mediaAlbum",
                "mediaType",
            ]);
        });

        test("userId is a number when the user's text is an integer below 2^53; the payload's is ignored", async () => {
            const number = ++numbers;
            for (const [user, expected] of [
                [String(number), number],
                ["-5", -5],
                ["007", "007"],
                ["9007199254740993", "9007199254740993"],
                ["1e3", "1e3"],
                ['user "x" \\ й', 'user "x" \\ й'],
            ]) {
                const wire = await site.wireOf(user, 0);
                const other = await site.wireOf(site.user(), 0);
                wire.takeAll();
                update(wire, { ...SONG, userId: 1, user: "other", sub: "other" });
                assert.deepEqual((await hearsState(wire)).userId, expected, user);
                await hearsNothing(other);
            }
        });

        test("media may be an object of its own", async () => {
            const { user, a, b } = await pair();
            update(a, NESTED);
            assert.deepEqual(await hearsState(a), { userId: user, ...SONG });
            assert.deepEqual(await hearsState(b), { userId: user, ...SONG });
        });

        test("without duration and titles: duration 0, no titles", async () => {
            const { user, a } = await pair();
            update(a, { isPlaying: false, currentTime: 0, mediaId: "track/1" });
            assert.deepEqual(await hearsState(a), {
                userId: user,
                isPlaying: false,
                currentTime: 0,
                duration: 0,
                mediaId: "track/1",
            });
        });

        test("socketId leaves that socket out, whichever it is", async () => {
            const { a, b } = await pair();
            update(a, { ...PAUSED, socketId: a.socket.sid });
            await hearsState(b);
            await hearsNothing(a);
            update(a, { ...PAUSED, currentTime: 50, socketId: b.socket.sid });
            assert.equal((await hearsState(a)).currentTime, 50);
            await hearsNothing(b);
            update(a, { ...PAUSED, currentTime: 70, socketId: "nobody-at-all-20bytes" });
            assert.equal((await hearsState(a)).currentTime, 70);
            assert.equal((await hearsState(b)).currentTime, 70);
        });

        test("socketId does not appear in what is emitted", async () => {
            const { a, b } = await pair();
            update(a, { ...PAUSED, socketId: a.socket.sid });
            assert.ok(!("socketId" in (await hearsState(b))));
        });

        test("an acknowledgement says ok", async () => {
            const { a } = await pair();
            a.send(`4217${JSON.stringify(["playback_state_update", PAUSED])}`);
            const heard = [await a.next(), await a.next()];
            assert.ok(heard.includes('4317[{"ok":true}]'), String(heard));
        });

        test("numbers, ids and texts come out as they went in", async () => {
            const { a } = await pair();
            for (const state of [
                { ...PAUSED, currentTime: 0.1, duration: 0.30000000000000004 },
                { ...PAUSED, currentTime: 0, duration: 0 },
                { ...PAUSED, currentTime: 123456789.125, duration: 9007199254740991 },
                { ...PAUSED, mediaId: 9007199254740991 },
                { ...PAUSED, mediaId: -1 },
                { ...PAUSED, mediaId: 0 },
                { ...PAUSED, mediaId: "0" },
                { ...PAUSED, mediaId: "null" },
                { ...PAUSED, mediaId: "x".repeat(128) },
                { ...PAUSED, mediaId: '\u{1F3B5}\u2028\u0001\u001f\u001e\n\t"\\/' },
                {
                    ...PAUSED,
                    mediaTitle: "",
                    mediaArtist: "\u001f\u001e,|",
                    mediaAlbum: "x".repeat(1024),
                    mediaType: "video",
                },
            ]) {
                update(a, state);
                const { userId, ...got } = await hearsState(a);
                assert.ok(userId);
                assert.deepEqual(got, state);
            }
        });

        test("the last of many wins, and everybody heard all of them in the same order", async () => {
            const { user, a, b } = await pair();
            for (let i = 0; i < 50; i++) {
                update(i % 2 ? a : b, { ...PAUSED, currentTime: i });
            }
            const lists = [[], []];
            for (const [i, wire] of [a, b].entries()) {
                while (lists[i].length < 50) {
                    lists[i].push((await hearsState(wire)).currentTime);
                }
            }
            assert.deepEqual(lists[0], lists[1]);
            assert.equal((await nowPlaying(user)).currentTime, lists[0].at(-1));
        });
    });

    describe("what is invalid is answered, and changes nothing", () => {
        const good = { isPlaying: true, currentTime: 1, duration: 2, mediaId: 3 };
        const without = (name) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
        const updates = {
            "no payload": undefined,
            null: null,
            "a number": 5,
            "a text": "playing",
            "an array": [good],
            "no isPlaying": without("isPlaying"),
            "isPlaying as text": { ...good, isPlaying: "true" },
            "isPlaying as number": { ...good, isPlaying: 1 },
            "isPlaying null": { ...good, isPlaying: null },
            "no currentTime": without("currentTime"),
            "currentTime as text": { ...good, currentTime: "1" },
            "currentTime below 0": { ...good, currentTime: -0.001 },
            "currentTime null": { ...good, currentTime: null },
            "duration below 0": { ...good, duration: -1 },
            "duration as text": { ...good, duration: "2" },
            "mediaId an object": { ...good, mediaId: {} },
            "mediaId a fraction": { ...good, mediaId: 1.5 },
            "mediaId a boolean": { ...good, mediaId: true },
            "mediaId too long": { ...good, mediaId: "x".repeat(129) },
            "mediaId empty": { ...good, mediaId: "" },
            "a title too long": { ...good, mediaTitle: "x".repeat(1025) },
            "a title as number": { ...good, mediaTitle: 5 },
            "an artist as object": { ...good, mediaArtist: {} },
            "media as text": { isPlaying: true, currentTime: 1, media: "x" },
            "a title in media too long": { ...good, media: { id: 3, title: "x".repeat(1025) } },
        };
        for (const [what, payload] of Object.entries(updates)) {
            test(`playback_state_update: ${what}`, () => refused("playback_state_update", payload));
        }
        test("playback_state_update: currentTime not finite", () =>
            refused("playback_state_update", '{"isPlaying":true,"currentTime":1e999,"mediaId":3}'));

        const commands = {
            "no payload": undefined,
            null: null,
            "a text": "play",
            "no command": {},
            "an unknown command": { command: "stop" },
            "a command in capitals": { command: "PLAY" },
            "a command of Object": { command: "toString" },
            "command a number": { command: 1 },
            "seek without value": { command: "seek" },
            "seek with null": { command: "seek", value: null },
            "seek with text": { command: "seek", value: "10" },
            "seek below 0": { command: "seek", value: -1 },
        };
        for (const [what, payload] of Object.entries(commands)) {
            test(`carplay_command: ${what}`, () => refused("carplay_command", payload));
        }
        test("carplay_command: seek not finite", () => refused("carplay_command", '{"command":"seek","value":1e400}'));

        async function refused(name, payload) {
            const { user, a, b } = await pairWith(PAUSED);
            const args =
                payload === undefined
                    ? ""
                    : `,${typeof payload === "string" && payload[0] === "{" ? payload : JSON.stringify(payload)}`;
            a.send(`42["${name}"${args}]`);
            const error = await hears(a, "error");
            assert.deepEqual(Object.keys(error), ["code", "message"]);
            assert.match(error.code, /^[a-z_]+$/);
            assert.ok(error.message.length > 0);
            a.send(`425["${name}"${args}]`);
            const heard = [await a.next(), await a.next()];
            const ack = heard.find((packet) => packet.startsWith("435"));
            const said = JSON.parse(ack.slice(3));
            assert.deepEqual(said, [{ ok: false, error: error.code, message: error.message }]);
            const again = eventOf(heard.find((packet) => packet !== ack));
            assert.deepEqual(again, ["error", error]);
            await hearsNothing(a);
            await hearsNothing(b);
            assert.deepEqual(await nowPlaying(user), { userId: user, ...PAUSED });
        }

        test("an update without media needs a state", async () => {
            const { a } = await pair();
            update(a, { isPlaying: true, currentTime: 1 });
            await hears(a, "error");
            await hearsNothing(a);
        });
    });

    describe("titles", () => {
        test("of the same media that an update leaves out are kept", async () => {
            const { user, a, b } = await pairWith(PAUSED);
            update(a, { isPlaying: false, currentTime: 20, mediaId: 7 });
            assert.deepEqual(await hearsState(b), { userId: user, ...PAUSED, currentTime: 20 });
            update(a, { isPlaying: false, currentTime: 21, mediaId: 7, mediaTitle: "Neu" });
            assert.deepEqual(await hearsState(b), { userId: user, ...PAUSED, currentTime: 21, mediaTitle: "Neu" });
        });

        test("of other media are gone", async () => {
            const { user, a, b } = await pairWith(PAUSED);
            update(a, { isPlaying: false, currentTime: 0, mediaId: 8 });
            const expected = { userId: user, isPlaying: false, currentTime: 0, duration: 0, mediaId: 8 };
            assert.deepEqual(await hearsState(b), expected);
            assert.deepEqual(await nowPlaying(user), expected);
        });

        test("are told to those who connect and those who ask", async () => {
            const { user } = await pairWith(PAUSED);
            const late = await site.wireOf(user, 1);
            assert.deepEqual(await hearsState(late), { userId: user, ...PAUSED });
            assert.deepEqual(await nowPlaying(user), { userId: user, ...PAUSED });
        });
    });

    describe("mediaId null clears the state", () => {
        for (const cleared of [
            { isPlaying: false, currentTime: 0, duration: 0, mediaId: null },
            { isPlaying: true, currentTime: 5, duration: 10, mediaId: null, mediaTitle: "x" },
            { isPlaying: false, currentTime: 0, media: { id: null } },
        ]) {
            test(`for everybody: ${JSON.stringify(cleared)}`, async () => {
                const { user, socket, player } = await mixed(SONG);
                const other = await site.wireOf(user, 1);
                await hearsState(other);
                update(socket, cleared);
                for (const wire of [socket, other]) {
                    assert.deepEqual(await hearsState(wire), { userId: user, ...NOTHING });
                    await hearsNothing(wire);
                }
                assert.deepEqual(await player.nextJson(), NO_STATE);
                await player.hearsNothing();
                assert.deepEqual(await site.stateOf(user), NO_STATE);
                assert.deepEqual(await nowPlaying(user), { userId: user, ...NOTHING });
                const late = await site.wireOf(user, 1);
                await hearsNothing(late);
                assert.deepEqual(await player.ask(onPause(50)), NO_STATE);
            });
        }

        test("afterwards a new state begins from scratch", async () => {
            const { user, socket, player } = await mixed(SONG);
            update(socket, { isPlaying: false, currentTime: 0, mediaId: null });
            await hearsState(socket);
            assert.deepEqual(await player.nextJson(), NO_STATE);
            player.send(newTrack(3));
            assert.deepEqual(await hearsState(socket), {
                userId: user,
                isPlaying: true,
                currentTime: 0,
                duration: 0,
                mediaId: 2,
            });
        });

        test("where there is none, changes nothing", async () => {
            const { user, a } = await pair();
            const player = await site.player(user, 1);
            update(a, { isPlaying: false, currentTime: 0, mediaId: null });
            a.send(`421["carplay_command",{"command":"next"}]`);
            for (;;) {
                if ((await a.next()) === '431[{"ok":true}]') {
                    break;
                }
            }
            const frames = player.takeAll().map((text) => JSON.parse(text));
            assert.ok(frames.every((frame) => frame.type_push_state === "no_track_state"));
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });
    });

    describe("carplay_command", () => {
        test("reaches all the user's sockets, the sender's too, and nobody else's", async () => {
            const { a, b } = await pair();
            const stranger = await site.wireOf(site.user(), 1);
            for (const payload of [
                { command: "play" },
                { command: "pause" },
                { command: "next" },
                { command: "previous" },
                { command: "seek", value: 0 },
                { command: "seek", value: 30.5 },
            ]) {
                command(a, payload);
                assert.deepEqual(await hears(a, "carplay_command"), payload);
                assert.deepEqual(await hears(b, "carplay_command"), payload);
            }
            await Promise.all([a, b, stranger].map(hearsNothing));
        });

        test("works without a state, and makes none", async () => {
            const { user, a } = await pair();
            for (const name of ["play", "pause", "next"]) {
                a.send(`423["carplay_command",{"command":"${name}"}]`);
                const heard = [await a.next(), await a.next()];
                assert.ok(heard.includes('433[{"ok":true}]'), String(heard));
            }
            assert.deepEqual(await nowPlaying(user), { userId: user, ...NOTHING });
            assert.deepEqual(await site.stateOf(user), NO_STATE);
        });

        test("pause, play and seek are applied to the state", async () => {
            const { user, a } = await pairWith({ ...SONG, currentTime: 50 });
            command(a, { command: "pause" });
            await hears(a, "carplay_command");
            const paused = await nowPlaying(user);
            assert.equal(paused.isPlaying, false);
            assert.ok(paused.currentTime >= 50 && paused.currentTime < 50 + patient(2000) / 1000);
            command(a, { command: "seek", value: 7 });
            await hears(a, "carplay_command");
            assert.equal((await nowPlaying(user)).currentTime, 7);
            command(a, { command: "play" });
            await hears(a, "carplay_command");
            assert.equal((await nowPlaying(user)).isPlaying, true);
            assert.equal((await nowPlaying(user)).mediaTitle, SONG.mediaTitle);
        });

        test("over REST: to all sockets and /player devices, counted", async () => {
            const { user, socket, player } = await mixed(SONG);
            const second = await site.wireOf(user, 1);
            await hearsState(second);
            const answer = await rest(user, "/api/carplay/control", { on: 1, body: { command: "pause", value: null } });
            assert.equal(answer.status, 200, answer.text);
            assert.deepEqual(answer.json(), { ok: true, devices: 3 });
            for (const wire of [socket, second]) {
                assert.deepEqual(await hears(wire, "carplay_command"), { command: "pause" });
                await hearsNothing(wire);
            }
            assert.equal((await player.nextJson()).type_push_state, "on_pause");
            await player.hearsNothing();
        });
    });

    describe("clocks", () => {
        test("a state that plays is told on connection and to REST as it stands now", async () => {
            const user = site.user();
            const first = await site.wireOf(user, 0);
            const began = Date.now();
            update(first, { ...SONG, currentTime: 100 });
            await hearsState(first);
            await sleep(700);
            const late = await site.wireOf(user, 1);
            const { currentTime } = await hearsState(late);
            const most = (Date.now() - began) / 1000;
            assert.ok(currentTime >= 100.69 && currentTime <= 100 + most, `${currentTime}`);
            const now = (await nowPlaying(user)).currentTime;
            assert.ok(now >= currentTime && now <= 100 + (Date.now() - began) / 1000, `${now}`);
        });

        test("a phone 30 s ahead and a car do not take seconds from each other", async () => {
            const user = site.user();
            const car = await site.wireOf(user, 0);
            const phone = await site.player(user, 1);
            const ahead = (extra = 0) => new Date(Date.now() + 30000 + extra).toISOString();
            const began = Date.now();
            const passed = () => (Date.now() - began) / 1000;
            phone.send({ ...newTrack(0), time_state_update: ahead() });
            await hearsState(car);
            await sleep(600);
            const mid = (await nowPlaying(user)).currentTime;
            assert.ok(mid >= 0.5 && mid <= passed(), `REST: ${mid}`);
            command(car, { command: "pause" });
            await hears(car, "carplay_command");
            const pause = await phone.nextJson();
            assert.equal(pause.type_push_state, "on_pause");
            const stopped = (await nowPlaying(user)).currentTime;
            assert.ok(stopped >= mid && stopped <= passed(), `pause: ${stopped}`);
            // In the phone's clock, the pause is as far from the beginning as in everybody's.
            phone.send({ type_push_state: "off_pause", time_state_update: ahead() });
            const playing = await hearsState(car);
            assert.ok(Math.abs(playing.currentTime - stopped) < 0.01, `off_pause: ${playing.currentTime}`);
            await sleep(500);
            const before = passed();
            phone.send({ type_push_state: "on_pause", time_state_update: ahead() });
            const { currentTime } = await hearsState(car);
            assert.ok(
                currentTime >= stopped + 0.45 && currentTime <= stopped + (passed() - before) + 2,
                `${currentTime}`,
            );
            assert.ok(currentTime <= passed(), `on_pause: ${currentTime}`);
        });

        test("a car's state paused by a phone 30 s ahead is where it was", async () => {
            const user = site.user();
            const car = await site.wireOf(user, 0);
            const began = Date.now();
            update(car, { ...SONG, currentTime: 40 });
            await hearsState(car);
            const phone = await site.player(user, 1);
            await sleep(300);
            command(car, { command: "seek", value: 60 });
            await hears(car, "carplay_command");
            assert.equal((await phone.nextJson()).last_sec_position, 60);
            await sleep(300);
            const { currentTime } = await nowPlaying(user);
            assert.ok(currentTime >= 60.29 && currentTime <= 60 + (Date.now() - began) / 1000, `${currentTime}`);
        });
    });

    describe("the ghost", () => {
        test("a Socket.IO socket keeps the track playing; when the last is gone it reads as paused", async () => {
            const { user, socket, player } = await mixed({ ...SONG, currentTime: 10 });
            await player.close();
            await sleep(1500);
            assert.equal((await nowPlaying(user)).isPlaying, true, "a socket is alive");
            await socket.close();
            await sleep(patient(1500));
            const found = await nowPlaying(user);
            assert.equal(found.isPlaying, false);
            assert.ok(
                found.currentTime >= 11 && found.currentTime <= 10 + patient(3000) / 1000,
                `${found.currentTime}`,
            );
        });
    });

    test("ping is answered by pong, to the sender alone", async () => {
        const { a, b } = await pair();
        a.send(eventPacket("ping"));
        assert.equal(await a.next(), eventPacket("pong"));
        await hearsNothing(b);
    });
});
