/* Bytes of one WebSocket client to messages: wslay's event context.
 *
 * wslay would collect messages in a list of chunks; with its buffering off, frames arrive as
 * they are and are put together here in one buffer that is kept from message to message. wslay
 * checks masks, reserved bits, opcodes, lengths and UTF-8. */
#include "gateway/net/ws_reader.h"

#include <string.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include "common/codec.h"
#include "common/mem.h"

enum {
    SPARE_ROOM = 16384, /* a message buffer larger than this is not kept */
    MASKED_HEAD = 6,    /* shortest header of a client's frame */
    LENGTH_16 = 126,    /* payloads from here on have a longer header */
    CODE_BYTES = 2      /* of a close frame, before its text */
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
    uint64_t owed;       /* bytes given to wslay that no complete frame has accounted for */
    uint64_t frame_bytes;
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
    reader->frame_bytes = MASKED_HEAD + arg->payload_length;
    if (arg->payload_length >= LENGTH_16) {
        reader->frame_bytes += arg->payload_length <= UINT16_MAX ? 2 : 8;
    }
    reader->in_control = wslay_is_ctrl_frame(arg->opcode);
    if (reader->in_control) {
        if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1) {
            fail(reader, REASON_PROTOCOL); /* half a code */
        }
        return;
    }
    reader->in_message = true;
    if (reader->message.len + arg->payload_length > reader->max_message) {
        fail(reader, REASON_TOO_BIG);
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

static void on_frame_end(wslay_event_context_ptr wslay, void *data)
{
    struct ws_reader *reader = data;

    (void)wslay;
    reader->owed -= reader->frame_bytes;
}

static void take_close(struct ws_reader *reader, const struct wslay_event_on_msg_recv_arg *arg)
{
    struct str text = str_skip(str_from((const char *)arg->msg, arg->msg_length), CODE_BYTES);

    reader->closed = true;
    if (!codec_is_utf8(text)) {
        fail(reader, REASON_BAD_TEXT);
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
        take_close(reader, arg);
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
    .on_frame_recv_end_callback = on_frame_end,
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
                                               UINT64_MAX >> 1); /* checked in on_frame_start */
    reader->max_message = max_message;
    reader->failed = REASON_COUNT;
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

struct ws_reader **ws_reader_next(struct ws_reader *reader)
{
    return &reader->next;
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

enum ws_outcome ws_reader_feed(struct ws_reader *reader, const struct ws_events *events,
                               void *owner, struct str bytes, enum reason *reason)
{
    reader->input = bytes;
    reader->owed += bytes.len;
    reader->events = events;
    reader->owner = owner;
    if (wslay_event_recv(reader->wslay) != 0) {
        fail(reader, REASON_PROTOCOL);
    }
    send_controls(reader);
    if (reader->failed != REASON_COUNT) {
        *reason = reader->failed;
        return WS_FAILED;
    }
    if (reader->closed) {
        return WS_CLOSED;
    }
    if (reader->owed > 0 || reader->in_message) {
        return WS_MORE;
    }
    if (reader->message.room > SPARE_ROOM) {
        buf_finish(&reader->message);
    }
    return WS_BOUNDARY;
}
