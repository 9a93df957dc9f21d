/* A WebSocket reader that is fed whatever the test makes of frames, however it is cut. */
#ifndef SEGUE_TEST_WS_READER_STAGE_H
#define SEGUE_TEST_WS_READER_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/net/ws_reader.h"

enum {
    MAX_MESSAGE = 1000,
    CONT = 0,
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10,
    FIN = 0x80,
    RSV1 = 0x40,
    RSV2 = 0x20,
    RSV3 = 0x10,
    BORDERS_MAX = 16
};

/* What a client sends, and where in it the reader is at a boundary. */
struct input {
    struct buf bytes;
    size_t borders[BORDERS_MAX];
    size_t border_count;
    bool fragmented; /* a message is not complete */
};

/* What a reader said. Messages as T(...) and B(...), pings I, pongs O, in order; replies apart,
 * since pongs that are due together leave together. */
struct record {
    struct buf log;
    struct buf replies;
    struct ws_reader *stop; /* to be stopped at the next message; NULL = go on */
    enum ws_outcome outcome;
    enum reason reason;
    size_t used; /* bytes fed when it ended */
};

/* ---- what is sent ---- */

/* A header alone, masked, of so many announced bytes in the shortest form. */
static inline void add_head(struct input *input, unsigned first, uint64_t len)
{
    struct buf *to = &input->bytes;
    size_t bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

    buf_add_char(to, (char)first);
    buf_add_char(to, (char)(0x80 | (bytes == 0 ? len : bytes == 2 ? 126 : 127)));
    for (size_t i = 0; i < bytes; i++) {
        buf_add_char(to, (char)(len >> (8 * (bytes - 1 - i))));
    }
    buf_add(to, STR("\x12\x34\x56\x78"));
}

static inline void add_frame(struct input *input, unsigned first, struct str payload)
{
    static const char mask[] = "\x12\x34\x56\x78";
    unsigned opcode = first & 0x0f;

    add_head(input, first, payload.len);
    for (size_t i = 0; i < payload.len; i++) {
        buf_add_char(&input->bytes, (char)(payload.at[i] ^ mask[i % 4]));
    }
    if (opcode < CLOSE) {
        input->fragmented = !(first & FIN);
    }
    if (!input->fragmented) {
        assert_true(input->border_count < BORDERS_MAX);
        input->borders[input->border_count++] = input->bytes.len;
    }
}

static inline bool is_border(const struct input *input, size_t at)
{
    for (size_t i = 0; i < input->border_count; i++) {
        if (input->borders[i] == at) {
            return true;
        }
    }
    return false;
}

/* ---- what comes out ---- */

static inline void on_message(void *owner, struct str bytes, bool text)
{
    struct record *record = owner;

    buf_addf(&record->log, "%c(", text ? 'T' : 'B');
    buf_add(&record->log, bytes);
    buf_add_char(&record->log, ')');
    if (record->stop != NULL) {
        ws_reader_stop(record->stop);
    }
}

static inline void on_ping(void *owner)
{
    buf_add_char(&((struct record *)owner)->log, 'I');
}

static inline void on_pong(void *owner)
{
    buf_add_char(&((struct record *)owner)->log, 'O');
}

static inline void on_reply(void *owner, struct str frame)
{
    assert_true(frame.len > 0);
    buf_add(&((struct record *)owner)->replies, frame);
}

static const struct ws_events events = {on_message, on_ping, on_pong, on_reply};

static inline void finish(struct record *record)
{
    buf_finish(&record->log);
    buf_finish(&record->replies);
}

/* One piece, from memory of exact size. False when the reader came to its end. */
static inline bool feed(struct ws_reader *reader, struct record *record, struct str piece)
{
    char *copy = mem_alloc(piece.len);

    memcpy(copy, piece.at, piece.len);
    record->reason = REASON_COUNT;
    record->outcome =
        ws_reader_feed(reader, &events, record, str_from(copy, piece.len), &record->reason);
    mem_free(copy);
    record->used += piece.len;
    return record->outcome == WS_BOUNDARY || record->outcome == WS_MORE;
}

/* Pieces of so many bytes, the first of another size. At each cut the reader must know whether
 * that is a boundary. */
static inline void run(const struct input *input, size_t first, size_t step,
                       struct record *record)
{
    struct ws_reader *reader = ws_reader_create(MAX_MESSAGE);
    struct str rest = buf_str(&input->bytes);
    size_t size = first;

    memset(record, 0, sizeof(*record));
    record->outcome = WS_BOUNDARY;
    while (rest.len > 0) {
        struct str piece = str_from(rest.at, size < rest.len ? size : rest.len);

        if (!feed(reader, record, piece)) {
            break;
        }
        assert_int_equal(record->outcome == WS_BOUNDARY, is_border(input, record->used));
        rest = str_skip(rest, piece.len);
        size = step;
    }
    ws_reader_destroy(reader);
}

/* The bytes whole, byte by byte and split at each offset say the same. */
static inline void assert_input(struct input *input, const char *log, struct str replies,
                                enum ws_outcome outcome, enum reason reason)
{
    size_t len = input->bytes.len;

    for (size_t split = 0; split <= len; split++) {
        struct record record;

        /* offset 0 stands for byte by byte, the last one for whole */
        run(input, split == 0 ? 1 : split, split == 0 ? 1 : len, &record);
        if (record.outcome != outcome || record.reason != reason) {
            fail_msg("split at %zu of %zu: outcome %d, reason %d", split, len,
                     (int)record.outcome, (int)record.reason);
        }
        assert_str(buf_str(&record.log), log);
        if (!str_equal(buf_str(&record.replies), replies)) {
            fail_msg("split at %zu: other replies (%zu bytes)", split, record.replies.len);
        }
        finish(&record);
    }
    buf_finish(&input->bytes);
}

static inline void assert_good(struct input *input, const char *log)
{
    assert_input(input, log, str_from(NULL, 0), WS_BOUNDARY, REASON_COUNT);
}

static inline void assert_bad(struct input *input, const char *log, enum reason reason)
{
    assert_input(input, log, str_from(NULL, 0), WS_FAILED, reason);
}

#endif
