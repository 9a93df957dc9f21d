// The timeline's model: photos in batches, where they are, and the diary.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./lib/web.mjs";

const { Album } = await load("album.js");

function batchOf(...ids) {
    return { ids, data: ids.map((id) => ({ id, originalFileName: `${id}.jpg` })) };
}

function albumOf(...ids) {
    const album = new Album();
    album.upload(batchOf(...ids));
    return album;
}

const lines = ({ diary }) => diary.map(({ text }) => text);

test("a batch is one entry, newest first", () => {
    const album = albumOf("a", "b");
    album.upload(batchOf("c"));
    assert.deepEqual(
        album.batches.map(({ ids }) => ids),
        [["c"], ["b", "a"]],
    );
    assert.deepEqual(album.visible(), ["c", "b", "a"]);
    assert.deepEqual(lines(album), ["1 photo uploaded, as one batch", "2 photos uploaded, as one batch"]);
    assert.equal(album.photos.get("a").name, "a.jpg");
});

test("an upload that is there already is no second photo", () => {
    const album = albumOf("a");
    album.trash({ ids: ["a"] });
    album.upload(batchOf("a", "b"));
    assert.deepEqual(album.visible(), ["b", "a"]);
    assert.equal(album.photos.size, 2);
});

test("trash and restore, hide, delete", () => {
    const album = albumOf("a", "b", "c", "d");
    album.trash({ ids: ["a", "b", "unknown"] });
    album.hide({ ids: ["c"] });
    assert.deepEqual([album.visible(), album.count("trash"), album.count("locked")], [["d"], 2, 1]);
    album.remove({ ids: ["a", "unknown"] });
    album.restore();
    assert.deepEqual(album.visible(), ["d", "b"]);
    assert.deepEqual([album.count("trash"), album.count("locked")], [0, 1]);
    assert.equal(album.diary[0].text, "All restored: 1 photo came back from the trash");
});

test("a batch whose photos are all deleted is gone", () => {
    const album = albumOf("a", "b");
    album.upload(batchOf("c"));
    album.remove({ ids: ["b", "a"] });
    assert.deepEqual(
        album.batches.map(({ ids }) => ids),
        [["c"]],
    );
});

test("releases are told with what is known of them", () => {
    const album = new Album();
    const serverVersion = { major: 1, minor: 2, patch: 3 };
    album.announce({ serverVersion, releaseVersion: { major: 1, minor: 3, patch: 0 } });
    assert.equal(album.release, "1.3.0");
    assert.equal(album.diary[0].text, "Version 1.3.0 is out; the server runs 1.2.3");
    for (const odd of [undefined, null, {}, { releaseVersion: { major: "<b>" } }, "1.3"]) {
        album.announce(odd);
        assert.equal(album.diary[0].text, "Version ? is out");
    }
});

test("payloads of any shape have a name", () => {
    const album = new Album();
    album.upload({ ids: ["a", "b", 7], data: [{ asset: { id: "a", originalFileName: "x.jpg" } }, { id: "b" }, 7] });
    assert.deepEqual(
        [...album.photos.values()].map(({ name }) => name),
        ["x.jpg", "b", "7"],
    );
});

test("photos and lines are bounded; the oldest go", () => {
    const album = new Album();
    for (let i = 0; i < 150; i++) {
        album.upload(batchOf(...Array.from({ length: 20 }, (_, n) => `${i}-${n}`)));
    }
    assert.equal(album.photos.size, 2000);
    assert.equal(album.visible().length, 2000);
    assert.deepEqual([album.diary.length, album.noted], [100, 150]);
    assert.ok(!album.photos.has("0-0") && album.photos.has("149-19"));
});
