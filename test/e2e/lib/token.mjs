// Token: JWTs of every kind, the broken ones too, made with node:crypto alone.

import { createHmac, generateKeyPairSync, sign } from "node:crypto";

export const SECRET = "the-tests-secret-of-enough-bytes-for-hs512-0123456789abcdef-0123456789";

const DAY_S = 86400;

export function seconds(ahead = 0) {
    return Math.floor(Date.now() / 1000) + ahead;
}

export function base64url(value) {
    return Buffer.from(typeof value === "string" || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString(
        "base64url",
    );
}

const EC_CURVES = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };

// {alg, privateKey, pem}: a key pair that suits the algorithm.
export function keyPair(alg) {
    const { publicKey, privateKey } = alg.startsWith("RS")
        ? generateKeyPairSync("rsa", { modulusLength: 2048 })
        : generateKeyPairSync("ec", { namedCurve: EC_CURVES[alg] });
    return { alg, privateKey, pem: publicKey.export({ type: "spki", format: "pem" }) };
}

function signature(alg, key, text) {
    const hash = `sha${alg.slice(2)}`;
    switch (alg.slice(0, 2)) {
        case "HS":
            return createHmac(hash, key).update(text).digest();
        case "RS":
            return sign(hash, Buffer.from(text), key);
        case "ES":
            return sign(hash, Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
        default:
            return Buffer.alloc(0);
    }
}

// A token with exactly these claims. header: further members of its header; alg there may lie about the signature.
export function mint(claims, { alg = "HS256", key = SECRET, header = {} } = {}) {
    const text = `${base64url({ alg, typ: "JWT", ...header })}.${base64url(claims)}`;
    return `${text}.${base64url(signature(alg, key, text))}`;
}

// A good token of a user.
export function tokenOf(user, { claims = {}, ...how } = {}) {
    return mint({ sub: user, exp: seconds(DAY_S), ...claims }, how);
}
