// What every page does: find its elements, say things only when they change.

import { withToken } from "./token.js";

export const $ = (id) => document.getElementById(id);

export function setText(node, text) {
    if (node.textContent !== text) {
        node.textContent = text;
    }
}

export function label(button, text) {
    button.setAttribute("aria-label", text);
    button.title = text;
}

export function element(name, text, className = "") {
    const node = document.createElement(name);
    node.textContent = text;
    node.className = className;
    return node;
}

// Seconds as a player shows them.
export function clockFace(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// The elements of a copied template that scripts speak to, by the names in data-part.
export function partsOf(root) {
    return Object.fromEntries([...root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
}

// What stands between the two words of a template, made once; gives a function that copies it.
export function template(markup) {
    const node = document.createElement("template");
    node.innerHTML = markup; // our own words, never anybody else's
    return () => node.content.cloneNode(true).firstElementChild;
}

// Links to our other pages bring the token along.
export function tokenInLinks(token) {
    for (const link of document.querySelectorAll("a[data-keep-token]")) {
        link.href = withToken(link.pathname, token);
    }
}

// What a link's status is called, and what stands beside it. That changes all the time, and is not read aloud.
const STATUS_WORDS = {
    closed: "Unplugged",
    connecting: "Connecting",
    online: "Online",
    waiting: "Reconnecting",
    expired: "Token expired",
    refused: "Refused",
    stopped: "Disconnected",
};

export function statusWord(wire) {
    return STATUS_WORDS[wire.status];
}

export function statusDetail(wire) {
    return wire.status === "waiting" ? `in ${(Math.max(0, wire.retryAt - Date.now()) / 1000).toFixed(1)} s` : "";
}

// Not connected, and not about to be.
export function isResting(wire) {
    return !["connecting", "online", "waiting"].includes(wire.status);
}

// The copy of a text that others can paste; false where the browser does not let us.
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return false;
    }
}
