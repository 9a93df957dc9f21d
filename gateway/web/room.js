// Room: what is to be shown of a chat room (room-view.js): the messages, notes of who comes and goes, and what is on
// its way.

import { rooms } from "./segue.js";

const ENTRIES_KEPT = 300;

export class Room {
    entries = []; // oldest first: {kind: "message", ...} or {kind: "note", text, at}
    notice = "";
    link;

    #onChange;

    // id: empty for a new room. onChange(room): something to show has changed.
    constructor({ id = "", onChange, ...options }) {
        this.#onChange = onChange;
        this.link = rooms(options).enter(id);
        this.link.on("status", () => onChange(this));
        this.link.on("pending", () => onChange(this));
        this.link.on("message", (message) => this.#add({ kind: "message", ...message }));
        this.link.on("entered", ({ isBack }) => this.#enter(isBack));
        this.link.on("gap", () => this.#note("Some messages may be missing here"));
        this.link.on("joined", () => this.#note("Somebody came in"));
        this.link.on("left", () => this.#note("Somebody left"));
        this.link.on("refused", ({ code, message }) => this.#say(`Refused: ${message ?? code}.`));
    }

    leave() {
        this.link.leave();
    }

    get id() {
        return this.link.id;
    }

    get members() {
        return this.link.members;
    }

    get pending() {
        return this.link.pending;
    }

    get isIn() {
        return this.link.isIn;
    }

    /** False when it could not be sent; then nothing has happened. */
    say(text, name) {
        const isSent = this.link.say(text, name);
        this.#say(isSent ? "" : this.notice);
        return isSent;
    }

    /** A message that did not arrive is said again, or forgotten. */
    retry(message) {
        this.link.sayAgain(message);
    }

    forget(message) {
        this.link.forget(message);
    }

    #enter(isBack) {
        this.notice = "";
        this.#note(isBack ? "You are back" : "You came in");
    }

    #note(text) {
        this.#add({ kind: "note", text, at: new Date() });
    }

    #add(entry) {
        this.entries.push(entry);
        this.entries.splice(0, this.entries.length - ENTRIES_KEPT);
        this.#onChange(this);
    }

    #say(notice) {
        this.notice = notice;
        this.#onChange(this);
    }
}
