// Rooms: chat in windows on several processes, as people see it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gateway } from "../e2e/lib/gateway.mjs";
import { patient, sleep, until } from "../e2e/lib/patience.mjs";
import { freePort } from "../e2e/lib/redis.mjs";
import { SECRET, tokenOf } from "../e2e/lib/token.mjs";
import { browser, gateways, redis, scene } from "./lib/scene.mjs";
import { Window } from "./lib/window.mjs";

scene(2, flags);

function flags(more = {}) {
    return { redis: redis.url, "jwt-secret": SECRET, ...more };
}

// One person's window.
class Guest {
    static async open(t, gateway, hash = "", options = {}) {
        const window = await Window.open(browser, gateway.url(`/rooms${hash}`), options);
        t.after(() => window.close());
        return new Guest(window.page);
    }

    // A window in a room.
    static async enter(t, gateway, room, options = {}) {
        const guest = await Guest.open(t, gateway, `#room=${room}`, options);
        await guest.isIn();
        return guest;
    }

    constructor(page) {
        this.page = page;
    }

    part(name) {
        return this.page.locator(`[data-part="${name}"]`);
    }

    async isIn(ms = patient()) {
        await this.page.waitForSelector('.room[data-status="online"] [data-part=send][aria-disabled=false]', {
            timeout: ms,
        });
    }

    async say(text, name) {
        if (name !== undefined) {
            await this.part("name").fill(name);
        }
        await this.part("text").fill(text);
        await this.part("text").press("Enter");
    }

    // [[who, text]...] as they stand on the page, oldest first; what is on its way or lost is not there yet.
    said() {
        return this.page.$$eval(".message:not(.pending, .failed)", (nodes) =>
            nodes.map((node) => [node.querySelector("b").textContent, node.querySelector(".text").textContent]),
        );
    }

    async reads(...texts) {
        await until(
            async () => {
                const said = (await this.said()).map(([, text]) => text);
                return said.join("\n") === texts.join("\n") || assert.fail(said.join(" | "));
            },
            `the page reads ${texts.join(" | ")}`,
        );
    }

    async counts(members) {
        await until(async () => (await this.part("members").textContent()) === String(members), `${members} members`);
    }

    notes() {
        return this.page.locator(".note").allTextContents();
    }

    get address() {
        return new URL(this.page.url());
    }
}

test("a room is created, its link leads others in, and they talk across processes", async (t) => {
    const anna = await Guest.open(t, gateways[0]);
    await anna.page.click("#create");
    await anna.isIn();
    const room = new URLSearchParams(anna.address.hash.slice(1)).get("room");
    assert.match(room, /^[0-9a-f-]{36}$/);
    await anna.counts(1);

    const ben = await Guest.open(t, gateways[1], anna.address.hash);
    await ben.isIn();
    await anna.counts(2);
    await ben.counts(2);
    await anna.say("Hello from one process", "Anna");
    await ben.reads("Hello from one process");
    await ben.say("And from the other", "Ben");
    await anna.reads("Hello from one process", "And from the other");
    assert.deepEqual(await ben.said(), [
        ["Anna", "Hello from one process"],
        ["Ben", "And from the other"],
    ]);
    assert.equal(await anna.page.locator(".message.mine").count(), 1);
    assert.deepEqual(await anna.notes(), ["You came in", "Somebody came in"]);

    await ben.part("leave").click();
    await anna.counts(1);
    assert.ok(await ben.page.isVisible("#door"), "who has left stands at the door");
    assert.equal(ben.address.hash, "");
});

test("a room is entered by its name, and by nothing that is none", async (t) => {
    const guest = await Guest.open(t, gateways[0]);
    await guest.page.fill("#room-name", "no such name!");
    await guest.page.click("#enter button");
    assert.ok(await guest.page.isVisible("#door"));
    await guest.page.fill("#room-name", "kitchen_1");
    await guest.page.keyboard.press("Enter");
    await guest.isIn();
    assert.equal(await guest.part("title").textContent(), "kitchen_1");
    await guest.page.goBack();
    await guest.page.waitForSelector("#door:not([hidden])");
    await guest.page.goForward();
    await guest.isIn();
});

test("who comes later reads what was said", async (t) => {
    const first = await Guest.enter(t, gateways[0], "history");
    for (const text of ["one", "two", "three"]) {
        await first.say(text, "Early");
    }
    await first.reads("one", "two", "three");
    const late = await Guest.enter(t, gateways[1], "history");
    await late.reads("one", "two", "three");
    await first.say("four");
    await late.reads("one", "two", "three", "four");
});

test("HTML in a text or a name is only ever text", async (t) => {
    const script = "document.title='owned'";
    const hostile = `<img src=x onerror="${script}"><b>bold</b> &amp; <script>${script}</script>`;
    const one = await Guest.enter(t, gateways[0], "hostile");
    const two = await Guest.enter(t, gateways[1], "hostile");
    await one.say(hostile, "<i>Eve</i>");
    await two.reads(hostile);
    assert.deepEqual(await two.said(), [["<i>Eve</i>", hostile]]);
    for (const { page } of [one, two]) {
        assert.equal(await page.locator(".talk img, .talk script, .talk i, .text b").count(), 0);
        assert.equal(await page.title(), "hostile · Segue");
    }
    const late = await Guest.enter(t, gateways[1], "hostile");
    await late.reads(hostile);
});

