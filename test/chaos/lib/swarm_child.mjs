// One part of a swarm: plain sockets that shake hands, count frames and answer pings.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { frame, parseFrame, PING, PONG, TEXT } from "../../e2e/lib/frames.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";

const { SWARM_HOST: host, SWARM_PORT: port, SWARM_AT_ONCE: atOnce } = process.env;

const sockets = new Set();
let frames = 0;
let named = 0;

function request() {
    const token = tokenOf(`swarm-${process.pid}-${named++}`);
    const key = randomBytes(16).toString("base64");
    return (
        `GET /player HTTP/1.1\r\nHost: swarm\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nAuthorization: Bearer ${token}\r\n\r\n`
    );
}

// "opened" after the first frame, "refused" after a 503, "failed" after anything else.
function open() {
    return new Promise((resolve) => {
        const socket = connect(Number(port), host, () => socket.write(request()));
        let bytes = Buffer.alloc(0);
        let upgraded = false;
        socket.on("error", () => resolve("failed"));
        socket.on("close", () => {
            sockets.delete(socket);
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
                    resolve("opened");
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
