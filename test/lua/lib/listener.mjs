// Listener: what is published on a channel, one envelope after the other; in a cluster, by the owner of that channel.

import { connect } from "node:net";

import { parse } from "../../e2e/lib/resp.mjs";
import { until } from "../../e2e/lib/patience.mjs";

export class Listener {
    #socket;
    #unread = Buffer.alloc(0);
    #subscribed = false;
    heard = [];

    static async open(redis, channel) {
        const listener = new Listener();
        const { server, slot } = await redis.ownerOf(channel);
        const verb = slot === undefined ? "SUBSCRIBE" : "SSUBSCRIBE";
        listener.#socket = connect({ path: server.socket });
        listener.#socket.on("data", (bytes) => listener.#read(bytes));
        listener.#socket.on("error", () => {});
        listener.#socket.write(`*2\r\n$${verb.length}\r\n${verb}\r\n$${Buffer.byteLength(channel)}\r\n${channel}\r\n`);
        await until(() => listener.#subscribed, `subscription of ${channel}`);
        return listener;
    }

    #read(bytes) {
        this.#unread = Buffer.concat([this.#unread, bytes]);
        for (let parsed = parse(this.#unread, 0); parsed; parsed = parse(this.#unread, 0)) {
            this.#unread = this.#unread.subarray(parsed.end);
            const [kind, , payload] = parsed.value;
            this.#subscribed ||= /^s?subscribe$/.test(kind);
            if (/^s?message$/.test(kind)) {
                this.heard.push(payload);
            }
        }
    }

    // All envelopes so far, taken apart; they are forgotten. A publication of ours marks the end.
    async take(redis, channel) {
        const mark = `end ${Math.random()}`;
        await redis.call("PUBLISH", channel, mark);
        await until(() => this.heard.at(-1) === mark, "the end of what was published");
        return this.heard.splice(0).slice(0, -1).map(envelopeOf);
    }

    close() {
        this.#socket.destroy();
    }
}

// "1 KIND ORIGIN SEQ PREV TIME SPLIT\nMESSAGE OTHER"; numbers stay text. `message` is what /player devices get, `other`
// what Socket.IO sockets get.
export function envelopeOf(text) {
    const match = text.match(/^1 (\w) (\S+) (\d+) (\d+) (\d+) (\d+)\n([^]*)$/);
    if (!match) {
        throw new Error(`not an envelope: ${JSON.stringify(text)}`);
    }
    const [, kind, origin, seq, prev, time, split, body] = match;
    const bytes = Buffer.from(body, "utf8");
    const message = bytes.subarray(0, Number(split)).toString("utf8");
    return { kind, origin, seq, prev, time, message, other: bytes.subarray(Number(split)).toString("utf8") };
}
