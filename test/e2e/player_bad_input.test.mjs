// What no player should say: each entry gets its documented answer, to its sender alone, and changes nothing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { frame, TEXT } from "./lib/frames.mjs";
import { textOf } from "./lib/player.mjs";
import { at, changePosition, newTrack, onPause, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";

const TIME = at(5);

function command(type, fields) {
    return `{"type_push_state":${type},${fields},"time_state_update":"${TIME}"}`;
}

const position = (value) => command('"change_position"', `"last_sec_position":${value}`);
const track = (value) => command('"new_track"', `"track_id":${value},"from_is":"album","from_is_id":1`);

const REFUSED = {
    "text that is not JSON": [
        "",
        " ",
        "hello",
        "{",
        "}",
        '{"a"',
        "{'type_push_state':'on_pause'}",
        "<xml/>",
        "\ufeff{}",
    ],
    "JSON with something behind it": [
        `${textOf(onPause(5))}x`,
        `${textOf(onPause(5))}${textOf(onPause(5))}`,
        `${textOf(onPause(5))},`,
    ],
    "JSON of another dialect": [
        `{"type_push_state":"on_pause","time_state_update":"${TIME}",}`,
        `{type_push_state:"on_pause","time_state_update":"${TIME}"}`,
        `{"type_push_state":"on_pause",/* now */"time_state_update":"${TIME}"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":01}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":.5}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":+1}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":1.}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":0x10}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":"\t"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":"\\x41"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":undefined}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":True}`,
    ],
    "JSON that is no object": ["null", "true", "0", '"on_pause"', "[]", `[${textOf(onPause(5))}]`],
    "nesting of thousands of levels": [
        `${"[".repeat(8000)}${"]".repeat(8000)}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":${"[".repeat(5000)}${"]".repeat(5000)}}`,
        `${'{"data":'.repeat(1500)}{}${"}".repeat(1500)}`,
        "[".repeat(16000),
        '{"a":'.repeat(3000),
    ],
    "a key that stands there twice": [
        `{"type_push_state":"on_pause","type_push_state":"on_pause","time_state_update":"${TIME}"}`,
        `{"type_push_state":"on_pause","type_push_state":"off_pause","time_state_update":"${TIME}"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","time_state_update":"${at(6)}"}`,
        command('"change_position"', '"last_sec_position":1,"last_sec_position":2'),
        command('"new_track"', '"track_id":1,"track_id":2'),
        `{"type_push_state":"on_pause","data":{"time_state_update":"${TIME}"},"data":{"time_state_update":"${at(6)}"}}`,
        `{"type_push_state":"on_pause","data":{"time_state_update":"${TIME}","time_state_update":"${at(6)}"}}`,
    ],
    "numbers beyond all bounds": [
        ...["1e999", "-1e999", "9".repeat(400), `0.${"0".repeat(50)}1e500`].map(position),
        ...["1e999", "-1e999", "9".repeat(400)].map(track),
    ],
    "NaN and Infinity": ["NaN", "-NaN", "Infinity", "-Infinity", "nan", "inf"].map(position),
    "a negative position": ["-1", "-0.001", "-1e300", "-1e-300"].map(position),
    "a position of another type": ["null", "true", '"5"', "[]", "{}", "[5]", '""'].map(position),
    "a command of another type": ["null", "5", "true", "[]", '["on_pause"]', "{}"].map((type) =>
        command(type, '"x":1'),
    ),
    "a command that does not exist": [
        '"stop"',
        '"ON_PAUSE"',
        '"on_pause "',
        '"on_pause\\u0000"',
        '""',
        '"pong"',
        '"no_track_state"',
        '"invalid_format"',
        `"${"x".repeat(10000)}"`,
    ].map((type) => command(type, '"x":1')),
    "a missing field": [
        "{}",
        `{"time_state_update":"${TIME}"}`,
        '{"type_push_state":"on_pause"}',
        '{"type_push_state":"off_pause"}',
        '{"type_push_state":"change_position","last_sec_position":5}',
        `{"type_push_state":"change_position","time_state_update":"${TIME}"}`,
        `{"type_push_state":"new_track","time_state_update":"${TIME}"}`,
        '{"type_push_state":"new_track","track_id":5}',
        '{"type_push_state":"on_pause","data":{}}',
    ],
    "a time that does not exist": [
        '{"type_push_state":"on_pause","time_state_update":"2022-13-09T09:09:12+0000"}',
        '{"type_push_state":"on_pause","time_state_update":"2022-05-09T09:09:60+0000"}',
        '{"type_push_state":"on_pause","time_state_update":"2022-05-09T24:09:12+0000"}',
    ],
    "a NUL": [
        track('"a\\u0000b"'),
        `{"type_push_state":"on_pause\\u0000","time_state_update":"${TIME}"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}\\u0000"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}"}\u0000`,
        `{"type_push_state":"on_pause",\u0000"time_state_update":"${TIME}"}`,
        `{"type_push_state":"on_pause","time_state_update":"${TIME}","x":"\u0000"}`,
    ],
    "a lone surrogate": ["\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud83d", "\\ud83dx", "\\ud83d\\u0041"].map((text) =>
        track(`"${text}"`),
    ),
};

describe("bad input of a player", () => {
    const site = suiteSite({ gateways: 2, flags: { rate: 0 } });

    for (const [what, messages] of Object.entries(REFUSED)) {
        test(`${what} is answered invalid_format, changes nothing and is not forwarded`, async () => {
            const user = site.user();
            const sender = await site.player(user, 0);
            const witness = await site.player(user, 1);
            sender.send(newTrack(0));
            await witness.receives(newTrack(0));
            for (const message of messages) {
                await sender.refuses(message);
                assert.deepEqual(await site.stateOf(user), state(0, 0), message.slice(0, 100));
            }
            // The connection stays open and works; the witness hears of nothing in between.
            sender.send(changePosition(9, 9));
            await witness.receives(changePosition(9, 9));
        });
    }

    test("a position beyond all tracks is refused or kept exactly, and later arithmetic stays finite", async () => {
        for (const huge of ["9007199254740994", "1e21", "1e300", "1.7976931348623157e308"]) {
            const user = site.user();
            const player = await site.player(user);
            await site.apply(user, player, newTrack(0));
            player.send(position(huge));
            player.send(onPause(10));
            const paused = await site.stateWhen(user, (found) => found.on_pause);
            const kept = Math.abs(paused.last_sec_position / Number(huge) - 1) < 1e-9;
            assert.ok(kept || paused.last_sec_position === 10, JSON.stringify(paused));
        }
    });

    test("an id beyond 2^53 is refused or kept exactly, never another number", async () => {
        for (const id of ["9007199254740993", "-9007199254740993", "18446744073709551617"]) {
            const user = site.user();
            const player = await site.player(user);
            player.send(track(id));
            const witness = await site.player(user, 1);
            player.send('{"type_push_state":"ping","t":1}');
            const answer = await player.nextJson();
            if (answer.type_push_state === "pong") {
                await site.stateWhen(user, (found) => found.from_is === "album");
                const reader = await site.player(user, 1);
                assert.ok(reader.first.includes(`"track_id":${id},`), reader.first);
            } else {
                assert.equal(answer.type_push_state, "invalid_format");
                await witness.hearsNothing();
            }
        }
    });

    test("bad input in a hundred messages at once is answered a hundred times", async () => {
        const player = await site.player(site.user());
        for (let i = 0; i < 100; i++) {
            player.send(`{"type_push_state":${i}}`);
        }
        for (let i = 0; i < 100; i++) {
            assert.equal((await player.nextJson()).type_push_state, "invalid_format");
        }
        await player.hearsNothing();
    });

    test("the answer does not repeat what was sent in a way that breaks it", async () => {
        const player = await site.player(site.user());
        for (const evil of ['"],"x":["', "</script>", "\\u0007\\u001b[31m", "\u2028", "%s%n", "\\\\"]) {
            await player.refuses(`{"type_push_state":"${evil.replaceAll('"', '\\"')}"}`);
            await player.refuses({ type_push_state: "on_pause", time_state_update: evil });
        }
    });

    test("a binary frame is answered with close 1003 and changes nothing", async () => {
        const user = site.user();
        const player = await site.player(user);
        await site.apply(user, player, newTrack(0));
        player.sendBinary(Buffer.from(textOf(onPause(5))));
        assert.equal((await player.closed()).code, 1003);
        assert.deepEqual(await site.stateOf(user), state(0, 0));
    });

    test("a message of 16 KiB is read, one byte more is close 1009", async () => {
        const user = site.user();
        const player = await site.player(user);
        await site.apply(user, player, newTrack(0));
        const padded = (size) => textOf(onPause(5)).padEnd(size, " ");
        await site.apply(user, player, padded(16384));
        assert.deepEqual(await site.stateOf(user), state(5, 5, { paused: true }));
        player.send(textOf(changePosition(9, 9)).padEnd(16385, " "));
        assert.equal((await player.closed()).code, 1009);
        assert.deepEqual(await site.stateOf(user), state(5, 5, { paused: true }));
    });

    test("an unmasked frame is close 1002 and changes nothing", async () => {
        const user = site.user();
        const player = await site.player(user);
        await site.apply(user, player, newTrack(0));
        const raw = await site.rawPlayer(user);
        await raw.write(frame(TEXT, textOf(onPause(5)), { mask: false }));
        assert.equal((await raw.closeFrame()).code, 1002);
        await raw.rest();
        assert.deepEqual(await site.stateOf(user), state(0, 0));
    });

    test("a device whose sending is refused goes on receiving", async () => {
        const user = site.user();
        const [bad, good] = [await site.player(user, 0), await site.player(user, 1)];
        good.send(newTrack(0));
        await bad.receives(newTrack(0));
        await bad.refuses("nonsense");
        good.send(onPause(4));
        await bad.receives(onPause(4));
    });
});
