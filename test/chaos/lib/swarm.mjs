// Swarm: very many quiet connections, held by child processes because of the limit of open files in one.
//
//     parent -> child   {open: n}                   child -> parent   {opened, refused, failed}
//                       {close: true}                                 {closed: true}
//                       {count: true}                                 {alive, frames}

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const PER_CHILD = 4000;
const AT_ONCE = 100; // handshakes of the whole swarm; of many more at once, a full gateway cuts some off

export class Swarm {
    #children = [];

    constructor(gateway, count, path = "/player") {
        const script = fileURLToPath(new URL("swarm_child.mjs", import.meta.url));
        const atOnce = Math.ceil(AT_ONCE / Math.ceil(count / PER_CHILD));
        for (let left = count; left > 0; left -= PER_CHILD) {
            const where = {
                SWARM_HOST: gateway.host,
                SWARM_PORT: gateway.port,
                SWARM_PATH: path,
                SWARM_AT_ONCE: atOnce,
            };
            const env = { ...process.env, ...where };
            const child = fork(script, [], { env, stdio: "inherit" });
            this.#children.push({ child, share: Math.min(left, PER_CHILD) });
        }
    }

    async #ask(message) {
        const answers = await Promise.all(
            this.#children.map(({ child, share }) => {
                return new Promise((resolve, reject) => {
                    child.once("message", resolve);
                    child.once("exit", () => reject(new Error("a part of the swarm is gone")));
                    child.send(typeof message === "function" ? message(share) : message);
                });
            }),
        );
        const sum = {};
        for (const answer of answers) {
            for (const [name, value] of Object.entries(answer)) {
                sum[name] = (sum[name] ?? 0) + value;
            }
        }
        return sum;
    }

    // {opened, refused, failed}; refused: with 503.
    open() {
        return this.#ask((share) => ({ open: share }));
    }

    // {alive, frames}: connections that are still there, text frames that they got.
    count() {
        return this.#ask({ count: true });
    }

    // Resets all connections.
    close() {
        return this.#ask({ close: true });
    }

    end() {
        this.#children.forEach(({ child }) => {
            child.removeAllListeners("exit");
            child.kill("SIGKILL");
        });
    }
}
