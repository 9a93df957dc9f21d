/* What Socket.IO sockets say: CONNECT and its refusal, events, acknowledgements. */
#include "common/json.h"
#include "gateway/proto/socketio_core.h"

/* Answers and errors are not dropped in silence: who has no room for them loses the session. */
static bool said(struct session *session, bool sent)
{
    if (!sent && !socketio_of(session)->leaving) {
        session_close(session, REASON_SLOW);
    }
    return sent;
}

bool sio_say(struct sio_socket *socket, enum sio_type type, struct str json)
{
    struct buf text = {0};
    bool sent;

    sio_add_head(&text, type, 0, socket->space->name, false, 0);
    buf_add(&text, json);
    sent = said(socket->session, session_say(socket->session, buf_str(&text)));
    buf_finish(&text);
    return sent;
}

void sio_add_error(struct buf *to, const char *code, const char *message)
{
    buf_add_text(to, "{\"code\":");
    json_add_text(to, str_of(code));
    buf_add_text(to, ",\"message\":");
    json_add_text(to, str_of(message));
    buf_add_char(to, '}');
}

void sio_accept(struct sio_socket *socket, struct str pid)
{
    struct socketio *io = socketio_of(socket->session);
    struct buf json = {0};

    socketio_enter(socket, SIO_CONNECTED);
    io->connect_by_ms = 0;
    buf_addf(&json, "{\"sid\":\"%.*s\"", SIO_ID_LENGTH, socket->id);
    if (pid.len > 0) {
        buf_add_text(&json, ",\"pid\":");
        json_add_text(&json, pid);
    }
    buf_add_char(&json, '}');
    sio_say(socket, SIO_CONNECT, buf_str(&json));
    buf_finish(&json);
    socketio_schedule(io);
}

void sio_refuse(struct sio_socket *socket, const char *code, const char *message)
{
    struct socketio *io = socketio_of(socket->session);
    struct buf json = {0};

    sio_add_error(&json, code, message);
    sio_say(socket, SIO_CONNECT_ERROR, buf_str(&json));
    buf_finish(&json);
    socketio_destroy_socket(socket);
    socketio_schedule(io);
}

static void add_offset(struct sio_socket *socket, struct buf *to)
{
    size_t start;

    if (socket->space->offset == NULL) {
        return;
    }
    start = to->len;
    buf_add_text(to, ",\"");
    socket->space->offset(socket, to);
    if (to->len == start + 2) {
        to->len = start;
        return;
    }
    if (socket->session->deaf) {
        to->len = start + 2;
        buf_addf(to, "%c%.*s%c", SIO_MARK, STR_ARG(socket->space->name), SIO_MARK);
    }
    buf_add_char(to, '"');
}

static void add_event(struct sio_socket *socket, struct buf *to, struct str body,
                      unsigned attachments)
{
    sio_add_head(to, attachments > 0 ? SIO_BINARY_EVENT : SIO_EVENT, attachments,
                 socket->space->name, false, 0);
    buf_add_char(to, '[');
    buf_add(to, body);
    add_offset(socket, to);
    buf_add_char(to, ']');
}

bool sio_emit(struct sio_socket *socket, struct str body)
{
    return sio_emit_binary(socket, body, NULL, 0);
}

/* What belongs to a packet that is out must follow. */
static void say_attachments(struct session *session, const struct str *attachments,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct msg *msg = msg_binary(attachments[i]);

        if (!session_send(session, msg)) {
            session_close(session, REASON_SLOW);
        }
        msg_unref(msg);
    }
}

bool sio_emit_binary(struct sio_socket *socket, struct str body, const struct str *attachments,
                     unsigned count)
{
    struct buf text = {0};
    bool sent;

    add_event(socket, &text, body, count);
    sent = session_say(socket->session, buf_str(&text));
    buf_finish(&text);
    if (sent) {
        say_attachments(socket->session, attachments, count);
    }
    return sent;
}

/* What the bytes differ by. A crowd without offsets is told without an allocation per head. */
static struct str shared_key(struct sio_socket *socket, struct buf *room)
{
    if (socket->space->offset == NULL) {
        return socket->space->name;
    }
    buf_add(room, socket->space->name);
    add_offset(socket, room);
    return buf_str(room);
}

bool sio_emit_shared(struct sio_socket *socket, struct msg *msg, struct str head,
                     struct str body)
{
    struct buf room = {0}, whole = {0}, text = {0};
    struct str key = shared_key(socket, &room);
    struct msg *frame = msg_cached(msg, key);
    bool sent;

    if (frame == NULL) {
        buf_add(&whole, head);
        buf_add(&whole, body);
        add_event(socket, &text, buf_str(&whole), 0);
        frame = msg_engine(buf_str(&text));
        msg_cache(msg, key, frame);
        msg_unref(frame); /* the message keeps it */
        buf_finish(&whole);
        buf_finish(&text);
    }
    sent = session_send(socket->session, frame);
    buf_finish(&room);
    return sent;
}

bool sio_emit_error(struct sio_socket *socket, const char *code, const char *message)
{
    struct buf body = {0};
    bool sent;

    buf_add_text(&body, "\"error\",");
    sio_add_error(&body, code, message);
    sent = said(socket->session, sio_emit(socket, buf_str(&body)));
    buf_finish(&body);
    return sent;
}

void sio_ack(struct sio_socket *socket, uint64_t ack, struct str args,
             const struct str *attachments, unsigned count)
{
    struct buf text = {0};

    sio_add_head(&text, count > 0 ? SIO_BINARY_ACK : SIO_ACK, count, socket->space->name, true,
                 ack);
    buf_add_char(&text, '[');
    buf_add(&text, args);
    buf_add_char(&text, ']');
    if (session_say(socket->session, buf_str(&text))) {
        say_attachments(socket->session, attachments, count);
    } else {
        session_close(socket->session, REASON_SLOW);
    }
    buf_finish(&text);
}

void sio_ack_outcome(struct sio_socket *socket, const struct sio_event *event, const char *code,
                     const char *message)
{
    struct buf json = {0};

    if (!event->wants_ack) {
        return;
    }
    if (code == NULL) {
        sio_ack(socket, event->ack, STR("{\"ok\":true}"), NULL, 0);
        return;
    }
    buf_add_text(&json, "{\"ok\":false,\"error\":");
    json_add_text(&json, str_of(code));
    buf_add_text(&json, ",\"message\":");
    json_add_text(&json, str_of(message));
    buf_add_char(&json, '}');
    sio_ack(socket, event->ack, buf_str(&json), NULL, 0);
    buf_finish(&json);
}

void sio_disconnect(struct sio_socket *socket)
{
    sio_say(socket, SIO_DISCONNECT, str_from("", 0));
    socketio_destroy_socket(socket);
}
