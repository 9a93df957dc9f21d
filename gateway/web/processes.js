// Processes: where the gateways of a cluster answer for themselves: host:port of their admin listeners, in the address
// behind #, and kept in this tab.

const KEY = "segue.processes";
const FORM = /^(https?:\/\/)?((?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?)$/i;
const MOST = 64;

// "a:9090, https://b" -> [{text: "a:9090", name: "a:9090", url: "http://a:9090"}, {text: "https://b", name: "b", ...}].
// What is no address is left out.
export function readProcesses(text) {
    const found = new Map();
    for (const word of text.split(/[\s,]+/)) {
        const [, scheme = "http://", name] = word.match(FORM) ?? [];
        if (name && URL.canParse(scheme + name)) {
            found.set(name.toLowerCase(), { text: word, name, url: scheme.toLowerCase() + name });
        }
    }
    return [...found.values()].slice(0, MOST);
}

export function isProcessList(text) {
    return text.split(/[\s,]+/).every((word) => word === "" || FORM.test(word));
}

export function findProcesses() {
    const text = new URLSearchParams(location.hash.slice(1)).get("processes") ?? recall();
    keepProcesses(text);
    return readProcesses(text);
}

export function keepProcesses(text) {
    try {
        sessionStorage.setItem(KEY, text);
    } catch {
        // A browser that keeps nothing for us.
    }
}

function recall() {
    try {
        return sessionStorage.getItem(KEY) ?? "";
    } catch {
        return "";
    }
}
