// DeviceView: one device on the page. draw() shows what changed, tick() moves the position.
//
// Everything from the server is set as text, never as markup.

import { deviceCard, queueRow } from "./device-card.js";
import { clockFace, element, isResting, label, partsOf, setText, statusDetail, statusWord } from "./page.js";
import { SeekBar } from "./seek-bar.js";
import { findTrack, PLAYLIST, TRACKS, waveOf } from "./tracks.js";

const BARS = 72; // the width of the drawing in player.html

export class DeviceView {
    #device;
    #parts = {};
    #shownTrack = undefined;
    #seekBar;

    // Without onRemove the device stays.
    constructor(device, { onRemove } = {}) {
        this.#device = device;
        this.root = deviceCard();
        this.#parts = partsOf(this.root);
        const { icon, name, remove, "queue-fold": queueFold } = this.#parts;
        this.root.setAttribute("aria-label", device.name);
        icon.setAttribute("href", `#icon-${device.kind}`);
        name.textContent = device.name;
        queueFold.open = matchMedia("(min-width: 60rem)").matches;
        label(remove, `Remove ${device.name}`);
        remove.hidden = !onRemove;
        this.#buildQueue();
        this.#bindControls(onRemove);
        this.draw();
    }

    #buildQueue() {
        for (const track of TRACKS) {
            const item = queueRow();
            item.dataset.track = track.id;
            item.querySelector("img").src = `/covers.svg#${track.cover}`;
            item.querySelector(".row-title").textContent = track.title;
            item.querySelector(".row-artist").textContent = track.artist;
            item.querySelector(".row-length").textContent = clockFace(track.seconds);
            item.querySelector("button").addEventListener("click", () => this.#device.start(track));
            this.#parts.queue.append(item);
        }
    }

    #bindControls(onRemove) {
        const { toggle, next, previous, plug, remove, seek, "wire-fold": wireFold } = this.#parts;
        const device = this.#device;
        toggle.addEventListener("click", () => device.toggle());
        next.addEventListener("click", () => device.next());
        previous.addEventListener("click", () => device.previous());
        remove.addEventListener("click", () => onRemove());
        plug.addEventListener("click", () => (isResting(device.link) ? device.open() : device.close()));
        wireFold.addEventListener("toggle", () => this.#drawWire());
        this.#seekBar = new SeekBar(seek, (seconds) => device.seek(seconds));
    }

    draw() {
        this.#drawLink();
        this.#drawTrack();
        this.#drawControls();
        this.#drawWire();
        this.tick();
    }

    #drawLink() {
        const { link } = this.#device;
        const { status, detail, plug } = this.#parts;
        this.root.dataset.status = link.status;
        setText(status, statusWord(link));
        setText(detail, this.#detail());
        label(plug, `${isResting(link) ? "Connect" : "Unplug"} ${this.#device.name}`);
        plug.setAttribute("aria-pressed", String(isResting(link)));
    }

    // Beside the status, and not in it.
    #detail() {
        const { status, clock } = this.#device.link;
        if (status === "online" && clock.latency !== undefined) {
            return `${clock.latency.toFixed(clock.latency < 10 ? 1 : 0)} ms`;
        }
        return statusDetail(this.#device.link);
    }

    #drawTrack() {
        const { state } = this.#device;
        const key = state === null ? null : state.trackId;
        if (key === this.#shownTrack) {
            return;
        }
        this.#shownTrack = key;
        const track = key === null ? null : findTrack(key);
        const { cover, title, artist, album, length, seek, wave, played, queue } = this.#parts;
        this.root.dataset.tone = track?.cover ?? "unknown";
        cover.src = `/covers.svg#${track?.cover ?? "unknown"}`;
        setText(title, track?.title ?? "Nothing yet");
        setText(artist, track?.artist ?? "Press play, or pick a track from the queue");
        setText(album, track?.album ?? "");
        setText(length, clockFace(track?.seconds ?? 0));
        seek.max = track?.seconds ?? 1;
        const shape = track ? wavePath(track) : "";
        wave.setAttribute("d", shape);
        played.setAttribute("d", shape);
        for (const item of queue.children) {
            const current = item.dataset.track === String(key);
            item.classList.toggle("current", current);
            item.firstElementChild.setAttribute("aria-current", String(current));
        }
    }

    // aria-disabled and not disabled: the focus stays where it is while a device reconnects.
    #drawControls() {
        const { toggle, "toggle-icon": toggleIcon, next, previous, seek, state, notice, queue } = this.#parts;
        const { online, playing } = this.#device;
        this.root.classList.toggle("playing", playing);
        toggleIcon.setAttribute("href", playing ? "#icon-pause" : "#icon-play");
        label(toggle, playing ? "Pause" : "Play");
        setText(state, this.#device.state === null ? "No track" : playing ? "Playing" : "Paused");
        setText(notice, this.#device.notice);
        for (const button of [toggle, next, previous, ...queue.querySelectorAll("button")]) {
            button.setAttribute("aria-disabled", String(!online));
        }
        seek.setAttribute("aria-disabled", String(!online));
        seek.disabled = this.#device.state === null;
    }

    #drawWire() {
        const { facts, log, "wire-fold": fold } = this.#parts;
        if (!fold.open) {
            return;
        }
        facts.replaceChildren(...this.#facts().flatMap(([term, value]) => [element("dt", term), element("dd", value)]));
        this.#device.log.draw(log);
    }

    #facts() {
        const { link, state, seq, devices } = this.#device;
        const offset = link.clock.offset;
        const list = [["Connection", link.reason ? `${link.status} (${link.reason})` : link.status]];
        list.push(["Server's clock, to ours", `${offset >= 0 ? "+" : "−"}${Math.abs(offset).toFixed(1)} ms`]);
        if (state !== null) {
            const own = state.fromIs === PLAYLIST.kind && String(state.fromIsId) === String(PLAYLIST.id);
            list.push(["From", `${state.fromIs} ${state.fromIsId}${own ? `, ${PLAYLIST.title}` : ""}`]);
        }
        if (devices !== undefined) {
            list.push(["Devices at connection", String(devices)]);
        }
        if (seq !== undefined) {
            list.push(["Sequence at connection", String(seq)]);
        }
        return list;
    }

    tick() {
        const { seek, elapsed, detail } = this.#parts;
        const seconds = this.#seekBar.show(this.#device.position);
        const text = clockFace(seconds);
        if (elapsed.textContent !== text) {
            elapsed.textContent = text;
            seek.setAttribute("aria-valuetext", `${text} of ${this.#parts.length.textContent}`);
        }
        this.root.style.setProperty("--played", `${((seconds / Number(seek.max)) * 100).toFixed(3)}%`);
        if (this.#device.link.status === "waiting") {
            setText(detail, this.#detail());
        }
    }
}

function wavePath(track) {
    return waveOf(track, BARS)
        .map((height, bar) => `M${bar + 0.5} ${(50 - height * 46).toFixed(1)}V${(50 + height * 46).toFixed(1)}`)
        .join("");
}
