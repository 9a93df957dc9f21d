// Room: one member of a chat room, the messages, and who else is there.
//
// A message of one's own is shown as "on its way" until the room says it back: its place among the others is the room's
// to decide. When the connection breaks first, the history that comes with the next one tells whether it arrived.

import { Link } from "./segue.js";

const ENTRIES_KEPT = 300;
const SEEN_KEPT = 1000; // more than any history brings

export class Room {
    id = "";
    clientId = "";
    members = 0;
    entries = []; // oldest first: {kind: "message", ...} or {kind: "note", text, at}
    pending = []; // one's own, oldest first: {text, failed}
    notice = "";
    link;

    #mine = new Set(); // the ids that this member had, one for each connection
    #seen = new Set(); // ids of messages
    #onChange;
    #wasIn = false;

    // address(id): the WebSocket's address of a room; of a new one when the id is empty. onChange(room): something to
    // show has changed.
    constructor({ id = "", address, onChange, ...wire }) {
        this.id = id;
        this.#onChange = onChange;
        this.link = new Link({
            ...wire,
            url: () => address(this.id),
            onStatus: () => this.#statusChanged(),
            onFrame: (frame) => this.#heard(frame),
        });
    }

    open() {
        this.link.open();
    }

    leave() {
        this.link.send({ type: "leave" });
        this.link.close();
    }

    get isIn() {
        return this.link.status === "online" && this.clientId !== "";
    }

    /** False when it could not be sent; then nothing has happened. */
    say(text, name) {
        const message = { type: "message", text, ...(name ? { name } : {}) };
        if (!this.isIn || !this.link.send(message)) {
            return false;
        }
        this.pending.push({ text, name, failed: false });
        this.notice = "";
        this.#onChange(this);
        return true;
    }

    /** A message that did not arrive is said again, or forgotten. */
    retry(message) {
        if (this.isIn) {
            this.forget(message);
            this.say(message.text, message.name);
        }
    }

    forget(message) {
        this.pending = this.pending.filter((one) => one !== message);
        this.#onChange(this);
    }

    isMine({ clientId }) {
        return this.#mine.has(clientId);
    }

    #statusChanged() {
        if (this.link.status !== "online") {
            this.clientId = "";
        }
        this.#onChange(this);
    }

    #heard(frame) {
        const run = {
            welcome: () => this.#enter(frame),
            message: () => this.#take(frame),
            joined: () => this.#count(frame, "Somebody came in"),
            left: () => this.#count(frame, "Somebody left"),
            error: () => this.#refused(frame),
        }[frame.type];
        run?.();
        this.#onChange(this);
    }

    #enter({ clientId, roomId, members = 1, history = [] }) {
        this.id = String(roomId);
        this.clientId = clientId;
        this.members = members;
        this.#mine.add(clientId);
        this.notice = "";
        if (this.#seen.size > 0 && history.length > 0 && !history.some(({ id: one }) => this.#seen.has(one))) {
            this.#note("Some messages may be missing here");
        }
        history.forEach((message) => this.#take(message));
        this.pending.forEach((message) => (message.failed = true));
        this.#note(this.#wasIn ? "You are back" : "You came in");
        this.#wasIn = true;
    }

    #take({ clientId = null, name, text, id, time }) {
        if (this.#seen.has(id)) {
            return;
        }
        this.#seen.add(id);
        if (this.#seen.size > SEEN_KEPT) {
            this.#seen.delete(this.#seen.values().next().value);
        }
        this.#add({ kind: "message", clientId, name, text: String(text), at: new Date(time) });
        if (this.isMine({ clientId })) {
            this.#arrived(text);
        }
    }

    // What was said before one that arrived, and has not arrived, will not.
    #arrived(text) {
        const index = this.pending.findIndex((message) => message.text === text);
        this.pending.slice(0, Math.max(0, index)).forEach((message) => (message.failed = true));
        if (index >= 0) {
            this.pending.splice(index, 1);
        }
    }

    #count({ members }, words) {
        this.members = members;
        this.#note(words);
    }

    // The room does not say which message it refuses; those that it did not will still arrive.
    #refused({ code, message }) {
        this.notice = `Refused: ${message ?? code}.`;
        this.pending.forEach((one) => (one.failed = true));
    }

    #note(text) {
        this.#add({ kind: "note", text, at: new Date() });
    }

    #add(entry) {
        this.entries.push(entry);
        this.entries.splice(0, this.entries.length - ENTRIES_KEPT);
    }
}
