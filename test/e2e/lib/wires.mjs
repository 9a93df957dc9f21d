// Wires: a TCP way from one port to one of several, on which connections are cut, delayed, deafened and torn in the
// middle of a message.
//
//     side a (who connects)  ----  out  --->  side b (who is connected to)
//                            <---  in   ----
//
// Each connection belongs to the target that it was given to (a number), and a fault to one target. A target may be
// away; then the next is tried, as a balancer does.

import { once } from "node:events";
import { connect, createServer } from "node:net";

class Pipe {
    #from;
    #to;
    #wires;
    #pending = []; // pieces that wait: {act, due}
    #torn = false;

    constructor(from, to, target, way, wires) {
        this.#from = from;
        this.#to = to;
        this.#wires = wires;
        this.target = target;
        this.way = way;
        from.setNoDelay(true);
        from.on("data", (bytes) => this.#take(bytes));
        from.on("end", () => this.#later(() => to.end()));
        from.on("error", () => {});
        to.on("drain", () => this.listen());
        this.listen();
    }

    tear() {
        this.#torn = true;
    }

    // Reads on, unless there is a reason not to.
    listen() {
        if (this.#wires.isDeaf(this.target, this.way) || this.#to.writableNeedDrain) {
            this.#from.pause();
        } else {
            this.#from.resume();
        }
    }

    #take(bytes) {
        if (this.#torn) {
            this.#from.destroy();
            this.#later(() => this.#to.write(bytes.subarray(0, bytes.length >> 1), () => this.#to.destroy()));
            return;
        }
        for (const piece of this.way === "in" ? this.#wires.piecesOf(bytes) : [bytes]) {
            this.#later(() => {
                if (!this.#to.destroyed && !this.#to.write(piece)) {
                    this.#from.pause();
                }
            });
        }
    }

    // At once, or when its time has come, and behind all that waits already.
    #later(act) {
        const last = this.#pending.at(-1)?.due ?? 0;
        const due = Math.max(Date.now() + this.#wires.delay(this.target), last + this.#wires.gap);
        this.#pending.push({ act, due });
        if (this.#pending.length === 1) {
            this.#go();
        }
    }

    #go() {
        while (this.#pending.length > 0) {
            const left = this.#pending[0].due - Date.now();
            if (left > 0) {
                setTimeout(() => this.#go(), left);
                return;
            }
            this.#pending[0].act();
            this.#pending.shift();
        }
    }
}

export class Wires {
    port = 0;
    host = "127.0.0.1";
    #server;
    #targets; // ports; 0 = away
    #links = new Set(); // {sockets, pipes, target}
    #closed = new Set(); // targets that cannot be reached
    #delays = new Map(); // target -> ms
    #deaf = new Set(); // "target way"
    #choose;
    #piece = Infinity;
    gap = 0; // ms from one piece to the next that waits

    // targets: a list of ports that may change; choose: the first to be tried.
    static async open(targets, choose = () => Math.floor(Math.random() * targets.length)) {
        const wires = new Wires();
        wires.#targets = targets;
        wires.#choose = choose;
        wires.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (a) => wires.#accept(a));
        wires.#server.listen(0, "127.0.0.1");
        await once(wires.#server, "listening");
        wires.port = wires.#server.address().port;
        return wires;
    }

    url(path = "/") {
        return `http://127.0.0.1:${this.port}${path}`;
    }

    #accept(a) {
        const first = this.#choose();
        const order = this.#targets.map((_, i) => (first + i) % this.#targets.length);
        a.on("error", () => {});
        this.#try(a, order);
    }

    #try(a, [target, ...others]) {
        if (target === undefined || a.destroyed) {
            a.destroy();
            return;
        }
        if (this.#closed.has(target) || !this.#targets[target]) {
            this.#try(a, others);
            return;
        }
        const b = connect({ port: this.#targets[target], host: "127.0.0.1", allowHalfOpen: true });
        const refused = () => this.#try(a, others);
        b.once("error", refused);
        b.once("connect", () => {
            b.removeListener("error", refused);
            this.#join(a, b, target);
        });
    }

    #join(a, b, target) {
        const link = { target, sockets: [a, b] };
        link.pipes = [new Pipe(a, b, target, "out", this), new Pipe(b, a, target, "in", this)];
        this.#links.add(link);
        const over = () => {
            this.#links.delete(link);
            setTimeout(() => link.sockets.forEach((socket) => socket.destroy()), this.delay(target) + 100);
        };
        link.sockets.forEach((socket) => socket.once("close", over));
        if (a.destroyed) {
            over();
        }
    }

    // From now on, whatever comes in is passed on in pieces of so many bytes, one after the other.
    chop(bytes, gap) {
        this.#piece = bytes;
        this.gap = gap;
    }

    piecesOf(bytes) {
        if (bytes.length <= this.#piece) {
            return [bytes];
        }
        const count = Math.ceil(bytes.length / this.#piece);
        return Array.from({ length: count }, (_, i) => bytes.subarray(i * this.#piece, (i + 1) * this.#piece));
    }

    #of(target) {
        return [...this.#links].filter((link) => link.target === target);
    }

    delay(target) {
        return this.#delays.get(target) ?? 0;
    }

    isDeaf(target, way) {
        return this.#deaf.has(`${target} ${way}`);
    }

    // Ends all connections; takes no more until `restore`.
    cut(target) {
        this.#closed.add(target);
        this.drop(target);
    }

    drop(target) {
        this.#of(target).forEach(({ sockets }) => sockets.forEach((socket) => socket.destroy()));
    }

    // What comes next on each connection is passed on by half, then the connection ends.
    tear(target) {
        this.#of(target).forEach(({ pipes }) => pipes.forEach((pipe) => pipe.tear()));
    }

    slow(target, ms) {
        this.#delays.set(target, ms);
    }

    // Nothing more goes that way, on old connections and new ones; nobody is told.
    deafen(target, way) {
        this.#deaf.add(`${target} ${way}`);
        this.#listen(target);
    }

    #listen(target) {
        this.#of(target).forEach(({ pipes }) => pipes.forEach((pipe) => pipe.listen()));
    }

    restore(target) {
        this.#closed.delete(target);
        this.#delays.delete(target);
        this.#deaf.delete(`${target} in`);
        this.#deaf.delete(`${target} out`);
        this.#listen(target);
    }

    close() {
        this.#server.close();
        this.#links.forEach(({ sockets }) => sockets.forEach((socket) => socket.destroy()));
    }
}
