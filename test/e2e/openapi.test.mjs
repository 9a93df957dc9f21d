// The description of the API: it is valid, it names every endpoint and no other, and the gateway does what it says:
// every example is sent, and every answer is held against its schema.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";

import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

import { ask } from "./lib/api.mjs";
import { runOnce } from "./lib/gateway.mjs";
import { suiteSite, testSite } from "./lib/site.mjs";
import { tokenOf } from "./lib/token.mjs";

const KEY = "the-backends-key";
const LIVEKIT = { "livekit-key": "key", "livekit-secret": "secret", "livekit-url": "wss://livekit.example.com" };
const document = JSON.parse(readFileSync(new URL("../../gateway/web/openapi.json", import.meta.url), "utf8"));
const table = readFileSync(new URL("../../gateway/proto/rest.c", import.meta.url), "utf8");

const SECURITY = {
    ENDPOINT_USER: ["token", "tokenQuery", "tokenCookie"],
    ENDPOINT_ANYONE: ["", "token", "tokenQuery", "tokenCookie"],
    ENDPOINT_SERVER: ["apiKey", "apiKeyBearer"],
};

// [{method, path, item, operation}]
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
        .filter(([name]) => name !== "parameters")
        .map(([method, operation]) => ({ method: method.toUpperCase(), path, item, operation })),
);

function resolve(part) {
    return part?.$ref ? part.$ref.slice(2).split("/").reduce((at, name) => at[name], document) : part;
}

function assertKnown(part) {
    assert.ok(part, "what is referred to is there");
    return part;
}

function checker() {
    const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
    ajv.addSchema(document, "api");
    return (pointer) => ajv.compile({ $ref: `api#${pointer}` });
}
const compile = checker();

