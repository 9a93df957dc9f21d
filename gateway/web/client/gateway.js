// Gateway: where the service is and who we are to it. All parts of the client are told so in the same words.
//
//   url      http(s) address; where this module was loaded from a gateway, that gateway
//   token    a text, or a function that gives one (or a promise of one) and is asked before every connection. When the
//            service has said that the last one does not hold, it is asked with {renew: true}; giving nothing then
//            means that there is no other one.

const READY_LIMIT_MS = 3000;
const LONGEST_WAIT_S = 60;

export class Gateway {
    #base;
    #token;
    #next = null; // a token that was asked for already
    #isStale = false; // the last one does not hold

    /** @param {{url?: string | URL, token?: string | ((why: {renew: boolean}) => any)}} options */
    constructor({ url = ownAddress(), token = "" }) {
        this.#base = new URL(url, globalThis.location?.href);
        this.#base.pathname = this.#base.pathname.replace(/\/*$/, "");
        this.#token = token;
    }

    /** @returns {URL} */
    http(path) {
        const url = new URL(this.#base);
        const [pathname, search = ""] = path.split("?");
        url.pathname = url.pathname.replace(/\/$/, "") + pathname;
        url.search = search;
        url.protocol = url.protocol.replace("ws", "http");
        return url;
    }

    /** The address for a WebSocket. */
    socket(path) {
        const url = this.http(path);
        url.protocol = url.protocol.replace("http", "ws");
        return url.href;
    }

    /** The token; a promise of it where the token is a function. */
    token() {
        if (this.#next) {
            const token = this.#next;
            this.#next = null;
            return token;
        }
        return typeof this.#token === "function" ? this.#ask() : this.#token;
    }

    /** What of a wire's options all parts have in common, for wires that bring the token as subprotocol. */
    wire() {
        const say = (token) => (token ? ["bearer", token] : []);
        return {
            ...this.bare(),
            protocols: () => {
                const token = this.token();
                return typeof token === "string" ? say(token) : token.then(say);
            },
        };
    }

    /** The same for those that bring it in another way. */
    bare() {
        return { isReady: () => this.#isReady(), renew: () => this.#renew() };
    }

    async #ask() {
        const token = (await this.#token({ renew: this.#isStale })) ?? "";
        this.#isStale &&= token === "";
        return token;
    }

    async #renew() {
        if (typeof this.#token !== "function") {
            return false;
        }
        this.#isStale = true;
        this.#next = await this.#ask();
        return this.#next !== "";
    }

    async #isReady() {
        try {
            const signal = AbortSignal.timeout(READY_LIMIT_MS);
            const answer = await fetch(this.http("/readyz"), { cache: "no-store", signal });
            const seconds = Math.min(Number(answer.headers.get("Retry-After")), LONGEST_WAIT_S);
            return answer.ok && seconds > 0 ? seconds : answer.ok;
        } catch {
            return false;
        }
    }
}

function ownAddress() {
    if (!import.meta.url.startsWith("http")) {
        throw new TypeError("url is needed: where is the gateway?");
    }
    return new URL(".", import.meta.url);
}
