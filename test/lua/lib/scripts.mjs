// Scripts: the transitions as the gateway loads them, out of the table that the build made, with their keys named as
// the gateway names them.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const TABLE = join(process.env.SEGUE_BIN ? dirname(process.env.SEGUE_BIN) : join(ROOT, "build"), "gen");

export const SCRIPTS = join(ROOT, "scripts");
export const PREFIX = "segue:";

// [{name, keys, args, body}], in the order of the table.
export function readTable(folder = TABLE) {
    const text = readFileSync(join(folder, "scripts_table.inc"), "utf8");
    const rows = [];
    for (const line of text.split("\n")) {
        const head = line.match(/^ {4}\{"(\w+)", (\d+), (\d+),$/);
        const code = line.match(/^ {8}"(.*)\\n"$/);
        if (head) {
            rows.push({ name: head[1], keys: Number(head[2]), args: Number(head[3]), body: "" });
        } else if (code) {
            rows.at(-1).body += `${code[1].replace(/\\(["\\])/g, "$1")}\n`;
        }
    }
    return rows;
}

export function sha1(text) {
    return createHash("sha1").update(text).digest("hex");
}

// As codec_percent does it.
export function escape(user) {
    return Buffer.from(user, "utf8")
        .toString("latin1")
        .replace(/[^A-Za-z0-9_.@-]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

export function keysOf(user) {
    const tag = `{${escape(user)}}`;
    return {
        player: `${PREFIX}player:${tag}`,
        devices: `${PREFIX}devices:${tag}`,
        channel: `${PREFIX}user:${tag}`,
        events: `${PREFIX}events:${tag}`,
    };
}

// In the place of a name: what concerns everybody.
export const EVERYBODY = Symbol("everybody");

// Where a request with this key is remembered; no key: where it would be.
export function onceOf(name, key = "") {
    const tag = name === EVERYBODY ? "*" : escape(name);
    return `${PREFIX}once:{${tag}}${key && `:${key}`}`;
}

export class Scripts {
    #rows = new Map(readTable().map((row) => [row.name, row]));

    constructor(redis) {
        this.redis = redis;
    }

    async load() {
        for (const row of this.#rows.values()) {
            row.sha = await this.redis.call("SCRIPT", "LOAD", row.body);
        }
        return this;
    }

    // Runs a transition as the gateway does: by digest, with exactly the keys and arguments that it names.
    call(name, keys, args) {
        const row = this.#rows.get(name);
        if (keys.length !== row.keys || args.length !== row.args) {
            throw new Error(`${name} takes ${row.keys} keys and ${row.args} arguments`);
        }
        return this.redis.call("EVALSHA", row.sha, keys.length, ...keys, ...args);
    }
}
