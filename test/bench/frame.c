/* WebSocket frames, the client's side: short ones, whole, masked on the way out. */
#include "test/bench/frame.h"

#include <string.h>

enum {
    FINAL = 0x80,
    MASKED = 0x80,
    SHORT_MAX = 125,
    TWO_BYTES = 126
};

static void mask_bytes(char *at, size_t length, uint32_t mask)
{
    uint64_t wide = mask | (uint64_t)mask << 32;
    size_t i = 0;

    for (; i + 8 <= length; i += 8) {
        uint64_t part;

        memcpy(&part, at + i, 8);
        part ^= wide;
        memcpy(at + i, &part, 8);
    }
    for (; i < length; i++) {
        at[i] = (char)(at[i] ^ (char)(mask >> 8 * (i % 4)));
    }
}

void frame_write(enum frame_kind kind, struct str payload, uint32_t mask, struct buf *to)
{
    char *start = buf_reserve(to, payload.len + FRAME_HEAD_MAX);
    char *at = start;

    *at++ = (char)(FINAL | kind);
    if (payload.len <= SHORT_MAX) {
        *at++ = (char)(MASKED | payload.len);
    } else {
        *at++ = (char)(MASKED | TWO_BYTES);
        *at++ = (char)(payload.len >> 8);
        *at++ = (char)payload.len;
    }
    memcpy(at, &mask, 4);
    at += 4;
    memcpy(at, payload.at, payload.len);
    mask_bytes(at, payload.len, mask);
    to->len += (size_t)(at - start) + payload.len;
}

enum frame_read frame_read(struct str bytes, enum frame_kind *kind, struct str *payload,
                           size_t *size)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    size_t head = 2, length;

    if (bytes.len < 2) {
        return FRAME_MORE;
    }
    length = at[1];
    if ((at[0] & 0xf0) != FINAL || length > TWO_BYTES) {
        return FRAME_BAD;
    }
    if (length == TWO_BYTES) {
        head = 4;
        if (bytes.len < head) {
            return FRAME_MORE;
        }
        length = (size_t)at[2] << 8 | at[3];
    }
    if (bytes.len < head + length) {
        return FRAME_MORE;
    }
    *kind = (enum frame_kind)(at[0] & 0x0f);
    *payload = str_from(bytes.at + head, length);
    *size = head + length;
    return FRAME_DONE;
}
