// Isolation: whatever a user is called, all that is his lies in one slot of a cluster, and nobody else's is touched.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { keysOf, PREFIX } from "./lib/scripts.mjs";
import { suiteStage } from "./lib/stage.mjs";

const T0 = Date.parse("2022-05-09T09:09:07Z");
const NAMES = [
    "42",
    "}{:",
    "}",
    "{",
    "{}",
    "{a}{b}",
    "a}:{b",
    "%7D",
    "%",
    "*",
    "[a-z]?",
    " ",
    "\\",
    'quote"',
    "'",
    "a\tb",
    "user:{42}",
    "42}",
    "{42",
    "\u00e9\u{1f3b5}",
    "\u202e",
    "x".repeat(128),
    "}".repeat(128),
];

describe("users", () => {
    const stage = suiteStage();

    async function everything(user) {
        await user.join();
        await user.newTrack(T0, { message: "new" });
        await user.pause(T0 + 1000, { message: "pause" });
        await user.resume(T0 + 2000, { message: "resume" });
        await user.seek(T0 + 3000, "7", { message: "seek" });
        await user.update({ track: "1", pos: 7 });
        await user.command("next");
        await user.tell('"name"');
        await user.playback();
        await user.renew();
        await user.leave();
        return user.join();
    }

    test("with any name have all their keys in one slot", async () => {
        for (const name of NAMES) {
            const slots = await Promise.all(
                Object.values(keysOf(name)).map((key) => stage.redis.call("CLUSTER", "KEYSLOT", key)),
            );
            assert.deepEqual(slots, Array(4).fill(slots[0]), name);
        }
    });

    test("with any name can do everything, and get their own state and messages", async () => {
        const users = [];
        for (const name of NAMES) {
            users.push(await stage.user(name).listen());
        }
        for (const user of users) {
            const { outcome, track, pos, paused, devices } = await everything(user);
            assert.deepEqual([outcome, track, pos, paused, devices], ["applied", "1", "7", "0", 1], user.name);
        }
        for (const user of users) {
            const heard = await user.published();
            assert.deepEqual(
                heard.filter(({ kind }) => kind !== "u").map(({ message, other }) => message || other),
                ["new", "pause", "resume", "seek", '"next"', '"name"'],
                user.name,
            );
        }
        const keys = await stage.redis.call("KEYS", "*");
        const expected = NAMES.flatMap((name) => {
            const { player, devices, events } = keysOf(name);
            return [player, devices, events];
        });
        assert.deepEqual(keys.sort(), expected.sort());
    });

    test("do not see each other's devices or states", async () => {
        const ann = stage.user();
        const bob = stage.user();
        await everything(ann);
        const { devices, seq } = await bob.join();
        assert.deepEqual([devices, seq], [1, null]);
        const before = await ann.state();
        await everything(bob);
        await bob.leave();
        assert.deepEqual(await ann.state(), before);
        assert.equal((await ann.join()).devices, 1);
    });

    test("are spread over the slots by their names", async () => {
        const slot = (key) => stage.redis.call("CLUSTER", "KEYSLOT", key);
        const slots = new Set();
        for (let i = 0; i < 64; i++) {
            slots.add(await slot(keysOf(`}{${i}`).player));
        }
        assert.ok(slots.size > 50, `${slots.size} slots for 64 users`);
        assert.equal(await slot(`${PREFIX}player:{42}`), await slot("42"));
    });

    test("a script that is given another's key is refused by the cluster", async () => {
        const mixed = [keysOf("ann").player, keysOf("bob").devices, keysOf("ann").channel];
        await assert.rejects(stage.scripts.call("player_join", mixed, ["id 1 45000", 45000, 30000]), /CROSSSLOT/);
    });
});
