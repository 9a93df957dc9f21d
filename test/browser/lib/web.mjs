// Web: the pages' modules, loaded into Node, with a WebSocket and a clock that the test moves.
//
// They belong to no package, so Node takes them for another kind of script: they are copied to a place that says what
// they are, and where the client library stands beside them as the build puts it together.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const SOURCE = fileURLToPath(new URL("../../../gateway/web", import.meta.url));
const BUNDLE = fileURLToPath(new URL("../../../scripts/bundle-client", import.meta.url));

let place = "";

// The module of that name in gateway/web.
export function load(name) {
    if (!place) {
        place = mkdtempSync(join(tmpdir(), "segue-web-"));
        process.on("exit", () => rmSync(place, { recursive: true }));
        cpSync(SOURCE, place, { recursive: true });
        spawnSync(BUNDLE, [join(place, "segue.js")], { stdio: "inherit" });
        writeFileSync(join(place, "package.json"), '{"type":"module"}');
    }
    return import(pathToFileURL(join(place, name)));
}

// Lets promises that are settled have their say.
export async function settled() {
    for (let i = 0; i < 10; i++) {
        await null;
    }
}

// Time that stands still until the test moves it: setTimeout, Date.now and performance.now.
export class FakeTime {
    #now = 1_000_000;
    #timers = new Map();
    #next = 1;
    #real = {};

    constructor() {
        this.#real = { setTimeout, clearTimeout, dateNow: Date.now, performanceNow: performance.now };
        globalThis.setTimeout = (run, ms = 0) => {
            this.#timers.set(this.#next, { run, at: this.#now + ms });
            return this.#next++;
        };
        globalThis.clearTimeout = (id) => this.#timers.delete(id);
        Date.now = () => this.#now;
        performance.now = () => this.#now;
    }

    get timers() {
        return this.#timers.size;
    }

    async pass(ms) {
        const end = this.#now + ms;
        for (;;) {
            const due = [...this.#timers].sort(([, a], [, b]) => a.at - b.at).find(([, { at }]) => at <= end);
            if (!due) {
                break;
            }
            const [id, { run, at }] = due;
            this.#timers.delete(id);
            this.#now = Math.max(this.#now, at);
            run();
            await settled();
        }
        this.#now = end;
        await settled();
    }

    restore() {
        globalThis.setTimeout = this.#real.setTimeout;
        globalThis.clearTimeout = this.#real.clearTimeout;
        Date.now = this.#real.dateNow;
        performance.now = this.#real.performanceNow;
    }
}

// The class of WebSockets whose other end is the test: all that were made are in `made`, newest last.
export function fakeWebSocket() {
    return class FakeWebSocket {
        static made = [];
        static get newest() {
            return this.made.at(-1);
        }

        readyState = 0;
        sent = [];
        onopen = nothing;
        onmessage = nothing;
        onclose = nothing;

        constructor(url, protocols) {
            this.url = url;
            this.protocols = protocols;
            this.constructor.made.push(this);
        }

        send(data) {
            this.sent.push(data);
        }

        close(code) {
            this.readyState = 3;
            this.closedWith = code;
        }

        // --- the test's end

        async open() {
            this.readyState = 1;
            this.onopen?.();
            await settled();
        }

        async says(...frames) {
            for (const data of frames) {
                this.onmessage?.({ data });
                await settled();
            }
        }

        async closes(code, reason = "") {
            this.readyState = 3;
            this.onclose?.({ code, reason });
            await settled();
        }
    };
}

function nothing() {}
