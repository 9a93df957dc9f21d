// Chart: what the processes did in the last two minutes, a line each, drawn as SVG, and what they do now, in words.
//
// The drawing is stretched to the place it has; letters stand beside it, so that they stay what they are.

import { Meter } from "./meter.js";
import { partsOf, setText, template } from "./page.js";

const WIDTH = 1200;
const HEIGHT = 100;
const HUES = 6;
const SVG = "http://www.w3.org/2000/svg";

const figure = template(`<figure class="card chart">
  <figcaption><h2 data-part="title"></h2><b data-part="sum"></b></figcaption>
  <div class="plot" aria-hidden="true">
    <p class="scale"><span data-part="top"></span><span data-part="middle"></span><span>0</span></p>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" data-part="drawing">
      <path class="grid" d="M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}"/>
    </svg>
    <p class="axis"><span>${Meter.SPAN_MS / 60000} min ago</span><span>now</span></p>
  </div>
  <ul class="legend" data-part="legend"></ul>
</figure>`);

const row = template(`<li><i class="mark"></i><span class="process"></span><b></b></li>`);

// The least of 1, 2, 4, 6, 8, 10, 20, 40... that is not below a value: their halves are short, too.
export function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 4, 6, 8, 10].map((digit) => digit * power).find((step) => step >= value * 0.999999);
}

// The points of a line, as SVG says it: a gap where a value is not known.
export function pathOf(points, key, now, top) {
    let path = "";
    let isDrawing = false;
    for (const point of points) {
        const x = WIDTH * (1 - (now - point.at) / Meter.SPAN_MS);
        const y = HEIGHT * (1 - point[key] / top);
        const isKnown = Number.isFinite(y);
        if (isKnown) {
            path += `${isDrawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(2)}${isDrawing ? "" : "h0"}`;
        }
        isDrawing = isKnown;
    }
    return path;
}

// A colour for each of the first six processes; then the colours begin again.
export function colour(node, number) {
    node.dataset.hue = number % HUES;
}

export class Chart {
    root;
    #parts;
    #keys;
    #least;
    #format;
    #sum;
    #tell;
    #paths = new Map(); // "process number, key" -> path

    // title; keys: of a point, a line each, the first one solid; least: the smallest top of the scale; format(value);
    // tell(point): what it is now, in words; sum(points of all): what stands beside the title.
    constructor({ title, keys, least, format, tell, sum }) {
        this.root = figure();
        this.#parts = partsOf(this.root);
        this.#parts.title.textContent = title;
        this.#keys = keys;
        this.#least = least;
        this.#format = format;
        this.#tell = tell;
        this.#sum = sum;
    }

    draw(meters, now) {
        const top = this.#top(meters);
        setText(this.#parts.top, this.#format(top));
        setText(this.#parts.middle, this.#format(top / 2));
        setText(this.#parts.sum, this.#sum(meters.filter(({ status }) => status === "up").map((meter) => meter.now)));
        this.#drawLines(meters, now, top);
        this.#drawLegend(meters);
    }

    #top(meters) {
        const values = meters.flatMap(({ points }) => points.flatMap((point) => this.#keys.map((key) => point[key])));
        return roundUp(values.filter(Number.isFinite).reduce((most, value) => Math.max(most, value), this.#least));
    }

    #drawLines(meters, now, top) {
        meters.forEach(({ points }, number) => {
            for (const key of this.#keys) {
                this.#path(number, key).setAttribute("d", pathOf(points, key, now, top));
            }
        });
    }

    #path(number, key) {
        const name = `${number} ${key}`;
        let path = this.#paths.get(name);
        if (!path) {
            path = document.createElementNS(SVG, "path");
            path.classList.add("line", key);
            path.classList.toggle("second", key !== this.#keys[0]);
            colour(path, number);
            this.#paths.set(name, path);
            this.#parts.drawing.append(path);
        }
        return path;
    }

    #drawLegend(meters) {
        const { legend } = this.#parts;
        meters.forEach((meter, number) => {
            const item = legend.children[number] ?? legend.appendChild(row());
            colour(item, number);
            setText(item.children[1], meter.name);
            setText(item.children[2], meter.status === "down" ? "no answer" : this.#tell(meter.now));
        });
    }
}
