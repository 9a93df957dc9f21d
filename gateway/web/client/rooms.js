// Rooms: one member of a chat room, what is said there, and how many are in.
//
//   const room = rooms({ url: "https://gateway.example", token }).enter("lobby");      // without a name: a new room
//   room.on("message", ({ text, name, mine }) => ...);
//   room.say("hello", "Ann");
//
// Every message is told once and in the room's order, also when the connection breaks: the history that comes with the
// next one brings what was missed, as far as it reaches back ("gap" when it does not).
//
// A message of one's own is pending until the room says it back: its place among the others is the room's to decide.
// When the connection breaks first, the history tells whether it arrived; if not, it has failed, and may be said again.

import { Emitter } from "./emitter.js";
import { Gateway } from "./gateway.js";
import { Link } from "./link.js";

const SEEN_KEPT = 1000; // more than any history brings

/** @param {{url?: string | URL, token?: any, WebSocket?: any}} options */
export function rooms(options = {}) {
    const { url, token, ...wire } = options;
    const gateway = new Gateway({ url, token });
    return {
        /** Goes in, and comes back after every break. Without an id: into a new room, which then has one. */
        enter(id = "") {
            const room = new Room({
                ...gateway.wire(),
                ...wire,
                id,
                address: (known) => gateway.socket(known ? `/ws?room=${encodeURIComponent(known)}` : "/ws"),
            });
            room.open();
            return room;
        },
    };
}

/**
 * Made by rooms().enter(). Tells: "entered" ({isBack}), "message" ({id, clientId, name, text, at, mine}), "gap"
 * (something may be missing here), "joined" and "left" ({clientId, members}), "pending" (the list has changed),
 * "refused" ({code, message}), "status" (status).
 */
export class Room extends Emitter {
    id = "";
    clientId = ""; // one for each connection
    members = 0;
    pending = []; // one's own, oldest first: {text, name, failed}

    #link;
    #mine = new Set(); // the ids that this member had
    #seen = new Set(); // ids of messages
    #wasIn = false;

    /** address(id): the WebSocket's address of a room; of a new one when the id is empty. */
    constructor({ id, address, ...wire }) {
        super();
        this.id = id;
        this.#link = new Link({
            ...wire,
            url: () => address(this.id),
            onStatus: () => this.#statusChanged(),
            onFrame: (frame) => this.#heard(frame),
        });
    }

    open() {
        if (this.#link.isResting) {
            this.#link.open();
        }
    }

    leave() {
        this.#link.send({ type: "leave" });
        this.#link.close();
    }

    /** Does not wait for the end of a back-off. */
    retry() {
        this.#link.retry();
    }

    get status() {
        return this.#link.status;
    }

    get reason() {
        return this.#link.reason;
    }

    get retryAt() {
        return this.#link.retryAt;
    }

    get isIn() {
        return this.status === "online" && this.clientId !== "";
    }

    /** False when it could not be sent; then nothing has happened. */
    say(text, name) {
        const message = { type: "message", text, ...(name ? { name } : {}) };
        if (!this.isIn || !this.#link.send(message)) {
            return false;
        }
        this.#pend([...this.pending, { text, name, failed: false }]);
        return true;
    }

    /** A message that has failed is said again ... */
    sayAgain(message) {
        if (this.isIn) {
            this.forget(message);
            this.say(message.text, message.name);
        }
    }

    /** ... or forgotten. */
    forget(message) {
        this.#pend(this.pending.filter((one) => one !== message));
    }

    #statusChanged() {
        if (this.status !== "online") {
            this.clientId = "";
        }
        this.tell("status", this.status);
    }

    #heard(frame) {
        const run = {
            welcome: () => this.#enter(frame),
            message: () => this.#take(frame),
            joined: () => this.#count("joined", frame),
            left: () => this.#count("left", frame),
            error: () => this.#refused(frame),
        }[frame.type];
        run?.();
    }

    #enter({ clientId, roomId, members = 1, history = [] }) {
        this.id = String(roomId);
        this.clientId = clientId;
        this.members = members;
        this.#mine.add(clientId);
        if (this.#seen.size > 0 && history.length > 0 && !history.some(({ id }) => this.#seen.has(id))) {
            this.tell("gap");
        }
        history.forEach((message) => this.#take(message));
        this.#fail(() => true);
        const isBack = this.#wasIn;
        this.#wasIn = true;
        this.tell("entered", { isBack });
    }

    #take({ clientId = null, name, text, id, time }) {
        if (this.#seen.has(id)) {
            return;
        }
        this.#seen.add(id);
        if (this.#seen.size > SEEN_KEPT) {
            this.#seen.delete(this.#seen.values().next().value);
        }
        const mine = this.#mine.has(clientId);
        if (mine) {
            this.#arrived(text);
        }
        this.tell("message", { id, clientId, name, text: String(text), at: new Date(time), mine });
    }

    // What was said before one that arrived, and has not arrived, will not.
    #arrived(text) {
        const index = this.pending.findIndex((message) => message.text === text);
        if (index >= 0) {
            this.#fail((message, place) => place < index);
            this.#pend(this.pending.filter((message, place) => place !== index));
        }
    }

    #fail(which) {
        if (this.pending.some(which)) {
            this.#pend(this.pending.map((one, place) => (which(one, place) ? { ...one, failed: true } : one)));
        }
    }

    #pend(pending) {
        this.pending = pending;
        this.tell("pending", pending);
    }

    #count(event, { clientId, members }) {
        this.members = members;
        this.tell(event, { clientId, members });
    }

    // The room does not say which message it refuses; those that it did not will still arrive.
    #refused({ code, message }) {
        this.#fail(() => true);
        this.tell("refused", { code, message });
    }
}
