/* Bytes of one WebSocket client to messages: wslay's event context.
 *
 * wslay would collect messages in a list of chunks; with its buffering off, frames arrive as
 * they are and are put together here in one buffer that is kept from message to message. wslay
 * checks masks, reserved bits, opcodes, lengths and UTF-8.
 *
 * It tells of a frame only with the first byte of its payload, though, so the borders of frames
 * are followed here, one step ahead of it: that shows where everything is complete, and a
 * length beyond the limit as soon as it is announced. */
#include "gateway/net/ws_reader.h"

#include <string.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include "common/mem.h"

enum {
    SPARES_KEPT = 256,
    SPARE_ROOM = 16384, /* a message buffer larger than this is not kept */
    HEAD_MAX = 14,      /* bytes of a frame's header */
    MASK_BYTES = 4,
    MASKED = 0x80, /* bit of a header's second byte; the others are the length or ... */
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    OPCODE_BITS = 0x0f,
    OPCODE_CONTINUED = 0,
    OPCODE_CLOSE = 8 /* the first of the control frames */
};

/* Where in the stream of frames the next byte stands. */
struct border {
    unsigned char head[HEAD_MAX]; /* of the frame that begins */
    size_t head_len;
    uint64_t payload_left; /* of the frame under way */
    uint64_t message_len;  /* of the message under way, as announced */
    bool closing;          /* it is a close frame: the last that counts */
    enum reason wrong;     /* what the last header was refused for; REASON_COUNT = nothing */
};

struct ws_reader {
    wslay_event_context_ptr wslay; /* owned */
    struct ws_reader *next;
    uint64_t max_message;
    struct buf message;  /* of the frames so far */
    struct buf controls; /* frames that wslay wants to send */
    bool in_message;     /* a message is not complete */
    bool in_control;     /* the frame under way is a control frame */
    bool closed;         /* the peer's close frame came */
    enum reason failed;  /* REASON_COUNT = fine so far */
    struct border border;
    /* of the feed under way */
    struct str input;
    const struct ws_events *events;
    void *owner;
};

static void fail(struct ws_reader *reader, enum reason reason)
{
    if (reader->failed == REASON_COUNT) {
        reader->failed = reason;
    }
    wslay_event_shutdown_read(reader->wslay);
}

void ws_reader_stop(struct ws_reader *reader)
{
    fail(reader, REASON_LEFT);
}

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *to, size_t room, int flags,
                       void *data)
{
    struct ws_reader *reader = data;
    size_t count = reader->input.len < room ? reader->input.len : room;

    (void)flags;
    if (count == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, reader->input.at, count);
    reader->input = str_skip(reader->input, count);
    return (ssize_t)count;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *at, size_t len, int flags,
                       void *data)
{
    struct ws_reader *reader = data;

    (void)wslay;
    (void)flags;
    buf_add(&reader->controls, str_from((const char *)at, len));
    return (ssize_t)len;
}

static void on_frame_start(wslay_event_context_ptr wslay,
                           const struct wslay_event_on_frame_recv_start_arg *arg, void *data)
{
    struct ws_reader *reader = data;

    (void)wslay;
    reader->in_control = wslay_is_ctrl_frame(arg->opcode);
    if (!reader->in_control) {
        reader->in_message = true;
    } else if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1) {
        fail(reader, REASON_PROTOCOL); /* half a code */
    }
}

