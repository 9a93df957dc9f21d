// events: batches, connection states and the application's life, with the connection and the time in the test's hand.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { fakeWebSocket, FakeTime, load } from "../browser/lib/web.mjs";
import { Server } from "./lib/server.mjs";

const { events } = await load("segue.js");

const ACTIONS = ["assetUploaded", "assetDelete", "assetHidden", "assetTrash"];

let time;
let server;
let live;
let logged;
let batches; // [action, ids] of every handler call, in order

beforeEach(() => {
    time = new FakeTime();
    server = new Server(fakeWebSocket());
    logged = [];
    batches = [];
    mock.method(globalThis, "fetch", async () => ({ ok: false }));
});

afterEach(() => {
    live.logout();
    const { timers } = time;
    time.restore();
    mock.restoreAll();
    assert.equal(timers, 0, "no timer is left behind");
});

function make(options = {}) {
    const log = (...words) => logged.push(words);
    live = events({ url: "https://segue.test", token: "t", WebSocket: server.Socket, log, ...options });
    ACTIONS.forEach((action) => live.on(action, ({ ids }) => batches.push([action, ids])));
    return live;
}

async function online(options) {
    make(options).connect();
    await server.accept();
    return live;
}

const upload = (id) => server.emit("on_upload_success", { id, type: "IMAGE" });

describe("changes", () => {
    test("are handled 500 ms after the last event, in one call with all ids", async () => {
        await online();
        await server.emit("on_asset_delete", "a");
        await time.pass(499);
        await server.emit("on_asset_delete", "b");
        await time.pass(499);
        assert.deepEqual(batches, []);
        assert.deepEqual(
            live.pendingChanges.map(({ action, id }) => [action, id]),
            [["assetDelete", "a"], ["assetDelete", "b"]],
        );
        await time.pass(1);
        assert.deepEqual(batches, [["assetDelete", ["a", "b"]]]);
        assert.deepEqual(live.pendingChanges, []);
        await time.pass(20_000);
        assert.equal(batches.length, 1);
    });

    test("of several kinds are one call each, every id once", async () => {
        await online();
        await server.emit("on_asset_trash", ["1", "2"]);
        await server.emit("on_asset_hidden", "3");
        await server.emit("on_asset_trash", ["2", "4"]);
        await server.emit("on_asset_delete", "5");
        await time.pass(500);
        assert.deepEqual(batches, [
            ["assetTrash", ["1", "2", "4"]],
            ["assetHidden", ["3"]],
            ["assetDelete", ["5"]],
        ]);
    });

    test("uploads are handled 5 s after the last one", async () => {
        await online();
        await upload("a");
        await time.pass(4999);
        assert.deepEqual(batches, []);
        await upload("b");
        await time.pass(4999);
        assert.deepEqual(batches, []);
        await time.pass(1);
        assert.deepEqual(batches, [["assetUploaded", ["a", "b"]]]);
    });

    test("uploads that do not end are handled 10 s after the first one", async () => {
        await online();
        for (let i = 0; i < 14; i++) {
            await upload(String(i));
            await time.pass(1000);
        }
        assert.deepEqual(batches, [["assetUploaded", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]]]);
        await time.pass(4000);
        assert.deepEqual(batches[1], ["assetUploaded", ["10", "11", "12", "13"]]);
    });

    test("one that does not end does not delay the other", async () => {
        await online();
        await upload("up");
        for (let i = 0; i < 26; i++) {
            await server.emit("on_asset_delete", String(i));
            await time.pass(200);
        }
        assert.deepEqual(batches, [["assetUploaded", ["up"]]]);
        await time.pass(300);
        assert.equal(batches[1][1].length, 26);
    });

    test("bring what was uploaded, once, in its newest form", async () => {
        await online();
        let data;
        live.on("assetUploaded", (batch) => (data = batch.data));
        await server.emit("on_upload_success", { id: "a", name: "old" });
        await server.emit("on_upload_success", '{"id":"b"}');
        await server.emit("on_upload_success", { id: "a", name: "new" });
        await time.pass(5000);
        assert.deepEqual(data, [{ id: "a", name: "new" }, '{"id":"b"}']);
        assert.deepEqual(batches, [["assetUploaded", ["a", "b"]]]);
    });

    test("an upload that was deleted before anybody saw it is forgotten", async () => {
        await online();
        await upload("gone");
        await upload("stays");
        await server.emit("on_asset_delete", "gone");
        await time.pass(5000);
        assert.deepEqual(batches, [["assetDelete", ["gone"]], ["assetUploaded", ["stays"]]]);
    });

    test("an upload that was trashed or hidden is handled before that", async () => {
        await online();
        await upload("a");
        await upload("b");
        await server.emit("on_asset_trash", ["a"]);
        await time.pass(500);
        assert.deepEqual(batches, [["assetUploaded", ["a", "b"]], ["assetTrash", ["a"]]]);
        await time.pass(10_000);
        assert.equal(batches.length, 2);
    });

    test("that are too many do not wait for more", async () => {
        await online();
        const ids = Array.from({ length: 12_000 }, (_, i) => i);
        await server.emit("on_asset_trash", ids);
        assert.equal(batches[0][1].length, 12_000);
    });

    test("that name no asset are logged, and change nothing", async () => {
        await online();
        for (const data of [null, {}, "", [], { asset: {} }, "{not json", true]) {
            await server.emit("on_upload_success", data);
        }
        await server.emit("on_asset_delete");
        await time.pass(10_000);
        assert.deepEqual([batches, logged.length], [[], 8]);
        assert.match(logged[0][0], /on_upload_success names no asset/);
    });
});

