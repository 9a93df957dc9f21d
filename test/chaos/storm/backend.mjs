// Backend: an application's server, and a car that speaks HTTP: each request carries an Idempotency-Key and is repeated,
// to whichever gateway takes it, until it is answered.

import { request } from "../../e2e/lib/http.mjs";
import { sleep } from "../../e2e/lib/patience.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";

export const KEY = "storm-key";
const TRY_MS = 4000;
const GIVE_UP_MS = 60000;

export class Backend {
    pending = 0;
    repeated = 0;

    // storm: {history, door, random, users, rooms, topics}.
    constructor(storm) {
        this.storm = storm;
    }

    // The final answer, or null.
    async #post(path, body, key, headers = { "X-API-Key": KEY }) {
        const all = { ...headers, "Content-Type": "application/json", "Idempotency-Key": key };
        const text = JSON.stringify(body);
        for (const end = Date.now() + GIVE_UP_MS; Date.now() < end; this.repeated++) {
            const options = { method: "POST", headers: all, body: text, ms: TRY_MS };
            const answer = await request(this.storm.door.url(path), options).catch(() => null);
            if (answer && answer.status !== 503 && answer.status !== 429) {
                return answer;
            }
            await sleep(100 * (0.5 + Math.random()));
        }
        return null;
    }

    // Says a mark in one or more entities; 404: a room without members.
    async #say(v, entities, bodyOf, path, headers) {
        const { history } = this.storm;
        const m = history.say(entities[0], "api", { v });
        entities.slice(1).forEach((e) => history.also(m, e, "api"));
        this.pending += 1;
        const answer = await this.#post(path, bodyOf(m), `storm-${m}`, headers);
        this.pending -= 1;
        if (answer && ![200, 202, 404].includes(answer.status)) {
            history.note("wrong", { what: `${path} was answered ${answer.status} ${answer.text}` });
        }
        history.done(m, answer ? answer.status !== 404 : null, answer?.status ?? "no answer");
        return { m, answer };
    }

    event(user, pad = 0) {
        const data = (m) => ({ m, ...(pad && { pad: "x".repeat(pad) }) });
        return this.#say(
            "event",
            [`events:${user}`],
            (m) => ({ event: "storm", data: data(m) }),
            `/api/users/${user}/events`,
        );
    }

    eventToAll() {
        return this.#say("event", ["events:*"], (m) => ({ event: "storm_all", data: { m } }), "/api/events");
    }

    message(room) {
        return this.#say("message", [`room:${room}`], (m) => ({ text: `m ${m}` }), `/api/rooms/${room}/messages`);
    }

    line(topic) {
        return this.#say("line", [`feed:${topic}`], (m) => ({ message: `m ${m}` }), `/api/feeds/${topic}`);
    }

    control(user) {
        const entities = [`events:${user}`, `state:${user}`];
        const body = (m) => ({ command: "seek", value: m });
        return this.#say("seek", entities, body, "/api/carplay/control", { Authorization: `Bearer ${tokenOf(user)}` });
    }

    // What plays, as any gateway says; a reading that must not be older than what was known before.
    async look(user) {
        const { history, door } = this.storm;
        const since = history.now();
        const headers = { Authorization: `Bearer ${tokenOf(user)}` };
        const url = door.url("/api/carplay/now-playing");
        const answer = await request(url, { headers, ms: TRY_MS }).catch(() => null);
        if (answer?.status === 200) {
            const mark = /^t(\d+)$/.exec(answer.json().mediaId ?? "");
            mark && history.note("read", { e: `state:${user}`, m: Number(mark[1]), since });
        }
    }

    act() {
        const { random, users, rooms, topics } = this.storm;
        const user = random.pick(users);
        const what = random.weighted({ event: 5, all: 1, room: 2, feed: 2, control: 2, look: 3 });
        const acts = {
            event: () => this.event(user),
            all: () => this.eventToAll(),
            room: () => this.message(random.pick(rooms)),
            feed: () => this.line(random.pick(topics)),
            control: () => this.control(user),
            look: () => this.look(user),
        };
        return acts[what]();
    }
}
