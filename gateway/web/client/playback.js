// What a user's player does: frames to states, states to positions. Pure: no socket, no page, no clock.
//
// The server sends a state when a device connects and afterwards only changes, in the words of the device
// that made them. Everybody applies the same changes by the same rules, so everybody knows the same position:
//
//   position now = position at the last change + (playing ? now - time of the last change : 0)
//
// A state here: { trackId, fromIs, fromIsId, paused, position (s), time (ms) }; null while there is none.

const CHANGES = new Set(["new_track", "on_pause", "off_pause", "change_position"]);

export function parseTime(text) {
    // The documents write +0000, which not every browser's Date.parse knows.
    return Date.parse(String(text).replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
}

export function formatTime(ms) {
    return new Date(ms).toISOString();
}

// One frame of the server as { kind, ... }: "state" (state, and seq, serverTime, devices where the server
// adds them), "change" (type, fields), "pong" (t, serverTime), "refusal" (type, reason) or "unknown".
export function readFrame(text) {
    let frame;
    try {
        frame = JSON.parse(text);
    } catch {
        return { kind: "unknown" };
    }
    if (frame === null || typeof frame !== "object") {
        return { kind: "unknown" };
    }
    const type = frame.type_push_state;
    if (type === undefined && "track_id" in frame) {
        return { kind: "state", state: readState(frame), ...readExtras(frame) };
    }
    if (type === "no_track_state") {
        return { kind: "state", state: null, ...readExtras(frame) };
    }
    if (type === "pong") {
        return { kind: "pong", t: frame.t, serverTime: frame.server_time };
    }
    if (CHANGES.has(type)) {
        const nested = frame.data !== null && typeof frame.data === "object";
        return { kind: "change", type, fields: nested ? frame.data : frame };
    }
    if (type === "invalid_format" || type === "unavailable") {
        return { kind: "refusal", type, reason: frame.reason };
    }
    return { kind: "unknown" };
}

function readState(frame) {
    return {
        trackId: frame.track_id,
        fromIs: frame.from_is,
        fromIsId: frame.from_is_id,
        paused: frame.on_pause,
        position: frame.last_sec_position,
        time: parseTime(frame.time_state_update),
    };
}

function readExtras(frame) {
    return { seq: frame.seq, serverTime: frame.server_time, devices: frame.devices };
}

// The state after a change; the same rules as the server's.
export function applyChange(state, type, fields) {
    const time = parseTime(fields.time_state_update);
    if (type === "new_track") {
        return {
            trackId: fields.track_id,
            fromIs: fields.from_is ?? state?.fromIs,
            fromIsId: fields.from_is_id ?? state?.fromIsId,
            paused: false,
            position: 0,
            time,
        };
    }
    if (state === null) {
        return null;
    }
    if (type === "change_position") {
        return { ...state, position: fields.last_sec_position, time };
    }
    return { ...state, paused: type === "on_pause", position: positionAt(state, time), time };
}

export function positionAt(state, ms) {
    return state.position + (state.paused ? 0 : Math.max(0, ms - state.time) / 1000);
}
