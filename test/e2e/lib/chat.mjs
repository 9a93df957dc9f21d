// Chat: a member of a room on /ws.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { Socket } from "./socket.mjs";

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class Member extends Socket {
    welcome;

    // Enters and reads the welcome. room: none makes a new one.
    static async enter(gateway, room, options = {}) {
        const query = { ...(room === undefined ? {} : { room }), ...options.query };
        const member = await this.connect(gateway, "/ws", { ...options, query });
        member.welcome = JSON.parse(member.first);
        assert.equal(member.welcome.type, "welcome", member.first);
        return member;
    }

    get id() {
        return this.welcome.clientId;
    }

    get room() {
        return this.welcome.roomId;
    }

    get texts() {
        return this.welcome.history.map(({ text }) => text);
    }

    say(text, more = {}) {
        this.send({ type: "message", text, ...more });
    }

    // The next frame, which must be of that type and have these members.
    async hears(type, members = {}) {
        const text = await this.next();
        const frame = JSON.parse(text);
        assert.equal(frame.type, type, text);
        for (const [name, value] of Object.entries(members)) {
            assert.deepEqual(frame[name], value, `${name} of ${text}`);
        }
        return frame;
    }

    // The code and sentence of the error that is the answer to a message.
    async refuses(message) {
        this.send(message);
        const frame = await this.hears("error");
        assert.deepEqual(Object.keys(frame), ["type", "code", "message"]);
        assert.equal(typeof frame.message, "string");
        return frame;
    }

    // Nothing else was said to this member so far: what it says itself is the next that it hears.
    async hearsNothing() {
        const text = `fence ${randomUUID()}`;
        this.say(text);
        await this.hears("message", { text });
    }
}
