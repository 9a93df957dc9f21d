// Actors: the clients of a storm, as an application would write them: they come back after every break with jittered
// back-off, notice when nothing comes any more, and note in the history what they say and hear.
//
// All connect to one port, behind which any gateway may take them.

import WebSocket from "ws";

import { apply } from "../../e2e/lib/mirror.mjs";
import { sleep } from "../../e2e/lib/patience.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";

export const PING_MS = 1000;
export const QUEUE = 65536; // --max-queue of the gateways
const HISTORY = { most: 50, largest: 8192 }; // messages of a welcome, bytes of one
const SILENCE_MS = 5000; // then a client takes its connection for dead
const HANDSHAKE_MS = 5000;
const DELAYS_MS = [20, 1000];

// A mark in "t12", "m 12 and more", 12; null: none.
export function markOf(value) {
    const digits = /^(?:t|m )?(\d+)(?: |$)/.exec(String(value ?? ""));
    return digits ? Number(digits[1]) : null;
}

// A WebSocket that is opened again and again.
class Line {
    connections = 0;
    codes = {}; // how often a connection ended with each
    #socket = null;
    #over = false;
    #running;
    #paused = false;
    #heard = 0;

    // storm: {history, door, random}; name: who it is in the history.
    constructor(storm, name, path, user) {
        this.storm = storm;
        this.history = storm.history;
        this.name = name;
        this.path = path;
        this.token = user && tokenOf(user);
        this.#running = this.#run();
    }

    get connection() {
        return `${this.name}#${this.connections}`;
    }

    get isConnected() {
        return this.ready && this.#socket !== null;
    }

    async #run() {
        for (let delay = DELAYS_MS[0]; !this.#over;) {
            const before = this.connections;
            await this.#live();
            delay = this.connections > before ? DELAYS_MS[0] : Math.min(delay * 2, DELAYS_MS[1]);
            await sleep(delay * (0.5 + Math.random()));
        }
    }

    // One connection from its beginning to its end.
    async #live() {
        this.since = this.history.now();
        const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
        const url = this.storm.door.url(this.path).replace("http", "ws");
        const socket = new WebSocket(url, { headers, perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS });
        const alive = () => (this.#heard = Date.now());
        socket.on("error", () => {});
        socket.on("open", () => {
            alive();
            this.connections += 1;
            this.#socket = socket;
            this.#over ? socket.terminate() : this.opened();
        });
        socket.on("ping", alive);
        socket.on("message", (bytes) => {
            alive();
            if (this.#socket) {
                this.frame(JSON.parse(bytes), bytes.length);
            }
        });
        const watch = setInterval(() => {
            if (!this.#paused && this.#socket && Date.now() - this.#heard > SILENCE_MS) {
                socket.terminate();
            }
        }, 250);
        const code = await new Promise((resolve) => socket.once("close", resolve));
        clearInterval(watch);
        this.codes[code] = (this.codes[code] ?? 0) + 1;
        if (this.#socket) {
            this.history.note("end", { o: this.name, c: this.connection, code });
        }
        this.ready = false;
        this.#paused = false;
        this.#socket = null;
    }

    opened() {}

    // Once per connection, when it is known that it is there.
    begin(e, more = {}) {
        this.ready = true;
        this.history.note("begin", { o: this.name, c: this.connection, e, since: this.since, ...more });
    }

    saw(e, m, as, more = {}) {
        this.history.note("saw", { o: this.name, c: this.connection, e, m, as, ...more });
    }

    // It was told that something that it said may not have happened.
    unsure() {
        this.history.note("unsure", { c: this.connection });
    }

    send(message) {
        this.#socket.send(JSON.stringify(message));
    }

    cut() {
        this.#socket?.terminate();
    }

    pause() {
        this.#paused = this.#socket !== null;
        this.#socket?.pause();
    }

    resume() {
        this.#paused = false;
        this.#heard = Date.now();
        this.#socket?.resume();
    }

    async end() {
        this.#over = true;
        this.cut();
        await this.#running;
    }
}

// A device on /player. skew: by how much its clock is wrong, in ms; only one who just listens can be asked what it believes,
// since nobody repeats to a speaker what it said itself.
export class Device extends Line {
    state = null;
    unavailable = 0;
    skew = 0;

