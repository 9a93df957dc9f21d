// playback, clock: the rules of the state, and what time it is on the server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "../browser/lib/web.mjs";

const { applyChange, parseTime, positionAt, readFrame } = await load("client/playback.js");
const { Clock } = await load("client/clock.js");

test("the reference's scenario, as a listening device sees it", () => {
    const seen = (() => {
        const at = (clock) => parseTime(`2022-05-09T${clock}+0000`);
        const first = readFrame('{"type_push_state":"no_track_state"}');
        const start = readFrame(
            '{"type_push_state":"new_track","track_id":2,"from_is":"playlist","from_is_id":2,' +
                '"time_state_update":"2022-05-09T09:09:12+0000"}',
        );
        const playing = applyChange(first.state, start.type, start.fields);
        const afterTen = positionAt(playing, at("09:09:22"));
        const pause = readFrame('{"type_push_state":"on_pause","time_state_update":"2022-05-09T09:09:27+0000"}');
        const paused = applyChange(playing, pause.type, pause.fields);
        return { first, playing, afterTen, paused, later: positionAt(paused, at("09:09:29")) };
    })();
    assert.equal(seen.first.state, null);
    assert.deepEqual([seen.playing.trackId, seen.playing.fromIs, seen.playing.paused], [2, "playlist", false]);
    assert.equal(seen.afterTen, 10);
    assert.deepEqual([seen.paused.paused, seen.paused.position, seen.later], [true, 15, 15]);
});

test("every change follows the server's rules", () => {
    const results = (() => {
        const time = (second) => ({ time_state_update: `2022-05-09T09:09:${second}Z` });
        const begin = Date.UTC(2022, 4, 9, 9, 9, 0);
        const old = { trackId: 1, fromIs: "album", fromIsId: 4, paused: false, position: 10, time: begin };
        const rest = { ...old, paused: true };
        const brief = (state) => state && [state.trackId, state.fromIs, state.paused, state.position];
        return {
            resumedWhilePlaying: brief(applyChange(old, "off_pause", time("07"))),
            pausedTwice: brief(applyChange(rest, "on_pause", time("07"))),
            backInTime: brief(applyChange({ ...old, time: begin + 60000 }, "on_pause", time("07"))),
            sought: brief(applyChange(rest, "change_position", { ...time("07"), last_sec_position: 84.5 })),
            kept: brief(applyChange(old, "new_track", { ...time("07"), track_id: "x" })),
            none: applyChange(null, "on_pause", time("07")),
        };
    })();
    assert.deepEqual(results, {
        resumedWhilePlaying: [1, "album", false, 17],
        pausedTwice: [1, "album", true, 10],
        backInTime: [1, "album", true, 10],
        sought: [1, "album", true, 84.5],
        kept: ["x", "album", false, 0],
        none: null,
    });
});

test("frames of all forms are understood, and others are not taken for them", () => {
    const kinds = (() => {
        const frames = [
            '{"track_id":1,"on_pause":true,"last_sec_position":3,"time_state_update":"2022-05-09T09:09:07Z","seq":5}',
            '{"type_push_state":"no_track_state","server_time":7}',
            '{"type_push_state":"on_pause","data":{"time_state_update":"2022-05-09T09:09:07Z"}}',
            '{"type_push_state":"pong","t":3,"server_time":9}',
            '{"type_push_state":"invalid_format","reason":"rate_limited"}',
            '{"type_push_state":"unavailable"}',
            '{"type_push_state":"something new"}',
            "null",
            "[]",
            "not json",
        ];
        return frames.map((text) => readFrame(text).kind);
    })();
    const known = ["state", "state", "change", "pong", "refusal", "refusal"];
    assert.deepEqual(kinds, [...known, "unknown", "unknown", "unknown", "unknown"]);
});

test("the clock believes the sample with the shortest round trip", () => {
    const offsets = (() => {
        const clock = new Clock();
        const seen = [clock.offset];
        clock.hint(5000, 0);
        seen.push(clock.offset);
        clock.add(1000, 400, 6190); // truth 5000, the way there took 390 of the 400
        seen.push(clock.offset);
        clock.add(2000, 10, 7006);
        seen.push(clock.offset);
        clock.add(3000, 300, 8290);
        seen.push(clock.offset, clock.latency);
        return seen;
    })();
    assert.deepEqual(offsets, [0, 5000, 4990, 5001, 5001, 300]);
});

test("the clock starts anew when a clock was set, and remembers while it does", () => {
    const offsets = (() => {
        const clock = new Clock();
        clock.add(1000, 10, 6005);
        clock.add(2000, 30, 67015); // a minute later there, all of a sudden
        const set = clock.offset;
        clock.restart();
        return [set, clock.offset];
    })();
    assert.deepEqual(offsets, [65000, 65000]);
});
