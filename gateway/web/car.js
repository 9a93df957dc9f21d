// The car's page: one screen, a form that says what plays, and what passes on the wire.

import { Gate } from "./gate.js";
import { HeadUnit } from "./head-unit.js";
import { HeadUnitView } from "./head-unit-view.js";
import "./icons.js";
import { $ } from "./page.js";

let unit = null;
let view = null;

const gate = new Gate({
    question: "Who is driving?",
    reason: "The car needs a token that says whose player it steers.",
    greeting: "Driving as",
    onEnter(token) {
        unit = new HeadUnit({ token, onChange: draw });
        view = new HeadUnitView(unit);
        $("car").replaceChildren(view.root);
        $("stage").hidden = false;
        unit.open();
    },
    onLeave() {
        unit.close();
        unit = view = null;
        $("stage").hidden = true;
    },
});

function draw() {
    view?.draw();
    drawWire();
    document.title = unit?.playing ? `${unit.track.title} · Segue` : "Car · Segue";
    if (unit) {
        gate.hear(unit.link);
    }
}

function drawWire() {
    if (unit && $("wire-fold").open) {
        unit.log.draw($("log"));
    }
}

function say(event) {
    event.preventDefault();
    const form = new FormData($("say"));
    const texts = ["mediaTitle", "mediaArtist", "mediaAlbum", "mediaType"].map((name) => [name, form.get(name)]);
    const numbers = ["mediaId", "duration", "currentTime"].map((name) => [name, Number(form.get(name))]);
    unit?.publish({ isPlaying: form.has("isPlaying"), ...Object.fromEntries([...numbers, ...texts]) });
}

function animate() {
    view?.tick();
    requestAnimationFrame(animate);
}

$("say").addEventListener("submit", say);
$("clear").addEventListener("click", () => unit?.publish({ isPlaying: false, currentTime: 0, mediaId: null }));
$("wire-fold").addEventListener("toggle", drawWire);
gate.begin();
requestAnimationFrame(animate);
