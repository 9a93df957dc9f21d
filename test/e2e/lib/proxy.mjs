// Proxy: a TCP way to Redis, or to a gateway, that can be cut, or made to hang or to be mute, for those who use it.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
    host = "127.0.0.1";
    port = 0;
    #server;
    #pairs = new Set();
    #target;
    #mode = "through"; // or "cut", "hanging", "muted"

    // target: a port on the loopback interface.
    static async open(target) {
        const proxy = new Proxy();
        proxy.#target = target;
        proxy.#server = createServer((client) => proxy.#accept(client));
        proxy.#server.listen(0, "127.0.0.1");
        await once(proxy.#server, "listening");
        proxy.port = proxy.#server.address().port;
        return proxy;
    }

    get url() {
        return `redis://127.0.0.1:${this.port}`;
    }

    #accept(client) {
        if (this.#mode === "cut") {
            client.destroy();
            return;
        }
        const upstream = connect(this.#target, "127.0.0.1");
        const pair = [client, upstream];
        this.#pairs.add(pair);
        for (const [from, to] of [pair, [upstream, client]]) {
            from.setNoDelay(true);
            from.on("data", (bytes) => to.write(bytes));
            from.on("error", () => {});
            from.on("close", () => {
                to.destroy();
                this.#pairs.delete(pair);
            });
        }
        if (this.#mode === "hanging") {
            pair.forEach((socket) => socket.pause());
        } else if (this.#mode === "muted") {
            upstream.pause();
        }
    }

    // Ends all connections and takes no more.
    cut() {
        this.#mode = "cut";
        this.#pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()));
    }

    // Keeps all connections and passes nothing on.
    hang() {
        this.#mode = "hanging";
        this.#pairs.forEach((pair) => pair.forEach((socket) => socket.pause()));
    }

    // Keeps all connections, and passes on what is asked, but no answer.
    mute() {
        this.#mode = "muted";
        this.#pairs.forEach(([, upstream]) => upstream.pause());
    }

    restore() {
        this.#mode = "through";
        this.#pairs.forEach((pair) => pair.forEach((socket) => socket.resume()));
    }

    close() {
        this.cut();
        this.#server.close();
    }
}
