// Backend: an application's server that emits as it did for Socket.IO's own servers: through Redis, by the official
// emitter.
//
//     const backend = await Backend.open(t, site.redis);
//     backend.io.to("42").emit("hello");
//     await backend.flush();          Redis has it

import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import Redis from "ioredis";
import { Server } from "socket.io";

export class Backend {
    static async open(t, redis, options) {
        const backend = new Backend();
        backend.client = new Redis(redis.socket, { lazyConnect: true, retryStrategy: () => 50 });
        backend.client.on("error", () => {}); // it comes back by itself
        await backend.client.connect();
        backend.io = new Emitter(backend.client, options);
        t.after(() => backend.client.disconnect());
        return backend;
    }

    // Publishes exactly these bytes.
    publish(channel, bytes) {
        return this.client.publish(channel, bytes);
    }

    flush() {
        return this.client.ping();
    }
}

// One of Socket.IO's own servers, with the Redis adapter, as it may run beside gateways for a while.
export class Neighbour {
    static async open(t, redis) {
        const neighbour = new Neighbour();
        const clients = [0, 1].map(() => new Redis(redis.socket, { lazyConnect: true }));
        clients.forEach((client) => client.on("error", () => {}));
        await Promise.all(clients.map((client) => client.connect()));
        neighbour.io = new Server(0, { adapter: createAdapter(...clients) });
        neighbour.port = neighbour.io.httpServer.address().port;
        t.after(async () => {
            await neighbour.io.close();
            clients.forEach((client) => client.disconnect());
        });
        return neighbour;
    }

    url(path = "/") {
        return `http://127.0.0.1:${this.port}${path}`;
    }
}
