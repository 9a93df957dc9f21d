// Carplay: what a web player says to cars and hears from them.
//
//   const service = carplay({ url: "https://gateway.example", token });
//   service.connect((state) => show(state), ({ command, value }) => obey(command, value));
//   service.sendPlaybackState({ isPlaying: true, currentTime: 12, duration: 200, mediaId: 7 });
//
// Only changes go on the wire: a state that follows from the one before (it plays, and so much time has passed) says
// nothing. A state that is said without a connection is kept, the newest one, and sent when there is one.
//
// A native application around the page speaks through window.postMessage({type: "CARPLAY_COMMAND", command, value}):
// that becomes a command. Without a connection it is handed to onCommand at once: a car's buttons work in a tunnel,
// too.

import { openChannel } from "./channel.js";
import { Emitter } from "./emitter.js";

const BRIDGE = "CARPLAY_COMMAND";
const SAME_S = 0.5; // as the gateway sees it: less than that is no seek

/** @param {ConstructorParameters<typeof Carplay>[0]} options */
export function carplay(options = {}) {
    return new Carplay(options);
}

/**
 * Tells: "state" (PlaybackState), "command" ({command, value?}), "status" (status), "error" ({code, message}),
 * "connect" ({recovered}; where something plays, its state follows unless it is known).
 */
export class Carplay extends Emitter {
    /** The newest PlaybackState of the server or of ours; null before the first. */
    state = null;

    #channel;
    #window;
    #known = null; // {state, at}: what the server knows, and since when
    #kept = null; // a state that could not be sent, and who waits for it
    #offs = []; // what connect() has tied

    /** @param {{url?: string | URL, token?: any, io?: any, WebSocket?: any, window?: any}} options */
    constructor({ window = globalThis.window ?? null, ...options }) {
        super();
        this.#window = window;
        this.#channel = openChannel({ ...options, onStatus: () => this.tell("status", this.status) });
        this.#channel.on("connect", (how) => this.#connected(how));
        this.#channel.on("playback_state", (state) => this.#take(state));
        this.#channel.on("carplay_command", (command) => this.#obey(command));
        this.#channel.on("error", (error) => this.tell("error", error));
    }

    get status() {
        return this.#channel.status;
    }

    get reason() {
        return this.#channel.reason;
    }

    get retryAt() {
        return this.#channel.retryAt;
    }

    /** Called again, it has other listeners and the same connection. */
    connect(onState = () => {}, onCommand = () => {}) {
        this.#untie();
        this.#offs = [this.on("state", onState), this.on("command", onCommand)];
        this.#window?.addEventListener("message", this.#fromBridge);
        if (this.#channel.isResting) {
            this.#channel.open();
        }
    }

    disconnect() {
        this.#untie();
        this.#window?.removeEventListener("message", this.#fromBridge);
        this.#drop("disconnected");
        this.state = this.#known = null;
        this.#channel.close({ forget: true });
    }

    isConnected() {
        return this.status === "online";
    }

    /** Does not wait for the end of a back-off. */
    retry() {
        this.#channel.retry();
    }

    /**
     * What plays here. Never rejected: {ok: true}, or {ok: false, error, message}; also {ok: true, unchanged: true} for
     * what everybody knows already.
     */
    sendPlaybackState(state) {
        if (this.#kept === null && this.#isKnown(state)) {
            return Promise.resolve({ ok: true, unchanged: true });
        }
        this.state = state;
        if (this.isConnected()) {
            return this.#publish(state);
        }
        this.#drop("replaced");
        return new Promise((answer) => (this.#kept = { state, answer }));
    }

    /** A button; it comes back to all of the user's devices. Never rejected, as above. */
    sendCommand(command, value) {
        const what = typeof command === "object" ? command : { command, value };
        const { command: name, value: number } = what;
        return this.#request("carplay_command", number == null ? { command: name } : { command: name, value: number });
    }

    // What was refused, or lost, is not known.
    async #publish(state) {
        const known = { state, at: performance.now() };
        this.#known = known;
        const answer = await this.#request("playback_state_update", state);
        if (!answer.ok && this.#known === known) {
            this.#known = null;
        }
        return answer;
    }

    async #request(event, data) {
        try {
            return (await this.#channel.request(event, data)) ?? { ok: true };
        } catch ({ code: error, message }) {
            return { ok: false, error, message };
        }
    }

    #take(state) {
        this.state = state;
        this.#known = { state, at: performance.now() };
        this.tell("state", state);
    }

    // A command has changed what everybody knows; the player that obeys says how.
    #obey(command) {
        this.#known = null;
        this.tell("command", command);
    }

    #connected({ recovered }) {
        const kept = this.#kept;
        this.#kept = null;
        this.tell("connect", { recovered });
        if (kept) {
            this.#publish(kept.state).then(kept.answer);
        }
    }

    #drop(error) {
        this.#kept?.answer({ ok: false, error, message: "it was not sent" });
        this.#kept = null;
    }

    #isKnown(state) {
        if (this.#known === null) {
            return false;
        }
        const { currentTime: then, ...known } = this.#known.state;
        const { currentTime: now, ...said } = state;
        const passed = known.isPlaying ? (performance.now() - this.#known.at) / 1000 : 0;
        return isSame(known, said) && Math.abs(then + passed - now) <= SAME_S;
    }

    #untie() {
        this.#offs.forEach((off) => off());
        this.#offs = [];
    }

    // The application's script runs in this window; a WebView's own message comes from nowhere. Frames of others do not
    // count.
    #fromBridge = ({ data, source, origin }) => {
        const isOwn = source === this.#window || (source === null && origin === "");
        if (!isOwn || data?.type !== BRIDGE) {
            return;
        }
        const { command, value } = data;
        if (this.isConnected()) {
            this.sendCommand(command, value);
        } else {
            this.tell("command", value == null ? { command } : { command, value });
        }
    };
}

// The server adds whose state it is; that need not be said.
function isSame({ userId: ours, ...one }, { userId: theirs, ...other }) {
    const names = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...names].every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));
}
