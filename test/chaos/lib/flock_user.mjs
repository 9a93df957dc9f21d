// FlockUser: one user of a flock: a player of the project's client library and a Socket.IO socket of the official client, as
// applications have them, and a model of what both must believe.
//
// One of the two speaks: it seeks to 1, 2, 3..., so that a place is the number of an update. A player's seek is told, or kept
// until there is a connection, and repeated when the server says that it may not be applied (then the player may go back to
// what holds before); a socket's is repeated until it is acknowledged. The other one listens. Beside that the
// backend tells the user events, numbered as well.

import { io } from "socket.io-client";
import WebSocket from "ws";

import { player } from "../../../gateway/web/client/segue.js";

const ANSWER_MS = 10000;
const BEGINNING = 0.5;

// Whether a client is there, and how long it was away each time.
class Presence {
    isHere = false;
    absences = []; // [start, milliseconds]
    #since = 0;

    become(isHere) {
        if (isHere !== this.isHere) {
            const now = Date.now();
            if (isHere && this.#since) {
                this.absences.push([this.#since, now - this.#since]);
            }
            this.#since = now;
            this.isHere = isHere;
        }
    }
}

// What a client believes, in the order in which it did.
class Belief {
    place = undefined;
    returns = 0; // how often it went back to an older one

    becomes(place) {
        this.returns += place < this.place ? 1 : 0;
        this.place = place;
    }
}

export class FlockUser {
    said = 0;
    sure = 0; // the newest one that was acknowledged; of a player, that was said
    repeated = 0;
    refused = 0; // how often the player was told that an update may not be applied
    device;
    socket;
    presences = [new Presence(), new Presence()];
    beliefs = [new Belief(), new Belief()];
    events = []; // numbers, as they came
    recovered = 0;
    #over = false;

    // speaks: "device" or "socket"; transport: the socket's; agent: of its polls.
    constructor({ name, token, url, speaks, transport, agent }) {
        Object.assign(this, { name, token, url, speaks });
        this.device = player({ url, token, WebSocket });
        this.device.on("status", () => this.#deviceMoved());
        this.device.on("state", () => this.#deviceMoved());
        this.device.on("refused", () => this.#sayAgain());
        this.socket = io(url, {
            transports: [transport],
            auth: { token, recovery: true },
            forceNew: true,
            autoConnect: false,
            ...(transport === "polling" && { agent }),
        });
        this.socket.on("connect", () => {
            this.recovered += this.socket.recovered ? 1 : 0;
            this.presences[1].become(true);
        });
        this.socket.on("disconnect", () => this.presences[1].become(false));
        this.socket.on("playback_state", ({ currentTime }) => this.beliefs[1].becomes(currentTime));
        this.socket.on("wave", (number) => this.events.push(number));
    }

    #deviceMoved() {
        const { device } = this;
        this.presences[0].become(device.online);
        if (device.online && device.state?.paused) {
            this.beliefs[0].becomes(Math.round(device.position * 1000) / 1000);
        }
    }

    get isHere() {
        return this.presences.every(({ isHere }) => isHere);
    }

    // The server could not apply it.
    #sayAgain() {
        this.refused += 1;
        if (this.speaks === "device") {
            this.repeated += 1;
            this.device.seek(this.said);
        }
    }

    // What its clients that are not here do, in words.
    get absent() {
        const { device, socket, presences } = this;
        const { transport } = socket.io.engine ?? {};
        return [
            `player ${device.status}${device.status === "waiting" ? `: ${device.reason}` : ""}`,
            `socket ${transport?.name} ${socket.io._readyState} ${transport?.readyState}`,
        ].filter((_, i) => !presences[i].isHere);
    }

    // Connects; there is a state then that stands still.
    async arrive() {
        this.device.connect();
        this.socket.connect();
        await this.#when(() => this.isHere);
        this.device.newTrack({ trackId: 1, fromIs: "flock", fromIsId: 1 });
        this.device.pause();
        this.device.seek(BEGINNING);
        await this.#when(() => this.beliefs.every(({ place }) => place === BEGINNING));
        this.beliefs.forEach((belief) => (belief.returns = 0));
    }

    async #when(holds) {
        while (!holds()) {
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }

    // Says something every so many milliseconds until it is stopped.
    async speak(every) {
        while (!this.#over) {
            await new Promise((resolve) => setTimeout(resolve, every * (0.5 + Math.random())));
            await this.#say();
        }
    }

    stop() {
        this.#over = true;
    }

    async #say() {
        this.said += 1;
        if (this.speaks === "device") {
            this.device.seek(this.said);
        } else {
            while (!(await this.#ask({ command: "seek", value: this.said }))) {
                this.repeated += 1;
                await new Promise((resolve) => setTimeout(resolve, 200));
            }
        }
        this.sure = this.said;
    }

    // Whether the server says that it is done.
    async #ask(command) {
        try {
            await this.#when(() => this.socket.connected);
            return (await this.socket.timeout(ANSWER_MS).emitWithAck("carplay_command", command)).ok;
        } catch {
            return false;
        }
    }

    // What is wrong with it now that all is said, in words; null: nothing. waves: events that it must have heard.
    async fault(waves) {
        const [device, socket] = this.beliefs;
        const answer = await fetch(`${this.url}/api/carplay/now-playing`, {
            headers: { Authorization: `Bearer ${this.token}` },
        });
        const { currentTime: truth } = await answer.json();
        const heard = this.events.length === waves && this.events.every((number, i) => number === i);
        const faults = [
            [!this.isHere, `is not here: ${this.device.status} ${this.device.reason}, ${this.socket.connected}`],
            [this.sure !== this.said, `${this.said} is not acknowledged`],
            [truth !== this.said, `said ${this.said}, and the state is ${truth}`],
            [device.place !== truth, `its player believes ${device.place} of ${truth}`],
            // A command is told as such, not as a state: only the others' seeks reach a socket as states.
            [this.speaks === "device" && socket.place !== truth, `its socket believes ${socket.place} of ${truth}`],
            [device.returns > this.refused || socket.returns > 0, `went back ${device.returns} and ${socket.returns} times`],
            [!heard, `of ${waves} events it heard ${JSON.stringify(this.events).slice(0, 200)}`],
        ].filter(([wrong]) => wrong);
        return faults.length > 0 ? `${this.name} (${this.speaks} speaks): ${faults.map(([, text]) => text).join("; ")}` : null;
    }

    end() {
        this.device.disconnect();
        this.socket.disconnect();
    }
}
