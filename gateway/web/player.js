// The player's page: the user's token, a few devices side by side, and what they have in common.

import { Device } from "./device.js";
import { DeviceView } from "./device-view.js";
import { Gate } from "./gate.js";
import "./icons.js";
import { $ } from "./page.js";

const KINDS = [
    ["Phone", "phone"],
    ["Living room", "speaker"],
    ["Laptop", "laptop"],
    ["Car", "car"],
    ["Kitchen", "headphones"],
    ["Bedroom", "tv"],
];
const FIRST_DEVICES = 2;
const SENT_KEPT = 64;

const entries = new Map(); // device -> view
const sent = []; // the newest changes made on this page
const windows = "BroadcastChannel" in self ? new BroadcastChannel("segue-player") : null;
let othersSeen = false; // another device of the user has shown itself

function addDevice() {
    const used = new Set([...entries.keys()].map((device) => device.name));
    const free = KINDS.find(([name]) => !used.has(name));
    if (!free) {
        return;
    }
    const [name, kind] = free;
    const device = new Device({ name, kind, token: gate.token, onChange, onSent, onHeard });
    const view = new DeviceView(device, { onRemove: () => removeDevice(device) });
    entries.set(device, view);
    $("devices").append(view.root);
    device.open();
    drawPage();
}

function removeDevice(device) {
    if (entries.size === 1) {
        leaving();
    }
    device.close();
    entries.get(device)?.root.remove();
    entries.delete(device);
    drawPage();
    $("add").focus();
}

function onChange(device) {
    entries.get(device)?.draw();
    gate.hear(device.link);
    drawPage();
}

function onSent(text) {
    sent.push(text);
    sent.splice(0, sent.length - SENT_KEPT);
}

function onHeard(text) {
    othersSeen ||= !sent.includes(text);
}

// --- what the devices have in common

function drawPage() {
    $("add").setAttribute("aria-disabled", String(entries.size >= KINDS.length));
    const playing = [...entries.keys()].find((device) => device.playing);
    document.title = playing ? `${playing.track.title} · Segue` : "Player · Segue";
    drawStep();
}

// Two devices in step are at the same place of the same track at the same moment.
function drawStep() {
    const devices = [...entries.keys()].filter((device) => device.online);
    const { words, mood } = describeStep(devices);
    const step = $("step");
    step.dataset.mood = mood;
    if (step.textContent !== words) {
        step.textContent = words;
    }
}

function describeStep(devices) {
    if (devices.length === 0) {
        return { words: entries.size ? "No device is online" : "Add a device to begin", mood: "off" };
    }
    if (devices.length === 1) {
        return { words: "One device online", mood: "on" };
    }
    const same = ({ state }) => `${state?.trackId} ${state?.paused}`;
    if (devices.some((device) => same(device) !== same(devices[0]))) {
        return { words: "Catching up", mood: "off" };
    }
    if (devices[0].state === null) {
        return { words: `${devices.length} devices online, nothing plays yet`, mood: "on" };
    }
    const places = devices.map((device) => device.link.position * 1000);
    const apart = Math.round(Math.max(...places) - Math.min(...places));
    return { words: `${devices.length} devices in step, ${apart} ms apart`, mood: "on" };
}

function animate() {
    for (const view of entries.values()) {
        view.tick();
    }
    requestAnimationFrame(animate);
}

// --- coming

const gate = new Gate({
    question: "Who is listening?",
    reason: "The player needs a token that says whose devices these are.",
    greeting: "Listening as",
    onChange: leaving,
    onEnter: enterStage,
    onLeave: leaveStage,
});

function enterStage() {
    othersSeen = false;
    $("stage").hidden = false;
    for (let i = 0; i < FIRST_DEVICES; i++) {
        addDevice();
    }
    windows?.postMessage({ user: gate.user, greeting: "hello" });
}

function leaveStage() {
    for (const device of [...entries.keys()]) {
        device.close();
    }
    entries.clear();
    $("devices").replaceChildren();
    $("stage").hidden = true;
}

// --- leaving

// Nobody listens any more when the only page of the user goes: then the track is paused, as the protocol asks.
// As long as other devices are known to be there it goes on playing for them. A page that goes without
// a word (or is wrong about the others) is covered by the server, which sees the last device leave.
function leaving() {
    const devices = [...entries.keys()].filter((device) => device.online);
    const counted = Math.max(0, ...devices.map((device) => device.devices ?? 0));
    const speaker = devices.find((device) => device.playing);
    if (speaker && !othersSeen && counted <= devices.length) {
        speaker.pause();
    }
}

function hearWindow({ data }) {
    othersSeen ||= data.user === gate.user;
    if (data.greeting === "hello") {
        windows.postMessage({ user: gate.user, greeting: "here" });
    }
}

$("add").addEventListener("click", addDevice);
windows?.addEventListener("message", hearWindow);
addEventListener("pagehide", leaving);
gate.begin();
requestAnimationFrame(animate);
setInterval(drawStep, 500);