function pointerTo(part, ...names) {
    const start = part.$ref ? part.$ref.slice(1) : null;
    return (start ?? "") + names.map((name) => `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

// Where the schema of an operation's answer stands.
function schemaOf({ path, method, operation }, status) {
    const answer = operation.responses[status];
    assert.ok(answer, `${method} ${path}: status ${status} is not described`);
    const rest = ["content", "application/json", "schema"];
    return answer.$ref
        ? pointerTo(answer, ...rest)
        : pointerTo({}, "paths", path, method.toLowerCase(), "responses", status, ...rest);
}

function assertFits(pointer, value, what) {
    const fits = compile(pointer);
    assert.ok(fits(value), `${what}: ${JSON.stringify(fits.errors)} in ${JSON.stringify(value)}`);
}

function assertDescribed(operation, answer, status) {
    const what = `${operation.method} ${operation.path}`;
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
    assertFits(schemaOf(operation, status), answer.json(), `${what} ${status}`);
    for (const name of Object.keys(assertKnown(resolve(operation.operation.responses[status])).headers ?? {})) {
        assert.ok(answer.headers[name.toLowerCase()], `${what} ${status} has ${name}`);
    }
}

// The path with the parameters' examples, and whatever is needed to be let in.
function place({ path, item }) {
    const values = Object.fromEntries((item.parameters ?? []).map(resolve).map(({ name, example }) => [name, example]));
    return path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));
}

function lettingIn({ operation }) {
    const [first] = operation.security;
    return "apiKey" in first ? { key: KEY } : { token: tokenOf("alice") };
}

function bodiesOf({ operation }) {
    return Object.values(operation.requestBody?.content["application/json"].examples ?? {}).map(({ value }) => value);
}

describe("the description of the API", () => {
    const site = suiteSite({ gateways: 1, flags: { rate: 0, "api-key": KEY, ...LIVEKIT } });
    const gateway = () => site.gateways[0];

    before(async () => {
        await site.member("lobby");
        await site.player("alice");
    });

    test("is served as it is, to pages of every origin", async () => {
        const answer = await gateway().get("/api/openapi.json", { headers: { Origin: "https://tools.example" } });
        assert.equal(answer.status, 200);
        assert.match(answer.headers["content-type"], /^application\/json/);
        assert.ok(answer.headers["access-control-allow-origin"]);
        assert.deepEqual(answer.json(), document);
        assert.equal((await gateway().get("/api")).status, 200);
    });

    test("is valid OpenAPI 3.1, of this version", async () => {
        const result = await new Validator().validate(structuredClone(document));
        assert.deepEqual(result.errors, undefined);
        assert.equal(result.valid, true);
        assert.match(document.openapi, /^3\.1\./);
        assert.equal(runOnce(["--version"]).stdout.trim(), `segue ${document.info.version}`);
    });

    test("names every endpoint, who may ask, and nothing else", () => {
        const rows = [...table.matchAll(/\{"(GET|POST)", "([^"]+)", (ENDPOINT_\w+),/g)].map(([, method, path, who]) => ({
            row: `${method} ${path}`,
            security: SECURITY[who],
        }));
        assert.ok(rows.length > 5);
        const described = operations.map(({ method, path, operation }) => ({
            row: `${method} ${path.replace(/\{\w+\}/g, "*")}`,
            security: operation.security.map((scheme) => Object.keys(scheme).join()),
        }));
        const sorted = (list) => list.sort((a, b) => a.row.localeCompare(b.row));
        assert.deepEqual(sorted(described), sorted(rows));
    });

    test("every reference leads somewhere, and nothing is left over", () => {
        const text = JSON.stringify(document);
        const named = new Set([...text.matchAll(/"\$ref":"#\/components\/([^"]+)"/g)].map(([, name]) => name));
        named.forEach((name) => assertKnown(resolve({ $ref: `#/components/${name}` })));
        for (const kind of ["parameters", "responses", "schemas"]) {
            for (const name of Object.keys(document.components[kind])) {
                assert.ok(named.has(`${kind}/${name}`), `${kind}/${name} is used`);
            }
        }
        const schemes = new Set(operations.flatMap(({ operation }) => operation.security.flatMap(Object.keys)));
        assert.deepEqual([...schemes].sort(), Object.keys(document.components.securitySchemes).sort());
        const ids = operations.map(({ operation }) => operation.operationId);
        assert.equal(new Set(ids).size, ids.length);
        const tags = new Set(operations.flatMap(({ operation }) => operation.tags));
        assert.deepEqual([...tags].sort(), document.tags.map(({ name }) => name).sort());
    });

    test("its examples fit their schemas", () => {
        for (const { path, method, operation } of operations) {
            const at = ["paths", path, method.toLowerCase()];
            for (const [name, { value }] of Object.entries(
                operation.requestBody?.content["application/json"].examples ?? {},
            )) {
                const pointer = pointerTo({}, ...at, "requestBody", "content", "application/json", "schema");
                assertFits(pointer, value, `${method} ${path} ${name}`);
            }
            for (const [status, answer] of Object.entries(operation.responses)) {
                const content = resolve(answer).content["application/json"];
                assert.ok(content.example, `${method} ${path} ${status} has an example`);
                assertFits(schemaOf({ path, method, operation }, status), content.example, `${method} ${path} ${status}`);
            }
        }
    });

    for (const operation of operations) {
        const { method, path } = operation;
        const good = Object.keys(operation.operation.responses).filter((status) => status < 300);

        test(`${method} ${path} does what it says with every example`, async () => {
            assert.equal(good.length, 1);
            const bodies = method === "POST" ? bodiesOf(operation) : [undefined];
            assert.ok(bodies.length > 0);
            for (const body of bodies) {
                const answer = await ask(gateway(), method, place(operation), { ...lettingIn(operation), body });
                assertDescribed(operation, answer, Number(good[0]));
            }
        });

        test(`${method} ${path} may be repeated with a key as it says`, async () => {
            const described = (operation.operation.parameters ?? []).map(resolve).some(({ name }) => /^Idem/.test(name));
            if (method !== "POST") {
                assert.equal(described, false);
                return;
            }
            const options = { ...lettingIn(operation), headers: { "Idempotency-Key": `a key of ${path}`.replaceAll(" ", "-") } };
            const [body] = bodiesOf(operation);
            const first = await ask(gateway(), method, place(operation), { ...options, body });
            const again = await ask(gateway(), method, place(operation), { ...options, body });
            assert.deepEqual([again.status, described && again.text], [first.status, described && first.text]);
            const other = await ask(gateway(), method, place(operation), { ...options, body: { ...body, more: 1 } });
            assert.equal(other.status, described ? 400 : Number(good[0]), other.text);
        });

        test(`${method} ${path} refuses as it says`, async () => {
            const { responses } = operation.operation;
            const send = (options, at = operation) => ask(gateway(), method, place(at), { ...lettingIn(operation), ...options });
            const wrong = await ask(gateway(), method, place(operation), { headers: { Authorization: "Bearer nonsense" } });
            assertDescribed(operation, wrong, 401);
            assertDescribed(operation, await ask(gateway(), method === "POST" ? "GET" : "POST", place(operation)), 405);
            if (method === "POST") {
                assertDescribed(operation, await send({ body: "[]" }), 400);
                assertDescribed(operation, await send({ body: "{" }), 400);
                assertDescribed(operation, await send({ body: "x".repeat(3 << 20) }), 413);
                assert.equal((await send({ body: {} })).status === 400, operation.operation.requestBody.required);
            }
            if ("400" in responses && path.includes("{")) {
                assertDescribed(operation, await send({}, { ...operation, path: path.replace(/\{\w+\}/, "%01") }), 400);
            }
        });
    }

    test("other origins, no room, no key for LiveKit, no API key: as it says", async (t) => {
        const other = await site.addGateway({
            origins: "https://app.example",
            "api-key": null,
            ...Object.fromEntries(Object.keys(LIVEKIT).map((name) => [name, null])),
        });
        t.after(() => other.terminate());
        for (const operation of operations) {
            const options = { ...lettingIn(operation), headers: { Origin: "https://other.example" } };
            assertDescribed(operation, await ask(other, operation.method, place(operation), options), 403);
            if ("apiKey" in operation.operation.security[0]) {
                assertDescribed(operation, await ask(other, operation.method, place(operation), { key: KEY }), 403);
            }
        }
        const find = (id) => operations.find(({ operation }) => operation.operationId === id);
        const token = find("livekitToken");
        assertDescribed(token, await ask(other, "POST", place(token)), 404);
        const say = find("sayInRoom");
        const nobody = place(say).replace("lobby", "nobody-is-here");
        assertDescribed(say, await ask(gateway(), "POST", nobody, { key: KEY, body: { text: "x" } }), 404);
    });

    test("while Redis is away, as it says", async (t) => {
        const away = await testSite(t, { gateways: 1, flags: { "api-key": KEY, ...LIVEKIT } });
        await away.redis.kill();
        for (const operation of operations) {
            const answer = await ask(away.gateways[0], operation.method, place(operation), {
                ...lettingIn(operation),
                body: bodiesOf(operation)[0],
            });
            assertDescribed(operation, answer, "503" in operation.operation.responses ? 503 : 200);
        }
        await away.redis.start();
    });
});
