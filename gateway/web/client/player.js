// Player: one device of a user's player. It knows what plays and where, says what the user does, and keeps in step.
//
//   const device = player({ url: "https://gateway.example", token });
//   device.on("state", () => draw(device.state, device.playing));
//   device.connect();
//   device.newTrack({ trackId: 7, fromIs: "album", fromIsId: 3 });
//   device.position                                                   // seconds, now
//
// A command is applied here first and then sent: the server forwards it to all the others and never says it back.
// Whatever the server sends is applied as it comes; a state frame replaces everything.
//
// A command made while there is no connection is applied here as well and kept: the newest one of its kind, with the
// time at which it was made. When the connection is back, the server's state comes first and then these commands, once.
//
// Two commands that cross on the way are the one case where sender and others may disagree on the order. When another's
// change arrives within a round trip of a command of ours, the device asks for the truth by connecting anew.

import { Emitter } from "./emitter.js";
import { Gateway } from "./gateway.js";
import { applyChange, formatTime, positionAt } from "./playback.js";
import { PlayerLink } from "./player-link.js";

const CROSSING_MS = 250;
const REFUSED_WAIT_MS = 1000;

// What replaces what: only the newest of a kind is kept.
const KINDS = { new_track: "track", on_pause: "motion", off_pause: "motion", change_position: "place" };

/** @param {ConstructorParameters<typeof Player>[0]} options */
export function player(options = {}) {
    return new Player(options);
}

/**
 * Tells: "state" (state, whose: "self", "other" or "server", type of the change), "status" (status), "refused" ({code,
 * reason}), "clock" (clock), and every message as it passes: "in" (text, kind), "out" (text).
 */
export class Player extends Emitter {
    /** @type {import("./playback.js").State | null} what plays; null when nothing does, or while nobody has said */
    state = null;
    /** The server has said what the state is, be it "none", and what was changed since has been heard. */
    known = false;
    seq = undefined; // of the last state frame
    devices = undefined; // likewise

    #link;
    #page;
    #pausesOnLeave;
    #kept = new Map(); // kind -> {type, fields, at}, in the order in which they were made
    #sentAt = -Infinity;
    #refreshTimer = 0;

