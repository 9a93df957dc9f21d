/* Namespaces that say everything back. */
#include "common/json.h"
#include "test/conformance/rows.h"

#include "gateway/proto/socketio_core.h"

static void connect_at_once(struct sio_socket *socket, const cJSON *auth)
{
    struct buf body = {0};

    sio_accept(socket, str_from("", 0));
    buf_add_text(&body, "\"auth\",");
    if (auth != NULL) {
        json_add_item(&body, auth);
    } else {
        buf_add_text(&body, "{}");
    }
    sio_emit(socket, buf_str(&body));
    buf_finish(&body);
}

static void message_back(struct sio_socket *socket, const struct sio_event *event)
{
    struct buf body = {0};

    buf_add_text(&body, "\"message-back\"");
    if (event->args.len > 0) {
        buf_add_char(&body, ',');
        buf_add(&body, event->args);
    }
    if (!sio_emit_binary(socket, buf_str(&body), event->attachments, event->attachment_count)) {
        session_close(socket->session, REASON_SLOW);
    }
    buf_finish(&body);
}

static void message_acked(struct sio_socket *socket, const struct sio_event *event)
{
    if (event->wants_ack) {
        sio_ack(socket, event->ack, event->args, event->attachments, event->attachment_count);
    }
}

static void event(struct sio_socket *socket, const struct sio_event *event)
{
    if (str_equal(event->name, STR("message"))) {
        message_back(socket, event);
    } else if (str_equal(event->name, STR("message-with-ack"))) {
        message_acked(socket, event);
    }
}

static void nothing(struct sio_socket *socket)
{
    (void)socket;
}

static void nothing_to_keep(struct sio_socket *socket, struct buf *to)
{
    (void)socket;
    (void)to;
}

static bool nothing_to_load(struct sio_socket *socket, struct str saved, struct str marks)
{
    (void)socket;
    (void)saved;
    (void)marks;
    return true;
}

#define SPACE(text)                                                                            \
    {                                                                                          \
        .name = {(text), sizeof(text) - 1}, .size = sizeof(struct sio_socket),                 \
        .connect = connect_at_once, .event = event, .limited = nothing, .alive = nothing,      \
        .drained = nothing, .closed = nothing, .save = nothing_to_keep,                        \
        .marks = nothing_to_keep, .load = nothing_to_load                                      \
    }

static const struct sio_space root = SPACE("/"), custom = SPACE("/custom");
static const struct sio_space *const spaces[] = {&root, &custom, NULL};
static const char *const paths[] = {"/socket.io/", "/socket.io", NULL};

const struct socketio_proto conformance_row = {
    .proto = {.name = "conformance", .paths = paths, SOCKETIO_ROW},
    .spaces = spaces,
};
