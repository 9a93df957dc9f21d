// Scenario: the messages and states of the reference, in its own words and at its own time of day.

import assert from "node:assert/strict";

const START = Date.UTC(2022, 4, 9, 9, 9, 12);

export const NO_STATE = { type_push_state: "no_track_state" };

// Seconds after 2022-05-09T09:09:12, in the reference's form.
export function at(seconds) {
    return new Date(START + seconds * 1000).toISOString().replace(/\.\d+Z$/, "+0000");
}

export function newTrack(seconds = 0, { track = 2, from = "playlist", fromId = 3 } = {}) {
    return {
        type_push_state: "new_track",
        track_id: track,
        from_is: from,
        from_is_id: fromId,
        time_state_update: at(seconds),
    };
}

export function onPause(seconds) {
    return { type_push_state: "on_pause", time_state_update: at(seconds) };
}

export function offPause(seconds) {
    return { type_push_state: "off_pause", time_state_update: at(seconds) };
}

export function changePosition(seconds, position) {
    return { type_push_state: "change_position", last_sec_position: position, time_state_update: at(seconds) };
}

export function state(seconds, position, { paused = false, track = 2, from = "playlist", fromId = 3 } = {}) {
    return {
        track_id: track,
        from_is: from,
        from_is_id: fromId,
        on_pause: paused,
        last_sec_position: position,
        time_state_update: at(seconds),
    };
}

// Two states are the same; positions to a microsecond.
export function sameState(actual, expected, message) {
    const got = typeof actual === "string" ? JSON.parse(actual) : actual;
    if (typeof got.last_sec_position === "number" && typeof expected.last_sec_position === "number") {
        const off = Math.abs(got.last_sec_position - expected.last_sec_position);
        if (off < 1e-6) {
            got.last_sec_position = expected.last_sec_position;
        }
    }
    assert.deepEqual(got, expected, message);
}
