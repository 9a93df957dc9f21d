// The scenario of the reference, told in its order: a browser, then a telephone ten seconds later, then a pause.
// The browser and the telephone are served by different processes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { suiteSite } from "./lib/site.mjs";

describe("the reference's scenario", () => {
    const site = suiteSite({ gateways: 2 });
    const user = site.user();
    const [home, road] = [0, 1];
    let browser, phone;

    const started = {
        type_push_state: "new_track",
        track_id: 2,
        from_is: "playlist",
        from_is_id: 2,
        time_state_update: "2022-05-09T09:09:12+0000",
    };
    const paused = { type_push_state: "on_pause", time_state_update: "2022-05-09T09:09:27+0000" };

    test("a user who was never here is told that there is no state", async () => {
        browser = await site.player(user, home);
        assert.equal(browser.first, '{"type_push_state":"no_track_state"}');
    });

    test("until a track is started, every other command is answered the same", async () => {
        for (const command of [
            paused,
            { type_push_state: "off_pause", time_state_update: "2022-05-09T09:09:10+0000" },
            {
                type_push_state: "change_position",
                last_sec_position: 84,
                time_state_update: "2022-05-09T09:09:11+0000",
            },
        ]) {
            assert.deepEqual(await browser.ask(command), { type_push_state: "no_track_state" });
        }
    });

    test("the browser starts a track of a playlist, and the server has nothing to say to that", async () => {
        browser.send(started);
        await site.stateWhen(user, (state) => state.track_id === 2);
        await browser.hearsNothing();
    });

    test("ten seconds later the telephone connects and gets the state, exactly its six fields", async () => {
        phone = await site.player(user, road);
        // The reference writes "from_is_id": 3 here, a slip: what was sent is kept.
        assert.deepEqual(JSON.parse(phone.first), {
            track_id: 2,
            from_is: "playlist",
            from_is_id: 2,
            on_pause: false,
            last_sec_position: 0,
            time_state_update: "2022-05-09T09:09:12+0000",
        });
        await browser.hearsNothing();
    });

    test("five seconds after that it presses pause, and the browser gets the very message", async () => {
        phone.send(paused);
        await browser.receives(paused);
        await phone.hearsNothing();
    });

    test("the server has worked out the position: fifteen seconds, paused", async () => {
        for (const process of [home, road]) {
            assert.deepEqual(await site.stateOf(user, process), {
                track_id: 2,
                from_is: "playlist",
                from_is_id: 2,
                on_pause: true,
                last_sec_position: 15,
                time_state_update: "2022-05-09T09:09:27+0000",
            });
        }
    });

    test("going on does not move the position, and the telephone hears of it", async () => {
        const resumed = { type_push_state: "off_pause", time_state_update: "2022-05-09T09:12:12+0000" };
        browser.send(resumed);
        await phone.receives(resumed);
        assert.deepEqual(await site.stateOf(user), {
            track_id: 2,
            from_is: "playlist",
            from_is_id: 2,
            on_pause: false,
            last_sec_position: 15,
            time_state_update: "2022-05-09T09:12:12+0000",
        });
    });

    test("seeking sets the position", async () => {
        const moved = {
            type_push_state: "change_position",
            last_sec_position: 84,
            time_state_update: "2022-05-09T09:12:20+0000",
        };
        phone.send(moved);
        await browser.receives(moved);
        assert.deepEqual(await site.stateOf(user), {
            track_id: 2,
            from_is: "playlist",
            from_is_id: 2,
            on_pause: false,
            last_sec_position: 84,
            time_state_update: "2022-05-09T09:12:20+0000",
        });
    });

    test("the next track leaves out where it is from, as that did not change", async () => {
        const next = { type_push_state: "new_track", track_id: 3, time_state_update: "2022-05-09T09:15:00+0000" };
        browser.send(next);
        await phone.receives(next);
        assert.deepEqual(await site.stateOf(user), {
            track_id: 3,
            from_is: "playlist",
            from_is_id: 2,
            on_pause: false,
            last_sec_position: 0,
            time_state_update: "2022-05-09T09:15:00+0000",
        });
    });

    test("a message that makes no sense is answered invalid_format, and nobody else hears of it", async () => {
        const answer = await browser.ask({ type_push_state: "on_pause", time_state_update: "yesterday" });
        assert.equal(answer.type_push_state, "invalid_format");
        await phone.hearsNothing();
        const pause = { type_push_state: "on_pause", time_state_update: "2022-05-09T09:15:30+0000" };
        browser.send(pause);
        await phone.receives(pause);
    });
});
