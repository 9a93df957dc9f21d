// Car: an official Socket.IO client of a user, mostly one that asks for recovery.

import { io } from "socket.io-client";

import { tokenOf } from "../../e2e/lib/token.mjs";
import { markOf } from "./actors.mjs";

const ANSWER_MS = 15000;
const AGAIN_MS = 500;

export class Car {
    connections = 0;
    recovered = 0;
    unavailable = 0;
    pending = 0;
    #over = false;
    #paused = null;

    // how: {transports, recovery}.
    constructor(storm, name, user, { transports, recovery = true }) {
        this.storm = storm;
        this.history = storm.history;
        this.name = name;
        this.user = user;
        this.recovers = recovery;
        this.transports = transports;
        this.socket = io(storm.door.url("/"), {
            auth: { token: tokenOf(user), ...(recovery && { recovery: true }) },
            transports,
            forceNew: true,
            reconnectionDelay: 20,
            reconnectionDelayMax: 1000,
            timeout: 5000,
        });
        this.#listen();
    }

    get connection() {
        return `${this.name}#${this.connections}`;
    }

    get isConnected() {
        return this.socket.connected;
    }

    // What the client library leaves to the application: to come back after a refusal.
    #again() {
        if (!this.#over && !this.socket.active) {
            setTimeout(() => this.#over || this.socket.connect(), AGAIN_MS * (0.5 + Math.random()));
        }
    }

    #listen() {
        const { socket } = this;
        socket.on("connect", () => {
            this.connections += 1;
            this.recovered += socket.recovered ? 1 : 0;
            const e = [`events:${this.user}`, "events:*", `state:${this.user}`];
            const more = { recovered: socket.recovered ?? false, recovers: this.recovers };
            this.history.note("begin", { o: this.name, c: this.connection, e, ...more });
        });
        socket.on("disconnect", (reason) => {
            this.#paused = null;
            this.history.note("end", { o: this.name, c: this.connection, reason });
            this.#again();
        });
        socket.on("connect_error", (error) => {
            if (!socket.active) {
                this.history.note("refused", { o: this.name, why: error.message });
            }
            this.#again();
        });
        socket.on("carplay_command", ({ value }) => this.#saw(`events:${this.user}`, value, "command"));
        socket.on("storm", ({ m }) => this.#saw(`events:${this.user}`, m, "event"));
        socket.on("storm_all", ({ m }) => this.#saw("events:*", m, "event"));
        socket.on("playback_state", ({ mediaId }) => this.#saw(`state:${this.user}`, mediaId, "playback"));
        socket.on("error", (error) => {
            this.unavailable += error?.code === "unavailable" ? 1 : 0;
        });
    }

    #saw(e, value, as) {
        const m = markOf(value);
        if (m !== null) {
            this.history.note("saw", { o: this.name, c: this.connection, e, m, as });
        }
    }

    // A command, or a new state.
    act() {
        if (!this.isConnected) {
            return;
        }
        const { random } = this.storm;
        const what = random.weighted({ seek: 3, next: 3, state: 2 });
        const [events, state] = [`events:${this.user}`, `state:${this.user}`];
        if (what === "state") {
            const m = this.history.say(state, this.connection, { v: "track" });
            const isPlaying = random.below(2) === 1;
            const media = { mediaId: `t${m}`, duration: 3600 };
            this.#emit(m, "playback_state_update", { isPlaying, currentTime: m, ...media });
            return;
        }
        const m = this.history.say(events, this.connection, { v: what });
        if (what === "seek") {
            this.history.also(m, state, this.connection);
        }
        this.#emit(m, "carplay_command", { command: what, value: m });
    }

    #emit(m, ...event) {
        this.pending += 1;
        this.socket.timeout(ANSWER_MS).emit(...event, (error, answer) => {
            this.pending -= 1;
            if (error || answer.error === "unavailable") {
                this.history.done(m, null, error ? "no answer" : "unavailable");
            } else {
                this.history.done(m, answer.ok, answer.error);
            }
        });
    }

    get #raw() {
        return this.socket.io.engine?.transport?.ws;
    }

    cut() {
        const ws = this.#raw;
        ws?.terminate ? ws.terminate() : this.socket.io.engine?.close();
    }

    // Of a WebSocket only.
    pause() {
        this.#paused = this.#raw ?? null;
        this.#paused?.pause?.();
    }

    resume() {
        this.#paused?.resume?.();
        this.#paused = null;
    }

    async end() {
        this.#over = true;
        this.socket.disconnect();
    }
}
