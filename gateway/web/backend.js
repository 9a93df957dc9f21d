// Backend: what a server of yours would say to its user, said through the gateway's server API. A page has no business with
// an API key, but for showing what happens: the key stays in memory, or where it came from, behind # in the address.

export class BackendError extends Error {}

const MOST_OPERATIONS = 500;

let made = Math.floor(Math.random() * 9000);

function randomId() {
    const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function makeAsset() {
    made += 1;
    return { id: randomId(), type: "IMAGE", originalFileName: `IMG_${String(made % 10000).padStart(4, "0")}.jpg` };
}

// A photo in the words of both sets of listeners, as servers in transition say it.
function uploadsOf(count) {
    return Array.from({ length: count }, makeAsset).flatMap((asset) => [
        { event: "on_upload_success", data: asset },
        { event: "AssetUploadReadyV1", data: { asset } },
    ]);
}

export class Backend {
    key = "";
    user = "";

    upload(count) {
        return this.#emit(uploadsOf(count));
    }

    trash(ids) {
        return this.#emit([{ event: "on_asset_trash", data: ids }]);
    }

    hide(ids) {
        return this.#emit(ids.map((id) => ({ event: "on_asset_hidden", data: id })));
    }

    remove(ids) {
        return this.#emit(ids.map((id) => ({ event: "on_asset_delete", data: id })));
    }

    restore() {
        return this.#emit([{ event: "on_asset_restore" }]);
    }

    configure() {
        return this.#emit([{ event: "on_config_update" }]);
    }

    announce() {
        const releaseVersion = { major: 1, minor: 3, patch: made++ % 100 };
        return this.#emit([
            { event: "on_new_release", data: { serverVersion: { major: 1, minor: 2, patch: 3 }, releaseVersion } },
        ]);
    }

    // One request for one event, batches for many: an event is one round trip to Redis either way.
    async #emit(events) {
        const path = `/api/users/${encodeURIComponent(this.user)}/events`;
        if (events.length === 1) {
            await this.#post(path, events[0]);
            return;
        }
        for (let i = 0; i < events.length; i += MOST_OPERATIONS) {
            const operations = events.slice(i, i + MOST_OPERATIONS).map((body) => ({ path, body }));
            const { results } = await this.#post("/api/batch", { operations });
            const failed = results.find(({ status }) => status >= 300);
            if (failed) {
                throw new BackendError(failed.body.message);
            }
        }
    }

    async #post(path, body) {
        let answer;
        try {
            answer = await fetch(path, {
                method: "POST",
                headers: { "X-API-Key": this.key, "Content-Type": "application/json" },
                body: JSON.stringify(body),
            });
        } catch {
            throw new BackendError("the gateway cannot be reached");
        }
        const said = await answer.json().catch(() => ({}));
        if (!answer.ok) {
            throw new BackendError(said.message ?? `the gateway answered ${answer.status}`);
        }
        return said;
    }
}
