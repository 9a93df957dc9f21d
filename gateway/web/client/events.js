// Events: what a backend tells a user's timeline: uploads, deletions, settings.
//
//   const live = events({ url: "https://gateway.example", token });
//   live.connection.subscribe((status) => ...);                     // "disconnected", "connected", "reconnecting"
//   live.on("assetUploaded", ({ ids, data }) => ...);               // once per batch
//   live.on("on_config_update", () => ...);                         // any event, as it comes
//   live.connect();
//
// Changes of assets are collected, so that a thousand uploads do not redraw a timeline a thousand times:
//
//   event --> pending changes --quiet for 500 ms---------------------> assetDelete, assetHidden, assetTrash
//                             --quiet for 5 s, or 10 s after the first-> assetUploaded
//
// Changes of one asset keep their order: an upload that still waits is forgotten when its asset is deleted, and is
// handled first when its asset is hidden or trashed. Events that ask for a refresh come after the changes that came
// before them.
//
// Two sets of events say the same in old and new words; one of them is listened to.

import { openChannel } from "./channel.js";
import { Debounce } from "./debounce.js";
import { Emitter } from "./emitter.js";
import { Observable } from "./observable.js";

const QUIET_MS = 500;
const BATCH_QUIET_MS = 5000;
const BATCH_LONGEST_MS = 10000;
const BACKGROUND_MS = 10000;
const MOST_PENDING = 10000; // then nobody waits for more

const UPLOADED = "assetUploaded";
const DELETED = "assetDelete";
const REFRESH = "refresh"; // no change of its own: look again

const SENT_AWAY = new Set(["stopped", "refused"]);

// What the events of each set mean.
const SETS = {
    standard: {
        on_upload_success: UPLOADED,
        on_asset_delete: DELETED,
        on_asset_hidden: "assetHidden",
        on_asset_trash: "assetTrash",
        on_asset_restore: REFRESH,
        on_asset_update: REFRESH,
        on_asset_stack_update: REFRESH,
    },
    beta: {
        AssetUploadReadyV1: UPLOADED,
        AssetEditReadyV1: REFRESH,
    },
};

// What is told by ourselves, and what comes from the server under its own name.
const OWN = new Set(["connect", "stale", UPLOADED, DELETED, "assetHidden", "assetTrash"]);
const IN_SETS = new Set(Object.values(SETS).flatMap((set) => Object.keys(set)));

/** @param {ConstructorParameters<typeof Events>[0]} options */
export function events(options = {}) {
    return new Events(options);
}

/**
 * Tells: the four actions ({action, ids, data}), every event of the server under its name, "connect" ({recovered}:
 * nothing was missed; false: refresh), "stale" (changes that were given up: refresh).
 */
export class Events extends Emitter {
    /** "disconnected", "connected" or "reconnecting". */
    connection = new Observable("disconnected");

    #channel;
    #log;
    #background;
    #longest;
    #backgroundTimer = 0;
    #isWanted = false;
    #wasDropped = false; // the connection was given up in the background
    #pending = new Map(); // "action id" -> {action, id, data, at}, in the order in which they came
    #refreshes = []; // events that come after the pending changes
    #soon;
    #batch;
    #set = "";
    #offs = []; // what the present set has tied
    #heard = new Set(); // other events that somebody waits for

    /**
     * @param {{url?: string | URL, token?: any, io?: any, WebSocket?: any, listeners?: keyof SETS, quiet?: number,
     *     batchQuiet?: number, batchLongest?: number, background?: number, log?: (...words: any[]) => void}} options
     */
    constructor(options) {
        const { listeners = "standard", quiet = QUIET_MS, batchQuiet = BATCH_QUIET_MS, ...more } = options;
        const { batchLongest = BATCH_LONGEST_MS, background = BACKGROUND_MS, log = console.error, ...channel } = more;
        super();
        this.#log = log;
        this.#background = background;
        this.#longest = batchLongest;
        this.#soon = new Debounce({ quiet, run: () => this.#process() });
        this.#batch = new Debounce({ quiet: batchQuiet, longest: batchLongest, run: () => this.#processUploads() });
        this.#channel = openChannel({ ...channel, onStatus: () => this.#statusChanged() });
        this.#channel.on("connect", ({ recovered }) => this.tell("connect", { recovered }));
        this.listenTo(listeners);
    }

    /** Why the connection is what it is: a status of the wire, and words. */
    get status() {
        return this.#channel.status;
    }

    get reason() {
        return this.#channel.reason;
    }

    get retryAt() {
        return this.#channel.retryAt;
    }

    get isConnected() {
        return this.connection.value === "connected";
    }

    /** What waits to be handled, oldest first: {action, id, data, at}. */
    get pendingChanges() {
        return [...this.#pending.values()];
    }

    on(event, handler) {
        if (!OWN.has(event) && !IN_SETS.has(event) && !this.#heard.has(event)) {
            this.#heard.add(event);
            this.#channel.on(event, (...args) => this.tell(event, ...args));
        }
        return super.on(event, handler);
    }

    /** Which set of events is heard: "standard" or "beta". What is pending stays so. */
    listenTo(name) {
        if (!(name in SETS)) {
            throw new TypeError(`there is no set of listeners called ${name}`);
        }
        if (name !== this.#set) {
            this.#offs.forEach((off) => off());
            this.#set = name;
            this.#offs = Object.entries(SETS[name]).map(([event, action]) =>
                this.#channel.on(event, (...args) => this.#take(event, action, args)),
            );
        }
    }

