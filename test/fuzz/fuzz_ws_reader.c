/* The WebSocket reader: hostile bytes, whole and in pieces, say the same, also when nothing but
 * a farewell is waited for; messages are bounded and text is UTF-8; a reader at a boundary is
 * as new.
 *
 * The input's first byte decides how the rest is cut. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/codec.h"
#include "common/mem.h"
#include "gateway/net/ws_reader.h"

enum {
    MAX_MESSAGE = 300
};

struct record {
    struct buf log; /* what was said, in order */
    struct buf replies;
    enum ws_outcome outcome;
    enum reason reason;
};

static void on_message(void *owner, struct str bytes, bool text)
{
    struct record *record = owner;

    MUST(bytes.len <= MAX_MESSAGE);
    MUST(!text || codec_is_utf8(bytes));
    buf_addf(&record->log, "%c%zu:", text ? 'T' : 'B', bytes.len);
    buf_add(&record->log, bytes);
}

static void on_ping(void *owner)
{
    buf_add_char(&((struct record *)owner)->log, 'I');
}

static void on_pong(void *owner)
{
    buf_add_char(&((struct record *)owner)->log, 'O');
}

static void on_reply(void *owner, struct str frame)
{
    MUST(frame.len >= 2);
    buf_add(&((struct record *)owner)->replies, frame);
}

static const struct ws_events events = {on_message, on_ping, on_pong, on_reply};

/* Feeds the bytes in pieces of `size` (which changes by `step`), each from memory of its own.
 */
static void feed(struct ws_reader *reader, struct str bytes, size_t size, size_t step,
                 struct record *record)
{
    record->outcome = WS_BOUNDARY;
    record->reason = REASON_COUNT;
    while (bytes.len > 0 && (record->outcome == WS_BOUNDARY || record->outcome == WS_MORE)) {
        size_t len = size < bytes.len ? size : bytes.len;
        char *piece = mem_copy(bytes.at, len);

        record->outcome =
            ws_reader_feed(reader, &events, record, str_from(piece, len), &record->reason);
        mem_free(piece);
        bytes = str_skip(bytes, len);
        size = 1 + (size + step) % 64;
    }
}

/* Whether a farewell is found in the bytes; once it is, it stays so. */
static bool part(struct ws_reader *reader, struct str bytes, size_t size, size_t step)
{
    bool parted = false;

    while (bytes.len > 0) {
        size_t len = size < bytes.len ? size : bytes.len;
        char *piece = mem_copy(bytes.at, len);
        bool now = ws_reader_part(reader, str_from(piece, len));

        MUST(now || !parted);
        parted = now;
        mem_free(piece);
        bytes = str_skip(bytes, len);
        size = 1 + (size + step) % 64;
    }
    return parted;
}

static void must_agree(const struct record *a, const struct record *b)
{
    MUST(a->outcome == b->outcome);
    MUST(a->reason == b->reason);
    MUST((a->outcome == WS_FAILED) == (a->reason != REASON_COUNT));
    MUST(str_equal(buf_str(&a->log), buf_str(&b->log)));
    /* a pong that is still due when the end comes is not sent any more */
    MUST(a->outcome == WS_FAILED || a->outcome == WS_CLOSED ||
         str_equal(buf_str(&a->replies), buf_str(&b->replies)));
}

static void finish(struct record *record)
{
    buf_finish(&record->log);
    buf_finish(&record->replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_from((const char *)data, size);
    struct ws_reader *whole = ws_reader_create(MAX_MESSAGE);
    struct ws_reader *pieces = ws_reader_create(MAX_MESSAGE);
    struct record first = {0}, second = {0}, again = {0};
    size_t cut = size > 0 ? data[0] : 0;

    bytes = str_skip(bytes, 1);
    feed(whole, bytes, bytes.len, 0, &first);
    feed(pieces, bytes, 1 + cut % 16, cut / 16, &second);
    must_agree(&first, &second);
    if (first.outcome == WS_BOUNDARY) {
        feed(pieces, bytes, bytes.len, 0, &again);
        must_agree(&first, &again);
    }
    if (first.outcome == WS_BOUNDARY || first.outcome == WS_MORE) {
        ws_reader_stop(whole);
        ws_reader_stop(pieces);
        MUST(part(whole, bytes, bytes.len, 0) == part(pieces, bytes, 1 + cut % 16, cut / 16));
    }
    ws_reader_destroy(whole);
    ws_reader_destroy(pieces);
    finish(&first);
    finish(&second);
    finish(&again);
    return 0;
}