describe("handlers", () => {
    test("that throw, or fail later, are logged, and the others go on", async () => {
        await online();
        const seen = [];
        const error = new Error("mine");
        const late = new Error("late");
        live.on("assetDelete", () => {
            throw error;
        });
        live.on("assetDelete", async () => {
            throw late;
        });
        live.on("assetDelete", () => seen.push("delete"));
        live.on("assetHidden", () => seen.push("hidden"));
        await server.emit("on_asset_delete", "a");
        await server.emit("on_asset_hidden", "b");
        await time.pass(500);
        assert.deepEqual(seen, ["delete", "hidden"]);
        assert.deepEqual(logged, [
            ["events: a handler of assetDelete failed", error],
            ["events: a handler of assetDelete failed", late],
        ]);
        await server.emit("on_asset_delete", "c");
        await time.pass(500);
        assert.equal(seen.at(-1), "delete");
    });

    test("of any event are called as it comes", async () => {
        make();
        const seen = [];
        live.on("on_config_update", (...args) => seen.push(["config", ...args]));
        const off = live.on("on_new_release", (...args) => seen.push(["release", ...args]));
        live.on("on_upload_success", ({ id }) => seen.push(["raw", id]));
        live.connect();
        await server.accept();
        await server.emit("on_config_update");
        await server.emit("on_new_release", { serverVersion: { major: 1 } });
        await upload("a");
        off();
        await server.emit("on_new_release", {});
        assert.deepEqual(seen, [["config"], ["release", { serverVersion: { major: 1 } }], ["raw", "a"]]);
    });

    test("of a refresh come after the changes that came before it", async () => {
        await online();
        const seen = [];
        live.on("assetTrash", () => seen.push("trash"));
        live.on("on_asset_restore", () => seen.push("restore"));
        await server.emit("on_asset_restore");
        assert.deepEqual(seen, ["restore"], "nothing to wait for");
        await server.emit("on_asset_trash", ["a"]);
        await server.emit("on_asset_restore");
        assert.deepEqual(seen, ["restore"]);
        await time.pass(500);
        assert.deepEqual(seen, ["restore", "trash", "restore"]);
    });
});

describe("sets of listeners", () => {
    test("are switched without losing what is pending", async () => {
        await online();
        const edits = [];
        live.on("AssetEditReadyV1", (data) => edits.push(data));
        await upload("old");
        await server.emit("AssetUploadReadyV1", { asset: { id: "too early" } });
        await time.pass(1000);
        live.listenTo("beta");
        await upload("too late");
        await server.emit("on_asset_delete", "too late");
        await server.emit("AssetUploadReadyV1", { asset: { id: "new" } });
        await server.emit("AssetEditReadyV1", { edit: 1 });
        assert.deepEqual(edits, [{ edit: 1 }]);
        await time.pass(5000);
        assert.deepEqual(batches, [["assetUploaded", ["old", "new"]]]);
        live.listenTo("standard");
        await server.emit("AssetUploadReadyV1", { asset: { id: "too late" } });
        await server.emit("on_asset_delete", "a");
        await time.pass(500);
        assert.deepEqual(batches[1], ["assetDelete", ["a"]]);
    });

    test("may be chosen at the beginning; there are two", async () => {
        await online({ listeners: "beta" });
        await server.emit("AssetUploadReadyV1", { asset: { id: "a" } });
        await upload("b");
        await time.pass(5000);
        assert.deepEqual(batches, [["assetUploaded", ["a"]]]);
        assert.throws(() => live.listenTo("gamma"), /no set of listeners called gamma/);
    });
});

