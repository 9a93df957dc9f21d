// Memory: what a burst needed is freed when it is over. glibc may keep it for the next one, so what the process has in RAM
// says little; `segue_allocated_bytes` tells what is in use.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ask } from "./lib/api.mjs";
import { SLOW, until } from "./lib/patience.mjs";
import { testSite } from "./lib/site.mjs";

const KEY = "0123456789abcdef";
const MIB = 1024 * 1024;
const COUNT = 300;
const BYTES = 8000;
const measured = SLOW > 1 ? { skip: "sanitizers allocate by themselves" } : {};

describe("memory", measured, () => {
    test("of requests that waited for a frozen Redis is free again, round after round", async (t) => {
        const site = await testSite(t, { gateways: 1, flags: { rate: 0, "api-key": KEY } });
        const [gateway] = site.gateways;
        const metric = async (name) => (await gateway.metrics()).get(`segue_${name}`);
        const before = await metric("allocated_bytes");
        for (let round = 0; round < 3; round++) {
            const path = `/api/users/${site.user()}/events`;
            const body = { event: "much", data: "x".repeat(BYTES) };
            site.redis.freeze();
            const answers = Array.from({ length: COUNT }, () => ask(gateway, "POST", path, { key: KEY, body }));
            try {
                await until(async () => (await metric("pending_calls")) >= COUNT, "all wait");
                const more = (await metric("allocated_bytes")) - before;
                assert.ok(more > COUNT * BYTES, `${more} bytes while all wait`);
            } finally {
                site.redis.thaw();
            }
            for (const { status } of await Promise.all(answers)) {
                assert.ok([200, 503].includes(status), `${status}`); // 503: it was frozen for long
            }
            let more;
            await until(
                async () => (more = (await metric("allocated_bytes")) - before) < MIB,
                () => `what they held is free: ${more} bytes more than before, round ${round}`,
            );
        }
    });
});
