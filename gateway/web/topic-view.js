// TopicView: one connection to a feed on the page, with its two buttons and its lines. What comes is text, never
// markup.

import { isResting, label, partsOf, setText, statusDetail, statusWord, template } from "./page.js";

const card = template(`<article class="card topic">
  <header class="device-head">
    <div class="device-name">
      <h2 data-part="name"></h2>
      <p class="link-state"><span role="status" data-part="status"></span> <span data-part="detail"></span></p>
    </div>
    <span class="server" data-part="server"></span>
    <button class="quiet" type="button" data-part="remove">
      <svg class="icon" aria-hidden="true"><use href="#icon-close"/></svg>
    </button>
  </header>
  <div class="actions">
    <button type="button" data-part="connect"></button>
    <button type="button" data-part="subscribe"></button>
  </div>
  <p class="notice" data-part="notice" role="alert"></p>
  <p class="hint" data-part="hint"></p>
  <ol class="lines" data-part="lines" aria-live="polite"></ol>
</article>`);

const line = template(`<li><p></p><p class="line-foot"><time></time><span class="server"></span></p></li>`);

// A colour of its own for every process, the same wherever its name is shown.
export function markServer(node, name) {
    setText(node, name);
    node.hidden = name === "";
    node.dataset.hue = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7) % 6;
}

export class TopicView {
    #topic;
    #parts;
    #drawn = 0; // how many lines

    constructor(topic, { name, onRemove }) {
        this.#topic = topic;
        this.root = card();
        this.#parts = partsOf(this.root);
        const { name: title, connect, subscribe, remove } = this.#parts;
        title.textContent = name;
        this.root.setAttribute("aria-label", name);
        label(remove, `Remove ${name}`);
        remove.addEventListener("click", onRemove);
        connect.addEventListener("click", () => (isResting(topic.link) ? topic.open() : topic.close()));
        subscribe.addEventListener("click", () => (topic.isWanted ? topic.unsubscribe() : topic.subscribe()));
        this.draw();
    }

    draw() {
        const { link, server, isConnected, isWanted, notice } = this.#topic;
        const parts = this.#parts;
        this.root.dataset.status = link.status;
        setText(parts.status, statusWord(link));
        setText(parts.connect, isResting(link) ? "Connect" : "Disconnect");
        setText(parts.subscribe, isWanted ? "Unsubscribe" : "Subscribe");
        parts.subscribe.setAttribute("aria-disabled", String(!isConnected));
        parts.subscribe.classList.toggle("primary", !isWanted);
        markServer(parts.server, server);
        parts.server.title = "The process that serves this connection";
        setText(parts.notice, notice);
        setText(parts.hint, this.#hint());
        this.#drawLines();
        this.tick();
    }

    #hint() {
        const { isSubscribed, isWanted, isConnected, count } = this.#topic;
        if (isSubscribed) {
            return count === 0 ? "Subscribed. The next line comes soon." : `Subscribed. Lines so far: ${count}`;
        }
        if (isWanted) {
            return isConnected ? "Asking for the lines." : "Will subscribe again when it is back.";
        }
        return isConnected ? "Connected. Nothing comes before you subscribe." : "Not connected.";
    }

    #drawLines() {
        const { lines, count } = this.#topic;
        const { lines: list } = this.#parts;
        const fresh = lines.slice(0, count - this.#drawn).reverse();
        this.#drawn = count;
        for (const { text, at, server } of fresh) {
            const item = line();
            item.firstElementChild.textContent = text;
            item.querySelector("time").textContent = at.toTimeString().slice(0, 8);
            markServer(item.querySelector(".server"), server);
            list.prepend(item);
        }
        while (list.children.length > lines.length) {
            list.lastElementChild.remove();
        }
    }

    tick() {
        setText(this.#parts.detail, statusDetail(this.#topic.link));
    }
}
