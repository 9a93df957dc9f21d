// Every part of the client as an application in TypeScript uses it. Checked, not run; what follows a @ts-expect-error
// must be refused.

import { carplay, events, feed, player, RequestError, rooms, SocketIO } from "segue";
import type { Batch, Connection, PlaybackState, PlayerState, Status, Token } from "segue";

const url = "https://gateway.example";
const token: Token = async ({ renew }) => (renew ? null : "t");

const device = player({ url, token, pauseOnLeave: ({ devices = 0 }) => devices <= 1 });
device.on("state", (state: PlayerState | null, whose) => console.log(state?.trackId, whose === "self"));
device.on("refused", ({ code, reason = code }) => console.log(reason.length));
const seconds: number = device.position + device.clock.offset;
const taken: boolean = device.newTrack({ trackId: "x" }) && device.seek(seconds) && device.play();
const status: Status = device.status;
// @ts-expect-error: a track needs its id
device.newTrack({ fromIs: "album" });
// @ts-expect-error: there is no such event
device.on("position", () => {});
// @ts-expect-error: positions are told, not set
device.position = 3;
// @ts-expect-error: a token is a text, or who gives it
player({ url, token: 7 });

const service = carplay({ url, token: "t", io: () => {} });
const state: PlaybackState = { isPlaying: true, currentTime: 0, mediaId: 7, mediaType: "music" };
service.connect(
    (told) => console.log(told.mediaTitle?.length),
    ({ command, value }) => command === "seek" && value?.toFixed(),
);
service.sendPlaybackState(state).then(({ ok, error }) => ok || error);
service.sendCommand("seek", 3);
service.sendCommand({ command: "pause" });
// @ts-expect-error: a car has no such button
service.sendCommand("rewind");
// @ts-expect-error: whether it plays must be said
service.sendPlaybackState({ currentTime: 3 });

const live = events({ url, listeners: "beta", quiet: 100 });
live.on<{ id: string }>("assetUploaded", ({ ids, data }) => data.map(({ id }) => ids.includes(id)));
live.on("assetTrash", async (batch: Batch) => console.log(batch.action));
live.on("on_new_release", ({ serverVersion }) => serverVersion.major);
const stop = live.connection.subscribe((connection: Connection) => console.log(connection));
stop.unsubscribe();
live.listenTo("standard");
// @ts-expect-error: there are two sets
live.listenTo("gamma");

const room = rooms({ url }).enter("lobby");
room.on("message", ({ text, at, mine }) => console.log(text.length, at.getTime(), mine));
room.say("hello", "Ann") || room.pending.forEach((message) => message.failed && room.sayAgain(message));

const wisdom = feed({ url, topic: "wisdom" });
wisdom.on("message", (text, { server }) => console.log(text.trim(), server));

const io = new SocketIO({ url: `${url}/socket.io/`, auth: () => ({ token: "t" }) });
io.of("/rooms")
    .request<{ ok: boolean }>("join", { room: "r" })
    .then(({ ok }) => ok)
    .catch((error: RequestError) => error.code === "timeout");

export { seconds, status, taken };
