// Feed: one connection to a topic, and the lines that come by themselves.
//
//   const wisdom = feed({ url: "https://gateway.example", topic: "wisdom" });
//   wisdom.on("message", (text) => ...);
//   wisdom.connect();
//   wisdom.subscribe();
//
//   online --initial--> known by an id --connect--> connected --subscribe--> asked --confirmation--> subscribed
//
// What was asked for is kept: after a break the new connection subscribes again. Lines that came meanwhile are gone, as
// they are for everybody who was not there.

import { Emitter } from "./emitter.js";
import { Gateway } from "./gateway.js";
import { Link } from "./link.js";

const PING_MS = 5000;
const ASK_AGAIN_MS = 2000;

/** @param {ConstructorParameters<typeof Feed>[0]} options */
export function feed(options = {}) {
    return new Feed(options);
}

/**
 * Tells: "message" (text, {server}), "subscribed" (boolean), "refused" ({code, message}), "status" (status; also when
 * the connection has got its id).
 */
export class Feed extends Emitter {
    server = ""; // the process that serves this connection
    isSubscribed = false;
    isWanted = false; // to be subscribed

    #link;
    #id = "";
    #pingTimer = 0;
    #askTimer = 0;

    /** @param {{url?: string | URL, token?: any, topic?: string, WebSocket?: any}} options */
    constructor({ url, token, topic = "wisdom", ...wire }) {
        super();
        const gateway = new Gateway({ url, token });
        this.#link = new Link({
            ...gateway.wire(),
            ...wire,
            url: gateway.socket(`/feed/${encodeURIComponent(topic)}?extended=1`),
            onStatus: () => this.#statusChanged(),
            onFrame: (frame) => this.#heard(frame),
        });
    }

    connect() {
        if (this.#link.isResting) {
            this.#link.open();
        }
    }

    /** As the protocol asks: it says that it leaves. */
    disconnect() {
        this.#say("disconnect");
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

    get isConnected() {
        return this.#id !== "";
    }

    subscribe() {
        this.isWanted = true;
        this.#say("subscribe");
    }

    unsubscribe() {
        this.isWanted = false;
        clearTimeout(this.#askTimer);
        this.#say("unsubscribe");
        this.#become(false);
    }

    #say(type) {
        return this.isConnected && this.#link.send({ type, payload: { id: this.#id } });
    }

    #become(isSubscribed) {
        if (isSubscribed !== this.isSubscribed) {
            this.isSubscribed = isSubscribed;
            this.tell("subscribed", isSubscribed);
        }
    }

    #statusChanged() {
        if (this.status !== "online") {
            clearTimeout(this.#pingTimer);
            clearTimeout(this.#askTimer);
            this.#id = this.server = "";
            this.#become(false);
        }
        this.tell("status", this.status);
    }

    #heard({ type, payload: sent }) {
        const payload = sent ?? {};
        const run = {
            initial: () => this.#begin(payload),
            subscribe_confirmation: () => this.#become(this.isWanted),
            wisdom_distribution: () => this.tell("message", String(payload.message), { server: this.server }),
            error: () => this.#refused(payload),
        }[type];
        run?.();
    }

    #begin({ id, server = "" }) {
        this.#id = id;
        this.server = String(server);
        this.#say("connect");
        this.#ping();
        if (this.isWanted) {
            this.#say("subscribe");
        }
        this.tell("status", this.status);
    }

    #refused({ code, message }) {
        if (this.isWanted && !this.isSubscribed) {
            clearTimeout(this.#askTimer);
            this.#askTimer = setTimeout(() => this.#say("subscribe"), ASK_AGAIN_MS);
        }
        this.tell("refused", { code, message });
    }

    // Who is silent for long is taken for dead.
    #ping() {
        clearTimeout(this.#pingTimer);
        this.#pingTimer = setTimeout(() => {
            this.#say("ping");
            this.#ping();
        }, PING_MS);
    }
}
