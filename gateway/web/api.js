// The page of the HTTP API: the OpenAPI document that the gateway serves, as people read it.
//
// Everything is put together from elements and texts: nothing in the document can become markup.

import { $, element, setText, tokenInLinks } from "./page.js";
import { fragmentToken } from "./token.js";

const DOCUMENT = "/api/openapi.json";
const SECRETS = { token: "$token", apiKey: "$key" };

let api = null;

// ---- elements ----

// An element with children: nodes, or texts; what is null is left out.
function node(name, className, ...children) {
    const made = element(name, "", className);
    made.append(...children.flat().filter((child) => child !== null && child !== ""));
    return made;
}

// A text with `code` in it.
function prose(text = "") {
    return text.split("`").map((part, i) => (i % 2 ? element("code", part) : part));
}

function paragraphs(text = "") {
    return text.split("\n\n").map((part) => node("p", "", prose(part)));
}

function sample(value) {
    return element("pre", typeof value === "string" ? value : JSON.stringify(value, null, 2), "sample");
}

// ---- the document ----

function resolve(part) {
    return part?.$ref ? part.$ref.slice(2).split("/").reduce((at, name) => at[name], api) : part;
}

// What a value may be, in a word or two: "string", "array of objects", "play, pause, ...".
function kindOf(schema) {
    if (schema.enum) {
        return schema.enum.join(", ");
    }
    if ("const" in schema) {
        return JSON.stringify(schema.const);
    }
    if (schema.type === "array") {
        return `list of ${kindOf(resolve(schema.items) ?? {})}`;
    }
    return [schema.type ?? "any JSON"].flat().join(" or ");
}

function boundsOf(schema) {
    const { minLength, maxLength, minimum, maxItems, pattern, format } = schema;
    return [
        maxLength !== undefined && `${minLength ?? 0} to ${maxLength} characters`,
        maxLength === undefined && minLength > 0 && "not empty",
        minimum !== undefined && `${minimum} or more`,
        maxItems !== undefined && `up to ${maxItems}`,
        pattern && `like ${pattern}`,
        format,
    ]
        .filter(Boolean)
        .join("; ");
}

// The fields of an object, those of objects inside it under their own names: [{name, schema, required}].
function fieldsOf(schema, before = "") {
    return Object.entries(schema.properties ?? {}).flatMap(([key, part]) => {
        const field = resolve(part);
        const inner = field.type === "array" ? resolve(field.items) : field;
        const name = before + key;
        const deeper = field.type === "array" ? `${name}[].` : `${name}.`;
        return [{ name, schema: field, required: schema.required?.includes(key) ?? false }, ...fieldsOf(inner, deeper)];
    });
}

// ---- parts of an operation ----

function fieldList(fields) {
    return node(
        "dl",
        "fields-of",
        fields.flatMap(({ name, schema, required, description }) => {
            const said = description ?? schema.description;
            const bounds = boundsOf(schema);
            return [
                node("dt", "", element("code", name), required ? null : element("small", " optional")),
                node(
                    "dd",
                    "",
                    element("span", kindOf(schema), "kind"),
                    bounds && element("span", `, ${bounds}`, "kind"),
                    said ? [": ", ...prose(said)] : null,
                ),
            ];
        }),
    );
}

function parameterList(parameters) {
    const kinds = { path: "in the path", header: "header", query: "in the query" };
    return fieldList(
        parameters.map((parameter) => ({
            name: parameter.name,
            schema: resolve(parameter.schema),
            required: parameter.required ?? false,
            description: `${kinds[parameter.in]}. ${parameter.description ?? ""}`,
        })),
    );
}

function whoMayAsk({ security }) {
    const names = security.flatMap((scheme) => Object.keys(scheme));
    const known = names.map((name) => api.components.securitySchemes[name]);
    const anybody = security.some((scheme) => Object.keys(scheme).length === 0);
    const [first] = known;
    return node("p", "who-asks", anybody ? "Anybody, unless the gateway wants a token. " : "", prose(first.description), ".");
}

// As a shell would say it.
function commandLine(method, path, parameters, operation, body) {
    const values = Object.fromEntries(parameters.map(({ name, example }) => [name, example]));
    const url = location.origin + path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));
    const [scheme] = operation.security.flatMap((one) => Object.keys(one));
    const header = scheme === "apiKey" ? `X-API-Key: ${SECRETS.apiKey}` : `Authorization: Bearer ${SECRETS.token}`;
    const data = body === undefined ? (method === "POST" ? " -d '{}'" : "") : ` -d '${JSON.stringify(body)}'`;
    return `curl -H "${header}"${data} \\\n  ${url}`;
}

function answerNode(status, answer) {
    const content = answer.content["application/json"];
    const good = status < 300;
    const parts = [
        node(
            "summary",
            "",
            element("b", status, good ? "status good" : "status bad"),
            " ",
            ...prose(answer.description),
        ),
    ];
    const fields = fieldsOf(resolve(content.schema));
    if (good && fields.length > 0) {
        parts.push(fieldList(fields));
    }
    parts.push(sample(content.example));
    const box = node("details", "answer", parts);
    box.open = good;
    return box;
}

function operationNode({ method, path, item, operation }) {
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
    const content = operation.requestBody?.content["application/json"];
    const examples = content ? Object.values(content.examples) : [{ value: undefined }];
    const box = node(
        "article",
        "operation",
        node("h3", "", element("b", method, "method"), " ", element("code", path)),
        element("p", operation.summary, "summary"),
        paragraphs(operation.description),
        whoMayAsk(operation),
        parameters.length > 0 ? [element("h4", "Parameters"), parameterList(parameters)] : [],
        content ? [element("h4", "Body"), fieldList(fieldsOf(resolve(content.schema)))] : [],
        element("h4", examples.length > 1 ? "Examples" : "Example"),
        examples.map(({ value }) => sample(commandLine(method, path, parameters, operation, value))),
        element("h4", "Answers"),
        Object.entries(operation.responses).map(([status, answer]) => answerNode(status, resolve(answer))),
    );
    box.id = operation.operationId;
    return box;
}

// ---- the page ----

function operationsOf(tag) {
    return Object.entries(api.paths).flatMap(([path, item]) =>
        Object.entries(item)
            .filter(([, operation]) => operation.tags?.includes(tag))
            .map(([method, operation]) => ({ method: method.toUpperCase(), path, item, operation })),
    );
}

function contentsNode(tag) {
    const links = operationsOf(tag.name).map(({ operation }) => {
        const link = element("a", operation.summary);
        link.href = `#${operation.operationId}`;
        return node("li", "", link);
    });
    return node("div", "", element("h2", tag.name), node("ul", "", links));
}

function sectionNode(tag) {
    return node(
        "section",
        "",
        element("h2", tag.name),
        node("p", "hint", prose(tag.description)),
        operationsOf(tag.name).map(operationNode),
    );
}

function show() {
    setText($("title"), api.info.summary);
    $("about").append(...paragraphs(api.info.description), element("p", `Version ${api.info.version}`, "hint"));
    $("contents").append(...api.tags.map(contentsNode));
    $("operations").append(...api.tags.map(sectionNode));
    $("stage").hidden = false;
    if (location.hash) {
        document.getElementById(location.hash.slice(1))?.scrollIntoView();
    }
}

async function load() {
    try {
        const answer = await fetch(DOCUMENT);
        if (!answer.ok) {
            throw new Error(`status ${answer.status}`);
        }
        api = await answer.json();
        show();
    } catch (error) {
        setText($("failure"), `The description could not be loaded: ${error.message}.`);
    }
}

tokenInLinks(fragmentToken());
load();
