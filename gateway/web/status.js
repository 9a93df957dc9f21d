// The page of the admin listener: what the processes do, this one or those that the address names behind #.
//
//   processes   host:port of their admin listeners, with commas between them
//   pages       where the other pages are: the public listener, or what stands in front of it
//   token       for the links to those

import { Chart, colour } from "./chart.js";
import { Meter } from "./meter.js";
import { $, partsOf, setText, template } from "./page.js";
import { findProcesses, isProcessList, keepProcesses, readProcesses } from "./processes.js";
import { fragmentToken, withToken } from "./token.js";

const LOOK_MS = 1000;
const ANSWER_LIMIT_MS = 3000;
const STATUS = { unknown: ["connecting", "Asking"], up: ["online", "Up"], down: ["stopped", "No answer"] };

const item = template(`<li>
  <i class="mark"></i><b data-part="name"></b>
  <span class="link-state" data-part="status"></span>
  <span class="hint" data-part="facts"></span>
</li>`);

const whole = (value) => Math.round(value).toLocaleString("en");
const perSecond = (value) => (value < 9.95 ? Number(value.toFixed(1)).toString() : whole(value));
const known = (format) => (value) => (Number.isFinite(value) ? format(value) : "–");
const total = (key, format) => (points) => known(format)(points.reduce((sum, point) => sum + (point[key] || 0), 0));

function duration(seconds) {
    return seconds < 1 ? `${Number((seconds * 1000).toPrecision(2))} ms` : `${Number(seconds.toPrecision(2))} s`;
}

function worst(points) {
    const most = Math.max(...points.map(({ p99 }) => p99).filter(Number.isFinite));
    return Number.isFinite(most) ? `p99 ${duration(most)}` : "";
}

const CHARTS = [
    {
        title: "Connections",
        keys: ["connections"],
        least: 4,
        format: whole,
        tell: (point) => known(whole)(point.connections),
        sum: total("connections", whole),
    },
    {
        title: "Delivery latency, p99 and dotted p50",
        keys: ["p99", "p50"],
        least: 0.001,
        format: duration,
        tell: ({ p50, p99 }) =>
            Number.isFinite(p99) ? `p50 ${duration(p50)}, p99 ${duration(p99)}` : "nothing delivered lately",
        sum: worst,
    },
    {
        title: "Messages in, per second",
        keys: ["received"],
        least: 10,
        format: perSecond,
        tell: (point) => known(perSecond)(point.received),
        sum: total("received", perSecond),
    },
    {
        title: "Messages out, per second",
        keys: ["sent"],
        least: 10,
        format: perSecond,
        tell: (point) => known(perSecond)(point.sent),
        sum: total("sent", perSecond),
    },
];

let processes = []; // {meter, url, isAsked, parts}
let charts = [];

function begin() {
    const found = findProcesses();
    const { host, origin } = location;
    const list = found.length > 0 ? found : [{ text: host, name: host, url: origin }];
    processes = list.map(({ name, url }) => {
        const root = item();
        return { meter: new Meter(name), url, isAsked: false, root, parts: partsOf(root) };
    });
    charts = CHARTS.map((options) => new Chart(options));
    $("processes").value = list.map(({ text }) => text).join(", ");
    $("list").replaceChildren(...processes.map(({ root }) => root));
    $("charts").replaceChildren(...charts.map(({ root }) => root));
    linkPages();
    tick();
}

function linkPages() {
    const pages = new URLSearchParams(location.hash.slice(1)).get("pages") ?? "";
    const isKnown = /^https?:\/\//.test(pages) && URL.canParse(pages);
    $("pages").hidden = !isKnown;
    if (isKnown) {
        for (const link of document.querySelectorAll("[data-public]")) {
            link.href = new URL(withToken(new URL(link.href).pathname, fragmentToken()), pages);
        }
    }
}

async function look(process) {
    process.isAsked = true;
    let text = "";
    try {
        const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
        const answer = await fetch(`${process.url}/metrics`, { cache: "no-store", credentials: "omit", signal });
        text = answer.ok ? await answer.text() : "";
    } catch {
        // It is not there, or does not let us read: both show.
    }
    process.isAsked = false;
    process.meter.take(text, performance.now());
}

function tick() {
    for (const process of processes) {
        if (!process.isAsked) {
            look(process);
        }
    }
    const now = performance.now();
    const meters = processes.map(({ meter }) => meter);
    processes.forEach(drawProcess);
    charts.forEach((chart) => chart.draw(meters, now));
}

function drawProcess({ meter, root, parts }, number) {
    const [status, word] = STATUS[meter.status];
    colour(root, number);
    root.dataset.status = status;
    setText(parts.name, meter.name);
    setText(parts.status, word);
    const memory = `${(meter.memory / 1048576).toFixed(1)} MiB`;
    setText(parts.facts, meter.status === "up" ? `Redis ${meter.redisUp ? "up" : "away"}, ${memory}` : "");
}

function watch(event) {
    event.preventDefault();
    const text = $("processes").value;
    const isGood = isProcessList(text) && readProcesses(text).length > 0;
    $("processes-error").textContent = isGood ? "" : "Please name them as host:port, with commas between them.";
    if (isGood) {
        const params = new URLSearchParams(location.hash.slice(1));
        params.set("processes", text.trim().replace(/[\s,]+/g, ","));
        keepProcesses(params.get("processes"));
        history.replaceState(null, "", `#${params}`);
        begin();
    }
}

$("processes-form").addEventListener("submit", watch);
addEventListener("hashchange", begin);
setInterval(tick, LOOK_MS);
begin();
