// Feed lives: what subscribers hear while the processes that serve them are killed, drained and started again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Balancer } from "./lib/balancer.mjs";
import { Feed } from "./lib/feed.mjs";
import { sleep, until } from "./lib/patience.mjs";
import { Client } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";

const KEY = "server-key";
const flags = { "api-key": KEY, rate: 0 };

async function tell(gateway, topic, message) {
    const answer = await gateway.get(`/api/feeds/${topic}`, {
        method: "POST",
        headers: { "X-API-Key": KEY },
        body: JSON.stringify({ message }),
    });
    assert.equal(answer.status, 200, answer.text);
}

const said = (count) => Array.from({ length: count }, (_, i) => `line ${i}`);
const linesOf = (client) => client.all("wisdom_distribution").map(([{ message }]) => message);

describe("feed lives", { concurrency: 4 }, () => {
    test("the subscribers of the processes that are left hear every line once", async (t) => {
        const site = await testSite(t, { gateways: 3, flags });
        const feeds = await Promise.all(site.gateways.map((gateway) => Feed.subscribed(gateway, "/feed/lives")));
        const [doomed, speaker] = [site.gateways[2], site.gateways[0]];
        for (let i = 0; i < 40; i++) {
            await tell(speaker, "lives", `line ${i}`);
            if (i === 20) {
                await doomed.kill();
            }
        }
        for (const feed of feeds.slice(0, 2)) {
            for (const line of said(40)) {
                assert.equal(await feed.line(), line);
            }
            await feed.hearsNothing();
        }
        assert.equal((await feeds[2].closed()).code, 1006);
        const back = await Feed.subscribed(speaker, "/feed/lives");
        await back.hearsNothing();
    });

    test("a drained process sends its subscribers away with 1012, and they hear the rest elsewhere", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const feed = await Feed.subscribed(site.gateways[1], "/feed/lives");
        await tell(site.gateways[0], "lives", "before");
        assert.equal(await feed.line(), "before");
        await site.gateways[1].terminate();
        assert.equal((await feed.closed()).code, 1012);
        const back = await Feed.subscribed(site.gateways[0], "/feed/lives");
        await tell(site.gateways[0], "lives", "after");
        assert.equal(await back.line(), "after");
    });

    test("a client that polls hears every line once while processes are killed under it", async (t) => {
        const site = await testSite(t, { gateways: 3, flags });
        const [speaker] = site.gateways;
        const balancer = await Balancer.open(site.gateways.slice(1));
        t.after(() => balancer.close());
        const client = await Client.open(balancer, { namespace: "/feed", transports: ["polling"] });
        t.after(() => client.close());
        assert.deepEqual(await client.ask("subscribe", { topic: "lives" }), { ok: true });
        let count = 0;
        const talk = async (lines) => {
            for (let i = 0; i < lines; i++) {
                await tell(speaker, "lives", `line ${count++}`);
                await sleep((i * 7) % 11);
            }
        };
        await talk(20);
        for (let round = 0; round < 4; round++) {
            const [doomed, other] = balancer.gateways;
            const talking = talk(30);
            await sleep(40);
            await doomed.kill();
            await talking;
            balancer.gateways = [other, await site.addGateway()];
            await talk(10);
        }
        await client.when(() => linesOf(client).includes(`line ${count - 1}`), "the last line");
        assert.deepEqual(linesOf(client), said(count));
        assert.equal(client.sessions.length, 1, "it never had to connect again");
    });

    test("lines between two polls are kept for the next one", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const balancer = await Balancer.open(site.gateways);
        t.after(() => balancer.close());
        const client = await Client.open(balancer, { namespace: "/feed", transports: ["polling"] });
        t.after(() => client.close());
        await client.ask("subscribe", { topic: "lives" });
        await tell(site.gateways[0], "lives", "line 0");
        await client.when(() => linesOf(client).length === 1, "a line");
        const lost = balancer.loseAnswer(({ method }, text) => method === "GET" && text.includes("line 1"), {
            repeat: true,
        });
        await tell(site.gateways[0], "lives", "line 1");
        await lost;
        await tell(site.gateways[1], "lives", "line 2");
        await client.when(() => linesOf(client).length === 3, "three lines");
        assert.deepEqual(linesOf(client), said(3));
    });

    test("when Redis loses everything, subscribers stay and hear what is said then", async (t) => {
        const site = await testSite(t, { gateways: 2, flags });
        const feed = await Feed.subscribed(site.gateways[0], "/feed/lives");
        const client = await Client.open(site.gateways[1], { namespace: "/feed", transports: ["websocket"] });
        t.after(() => client.close());
        await client.ask("subscribe", { topic: "lives" });
        await tell(site.gateways[0], "lives", "line 0");
        assert.equal(await feed.line(), "line 0");
        await client.when(() => linesOf(client).length === 1, "a line");
        await site.redis.restart({ data: false });
        await Promise.all(site.gateways.map((gateway) => gateway.ready()));
        await until(async () => {
            return (await site.redis.call("PUBSUB", "NUMSUB", "segue:feed:{lives}"))[1] === 2;
        }, "both listen again");
        await tell(site.gateways[0], "lives", "line 1");
        assert.equal(await feed.line(), "line 1");
        await client.when(() => linesOf(client).length === 2, "the next line");
        assert.deepEqual(linesOf(client), said(2));
    });
});
