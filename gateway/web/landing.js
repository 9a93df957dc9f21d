// The overview's need for a script: links to the other pages bring the token along, and the one to the chart brings the
// processes too, when the address names them.

import "./icons.js";
import { $, tokenInLinks } from "./page.js";
import { findProcesses } from "./processes.js";
import { fragmentToken } from "./token.js";

function link() {
    const token = fragmentToken();
    const processes = findProcesses();
    tokenInLinks(token);
    $("chart").hidden = processes.length === 0;
    if (processes.length > 0) {
        const parameters = { processes: processes.map(({ text }) => text).join(), pages: location.origin };
        const params = new URLSearchParams(token ? { ...parameters, token } : parameters);
        $("chart").href = `${processes[0].url}/#${params}`;
    }
}

addEventListener("hashchange", link);
link();
