// Server: the other end of a Socket.IO connection, frame by frame, over a WebSocket that the test holds.

import { settled } from "../../browser/lib/web.mjs";

const HELLO = '0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":16384}';

export class Server {
    #events = 0;

    // Socket: the class that fakeWebSocket() made.
    constructor(Socket) {
        this.Socket = Socket;
    }

    // Lets the newest connection in. pid: the same one again means that it is recovered.
    async accept(pid = "pid-1") {
        await settled();
        await this.Socket.newest.open();
        await this.Socket.newest.says(HELLO);
        await settled();
        await this.Socket.newest.says(`40${JSON.stringify({ sid: "socket", pid })}`);
    }

    // What CONNECT brought along.
    get auth() {
        return JSON.parse(this.Socket.newest.sent.find((text) => text.startsWith("40")).slice(2));
    }

    // Every event carries the place in the stream, as with recovery.
    emit(event, ...args) {
        this.#events += 1;
        return this.Socket.newest.says(`42${JSON.stringify([event, ...args, `${this.#events}.0`])}`);
    }

    // The last words: an error, and DISCONNECT.
    async dismiss(code) {
        if (code) {
            await this.emit("error", { code, message: `because of ${code}` });
        }
        await this.Socket.newest.says("41");
        await settled();
    }

    ack(id, answer) {
        return this.Socket.newest.says(`43${id}${JSON.stringify([answer])}`);
    }

    // The events that came in: [[name, data], ...].
    get heard() {
        const events = this.Socket.newest.sent.map((text) => text.match(/^42\d*(\[.*)$/)?.[1]);
        return events.filter(Boolean).map((text) => JSON.parse(text));
    }
}
