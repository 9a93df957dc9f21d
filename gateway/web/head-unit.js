// HeadUnit: the screen in a car: the client library's carplay (segue.js), the playback state it has been told, and the
// commands it gives.
//
// A command is not applied here: it comes back from the server, as it comes to everybody, in the one order that holds.
// "next" and "previous" are for a player to obey, which knows what is next. When none did, the car chooses from its own
// queue.
//
// The wire log, the notice and the position are there to be shown (head-unit-view.js).

import { carplay } from "./segue.js";
import { findTrack, trackAfter } from "./tracks.js";
import { WireLog } from "./wire-log.js";

const STEP_IN_MS = [700, 2000];
const STATE_DUE_MS = 1000;
const RESTART_AFTER_S = 3;

// What an answer says that never came from the server.
const UNANSWERED = new Set(["offline", "disconnected", "timeout", "replaced"]);

const STEPS = { next: 1, previous: -1 };

export class HeadUnit {
    state = null; // {playing, time, duration, mediaId, title, artist, album, type, at}
    notice = "";
    log = new WireLog();
    link;

    #onChange;
    #stepTimer = 0;
    #stateTimer = 0;

    // onChange(unit): something to show has changed.
    constructor({ onChange, ...options }) {
        this.#onChange = onChange;
        this.link = carplay({ ...options, window: null }); // the native bridge is for the player
        this.link.on("status", () => onChange(this));
        this.link.on("connect", ({ recovered }) => this.#connected(recovered));
        this.link.on("error", (error) => this.#refused(this.#note("error", error)));
    }

    open() {
        this.link.connect(
            (state) => this.#takeState(this.#note("playback_state", state)),
            (command) => this.#obey(this.#note("carplay_command", command)),
        );
    }

    close() {
        clearTimeout(this.#stepTimer);
        clearTimeout(this.#stateTimer);
        this.link.disconnect();
    }

    get online() {
        return this.link.status === "online";
    }

    get playing() {
        return this.state?.playing ?? false;
    }

    /** Seconds; 0 where nobody knows. */
    get length() {
        return this.state?.duration || this.track?.seconds || 0;
    }

    /** Seconds into the track, now. */
    get position() {
        if (this.state === null) {
            return 0;
        }
        const { time, playing, at } = this.state;
        const position = time + (playing ? (performance.now() - at) / 1000 : 0);
        return this.length > 0 ? Math.min(position, this.length) : position;
    }

    /** What plays, in words: those of the state, else those of our queue; null when nothing does. */
    get track() {
        if (this.state === null) {
            return null;
        }
        const { mediaId, title, artist, album } = this.state;
        const known = findTrack(mediaId);
        const isOurs = known.cover !== "unknown";
        return {
            title: title ?? known.title,
            artist: artist ?? (isOurs ? known.artist : ""),
            album: album ?? known.album,
            cover: known.cover,
            seconds: isOurs ? known.seconds : 0,
        };
    }

    // --- what a person does

    toggle() {
        if (this.state === null) {
            this.#choose(trackAfter(undefined));
        } else {
            this.#command(this.playing ? "pause" : "play");
        }
    }

    next() {
        this.#command("next");
    }

    previous() {
        this.#command("previous");
    }

    seek(seconds) {
        const latest = this.length || Infinity;
        this.#command("seek", Math.round(Math.min(Math.max(0, seconds), latest) * 1000) / 1000);
    }

    skip(seconds) {
        this.seek(this.position + seconds);
    }

    /** Says what plays, as a player does: a PlaybackState of the protocol. */
    publish(state) {
        return this.#answer("playback_state_update", state, this.link.sendPlaybackState(state));
    }

    #command(command, value) {
        const data = value === undefined ? { command } : { command, value };
        return this.#answer("carplay_command", data, this.link.sendCommand(data));
    }

    async #answer(event, data, promise) {
        this.log.note("out", `${event} ${JSON.stringify(data)}`);
        const answer = await promise;
        this.log.note("in", `ack ${JSON.stringify(answer)}`);
        const reason = answer.message ?? answer.error ?? "no reason given";
        const words = UNANSWERED.has(answer.error) ? "Not known to be done" : "Refused";
        this.#say(answer.ok ? "" : `${words}: ${reason}.`);
        return answer.ok;
    }

    // --- what the server says

    #refused({ code, message }) {
        this.#say(`Refused: ${message ?? code}.`);
    }

    #note(event, data) {
        this.log.note("in", `${event} ${JSON.stringify(data)}`);
        return data;
    }

    // Where there is a state, it comes at once. A socket that went on where it was is told only what is new.
    #connected(recovered) {
        clearTimeout(this.#stateTimer);
        if (!recovered && this.state !== null) {
            this.#stateTimer = setTimeout(() => this.#become(null), STATE_DUE_MS);
        }
    }

    #takeState({ isPlaying, currentTime, duration, mediaId = null, mediaTitle, mediaArtist, mediaAlbum, mediaType }) {
        clearTimeout(this.#stateTimer);
        if (mediaId === null) {
            this.#become(null);
            return;
        }
        const words = { title: mediaTitle, artist: mediaArtist, album: mediaAlbum, type: mediaType };
        this.#become({ playing: isPlaying, time: currentTime, duration, mediaId, ...words, at: performance.now() });
    }

    #obey({ command, value }) {
        if (command in STEPS) {
            this.#stepInSoon(STEPS[command]);
        } else if (this.state !== null) {
            const time = command === "seek" ? value : this.position;
            const playing = command === "seek" ? this.playing : command === "play";
            this.#become({ ...this.state, time, playing, at: performance.now() });
        }
    }

    // Every state is a new object: while it is the same, no player has obeyed.
    #stepInSoon(step) {
        const seen = this.state;
        const restarts = step < 0 && this.position > RESTART_AFTER_S;
        const [soonest, latest] = STEP_IN_MS;
        clearTimeout(this.#stepTimer);
        this.#stepTimer = setTimeout(
            () => {
                if (this.state !== seen || !this.online) {
                    return;
                }
                if (restarts) {
                    this.seek(0);
                } else {
                    this.#choose(trackAfter(seen?.mediaId, step));
                }
            },
            soonest + Math.random() * (latest - soonest),
        );
    }

    #choose(track) {
        this.publish({
            isPlaying: true,
            currentTime: 0,
            duration: track.seconds,
            mediaId: track.id,
            mediaTitle: track.title,
            mediaArtist: track.artist,
            mediaAlbum: track.album,
            mediaType: "music",
        });
    }

    #become(state) {
        this.state = state;
        this.#onChange(this);
    }

    #say(notice) {
        this.notice = notice;
        this.#onChange(this);
    }
}