static void on_frame_chunk(wslay_event_context_ptr wslay,
                           const struct wslay_event_on_frame_recv_chunk_arg *arg, void *data)
{
    struct ws_reader *reader = data;

    (void)wslay;
    if (!reader->in_control && reader->failed == REASON_COUNT) {
        buf_add(&reader->message, str_from((const char *)arg->data, arg->data_length));
    }
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    struct ws_reader *reader = data;

    (void)wslay;
    if (reader->failed != REASON_COUNT) {
        return;
    }
    switch (arg->opcode) {
    case WSLAY_CONNECTION_CLOSE:
        reader->closed = true;
        break;
    case WSLAY_PING:
        reader->events->ping(reader->owner);
        break;
    case WSLAY_PONG:
        reader->events->pong(reader->owner);
        break;
    default:
        reader->in_message = false;
        reader->events->message(reader->owner, buf_str(&reader->message),
                                arg->opcode == WSLAY_TEXT_FRAME);
        buf_clear(&reader->message);
        break;
    }
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .on_frame_recv_start_callback = on_frame_start,
    .on_frame_recv_chunk_callback = on_frame_chunk,
    .on_msg_recv_callback = on_message,
};

struct ws_reader *ws_reader_create(uint64_t max_message)
{
    struct ws_reader *reader = mem_zero(sizeof(*reader));

    if (wslay_event_context_server_init(&reader->wslay, &callbacks, reader) != 0) {
        mem_free(reader);
        return NULL;
    }
    wslay_event_config_set_no_buffering(reader->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(reader->wslay,
                                               UINT64_MAX >> 1); /* checked by follow */
    reader->max_message = max_message;
    reader->failed = reader->border.wrong = REASON_COUNT;
    return reader;
}

void ws_reader_destroy(struct ws_reader *reader)
{
    if (reader != NULL) {
        wslay_event_context_free(reader->wslay);
        buf_finish(&reader->message);
        buf_finish(&reader->controls);
        mem_free(reader);
    }
}

/* wslay wants to send: a pong, the echo of a close, or a close because of what it met. */
static void send_controls(struct ws_reader *reader)
{
    if (!wslay_event_want_write(reader->wslay)) {
        return;
    }
    buf_clear(&reader->controls);
    if (wslay_event_send(reader->wslay) != 0) {
        fail(reader, REASON_INTERNAL);
    } else if (wslay_event_get_close_sent(reader->wslay) && !reader->closed) {
        fail(reader, wslay_event_get_status_code_sent(reader->wslay) ==
                             WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA
                         ? REASON_BAD_TEXT
                         : REASON_PROTOCOL);
    } else if (reader->failed == REASON_COUNT) {
        reader->events->reply(reader->owner, buf_str(&reader->controls));
    }
}

/* ---- the borders of frames ---- */

/* The length of a header that begins with these bytes, as far as they tell. */
static size_t head_size(const struct border *border)
{
    unsigned length = border->head_len < 2 ? 0 : border->head[1] & ~MASKED;
    size_t size = 2;

    size += length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    return border->head_len >= 2 && (border->head[1] & MASKED) ? size + MASK_BYTES : size;
}

static void take_head(struct border *border, uint64_t max_message)
{
    unsigned opcode = border->head[0] & OPCODE_BITS;
    uint64_t length = border->head[1] & ~MASKED;
    size_t bytes = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;

    for (size_t i = 0; i < bytes; i++) {
        length = (i == 0 ? 0 : length << 8) | border->head[2 + i];
    }
    border->head_len = 0;
    border->payload_left = length;
    if (!(border->head[1] & MASKED)) {
        border->wrong = REASON_PROTOCOL;
        return;
    }
    border->closing = opcode == OPCODE_CLOSE;
    if (opcode >= OPCODE_CLOSE) {
        return;
    }
    if (opcode != OPCODE_CONTINUED) {
        border->message_len = 0;
    }
    border->message_len += length;
    if (length > max_message || border->message_len > max_message) {
        border->wrong = REASON_TOO_BIG;
    }
}

/* Returns what wslay may see of the bytes: nothing behind a header that is refused, or behind
 * that of a close frame. */
static struct str follow(struct border *border, uint64_t max_message, struct str bytes)
{
    struct str rest = bytes;