    // --- life

    connect() {
        this.#isWanted = true;
        this.#wake();
    }

    /** What is pending is still handled, and the next connection goes on where this one ends. */
    disconnect() {
        this.#isWanted = false;
        clearTimeout(this.#backgroundTimer);
        this.#channel.close();
    }

    /** The application is seen again. Who was sent away (4403) does not come back for that. */
    foreground() {
        clearTimeout(this.#backgroundTimer);
        if (this.#isWanted) {
            this.#clearStale();
            if (!SENT_AWAY.has(this.status)) {
                this.#wake();
            }
        }
    }

    /** The application is not seen any more: the connection is kept for a little while. */
    background() {
        clearTimeout(this.#backgroundTimer);
        if (this.#isWanted) {
            this.#backgroundTimer = setTimeout(() => this.#sleep(), this.#background);
        }
    }

    /** Another user may come: nothing of this one is left. */
    logout() {
        this.#isWanted = this.#wasDropped = false;
        clearTimeout(this.#backgroundTimer);
        this.#forget();
        this.#channel.close({ forget: true });
    }

    /**
     * Foreground and background are those of a page.
     * @returns {() => void} not any more
     */
    followPage(page = globalThis.document) {
        const follow = () => (page.hidden ? this.background() : this.foreground());
        page.addEventListener("visibilitychange", follow);
        return () => page.removeEventListener("visibilitychange", follow);
    }

    #wake() {
        if (this.#channel.isResting) {
            this.#channel.open();
        } else {
            this.#channel.retry();
        }
    }

    #sleep() {
        this.#wasDropped = true;
        this.#soon.cancel();
        this.#batch.cancel();
        this.#channel.close();
    }

    // While nobody looked nothing was handled: by now somebody else has done it, or a refresh will.
    #clearStale() {
        const oldest = Date.now() - this.#longest;
        const stale = this.pendingChanges.filter(({ at }) => this.#wasDropped || at < oldest);
        this.#wasDropped = false;
        stale.forEach((change) => this.#pending.delete(keyOf(change)));
        if (this.#pending.size === 0) {
            this.#forget();
        }
        if (stale.length > 0) {
            this.tell("stale", stale);
        }
    }

    #forget() {
        this.#soon.cancel();
        this.#batch.cancel();
        this.#pending.clear();
        this.#refreshes = [];
    }

    #statusChanged() {
        const { status } = this.#channel;
        const begins = status === "connecting" && this.connection.value === "disconnected";
        if (status === "waiting") {
            this.#log(`events: ${this.reason}`);
        }
        if (status === "online") {
            this.connection.set("connected");
        } else {
            this.connection.set(this.#channel.isResting || begins ? "disconnected" : "reconnecting");
        }
    }

    // --- changes

    #take(event, action, args) {
        if (action === REFRESH && this.#isQuiet()) {
            this.tell(event, ...args);
        } else if (action === REFRESH) {
            this.#refreshes.push([event, args]);
        } else {
            this.tell(event, ...args);
            this.#add(event, action, args[0]);
        }
    }

    #add(event, action, data) {
        const ids = idsOf(data);
        if (ids.length === 0) {
            this.#log(`events: ${event} names no asset`, data);
            return;
        }
        for (const id of ids) {
            const change = { action, id, data: action === UPLOADED ? data : id, at: Date.now() };
            this.#pending.set(keyOf(change), change);
            if (action === DELETED) {
                this.#pending.delete(keyOf({ action: UPLOADED, id }));
            }
        }
        const debounce = action === UPLOADED ? this.#batch : this.#soon;
        if (this.#pending.size >= MOST_PENDING) {
            debounce.now();
        } else {
            debounce.ask();
        }
    }

    #isQuiet() {
        return this.pendingChanges.every(({ action }) => action === UPLOADED);
    }

    #process() {
        const changes = this.pendingChanges.filter(({ action }) => action !== UPLOADED);
        if (changes.some(({ id }) => this.#pending.has(keyOf({ action: UPLOADED, id })))) {
            this.#batch.now();
        }
        const actions = new Set(changes.map(({ action }) => action));
        actions.forEach((action) => this.#handle(action));
        const refreshes = this.#refreshes;
        this.#refreshes = [];
        refreshes.forEach(([event, args]) => this.tell(event, ...args));
    }

    #processUploads() {
        this.#handle(UPLOADED);
    }

    #handle(action) {
        const changes = this.pendingChanges.filter((change) => change.action === action);
        changes.forEach((change) => this.#pending.delete(keyOf(change)));
        if (changes.length > 0) {
            const ids = changes.map(({ id }) => id);
            this.tell(action, { action, ids, data: changes.map(({ data }) => data) });
        }
    }

    failed(event, error) {
        this.#log(`events: a handler of ${event} failed`, error);
    }
}

function keyOf({ action, id }) {
    return `${action} ${id}`;
}

// An id, a list of ids, or an asset that has one, possibly as JSON text or wrapped as {asset}.
function idsOf(data) {
    if (Array.isArray(data)) {
        return data.flatMap(idsOf);
    }
    if (typeof data === "string" && data.startsWith("{")) {
        return idsOf(parse(data));
    }
    if (data !== null && typeof data === "object") {
        return idsOf(data.asset ?? data.id);
    }
    return (typeof data === "string" && data !== "") || typeof data === "number" ? [data] : [];
}

function parse(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}
