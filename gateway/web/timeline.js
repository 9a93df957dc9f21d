// The timeline's page: what a backend tells a user, as it comes and as it is handled, and buttons that make one say it.

import "./icons.js";
import { Album, photos } from "./album.js";
import { AlbumView } from "./album-view.js";
import { Backend } from "./backend.js";
import { Gate } from "./gate.js";
import { $, element, setText } from "./page.js";
import { events } from "./segue.js";
import { WireLog } from "./wire-log.js";

const BATCH_QUIET_MS = 5000;
const BATCH_LONGEST_MS = 10000;
const MANY = 25;
const TICK_MS = 200;

const EVENTS = [
    ...["on_upload_success", "on_asset_delete", "on_asset_trash", "on_asset_hidden", "on_asset_restore"],
    ...["on_asset_update", "on_asset_stack_update", "on_config_update", "on_new_release"],
    ...["AssetUploadReadyV1", "AssetEditReadyV1"],
];
const STATUS = {
    connected: ["online", "Connected"],
    reconnecting: ["waiting", "Reconnecting"],
    disconnected: ["closed", "Disconnected"],
};
const WAITING = { assetUploaded: "uploaded", assetDelete: "deleted", assetHidden: "hidden", assetTrash: "trashed" };

const backend = new Backend();
let live = null;
let album = null;
let view = null;
let log = null;
let heard = 0; // events
let calls = 0; // of handlers
let drawn = 0; // lines of the diary
let unfollow = null;

const gate = new Gate({
    question: "Whose timeline?",
    reason: "A backend speaks to one user at a time: the page needs the token of one.",
    greeting: "Timeline of",
    onEnter: enter,
    onLeave: leave,
});

function enter(token) {
    album = new Album();
    view = new AlbumView(album, $("batches"));
    log = new WireLog();
    heard = calls = drawn = 0;
    $("diary").replaceChildren();
    $("wire").replaceChildren();
    backend.user = gate.user;
    live = events({ token, listeners: $("listeners").value, log: () => {} });
    listen();
    live.connection.subscribe(drawConnection);
    unfollow = live.followPage();
    live.connect();
    $("stage").hidden = false;
    draw();
}

function leave() {
    unfollow();
    live.logout();
    live = null;
    $("stage").hidden = true;
}

function listen() {
    EVENTS.forEach((event) => live.on(event, (...args) => hear(event, args)));
    handle("assetUploaded", (batch) => album.upload(batch));
    handle("assetTrash", (batch) => album.trash(batch));
    handle("assetHidden", (batch) => album.hide(batch));
    handle("assetDelete", (batch) => album.remove(batch));
    handle("on_asset_restore", () => album.restore());
    handle("on_config_update", () => album.note("config", "New settings: server features and settings are read again"));
    handle("on_new_release", (version) => album.announce(version));
    live.on("connect", ({ recovered }) => noteConnection(recovered));
    live.on("stale", () => note("stale", "Nobody looked: what waited was given up"));
}

function handle(event, run) {
    live.on(event, (...args) => {
        calls += 1;
        run(...args);
        draw();
    });
}

function note(action, text) {
    album.note(action, text);
    draw();
}

function hear(event, args) {
    heard += 1;
    log.note("in", [event, ...args.map((one) => JSON.stringify(one))].join(" "));
}

// The first connection begins the page; later ones go on where the one before ended, if they can.
function noteConnection(recovered) {
    if (recovered) {
        note("connect", "Back: what was said meanwhile follows");
    } else {
        note("connect", album.noted > 0 ? "Connected anew: what was said meanwhile is not known" : "Connected");
    }
}

// --- what is shown

function draw() {
    view.draw();
    $("empty").hidden = album.batches.length > 0;
    const trashed = album.count("trash");
    const locked = album.count("locked");
    setText($("elsewhere"), trashed + locked > 0 ? `In the trash: ${trashed}. In the locked folder: ${locked}.` : "");
    $("release").hidden = album.release === "";
    setText($("release"), album.release && `Version ${album.release} is there to be installed.`);
    drawDiary();
    tick();
}

