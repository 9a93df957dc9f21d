// Playback and player: Socket.IO sockets and /player devices of a user hear of each other's changes, each in its own
// words, once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Mirror } from "./lib/mirror.mjs";
import { patient, sleep, until } from "./lib/patience.mjs";
import { command, hears, hearsState, PAUSED, playbackOn, SONG, update } from "./lib/playback.mjs";
import { changePosition, newTrack, offPause, onPause } from "./lib/scenario.mjs";
import { eventOf, hearsNothing } from "./lib/sio.mjs";
import { suiteSite } from "./lib/site.mjs";

describe("playback and player", { concurrency: 16 }, () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0, "orphan-grace": 1 } });
    const { mixed, nowPlaying } = playbackOn(site);

    describe("/player devices hear of Socket.IO's changes in their own words", () => {
        // Before, update (of where it stands now), the types that /player is told. Half a second either way is no jump.
        const table = [
            ["a first state, playing from 0", null, { ...SONG, currentTime: 0 }, ["new_track"]],
            ["a first state, playing", null, SONG, ["new_track", "change_position"]],
            ["a first state, paused", null, PAUSED, ["new_track", "change_position", "on_pause"]],
            ["a first state, paused at 0", null, { ...PAUSED, currentTime: 0 }, ["new_track", "on_pause"]],
            ["another title, playing", PAUSED, { ...SONG, mediaId: 8, currentTime: 0 }, ["new_track"]],
            [
                "another title, paused",
                SONG,
                { ...PAUSED, mediaId: 8, currentTime: 3 },
                ["new_track", "change_position", "on_pause"],
            ],
            ["a number becomes a text", PAUSED, { ...PAUSED, mediaId: "7", currentTime: 0 }, ["new_track", "on_pause"]],
            ["pause where it was", { ...SONG, currentTime: 100 }, (now) => ({ ...PAUSED, currentTime: now + 0.25 }), ["on_pause"]],
            ["play where it was", PAUSED, SONG, ["off_pause"]],
            ["somewhere else, paused", PAUSED, { ...PAUSED, currentTime: 80 }, ["change_position"]],
            ["somewhere else, playing", SONG, { ...SONG, currentTime: 80 }, ["change_position"]],
            ["somewhere else and pause", SONG, { ...PAUSED, currentTime: 80 }, ["change_position", "on_pause"]],
            ["somewhere else and play", PAUSED, { ...SONG, currentTime: 80 }, ["change_position", "off_pause"]],
            ["0.4 s off", PAUSED, { ...PAUSED, currentTime: 12.9 }, []],
            ["the same again", PAUSED, PAUSED, []],
            ["another title's words alone", PAUSED, { ...PAUSED, mediaTitle: "Autre" }, []],
        ];
        for (const [what, before, wanted, types] of table) {
            test(what, async () => {
                const { user, socket, player } = await mixed(before);
                const mirror = new Mirror(player);
                const after = typeof wanted === "function" ? wanted((await nowPlaying(user)).currentTime) : wanted;
                update(socket, after);
                const frames = [];
                for (const type of types) {
                    const text = await player.next();
                    const frame = JSON.parse(text);
                    assert.equal(frame.type_push_state, type);
                    mirror.read(text);
                    frames.push(frame);
                }
                await player.hearsNothing();
                await hearsState(socket);
                await hearsNothing(socket);
                const state = await site.stateOf(user, 1);
                if (types.length > 0) {
                    assert.equal(mirror.state.track_id, state.track_id);
                    assert.equal(mirror.state.on_pause, state.on_pause);
                    assert.equal(mirror.state.from_is, state.from_is);
                    assert.equal(mirror.state.from_is_id, state.from_is_id);
                    assert.ok(Math.abs(mirror.state.last_sec_position - state.last_sec_position) < 0.6, "position");
                }
                assert.equal(state.track_id, after.mediaId);
                assert.equal(state.on_pause, !after.isPlaying);
                for (const frame of frames) {
                    assert.match(frame.time_state_update, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?\+0000$/);
                }
            });
        }

        test('a first state comes from "carplay", its id is the media\'s; a later one keeps the source', async () => {
            const { user, socket, player } = await mixed();
            update(socket, PAUSED);
            const track = await player.nextJson();
            assert.deepEqual(
                [track.type_push_state, track.track_id, track.from_is, track.from_is_id],
                ["new_track", 7, "carplay", 7],
            );
            assert.equal((await player.nextJson()).last_sec_position, 12.5);
            await player.nextJson();
            const state = await site.stateOf(user);
            assert.deepEqual([state.from_is, state.from_is_id, state.track_id], ["carplay", 7, 7]);
        });

        test("commands: pause, play, seek; next and previous are nobody's state", async () => {
            const { socket, player } = await mixed(SONG);
            for (const [payload, type, position] of [
                [{ command: "pause" }, "on_pause"],
                [{ command: "play" }, "off_pause"],
                [{ command: "seek", value: 33.25 }, "change_position", 33.25],
                [{ command: "next" }],
                [{ command: "previous" }],
            ]) {
                command(socket, payload);
                assert.deepEqual(await hears(socket, "carplay_command"), payload);
                if (type) {
                    const frame = await player.nextJson();
                    assert.equal(frame.type_push_state, type);
                    assert.equal(frame.last_sec_position, position);
                }
                await player.hearsNothing();
                await hearsNothing(socket);
            }
        });
    });

    describe("Socket.IO sockets hear of /player's changes as playback_state", () => {
        test("new_track, on_pause, off_pause, change_position", async () => {
            const { user, socket, player } = await mixed();
            const other = await site.wireOf(user, 1);
            const base = { userId: user, duration: 0, mediaId: 2 };
            for (const [message, expected] of [
                [newTrack(0), { ...base, isPlaying: true, currentTime: 0 }],
                [onPause(10), { ...base, isPlaying: false, currentTime: 10 }],
                [offPause(20), { ...base, isPlaying: true, currentTime: 10 }],
                [changePosition(25, 100.5), { ...base, isPlaying: true, currentTime: 100.5 }],
                [onPause(26), { ...base, isPlaying: false, currentTime: 101.5 }],
                [newTrack(30, { track: "text" }), { ...base, isPlaying: true, currentTime: 0, mediaId: "text" }],
            ]) {
                player.send(message);
                for (const wire of [socket, other]) {
                    assert.deepEqual(await hearsState(wire), expected, JSON.stringify(message));
                    await hearsNothing(wire);
                }
                await player.hearsNothing();
            }
        });

        test("titles and duration of the media are kept, until another track begins", async () => {
            const { user, socket, player } = await mixed(SONG);
            player.send(onPause(0));
            const paused = await hearsState(socket);
            assert.deepEqual({ ...paused, currentTime: 0 }, { userId: user, ...PAUSED, currentTime: 0 });
            player.send({ ...newTrack(5), track_id: 99 });
            assert.deepEqual(await hearsState(socket), {
                userId: user,
                isPlaying: true,
                currentTime: 0,
                duration: 0,
                mediaId: 99,
            });
        });

        test("an invalid message of a player is nobody else's matter", async () => {
            const { socket, player } = await mixed(SONG);
            await player.refuses({ type_push_state: "on_pause" });
            await hearsNothing(socket);
        });
    });

    describe("everybody agrees", () => {
        test("whatever is said by whom, in any order; and nothing echoes", { timeout: patient(40000) }, async () => {
            const user = site.user();
            const sockets = [await site.wireOf(user, 0), await site.wireOf(user, 1)];
            const players = [await site.player(user, 0), await site.player(user, 1)];
            const said = { states: 0, commands: 0 };
            const heard = sockets.map(() => ({ states: [], commands: 0 }));
            let seconds = 0;
            for (let i = 0; i < 120; i++) {
                const socket = sockets[i % 2];
                const player = players[(i >> 1) % 2];
                seconds += 1;
                switch ((i * 7) % 6) {
                    case 0:
                        update(socket, { ...SONG, isPlaying: i % 4 === 0, currentTime: i, mediaId: i % 3 });
                        said.states += 1;
                        break;
                    case 1:
                        command(socket, { command: i % 2 ? "pause" : "play" });
                        said.commands += 1;
                        break;
                    case 2:
                        command(socket, { command: "seek", value: i });
                        said.commands += 1;
                        break;
                    default: {
                        const message = [newTrack(seconds), onPause(seconds), changePosition(seconds, i)][
                            ((i * 7) % 6) - 3
                        ];
                        message.time_state_update = new Date().toISOString();
                        player.send(message);
                        said.states += 1;
                    }
                }
                await sleep(5);
            }
            for (const [i, wire] of sockets.entries()) {
                await until(
                    () => {
                        for (const packet of wire.takeAll()) {
                            const [name, payload] = eventOf(packet);
                            if (name === "playback_state") {
                                heard[i].states.push(payload);
                            } else {
                                assert.equal(name, "carplay_command", packet);
                                heard[i].commands += 1;
                            }
                        }
                        return heard[i].states.length >= said.states && heard[i].commands >= said.commands;
                    },
                    () => JSON.stringify([said, heard[i].states.length, heard[i].commands]),
                );
                await hearsNothing(wire);
                assert.deepEqual([heard[i].states.length, heard[i].commands], [said.states, said.commands]);
            }
            assert.deepEqual(heard[0].states, heard[1].states);
            const rested = await nowPlaying(user);
            const state = await site.stateOf(user);
            assert.equal(state.track_id, rested.mediaId);
            assert.equal(state.on_pause, !rested.isPlaying);
        });

        test("one change, one word: a hundred changes by /player are a hundred states, and no word back", async () => {
            const { socket, player } = await mixed();
            player.send(newTrack(0));
            for (let i = 1; i < 100; i++) {
                player.send(i % 2 ? onPause(i) : offPause(i));
            }
            for (let i = 0; i < 100; i++) {
                await hearsState(socket);
            }
            await hearsNothing(socket);
            await player.hearsNothing();
        });
    });
});
