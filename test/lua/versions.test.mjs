// Versions: a script that meets a key which a newer release has taken with it (gateway/store/keys.h, "Versions": a set
// stands under the old name) is refused by Redis, and has not changed anything by then.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { Listener } from "./lib/listener.mjs";
import { Room } from "./lib/room.mjs";
import { onceOf, PREFIX, readTable, SCRIPTS } from "./lib/scripts.mjs";
import { entryOf, ORIGIN, suiteStage, textOf } from "./lib/stage.mjs";

const T0 = Date.parse("2022-05-09T09:09:07Z");
const MARK = "0123456789abcdef";
const LEASE = 45000;
const TOKEN = "t".repeat(24);

// The names of a script's keys or arguments.
function named(script, what) {
    const text = readFileSync(join(SCRIPTS, "lua", `${script}.lua`), "utf8");
    const line = text.match(new RegExp(`^local (.*) = unpack\\(${what}\\)$`, "m"));
    return line ? line[1].split(", ") : [];
}

describe("a key that a newer release has taken with it", () => {
    const stage = suiteStage();
    let count = 0;

    // Somebody of whom everything there may be is there; `keys` by the names that the scripts give them.
    async function userOf() {
        const user = stage.user();
        await user.newTrack(T0);
        await user.join({ id: "x".repeat(20) });
        await user.join({ id: "p".repeat(20) });
        await user.tell('"before"');
        const claims = `${PREFIX}claims:{${user.name}}`;
        await stage.redis.call("HSET", claims, `${await stage.redis.now()}000 p`, "1");
        return { user, keys: { ...user, claims, once: onceOf(user.name, "k") } };
    }

    async function roomOf({ dead = false } = {}) {
        const room = new Room(stage);
        const { client } = await room.join();
        const other = await room.join(randomUUID(), dead ? { lease: 0 } : {});
        await room.say(client, "a word");
        if (dead) {
            await stage.redis.call("ZADD", room.members, 1, client);
        }
        return { room, client, other: other.client, keys: { ...room, once: onceOf(room.name, "k") } };
    }

    async function feedOf() {
        const tag = `{feed-${++count}}`;
        const keys = { feed: `${PREFIX}feed:${tag}`, lately: `${PREFIX}lately:${tag}`, channel: `${PREFIX}feed:${tag}` };
        keys.once = `${PREFIX}once:${tag}:k`;
        await stage.scripts.call("feed_say", [keys.feed, keys.lately, keys.channel, keys.once], ["{}", "[]", ""]);
        return { keys };
    }

    // One whose connections and messages are counted.
    async function limitedOf() {
        const tag = `{limited-${++count}}`;
        const keys = { channel: `${PREFIX}user:${tag}` };
        for (const name of ["places", "polls", "bucket"]) {
            keys[name] = `${PREFIX}${name}:${tag}`;
        }
        await stage.scripts.call("limit_claim", [keys.places, keys.polls], ["a", "0", "1", "10", String(LEASE)]);
        await stage.scripts.call("limit_poll", [keys.places, keys.polls], ["s1", "0", "10", String(LEASE)]);
        await stage.scripts.call("limit_draw", [keys.bucket], ["1", "10", "20"]);
        return { keys };
    }

    // A polling session; asked: a GET has claimed it; answered: and was answered, which is not confirmed yet.
    async function sessionOf({ asked = true, answered = false } = {}) {
        const tag = `{sid-${++count}}`;
        const session = `${PREFIX}eio:${tag}`;
        const queue = `${PREFIX}eioq:${tag}`;
        const args = ["socketio", "saved", "4hello", 25000, 20000, 100];
        await stage.scripts.call("eio_open", [session, queue], args);
        if (asked) {
            await stage.scripts.call("eio_claim", [session, queue], ["socketio", TOKEN, "", "t1", 20000]);
        }
        if (answered) {
            await stage.scripts.call("eio_take", [session], [TOKEN, "1", "t1", "marks", 1, "1", 10, 20000]);
        }
        return { keys: { session, queue, channel: session } };
    }

    async function probedSession() {
        const made = await sessionOf();
        await stage.scripts.call("eio_probe", [made.keys.session], ["socketio", TOKEN, 10000, 20000]);
        return made;
    }

    const command = ["pause", "", '"pause"', ORIGIN, 30000, MARK];
    const entry = entryOf("p".repeat(20), 1, LEASE);
    const emitted = async () => [`${await stage.redis.now()}999 p`, "1"];

    // Per script: on what it runs, its arguments, and the keys that it does not touch with these.
    const scenes = {
        batch_begin: [userOf, () => [MARK]],
        device_leave: [userOf, () => [entry, 0]],
        device_list: [userOf, () => [100]],
        device_renew: [userOf, () => [entry, LEASE, 0]],
        eio_claim: [() => sessionOf({ answered: true }), () => ["socketio", "u".repeat(24), "", "t2", 20000]],
        eio_close: [sessionOf, () => ["", "1", "1"]],
        eio_commit: [sessionOf, () => ["1", "other", "4more", 10, "1", 50, 25000, 20000, 100000]],
        eio_load: [sessionOf, () => ["socketio", 20000]],
        eio_open: [() => sessionOf(), () => ["socketio", "saved", "4more", 25000, 20000, 100]],
        eio_probe: [sessionOf, () => ["socketio", TOKEN, 10000, 20000]],
        eio_probed: [probedSession, () => [TOKEN]],
        eio_read: [sessionOf, () => [TOKEN, 20000, 1000]],
        eio_renew: [sessionOf, () => [LEASE]],
        eio_take: [sessionOf, () => [TOKEN, "1", "t1", "marks", 1, "0", 10, 20000]],
        eio_upgrade: [probedSession, () => [TOKEN, 20000, LEASE]],
        emit_add: [userOf, async () => [...(await emitted()), '"event"']],
        emit_disconnect: [userOf, emitted],
        emit_mark: [() => ({ keys: { last: `${PREFIX}emits:{p}`, channel: `${PREFIX}emits:{p}` } }), () => []],
        event_add: [userOf, () => ['"event"', MARK]],
        events_read: [userOf, () => ["1", 10]],
        feed_read: [feedOf, () => ["1"]],
        feed_say: [feedOf, () => ["{}", "[]", MARK]],
        feed_tick: [feedOf, () => [1e9, 2, 0, "{}", "[]"]],
        limit_claim: [limitedOf, () => ["b", 0, 1, 10, LEASE]],
        limit_draw: [limitedOf, () => [1, 10, 20]],
        limit_poll: [limitedOf, () => ["s2", 0, 10, LEASE]],
        playback_command: [userOf, () => command],
        playback_join: [userOf, () => [entry, LEASE, 30000]],
        playback_update: [userOf, () => ["-", "0", "5", "7", "", "", "", "", ""], ["devices"]],
        "playback_update to clear": [userOf, () => ["-", "0", "0", "null", "", "", "", "", ""]],
        player_join: [userOf, () => [entry, LEASE, 30000]],
        player_new_track: [userOf, () => [ORIGIN, "{}", T0, textOf(T0), "2", "", ""]],
        player_pause: [userOf, () => [ORIGIN, "{}", T0, textOf(T0)]],
        player_resume: [userOf, () => [ORIGIN, "{}", T0, textOf(T0)]],
        player_seek: [userOf, () => [ORIGIN, "{}", T0, textOf(T0), "5"]],
        room_join: [roomOf, ({ room }) => [room.name, randomUUID(), LEASE, "1", "1", "0"]],
        "room_join of the dead": [() => roomOf({ dead: true }), ({ room }) => [room.name, "c", LEASE, "1", "1", "0"]],
        room_leave: [roomOf, ({ room, client }) => [room.name, client]],
        room_look: [roomOf, () => []],
        room_reap: [() => roomOf({ dead: true }), ({ room }) => [room.name]],
        room_renew: [roomOf, ({ client }) => [client, LEASE], ["room", "history", "older", "moves"]],
        room_say: [roomOf, ({ client }) => [client, '{"type":"message"', MARK]],
        user_disconnect: [userOf, () => [MARK]],
    };

    const scriptOf = (scene) => scene.split(" ")[0];

    // Everything but the one key, as it lies in Redis.
    async function dump(but) {
        const all = (await stage.redis.call("KEYS", "*")).filter((key) => key !== but).sort();
        const values = await Promise.all(all.map((key) => readAll(key)));
        return all.map((key, i) => [key, values[i]]);
    }

    async function readAll(key) {
        const read = {
            hash: ["HGETALL", key],
            list: ["LRANGE", key, 0, -1],
            set: ["SMEMBERS", key],
            stream: ["XRANGE", key, "-", "+"],
            string: ["GET", key],
            zset: ["ZRANGE", key, 0, -1, "WITHSCORES"],
        };
        return stage.redis.call(...read[await stage.redis.call("TYPE", key)]);
    }

    test("is tried with every script that has a key", () => {
        const all = readTable().map(({ name }) => name);
        const keyless = all.filter((name) => named(name, "KEYS").every((key) => key === "channel"));
        assert.deepEqual(keyless, ["eio_knock"]);
        assert.deepEqual([...new Set(Object.keys(scenes).map(scriptOf))], all.filter((name) => name !== "eio_knock"));
    });

    for (const [scene, [make, argsOf, untouched = []]] of Object.entries(scenes)) {
        const script = scriptOf(scene);
        for (const name of named(script, "KEYS").filter((key) => key !== "channel")) {
            test(`${scene} leaves ${name} and all else alone`, async () => {
                await stage.redis.call("FLUSHALL");
                const made = await make();
                const keys = named(script, "KEYS").map((key) => made.keys[key]);
                const [newer, channel] = [keys[named(script, "KEYS").indexOf(name)], made.keys.channel];
                const listener = await Listener.open(stage.redis, channel);
                await stage.redis.call("DEL", newer);
                await stage.redis.call("SADD", newer, 2);
                const before = await dump(newer);
                const running = stage.scripts.call(script, keys, (await argsOf(made)).map(String));
                if (untouched.includes(name)) {
                    assert.equal([await running].flat()[0], "applied");
                } else {
                    await assert.rejects(running, /WRONGTYPE/);
                    assert.deepEqual(await dump(newer), before);
                    assert.deepEqual(await listener.take(stage.redis, channel), []);
                }
                assert.deepEqual(await readAll(newer), ["2"]);
                listener.close();
            });
        }
    }
});
