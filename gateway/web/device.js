// Device: one player of the user, with a queue: the client library's player (segue.js), and what to play next.
//
// At the end of a track, and when a car asks for the next one, somebody has to choose: who chose last does so at once;
// the others wait, each for its own time, and only step in when nobody did.

import { player } from "./segue.js";
import { findTrack, PLAYLIST, trackAfter } from "./tracks.js";
import { WireLog } from "./wire-log.js";

const RESTART_AFTER_S = 3;
const SUCCESSION_MS = [400, 1600];

function between([soonest, latest]) {
    return soonest + Math.random() * (latest - soonest);
}

export class Device {
    notice = "";
    log = new WireLog();
    link;

    #onChange;
    #ownTrack = false; // the last command was ours
    #chose = false; // the track was
    #endTimer = 0;

    // onChange(device): something to show has changed. onSent(text), onHeard(text): changes as they pass.
    constructor({ name, kind, onChange, onSent = () => {}, onHeard = () => {}, ...options }) {
        this.name = name;
        this.kind = kind;
        this.#onChange = onChange;
        this.link = player({ ...options, pauseOnLeave: false }); // the page decides for all its devices
        this.link.on("clock", () => onChange(this));
        this.link.on("status", () => this.#statusChanged());
        this.link.on("state", (state, whose, type) => this.#become(whose, type));
        this.link.on("refused", (why) => this.#refused(why));
        this.link.on("in", (text, kind) => this.#note("in", text, kind === "change" ? onHeard : () => {}));
        this.link.on("out", (text) => this.#note("out", text, onSent));
    }

    open() {
        this.link.connect();
    }

    close() {
        clearTimeout(this.#endTimer);
        this.link.disconnect();
    }

    get state() {
        return this.link.state;
    }

    get seq() {
        return this.link.seq;
    }

    get devices() {
        return this.link.devices;
    }

    get online() {
        return this.link.online;
    }

    get playing() {
        return this.link.playing;
    }

    get track() {
        return this.state && findTrack(this.state.trackId);
    }

    // Seconds into the track, now.
    get position() {
        return this.state === null ? 0 : Math.min(this.link.position, this.track.seconds);
    }

    start(track) {
        this.link.newTrack({ trackId: track.id, fromIs: PLAYLIST.kind, fromIsId: PLAYLIST.id });
    }

    toggle() {
        if (this.state === null) {
            this.next();
        } else {
            this.link.toggle();
        }
    }

    pause() {
        this.link.pause();
    }

    seek(seconds) {
        this.link.seek(Math.min(seconds, this.track?.seconds ?? 0));
    }

    next() {
        this.start(trackAfter(this.state?.trackId));
    }

    // As on every player: back to the start first, then to the track before.
    previous() {
        if (this.position > RESTART_AFTER_S) {
            this.seek(0);
        } else {
            this.start(trackAfter(this.state?.trackId, -1));
        }
    }

    // What the car asks for and only a player can do: "next" or "previous".
    obey(command) {
        const seen = this.state;
        setTimeout(() => this.state === seen && this[command](), this.#chose ? 0 : between(SUCCESSION_MS));
    }

    #note(direction, text, tell) {
        this.log.note(direction, text);
        tell(text);
    }

    #refused({ code, reason }) {
        this.notice =
            code === "unavailable"
                ? "The store is away: the last command may not have been applied."
                : `Refused: ${reason ?? "invalid format"}.`;
        this.#onChange(this);
    }

    #statusChanged() {
        if (this.link.status !== "online") {
            clearTimeout(this.#endTimer);
        }
        this.#onChange(this);
    }

    #become(whose, type) {
        const isNew = type === "new_track";
        this.#ownTrack = whose === "self";
        this.#chose = this.#ownTrack ? this.#chose || isNew : whose === "other" && this.#chose && !isNew;
        this.notice = this.#ownTrack ? "" : this.notice;
        this.#awaitEnd();
        this.#onChange(this);
    }

    #awaitEnd() {
        clearTimeout(this.#endTimer);
        if (!this.playing || this.track.cover === "unknown") {
            return;
        }
        const patience = this.#ownTrack ? 0 : between(SUCCESSION_MS);
        const left = (this.track.seconds - this.link.position) * 1000;
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
