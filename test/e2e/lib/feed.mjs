// Feed: one client of a topic, as the reference describes it.

import assert from "node:assert/strict";

import { patient } from "./patience.mjs";
import { Socket } from "./socket.mjs";

export const CONFIRMATION = { type: "subscribe_confirmation", payload: { status: "ok" } };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class Feed extends Socket {
    id;

    // path: /wisdom, /connect or /feed/TOPIC.
    static async open(gateway, path = "/wisdom", options = {}) {
        const feed = await Feed.connect(gateway, path, options);
        const initial = JSON.parse(feed.first);
        feed.id = initial.payload.id;
        assert.match(feed.id, UUID);
        assert.deepEqual(initial, { type: "initial", payload: { id: feed.id } });
        return feed;
    }

    // The same, connected and subscribed.
    static async subscribed(gateway, path, options) {
        const feed = await Feed.open(gateway, path, options);
        feed.say("connect");
        await feed.subscribe();
        return feed;
    }

    static refused(gateway, path, options = {}) {
        return Feed.refusal(gateway, path, options);
    }

    say(type, id = this.id) {
        this.send({ type, payload: { id } });
    }

    async subscribe() {
        this.say("subscribe");
        assert.deepEqual(await this.nextJson(), CONFIRMATION);
    }

    // The next frame is a line; gives its text.
    async line(ms) {
        const { type, payload, ...rest } = await this.nextJson(ms);
        assert.equal(type, "wisdom_distribution", JSON.stringify(payload));
        assert.deepEqual([Object.keys(payload), rest], [["message"], {}]);
        return payload.message;
    }

    // The next frame is an error with that code; gives its message.
    async error(code, ms = patient()) {
        const { type, payload, ...rest } = await this.nextJson(ms);
        assert.equal(type, "error", JSON.stringify(payload));
        assert.deepEqual([payload.code, rest], [code, {}], payload.message);
        assert.deepEqual(Object.keys(payload).sort(), ["code", "message"]);
        assert.ok(payload.message.length > 0, "an error says why");
        return payload.message;
    }

    // Provokes an error and requires that it is the very next frame: the gateway had nothing else to say so far.
    async hearsNothing() {
        this.say("ping", "fence");
        await this.error("wrong_id");
    }
}
