// Http: one request on a connection of its own (unless an agent is given), with node's client.

import http from "node:http";
import https from "node:https";

import { patient, within } from "./patience.mjs";

// {status, headers, body (Buffer), text, json()}.
export function request(url, options = {}) {
    return exchange(url, options).answer;
}

// A request that may be given up: {answer, abort()}. An aborted request's answer is never told.
// ca: whom to trust, of an https URL.
export function exchange(url, { method = "GET", headers = {}, body, agent = false, ca, ms = patient() } = {}) {
    let abort = () => {};
    const answer = new Promise((resolve, reject) => {
        const client = url.startsWith("https:") ? https : http;
        const call = client.request(url, { method, headers, agent, ca }, (response) => {
            const parts = [];
            response.on("data", (part) => parts.push(part));
            response.on("error", reject);
            response.on("end", () => resolve(responseOf(response.statusCode, response.headers, Buffer.concat(parts))));
        });
        call.on("error", reject);
        call.end(body);
        abort = () => {
            call.removeListener("error", reject);
            call.on("error", () => {});
            call.destroy();
            resolve(null);
        };
    });
    return { answer: within(answer, `answer to ${method} ${url}`, ms), abort: () => abort() };
}

export function responseOf(status, headers, body) {
    return {
        status,
        headers,
        body,
        get text() {
            return body.toString("utf8");
        },
        json() {
            return JSON.parse(body.toString("utf8"));
        },
    };
}