// Only what is new is added, since that is read aloud.
function drawDiary() {
    const list = $("diary");
    const fresh = album.diary.slice(0, album.noted - drawn);
    drawn = album.noted;
    list.prepend(
        ...fresh.map(({ at, action, text }) => {
            const line = element("li", "");
            line.dataset.action = action;
            line.append(element("time", at.toTimeString().slice(0, 8)), element("span", text));
            return line;
        }),
    );
    while (list.children.length > album.diary.length) {
        list.lastElementChild.remove();
    }
}

function drawConnection(state) {
    const [status, word] = STATUS[state];
    $("connection").dataset.status = status;
    setText($("status"), word);
    setText($("connect"), state === "disconnected" ? "Connect" : "Disconnect");
}

function tick() {
    if (live) {
        gate.hear(live); // it may ask for another token, which ends this one
    }
    if (!live) {
        return;
    }
    setText($("pending"), pendingText());
    setText($("counts"), `Events heard: ${heard}. Calls of handlers: ${calls}.`);
    if ($("wire-fold").open) {
        log.draw($("wire"));
    }
}

// "Waiting: 12 photos uploaded, 3.1 s; 1 photo trashed"
function pendingText() {
    const changes = live.pendingChanges;
    const parts = Object.entries(WAITING).flatMap(([action, word]) => {
        const some = changes.filter((change) => change.action === action);
        const left = action === "assetUploaded" && some.length > 0 ? `, ${secondsLeft(some)} s` : "";
        return some.length > 0 ? [`${photos(some.length)} ${word}${left}`] : [];
    });
    return parts.length > 0 ? `Waiting: ${parts.join("; ")}` : "";
}

function secondsLeft(changes) {
    const times = changes.map(({ at }) => at);
    const first = times.reduce((least, at) => Math.min(least, at), Infinity);
    const last = times.reduce((most, at) => Math.max(most, at), 0);
    const due = Math.min(last + BATCH_QUIET_MS, first + BATCH_LONGEST_MS);
    return Math.max(0, (due - Date.now()) / 1000).toFixed(1);
}

// --- the backend

const SAY = {
    one: () => backend.upload(1),
    many: () => backend.upload(MANY),
    trash: () => forPhotos((ids) => backend.trash(ids)),
    hide: () => forPhotos((ids) => backend.hide(ids)),
    remove: () => forPhotos((ids) => backend.remove(ids)),
    restore: () => backend.restore(),
    configure: () => backend.configure(),
    announce: () => backend.announce(),
};

function forPhotos(run) {
    const { chosen } = view;
    const ids = chosen.length > 0 ? chosen : album.visible().slice(0, 1);
    if (ids.length === 0) {
        throw new Error("there is no photo here yet: upload one");
    }
    return run(ids);
}

async function say(what) {
    try {
        await SAY[what]();
        setText($("backend-notice"), "");
    } catch (error) {
        setText($("backend-notice"), `Not said: ${error.message}.`);
    }
}

function useKey(key) {
    backend.key = key;
    $("key").value = "";
    $("key-form").hidden = key !== "";
    $("backend").hidden = key === "";
    setText($("backend-notice"), "");
}

function takeKey() {
    const key = new URLSearchParams(location.hash.slice(1)).get("key");
    if (key) {
        useKey(key);
    }
}

function forgetKey() {
    const params = new URLSearchParams(location.hash.slice(1));
    params.delete("key");
    history.replaceState(null, "", location.pathname + (params.size > 0 ? `#${params}` : ""));
    useKey("");
    $("key").focus();
}

$("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey($("key").value.trim());
});
$("forget-key").addEventListener("click", forgetKey);
$("says").addEventListener("click", ({ target }) => target.dataset.say && say(target.dataset.say));
$("connect").addEventListener("click", () =>
    live.connection.value === "disconnected" ? live.connect() : live.disconnect(),
);
$("listeners").addEventListener("change", () => live.listenTo($("listeners").value));
addEventListener("hashchange", takeKey);
setInterval(tick, TICK_MS);
takeKey();
gate.begin();
