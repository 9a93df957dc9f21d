// Program: build/segue-conformance as the tests start it: the gateway with echoes for suites of protocols.

import { dirname, join } from "node:path";
import { after, before } from "node:test";

import { BINARY } from "../../e2e/lib/gateway.mjs";
import { Site } from "../../e2e/lib/site.mjs";

export const LARGEST = 16777216;
export const MAX_PAYLOAD = 1000000;

const PROGRAM = join(dirname(BINARY), "segue-conformance");

// As suiteSite; flags: beside those that every suite wants.
export function conformanceSite({ flags = {}, ...options } = {}) {
    const site = new Site({
        binary: PROGRAM,
        flags: { "max-message": LARGEST, "max-batch": MAX_PAYLOAD, recovery: "off", rate: 0, ...flags },
        ...options,
    });
    before(() => site.start());
    after(() => site.close());
    return site;
}

// The two ways to meet it: as one process, or as three behind a balancer that gives each request to the next.
export const MEETINGS = [
    ["one process", 1],
    ["three processes, each request to the next", 3],
];
