// Scene: what the tests of a file play on: a browser, and one private Redis with gateways in front of it.
//
//     scene(2);             two gateways, from before the first test to after the last
//     scene(2, flags);      ... with these flags

import { after, before } from "node:test";

import { Gateway } from "../../e2e/lib/gateway.mjs";
import { Redis } from "../../e2e/lib/redis.mjs";
import { SECRET } from "../../e2e/lib/token.mjs";
import { launch } from "./window.mjs";

export let browser;
export let redis;
export let gateways = [];
export let gateway; // the first of them

// flags: called when Redis is there.
export function scene(count, flags = () => ({ redis: redis.url, "jwt-secret": SECRET })) {
    before(async () => {
        redis = await Redis.start();
        gateways = await Promise.all(Array.from({ length: count }, () => Gateway.start({ flags: flags() })));
        [gateway] = gateways;
        browser = await launch();
    });
    after(async () => {
        await browser?.close();
        for (const one of gateways) {
            await one.close();
        }
        await redis?.close();
    });
}