describe("the connection", () => {
    test("is disconnected, connected or reconnecting, and tells when that changes", async () => {
        make();
        const seen = [];
        const first = live.connection.subscribe((state) => seen.push(state));
        const second = live.connection.subscribe({ next: (state) => seen.push(state.toUpperCase()) });
        second.unsubscribe();
        live.connect();
        await server.accept();
        await server.Socket.newest.closes(1006, "cut");
        assert.deepEqual(logged, [["events: closed with 1006: cut"]]);
        await time.pass(500);
        assert.equal(live.connection.value, "reconnecting");
        await server.accept();
        live.disconnect();
        const begin = ["disconnected", "DISCONNECTED", "connected"];
        assert.deepEqual(seen, [...begin, "reconnecting", "connected", "disconnected"]);
        first();
        live.connect();
        await server.accept();
        assert.deepEqual([seen.length, live.isConnected], [6, true]);
    });

    test("goes on where it was, and says whether something may be missing", async () => {
        make();
        const seen = [];
        live.on("connect", ({ recovered }) => seen.push(recovered));
        live.connect();
        await server.accept("p1");
        await upload("a");
        await server.Socket.newest.closes(1006);
        await time.pass(500);
        await server.accept("p1");
        assert.deepEqual(server.auth, { token: "t", recovery: true, pid: "p1", offset: "1.0" });
        await server.Socket.newest.closes(1006);
        await time.pass(1000);
        await server.accept("p2");
        assert.deepEqual(seen, [false, true, false]);
    });

    test("that breaks does not stop what is pending", async () => {
        await online();
        await server.emit("on_asset_delete", "a");
        await server.Socket.newest.closes(1006);
        await time.pass(500);
        assert.deepEqual(batches, [["assetDelete", ["a"]]]);
    });
});

describe("life", () => {
    test("background keeps the connection briefly", async () => {
        await online({ background: 3000 });
        live.background();
        await time.pass(2999);
        assert.equal(live.isConnected, true);
        await server.emit("on_asset_delete", "still heard");
        live.foreground();
        await time.pass(60_000 / 4);
        assert.equal(live.isConnected, true, "who comes back in time has lost nothing");
        assert.deepEqual(batches, [["assetDelete", ["still heard"]]]);
        live.background();
        await time.pass(3000);
        assert.deepEqual([live.connection.value, live.isConnected], ["disconnected", false]);
        await time.pass(60_000);
        assert.equal(server.Socket.made.length, 1, "and it stays away");
    });

    test("foreground reconnects, goes on where it was, and clears stale changes", async () => {
        await online({ background: 3000 });
        const stale = [];
        live.on("stale", (changes) => stale.push(...changes.map(({ id }) => id)));
        live.background();
        await time.pass(1000);
        await upload("unhandled");
        await time.pass(2000);
        await time.pass(3_600_000);
        assert.deepEqual(live.pendingChanges.map(({ id }) => id), ["unhandled"]);
        live.foreground();
        assert.deepEqual([live.pendingChanges, stale], [[], ["unhandled"]]);
        await server.accept();
        assert.deepEqual([live.isConnected, server.auth.offset], [true, "1.0"]);
        await time.pass(20_000);
        assert.deepEqual(batches, []);
    });

    test("changes that should have been handled long ago are stale, newer ones are not", async () => {
        await online();
        const { now } = Date;
        await upload("old");
        Date.now = () => now() + 60_000; // the timers were frozen meanwhile
        await server.emit("on_asset_delete", "new");
        live.foreground();
        Date.now = now;
        assert.deepEqual(live.pendingChanges.map(({ id }) => id), ["new"]);
        await time.pass(5000);
        assert.deepEqual(batches, [["assetDelete", ["new"]]]);
    });

    test("foreground does not wait for the end of a back-off, and means nothing to who is not logged in", async () => {
        make();
        live.foreground();
        live.background();
        assert.equal(server.Socket.made.length, 0);
        live.connect();
        await server.accept();
        await server.Socket.newest.closes(1012);
        live.foreground();
        assert.equal(server.Socket.made.length, 2);
    });

    test("whom the server has sent away stays away, until somebody wants it", async () => {
        await online();
        await server.dismiss();
        assert.deepEqual([live.status, live.connection.value], ["stopped", "disconnected"]);
        live.background();
        live.foreground();
        await time.pass(60_000);
        assert.equal(server.Socket.made.length, 1);
        live.connect();
        assert.equal(server.Socket.made.length, 2);
    });

    test("logout disconnects, clears what is pending, and forgets the place", async () => {
        await online();
        await upload("mine");
        await server.emit("on_asset_delete", "mine too");
        await server.emit("on_asset_restore");
        live.logout();
        assert.deepEqual([live.connection.value, live.pendingChanges], ["disconnected", []]);
        live.foreground();
        await time.pass(60_000);
        assert.deepEqual([batches, server.Socket.made.length], [[], 1]);
        live.connect();
        await server.accept("p2");
        assert.deepEqual(server.auth, { token: "t", recovery: true });
    });

    test("may be that of a page", async () => {
        await online({ background: 1000 });
        const page = Object.assign(new EventTarget(), { hidden: false });
        const stop = live.followPage(page);
        const look = (hidden) => {
            page.hidden = hidden;
            page.dispatchEvent(new Event("visibilitychange"));
        };
        look(true);
        await time.pass(1000);
        assert.equal(live.isConnected, false);
        look(false);
        await server.accept();
        assert.equal(live.isConnected, true);
        stop();
        look(true);
        await time.pass(2000);
        assert.equal(live.isConnected, true);
    });
});
