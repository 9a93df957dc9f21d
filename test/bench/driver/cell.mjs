// Cell: one workload against one contestant, once: a fresh Redis, a fresh server, the generator, and nothing left.

import { SECRET, end, generate, startRedis } from "./machine.mjs";
import { startProfile } from "./profile.mjs";

export async function runCell(workload, contestant, settings) {
    const { server: serverCore, load: loadCore } = settings.cores;
    const redis = contestant.redis ? await startRedis(loadCore) : null;
    let server = null;
    try {
        const common = [];
        if (redis) {
            await generate(loadCore, ["seed", "--redis", `127.0.0.1:${redis.port}`, "--users", workload.users]);
            common.push("--redis", `127.0.0.1:${redis.port}`, "--watch", `redis:${redis.pid}`);
        }
        if (contestant.start) {
            server = await contestant.start({ core: serverCore, redisPort: redis?.port });
            common.push("--server", `127.0.0.1:${server.port}`, "--watch", `server:${server.pids.join(",")}`);
            common.push("--dialect", contestant.dialect);
            if (contestant.token) {
                common.push("--secret", SECRET);
            }
        }
        const seconds = workload.seconds ?? settings.seconds;
        const times = ["--warmup", settings.warmup, "--seconds", seconds];
        const profile = settings.profile && server ? startProfile(settings, workload, contestant, server) : null;
        const report = await generate(loadCore, [workload.generator, ...common, ...times, "--users", workload.users, ...workload.args]);
        await profile?.end();
        if (report.lost > 0 || report.doubled > 0) {
            throw new Error(`${report.lost} updates were lost, ${report.doubled} came twice`);
        }
        return report;
    } catch (error) {
        throw new Error(`${error.message}\n${server?.child.log.slice(-1000) ?? ""}`.trim());
    } finally {
        if (server) {
            await end(server.child);
            await server.clean?.();
        }
        await redis?.end();
    }
}
