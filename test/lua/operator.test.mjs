// What an operator asks of a user's devices: which there are, and that they go.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { suiteStage } from "./lib/stage.mjs";

describe("operator", () => {
    const stage = suiteStage();

    const list = (user, limit = 1000) => stage.scripts.call("device_list", [user.devices], [limit]);
    const sendAway = (user, once = {}) => stage.once("user_disconnect", [user.devices, user.channel], [], user.name, once);

    // Devices by name and transport, each with the end of its lease in so many ms.
    async function add(user, devices) {
        const now = await stage.redis.now();
        const entries = devices.map(([id, transport, ms]) => [now + ms, `${id} 17 45000 playback ${transport}`]);
        await stage.redis.call("ZADD", user.devices, ...entries.flat());
        return Object.fromEntries(entries.map(([end, entry]) => [entry.split(" ")[0], [entry, String(end)]]));
    }

    test("the living are listed with the end of their leases, the next to end first", async () => {
        const user = stage.user();
        assert.deepEqual(await list(user), ["applied"]);
        const { a, c } = await add(user, [
            ["c", "polling", 40000],
            ["a", "websocket", 20000],
            ["dead", "websocket", -1],
        ]);
        await stage.redis.call("ZADD", user.devices, 1, "gone 0");
        assert.deepEqual(await list(user), ["applied", ...a, ...c]);
        assert.deepEqual(await list(user, 1), ["applied", ...a]);
        assert.equal(Object.keys(await user.leases()).length, 4, "nobody is forgotten by looking");
    });

    test("a thousand devices are listed in one answer", async () => {
        const user = stage.user();
        await add(
            user,
            Array.from({ length: 1200 }, (_, i) => [`d${i}`, "websocket", 60000 + i]),
        );
        assert.equal((await list(user)).length, 1 + 2 * 1000);
    });

    test("who is sent away is told once, and his living polls are named", async () => {
        const user = await stage.user().listen();
        await add(user, [
            ["p1", "polling", 20000],
            ["w", "websocket", 30000],
            ["p2", "polling", 40000],
            ["dead", "polling", -1],
        ]);
        const before = await user.leases();
        assert.deepEqual(await sendAway(user), ["applied", "p1", "p2"]);
        const [{ kind, origin, message, other }, ...more] = await user.published();
        assert.deepEqual([kind, origin, message, other, more], ["d", "-", "", "", []]);
        assert.deepEqual(await user.leases(), before, "leases go with their connections");
    });

    test("who is not there is sent away all the same", async () => {
        const user = await stage.user().listen();
        assert.deepEqual(await sendAway(user), ["applied"]);
        assert.equal((await user.published()).length, 1);
    });
});
