// AlbumView: the batches of photos on the page, and which of them are chosen. Names are text, never markup.

import { partsOf, setText, template } from "./page.js";
import { photos } from "./album.js";

const HUES = 6;

const section = template(`<section class="batch">
  <h2><span data-part="title"></span> <time data-part="time"></time></h2>
  <ul class="grid" data-part="grid"></ul>
</section>`);

const tile = template(`<li><button class="photo" type="button" aria-pressed="false">
  <svg class="picture" viewBox="0 0 60 40" aria-hidden="true" preserveAspectRatio="xMidYMid slice">
    <circle cx="44" cy="11" r="5"/><path d="M0 40 18 16l11 14 8-8 23 18Z"/>
  </svg>
  <span></span>
</button></li>`);

export class AlbumView {
    #album;
    #root;
    #sections = new Map(); // number of the batch -> {root, parts}
    #tiles = new Map(); // id -> tile

    constructor(album, root) {
        this.#album = album;
        this.#root = root;
        root.replaceChildren();
    }

    // The ids of the photos that are chosen and can be seen.
    get chosen() {
        return this.#album.visible().filter((id) => this.#tiles.get(id).firstElementChild.ariaPressed === "true");
    }

    draw() {
        const { batches, photos: known } = this.#album;
        for (const [id, node] of this.#tiles) {
            if (!known.has(id)) {
                node.remove();
                this.#tiles.delete(id);
            }
        }
        const numbers = new Set(batches.map(({ number }) => number));
        for (const [number, { root }] of this.#sections) {
            if (!numbers.has(number)) {
                root.remove();
                this.#sections.delete(number);
            }
        }
        [...batches].reverse().forEach((batch) => this.#drawBatch(batch));
    }

    #drawBatch(batch) {
        const { root, parts } = this.#sections.get(batch.number) ?? this.#addSection(batch);
        let count = 0;
        for (const id of batch.ids) {
            const photo = this.#album.photos.get(id);
            const node = this.#tiles.get(id) ?? this.#addTile(photo, parts.grid);
            node.hidden = photo.place !== "timeline";
            if (node.hidden) {
                node.firstElementChild.ariaPressed = "false";
            }
            count += node.hidden ? 0 : 1;
        }
        root.hidden = count === 0;
        setText(parts.title, photos(count));
    }

    #addSection({ number, at }) {
        const root = section();
        const made = { root, parts: partsOf(root) };
        made.parts.time.textContent = at.toTimeString().slice(0, 8);
        this.#sections.set(number, made);
        this.#root.prepend(root);
        return made;
    }

    #addTile({ id, name }, grid) {
        const node = tile();
        const button = node.firstElementChild;
        button.dataset.hue = [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % HUES;
        button.querySelector("span").textContent = name;
        button.addEventListener("click", () => {
            button.ariaPressed = String(button.ariaPressed !== "true");
        });
        this.#tiles.set(id, node);
        grid.append(node);
        return node;
    }
}
