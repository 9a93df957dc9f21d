/* WebSocket frames as a client writes and reads them. Pure. */
#ifndef SEGUE_BENCH_FRAME_H
#define SEGUE_BENCH_FRAME_H

#include <stdint.h>

#include "common/buf.h"

enum frame_kind {
    FRAME_TEXT = 1,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};

enum {
    FRAME_HEAD_MAX = 14
};

enum frame_read {
    FRAME_MORE,
    FRAME_DONE,
    FRAME_BAD /* masked, fragmented, compressed, or too long: no server here sends such */
};

/* Appends a frame, masked. */
void frame_write(enum frame_kind kind, struct str payload, uint32_t mask, struct buf *to);
/* Reads the frame at the front of `bytes`, and how many bytes it takes. */
enum frame_read frame_read(struct str bytes, enum frame_kind *kind, struct str *payload,
                           size_t *size);

#endif
