// A server written by hand on `ws`, as good as its public interface allows: a connection for commands and one for
// subscriptions, a channel per user, frames encoded once for all receivers, one write per socket and turn.
//
// usage: node ws.mjs PORT REDIS_PORT; the key of the tokens in SECRET

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { WebSocketServer, Sender } from "ws";

import { openRedis, openStore } from "./store.mjs";
import { userOf } from "./token.mjs";
import { argumentsOf, joinArguments, keysOf, stateOf } from "./transitions.mjs";

const [port, redisPort] = process.argv.slice(2).map(Number);
const PING_MS = 25000;
const MAX_MESSAGE = 16384;

const run = await openStore(redisPort, { publish: true });
const events = await openRedis(redisPort);
const server = createServer((request, response) => response.writeHead(404).end());
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE, clientTracking: false });
const users = new Map(); // user -> {clients, ready}

// ---- writing: what a turn says to a socket leaves together ----

const corked = [];

function uncork() {
    for (const socket of corked) {
        socket.uncork();
    }
    corked.length = 0;
}

function write(client, frame) {
    const { socket } = client;
    if (socket.writableCorked === 0) {
        if (corked.push(socket) === 1) {
            setImmediate(uncork);
        }
        socket.cork();
    }
    socket.write(frame);
}

const FRAME = { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false };

function frameOf(text) {
    return Buffer.concat(Sender.frame(Buffer.from(text), FRAME));
}

// ---- users ----

// An envelope: "1 KIND ORIGIN SEQ TIME\n" and the message.
function onPublished(clients, envelope) {
    const end = envelope.indexOf("\n");
    const origin = envelope.split(" ", 3)[2];
    const frame = frameOf(envelope.slice(end + 1));
    for (const client of clients) {
        if (client.id !== origin) {
            write(client, frame);
        }
    }
}

function join(user, client) {
    let entry = users.get(user);
    if (entry === undefined) {
        const clients = new Set();
        const [, channel] = keysOf(user);
        entry = { clients, ready: events.subscribe(channel, (message) => onPublished(clients, message)) };
        users.set(user, entry);
    }
    entry.clients.add(client);
    return entry.ready;
}

function leave(user, client) {
    const entry = users.get(user);
    entry.clients.delete(client);
    if (entry.clients.size === 0) {
        users.delete(user);
        events.unsubscribe(keysOf(user)[1]);
    }
}

// ---- clients ----

async function onMessage(user, client, data) {
    const text = data.toString();
    let message;
    try {
        message = JSON.parse(text);
    } catch {
        message = null;
    }
    const call = argumentsOf(user, client.id, message, text);
    if (call === null) {
        client.ws.send('{"type_push_state":"invalid_format"}');
        return;
    }
    try {
        if ((await run(call)) === "no_state") {
            client.ws.send('{"type_push_state":"no_track_state"}');
        }
    } catch {
        client.ws.send('{"type_push_state":"unavailable"}');
    }
}

const alive = new Set();

setInterval(() => {
    for (const client of alive) {
        if (client.silent) {
            client.ws.terminate();
            continue;
        }
        client.silent = true;
        client.ws.ping();
    }
}, PING_MS);

async function serve(ws, socket, user) {
    const client = { id: randomBytes(12).toString("hex"), ws, socket, silent: false };
    alive.add(client);
    ws.on("pong", () => (client.silent = false));
    ws.on("message", (data) => onMessage(user, client, data));
    ws.on("error", () => ws.terminate());
    ws.on("close", () => (alive.delete(client), leave(user, client)));
    await join(user, client);
    ws.send(JSON.stringify(stateOf(await run(joinArguments(user, client.id)))));
}

server.on("upgrade", (request, socket, head) => {
    let user;
    try {
        user = userOf(request.headers.authorization.slice("Bearer ".length));
    } catch {
        socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => serve(ws, socket, user));
});

server.listen({ port, host: "127.0.0.1", backlog: 4096 });
