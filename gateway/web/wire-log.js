// WireLog: the newest messages of a connection, and their lines in a fold of the page.

import { element } from "./page.js";

const KEPT = 40;
const SHOWN_LENGTH = 400;

export class WireLog {
    #lines = [];
    #drawn = undefined;

    // direction: "in" or "out".
    note(direction, text) {
        this.#lines.unshift({ direction, text, at: new Date() });
        this.#lines.length = Math.min(this.#lines.length, KEPT);
    }

    // Into a list, newest first; nothing when it shows them already.
    draw(list) {
        if (this.#lines[0] !== this.#drawn) {
            this.#drawn = this.#lines[0];
            list.replaceChildren(...this.#lines.map(lineOf));
        }
    }
}

function lineOf({ direction, text, at }) {
    const line = element("li", "", direction);
    const shown = text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
    line.append(element("time", at.toTimeString().slice(0, 8)), element("code", shown));
    return line;
}
