// A Redis Cluster whose masters hand over to their replicas: what is published afterwards is told once, though an old
// master, now a replica, hears it as well. And one whose slots move: nobody takes that for a Redis that was away.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ask } from "./lib/api.mjs";
import { Feed } from "./lib/feed.mjs";
import { patient, SLOW, until } from "./lib/patience.mjs";
import { testSite } from "./lib/site.mjs";
import { info } from "./lib/topology.mjs";

// The replica of a master takes its place, with its consent.
async function handOver(cluster, before) {
    const ready = async (server) => {
        const { role, master_port: port, master_link_status: link } = await info(server, "replication");
        return role === "slave" && Number(port) === before.port && link === "up";
    };
    const changed = async () => {
        for (const server of cluster.servers) {
            if (await ready(server)) {
                await server.call("CLUSTER", "FAILOVER");
            }
        }
        return (await info(before, "replication")).role === "slave";
    };
    await until(changed, "the replica is the master", patient(20000), 500);
    await cluster.settled();
}

test("a line of a feed is told once after a handover, by every gateway", async (t) => {
    const redis = { topology: "cluster", masters: 3, replicas: 1 };
    const site = await testSite(t, { flags: { "api-key": "key", rate: 0 }, redis });
    const listeners = [];
    for (const gateway of site.gateways) {
        listeners.push(await Feed.subscribed(gateway, "/feed/lines"));
    }
    t.after(() => listeners.forEach((feed) => feed.terminate()));
    const say = async (message) => {
        const body = { message };
        const said = () => ask(site.gateways[0], "POST", "/api/feeds/lines", { key: "key", body });
        await until(async () => (await said()).status === 200, `"${message}" is said`, patient(15000));
    };
    for (let round = 0; round < 2; round++) {
        const { server: before } = await site.redis.ownerOf("{lines}");
        await handOver(site.redis, before);
        // Some lines may be told by nobody while the gateways change over; once one has come to all, the next come once.
        for (const [i, feed] of listeners.entries()) {
            await until(
                async () => {
                    await say(`round ${round}`);
                    return feed.unread > 0;
                },
                `gateway ${i} listens to the new master`,
                patient(15000),
            );
        }
        for (let i = 0; i < 5; i++) {
            await say(`line ${i}`);
        }
        for (const feed of listeners) {
            const heard = [];
            while (heard.at(-1) !== "line 4") {
                heard.push(await feed.line());
            }
            const lines = heard.filter((line) => line.startsWith("line"));
            assert.deepEqual(lines, ["line 0", "line 1", "line 2", "line 3", "line 4"]);
            await feed.hearsNothing();
        }
    }
});

test("while slots move on and on, who sat on a process that was killed is told as left, soon after the lease", async (t) => {
    const lease = 1000 * SLOW;
    const lively = { rate: 0, "ping-interval": lease * 0.4, "ping-timeout": lease * 0.6 };
    const site = await testSite(t, { gateways: 2, flags: lively, redis: { topology: "cluster", masters: 2 } });
    const ann = await site.member(site.room(), 0);
    const bob = await site.member(ann.room, 1);
    await ann.hears("joined", { clientId: bob.id });
    const room = await site.redis.ownerOf(`segue:room:{${ann.room}}`);
    // Of users in other slots: each is noticed by the gateway, which asks for the user's state.
    const moving = { on: true, slots: 0 };
    const moves = (async () => {
        for (let i = 0; moving.on; i++) {
            const user = `moving-${i}`;
            const { slot, server } = await site.redis.ownerOf(`segue:player:{${user}}`);
            if (slot !== room.slot) {
                const other = site.redis.servers.find((one) => one !== server);
                await site.redis.move(slot, server, other);
                await site.stateOf(user, 0);
                moving.slots++;
            }
        }
    })();
    await until(() => moving.slots > 2, "slots move");
    await site.gateways[1].kill();
    const killed = Date.now();
    await ann.hears("left", { clientId: bob.id, members: 1 });
    const took = Date.now() - killed;
    moving.on = false;
    await moves;
    assert.ok(took < lease + patient(3000), `told ${took} ms after the kill, ${moving.slots} slots moved`);
});
