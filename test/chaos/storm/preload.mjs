// Preload: C of this folder as a library that a process is started with (LD_PRELOAD), to see or change what it asks of libc.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// The path of the library, built into the directory.
export function preloaded(name, directory) {
    const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
    const library = join(directory, `${name}.so`);
    const built = spawnSync(process.env.CC ?? "cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
    if (built.status !== 0) {
        throw new Error(`${name}.c: ${built.error ?? built.stderr}`);
    }
    return library;
}
