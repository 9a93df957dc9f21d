// The overview's only need for a script: links to the player bring the token along.

import { fragmentToken, withToken } from "./token.js";

for (const link of document.querySelectorAll("a[data-keep-token]")) {
    link.href = withToken(link.pathname, fragmentToken());
}
