// Album: the photos of a timeline, what became of them, and a diary of what was said. Pure: no connection, no page.
//
//   timeline --trash--> trash --restore--> timeline       hide: locked; delete: gone, from wherever it is
//
// A handler runs once per batch, so one line of the diary is one call, however many events were heard before it.

const MOST_PHOTOS = 2000;
const MOST_LINES = 100;

export class Album {
    batches = []; // newest first: {number, at, ids}
    photos = new Map(); // id -> {id, name, place: "timeline" | "trash" | "locked"}
    diary = []; // newest first: {at, action, text}
    noted = 0; // how many lines it ever had
    release = ""; // the newest version that was announced

    #made = 0;

    // What waits in a certain place.
    count(place) {
        return [...this.photos.values()].filter((photo) => photo.place === place).length;
    }

    // Newest first.
    visible() {
        return this.batches.flatMap(({ ids }) => ids).filter((id) => this.photos.get(id)?.place === "timeline");
    }

    upload({ ids, data }) {
        const fresh = ids.filter((id) => !this.photos.has(id));
        data.forEach((asset, i) => this.photos.set(ids[i], { id: ids[i], name: nameOf(asset), place: "timeline" }));
        if (fresh.length > 0) {
            this.#made += 1;
            this.batches.unshift({ number: this.#made, at: new Date(), ids: fresh.reverse() });
        }
        this.#shrink();
        this.note("upload", `${photos(ids.length)} uploaded, as one batch`);
    }

    trash({ ids }) {
        this.#move(ids, "trash");
        this.note("trash", `${photos(ids.length)} moved to the trash`);
    }

    hide({ ids }) {
        this.#move(ids, "locked");
        this.note("hide", `${photos(ids.length)} moved to the locked folder`);
    }

    remove({ ids }) {
        ids.forEach((id) => this.photos.delete(id));
        this.#tidy();
        this.note("delete", `${photos(ids.length)} deleted for good`);
    }

    restore() {
        const ids = [...this.photos.values()].filter(({ place }) => place === "trash").map(({ id }) => id);
        this.#move(ids, "timeline");
        this.note("restore", `All restored: ${photos(ids.length)} came back from the trash`);
    }

    announce(version) {
        this.release = versionOf(version?.releaseVersion);
        const present = versionOf(version?.serverVersion);
        this.note("release", `Version ${this.release || "?"} is out${present ? `; the server runs ${present}` : ""}`);
    }

    note(action, text) {
        this.noted += 1;
        this.diary.unshift({ at: new Date(), action, text });
        this.diary.length = Math.min(this.diary.length, MOST_LINES);
    }

    #move(ids, place) {
        for (const id of ids) {
            const photo = this.photos.get(id);
            if (photo) {
                photo.place = place;
            }
        }
    }

    // The oldest are forgotten first.
    #shrink() {
        for (const id of [...this.photos.keys()].slice(0, Math.max(0, this.photos.size - MOST_PHOTOS))) {
            this.photos.delete(id);
        }
        this.#tidy();
    }

    #tidy() {
        for (const batch of this.batches) {
            batch.ids = batch.ids.filter((id) => this.photos.has(id));
        }
        this.batches = this.batches.filter(({ ids }) => ids.length > 0);
    }
}

export function photos(count) {
    return count === 1 ? "1 photo" : `${count} photos`;
}

function nameOf(data) {
    const asset = data?.asset ?? data;
    return String(asset?.originalFileName ?? asset?.id ?? asset);
}

function versionOf({ major, minor, patch } = {}) {
    const numbers = [major, minor, patch];
    return numbers.every(Number.isInteger) ? numbers.join(".") : "";
}
