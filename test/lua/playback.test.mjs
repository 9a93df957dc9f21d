// Playback: what a Socket.IO device's updates and commands make of the state that /player devices share, and how each
// side hears of the other's changes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Model, NOBODY, randomChange, T0 } from "./lib/playback_model.mjs";
import { entryOf, GRACE, LEASE, micros, ORIGIN, sleepUntil, suiteStage, textOf } from "./lib/stage.mjs";

const HOUR = 3600 * 1000;
const TITLES = { title: '"T"', artist: '"A"', album: '"L"' };

// The texts of an envelope's first part, each as [type, fields that matter].
function textsOf({ message }) {
    return message === "" ? [] : message.split("\x1e").map((text) => JSON.parse(text));
}

function typesOf(envelope) {
    return textsOf(envelope).map(({ type_push_state: type }) => type);
}

// A moment as the scripts write it.
function momentText(ms) {
    return new Date(ms).toISOString().replace(/(\.000)?Z$/, "+0000");
}

describe("playback", () => {
    const stage = suiteStage();

    // A state that was changed so long ago by Redis's clock.
    async function aged(user, ms) {
        const { upd } = await user.state();
        await stage.redis.call("HSET", user.player, "upd", String(Number(upd) - ms * 1000));
    }

    // As long as the last change lies in the future, no time passes for a track that plays.
    const NOT_YET = -HOUR;

    // [state, the one publication]
    async function afterUpdate(user, how) {
        await user.published();
        assert.equal(await user.update(how), "applied");
        const heard = await user.published();
        assert.equal(heard.length, 1);
        return [await user.state(), heard[0]];
    }

    describe("an update without a state", () => {
        test("that names no media finds none, keeps nothing and tells nobody", async () => {
            const user = await stage.user().listen();
            assert.equal(await user.update({ pos: 5, title: '"x"' }), "no_state");
            assert.equal(await user.state(), null);
            assert.deepEqual(await user.published(), []);
        });

        test("makes one, from carplay, at Redis's time, with all that it says", async () => {
            const user = await stage.user().listen();
            const media = { track: '"m\\"1"', duration: "180.5", ...TITLES, type: '"music"' };
            const [state, envelope] = await afterUpdate(user, { origin: ORIGIN, pos: 12.25, ...media });
            const { upd, seq, ...rest } = state;
            const ms = Math.floor(Number(upd) / 1000);
            const titles = '"mediaTitle":"T","mediaArtist":"A","mediaAlbum":"L"';
            const said = `"duration":180.5,"mediaId":"m\\"1",${titles},"mediaType":"music"`;
            assert.deepEqual(rest, {
                track: '"m\\"1"',
                from: "carplay",
                from_id: '"m\\"1"',
                paused: "0",
                pos: "12.25",
                at: String(ms),
                time: momentText(ms),
                media: said,
                details: '180.5\x1f"T"\x1f"A"\x1f"L"\x1f"music"',
                unsaid: `${ORIGIN} 0 ${seq}`,
            });
            assert.deepEqual([envelope.kind, envelope.origin, envelope.seq, envelope.prev], ["u", ORIGIN, seq, "0"]);
            assert.equal(envelope.time, upd);
            assert.equal(envelope.other, `{"isPlaying":true,"currentTime":12.25,${said}}`);
            const time = { time_state_update: momentText(ms) };
            assert.deepEqual(textsOf(envelope), [
                { type_push_state: "new_track", track_id: 'm"1', from_is: "carplay", from_is_id: 'm"1', ...time },
                { type_push_state: "change_position", last_sec_position: 12.25, ...time },
            ]);
        });

        test("says on /player no more than it must", async () => {
            const cases = [
                [{ pos: 0, playing: true }, ["new_track"]],
                [{ pos: 0.5, playing: true }, ["new_track"]],
                [{ pos: 0.501, playing: true }, ["new_track", "change_position"]],
                [{ pos: 0, playing: false }, ["new_track", "on_pause"]],
                [{ pos: 9, playing: false }, ["new_track", "change_position", "on_pause"]],
            ];
            for (const [how, types] of cases) {
                const user = await stage.user().listen();
                const [, envelope] = await afterUpdate(user, { track: "1", ...how });
                assert.deepEqual(typesOf(envelope), types, JSON.stringify(how));
            }
        });
    });

    describe("an update", () => {
        // Paused at 10 s, or playing since then, for so many milliseconds by Redis's clock.
        async function playing(played = NOT_YET, paused = false) {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.seek(T0, "10");
            if (paused) {
                await user.pause(T0);
            }
            await aged(user, played);
            return user;
        }

        test("that differs in nothing says nothing on /player, and still moves the number", async () => {
            const user = await playing(NOT_YET, true);
            const before = await user.state();
            const [state, envelope] = await afterUpdate(user, { pos: 10, playing: false });
            assert.equal(envelope.message, "");
            assert.equal(envelope.prev, before.seq);
            assert.ok(BigInt(state.seq) > BigInt(before.seq));
            assert.equal(envelope.other, '{"isPlaying":false,"currentTime":10,"duration":0,"mediaId":1}');
        });

        test("is compared with where the track stands now, by Redis's clock", async () => {
            const near = await playing(5000);
            assert.deepEqual(typesOf((await afterUpdate(near, { pos: 15.4 }))[1]), []);
            const far = await playing(5000);
            assert.deepEqual(typesOf((await afterUpdate(far, { pos: 10 }))[1]), ["change_position"]);
            const ahead = await playing(5000);
            assert.deepEqual(typesOf((await afterUpdate(ahead, { pos: 20 }))[1]), ["change_position"]);
            const paused = await playing(5000, true);
            assert.deepEqual(typesOf((await afterUpdate(paused, { pos: 10.5, playing: false }))[1]), []);
            const [, moved] = await afterUpdate(paused, { pos: 11.5, playing: false });
            assert.deepEqual(typesOf(moved), ["change_position"]);
        });

        test("pauses and resumes on /player when that differs", async () => {
            const user = await playing();
            assert.deepEqual(typesOf((await afterUpdate(user, { pos: 10, playing: false }))[1]), ["on_pause"]);
            assert.deepEqual(typesOf((await afterUpdate(user, { pos: 10, playing: false }))[1]), []);
            assert.deepEqual(typesOf((await afterUpdate(user, { pos: 10, playing: true }))[1]), ["off_pause"]);
            await aged(user, NOT_YET);
            const [, both] = await afterUpdate(user, { pos: 99, playing: false });
            assert.deepEqual(typesOf(both), ["change_position", "on_pause"]);
        });

        test("keeps the position as given, also where /player is not told", async () => {
            const user = await playing();
            const [{ pos }] = await afterUpdate(user, { pos: 10.25, playing: false });
            assert.equal(pos, "10.25");
        });

        test("of other media begins a new_track there, from the old source, playing from 0", async () => {
            const user = await playing(NOT_YET, true);
            const [state, envelope] = await afterUpdate(user, { track: "2", pos: 0.3, playing: true });
            assert.deepEqual([state.track, state.from, state.from_id], ["2", "album", "4"]);
            const source = { track_id: 2, from_is: "album", from_is_id: 4 };
            assert.deepEqual(textsOf(envelope), [
                { type_push_state: "new_track", ...source, time_state_update: state.time },
            ]);
            const [, paused] = await afterUpdate(user, { track: '"2"', pos: 7, playing: false });
            assert.deepEqual(typesOf(paused), ["new_track", "change_position", "on_pause"]); // "2" is not 2
        });

        test("moves the client's clock on by Redis's, so that /player goes on from there", async () => {
            const user = await playing(5000);
            const { upd: before } = await user.state();
            const [{ at, time, upd }] = await afterUpdate(user, { pos: 100 });
            const played = Math.floor(Number(upd) / 1000) - Math.floor(Number(before) / 1000);
            assert.ok(played >= 5000 && played < 9000, `${played}`);
            assert.deepEqual([at, time], [String(T0 + played), momentText(T0 + played)]);
            await user.pause(T0 + played + 2500);
            assert.equal((await user.state()).pos, "102.5");
        });

        test("keeps what it does not name of the same media", async () => {
            const user = await playing();
            const full = { track: "1", duration: "200", ...TITLES, type: '"video"' };
            await afterUpdate(user, { pos: 10, ...full });
            const [, same] = await afterUpdate(user, { pos: 10 });
            const titles = { mediaTitle: "T", mediaArtist: "A", mediaAlbum: "L" };
            const known = { duration: 200, mediaId: 1, ...titles, mediaType: "video" };
            assert.deepEqual(JSON.parse(same.other), { isPlaying: true, currentTime: 10, ...known });
            await aged(user, NOT_YET);
            const [, named] = await afterUpdate(user, { pos: 10, track: "1", artist: '"B"', duration: "0" });
            const changed = { ...known, mediaArtist: "B", duration: 0 };
            assert.deepEqual(JSON.parse(named.other), { isPlaying: true, currentTime: 10, ...changed });
            assert.deepEqual(typesOf(named), []);
        });

        test("of other media knows of them what it names, and no more", async () => {
            const user = await playing();
            await afterUpdate(user, { pos: 10, duration: "200", ...TITLES, type: '"video"' });
            const [state, envelope] = await afterUpdate(user, { track: "2", album: '"M"' });
            const expected = { isPlaying: true, currentTime: 0, duration: 0, mediaId: 2, mediaAlbum: "M" };
            assert.deepEqual(JSON.parse(envelope.other), expected);
            assert.equal(state.details, '\x1f\x1f\x1f"M"\x1f');
        });

        test("of any text keeps it byte for byte", async () => {
            const user = await playing();
            const long = `"${"x".repeat(1024)}"`;
            for (const text of ['"\\u001f\\u001e"', '"%d %1 %%"', '"\u00e9\u{1f3b5}"', '"\\"\\\\"', '""', long]) {
                await afterUpdate(user, { pos: 10, title: text, artist: text });
                const [state, envelope] = await afterUpdate(user, { pos: 10 });
                const media = `"duration":0,"mediaId":1,"mediaTitle":${text},"mediaArtist":${text}`;
                assert.equal(state.media, media);
                assert.equal(envelope.other, `{"isPlaying":true,"currentTime":10,${media}}`);
            }
        });

        test("leaves what /player's commands are told with, until a new_track", async () => {
            const user = await playing();
            await afterUpdate(user, { pos: 10, title: '"T"' });
            await user.pause(T0);
            await user.newTrack(T0, { track: "1" });
            const [paused, next] = (await user.published()).map(({ other }) => JSON.parse(other).mediaTitle);
            assert.deepEqual([paused, next], ["T", undefined]);
        });

        test("of a state that was written before there were media works as any other", async () => {
            const user = await playing();
            await stage.redis.call("HDEL", user.player, "media", "details");
            const [, envelope] = await afterUpdate(user, { pos: 10, title: '"T"' });
            assert.equal(JSON.parse(envelope.other).mediaTitle, "T");
        });
    });

    describe("clearing", () => {
        test("deletes the state and says so on both sides", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            const { seq } = await user.state();
            const [state, envelope] = await afterUpdate(user, { origin: ORIGIN, track: "null", pos: 3 });
            assert.equal(state, null);
            assert.equal(envelope.kind, "c");
            assert.deepEqual([envelope.origin, envelope.prev], [ORIGIN, seq]);
            assert.ok(BigInt(envelope.seq) > BigInt(seq));
            assert.equal(envelope.message, '{"type_push_state":"no_track_state"}');
            assert.deepEqual(JSON.parse(envelope.other), { isPlaying: false, currentTime: 0, ...NOBODY });
        });

        test("of nothing is told to Socket.IO alone", async () => {
            const user = await stage.user().listen();
            const [state, envelope] = await afterUpdate(user, { track: "null" });
            assert.equal(state, null);
            assert.deepEqual([envelope.kind, envelope.message, envelope.prev], ["c", "", "0"]);
            assert.deepEqual(JSON.parse(envelope.other), { isPlaying: false, currentTime: 0, ...NOBODY });
        });

        test("is followed by a state with a higher number and none before it", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.update({ track: "null" });
            await user.update({ track: "null" });
            await user.newTrack(T0);
            await user.update({ track: "null" });
            await user.update({ track: "5" });
            const heard = await user.published();
            const seqs = heard.map(({ seq }) => BigInt(seq));
            assert.deepEqual(seqs, [...seqs].sort((a, b) => (a < b ? -1 : 1)));
            assert.equal(new Set(seqs).size, seqs.length);
            assert.deepEqual(
                heard.map(({ kind, prev }) => kind + (prev === "0" ? "" : "+")),
                ["n", "c+", "c", "n", "c+", "u"],
            );
            assert.equal((await user.state()).from, "carplay");
        });
    });

    describe("a command", () => {
        async function commanded(user, command, how) {
            await user.published();
            const answer = await user.command(command, how);
            return { answer, heard: await user.published(), state: await user.state() };
        }

        test("is an event, whatever it is, also without a state", async () => {
            for (const command of ["play", "pause", "next", "previous", "seek"]) {
                const user = await stage.user().listen();
                const body = `"carplay_command",{"command":"${command}"}`;
                const { answer, heard, state } = await commanded(user, command, { value: 7, body, origin: ORIGIN });
                assert.deepEqual(answer, { outcome: "applied", devices: 0, number: heard[0].seq });
                assert.equal(state, null);
                assert.equal(heard.length, 1);
                const [{ kind, origin, prev, message, other }] = heard;
                assert.deepEqual([kind, origin, prev, message, other], ["e", ORIGIN, "0", "", body]);
                const { events } = await user.readEvents(`${Number(answer.number) - 1}e`);
                assert.deepEqual(events, [[answer.number, body]]);
            }
        });

        test("is applied to the state, told on /player, and for Socket.IO is the message", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.seek(T0, "10");
            await aged(user, 5000);
            const before = await user.state();
            const { heard, state } = await commanded(user, "pause");
            const played = Math.floor(Number(state.upd) / 1000) - Math.floor(Number(before.upd) / 1000);
            assert.equal(Number(state.pos), Number((10 + played / 1000).toPrecision(15)));
            assert.deepEqual([state.paused, state.at, state.time], ["1", String(T0 + played), momentText(T0 + played)]);
            assert.deepEqual(heard.map(({ kind }) => kind), ["p", "e"]);
            assert.deepEqual([heard[0].prev, heard[0].seq, heard[0].origin], [before.seq, state.seq, "-"]);
            assert.deepEqual(textsOf(heard[0]), [{ type_push_state: "on_pause", time_state_update: state.time }]);
            assert.equal(heard[0].other, "");
        });

        test("that finds the player as it wants it changes nothing but is told", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            const idle = { play: "resume", pause: "pause", next: "resume", previous: "pause" };
            for (const [command, prepare] of Object.entries(idle)) {
                await user[prepare](T0);
                const before = await user.state();
                const { heard, state } = await commanded(user, command);
                assert.deepEqual(state, before, command);
                assert.deepEqual(heard.map(({ kind }) => kind), ["e"], command);
            }
        });

        test("play goes on from where it was paused", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.pause(T0 + 4000);
            await aged(user, HOUR);
            const { heard, state } = await commanded(user, "play");
            assert.deepEqual([state.paused, state.pos], ["0", "4"]);
            assert.deepEqual(textsOf(heard[0]), [{ type_push_state: "off_pause", time_state_update: state.time }]);
            assert.equal(heard[0].kind, "r");
        });

        test("seek leaves playing and paused as they are, and is told also when it moves nothing", async () => {
            for (const paused of [false, true]) {
                const user = await stage.user().listen();
                await user.newTrack(T0);
                if (paused) {
                    await user.pause(T0);
                }
                for (let i = 0; i < 2; i++) {
                    const { heard, state } = await commanded(user, "seek", { value: "61.5" });
                    assert.deepEqual([state.paused, state.pos], [paused ? "1" : "0", "61.5"]);
                    const moved = { type_push_state: "change_position", last_sec_position: 61.5 };
                    assert.deepEqual(textsOf(heard[0]), [{ ...moved, time_state_update: state.time }]);
                    assert.equal(heard[0].kind, "s");
                }
            }
        });

        test("keeps what is known of the media", async () => {
            const user = await stage.user().listen();
            await user.update({ track: "1", title: '"T"', duration: "99" });
            const { media, details } = await user.state();
            await user.command("seek", { value: 3 });
            await user.command("pause");
            const state = await user.state();
            assert.deepEqual([state.media, state.details], [media, details]);
        });

        test("counts the devices that are alive", async () => {
            const user = stage.user();
            await user.join({ id: "one" });
            await user.join({ id: "two" });
            await user.join({ id: "gone" });
            await user.leave({ id: "gone" });
            assert.equal((await user.command("next")).devices, 2);
        });

        test("of one who is no device finds the track where the last device left it", async () => {
            const user = await stage.user().listen();
            await user.newTrack(T0);
            await user.seek(T0, "10");
            await aged(user, HOUR);
            const { heard, state } = await commanded(user, "pause", { grace: GRACE });
            assert.deepEqual([state.paused, state.pos], ["1", "10"]);
            assert.deepEqual(heard.map(({ kind }) => kind), ["p", "e"]); // the ghost's: the command found it paused
            assert.notEqual(heard[0].other, "");
            await user.resume(T0);
            await aged(user, HOUR);
            const again = await commanded(user, "play", { grace: GRACE });
            assert.deepEqual(again.heard.map(({ kind }) => kind), ["p", "r", "e"]);
            assert.deepEqual([again.state.paused, again.state.pos], ["0", "10"]);
        });
    });

    describe("what is left unsaid to who fetches the state", () => {
        test("is what commands changed, from before the first of them in a row", async () => {
            const user = stage.user();
            await user.update({ track: "1" });
            const { seq: told, unsaid } = await user.playback();
            assert.equal(unsaid, null);
            await user.command("pause");
            await user.command("next"); // changes nothing
            await user.command("play");
            const { seq, ...after } = await user.playback();
            assert.equal(after.unsaid, `* ${told} ${seq}`);
        });

        test("begins anew when something was told in between", async () => {
            const user = stage.user();
            await user.update({ track: "1" });
            await user.command("pause");
            await user.update({ track: "2" });
            const { seq: told, unsaid } = await user.playback();
            assert.notEqual(unsaid.split(" ")[2], told, "it is of the pause, not of the newest change");
            await user.command("seek", { value: 5 });
            const { seq, ...after } = await user.playback();
            assert.equal(after.unsaid, `* ${told} ${seq}`);
        });

        test("is an update to the socket that it left out", async () => {
            const user = stage.user();
            await user.update({ track: "1" });
            const { seq: told } = await user.playback();
            await user.update({ origin: ORIGIN, pos: 7 });
            const { seq, unsaid } = await user.playback();
            assert.equal(unsaid, `${ORIGIN} ${told} ${seq}`);
        });
    });

    describe("reading", () => {
        test("answers the state with the position worked out for now", async () => {
            const user = stage.user();
            await user.update({ track: "1", pos: 10, title: '"T"' });
            await aged(user, 5000);
            const { upd, seq } = await user.state();
            const { outcome, now, devices, pos, ...rest } = await user.playback();
            assert.deepEqual([outcome, devices], ["applied", 0]);
            assert.equal(Number(pos), Number((10 + (now - Math.floor(Number(upd) / 1000)) / 1000).toPrecision(15)));
            const media = '"duration":0,"mediaId":1,"mediaTitle":"T"';
            assert.deepEqual(rest, { seq, paused: "0", media, unsaid: null });
        });

        test("answers a paused state as it stands", async () => {
            const user = stage.user();
            await user.update({ track: "1", pos: 10, playing: false });
            await aged(user, 5000);
            const { paused, pos } = await user.playback();
            assert.deepEqual([paused, pos], ["1", "10"]);
        });

        test("answers nothing when there is no state, and the media of one without", async () => {
            const user = stage.user();
            const { seq, paused, pos, media } = await user.playback();
            assert.deepEqual([seq, paused, pos, media], [null, null, null, null]);
            await user.newTrack(T0, { track: '"x"' });
            await stage.redis.call("HDEL", user.player, "media");
            assert.equal((await user.playback()).media, '"duration":0,"mediaId":"x"');
        });

        test("of one who only looks registers nobody and forgets nobody", async () => {
            const user = stage.user();
            const now = await stage.redis.now();
            const [dead, alive] = [entryOf("dead", 1, 400), entryOf("alive", 1, LEASE)];
            await stage.redis.call("ZADD", user.devices, now - 1000, "gone 0", now - 500, dead, now + 60000, alive);
            const before = await user.leases();
            assert.equal((await user.playback()).devices, 1);
            assert.deepEqual(await user.leases(), before);
        });

        test("of a device takes its lease, as on /player", async () => {
            const user = stage.user();
            await user.join({ id: "other" });
            const entry = `${ORIGIN} 17 5000 playback polling`;
            const before = await stage.redis.now();
            assert.equal((await user.playback({ entry, lease: 5000 })).devices, 2);
            const end = (await user.leases())[entry];
            assert.ok(end >= before + 5000 && end <= (await stage.redis.now()) + 5000, `${end}`);
            const left = await stage.redis.call("PTTL", user.devices);
            assert.ok(left > 29 * 24 * HOUR, `${left}`);
        });

        test("lays the ghost, by the lease that the entry of any protocol says", async () => {
            for (const entry of ["a 1 45000 playback polling", "a 1 45000 player websocket", "a 1 45000"]) {
                const user = await stage.user().listen();
                await user.newTrack(T0);
                await aged(user, HOUR);
                const now = await stage.redis.now();
                await stage.redis.call("ZADD", user.devices, now - 100 * 1000, entry);
                const { upd } = await user.state();
                const played = now - 100 * 1000 - 45000 - Math.floor(Number(upd) / 1000);
                const { paused, pos } = await user.playback();
                assert.deepEqual([paused, Number(pos)], ["1", played / 1000], entry);
                const [, ghost] = await user.published();
                assert.deepEqual([ghost.kind, ghost.origin, typesOf(ghost)], ["p", "-", ["on_pause"]]);
                assert.equal(JSON.parse(ghost.other).isPlaying, false);
            }
        });

        test("leaves a lost lease's mark for the ghost while grace lasts", async () => {
            const user = stage.user();
            await user.join();
            await user.newTrack(T0);
            await user.leave();
            const gone = (await user.leases())["gone 0"];
            const began = Math.floor(Number((await user.state()).upd) / 1000);
            assert.equal((await user.playback({ grace: 1500 })).paused, "0");
            await sleepUntil(stage.redis, gone + 1510);
            const { paused, pos } = await user.playback({ grace: 1500 });
            assert.deepEqual([paused, Number(pos)], ["1", (gone - began) / 1000]);
        });
    });

    test("a thousand random changes on both sides agree with a model", async () => {
        const user = await stage.user().listen();
        const model = new Model();
        let seed = 7;
        const random = (below) => {
            seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
            return Math.floor((seed / 2 ** 32) * below);
        };
        const one = (...of) => of[random(of.length)];
        for (let i = 0; i < 1000; i++) {
            const change = randomChange(model, random, one);
            if (model.state && random(3) === 0) {
                const ago = random(60000);
                await aged(user, ago);
                model.state.upd -= ago;
            }
            const outcome = await change.ask(user);
            const heard = await user.published();
            const now = Number(heard[0]?.time ?? (await micros(stage.redis)));
            const expected = change.apply(model, Math.floor(now / 1000));
            assert.equal(outcome, expected.outcome, `${i}: ${change.name}`);
            const told = heard.filter(({ kind }) => kind !== "e").map(spoken);
            assert.deepEqual(told, expected.told, `${i}: ${change.name}`);
            assert.deepEqual(await seen(user), model.seen(), `${i}: ${change.name}`);
        }
    });

    // What both sides are told, without numbers and times.
    function spoken(envelope) {
        const texts = textsOf(envelope).map(({ time_state_update: time, ...rest }) => rest);
        return { kind: envelope.kind, texts, other: envelope.other === "" ? null : JSON.parse(envelope.other) };
    }

    async function seen(user) {
        const state = await user.state();
        if (!state) {
            return null;
        }
        const { track, from, from_id: fromId, paused, pos, at, upd, time } = state;
        assert.equal(Date.parse(time.replace("+0000", "Z")), Number(at));
        const known = JSON.parse(`{${state.media}}`);
        const clock = { at: Number(at), upd: Math.floor(upd / 1000) };
        return { track, from, fromId, paused: paused === "1", pos: Number(pos), ...clock, known };
    }
});
