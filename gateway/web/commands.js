// Commands: what a web player hears from the car. Play, pause and seek are applied to the state by the server and reach
// the player as every change does; "next" and "previous" only a player can obey, because it knows the queue.

import { carplay } from "./segue.js";

const FOR_PLAYERS = new Set(["next", "previous"]);

// onCommand(command): one of the two. onStatus(service): it has changed.
export function hearCommands({ onCommand, onStatus, ...gateway }) {
    const service = carplay(gateway);
    service.on("status", () => onStatus(service));
    service.connect(undefined, ({ command }) => FOR_PLAYERS.has(command) && onCommand(command));
    return service;
}
