// Topic: one connection to a feed, and the lines that it brought.
//
//   link online --initial--> known by an id --connect--> connected --subscribe--> asked --confirmation--> subscribed
//
// What a person asked for is kept: after a break the new connection subscribes again. Lines that came meanwhile are
// gone, as they are for everybody who was not there.

import { Link } from "./segue.js";

const PING_MS = 5000;
const ASK_AGAIN_MS = 2000;
const LINES_KEPT = 100;

export class Topic {
    lines = []; // newest first: {text, at, server}
    count = 0;
    server = ""; // the process that serves this connection, where it says so
    isSubscribed = false;
    isWanted = false; // to be subscribed
    notice = "";
    link;

    #id = "";
    #onChange;
    #pingTimer = 0;
    #askTimer = 0;

    // onChange(topic): something to show has changed.
    constructor({ onChange, ...wire }) {
        this.#onChange = onChange;
        this.link = new Link({
            ...wire,
            onStatus: () => this.#statusChanged(),
            onFrame: (frame) => this.#heard(frame),
        });
    }

    open() {
        this.link.open();
    }

    // As the protocol asks: it says that it leaves.
    close() {
        this.#say("disconnect");
        this.link.close();
    }

    get isConnected() {
        return this.#id !== "";
    }

    subscribe() {
        this.isWanted = true;
        this.#say("subscribe");
        this.#onChange(this);
    }

    unsubscribe() {
        this.isWanted = this.isSubscribed = false;
        clearTimeout(this.#askTimer);
        this.#say("unsubscribe");
        this.#onChange(this);
    }

    #say(type) {
        return this.isConnected && this.link.send({ type, payload: { id: this.#id } });
    }

    #statusChanged() {
        if (this.link.status !== "online") {
            clearTimeout(this.#pingTimer);
            clearTimeout(this.#askTimer);
            this.#id = this.server = "";
            this.isSubscribed = false;
        }
        this.#onChange(this);
    }

    #heard({ type, payload }) {
        const run = {
            initial: () => this.#begin(payload),
            subscribe_confirmation: () => this.#confirmed(),
            wisdom_distribution: () => this.#take(String(payload?.message)),
            error: () => this.#refused(payload),
        }[type];
        run?.();
        this.#onChange(this);
    }

    #begin({ id, server = "" }) {
        this.#id = id;
        this.server = String(server);
        this.notice = "";
        this.#say("connect");
        this.#ping();
        if (this.isWanted) {
            this.#say("subscribe");
        }
    }

    #confirmed() {
        this.isSubscribed = this.isWanted;
        this.notice = "";
    }

    #take(text) {
        this.count += 1;
        this.lines.unshift({ text, at: new Date(), server: this.server });
        this.lines.length = Math.min(this.lines.length, LINES_KEPT);
    }

    #refused({ code, message }) {
        this.notice = `Refused: ${message ?? code}.`;
        if (this.isWanted && !this.isSubscribed) {
            clearTimeout(this.#askTimer);
            this.#askTimer = setTimeout(() => this.#say("subscribe"), ASK_AGAIN_MS);
        }
    }

    // Who is silent for long is taken for dead.
    #ping() {
        this.#pingTimer = setTimeout(() => {
            this.#say("ping");
            this.#ping();
        }, PING_MS);
    }
}
