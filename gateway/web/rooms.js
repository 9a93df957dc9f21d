// The page of rooms: the door, where one enters a room or creates one, and the room itself.
//
// The room stands in the address behind #, so that the address is an invitation. A token is never part of one.

import { Gate } from "./gate.js";
import "./icons.js";
import { $ } from "./page.js";
import { Room } from "./room.js";
import { RoomView } from "./room-view.js";

const NAME = /^[\w-]{1,64}$/;
const MY_NAME = "segue.name";

let room = null;
let view = null;

const gate = new Gate({
    optional: true,
    question: "Who is talking?",
    reason: "Rooms may do without a token, unless the gateway was told otherwise.",
    greeting: "Talking as",
    onEnter() {
        $("stage").hidden = false;
        followAddress();
    },
    onLeave() {
        leave();
        $("stage").hidden = true;
    },
});

function enter(id) {
    leave();
    room = new Room({ id, token: gate.token, onChange });
    view = new RoomView(room, { linkOf, onLeave: goOut, name: recallName(), onName: keepName });
    $("room").replaceChildren(view.root);
    $("door").hidden = true;
    document.body.classList.add("in-room");
    view.focus();
}

function leave() {
    room?.leave();
    room = view = null;
    $("room").replaceChildren();
    $("door").hidden = false;
    document.body.classList.remove("in-room");
    document.title = "Rooms · Segue";
}

function goOut() {
    leave();
    history.pushState(null, "", location.pathname);
    $("room-name").focus();
}

function onChange() {
    if (!view) {
        return;
    }
    view.draw();
    if (room.id && room.id !== roomInAddress()) {
        history.replaceState(null, "", linkOf(room.id)); // a new room has a name now
    }
    document.title = `${room.id || "New room"} · Segue`;
    gate.hear(room.link);
}

function linkOf(id) {
    return new URL(`/rooms#room=${encodeURIComponent(id)}`, location.href).href;
}

function roomInAddress() {
    const id = new URLSearchParams(location.hash.slice(1)).get("room") ?? "";
    return NAME.test(id) ? id : "";
}

function followAddress() {
    const id = roomInAddress();
    if (id && id !== room?.id) {
        enter(id);
    } else if (!id && room) {
        leave();
    }
}

function recallName() {
    try {
        return localStorage.getItem(MY_NAME) ?? "";
    } catch {
        return "";
    }
}

function keepName(name) {
    try {
        localStorage.setItem(MY_NAME, name);
    } catch {
        // A browser that keeps nothing for us.
    }
}

$("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    history.pushState(null, "", linkOf($("room-name").value));
    followAddress();
});
$("create").addEventListener("click", () => enter(""));
addEventListener("popstate", () => gate.isInside && followAddress());
addEventListener("pagehide", () => room?.leave());
setInterval(() => view?.tick(), 200);
gate.begin();