test("Enter sends, Shift+Enter begins a line, and blanks are nothing to say", async (t) => {
    const guest = await Guest.enter(t, gateways[0], "typist");
    const text = guest.part("text");
    await text.focus();
    await guest.page.keyboard.type("first line");
    await guest.page.keyboard.press("Shift+Enter");
    await guest.page.keyboard.type("second line");
    await guest.page.keyboard.press("Enter");
    await guest.reads("first line\nsecond line");
    assert.equal(await text.inputValue(), "");
    await guest.page.keyboard.type("   ");
    await guest.page.keyboard.press("Enter");
    await guest.page.keyboard.press("Control+A");
    await guest.page.keyboard.insertText("é".repeat(2049));
    await guest.page.keyboard.press("Enter");
    await sleep(300);
    await guest.reads("first line\nsecond line");
    assert.equal((await text.inputValue()).length, 2049, "what is too long stays where it can be shortened");
});

test("when a process is killed its members come back, and miss nothing", async (t) => {
    const port = await freePort();
    const first = await Gateway.start({ flags: flags({ listen: `127.0.0.1:${port}` }) });
    t.after(() => first.close());
    const here = await Guest.enter(t, first, "survivors", { mayLose: true });
    const there = await Guest.enter(t, gateways[1], "survivors");
    await here.say("before", "Here");
    await there.reads("before");

    await first.kill();
    await until(
        async () => /^Reconnecting$/.test(await here.part("status").textContent()),
        "it shows that it comes back",
    );
    await until(async () => /^in \d+\.\d s$/.test(await here.part("detail").textContent()), "and when");
    await here.say("into the void");
    assert.equal(await here.part("text").inputValue(), "into the void", "what cannot be sent is not taken away");
    await there.say("meanwhile", "There");

    const second = await Gateway.start({ flags: flags({ listen: `127.0.0.1:${port}` }) });
    t.after(() => second.close());
    await here.isIn(patient(20000));
    await here.reads("before", "meanwhile");
    await here.part("send").click();
    await there.reads("before", "meanwhile", "into the void");
    assert.ok((await here.notes()).includes("You are back"));
});

test("what may not have arrived is shown, and said again when asked to", async (t) => {
    let count = 0;
    const prepare = (page) =>
        page.routeWebSocket(/\/ws/, (socket) => {
            count += 1;
            const clientId = `c0ffee0${count}-0000-4000-8000-000000000000`;
            socket.send(JSON.stringify({ type: "welcome", clientId, roomId: "staged", members: 1, history: [] }));
            socket.onMessage((data) => {
                const { text } = JSON.parse(data);
                if (count === 1) {
                    socket.close({ code: 1013 });
                } else if (text) {
                    const frame = {
                        type: "message",
                        clientId,
                        roomId: "staged",
                        text,
                        id: "1",
                        time: new Date().toISOString(),
                    };
                    socket.send(JSON.stringify(frame));
                }
            });
        });
    const guest = await Guest.enter(t, gateways[0], "staged", { prepare });
    await guest.say("lost");
    await guest.page.waitForSelector(".message.failed");
    await guest.isIn();
    assert.deepEqual(await guest.said(), []);
    await guest.page.click("text=Send again");
    await guest.reads("lost");
    assert.equal(await guest.page.locator(".failed, .pending").count(), 0);
});

test("after a sleep the connection is made anew, for the old one may be dead", async (t) => {
    let count = 0;
    const prepare = async (page) => {
        await page.clock.install();
        await page.routeWebSocket(/\/ws/, (socket) => {
            count += 1;
            socket.send(
                JSON.stringify({ type: "welcome", clientId: `c${count}`, roomId: "sleeper", members: 1, history: [] }),
            );
        });
    };
    const guest = await Guest.enter(t, gateways[0], "sleeper", { prepare });
    await guest.page.clock.runFor(60000);
    assert.equal(count, 1, "a minute is no sleep");
    await guest.page.clock.fastForward(300000);
    await until(() => count === 2, "it connects anew");
    await guest.isIn();
    assert.ok((await guest.notes()).includes("You are back"));
});

test("where nobody may be anonymous, the page asks who it is", async (t) => {
    const strict = await Gateway.start({ flags: flags({ anonymous: "" }) });
    t.after(() => strict.close());
    const guest = await Guest.open(t, strict, "#room=members-only", { mayLose: true });
    await guest.page.waitForSelector("#token-form:not([hidden])", { timeout: patient(20000) });
    assert.match(await guest.page.textContent("#token-reason"), /wants to know who you are/);
    const hash = `#room=members-only&token=${tokenOf("member")}`;
    const member = await Guest.open(t, strict, hash, { mayLose: true });
    await member.isIn();
    assert.equal(await member.page.textContent("#user"), "member");
    await member.part("copy").click();
    assert.doesNotMatch(await member.part("link").inputValue(), /token/, "the invitation brings no token along");
});
