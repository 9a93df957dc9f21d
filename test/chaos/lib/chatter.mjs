// Chatter: a member of a room as an application would write it: it comes back after every break, to whichever process
// takes it, keeps what was said, and knows how many are in.

import assert from "node:assert/strict";

import { Member } from "../../e2e/lib/chat.mjs";
import { sleep } from "../../e2e/lib/patience.mjs";

const FIRST_DELAY_MS = 20;
const LONGEST_DELAY_MS = 500;

let chatters = 0;

export class Chatter {
    name = `chatter-${++chatters}`;
    connections = 0;
    count = 0; // members, as it was told last
    log = new Map(); // id -> text, in the order in which it was told
    said = 0;
    unavailable = 0;
    clients = new Set(); // who it was, one after the other
    left = []; // whom it was told as left
    #member = null;
    #over = false;
    #running;

    // gateways: a list that may change while it lives.
    constructor(gateways, room) {
        this.gateways = gateways;
        this.room = room;
        this.#running = this.#run();
    }

    async #run() {
        for (let delay = FIRST_DELAY_MS; !this.#over;) {
            const gateway = this.gateways[Math.floor(Math.random() * this.gateways.length)];
            const member = await Member.enter(gateway, this.room).catch(() => null);
            if (member) {
                delay = FIRST_DELAY_MS;
                this.connections += 1;
                this.#hear(member.welcome);
                this.#member = member;
                if (this.#over) {
                    member.terminate();
                }
                await this.#listen(member);
                this.#member = null;
            }
            await sleep(delay * (0.5 + Math.random()));
            delay = Math.min(delay * 2, LONGEST_DELAY_MS);
        }
    }

    async #listen(member) {
        for (;;) {
            const frame = await member.nextJson(2 ** 31 - 1).catch(() => null);
            if (!frame) {
                return;
            }
            this.#hear(frame);
        }
    }

    #hear(frame) {
        switch (frame.type) {
            case "welcome":
                this.clients.add(frame.clientId);
                frame.history.forEach((message) => this.#keep(message));
                break;
            case "message":
                this.#keep(frame);
                break;
            case "left":
                this.left.push(frame.clientId);
                break;
            case "error":
                this.unavailable += frame.code === "unavailable" ? 1 : 0;
                break;
            default:
                break;
        }
        this.count = frame.members ?? this.count;
    }

    // What a welcome repeats must be what was said then.
    #keep({ id, text }) {
        assert.equal(this.log.get(id) ?? text, text);
        this.log.set(id, text);
    }

    get isConnected() {
        return this.#member !== null;
    }

    // Says something that nobody said before, when there is somebody to say it to.
    say() {
        if (this.#member?.isOpen) {
            this.#member.say(`${this.name} ${this.said++}`);
        }
    }

    async end() {
        this.#over = true;
        this.#member?.terminate();
        await this.#running;
    }
}
