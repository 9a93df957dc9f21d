// Site: what a test plays on: one private Redis and any number of gateways in front of it.
//
//     const site = suiteSite({ flags: { rate: 0 } });             shared by the tests of a suite
//     const site = await testSite(t, { gateways: 3 });            of one test, gone with it

import { after, before } from "node:test";

import { Balancer } from "./balancer.mjs";
import { Member } from "./chat.mjs";
import { Polling, Wire } from "./engine.mjs";
import { Front } from "./front.mjs";
import { Gateway } from "./gateway.mjs";
import { sleep, SLOW, until } from "./patience.mjs";
import { Player } from "./player.mjs";
import { Raw } from "./raw.mjs";
import { Client, connected } from "./sio.mjs";
import { SECRET, tokenOf } from "./token.mjs";
import { startRedis } from "./topology.mjs";

let users = 0;

export function suiteSite(options) {
    const site = new Site(options);
    before(() => site.start());
    after(() => site.close());
    return site;
}

export function testSite(t, options) {
    const site = new Site(options);
    t.after(() => site.close());
    return site.start();
}

export class Site {
    redis;
    gateways = [];
    players = [];
    raws = [];
    clients = []; // all that speak Engine.IO
    balancers = [];
    #fronts = []; // with SEGUE_TEST_FRONT=haproxy: what stands between clients and gateways; of all alike, then of single ones
    #fronting = Promise.resolve();
    #started = false;
    #options;
    #closed = false;

    // gateways: how many; flags, env, binary: of all of them; redis: options of startRedis; front: may stand behind one.
    constructor(options = {}) {
        this.#options = { gateways: 2, flags: {}, env: {}, redis: {}, front: true, ...options };
    }

