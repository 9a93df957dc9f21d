// Commands: what a web player hears from the car. Play, pause and seek are applied to the state by the server and reach
// the player as every change does; "next" and "previous" only a player can obey, because it knows the queue.

import { SocketIO } from "./segue.js";

const FOR_PLAYERS = new Set(["next", "previous"]);

// onCommand(command): one of the two. onStatus(wire): as for every wire.
export function hearCommands({ url, token, onCommand, onStatus }) {
    const io = new SocketIO({ url, auth: { token }, onStatus });
    io.of("/").on("carplay_command", ({ command }) => FOR_PLAYERS.has(command) && onCommand(command));
    io.open();
    return io;
}
