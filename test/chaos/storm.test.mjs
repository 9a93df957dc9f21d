// Storms (scripts/chaos), short ones; and whether the check that judges them would see what it is there to see.
//
// SEGUE_TEST_SEED repeats the run with a seed of its own.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { removeDirectory, temporaryDirectory } from "../e2e/lib/keeper.mjs";
import { check } from "./storm/check.mjs";
import { run } from "./storm/main.mjs";
import { lineOf, NAMES, planOf } from "./storm/plan.mjs";

const SEED = Number(process.env.SEGUE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const USUAL = { seconds: 30, gateways: 3, users: 3, redis: "single", only: NAMES, without: [] };

async function blow(t, options) {
    const directory = temporaryDirectory();
    t?.after(() => removeDirectory(directory));
    const lines = [];
    const records = await run({ ...USUAL, ...options }, directory, (line) => lines.push(line));
    return { records, lines };
}

function assertKept({ records, lines }, seed) {
    const { violations, counts } = check(records);
    assert.deepEqual(violations, [], `seed ${seed}\n${lines.join("\n")}\n${violations.join("\n")}`);
    assert.ok(counts.acknowledged > 50, `${counts.acknowledged} acknowledged`);
    assert.ok(records.filter(({ k, did }) => k === "fault" && did).length > 5, lines.join("\n"));
}

describe("a plan", () => {
    const textOf = (seed) =>
        planOf({ ...USUAL, seconds: 300, seed })
            .map(lineOf)
            .join("\n");

    test("follows from its seed", () => {
        assert.equal(textOf(5), textOf(5));
        assert.notEqual(textOf(5), textOf(6));
    });

    test("has every fault, when it is long enough, and only those that are asked for", () => {
        const met = new Set();
        for (const redis of ["single", "cluster", "sentinel"]) {
            const plan = planOf({ ...USUAL, redis, seed: 1, seconds: 600 });
            plan.forEach(({ what }) => met.add(what));
            assert.ok(plan.every(({ at }, i) => i === 0 || at > plan[i - 1].at));
            assert.equal(
                plan.some(({ what }) => what === "redis-power"),
                redis === "single",
            );
            assert.equal(
                plan.some(({ what }) => what === "slot-move"),
                redis === "cluster",
            );
        }
        assert.deepEqual([...met].sort(), [...NAMES].sort());
        const some = planOf({ ...USUAL, seed: 1, only: ["redis-kill", "net-cut"], without: ["net-cut"] });
        assert.deepEqual([...new Set(some.map(({ what }) => what))], ["redis-kill"]);
    });
});

test(`a storm with a seed of its own (${SEED}), fsync everysec: all promises are kept`, async (t) => {
    assertKept(await blow(t, { seed: SEED, fsync: "everysec" }), SEED);
});

describe("a storm with fsync always", () => {
    let storm;

    before(async () => {
        storm = await blow(null, { seed: 7, fsync: "always" });
    });

    test("all promises are kept, and Redis forgets nothing", () => {
        assertKept(storm, 7);
        assert.deepEqual(
            storm.records.filter(({ k }) => k === "lost"),
            [],
        );
    });

    // ---- the same history, with a lie in it ----

    const isCar = ({ o }) => o?.endsWith("-ws") || o?.endsWith("-upgrade");
    const sawEvent = (record) => record.k === "saw" && record.e === "events:u0" && isCar(record);
    const sawUpdate = ({ k, o, as }) => k === "saw" && o === "u0-listener-0" && (as === "seek" || as === "turn");
    const sawMessage = ({ k, o, as }) => k === "saw" && o === "r0-member-1" && as === "message";

    // The places of records that hold.
    const placesOf = (records, holds) => records.flatMap((record, i) => (holds(record) ? [i] : []));

    // The middle one of them, and the next of the same connection.
    function two(records, holds) {
        const places = placesOf(records, holds);
        for (let i = places.length >> 1; i < places.length - 1; i++) {
            const [one, other] = [records[places[i]], records[places[i + 1]]];
            if (one.c === other.c && one.m !== other.m) {
                return [places[i], places[i + 1]];
            }
        }
        throw new Error("nothing to lie about");
    }

    function swapped(records, holds) {
        const [one, other] = two(records, holds);
        const { m, id, as, said } = records[one];
        Object.assign(records[one], { ...records[other], t: records[one].t });
        Object.assign(records[other], { m, as, ...(id && { id }), ...(said !== undefined && { said }) });
    }

    function doubled(records, holds) {
        const [one, other] = two(records, holds);
        records.splice(other, 0, { ...records[one] });
    }

    const acknowledged = (records, prefix) => {
        const ok = new Set(records.filter(({ k, ok: good }) => k === "done" && good).map(({ m }) => m));
        const said = records.filter(({ k, e, m }) => k === "said" && e.startsWith(prefix) && ok.has(m));
        return said[said.length >> 1];
    };

    const lies = {
        "an acknowledged event that Redis does not have": [
            "lost",
            (records) => {
                const { m, e } = acknowledged(records, "events:u");
                const streams = records.filter((record) => record.k === "stream" && record.e === e);
                streams.forEach((record) => (record.list = record.list.filter(([, mark]) => mark !== m)));
            },
        ],
        "an event that is twice in Redis": [
            "twice",
            (records) => {
                const { m, e } = acknowledged(records, "events:u");
                const { list } = records.findLast((record) => record.k === "stream" && record.e === e);
                list.push([list.at(-1)[0] + 1, m]);
            },
        ],
        "an event that one socket was not told": ["missed", (records) => records.splice(two(records, sawEvent)[0], 1)],
        "... was told twice": ["twice", (records) => doubled(records, sawEvent)],
        "... was told in another order": ["order", (records) => swapped(records, sawEvent)],
        "a client that asked for recovery and did not get it": [
            "recovery",
            (records) =>
                (records.find(({ k, recovered, recovers }) => k === "begin" && recovered && recovers).recovered =
                    false),
        ],
        "an update that a device was told twice": ["twice", (records) => doubled(records, sawUpdate)],
        "... in another order than the others": ["order", (records) => swapped(records, sawUpdate)],
        "a device that believes something else at the end": [
            "disagreement",
            (records) =>
                (records.find(({ k, e }) => k === "final" && e === "state:u1").views.redis.last_sec_position += 1),
        ],
        "a state that is lost, though all agree": [
            "lost",
            (records) => {
                const { views } = records.find(({ k, e }) => k === "final" && e === "state:u1");
                const first = records.find(({ k, e, v }) => k === "said" && e === "state:u1" && v === "track");
                Object.values(views).forEach((view) => (view.track_id = `t${first.m}`));
            },
        ],
        "a state that was read and was older than what was known": [
            "stale",
            (records) => {
                const first = records.find(({ k, e, v }) => k === "said" && e === "state:u1" && v === "track");
                records.findLast(({ k, e }) => k === "read" && e === "state:u1").m = first.m;
            },
        ],
        "a message that a member was not told": ["missed", (records) => records.splice(two(records, sawMessage)[0], 1)],
        "... was told twice": ["twice", (records) => doubled(records, sawMessage)],
        "... was told in another order": ["order", (records) => swapped(records, sawMessage)],
        "a number that two messages have": [
            "number",
            (records) => {
                const [one, other] = two(records, sawMessage);
                records[other].id = records[one].id;
            },
        ],
        "a line of a feed that was told twice": [
            "twice",
            (records) => doubled(records, ({ k, o }) => k === "saw" && o === "f0-subscriber-0"),
        ],
        "what was said to another user": [
            "foreign",
            (records) => (records.find((record) => sawEvent(record)).e = "events:u1"),
        ],
        "a process that ended by itself": ["wrong", (records) => records.push({ t: 0, k: "wrong", what: "it ended" })],
    };

    for (const [lie, [kind, tell]] of Object.entries(lies)) {
        test(`the check sees ${lie}`, () => {
            const records = structuredClone(storm.records);
            tell(records);
            const { violations } = check(records);
            assert.ok(
                violations.some((violation) => violation.startsWith(`${kind}: `)),
                `${kind} among ${violations.join("\n")}`,
            );
        });
    }
});
