// Device: one player of the user: a link, the state it has been told, and the commands it gives.
//
// A command is applied here first and then sent: the server forwards it to all the others and never says it
// back. Whatever the server sends is applied as it comes. A state frame replaces everything.
//
// Two commands that cross on the way are the one case where sender and others may disagree on the order. When
// another's change arrives within a round trip of a command of ours, the device asks for the truth by
// connecting anew.

import { applyChange, formatTime, PlayerLink, positionAt } from "./segue.js";
import { findTrack, PLAYLIST, trackAfter } from "./tracks.js";
import { WireLog } from "./wire-log.js";

const CROSSING_MS = 250;
const REFUSED_WAIT_MS = 1000;
const RESTART_AFTER_S = 3;
const SUCCESSION_MS = [400, 1600];

function between([soonest, latest]) {
    return soonest + Math.random() * (latest - soonest);
}

export class Device {
    state = null;
    known = false; // the server has said what the state is, be it "none"
    seq = undefined;
    devices = undefined;
    notice = "";
    log = new WireLog();

    #onChange;
    #onSent;
    #onHeard;
    #ownTrack = false; // the last command was ours
    #chose = false; // the track was
    #sentAt = -Infinity;
    #endTimer = 0;
    #refreshTimer = 0;

    // onChange(device): something to show has changed. onSent(text), onHeard(text): changes as they pass.
    constructor({ name, kind, url, token, isReady, onChange, onSent = () => {}, onHeard = () => {} }) {
        this.name = name;
        this.kind = kind;
        this.#onChange = onChange;
        this.#onSent = onSent;
        this.#onHeard = onHeard;
        this.link = new PlayerLink({
            url,
            protocols: ["bearer", token],
            isReady,
            onStatus: () => this.#statusChanged(),
            onFrame: (frame, text) => this.#heard(frame, text),
        });
    }

    open() {
        this.link.open();
    }

    close() {
        clearTimeout(this.#endTimer);
        clearTimeout(this.#refreshTimer);
        this.link.close();
    }

    get online() {
        return this.link.status === "online" && this.known;
    }

    get playing() {
        return this.state !== null && !this.state.paused;
    }

    get track() {
        return this.state && findTrack(this.state.trackId);
    }

    // Seconds into the track, now.
    get position() {
        if (this.state === null) {
            return 0;
        }
        return Math.min(positionAt(this.state, this.link.clock.now()), this.track.seconds);
    }

    start(track) {
        return this.#command("new_track", {
            track_id: track.id,
            from_is: PLAYLIST.kind,
            from_is_id: PLAYLIST.id,
        });
    }

    play() {
        if (this.state === null) {
            return this.next();
        }
        return this.#command("off_pause");
    }

    pause() {
        return this.#command("on_pause");
    }

    toggle() {
        return this.playing ? this.pause() : this.play();
    }

    seek(seconds) {
        if (this.state === null) {
            return false;
        }
        const position = Math.min(Math.max(0, seconds), this.track.seconds);
        return this.#command("change_position", { last_sec_position: Math.round(position * 1000) / 1000 });
    }

    next() {
        return this.start(trackAfter(this.state?.trackId));
    }

    // As on every player: back to the start first, then to the track before.
    previous() {
        if (this.position > RESTART_AFTER_S) {
            return this.seek(0);
        }
        return this.start(trackAfter(this.state?.trackId, -1));
    }

    // What the car asks for and only a player can do: "next" or "previous". Who chose the track obeys at once; the
    // others wait, each for its own time, and only step in when nobody did.
    obey(command) {
        const seen = this.state;
        setTimeout(() => this.state === seen && this[command](), this.#chose ? 0 : between(SUCCESSION_MS));
    }

    #command(type, fields = {}) {
        const message = { type_push_state: type, ...fields, time_state_update: formatTime(this.link.clock.now()) };
        const text = JSON.stringify(message);
        if (!this.online || !this.link.send(text)) {
            return false;
        }
        this.#onSent(text);
        this.log.note("out", text);
        this.#sentAt = performance.now();
        this.#ownTrack = true;
        this.#chose ||= type === "new_track";
        this.notice = "";
        this.#become(applyChange(this.state, type, message));
        return true;
    }

    #heard(frame, text) {
        if (frame.kind === "pong") {
            this.#onChange(this);
            return;
        }
        this.log.note("in", text);
        if (frame.kind === "state") {
            this.#takeState(frame);
        } else if (frame.kind === "change") {
            this.#onHeard(text);
            this.#takeChange(frame);
        } else if (frame.kind === "refusal") {
            this.#takeRefusal(frame);
        } else {
            this.#onChange(this);
        }
    }

    #takeState(frame) {
        if (frame.serverTime !== undefined) {
            this.link.clock.hint(frame.serverTime);
        }
        this.known = true;
        this.seq = frame.seq;
        this.devices = frame.devices;
        this.#ownTrack = this.#chose = false;
        this.#become(frame.state);
    }

    #takeChange(frame) {
        const crossed = performance.now() - this.#sentAt < Math.max(CROSSING_MS, 2 * (this.link.clock.latency ?? 0));
        this.#ownTrack = false;
        this.#chose &&= frame.type !== "new_track";
        this.#become(applyChange(this.state, frame.type, frame.fields));
        if (crossed) {
            this.#sentAt = -Infinity;
            this.link.refresh();
        }
    }

    // The command was applied here and not there: show why, and ask what holds.
    #takeRefusal(frame) {
        if (frame.type === "unavailable") {
            this.notice = "The store is away: the last command may not have been applied.";
        } else {
            this.notice = `Refused: ${frame.reason ?? "invalid format"}.`;
            clearTimeout(this.#refreshTimer);
            this.#refreshTimer = setTimeout(() => this.link.refresh(), REFUSED_WAIT_MS);
        }
        this.#onChange(this);
    }

    #statusChanged() {
        if (this.link.status !== "online") {
            this.known = false;
            clearTimeout(this.#endTimer);
        }
        this.#onChange(this);
    }

    #become(state) {
        this.state = state;
        this.#awaitEnd();
        this.#onChange(this);
    }

    // At the end of a track the device that gave the last command starts the next one; the others wait a
    // little longer, each for its own time, and only step in when nobody did.
    #awaitEnd() {
        clearTimeout(this.#endTimer);
        if (!this.playing || this.track.cover === "unknown") {
            return;
        }
        const patience = this.#ownTrack ? 0 : between(SUCCESSION_MS);
        const left = (this.track.seconds - positionAt(this.state, this.link.clock.now())) * 1000;
        this.#endTimer = setTimeout(() => this.#ended(), Math.max(0, left) + patience);
    }

    #ended() {
        if (this.position >= this.track.seconds) {
            this.next();
        } else {
            this.#awaitEnd();
        }
    }
}
