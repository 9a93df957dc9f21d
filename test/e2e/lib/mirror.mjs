// Mirror: what a client believes, from the frames that it got and the messages that it sent; the client's side of the
// reference in a few lines. A test can then ask whether everybody believes what Redis knows.

export class Mirror {
    state = null; // of six fields; null: there is none
    frames = 0;
    unavailable = 0;
    pongs = 0;

    // known: the state that the player was told of in frames that were read elsewhere.
    constructor(player, known) {
        this.player = player;
        this.read(player.first);
        this.state = known ?? this.state;
    }

    // Everything that came so far.
    catchUp() {
        this.player.takeAll().forEach((text) => this.read(text));
        return this.state;
    }

    read(text) {
        const frame = JSON.parse(text);
        this.frames += 1;
        if (!("type_push_state" in frame)) {
            const { track_id, from_is, from_is_id, on_pause, last_sec_position, time_state_update } = frame;
            this.state = { track_id, from_is, from_is_id, on_pause, last_sec_position, time_state_update };
        } else if (frame.type_push_state === "no_track_state") {
            this.state = null;
        } else if (frame.type_push_state === "unavailable") {
            this.unavailable += 1;
        } else if (frame.type_push_state === "pong") {
            this.pongs += 1;
        } else if (frame.type_push_state !== "invalid_format") {
            this.state = apply(this.state, frame);
        }
    }
}

function millis(time) {
    return Date.parse(time.replace("+0000", "Z"));
}

// The state after a message, by the rules of the reference and of contracts 3.
export function apply(state, message) {
    const fields = typeof message.data === "object" && message.data !== null ? message.data : message;
    const { time_state_update } = fields;
    const elapsed =
        state && !state.on_pause ? Math.max(0, millis(time_state_update) - millis(state.time_state_update)) : 0;
    switch (message.type_push_state) {
        case "new_track":
            return {
                track_id: fields.track_id,
                from_is: fields.from_is ?? state?.from_is,
                from_is_id: fields.from_is_id ?? state?.from_is_id,
                on_pause: false,
                last_sec_position: 0,
                time_state_update,
            };
        case "on_pause":
        case "off_pause":
            return {
                ...state,
                on_pause: message.type_push_state === "on_pause",
                last_sec_position: state.last_sec_position + elapsed / 1000,
                time_state_update,
            };
        case "change_position":
            return { ...state, last_sec_position: fields.last_sec_position, time_state_update };
        default:
            throw new Error(`not a message of a player: ${message.type_push_state}`);
    }
}
