// One part of a swarm: plain sockets that shake hands, count frames and answer pings. On /player they are there after
// the first frame; on a feed they connect, subscribe, and say a ping now and then.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { frame, parseFrame, PING, PONG, TEXT } from "../../e2e/lib/frames.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";

const { SWARM_HOST: host, SWARM_PORT: port, SWARM_PATH: path, SWARM_AT_ONCE: atOnce } = process.env;
const FEED_PING_MS = 5000;

const sockets = new Set();
const feedIds = new Map();
let frames = 0;
let named = 0;

function request() {
    const token = tokenOf(`swarm-${process.pid}-${named++}`);
    const key = randomBytes(16).toString("base64");
    return (
        `GET ${path} HTTP/1.1\r\nHost: swarm\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nAuthorization: Bearer ${token}\r\n\r\n`
    );
}

function say(socket, type) {
    socket.write(frame(TEXT, JSON.stringify({ type, payload: { id: feedIds.get(socket) } })));
}

// Whether the connection is there after this frame.
function isThere(socket, text) {
    if (path.startsWith("/player")) {
        return true;
    }
    const { type, payload } = JSON.parse(text);
    if (type === "initial") {
        feedIds.set(socket, payload.id);
        say(socket, "connect");
        say(socket, "subscribe");
    }
    return type === "subscribe_confirmation";
}

setInterval(() => feedIds.forEach((_, socket) => say(socket, "ping")), FEED_PING_MS).unref();

// "opened" when it is there, "refused" after a 503, "failed" after anything else.
function open() {
    return new Promise((resolve) => {
        const socket = connect(Number(port), host, () => socket.write(request()));
        let bytes = Buffer.alloc(0);
        let upgraded = false;
        let there = false;
        socket.on("error", () => resolve("failed"));
        socket.on("close", () => {
            sockets.delete(socket);
            feedIds.delete(socket);
            resolve("failed");
        });
        socket.on("data", (part) => {
            bytes = bytes.length ? Buffer.concat([bytes, part]) : part;
            if (!upgraded) {
                const end = bytes.indexOf("\r\n\r\n");
                if (end < 0) {
                    return;
                }
                const status = bytes.toString("latin1", 9, 12);
                if (status !== "101") {
                    resolve(status === "503" ? "refused" : "failed");
                    socket.destroy();
                    return;
                }
                upgraded = true;
                sockets.add(socket);
                bytes = bytes.subarray(end + 4);
            }
            for (let got = parseFrame(bytes); got; got = parseFrame(bytes)) {
                if (got.opcode === TEXT) {
                    frames += 1;
                    if (!there) {
                        there = isThere(socket, got.payload);
                        there && resolve("opened");
                    }
                } else if (got.opcode === PING) {
                    socket.write(frame(PONG, got.payload));
                }
                bytes = bytes.subarray(got.end);
            }
        });
    });
}

async function openMany(count) {
    const result = { opened: 0, refused: 0, failed: 0 };
    let left = count;
    const worker = async () => {
        while (left-- > 0) {
            result[await open()] += 1;
        }
    };
    await Promise.all(Array.from({ length: Number(atOnce) }, worker));
    return result;
}

process.on("disconnect", () => process.exit(0));
process.on("message", async (message) => {
    if (message.open) {
        process.send(await openMany(message.open));
    } else if (message.close) {
        sockets.forEach((socket) => socket.resetAndDestroy());
        process.send({ closed: 1 });
    } else {
        process.send({ alive: sockets.size, frames });
    }
});