    while (rest.len > 0 && border->wrong == REASON_COUNT && !border->closing) {
        if (border->payload_left > 0) {
            uint64_t count = border->payload_left < rest.len ? border->payload_left : rest.len;

            border->payload_left -= count;
            rest = str_skip(rest, count);
            continue;
        }
        border->head[border->head_len++] = (unsigned char)rest.at[0];
        rest = str_skip(rest, 1);
        if (border->head_len == head_size(border)) {
            take_head(border, max_message);
        }
    }
    return str_from(bytes.at, bytes.len - rest.len);
}

static bool at_border(const struct border *border)
{
    return border->head_len == 0 && border->payload_left == 0;
}

/* ---- feeding ---- */

static void give(struct ws_reader *reader, struct str bytes)
{
    reader->input = bytes;
    if (wslay_event_recv(reader->wslay) != 0) {
        fail(reader, REASON_PROTOCOL);
    }
}

/* wslay takes every piece of a close frame for one that begins with the code, so it gets the
 * payload in one. A message under way will never be complete: its buffer is free. */
static void give_close(struct ws_reader *reader, struct str bytes)
{
    struct border *border = &reader->border;
    size_t count = border->payload_left < bytes.len ? border->payload_left : bytes.len;

    buf_add(&reader->message, str_from(bytes.at, count));
    border->payload_left -= count;
    if (border->payload_left == 0) {
        give(reader, buf_str(&reader->message));
    }
}

static void skip_close(struct border *border, struct str bytes)
{
    border->payload_left -= border->payload_left < bytes.len ? border->payload_left : bytes.len;
}

static void feed(struct ws_reader *reader, struct str bytes)
{
    struct border *border = &reader->border;
    bool was_closing = border->closing;
    struct str seen = follow(border, reader->max_message, bytes);

    give(reader, seen);
    if (!border->closing) {
        return;
    }
    if (reader->failed != REASON_COUNT) {
        skip_close(border, str_skip(bytes, seen.len));
        return;
    }
    if (!was_closing) {
        buf_clear(&reader->message);
    }
    give_close(reader, str_skip(bytes, seen.len));
}

bool ws_reader_part(struct ws_reader *reader, struct str bytes)
{
    struct border *border = &reader->border;
    struct str seen = follow(border, reader->max_message, bytes);

    if (border->closing) {
        skip_close(border, str_skip(bytes, seen.len));
    }
    return border->wrong != REASON_COUNT || (border->closing && border->payload_left == 0);
}

enum ws_outcome ws_reader_feed(struct ws_reader *reader, const struct ws_events *events,
                               void *owner, struct str bytes, enum reason *reason)
{
    reader->events = events;
    reader->owner = owner;
    feed(reader, bytes);
    send_controls(reader);
    if (reader->border.wrong != REASON_COUNT && !reader->closed) {
        fail(reader, reader->border.wrong);
    }
    if (reader->failed != REASON_COUNT) {
        *reason = reader->failed;
        return WS_FAILED;
    }
    if (reader->closed) {
        return WS_CLOSED;
    }
    if (!at_border(&reader->border) || reader->in_message) {
        return WS_MORE;
    }
    if (reader->message.room > SPARE_ROOM) {
        buf_finish(&reader->message);
    }
    return WS_BOUNDARY;
}

/* ---- the pool ---- */

struct ws_reader *ws_reader_borrow(struct ws_reader_pool *pool, uint64_t max_message)
{
    struct ws_reader *reader = pool->first;

    if (reader == NULL) {
        return ws_reader_create(max_message);
    }
    pool->first = reader->next;
    pool->count--;
    return reader;
}

void ws_reader_return(struct ws_reader_pool *pool, struct ws_reader *reader)
{
    if (pool->count >= SPARES_KEPT) {
        ws_reader_destroy(reader);
        return;
    }
    reader->next = pool->first;
    pool->first = reader;
    pool->count++;
}

void ws_reader_free_pool(struct ws_reader_pool *pool)
{
    while (pool->first != NULL) {
        struct ws_reader *reader = pool->first;

        pool->first = reader->next;
        ws_reader_destroy(reader);
    }
}
