// Player: one device of a user on /player, as a client on the `ws` package sees it.

import assert from "node:assert/strict";

import { Socket, textOf, urlOf } from "./socket.mjs";

export { textOf };

let pings = 0;

// The URL of a gateway's /player.
export function playerUrl(gateway, query = {}) {
    return urlOf(gateway, "/player", query);
}

export class Player extends Socket {
    static open(gateway, options = {}) {
        return Player.connect(gateway, "/player", options);
    }

    // The HTTP answer of a handshake that must be refused.
    static refused(gateway, options = {}) {
        return Player.refusal(gateway, "/player", options);
    }

    // Asks for a pong and requires that it is the very next frame: the gateway had nothing else to say to us so far.
    async hearsNothing() {
        const t = `fence ${++pings}`;
        const answer = await this.ask({ type_push_state: "ping", t });
        assert.deepEqual([answer.type_push_state, answer.t], ["pong", t], `unexpected: ${JSON.stringify(answer)}`);
    }

    async refuses(message) {
        const answer = await this.ask(message);
        assert.equal(answer.type_push_state, "invalid_format", `answer to ${textOf(message).slice(0, 200)}`);
        assert.equal(typeof answer.reason, "string", "a refusal says why");
        assert.ok(answer.reason.length > 0, "a refusal says why");
        return answer.reason;
    }
}
