// A poll that hangs while Redis forgets its claim, as one does that lost power: it says nothing any more, since the next
// one begins where Redis knows that the client is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ask } from "./lib/api.mjs";
import { assertRefused } from "./lib/engine.mjs";
import { eventPacket } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";

test("the poll is refused, the session goes on, and every event is told once", async (t) => {
    const site = await testSite(t, { gateways: 2, flags: { rate: 0, "api-key": "key" } });
    const user = site.user();
    const polling = await site.pollingOf(user);
    const hanging = await site.hanging(polling, { on: site.gateways[0] });
    const [session] = await site.redis.call("KEYS", `segue:eio:{${polling.sid}}`);
    await site.redis.call("HDEL", session, "claim");
    await site.redis.call("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"); // it looks again
    assertRefused(await hanging.answer, 1);
    const body = { event: "hello", data: 1 };
    assert.equal((await ask(site.gateways[1], "POST", `/api/users/${user}/events`, { key: "key", body })).status, 200);
    assert.deepEqual(await polling.poll({ on: site.gateways[1] }), [eventPacket("hello", 1)]);
});