    /**
     * @param {{url?: string | URL, token?: any, WebSocket?: any,
     *     pauseOnLeave?: boolean | ((player: Player) => boolean), page?: EventTarget | null}} options
     */
    constructor({ url, token, pauseOnLeave = true, page = globalThis.window ?? null, ...wire }) {
        super();
        const gateway = new Gateway({ url, token });
        this.#page = page;
        this.#pausesOnLeave = typeof pauseOnLeave === "function" ? pauseOnLeave : () => pauseOnLeave;
        this.#link = new PlayerLink({
            ...gateway.wire(),
            ...wire,
            url: gateway.socket("/player?extended=1"),
            onStatus: () => this.#statusChanged(),
            onFrame: (frame, text) => this.#heard(frame, text),
        });
    }

    connect() {
        if (this.#link.isResting) {
            this.#page?.addEventListener("pagehide", this.#leaving);
            this.#link.open();
        }
    }

    /** Leaves. Commands that wait are forgotten. */
    disconnect() {
        clearTimeout(this.#refreshTimer);
        this.#page?.removeEventListener("pagehide", this.#leaving);
        this.#kept.clear();
        this.#link.close();
    }

    /** Does not wait for the end of a back-off. */
    retry() {
        this.#link.retry();
    }

    get status() {
        return this.#link.status;
    }

    /** Why the status is what it is, in words. */
    get reason() {
        return this.#link.reason;
    }

    /** While waiting: when the next attempt is due. */
    get retryAt() {
        return this.#link.retryAt;
    }

    /** The server's time, as far as it is known here: {now(), offset, latency}. */
    get clock() {
        return this.#link.clock;
    }

    get online() {
        return this.status === "online" && this.known;
    }

    get playing() {
        return this.state !== null && !this.state.paused;
    }

    /** Seconds into the track, now. */
    get position() {
        return this.state === null ? 0 : positionAt(this.state, this.clock.now());
    }

    // --- what the user does; true: it is sent, or kept until there is a connection

    newTrack({ trackId, fromIs, fromIsId }) {
        return this.#command("new_track", { track_id: trackId, from_is: fromIs, from_is_id: fromIsId });
    }

    play() {
        return this.#command("off_pause");
    }

    pause() {
        return this.#command("on_pause");
    }

    toggle() {
        return this.playing ? this.pause() : this.play();
    }

    /** @param {number} seconds into the track */
    seek(seconds) {
        return this.#command("change_position", { last_sec_position: Math.round(Math.max(0, seconds) * 1000) / 1000 });
    }

    // Nothing but a new track has a meaning where nothing plays.
    #command(type, fields = {}) {
        const message = this.#message(type, fields, Date.now());
        const next = applyChange(this.state, type, message);
        if (this.known && next === null) {
            return false;
        }
        if (!this.online || !this.#send(message)) {
            this.#keep(type, fields);
        }
        this.#become(next, "self", type);
        return true;
    }

    // `at` by our own clock: what the server's one says follows when there is a connection, at the latest.
    #message(type, fields, at) {
        return { type_push_state: type, ...fields, time_state_update: formatTime(at + this.clock.offset) };
    }

    // A new track begins anew: what was kept for the one before has no meaning any more.
    #keep(type, fields) {
        if (type === "new_track") {
            this.#kept.clear();
        }
        this.#kept.delete(KINDS[type]);
        this.#kept.set(KINDS[type], { type, fields, at: Date.now() });
    }

    #send(message) {
        const text = JSON.stringify(message);
        if (!this.#link.send(text)) {
            return false;
        }
        this.#sentAt = performance.now();
        this.tell("out", text);
        return true;
    }

    // --- what the server says

    #heard(frame, text) {
        if (frame.kind === "pong") {
            this.tell("clock", this.clock);
            return;
        }
        this.tell("in", text, frame.kind);
        const run = {
            state: () => this.#takeState(frame),
            change: () => this.#takeChange(frame),
            refusal: () => this.#takeRefusal(frame),
        }[frame.kind];
        run?.();
    }

    #takeState({ state, seq, serverTime, devices }) {
        if (serverTime !== undefined) {
            this.clock.hint(serverTime);
        }
        this.known = true;
        this.seq = seq;
        this.devices = devices;
        this.#become(this.#sendKept(state), "server");
    }

    // Once, whatever becomes of them.
    #sendKept(state) {
        const kept = [...this.#kept.values()];
        this.#kept.clear();
        for (const { type, fields, at } of kept) {
            const message = this.#message(type, fields, at);
            const next = applyChange(state, type, message);
            if (next !== null && this.#send(message)) {
                state = next;
            }
        }
        return state;
    }

    #takeChange({ type, fields }) {
        const crossed = performance.now() - this.#sentAt < Math.max(CROSSING_MS, 2 * (this.clock.latency ?? 0));
        this.#become(applyChange(this.state, type, fields), "other", type);
        if (crossed) {
            this.#sentAt = -Infinity;
            this.#link.refresh();
        }
    }

    // The command was applied here and not there: ask what holds. When the store was away, it tells by itself.
    #takeRefusal({ type, reason }) {
        if (type === "invalid_format") {
            clearTimeout(this.#refreshTimer);
            this.#refreshTimer = setTimeout(() => this.#link.refresh(), REFUSED_WAIT_MS);
        }
        this.tell("refused", { code: type, reason });
    }

    #statusChanged() {
        if (this.status !== "online") {
            this.known = false;
        }
        this.tell("status", this.status);
    }

    #become(state, whose, type) {
        this.state = state;
        this.tell("state", state, whose, type);
    }

    // The last chapter of the protocol's document: or else the track plays on with nobody listening.
    #leaving = () => {
        if (this.online && this.playing && this.#pausesOnLeave(this)) {
            this.pause();
        }
    };
}
