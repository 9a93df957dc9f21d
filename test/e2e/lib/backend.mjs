// Backend: an application's server that emits as it did for Socket.IO's own servers: through Redis, by the official
// emitter.
//
//     const backend = await Backend.open(t, site.redis);
//     backend.io.to("42").emit("hello");
//     await backend.flush();          Redis has it

import { Emitter } from "@socket.io/redis-emitter";
import Redis from "ioredis";

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
