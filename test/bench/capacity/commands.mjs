// Commands: what reached Redis, and what ran in its scripts, between two looks at INFO commandstats.

// What we ask ourselves, and what gateways and nodes ask of each other's connections.
const NOT_OURS = /^(info|ping|command|config|client|hello|auth|cluster|script)(\||$)/;
// What gateways send; their scripts' time contains that of the commands in them.
const FROM_OUTSIDE = /^(evalsha|subscribe|unsubscribe|ssubscribe|sunsubscribe)$/;

// {calls, micros} of each command since Redis began, on all nodes.
export async function statistics(site) {
    const all = {};
    for (const { client } of site.nodes) {
        const text = await client.call("INFO", "commandstats");
        for (const [, name, calls, micros] of text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)) {
            const one = (all[name] ??= { calls: 0, micros: 0 });
            one.calls += Number(calls);
            one.micros += Number(micros);
        }
    }
    return all;
}

// What came between, for each of `count` things. background: calls of each command that would have come anyhow.
export function between(before, after, count, background = {}) {
    const commands = {};
    let received = 0;
    let total = 0;
    let micros = 0;
    for (const [name, { calls, micros: took }] of Object.entries(after)) {
        const more = (calls - (before[name]?.calls ?? 0)) / count - (background[name] ?? 0) / count;
        if (NOT_OURS.test(name) || more < 0.005) {
            continue;
        }
        commands[name] = Number(more.toFixed(2));
        total += more;
        if (FROM_OUTSIDE.test(name)) {
            received += more;
            micros += (took - (before[name]?.micros ?? 0)) / count;
        }
    }
    return { received, total, micros, commands };
}
