// The overview's need for a script: links to the other pages bring along what the address says behind #: the token; to the
// timeline also the backend's key; to the chart the processes.

import "./icons.js";
import { $, tokenInLinks } from "./page.js";
import { findProcesses } from "./processes.js";
import { fragmentToken } from "./token.js";

function link() {
    const token = fragmentToken();
    const processes = findProcesses();
    tokenInLinks(token);
    keyInLinks();
    $("chart").hidden = processes.length === 0;
    if (processes.length > 0) {
        const parameters = { processes: processes.map(({ text }) => text).join(), pages: location.origin };
        const params = new URLSearchParams(token ? { ...parameters, token } : parameters);
        $("chart").href = `${processes[0].url}/#${params}`;
    }
}

function keyInLinks() {
    const key = new URLSearchParams(location.hash.slice(1)).get("key");
    for (const timeline of key ? document.querySelectorAll('a[href^="/timeline"]') : []) {
        timeline.hash += `${timeline.hash ? "&" : ""}key=${encodeURIComponent(key)}`;
    }
}

addEventListener("hashchange", link);
link();