    constructor(storm, name, user, skew = 0) {
        super(storm, name, "/player", user);
        this.user = user;
        this.entity = `state:${user}`;
        this.skew = skew;
    }

    frame(frame) {
        switch (frame.type_push_state) {
            case undefined:
                this.state = frame;
                this.#snapshot(markOf(frame.track_id));
                break;
            case "no_track_state":
                this.state = null;
                this.#snapshot(null);
                break;
            case "unavailable":
                this.unavailable += 1;
                this.unsure();
                break;
            case "invalid_format":
                this.history.note("wrong", { what: `${this.name} was told ${JSON.stringify(frame)}` });
                break;
            default:
                this.#change(frame);
        }
    }

    #snapshot(track) {
        if (!this.ready) {
            this.begin(this.entity);
        }
        if (track !== null) {
            this.saw(this.entity, track, "snapshot");
        }
    }

    #change(frame) {
        const marks = { new_track: ["track_id", "track"], change_position: ["last_sec_position", "seek"] };
        const [field, as] = marks[frame.type_push_state] ?? ["n", "turn"];
        const mark = markOf(frame[field]);
        if (mark !== null) {
            this.saw(this.entity, mark, as, { said: frame.n !== undefined });
        }
        if (this.state || frame.from_is !== undefined) {
            this.state = apply(this.state, frame);
        }
    }

    // Presses a button; pad: so many bytes more.
    act(pad = 0) {
        if (!this.isConnected) {
            return;
        }
        const { random, history } = this.storm;
        const what = this.state
            ? random.weighted({ new_track: 2, change_position: 5, on_pause: 2, off_pause: 2 })
            : "new_track";
        const message = { type_push_state: what, time_state_update: new Date(Date.now() + this.skew).toISOString() };
        const v = { new_track: "track", change_position: "seek" }[what] ?? "turn";
        message.n = history.say(this.entity, this.connection, { v });
        if (what === "new_track") {
            Object.assign(message, { track_id: `t${message.n}`, from_is: "storm", from_is_id: this.user });
            this.state = apply(this.state, message);
        } else if (what === "change_position") {
            message.last_sec_position = message.n;
        }
        this.send(pad ? { ...message, pad: "x".repeat(pad) } : message);
    }
}

// A member of a room on /ws. What it hears of its own is its acknowledgement.
export class Member extends Line {
    constructor(storm, name, room) {
        super(storm, name, `/ws?room=${room}`);
        this.room = room;
        this.entity = `room:${room}`;
    }

    frame(frame, bytes) {
        if (frame.type === "welcome") {
            const full = frame.history.length >= HISTORY.most || bytes > QUEUE - HISTORY.largest;
            const history = frame.history.map(({ id }) => id);
            this.id = frame.clientId;
            this.begin(this.entity, { history, full });
            frame.history.forEach(({ text, id }) => this.saw(this.entity, markOf(text), "history", { id }));
        } else if (frame.type === "message") {
            this.saw(this.entity, markOf(frame.text), "message", { id: frame.id });
            if (frame.clientId === this.id) {
                this.history.done(markOf(frame.text), true);
            }
        } else if (frame.type === "error") {
            this.unsure();
        }
    }

    act(pad = 0) {
        if (this.isConnected) {
            const mark = this.history.say(this.entity, this.connection, { v: "message" });
            this.send({ type: "message", text: `m ${mark}${pad ? ` ${"x".repeat(pad)}` : ""}` });
        }
    }
}

// A subscriber of a topic.
export class Subscriber extends Line {
    #pings;

    constructor(storm, name, topic) {
        super(storm, name, `/feed/${topic}`);
        this.entity = `feed:${topic}`;
        this.#pings = setInterval(() => this.isConnected && this.#say("ping"), 4000);
    }

    #say(type) {
        this.send({ type, payload: { id: this.id } });
    }

    frame({ type, payload }) {
        if (type === "initial") {
            this.id = payload.id;
            this.#say("connect");
            this.#say("subscribe");
        } else if (type === "subscribe_confirmation") {
            this.begin(this.entity);
        } else if (type === "wisdom_distribution") {
            this.saw(this.entity, markOf(payload.message), "line");
        } else if (type === "error" && payload.code === "unavailable") {
            this.cut(); // to ask again
        }
    }

    end() {
        clearInterval(this.#pings);
        return super.end();
    }
}
