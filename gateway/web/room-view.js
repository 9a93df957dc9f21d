// RoomView: a chat room on the page. Names and texts are only ever text.

import { copyText, element, partsOf, setText, statusDetail, statusWord, template } from "./page.js";

const NEAR_END_PX = 80;
const COPIED_MS = 2000;
const TEXT_BYTES = 4096;

const room = template(`<section class="card room" aria-label="Room">
  <header class="room-head">
    <div class="device-name">
      <h1 data-part="title"></h1>
      <p class="link-state"><span role="status" data-part="status"></span> <span data-part="detail"></span></p>
    </div>
    <p class="members" title="Members in this room">
      <svg class="icon" aria-hidden="true"><use href="#icon-people"/></svg><b data-part="members"></b>
      <span class="wide" data-part="members-word"></span>
    </p>
    <div class="actions">
      <button type="button" data-part="copy">
        <svg class="icon" aria-hidden="true"><use href="#icon-copy"/></svg>
        <span data-part="copy-word">Copy link</span>
      </button>
      <button type="button" data-part="leave">
        <svg class="icon" aria-hidden="true"><use href="#icon-leave"/></svg>Leave
      </button>
    </div>
  </header>
  <input class="room-link" data-part="link" readonly hidden aria-label="Link to this room">

  <ol class="talk" data-part="talk" role="log" aria-label="Messages" tabindex="0"></ol>

  <p class="notice" data-part="notice" role="alert"></p>
  <form class="composer" data-part="composer">
    <input data-part="name" maxlength="64" placeholder="Your name" aria-label="Your name" autocomplete="nickname">
    <textarea data-part="text" rows="1" required placeholder="Message" aria-label="Message"
              enterkeyhint="send"></textarea>
    <button class="primary" type="submit" data-part="send" aria-label="Send" title="Send">
      <svg class="icon" aria-hidden="true"><use href="#icon-send"/></svg>
    </button>
  </form>
</section>`);

const bubble = template(`<li class="message">
  <p class="by"><b></b><time></time></p>
  <p class="text"></p>
</li>`);

const failedBubble = template(`<li class="message mine failed">
  <p class="text"></p>
  <p class="by">
    <span></span>
    <button class="link" type="button">Send again</button>
    <button class="link" type="button">Forget</button>
  </p>
</li>`);

export class RoomView {
    #room;
    #parts;
    #linkOf;
    #shown = new Map(); // entry -> its element

    // linkOf(id): the address that leads others here. onLeave(). name: to begin with; onName(name): it was changed.
    constructor(theRoom, { linkOf, onLeave, name, onName }) {
        this.#room = theRoom;
        this.#linkOf = linkOf;
        this.root = room();
        this.#parts = partsOf(this.root);
        const { copy, leave, composer, name: nameField, text } = this.#parts;
        nameField.value = name;
        nameField.addEventListener("change", () => onName(nameField.value.trim()));
        copy.addEventListener("click", () => this.#copy());
        leave.addEventListener("click", onLeave);
        composer.addEventListener("submit", (event) => this.#submit(event));
        text.addEventListener("keydown", (event) => this.#key(event));
        text.addEventListener("input", () => this.#measure());
        this.draw();
    }

    focus() {
        const { name, text } = this.#parts;
        (name.value ? text : name).focus();
    }

    // Enter sends, Shift+Enter begins a line; a word that is still being composed is left alone.
    #key(event) {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            this.#parts.composer.requestSubmit();
        }
    }

    // As many bytes as a message may have, however many letters these are.
    #measure() {
        const { text } = this.#parts;
        const size = new TextEncoder().encode(text.value).length;
        text.setCustomValidity(
            size > TEXT_BYTES ? `A message has ${TEXT_BYTES} bytes at most; this one has ${size}.` : "",
        );
        text.rows = Math.min(6, text.value.split("\n").length);
    }

    #submit(event) {
        event.preventDefault();
        const { text, name } = this.#parts;
        const words = text.value.trim();
        if (words !== "" && this.#room.say(words, name.value.trim())) {
            text.value = "";
            this.#measure();
            this.#scroll();
        }
    }

    async #copy() {
        const { link, "copy-word": word } = this.#parts;
        link.value = this.#linkOf(this.#room.id);
        if (await copyText(link.value)) {
            word.textContent = "Copied";
            setTimeout(() => (word.textContent = "Copy link"), COPIED_MS);
        } else {
            // Then by hand.
            link.hidden = false;
            link.select();
        }
    }

    draw() {
        const { link, id, members, notice, isIn } = this.#room;
        const parts = this.#parts;
        this.root.dataset.status = link.status;
        setText(parts.title, id || "New room");
        setText(parts.status, statusWord(link));
        setText(parts.members, isIn ? String(members) : "–");
        setText(parts["members-word"], members === 1 ? "member" : "members");
        setText(parts.notice, notice);
        parts.send.setAttribute("aria-disabled", String(!isIn));
        parts.copy.setAttribute("aria-disabled", String(id === ""));
        this.#drawTalk();
        this.tick();
    }

    tick() {
        setText(this.#parts.detail, statusDetail(this.#room.link));
    }

    // Entries never change, so that only what is new is made. Whoever reads further up is left there.
    #drawTalk() {
        const { talk } = this.#parts;
        const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR_END_PX;
        const kept = new Map(this.#room.entries.map((entry) => [entry, this.#shown.get(entry) ?? this.#make(entry)]));
        const waiting = this.#room.pending.map((message) => this.#makePending(message));
        this.#shown.forEach((node, entry) => kept.has(entry) || node.remove());
        this.#shown = kept;
        talk.querySelectorAll(".pending, .failed").forEach((node) => node.remove());
        kept.forEach((node) => node.isConnected || talk.append(node));
        talk.append(...waiting);
        if (atEnd) {
            this.#scroll();
        }
    }

    #scroll() {
        const { talk } = this.#parts;
        talk.scrollTop = talk.scrollHeight;
    }

    #make(entry) {
        if (entry.kind === "note") {
            return element("li", entry.text, "note");
        }
        const node = bubble();
        node.classList.toggle("mine", entry.mine);
        node.dataset.hue = hueOf(entry.clientId);
        node.querySelector("b").textContent = entry.name || nameOf(entry);
        const time = node.querySelector("time");
        time.textContent = entry.at.toTimeString().slice(0, 5);
        time.dateTime = entry.at.toISOString();
        node.querySelector(".text").textContent = entry.text;
        return node;
    }

    #makePending(message) {
        if (!message.failed) {
            const node = element("li", "", "message mine pending");
            node.append(element("p", message.text, "text"));
            return node;
        }
        const node = failedBubble();
        const [again, forget] = node.querySelectorAll("button");
        node.querySelector(".text").textContent = message.text;
        node.querySelector("span").textContent = "Not known to have arrived.";
        again.addEventListener("click", () => this.#room.retry(message));
        forget.addEventListener("click", () => this.#room.forget(message));
        return node;
    }
}

function nameOf({ clientId, mine }) {
    return mine ? "You" : clientId ? `Guest ${clientId.slice(0, 4)}` : "The service";
}

// A colour for each member.
function hueOf(clientId) {
    return clientId ? parseInt(clientId.slice(0, 4), 16) % 6 : 0;
}
