// The workloads, one row each: what the load generator is told, and what is read from its report.
//
//     group    what one says on the command line for all of its kind
//     users    for whom there is a state in Redis before
//     figures  name -> [title, digits, function of a report]; the first is compared with Segue's
//     seconds  how long it takes at least to say something
//     alone    without a server
//     quick    what is different with --quick; false: left out

const us = (use, count) => (use.cpu * 1e6) / count;
const serverPer = (count) => (r) => us(r.cpu.server, r[count]);
const redisPer = (count) => (r) => (r.cpu.redis === undefined ? undefined : us(r.cpu.redis, r[count]));
const memory = (r) => r.memory.server.pss / 1048576;

const LATENCY = {
    p50: ["p50 ms", 2, (r) => r.latency.p50 / 1000],
    p99: ["p99 ms", 2, (r) => r.latency.p99 / 1000],
    p999: ["p99.9 ms", 2, (r) => r.latency.p999 / 1000],
};

function talking(count, rate) {
    const one = count === "updates" ? "update" : "delivery";
    return {
        server: [`server µs/${one}`, 2, serverPer(count)],
        redis: ["Redis µs/update", 2, redisPer("updates")],
        rate: [rate, 0, (r) => r[count] / r.seconds],
        ...LATENCY,
        memory: ["MiB", 1, memory],
    };
}

const perConnection = (name) => (r) =>
    r.memory[name] === undefined ? undefined : (r.memory[name].pss - r.empty[name].pss) / 1024 / r.connections;
const msPerMinute = (name) => (r) =>
    r.cpu[name] === undefined ? undefined : (r.cpu[name].cpu * 60000) / r.seconds;

function fanout(devices, window) {
    return {
        name: `fanout-${devices}${window === 1 ? "" : `-${window}`}`,
        group: "fanout",
        title: `fan-out: one user with ${devices} devices, ${window} update${window === 1 ? "" : "s"} in flight`,
        generator: "fanout",
        users: 1,
        args: ["--devices", devices, "--window", window],
        figures: talking("deliveries", "deliveries/s"),
        quick: devices * window <= 64000 ? {} : false,
    };
}

const IDLE = "users with a device each, heartbeats every 25 s";
const CONNECT = "users, with token, subscription and state, 64 at a time";
const titleOf = (name, what, users) => `${name}: ${users} ${what}`;

// The same with fewer users.
function few(name, what) {
    return { title: titleOf(name, what, 2000), users: 2000 };
}

export const WORKLOADS = [
    {
        name: "sync-max",
        group: "sync",
        title: "sync: 1000 users x 3 devices, as fast as it goes (256 updates in flight)",
        generator: "sync",
        users: 1000,
        args: ["--window", 256],
        figures: talking("updates", "updates/s"),
    },
    {
        name: "sync-6000",
        group: "sync",
        title: "sync: 1000 users x 3 devices, 6000 updates/s",
        generator: "sync",
        users: 1000,
        args: ["--rate", 6000],
        figures: talking("updates", "updates/s"),
    },
    fanout(1000, 1),
    fanout(1000, 64),
    fanout(5000, 1),
    fanout(5000, 64),
    {
        name: "idle",
        group: "idle",
        title: titleOf("idle", IDLE, 10000),
        generator: "idle",
        users: 10000,
        seconds: 50,
        args: [],
        figures: {
            server: ["KiB/connection", 2, perConnection("server")],
            redis: ["Redis KiB/connection", 2, perConnection("redis")],
            cpu: ["server CPU ms/min", 0, msPerMinute("server")],
            redisCpu: ["Redis CPU ms/min", 0, msPerMinute("redis")],
            memory: ["MiB", 1, memory],
        },
        quick: { ...few("idle", IDLE), seconds: 0, without: ["cpu", "redisCpu"] }, // a heartbeat takes 25 s
    },
    {
        name: "connect",
        group: "connect",
        title: titleOf("connect", CONNECT, 10000),
        generator: "connect",
        users: 10000,
        args: [],
        quick: few("connect", CONNECT),
        figures: {
            server: ["server µs/connection", 1, serverPer("connections")],
            redis: ["Redis µs/connection", 1, redisPer("connections")],
            rate: ["connections/s", 0, (r) => r.connections / r.seconds],
            ...LATENCY,
        },
    },
    {
        name: "redis-max",
        group: "redis",
        title: "redis: the transitions alone, pipelined, with a subscriber (256 in flight)",
        generator: "redis",
        users: 1000,
        args: ["--window", 256],
        alone: true,
        figures: {
            redis: ["Redis µs/update", 2, redisPer("updates")],
            rate: ["updates/s", 0, (r) => r.updates / r.seconds],
            ...LATENCY,
        },
    },
    {
        name: "redis-6000",
        group: "redis",
        title: "redis: the transitions alone, 6000 updates/s",
        generator: "redis",
        users: 1000,
        args: ["--rate", 6000],
        alone: true,
        figures: {
            redis: ["Redis µs/update", 2, redisPer("updates")],
            rate: ["updates/s", 0, (r) => r.updates / r.seconds],
            ...LATENCY,
        },
    },
];
