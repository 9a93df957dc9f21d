// The page's own Socket.IO client against real processes: what it missed arrives, on whichever process it comes back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { request } from "../e2e/lib/http.mjs";
import { patient, until } from "../e2e/lib/patience.mjs";
import { Redis } from "../e2e/lib/redis.mjs";
import { SECRET, seconds, tokenOf } from "../e2e/lib/token.mjs";
import { load } from "./lib/web.mjs";

const { SocketIO } = await load("segue.js");

const KEY = "the-backends-key";

let redis;
let gateways = [];

before(async () => {
    redis = await Redis.start();
    gateways = await Promise.all([start(), start(), start()]);
});

after(async () => {
    for (const gateway of gateways) {
        await gateway.close();
    }
    await redis?.close();
});

function start() {
    return Gateway.start({ flags: { redis: redis.url, "jwt-secret": SECRET, "api-key": KEY } });
}

async function tell(user, event, data) {
    const { status, text } = await request(gateways[2].url(`/api/users/${user}/events`), {
        method: "POST",
        headers: { "X-API-Key": KEY, "Content-Type": "application/json" },
        body: JSON.stringify({ event, data }),
    });
    assert.ok([200, 202].includes(status), text);
}

// A client that goes to the gateway that `where` names at the time.
async function connect(t, token, where, options = {}) {
    const auth = () => ({ token: typeof token === "function" ? token() : token });
    const io = new SocketIO({ url: () => where().url("/socket.io/"), auth, WebSocket, ...options });
    t.after(() => io.close());
    const socket = io.of("/");
    io.open();
    await online(io);
    return { io, socket };
}

function online(io) {
    return until(
        () => io.status === "online",
        () => `online: ${io.status} ${io.reason}`,
        patient(20000),
    );
}

test("events missed through a kill -9 arrive on another process, in order, once, under the same id", async (t) => {
    let here = await start();
    const first = here;
    t.after(() => first.close());
    const { io, socket } = await connect(t, tokenOf("recoverer"), () => here);
    const heard = [];
    socket.on("news", (number) => heard.push(number));
    const { id } = socket;
    for (let i = 0; i < 10; i++) {
        await tell("recoverer", "news", i);
    }
    await until(() => heard.length === 10, "the first ten");
    here = gateways[1];
    await first.kill();
    for (let i = 10; i < 30; i++) {
        await tell("recoverer", "news", i);
    }
    await online(io);
    await until(
        () => heard.length === 30,
        () => `all: ${heard}`,
    );
    assert.deepEqual(heard, [...Array(30).keys()]);
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    await tell("recoverer", "news", 30);
    await until(() => heard.at(-1) === 30, "and what comes next");
});

test("answers are the requests' own, also those that say no", async (t) => {
    const { socket } = await connect(t, tokenOf("asker"), () => gateways[0]);
    const errors = [];
    socket.on("error", (error) => errors.push(error));
    const state = { isPlaying: true, currentTime: 3, mediaId: 9, duration: 60 };
    const wrong = { command: "fly" };
    const answers = await Promise.all([
        socket.request("playback_state_update", state),
        socket.request("carplay_command", wrong),
        socket.request("carplay_command", { command: "pause" }),
    ]);
    assert.deepEqual(
        answers.map(({ ok }) => ok),
        [true, false, true],
    );
    assert.equal(typeof answers[1].message, "string");
    await until(() => errors.length === 1, "the error is emitted as well");
});

test("an operator's word is final; an expired token is renewed", async (t) => {
    const banned = await connect(t, tokenOf("banned"), () => gateways[0]);
    const { status } = await request(gateways[1].url("/api/users/banned/disconnect"), {
        method: "POST",
        headers: { "X-API-Key": KEY, "Content-Type": "application/json" },
        body: "{}",
    });
    assert.ok([200, 202].includes(status));
    await until(() => banned.io.status === "stopped", "it stays away");

    let token = tokenOf("renewer", { claims: { exp: seconds(2) } });
    const renew = () => ((token = tokenOf("renewer")), true);
    const { io, socket } = await connect(
        t,
        () => token,
        () => gateways[0],
        { renew },
    );
    const statuses = [];
    socket.on("disconnect", () => statuses.push("disconnect"));
    socket.on("connect", () => statuses.push("connect"));
    await until(() => statuses.length === 2, "the token expires, and another one is brought");
    assert.deepEqual(statuses, ["disconnect", "connect"]);
    assert.equal(io.status, "online");
});

test("bytes where none are expected are refused, and the connection stays", async (t) => {
    const { socket } = await connect(t, tokenOf("binary"), () => gateways[0]);
    const answer = await socket.request("playback_state_update", { isPlaying: new Uint8Array([1]), currentTime: 1 });
    assert.equal(answer.ok, false);
    assert.deepEqual((await socket.request("carplay_command", { command: "play" })).ok, true);
});
