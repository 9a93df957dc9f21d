// A thousand sockets reset at once, again and again: gauges, files, registrations and memory are back afterwards.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, SLOW, until } from "../e2e/lib/patience.mjs";
import { newTrack } from "../e2e/lib/scenario.mjs";
import { testSite } from "../e2e/lib/site.mjs";

const COUNT = 1000;
const MIB = 2 ** 20;

describe("a reset of a thousand sockets at once", () => {
    // A thousand devices of a hundred users arrive, some talk, and all of them break off in one moment.
    async function storm(site, leave) {
        const users = Array.from({ length: 100 }, () => site.user());
        const players = [];
        for (let i = 0; i < COUNT; i += 100) {
            players.push(...(await Promise.all(users.map((user, n) => site.player(user, (n + i / 100) % 2)))));
        }
        users.forEach((_, n) => players[n].send(newTrack(0)));
        await Promise.all(players.slice(100).map((player) => player.next(patient(20000))));
        const counts = await Promise.all(
            site.gateways.map(async (gateway) => {
                return (await gateway.metrics()).get("segue_connections", { protocol: "player" });
            }),
        );
        assert.deepEqual(counts, [COUNT / 2, COUNT / 2]);
        players.forEach(leave);
        site.players.length = 0;
        return users;
    }

    async function isQuiet(site, files) {
        for (const [i, gateway] of site.gateways.entries()) {
            await until(
                async () => {
                    const metrics = await gateway.metrics();
                    return (
                        metrics.get("segue_connections", { protocol: "player" }) === 0 &&
                        metrics.get("segue_channels") === 0
                    );
                },
                "gauges are back",
                patient(15000),
            );
            await until(() => gateway.openFiles() <= files[i], "files are closed", patient(15000));
        }
    }

    for (const [what, leave] of Object.entries({
        "with RST": (player) => player.reset(),
        "with FIN and no word": (player) => player.terminate(),
        "in the middle of messages": (player) => {
            for (let i = 0; i < 5; i++) {
                player.send(newTrack(i));
            }
            player.reset();
        },
    })) {
        test(`${what}: everything is back as it was`, async (t) => {
            const site = await testSite(t, { gateways: 2, flags: { rate: 0 } });
            const files = site.gateways.map((gateway) => gateway.openFiles());
            await storm(site, leave);
            await isQuiet(site, files);
            const after = site.gateways.map((gateway) => gateway.residentBytes());
            for (let round = 0; round < 3; round++) {
                const users = await storm(site, leave);
                await isQuiet(site, files);
                for (const user of users) {
                    await until(async () => {
                        const now = await site.redis.now();
                        return (await site.redis.call("ZCOUNT", `segue:devices:{${user}}`, now, "+inf")) === 0;
                    }, "no device is registered");
                }
            }
            for (const [i, gateway] of site.gateways.entries()) {
                const grown = gateway.residentBytes() - after[i];
                assert.ok(grown < 2 * MIB * SLOW, `three more storms made it grow by ${grown} bytes`);
            }
            const player = await site.player(site.user(), 0);
            await player.hearsNothing();
        });
    }
});
