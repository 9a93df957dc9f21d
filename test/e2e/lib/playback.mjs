// Playback: a user's Socket.IO sockets and /player devices on a site of two processes, and what they say and hear.

import assert from "node:assert/strict";

import { eventOf, eventPacket } from "./sio.mjs";
import { tokenOf } from "./token.mjs";

export const SONG = {
    isPlaying: true,
    currentTime: 12.5,
    duration: 200,
    mediaId: 7,
    mediaTitle: "Ça plane",
    mediaArtist: "Щ & Ω",
    mediaAlbum: '"Quoted" \\ 🎵',
    mediaType: "music",
};
export const PAUSED = { ...SONG, isPlaying: false };
export const NOTHING = { mediaId: null, isPlaying: false, currentTime: 0, duration: 0 };

export const update = (wire, state) => wire.send(eventPacket("playback_state_update", state));
export const command = (wire, payload) => wire.send(eventPacket("carplay_command", payload));

export async function hears(wire, name) {
    const [got, payload, ...more] = eventOf(await wire.next());
    assert.equal(got, name);
    assert.deepEqual(more, []);
    return payload;
}

export const hearsState = (wire) => hears(wire, "playback_state");

export function playbackOn(site) {
    function rest(user, path, { on = 0, body } = {}) {
        const headers = { Authorization: `Bearer ${tokenOf(user)}`, "Content-Type": "application/json" };
        const how = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
        return site.gateways[on].get(path, how);
    }

    async function nowPlaying(user, on = 1) {
        const answer = await rest(user, "/api/carplay/now-playing", { on });
        assert.equal(answer.status, 200, answer.text);
        return answer.json();
    }

    // A user with two sockets on two processes; of an integer's name when wanted.
    async function pair(user = site.user()) {
        return { user, a: await site.wireOf(user, 0), b: await site.wireOf(user, 1) };
    }

    // The same, after A has said the state and both have heard it.
    async function pairWith(state, user) {
        const two = await pair(user);
        update(two.a, state);
        await hearsState(two.a);
        await hearsState(two.b);
        return two;
    }

    // A socket and a /player device, on two processes.
    async function mixed(state) {
        const user = site.user();
        const socket = await site.wireOf(user, 0);
        if (state) {
            update(socket, state);
            await hearsState(socket);
        }
        const player = await site.player(user, 1);
        return { user, socket, player };
    }

    return { mixed, nowPlaying, pair, pairWith, rest };
}
