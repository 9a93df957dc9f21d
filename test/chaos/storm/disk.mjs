// Disk: a redis-server whose machine may lose power: what it had written and not yet had confirmed by fdatasync is gone.
//
// kill -9 of a process alone does not show what an append-only file is for: the kernel keeps what was written. So
// power.c, preloaded, notes what was confirmed, and a loss of power cuts the files back to that, the worst that a disk may
// do. With `always` Redis confirms before it answers, with `everysec` about once a second.

import { existsSync, readdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";

import { Redis } from "../../e2e/lib/redis.mjs";
import { removeDirectory, temporaryDirectory } from "../../e2e/lib/keeper.mjs";
import { preloaded } from "./preload.mjs";

export class Disk {
    redis;
    fsync;
    #directory = temporaryDirectory();

    // fsync: everysec or always.
    static async start(fsync) {
        const disk = new Disk();
        disk.fsync = fsync;
        const library = preloaded("power", disk.#directory);
        const args = ["--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"];
        disk.redis = await Redis.start({ args, env: { LD_PRELOAD: library, POWER_LOG: disk.#log } });
        return disk;
    }

    get #log() {
        return join(this.#directory, "power.log");
    }

    // The last confirmed length of each file, when it had been written last, and the same of one that is being confirmed:
    // {path: {written, size, pending}}.
    #confirmed() {
        const files = {};
        const text = existsSync(this.#log) ? readFileSync(this.#log, "utf8") : "";
        for (const line of text.split("\n").filter(Boolean)) {
            const [step, ms, size, path] = line.split(" ");
            const file = (files[path] ??= { written: 0, size: 0, pending: null });
            if (step === "begin") {
                file.pending = Number(ms);
            } else {
                Object.assign(file, { written: Number(ms), size: Number(size), pending: null });
            }
        }
        return files;
    }

    #appended() {
        const directory = join(this.redis.directory, "appendonlydir");
        const names = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".incr.aof")) : [];
        return names.map((name) => join(directory, name));
    }

    // kill -9. The answer: since when (epoch ms) something may be missing that was acknowledged; null: nothing may. Redis
    // answers before it has written only while an `everysec` fdatasync takes its time.
    async kill() {
        await this.redis.kill();
        const files = this.#confirmed();
        const pending = this.#appended().map((path) => files[path]?.pending ?? null);
        const since = pending.filter((ms) => ms !== null);
        return this.fsync === "always" || since.length === 0 ? null : Math.min(...since);
    }

    // kill -9, and of the files remains what was confirmed. The answer as above, and how many bytes are gone.
    async losePower() {
        await this.redis.kill();
        const files = this.#confirmed();
        let bytes = 0;
        let since = Infinity;
        for (const path of this.#appended()) {
            const { size = 0, written = 0 } = files[path] ?? {};
            const length = statSync(path).size;
            if (length > size) {
                bytes += length - size;
                truncateSync(path, size);
                since = Math.min(since, written);
            }
        }
        return { bytes, since: this.fsync === "always" || bytes === 0 ? null : since };
    }

    async close() {
        await this.redis.close();
        removeDirectory(this.#directory);
    }
}
