// Playback, modelled: what updates, commands and the changes of /player devices make of a state, and a random choice
// among all of them.

export const T0 = Date.parse("2022-05-09T09:09:07Z");
export const NOBODY = { duration: 0, mediaId: null };

// Contracts 3 and 4 as a program of their own: one state, changed from both sides.
export class Model {
    state = null;

    seen() {
        return this.state && { ...this.state };
    }

    // Where the track stands after so many milliseconds.
    #advanced(ms) {
        const { paused, pos } = this.state;
        return paused || ms <= 0 ? pos : Number((pos + ms / 1000).toPrecision(15));
    }

    #told(kind, texts, other = this.playback()) {
        return { outcome: "applied", told: [{ kind, texts, other }] };
    }

    playback() {
        const { paused, pos, known } = this.state;
        return { isPlaying: !paused, currentTime: pos, ...known };
    }

    player(verb, at, now, how, text) {
        if (!this.state && verb !== "newTrack") {
            return { outcome: "no_state", told: [] };
        }
        if (verb === "newTrack") {
            const known = { duration: 0, mediaId: JSON.parse(how.track) };
            this.state = { track: how.track, from: "album", fromId: "4", paused: false, pos: 0, known };
        } else if (verb === "seek") {
            this.state.pos = how.pos;
        } else {
            this.state.pos = this.#advanced(at - this.state.at);
            this.state.paused = verb === "pause";
        }
        Object.assign(this.state, { at, upd: now });
        return this.#told({ newTrack: "n", pause: "p", resume: "r", seek: "s" }[verb], [text]);
    }

    #movedOn(now) {
        const ms = Math.max(0, now - this.state.upd);
        const stands = this.#advanced(ms);
        Object.assign(this.state, { at: this.state.at + ms, upd: now });
        return stands;
    }

    update({ playing, pos, track = "", ...media }, now) {
        if (track === "null") {
            const texts = this.state ? [{ type_push_state: "no_track_state" }] : [];
            this.state = null;
            return this.#told("c", texts, { isPlaying: false, currentTime: 0, ...NOBODY });
        }
        if (!this.state && track === "") {
            return { outcome: "no_state", told: [] };
        }
        const texts = [];
        this.state ??= { from: "carplay", fromId: track, at: now, upd: now, paused: false, pos: 0 };
        let stands = this.#movedOn(now);
        if (track !== "" && track !== this.state.track) {
            Object.assign(this.state, { track, paused: false, known: { duration: 0, mediaId: JSON.parse(track) } });
            const source = { from_is: this.state.from, from_is_id: JSON.parse(this.state.fromId) };
            texts.push({ type_push_state: "new_track", track_id: JSON.parse(track), ...source });
            stands = 0;
        }
        if (Math.abs(pos - stands) > 0.5) {
            texts.push({ type_push_state: "change_position", last_sec_position: pos });
        }
        if (playing === this.state.paused) {
            texts.push({ type_push_state: playing ? "off_pause" : "on_pause" });
        }
        for (const [name, text] of Object.entries(media)) {
            const key = name === "duration" ? name : `media${name[0].toUpperCase()}${name.slice(1)}`;
            this.state.known[key] = JSON.parse(text);
        }
        Object.assign(this.state, { paused: !playing, pos });
        return this.#told("u", texts);
    }

    command(command, value, now) {
        const { state } = this;
        const idle = { outcome: "applied", told: [] };
        if (!state || (command === "play" && !state.paused) || (command === "pause" && state.paused)) {
            return idle;
        }
        if (command === "next" || command === "previous") {
            return idle;
        }
        const stands = this.#movedOn(now);
        if (command === "seek") {
            state.pos = value;
            return this.#told("s", [{ type_push_state: "change_position", last_sec_position: value }], null);
        }
        Object.assign(state, { paused: command === "pause", pos: stands });
        const type = command === "pause" ? "on_pause" : "off_pause";
        return this.#told(command === "pause" ? "p" : "r", [{ type_push_state: type }], null);
    }
}

// {name, ask(user) -> outcome, apply(model, now) -> {outcome, told}}
export function randomChange(model, random, one) {
    const at = (model.state?.at ?? T0) + random(20000) - 5000;
    const what = one("update", "update", "update", "player", "player", "player", "command", "command", "clear");
    if (what === "player") {
        const verb = one("newTrack", "pause", "pause", "resume", "resume", "seek");
        const how = { track: one("1", "2", '"x"'), pos: random(1e6) / 1000 };
        const text = { type_push_state: verb };
        const rest = { message: JSON.stringify(text), track: how.track };
        const more = verb === "seek" ? [String(how.pos), rest] : [rest];
        const ask = (user) => user[verb](at, ...more);
        return { name: verb, ask, apply: (known, now) => known.player(verb, at, now, how, text) };
    }
    if (what === "command") {
        const command = one("play", "pause", "next", "previous", "seek");
        const value = random(1e6) / 1000;
        const ask = async (user) => (await user.command(command, { value })).outcome;
        return { name: command, ask, apply: (known, now) => known.command(command, value, now) };
    }
    const how = { playing: random(2) === 1, pos: random(1e6) / 1000 };
    if (what === "clear") {
        how.track = "null";
    } else {
        how.track = one("", "", "1", "2", '"x"', model.state?.track ?? "1");
        if (model.state && random(2) === 0) {
            how.pos = Math.max(0, Math.round((model.state.pos + (random(1400) - 700) / 1000) * 1000) / 1000);
        }
        const texts = { duration: `${random(300)}`, title: '"T"', artist: '"\\u001f"', album: '""', type: '"music"' };
        Object.entries(texts).forEach(([name, text]) => random(3) === 0 && (how[name] = text));
    }
    const name = `${what} ${JSON.stringify(how)}`;
    return { name, ask: (user) => user.update(how), apply: (known, now) => known.update(how, now) };
}
