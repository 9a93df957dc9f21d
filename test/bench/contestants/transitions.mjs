// Transitions: the gateway's own Lua scripts for Node servers, put together as its build does it (scripts/lua-table).
//
// A script publishes what it did. A server whose library publishes in its own way (Socket.IO's adapter) runs the same
// scripts without that line.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const FOLDER = new URL("../../../scripts/lua/", import.meta.url);

function read(name) {
    return readFileSync(new URL(`${name}.lua`, FOLDER), "utf8");
}

const SAYING = /^player_(seek|pause|resume|new_track)$/;

const withoutComments = (text) => text.split("\n").filter((line) => !/^ *(--.*)?$/.test(line)).join("\n");

export function script(name, { publish }) {
    const text = read(name);
    const parts = text.match(/^-- uses: (.*)$/m)?.[1].split(" ") ?? [];
    const whole = [...parts.map((part) => read(`lib/${part}`)), text].map(withoutComments).join("\n");
    const body = publish ? whole : whole.replace(/^publish\(.*\)$/m, "");
    if (!publish && SAYING.test(name) && body === whole) {
        throw new Error(`${name}.lua has no line that publishes`);
    }
    return { body, sha: createHash("sha1").update(body).digest("hex") };
}

// What a client says -> the script that does it.
export const SCRIPTS = { change_position: "player_seek", on_pause: "player_pause", off_pause: "player_resume", new_track: "player_new_track" };

export const keysOf = (user) => [`segue:player:{${user}}`, `segue:user:{${user}}`];

// The keys and arguments of a message after the checks that every server must make; null: not valid.
export function argumentsOf(user, origin, message, text) {
    const time = Date.parse(message?.time_state_update);
    if (Number.isNaN(time) || !Object.hasOwn(SCRIPTS, message.type_push_state)) {
        return null;
    }
    const args = [origin, text, String(time), message.time_state_update];
    if (message.type_push_state === "change_position") {
        if (!(message.last_sec_position >= 0)) {
            return null;
        }
        args.push(String(message.last_sec_position));
    } else if (message.type_push_state === "new_track") {
        args.push(JSON.stringify(message.track_id), message.from_is ?? "", JSON.stringify(message.from_is_id) ?? "");
    }
    return { name: SCRIPTS[message.type_push_state], keys: keysOf(user), args };
}

const LEASE_MS = 45000;
const GRACE_MS = 30000;

export function joinArguments(user, id) {
    const [player, channel] = keysOf(user);
    const keys = [player, `segue:devices:{${user}}`, channel];
    return { name: "player_join", keys, args: [id, String(Date.now()), String(LEASE_MS), String(GRACE_MS)] };
}

// The state that a client is greeted with, from player_join's answer.
export function stateOf([, , , seq, track, from, fromId, paused, position, time]) {
    if (seq === null || seq === undefined) {
        return { type_push_state: "no_track_state" };
    }
    return {
        track_id: JSON.parse(track),
        from_is: from,
        from_is_id: JSON.parse(fromId),
        on_pause: paused === "1",
        last_sec_position: Number(position),
        time_state_update: time,
    };
}
