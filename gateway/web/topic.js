// Topic: one connection to a feed, and the lines that it brought, to be shown (topic-view.js).

import { feed } from "./segue.js";

const LINES_KEPT = 100;

export class Topic {
    lines = []; // newest first: {text, at, server}
    count = 0;
    notice = "";
    link;

    #onChange;

    // onChange(topic): something to show has changed.
    constructor({ onChange, ...options }) {
        this.#onChange = onChange;
        this.link = feed(options);
        this.link.on("status", () => this.#become(this.notice));
        this.link.on("subscribed", () => this.#become(""));
        this.link.on("refused", ({ code, message }) => this.#become(`Refused: ${message ?? code}.`));
        this.link.on("message", (text, { server }) => this.#take(text, server));
    }

    open() {
        this.#become("");
        this.link.connect();
    }

    close() {
        this.link.disconnect();
    }

    get server() {
        return this.link.server;
    }

    get isConnected() {
        return this.link.isConnected;
    }

    get isSubscribed() {
        return this.link.isSubscribed;
    }

    get isWanted() {
        return this.link.isWanted;
    }

    subscribe() {
        this.link.subscribe();
        this.#onChange(this);
    }

    unsubscribe() {
        this.link.unsubscribe();
        this.#onChange(this);
    }

    #take(text, server) {
        this.count += 1;
        this.lines.unshift({ text, at: new Date(), server });
        this.lines.length = Math.min(this.lines.length, LINES_KEPT);
        this.#onChange(this);
    }

    #become(notice) {
        this.notice = notice;
        this.#onChange(this);
    }
}
