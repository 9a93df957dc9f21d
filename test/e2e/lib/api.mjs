// Api: requests with JSON, as an application's backend or a car makes them.

import assert from "node:assert/strict";

import { request } from "./http.mjs";

// token: of a user; key: of a server; body: an object, or exactly this text.
export function ask(gateway, method, path, { token, key, body, headers = {}, ...options } = {}) {
    const all = { ...headers };
    if (token) {
        all.Authorization = `Bearer ${token}`;
    }
    if (key) {
        all["X-API-Key"] = key;
    }
    const text = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return request(gateway.url(path), { method, headers: all, body: text, ...options });
}

// The answer is JSON with this status and exactly this content.
export function assertJson(answer, status, content) {
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/);
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.deepEqual(answer.json(), content);
}

// The answer is an error of the usual form; message: what it must match.
export function assertRefused(answer, status, error, message = /./) {
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/);
    const body = answer.json();
    assert.deepEqual(Object.keys(body), ["error", "message"]);
    assert.equal(body.error, error, answer.text);
    assert.match(body.message, message);
}
