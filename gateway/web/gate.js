// Gate: who uses this page. It finds the token, asks for one when there is none or when it does not hold any more,
// and shows whose it is.
//
//   asking <-> inside        onEnter(token) when somebody comes in, onLeave() before somebody else is asked for

import { $, template, tokenInLinks } from "./page.js";
import { findToken, forgetToken, fragmentToken, keepToken, looksLikeToken, readClaims } from "./token.js";

const form = template(`<form class="panel token" id="token-form" hidden>
  <h1></h1>
  <p id="token-reason"></p>
  <label for="token">Token</label>
  <textarea id="token" rows="4" spellcheck="false" autocomplete="off" autocapitalize="off" required></textarea>
  <p class="error" id="token-error" role="alert"></p>
  <p class="calls">
    <button class="primary" type="submit">Connect</button>
    <button class="button" type="button" id="no-token">Without a token</button>
  </p>
  <p class="hint">In the project's directory, <code>scripts/token alice</code> makes one. A link that ends in
    <code>#token=…</code> brings it along. It is kept in this tab only, and never sent in an address.</p>
</form>`);

const who = template(`<p class="who" id="who" hidden>
  <span class="wide"></span> <b id="user"></b>
  <button class="link" id="change-token" type="button">change</button>
</p>`);

export class Gate {
    token = "";
    user = "";
    isInside = false;

    #options;

    // question, reason, greeting: words of the form and of the corner. optional: it may do without a token.
    // onChange(): somebody else wants to come in.
    constructor({ optional = false, onChange = () => {}, ...options }) {
        this.#options = { optional, onChange, ...options };
        document.querySelector("main").prepend(form());
        document.querySelector(".top").append(who());
        document.querySelector("#token-form h1").textContent = options.question;
        document.querySelector("#who span").textContent = options.greeting;
        $("token-reason").textContent = options.reason;
        $("no-token").hidden = !optional;
        $("token-form").addEventListener("submit", (event) => this.#submit(event));
        $("no-token").addEventListener("click", () => this.#enter(""));
        $("change-token").addEventListener("click", () => this.#change());
        addEventListener("hashchange", () => this.#isCalled() && this.begin());
        addEventListener("pageshow", (event) => event.persisted && this.begin());
    }

    begin() {
        const found = findToken();
        if (looksLikeToken(found) || (!found && this.#options.optional)) {
            this.#enter(found);
        } else {
            this.ask(found ? "The token in the address is not one. Please paste it here." : "");
        }
    }

    // Asks for a token, once, however many connections complain about the old one.
    ask(reason) {
        if (this.isInside || $("token-form").hidden) {
            this.#leave();
            $("token-form").hidden = false;
            $("who").hidden = true;
            $("token").focus();
        }
        if (reason) {
            $("token-reason").textContent = reason;
        }
    }

    // A connection has ended for good: was it for the token?
    hear({ status }) {
        if (status === "expired") {
            this.ask("The token has expired. Please bring a new one.");
        } else if (status === "refused") {
            $("token").value = this.token;
            this.ask(
                this.token
                    ? "The service is there, but it does not accept this token."
                    : "The service is there, but it wants to know who you are.",
            );
        }
    }

    #enter(token) {
        this.#leave();
        this.isInside = true;
        this.token = token;
        this.user = token ? (readClaims(token)?.user ?? "?") : "";
        keepToken(token);
        $("token-form").hidden = true;
        $("token-error").textContent = "";
        $("user").textContent = $("user").title = this.user;
        $("who").hidden = !token;
        tokenInLinks(token);
        this.#options.onEnter(token);
    }

    #leave() {
        if (this.isInside) {
            this.isInside = false;
            this.#options.onLeave();
        }
    }

    // A changed address brings a token that is not the one in use.
    #isCalled() {
        return fragmentToken() && !(this.isInside && fragmentToken() === this.token);
    }

    #change() {
        this.#options.onChange();
        forgetToken();
        history.replaceState(null, "", location.pathname);
        this.ask(this.#options.question);
    }

    #submit(event) {
        event.preventDefault();
        const text = $("token").value.trim();
        const claims = looksLikeToken(text) ? readClaims(text) : null;
        if (!claims) {
            $("token-error").textContent = "This is not a token: three parts with dots between them are expected.";
        } else if (claims.expires <= Date.now()) {
            $("token-error").textContent = "This token has expired already.";
        } else {
            $("token").value = "";
            history.replaceState(null, "", location.pathname);
            this.#enter(text);
        }
    }
}
