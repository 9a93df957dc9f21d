// HeadUnitView: a car's screen on the page. draw() shows what changed, tick() moves the position and the time of day.
//
// Everything from the server is set as text, never as markup.

import { clockFace, isResting, label, partsOf, setText, statusDetail, statusWord, template } from "./page.js";
import { SeekBar } from "./seek-bar.js";

const SKIP_S = 15;

const screen = template(`<section class="car" aria-label="Car">
  <header class="car-head">
    <p class="car-clock" data-part="clock"></p>
    <p class="link-state"><span role="status" data-part="status"></span> <span data-part="detail"></span></p>
    <button class="quiet" type="button" data-part="plug">
      <svg class="icon" aria-hidden="true"><use href="#icon-plug"/></svg>
    </button>
  </header>

  <div class="car-now">
    <img class="car-cover" data-part="cover" alt="" width="200" height="200">
    <div class="car-words">
      <p class="state">
        <span class="beat" aria-hidden="true"><i></i><i></i><i></i></span><span data-part="state"></span>
      </p>
      <h2 data-part="title"></h2>
      <p class="car-artist" data-part="artist"></p>
      <p class="album" data-part="album"></p>
    </div>
  </div>

  <div class="car-foot">
    <div class="car-progress">
      <input type="range" min="0" step="any" value="0" data-part="seek" aria-label="Position">
    </div>
    <div class="times"><span data-part="elapsed">0:00</span><span data-part="length"></span></div>
    <div class="car-buttons">
      <button type="button" data-part="previous" aria-label="Previous track" title="Previous track">
        <svg class="icon" aria-hidden="true"><use href="#icon-previous"/></svg>
      </button>
      <button type="button" data-part="back" aria-label="Back 15 seconds" title="Back 15 seconds">
        <svg class="icon" aria-hidden="true"><use href="#icon-back"/></svg><span aria-hidden="true">15</span>
      </button>
      <button type="button" class="main" data-part="toggle">
        <svg class="icon" aria-hidden="true"><use data-part="toggle-icon"/></svg>
      </button>
      <button type="button" data-part="forward" aria-label="Forward 15 seconds" title="Forward 15 seconds">
        <svg class="icon" aria-hidden="true"><use href="#icon-forward"/></svg><span aria-hidden="true">15</span>
      </button>
      <button type="button" data-part="next" aria-label="Next track" title="Next track">
        <svg class="icon" aria-hidden="true"><use href="#icon-next"/></svg>
      </button>
    </div>
  </div>

  <p class="notice" data-part="notice" role="alert"></p>
</section>`);

export class HeadUnitView {
    #unit;
    #parts;
    #seekBar;

    constructor(unit) {
        this.#unit = unit;
        this.root = screen();
        this.#parts = partsOf(this.root);
        this.#bind();
        this.draw();
    }

    #bind() {
        const unit = this.#unit;
        const { toggle, next, previous, back, forward, plug, seek } = this.#parts;
        toggle.addEventListener("click", () => unit.toggle());
        next.addEventListener("click", () => unit.next());
        previous.addEventListener("click", () => unit.previous());
        back.addEventListener("click", () => unit.skip(-SKIP_S));
        forward.addEventListener("click", () => unit.skip(SKIP_S));
        plug.addEventListener("click", () => (isResting(unit.link) ? unit.open() : unit.close()));
        this.#seekBar = new SeekBar(seek, (seconds) => unit.seek(seconds));
    }

    draw() {
        this.#drawLink();
        this.#drawTrack();
        this.#drawControls();
        this.tick();
    }

    #drawLink() {
        const { link } = this.#unit;
        const { status, detail, plug } = this.#parts;
        this.root.dataset.status = link.status;
        setText(status, statusWord(link));
        setText(detail, statusDetail(link));
        label(plug, isResting(link) ? "Connect the car" : "Unplug the car");
        plug.setAttribute("aria-pressed", String(isResting(link)));
    }

    #drawTrack() {
        const { track, length } = this.#unit;
        const { cover, title, artist, album, seek, length: end } = this.#parts;
        const tone = track?.cover ?? "unknown";
        if (this.root.dataset.tone !== tone) {
            this.root.dataset.tone = tone;
            cover.src = `/covers.svg#${tone}`;
        }
        setText(title, track?.title ?? "Nothing plays");
        setText(artist, track?.artist ?? "Press play, here or on any player");
        setText(album, track?.album ?? "");
        setText(end, length > 0 ? clockFace(length) : "");
        seek.max = length || 1;
        seek.disabled = length === 0;
    }

    // aria-disabled and not disabled: the focus stays where it is while the car reconnects.
    #drawControls() {
        const { toggle, "toggle-icon": icon, next, previous, back, forward, seek, state, notice } = this.#parts;
        const { online, playing } = this.#unit;
        const isIdle = this.#unit.state === null;
        this.root.classList.toggle("playing", playing);
        icon.setAttribute("href", playing ? "#icon-pause" : "#icon-play");
        label(toggle, playing ? "Pause" : "Play");
        setText(state, isIdle ? "No track" : playing ? "Playing" : "Paused");
        setText(notice, this.#unit.notice);
        for (const button of [toggle, next, previous, seek]) {
            button.setAttribute("aria-disabled", String(!online));
        }
        for (const button of [back, forward]) {
            button.setAttribute("aria-disabled", String(!online || isIdle));
        }
    }

    tick() {
        const { seek, elapsed, detail, clock } = this.#parts;
        const seconds = this.#seekBar.show(this.#unit.position);
        const text = clockFace(seconds);
        if (elapsed.textContent !== text) {
            elapsed.textContent = text;
            seek.setAttribute("aria-valuetext", `${text} of ${this.#parts.length.textContent || "unknown length"}`);
        }
        this.root.style.setProperty("--played", `${((seconds / Number(seek.max)) * 100).toFixed(3)}%`);
        setText(clock, new Date().toTimeString().slice(0, 5));
        if (this.#unit.link.status === "waiting") {
            setText(detail, statusDetail(this.#unit.link));
        }
    }
}
