// Segue's client. Everything that others may use, and the order in which to read it.
//
//   player   one device of a user's player          player-link.js, playback.js, clock.js
//   ...
//
// The build puts the modules together into one file (scripts/bundle-client), which the gateway serves as /segue.js. They are
// modules of their own as well: `npm install PATH/gateway/web/client`.

export { Clock } from "./clock.js";
export { player, Player } from "./player.js";
export { Link } from "./link.js";
export { applyChange, formatTime, parseTime, positionAt, readFrame } from "./playback.js";
export { PlayerLink } from "./player-link.js";
export { RequestError, SocketIO } from "./socketio.js";
