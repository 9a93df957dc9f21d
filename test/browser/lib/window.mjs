// Window: one browser window with the player in it, seen as a person sees it; and Chromium, which owns the windows.
//
// Every window lives in a context of its own: two of them share nothing, as two computers do. A window writes
// down whatever the browser complains about (console errors, uncaught errors, violations of the
// Content-Security-Policy), and closing it fails the test when there was any.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

import { patient } from "../../e2e/lib/patience.mjs";
import { tokenOf } from "../../e2e/lib/token.mjs";

const EXECUTABLE = process.env.SEGUE_CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

// What Chromium itself reports when a connection cannot be made; tests that kill a gateway expect it.
const CONNECTION_LOST = /WebSocket connection to .* failed|Failed to load resource: (net::ERR_|.*\b503\b)/;
const REFUSED = /Failed to load resource: the server responded with a status of 40[13]/;

export function launch() {
    return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS, timeout: patient(30000) });
}

export class Window {
    page;
    complaints = [];
    #context;
    #mayLose;
    #mayBeRefused;

    // context: options of Playwright's newContext. prepare(page): before the page is loaded. mayLose: connections
    // may fail. mayBeRefused: requests may be answered 401 or 403.
    static async open(browser, url, options = {}) {
        const { context = {}, prepare = async () => {}, mayLose = false, mayBeRefused = false } = options;
        const window = new Window();
        window.#mayLose = mayLose;
        window.#mayBeRefused = mayBeRefused;
        window.#context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...context });
        window.#context.setDefaultTimeout(patient());
        window.page = await window.#context.newPage();
        window.#listen(window.page);
        await prepare(window.page);
        await window.page.goto(url);
        return window;
    }

    // The player of a user on a gateway, with its two devices online.
    static async play(browser, gateway, user, options = {}) {
        const window = await Window.open(browser, playerUrl(gateway, tokenOf(user)), options);
        await window.online();
        return window;
    }

    #listen(page) {
        page.on("pageerror", (error) => this.complaints.push(`uncaught: ${error.message}`));
        page.on("console", (message) => {
            const expected =
                (this.#mayLose && CONNECTION_LOST.test(message.text())) ||
                (this.#mayBeRefused && REFUSED.test(message.text()));
            if (["error", "warning"].includes(message.type()) && !expected) {
                this.complaints.push(`${message.type()}: ${message.text()}`);
            }
        });
    }

    device(index = 0) {
        return new DeviceCard(this.page, index);
    }

    // Waits until so many devices are online (the first state has come) and none is not.
    online(count = 2, ms = patient()) {
        return this.page.waitForFunction(
            (wanted) => {
                const devices = [...document.querySelectorAll(".device")];
                return (
                    devices.length === wanted &&
                    devices.every(
                        (device) =>
                            device.dataset.status === "online" &&
                            device.querySelector("[data-part=toggle]").ariaDisabled === "false",
                    )
                );
            },
            count,
            { timeout: ms },
        );
    }

    // Waits until every device of the window shows this.
    shows({ state, title }) {
        return this.page.waitForFunction(
            (wanted) => {
                const devices = [...document.querySelectorAll(".device")];
                const text = (device, part) => device.querySelector(`[data-part=${part}]`).textContent;
                return (
                    devices.length > 0 &&
                    devices.every((device) => !wanted.state || text(device, "state") === wanted.state) &&
                    devices.every((device) => !wanted.title || text(device, "title") === wanted.title)
                );
            },
            { state, title },
            { timeout: patient() },
        );
    }

    // Closes the page as a person does: it may say its last word.
    async leave() {
        const closed = this.page.waitForEvent("close");
        await this.page.close({ runBeforeUnload: true });
        await closed;
    }

    async close() {
        await this.#context.close();
        assert.deepEqual(this.complaints, []);
    }
}

// One device on a page.
export class DeviceCard {
    #root;

    constructor(page, index) {
        this.#root = page.locator(".device").nth(index);
    }

    part(name) {
        return this.#root.locator(`[data-part="${name}"]`);
    }

    row(title) {
        return this.part("queue").getByRole("button", { name: title });
    }

    press(name) {
        return this.part(name).click();
    }

    text(name) {
        return this.part(name).textContent();
    }

    status() {
        return this.#root.getAttribute("data-status");
    }

    // Seconds into the track, as drawn.
    async position() {
        return Number(await this.part("seek").inputValue());
    }

    // The frames in its log, newest first: [{direction, frame}].
    frames() {
        return this.#root.evaluate((root) => {
            const fold = root.querySelector("[data-part=wire-fold]");
            if (!fold.open) {
                fold.open = true;
            }
            return new Promise((resolve) => setTimeout(resolve, 100)).then(() =>
                [...root.querySelectorAll(".log li")].map((line) => ({
                    direction: line.className,
                    frame: JSON.parse(line.querySelector("code").textContent),
                })),
            );
        });
    }
}

export function playerUrl(gateway, token) {
    return gateway.url(token ? `/player#token=${token}` : "/player");
}