    async start() {
        this.redis = await startRedis(this.#options.redis);
        await Promise.all(Array.from({ length: this.#options.gateways }, () => this.addGateway()));
        this.#started = true;
        if (this.#options.front && process.env.SEGUE_TEST_FRONT === "haproxy" && this.gateways.length > 0) {
            await (this.#fronting = this.#openFront(this.gateways, { common: true }));
        }
        return this;
    }

    // One more process, with the site's flags and environment and these (undefined: without that variable).
    async addGateway(flags = {}, { env = {}, ...options } = {}) {
        const gateway = await Gateway.start({
            flags: { redis: this.redis.gatewayUrl, ...this.redis.gatewayFlags, ...this.#options.flags, ...flags },
            env: { SEGUE_JWT_SECRET: SECRET, ...this.#options.env, ...env },
            ...(this.#options.binary && { binary: this.#options.binary }),
            ...options,
        });
        if (this.#closed) {
            await gateway.kill();
            throw new Error("the site was closed while a gateway started");
        }
        this.gateways.push(gateway);
        if (this.#options.front && process.env.SEGUE_TEST_FRONT === "haproxy" && this.#started) {
            await (this.#fronting = this.#fronting.then(() => this.#putBehind(gateway, Object.keys(flags).length > 0)));
        }
        return gateway;
    }

    // unlike: it is not as the others are, so whoever asks for it wants it and no other.
    async #putBehind(gateway, unlike) {
        const common = this.#fronts.find((front) => front.common);
        if (common && !unlike) {
            await common.include(gateway);
        } else {
            await this.#openFront([gateway], { common: !unlike });
        }
    }

    async #openFront(gateways, { common }) {
        this.#fronts.push(Object.assign(await Front.open(gateways), { common }));
    }

    // A name that no other test uses.
    user() {
        return `user-${process.pid}-${++users}`;
    }

    // `on` below: a gateway, or its number.
    #at(on) {
        return typeof on === "number" ? this.gateways[on] : on;
    }

    // A device of the user, with its first frame in `first`.
    async player(user, on = 0, options = {}) {
        const player = await Player.open(this.#at(on), { token: tokenOf(user), ...options });
        this.players.push(player);
        return player;
    }

    // A member of a room, with its welcome; no room: a new one.
    async member(room, on = 0, options = {}) {
        const member = await Member.enter(this.#at(on), room, options);
        this.players.push(member);
        return member;
    }

    // A name of a room that no other test uses.
    room() {
        return `room-${process.pid}-${++users}`;
    }

    // A TCP connection to the public listener.
    async raw(on = 0) {
        const raw = await Raw.open(this.#at(on));
        this.raws.push(raw);
        return raw;
    }

    // The same after the WebSocket handshake and the first frame of /player.
    async rawPlayer(user, on = 0) {
        const raw = await this.raw(on);
        await raw.upgrade("/player", [`Authorization: Bearer ${tokenOf(user)}`]);
        await raw.text();
        return raw;
    }

    // An official Socket.IO client of the user, connected.
    async client(user, on = 0, options = {}) {
        const client = await Client.open(this.#at(on), { token: tokenOf(user), ...options });
        this.clients.push(client);
        return client;
    }

    // The same, not yet connected.
    newClient(user, on = 0, options = {}) {
        const client = new Client(this.#at(on), { token: tokenOf(user), ...options });
        this.clients.push(client);
        return client;
    }

    // Engine.IO by hand over WebSocket.
    async wire(on = 0, options = {}) {
        const wire = await Wire.open(this.#at(on), options);
        this.clients.push(wire);
        return wire;
    }

    // The same over polling, each request to the next gateway unless `on` names one.
    async polling(on = this.gateways, options = {}) {
        const polling = await Polling.open(typeof on === "number" ? this.#at(on) : on, options);
        this.clients.push(polling);
        return polling;
    }

    // ... with a socket of the user in the namespace `/`.
    async wireOf(user, on = 0, { auth = {}, ...options } = {}) {
        return connected(await this.wire(on, options), { token: tokenOf(user), ...auth });
    }

    async pollingOf(user, on = this.gateways, { auth = {}, ...options } = {}) {
        return connected(await this.polling(on, options), { token: tokenOf(user), ...auth });
    }

    // A GET of the session that is known to Redis and waits; of the gateway, or of the next.
    async hanging(polling, { on, t } = {}) {
        const get = polling.get({ on, t });
        get.answer.catch(() => {});
        const listened = async () => (await this.redis.call("PUBSUB", "CHANNELS", `*${polling.sid}*`)).length > 0;
        await until(listened, "a GET hangs");
        await sleep(100 * SLOW);
        return get;
    }

    // One in front of the gateways that there are at any time.
    async balancer(options) {
        const balancer = await Balancer.open(this.gateways, options);
        this.balancers.push(balancer);
        return balancer;
    }

    refused(user, on = 0, options = {}) {
        return Player.refused(this.#at(on), { token: tokenOf(user), ...options });
    }

    // What a new device of the user is told first; it leaves again at once.
    async stateOf(user, on = Math.min(1, this.gateways.length - 1), options = {}) {
        const player = await Player.open(this.#at(on), { token: tokenOf(user), ...options });
        await player.close();
        return JSON.parse(player.first);
    }

    // The state once it is as it should be; an accepted message has no answer that could be waited for.
    async stateWhen(user, holds, on, options) {
        let state;
        const ask = async () => holds((state = await this.stateOf(user, on, options)));
        await until(ask, () => `state ${JSON.stringify(state)}`);
        return state;
    }

    // Sends the player's message and returns when it is applied: when another device of the user has got it.
    async apply(user, player, message) {
        const witness = await this.player(user, Math.min(1, this.gateways.length - 1));
        player.send(message);
        await witness.receives(message);
        await witness.close();
    }

    async close() {
        this.#closed = true;
        for (const player of this.players) {
            player.terminate();
        }
        for (const raw of this.raws) {
            raw.destroy();
        }
        for (const client of this.clients) {
            (client.destroy ?? client.close).call(client);
        }
        for (const balancer of this.balancers) {
            balancer.close();
        }
        await this.#fronting.catch(() => {});
        await Promise.all(this.#fronts.map((front) => front.close()));
        const ends = await Promise.allSettled(this.gateways.map((gateway) => gateway.close()));
        await this.redis?.close();
        const failed = ends.find((end) => end.status === "rejected");
        if (failed) {
            throw failed.reason;
        }
    }
}
