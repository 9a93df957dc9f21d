// The token: from the address's fragment, else what this tab has kept. Never in a query: queries are logged.

const KEY = "segue.token";
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export function fragmentToken() {
    return new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
}

export function findToken() {
    return fragmentToken() || recall();
}

export function keepToken(token) {
    try {
        sessionStorage.setItem(KEY, token);
    } catch {
        // A browser that keeps nothing for us: then the token lasts as long as the page.
    }
}

export function forgetToken() {
    try {
        sessionStorage.removeItem(KEY);
    } catch {
        // Nothing was kept.
    }
}

function recall() {
    try {
        return sessionStorage.getItem(KEY) ?? "";
    } catch {
        return "";
    }
}

export function looksLikeToken(text) {
    return FORM.test(text);
}

// The address of another page that brings the token along.
export function withToken(path, token) {
    return token ? `${path}#token=${encodeURIComponent(token)}` : path;
}

// Whom a token names and when it ends, to show it; only the server checks it. Null when it cannot be read.
export function readClaims(token) {
    try {
        const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
        const text = new TextDecoder().decode(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0)));
        const claims = JSON.parse(text);
        const user = claims.sub ?? claims.userId;
        return { user: user === undefined ? "" : String(user), expires: claims.exp ? claims.exp * 1000 : Infinity };
    } catch {
        return null;
    }
}
