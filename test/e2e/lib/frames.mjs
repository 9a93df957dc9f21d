// Frames: WebSocket frames as bytes, correct ones and every other kind (RFC 6455, 5.2).

import { randomBytes } from "node:crypto";

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

function lengthBytes(length, form) {
    if (form === 64) {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64BE(BigInt(length));
        return [127, bytes];
    }
    if (form === 16) {
        const bytes = Buffer.alloc(2);
        bytes.writeUInt16BE(length);
        return [126, bytes];
    }
    return [length, Buffer.alloc(0)];
}

function shortestForm(length) {
    return length < 126 ? 7 : length < 65536 ? 16 : 64;
}

// rsv: the three reserved bits as a number; form: 7, 16 or 64 bits of length; length: what the head says, whatever the
// payload is.
export function frame(opcode, payload = "", { fin = true, rsv = 0, mask = true, form, length } = {}) {
    const bytes = Buffer.from(payload);
    const says = length ?? bytes.length;
    const [short, extended] = lengthBytes(says, form ?? shortestForm(Number(says)));
    const head = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode, (mask ? 0x80 : 0) | short]);
    if (!mask) {
        return Buffer.concat([head, extended, bytes]);
    }
    const key = randomBytes(4);
    const masked = Buffer.from(bytes.map((byte, i) => byte ^ key[i % 4]));
    return Buffer.concat([head, extended, key, masked]);
}

export function closeFrame(code, reason = "") {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(code);
    return frame(CLOSE, Buffer.concat([bytes, Buffer.from(reason)]));
}

// {fin, rsv, opcode, masked, payload, end} of the first frame in the bytes, or null when it is not complete.
export function parseFrame(bytes) {
    if (bytes.length < 2) {
        return null;
    }
    const masked = (bytes[1] & 0x80) !== 0;
    let length = bytes[1] & 0x7f;
    let at = 2;
    if (length >= 126) {
        const size = length === 126 ? 2 : 8;
        if (bytes.length < at + size) {
            return null;
        }
        length = size === 2 ? bytes.readUInt16BE(at) : Number(bytes.readBigUInt64BE(at));
        at += size;
    }
    at += masked ? 4 : 0;
    if (bytes.length < at + length) {
        return null;
    }
    return {
        fin: (bytes[0] & 0x80) !== 0,
        rsv: (bytes[0] >> 4) & 7,
        opcode: bytes[0] & 0xf,
        masked,
        payload: bytes.subarray(at, at + length),
        end: at + length,
    };
}
