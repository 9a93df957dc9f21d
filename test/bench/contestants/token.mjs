// Tokens of the Node servers. The key is made once: jsonwebtoken would try a text as a public key first, each time, which
// takes ten times as long as all the rest.

import { createSecretKey } from "node:crypto";

import jwt from "jsonwebtoken";

const key = createSecretKey(Buffer.from(process.env.SECRET));

// The user; throws when the token is not good.
export function userOf(token) {
    return String(jwt.verify(token, key, { algorithms: ["HS256"] }).sub);
}
