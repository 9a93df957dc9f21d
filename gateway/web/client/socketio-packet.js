// Socket.IO v5's packets as text and attachments, and back. Pure: no connection, no timer.
//
//   452-/rooms,7["message",{"_placeholder":true,"num":0}]        then two binary frames
//   |||   |    |  data: JSON
//   |||   |    acknowledgement id, when one is wanted or given
//   |||   namespace, when it is not /
//   ||attachments that follow, when the type is binary
//   |type of the packet
//   Engine.IO's "message"; not part of what is read and written here

/**
 * @typedef {object} Packet
 * @property {number} type        one of the constants below; the two binary types are read as EVENT and ACK
 * @property {string} namespace
 * @property {number} [id]
 * @property {any} [data]
 */

export const CONNECT = 0;
export const DISCONNECT = 1;
export const EVENT = 2;
export const ACK = 3;
export const CONNECT_ERROR = 4;

const BINARY_STEP = 3; // BINARY_EVENT is 5, BINARY_ACK is 6
const FORM = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d+)?/;
const MOST_ATTACHMENTS = 1000;

/**
 * @param {Packet} packet
 * @returns {(string | ArrayBuffer | ArrayBufferView)[]} the text, and the attachments that follow it
 */
export function encode({ type, namespace, id, data }) {
    const attachments = [];
    const body = data === undefined ? "" : JSON.stringify(lift(data, attachments));
    const head = attachments.length > 0 ? `${type + BINARY_STEP}${attachments.length}-` : String(type);
    return [`${head}${namespace === "/" ? "" : `${namespace},`}${id ?? ""}${body}`, ...attachments];
}

function isBinary(value) {
    return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

// The same value with placeholders where bytes stood.
function lift(value, attachments) {
    if (isBinary(value)) {
        attachments.push(value);
        return { _placeholder: true, num: attachments.length - 1 };
    }
    if (Array.isArray(value)) {
        return value.map((one) => lift(one, attachments));
    }
    if (value !== null && typeof value === "object" && typeof value.toJSON !== "function") {
        return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, lift(one, attachments)]));
    }
    return value;
}

function lower(value, attachments) {
    if (Array.isArray(value)) {
        return value.map((one) => lower(one, attachments));
    }
    if (value === null || typeof value !== "object") {
        return value;
    }
    if (value._placeholder === true) {
        if (!Number.isInteger(value.num) || !(value.num in attachments)) {
            throw new Error("a placeholder without its attachment");
        }
        return attachments[value.num];
    }
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, lower(one, attachments)]));
}

/** Puts packets together from texts and the attachments that follow them. Throws what is no packet. */
export class Decoder {
    #waiting = null; // {packet, due, attachments}

    /**
     * @param {string | ArrayBuffer} frame
     * @returns {Packet | null} null: attachments are still to come
     */
    add(frame) {
        return typeof frame === "string" ? this.#addText(frame) : this.#addBytes(frame);
    }

    #addText(text) {
        const [head, type, due, namespace = "/", id] = text.match(FORM) ?? [];
        if (this.#waiting || head === undefined) {
            throw new Error("not a packet");
        }
        const binary = Number(type) > CONNECT_ERROR;
        if (binary !== (due !== undefined) || Number(due ?? 0) > MOST_ATTACHMENTS) {
            throw new Error("a wrong number of attachments");
        }
        const rest = text.slice(head.length);
        /** @type {Packet} */
        const packet = {
            type: binary ? Number(type) - BINARY_STEP : Number(type),
            namespace,
            id: id === undefined ? undefined : Number(id),
            data: rest === "" ? undefined : JSON.parse(rest),
        };
        check(packet);
        if (Number(due ?? 0) === 0) {
            return packet;
        }
        this.#waiting = { packet, due: Number(due), attachments: [] };
        return null;
    }

    #addBytes(bytes) {
        if (!this.#waiting) {
            throw new Error("an attachment that nobody announced");
        }
        const { packet, due, attachments } = this.#waiting;
        attachments.push(bytes);
        if (attachments.length < due) {
            return null;
        }
        this.#waiting = null;
        return { ...packet, data: lower(packet.data, attachments) };
    }
}

/** @param {Packet} packet */
function check({ type, id, data }) {
    const isList = Array.isArray(data);
    if (
        (type === EVENT && (!isList || typeof data[0] !== "string")) ||
        (type === ACK && (!isList || id === undefined))
    ) {
        throw new Error("a packet without its content");
    }
}
