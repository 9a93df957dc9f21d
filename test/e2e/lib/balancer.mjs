// Balancer: a load balancer without stickiness: every single request, and every upgrade, goes to the next gateway.
//
// Beyond that it does what haproxy does with `retry-on conn-failure empty-response`: a request that could not be
// delivered goes to another gateway; a GET also when its gateway died before any byte of an answer. And it can lose
// answers on their way back.

import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";

const HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "host"]);

export class Balancer {
    host = "127.0.0.1";
    port = 0;
    gateways; // may be changed at any time
    served = new Map(); // gateway -> how many requests and upgrades it got
    #server;
    #turn = 0;
    #retry;
    #agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
    #tunnels = new Set();
    #losses = [];

    // retry: repeat a GET elsewhere when its gateway dies.
    static async open(gateways, { retry = true } = {}) {
        const balancer = new Balancer();
        balancer.gateways = gateways;
        balancer.#retry = retry;
        const server = http.createServer({ keepAliveTimeout: 60000 });
        balancer.#server = server;
        server.on("request", (call, answer) => balancer.#serve(call, answer));
        server.on("upgrade", (call, socket, head) => balancer.#tunnel(call, socket, head));
        server.listen(0, balancer.host);
        await once(server, "listening");
        balancer.port = server.address().port;
        return balancer;
    }

    url(path = "/") {
        return `http://${this.host}:${this.port}${path}`;
    }

    // Undefined when there is none.
    #next() {
        if (this.gateways.length === 0) {
            return undefined;
        }
        const gateway = this.gateways[this.#turn++ % this.gateways.length];
        this.served.set(gateway, (this.served.get(gateway) ?? 0) + 1);
        return gateway;
    }

    // The answer to the next request that `matches` ({method, url, body}, text) is lost after it left its gateway.
    // repeat: the same request then goes to another gateway, as if the first had died; else the client is cut off.
    // Resolves when it has happened.
    loseAnswer(matches, { repeat = false } = {}) {
        return new Promise((resolve) => this.#losses.push({ matches, repeat, done: resolve }));
    }

    #lossFor(call, text) {
        const at = this.#losses.findIndex((loss) => loss.matches(call, text));
        return at < 0 ? null : this.#losses.splice(at, 1)[0];
    }

    async #serve(call, answer) {
        const parts = [];
        try {
            for await (const part of call) {
                parts.push(part);
            }
        } catch {
            return; // the client went away
        }
        const { method, url, headers } = call;
        const wanted = { method, url, headers, body: Buffer.concat(parts) };
        let gone = false;
        let current = null;
        answer.on("close", () => {
            gone = true;
            current?.destroy();
        });
        for (let attempt = 0; attempt < 4 && !gone; attempt++) {
            const gateway = this.#next();
            if (!gateway) {
                answer.writeHead(503);
                answer.end();
                return;
            }
            const got = await this.#ask(gateway, wanted, (request) => (current = request));
            if (gone) {
                return;
            }
            if (got.status) {
                const loss = this.#lossFor(wanted, got.body.toString("utf8"));
                if (!loss) {
                    answer.writeHead(got.status, got.headers);
                    answer.end(got.body);
                    return;
                }
                loss.done();
                if (!loss.repeat) {
                    break;
                }
            } else if (!got.undelivered && !(this.#retry && method === "GET")) {
                break;
            }
        }
        call.socket.destroy();
    }

    // {status, headers, body}, or {undelivered} when there was no answer.
    #ask(gateway, { method, url, headers, body }, onRequest) {
        return new Promise((resolve) => {
            const kept = Object.entries(headers).filter(([name]) => !HOP.has(name));
            const all = { ...Object.fromEntries(kept), host: headers.host ?? "segue.test" };
            const request = http.request(gateway.url(url), { method, headers: all, agent: this.#agent });
            onRequest(request);
            request.on("response", (response) => {
                const parts = [];
                response.on("data", (part) => parts.push(part));
                response.on("error", () => resolve({ undelivered: false }));
                response.on("end", () => {
                    const back = Object.entries(response.headers).filter(([name]) => !HOP.has(name));
                    resolve({
                        status: response.statusCode,
                        headers: Object.fromEntries(back),
                        body: Buffer.concat(parts),
                    });
                });
            });
            request.on("error", (error) => resolve({ undelivered: error.code === "ECONNREFUSED" }));
            request.end(body);
        });
    }

    #tunnel(call, socket, head, attempts = 3) {
        const gateway = this.#next();
        if (!gateway) {
            socket.destroy();
            return;
        }
        const upstream = connect(gateway.port, gateway.host);
        const pair = [socket, upstream];
        let connected = false;
        this.#tunnels.add(pair);
        socket.on("error", () => {});
        upstream.on("error", () => {});
        upstream.on("connect", () => {
            connected = true;
            const fields = [];
            for (let i = 0; i < call.rawHeaders.length; i += 2) {
                fields.push(`${call.rawHeaders[i]}: ${call.rawHeaders[i + 1]}`);
            }
            upstream.write([`${call.method} ${call.url} HTTP/1.1`, ...fields, "", ""].join("\r\n"));
            upstream.write(head);
            upstream.pipe(socket);
            socket.pipe(upstream);
        });
        upstream.on("close", () => {
            this.#tunnels.delete(pair);
            if (!connected && attempts > 1) {
                this.#tunnel(call, socket, head, attempts - 1);
            } else {
                socket.destroy();
            }
        });
        socket.on("close", () => upstream.destroy());
    }

    // Cuts all websockets that run through it.
    cutTunnels() {
        this.#tunnels.forEach((pair) => pair.forEach((socket) => socket.destroy()));
    }

    close() {
        this.#server.close();
        this.#server.closeAllConnections();
        this.#agent.destroy();
        this.cutTunnels();
    }
}
