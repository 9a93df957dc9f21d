// Segue's client. Everything that others may use, and the order in which to read it.
//
//   player    one device of a user's player             player.js on player-link.js, playback.js, clock.js
//   carplay   what a web player says to cars            carplay.js on channel.js
//   events    what a backend tells a user's timeline    events.js on channel.js, debounce.js, observable.js
//   rooms     chat                                      rooms.js on link.js
//   feed      lines of a topic                          feed.js on link.js
//
// Below all of them: wire.js (a WebSocket that comes back), socketio.js and socketio-packet.js, gateway.js (address and
// token), emitter.js (handlers).
//
// The build puts the modules together into one file (scripts/bundle-client), which the gateway serves as /segue.js.
// They are modules of their own as well: `npm install PATH/gateway/web/client`.

export { carplay, Carplay } from "./carplay.js";
export { events, Events } from "./events.js";
export { Emitter } from "./emitter.js";
export { feed, Feed } from "./feed.js";
export { Observable } from "./observable.js";
export { player, Player } from "./player.js";
export { Room, rooms } from "./rooms.js";
export { RequestError, SocketIO } from "./socketio.js";
