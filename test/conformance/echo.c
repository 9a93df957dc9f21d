/* Every message comes back: over WebSocket, and over Engine.IO. */
#include "gateway/hub/msg.h"
#include "test/conformance/rows.h"

static void open_at_once(struct session *session, const struct request *request)
{
    (void)request;
    session_accept(session);
}

/* An echo has nothing else to say: who does not read his own words is let go. */
static void back(struct session *session, struct msg *msg)
{
    if (!session_send(session, msg)) {
        session_close(session, REASON_SLOW);
    }
    msg_unref(msg);
}

static void text_back(struct session *session, struct str text)
{
    back(session, session->proto->engine ? msg_engine(text) : msg_text(text));
}

static void binary_back(struct session *session, struct str bytes)
{
    back(session, msg_binary(bytes));
}

static void nothing(struct session *session)
{
    (void)session;
}

static void nothing_to_keep(struct session *session, struct buf *to)
{
    (void)session;
    (void)to;
}

static bool nothing_to_load(struct session *session, struct str saved, struct str marks)
{
    (void)session;
    (void)saved;
    (void)marks;
    return true;
}

#define ECHO_ROW                                                                               \
    .metric = METRICS_PROTOCOL_EVENTS, .size = sizeof(struct session), .open = open_at_once,   \
    .message = text_back, .binary = binary_back, .limited = nothing, .alive = nothing,         \
    .drained = nothing, .woken = nothing, .closed = nothing, .save = nothing_to_keep,          \
    .marks = nothing_to_keep, .load = nothing_to_load

static const char *const echo_paths[] = {"/echo", NULL};
static const char *const engine_paths[] = {"/engine.io/", "/engine.io", NULL};

/* The name is one whose clients need no token by default. */
const struct proto echo_proto = {.name = "feed", .paths = echo_paths, ECHO_ROW};
const struct proto engine_proto = {
    .name = "engine", .paths = engine_paths, .engine = true, ECHO_ROW};
