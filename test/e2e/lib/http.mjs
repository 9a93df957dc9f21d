// Http: one request on a connection of its own, with node's client; and URLs of a listener.

import http from "node:http";

import { patient, within } from "./patience.mjs";

// {status, headers, body (Buffer), text, json()}.
export function request(url, { method = "GET", headers = {}, body, ms = patient() } = {}) {
    const answer = new Promise((resolve, reject) => {
        const call = http.request(url, { method, headers, agent: false }, (response) => {
            const parts = [];
            response.on("data", (part) => parts.push(part));
            response.on("error", reject);
            response.on("end", () => resolve(responseOf(response.statusCode, response.headers, Buffer.concat(parts))));
        });
        call.on("error", reject);
        call.end(body);
    });
    return within(answer, `answer to ${method} ${url}`, ms);
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
