// Socket.IO with its Redis adapter, tuned as its documentation advises: websocket only, no compression, the native
// masking module, no reference to the first request kept.
//
// usage: node socketio.mjs PORT REDIS_PORT; the key of the tokens in SECRET

import { createServer } from "node:http";

import { createAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";

import { openRedis, openStore } from "./store.mjs";
import { userOf } from "./token.mjs";
import { argumentsOf, joinArguments, stateOf } from "./transitions.mjs";

const [port, redisPort] = process.argv.slice(2).map(Number);
const MAX_MESSAGE = 16384;

// The adapter publishes, so the scripts need not.
const run = await openStore(redisPort, { publish: false });
const [publisher, subscriber] = [await openRedis(redisPort), await openRedis(redisPort)];
const server = createServer();
const io = new Server(server, {
    transports: ["websocket"],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: MAX_MESSAGE,
    adapter: createAdapter(publisher, subscriber, { publishOnSpecificResponseChannel: true }),
});

io.engine.on("connection", (rawSocket) => (rawSocket.request = null));

io.use((socket, next) => {
    try {
        socket.data.user = userOf(socket.handshake.auth.token);
        next();
    } catch {
        next(new Error("unauthorized"));
    }
});

io.on("connection", async (socket) => {
    const { user } = socket.data;
    socket.on("update", async (message) => {
        const call = argumentsOf(user, "-", message, "");
        if (call === null) {
            socket.emit("failed", "invalid_format");
            return;
        }
        try {
            if ((await run(call)) === "no_state") {
                socket.emit("failed", "no_track_state");
            } else {
                socket.to(user).emit("update", message);
            }
        } catch {
            socket.emit("failed", "unavailable");
        }
    });
    socket.join(user);
    socket.emit("state", stateOf(await run(joinArguments(user, socket.id))));
});

server.listen({ port, host: "127.0.0.1", backlog: 4096 });
