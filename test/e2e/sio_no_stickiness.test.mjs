// No stickiness: behind a balancer that gives every single request to the next of three processes, official clients
// lose, double and reorder nothing, whoever of the three dies.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, SLOW, until } from "./lib/patience.mjs";
import { VERSIONS } from "./lib/sio.mjs";
import { testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const MANY = 1000;
const POLLING = { transports: ["polling"] };

const seek = (value) => ({ command: "seek", value });
const valuesOf = (client) => client.all("carplay_command").map(([{ value }]) => value);

function counting(list) {
    assert.deepEqual(
        list,
        list.map((_, i) => i),
    );
}

async function threeBalanced(t, { flags = {}, ...options } = {}) {
    const site = await testSite(t, { gateways: 3, flags: { rate: 0, ...flags } });
    const balancer = await site.balancer(options);
    return { site, balancer, user: site.user() };
}

describe("no stickiness", { concurrency: 2 }, () => {
    for (const version of Object.keys(VERSIONS)) {
        test(`${version}, polling only: ${MANY} commands each way, all acknowledged, in order, once`, async (t) => {
            const { site, balancer, user } = await threeBalanced(t);
            const [car, phone] = await Promise.all([
                site.client(user, balancer, { version, ...POLLING }),
                site.client(user, 0, { version, transports: ["websocket"] }),
            ]);
            const acks = [];
            for (let i = 0; i < MANY; i++) {
                car.socket.emit("carplay_command", seek(i), (answer) => acks.push([i, answer.ok]));
                if (i % 50 === 49) {
                    await sleep(5);
                }
            }
            await car.when(() => valuesOf(car).length === MANY, "the car's commands at the car", patient(30000));
            await phone.when(() => valuesOf(phone).length === MANY, "the car's commands at the phone");
            await until(
                () => acks.length === MANY,
                () => `${acks.length} acknowledgements`,
            );
            counting(valuesOf(car));
            counting(valuesOf(phone));
            assert.deepEqual(
                acks,
                acks.map((_, i) => [i, true]),
            );
            for (let i = 0; i < MANY; i++) {
                phone.emit("carplay_command", seek(MANY + i));
                if (i % 50 === 49) {
                    await sleep(5);
                }
            }
            await car.when(() => valuesOf(car).length === 2 * MANY, "the phone's commands", patient(30000));
            counting(valuesOf(car));
            assert.deepEqual(car.disconnects, []);
            for (const gateway of site.gateways) {
                assert.ok(balancer.served.get(gateway) > 2, "every process had its share");
            }
        });

        test(`${version}: polling, then the upgrade, while commands run both ways`, async (t) => {
            const { site, balancer, user } = await threeBalanced(t);
            const phone = await site.client(user, 0, { version, transports: ["websocket"] });
            for (let round = 0; round < 4; round++) {
                const car = await site.client(user, balancer, { version });
                const count = 60;
                phone.events.length = 0;
                for (let i = 0; i < count; i++) {
                    (i % 2 ? car : phone).emit("carplay_command", seek(i));
                    await sleep(2);
                }
                await car.upgraded();
                for (const client of [car, phone]) {
                    await client.when(() => valuesOf(client).length >= count, `${count} commands`);
                    for (const rest of [0, 1]) {
                        const mine = valuesOf(client).filter((value) => value % 2 === rest);
                        counting(mine.map((value) => (value - rest) / 2));
                        assert.equal(mine.length, count / 2);
                    }
                }
                assert.deepEqual(valuesOf(car), valuesOf(phone));
                assert.deepEqual(car.disconnects, []);
                car.close();
            }
        });
    }

    test("many clients at once, each with its own user", async (t) => {
        const { site, balancer } = await threeBalanced(t);
        const clients = await Promise.all(
            Array.from({ length: 20 }, () => site.client(site.user(), balancer, POLLING)),
        );
        await Promise.all(
            clients.map(async (client) => {
                for (let i = 0; i < 30; i++) {
                    assert.deepEqual(await client.ask("carplay_command", seek(i)), { ok: true });
                }
                await client.fence();
                counting(valuesOf(client));
                assert.equal(valuesOf(client).length, 30);
                assert.deepEqual(client.disconnects, []);
            }),
        );
    });

    test("answers to GETs that are lost on the way are sent again when the balancer repeats the request", async (t) => {
        const { site, balancer, user } = await threeBalanced(t);
        const car = await site.client(user, balancer, POLLING);
        const phone = await site.client(user, 0, { transports: ["websocket"] });
        const carries = ({ method, url }, text) =>
            method === "GET" && url.includes(car.socket.io.engine.id) && text.includes("carplay_command");
        for (let i = 0; i < 40; i++) {
            const lost = i % 2 ? balancer.loseAnswer(carries, { repeat: true }) : null;
            phone.emit("carplay_command", seek(i));
            await lost;
            await car.when(() => valuesOf(car).includes(i), `command ${i}`);
        }
        await car.fence();
        counting(valuesOf(car));
        assert.equal(valuesOf(car).length, 40);
        assert.deepEqual(car.disconnects, []);
    });

    test("... and recovered when nobody repeats it", async (t) => {
        const { site, balancer, user } = await threeBalanced(t);
        const car = await site.client(user, balancer, { ...POLLING, recovery: true });
        const phone = await site.client(user, 0, { transports: ["websocket"] });
        const { id } = car.socket;
        phone.emit("carplay_command", seek(0));
        await car.when(() => valuesOf(car).length === 1, "the first command");
        for (let round = 0; round < 3; round++) {
            const first = 1 + round * 5;
            const sid = car.socket.io.engine.id;
            const lost = balancer.loseAnswer(
                ({ method, url }, text) => method === "GET" && url.includes(sid) && text.includes("carplay_command"),
            );
            for (let i = first; i < first + 5; i++) {
                phone.emit("carplay_command", seek(i));
            }
            await lost;
            const session = await car.session(2 + round);
            assert.deepEqual(session, { id, recovered: true });
            await car.when(() => valuesOf(car).length >= first + 5, "what was missed");
        }
        await car.fence();
        counting(valuesOf(car));
        assert.equal(valuesOf(car).length, 16);
    });

    test("a POST whose answer is lost was applied once", async (t) => {
        const { site, balancer, user } = await threeBalanced(t);
        const car = await site.client(user, balancer, { ...POLLING, recovery: true });
        const phone = await site.client(user, 0, { transports: ["websocket"] });
        phone.emit("carplay_command", seek(0));
        await car.when(() => valuesOf(car).length === 1, "the first command");
        const lost = balancer.loseAnswer(({ method, body }) => method === "POST" && String(body).includes("seek"));
        car.emit("carplay_command", seek(1));
        await lost;
        await car.session(2);
        await car.fence();
        await phone.fence();
        assert.deepEqual(valuesOf(car), [0, 1]);
        assert.deepEqual(valuesOf(phone), [0, 1]);
    });
});

describe("no stickiness while processes are killed with -9", { concurrency: 2 }, () => {
    // Kills one of the three after the other until told to stop; there is always one more started than killed.
    function reaper(site, every) {
        const reaping = { kills: 0, stop: false };
        reaping.done = (async () => {
            while (!reaping.stop) {
                await sleep(every);
                const [doomed] = site.gateways.splice(reaping.kills % site.gateways.length, 1);
                await doomed.kill();
                reaping.kills += 1;
                await site.addGateway();
            }
        })();
        return reaping;
    }

    // Everything of before has come, also what is read after a break: events keep their order, a pong may overtake them.
    const OTHERS = 100000;
    const MARKERS = 200000;
    let markers = 0;
    async function allHeard(client) {
        for (;;) {
            const marker = MARKERS + markers++;
            const { length } = client.sessions;
            client.emit("carplay_command", seek(marker));
            const heard = await client.when(
                () => (valuesOf(client).includes(marker) && "it") || (client.sessions.length > length && "a new session"),
                "a marker",
            );
            if (heard === "it") {
                return;
            }
        }
    }

    // Says every command until it is known to be applied: acknowledged, or heard back after a recovery. Gives how many.
    async function sayAll(client, enough, pace) {
        let said = 0;
        for (; !enough(said); said++) {
            for (;;) {
                const { socket } = client;
                const answer = await new Promise((resolve) => {
                    const again = () => resolve(null);
                    socket.once("connect", again);
                    socket.emit("carplay_command", seek(said), (got) => {
                        socket.off("connect", again);
                        resolve(got);
                    });
                });
                if (answer?.ok) {
                    break;
                }
                await allHeard(client);
                if (valuesOf(client).includes(said)) {
                    break;
                }
            }
            await sleep(pace);
        }
        return said;
    }

    test(`polling only, ${MANY} commands each way and more, until three are dead`, { timeout: patient(60000) }, async (t) => {
        const { site, balancer, user } = await threeBalanced(t);
        const car = await site.client(user, balancer, { ...POLLING, recovery: true });
        const reaping = reaper(site, 1200 * SLOW);
        const enough = (count) => count >= MANY && reaping.kills >= 3;
        let served = 0;
        const other = async () => {
            // The server's own way in: REST on whoever is there.
            const headers = { Authorization: `Bearer ${tokenOf(user)}`, "Content-Type": "application/json" };
            while (!enough(served)) {
                const body = JSON.stringify(seek(OTHERS + served));
                const gateway = site.gateways[site.gateways.length - 1];
                const answer = await gateway
                    .get("/api/carplay/control", { method: "POST", headers, body })
                    .catch(() => null);
                if (answer === null) {
                    // Its process died: whether it was applied is for the event to say.
                    await allHeard(car);
                    served += valuesOf(car).includes(OTHERS + served) ? 1 : 0;
                } else if (answer.status === 200) {
                    served += 1;
                }
            }
        };
        const [said] = await Promise.all([sayAll(car, enough, 1), other()]);
        reaping.stop = true;
        await reaping.done;
        await allHeard(car);
        const between = (least, most) => valuesOf(car).filter((value) => value >= least && value < most);
        const own = between(0, OTHERS);
        const others = between(OTHERS, MARKERS);
        counting(own);
        assert.equal(own.length, said);
        counting(others.map((value) => value - OTHERS));
        assert.equal(others.length, served);
        assert.ok(reaping.kills >= 3, `${reaping.kills} kills`);
        assert.ok(
            car.sessions.slice(1).every(({ recovered }) => recovered),
            "every break was recovered",
        );
    });

    test("a polling client that only listens never notices", { timeout: patient(40000) }, async (t) => {
        const { site, balancer, user } = await threeBalanced(t);
        const car = await site.client(user, balancer, POLLING);
        const phone = await site.client(user, site.gateways.at(-1), { transports: ["websocket"] });
        const keeper = site.gateways.pop(); // serves the phone, is not killed, and not behind the balancer
        t.after(() => keeper.close());
        await site.addGateway();
        const reaping = reaper(site, 900 * SLOW);
        for (let i = 0; i < 300; i++) {
            assert.deepEqual(await phone.ask("carplay_command", seek(i)), { ok: true });
            await sleep(15 * SLOW);
        }
        reaping.stop = true;
        await reaping.done;
        await car.when(
            () => valuesOf(car).length >= 300,
            () => `${valuesOf(car).length} commands`,
        );
        counting(valuesOf(car));
        assert.equal(valuesOf(car).length, 300);
        assert.ok(reaping.kills >= 3, `${reaping.kills} kills`);
    });
});
