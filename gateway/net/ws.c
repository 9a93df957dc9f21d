/* WebSocket (RFC 6455) on a connection: the handshake, messages in, frames out, the heartbeat,
 * the close.
 *
 *     OPENING --session accepts: 101--> OPEN --close frame sent, and theirs came--> the end
 *        +-----session refuses: HTTP error------------------------------------------^
 *
 * When the process ends, the close frame goes first and the session later: what a client said
 * before it knew is taken still, until its own close frame comes (or LEAVE_MS have passed). It
 * hears nothing more.
 *
 * While OPENING the connection is not read: what a client sends before it saw the 101 waits in
 * the kernel or in `early`. */
#include "gateway/net/ws.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/net/admit.h"
#include "gateway/net/handshake.h"
#include "gateway/net/peer.h"
#include "gateway/net/refusal.h"
#include "gateway/net/ws_reader.h"

enum {
    OPCODE_TEXT = 1,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,

    LEAVE_MS = 5000
};

struct ws {
    struct conn *conn; /* borrowed: it owns us */
    const struct ws_kind *kind;
    struct session *session;  /* owned; NULL while bare */
    void *owner;              /* borrowed; of a bare connection */
    struct ws_reader *reader; /* owned while a frame or message is incomplete */
    struct buf early;         /* came before the 101 */
    char *accept;             /* owned, until the 101 */
    bool bearer;              /* the client offered the subprotocol "bearer" */
    bool open;
    bool leaving;        /* was told that the process ends */
    bool late;           /* the answer to a ping is overdue, but for one last look */
    uint64_t heard_ms;   /* when bytes came last */
    uint64_t ping_ms;    /* when the next ping is due */
    uint64_t pong_ms;    /* when the answer to a ping is due at the latest; 0 = none */
    uint64_t expires_ms; /* when the token ends, or the time to leave; UINT64_MAX = never */
    uint64_t wake_ms;    /* when the session wants to be woken; UINT64_MAX = never */
};

static uint64_t now_ms(const struct ws *ws)
{
    return uv_now(ws->conn->net->loop);
}

static const struct config *config_of(const struct ws *ws)
{
    return ws->conn->net->services->config;
}

/* ---- out ---- */

static void send_anyway(struct ws *ws, unsigned opcode, struct str payload)
{
    struct msg *msg = msg_frame(opcode, payload);

    ws_send(ws, msg);
    msg_unref(msg);
}

static void say_why(struct ws *ws, enum reason reason)
{
    unsigned code = reason_code(reason);
    struct buf payload = {0};

    if (code != 0) {
        buf_add_char(&payload, (char)(code >> 8));
        buf_add_char(&payload, (char)code);
        buf_add_text(&payload, ws->kind->wordless ? "" : reason_word(reason));
        send_anyway(ws, OPCODE_CLOSE, buf_str(&payload));
        buf_finish(&payload);
    }
}

/* Says why and ends the connection; the session is detached by now or is so here. */
static void close_with(struct ws *ws, enum reason reason)
{
    if (ws->session != NULL) {
        session_ended(ws->session);
    }
    say_why(ws, reason);
    conn_part(ws->conn, ws->leaving ? REASON_RESTART : reason);
    if (ws->leaving || reason_code(reason) == 0) {
        conn_parted(ws->conn); /* nothing was said now that he could answer */
    }
}

static void schedule(struct ws *ws)
{
    uint64_t now = now_ms(ws);
    uint64_t due = ws->ping_ms;

    if (ws->pong_ms != 0 && ws->pong_ms < due) {
        due = ws->pong_ms;
    }
    if (ws->expires_ms < due) {
        due = ws->expires_ms;
    }
    if (ws->wake_ms < due) {
        due = ws->wake_ms;
    }
    conn_deadline(ws->conn, due > now ? due - now : 0);
}

/* ---- in ---- */

static void on_message(void *owner, struct str bytes, bool text)
{
    struct ws *ws = owner;

    ws->kind->message(ws, bytes, text);
    if (ws->conn->state != CONN_OPEN) {
        ws_reader_stop(ws->reader);
    }
}

static void on_ping(void *owner)
{
    struct ws *ws = owner;

    if (ws->session != NULL) {
        session_charge(ws->session);
    }
    if (ws->conn->state != CONN_OPEN) {
        ws_reader_stop(ws->reader);
    }
}

void ws_ponged(struct ws *ws)
{
    if (ws->pong_ms != 0 &&
        ws->session != NULL) { /* unasked, it is no sign that pings arrive */
        ws->pong_ms = 0;
        ws->late = false;
        session_alive(ws->session);
    }
}

static void on_pong(void *owner)
{
    struct ws *ws = owner;

    if (ws->kind->ping == NULL) {
        ws_ponged(ws);
    }
}

static void on_reply(void *owner, struct str frame)
{
    struct ws *ws = owner;
    struct msg *msg = msg_raw(frame);

    if (!ws->leaving && !conn_send(ws->conn, msg)) {
        log_write(LOG_DEBUG, "control frame dropped", LOG_NUMBER("bytes", frame.len));
    }
    msg_unref(msg);
}

static const struct ws_events events = {on_message, on_ping, on_pong, on_reply};

static bool has_reader(struct ws *ws)
{
    if (ws->reader == NULL) {
        ws->reader = ws_reader_borrow(&ws->conn->net->readers, config_of(ws)->max_message);
    }
    return ws->reader != NULL;
}

/* What a client says after our close frame counts for nothing, but for its own. */
static void on_parting(void *upper, struct str bytes)
{
    struct ws *ws = upper;

    if (!has_reader(ws) || ws_reader_part(ws->reader, bytes)) {
        conn_parted(ws->conn);
    }
}

static void feed(struct ws *ws, struct str bytes)
{
    struct net *net = ws->conn->net;
    enum reason reason = REASON_INTERNAL;
    enum ws_outcome outcome = WS_FAILED;

    if (has_reader(ws)) {
        outcome = ws_reader_feed(ws->reader, &events, ws, bytes, &reason);
    }
    switch (outcome) {
    case WS_BOUNDARY:
        ws_reader_return(&net->readers, ws->reader);
        ws->reader = NULL;
        break;
    case WS_MORE:
        break;
    case WS_CLOSED:
        if (ws->session != NULL) {
            session_ended(ws->session);
        }
        conn_end(ws->conn, ws->leaving ? REASON_RESTART : REASON_PEER_CLOSED);
        break;
    case WS_FAILED:
        if (ws->conn->state == CONN_OPEN) {
            close_with(ws, reason);
            conn_parted(ws->conn); /* it can't be understood any more */
        } else {
            on_parting(ws, str_from("", 0)); /* it may have said farewell already */
        }
        break;
    }
}

/* ---- the layer ---- */

static void take_early(struct ws *ws)
{
    struct buf early = ws->early;

    ws->early = (struct buf){0};
    feed(ws, buf_str(&early));
    buf_finish(&early);
}

static void on_data(void *upper, struct str bytes)
{
    struct ws *ws = upper;

    ws->heard_ms = now_ms(ws);
    if (!ws->open) {
        buf_add(&ws->early, bytes);
        return;
    }
    if (ws->early.len > 0) {
        take_early(ws);
    }
    if (ws->conn->state == CONN_OPEN) {
        feed(ws, bytes);
    }
}

static void on_eof(void *upper)
{
    struct ws *ws = upper;

    conn_cut(ws->conn, ws->leaving ? REASON_RESTART : REASON_PEER_LOST);
}

/* After a pause of our own the answer may lie in the socket: there is one last look. */
static void look_for_pong(struct ws *ws, uint64_t now)
{
    if (!ws->late) {
        ws->late = true;
        conn_deadline(ws->conn, 0);
        return;
    }
    ws->session->silent_ms = now - ws->heard_ms;
    session_close(ws->session, REASON_HEARTBEAT);
}

static void ping(struct ws *ws, uint64_t now)
{
    if (ws->kind->ping != NULL) {
        ws->kind->ping(ws);
    } else {
        send_anyway(ws, OPCODE_PING, str_from("", 0));
    }
    ws->ping_ms = now + config_of(ws)->ping_interval_ms;
    if (ws->pong_ms == 0) {
        ws->pong_ms = now + config_of(ws)->ping_timeout_ms;
    }
}

static void wake(struct ws *ws, uint64_t now)
{
    if (ws->conn->state == CONN_OPEN && now >= ws->wake_ms) {
        ws->wake_ms = UINT64_MAX;
        session_woken(ws->session);
    }
}

/* While bare, there is but the time by which it must have a session. */
static void bare_timeout(struct ws *ws, uint64_t now)
{
    if (ws->conn->state != CONN_OPEN) {
        return;
    }
    if (now >= ws->wake_ms) {
        close_with(ws, REASON_TIMEOUT);
    } else {
        conn_deadline(ws->conn, ws->wake_ms - now);
    }
}

static void on_timeout(void *upper)
{
    struct ws *ws = upper;
    uint64_t now = now_ms(ws);

    if (!ws->open) {
        session_refuse(ws->session, ERR_UNAVAILABLE, NULL);
        return;
    }
    if (ws->early.len > 0) {
        take_early(ws);
    }
    if (ws->session == NULL) {
        bare_timeout(ws, now);
        return;
    }
    wake(ws, now);
    if (ws->conn->state != CONN_OPEN) {
        return;
    }
    if (now >= ws->expires_ms) {
        session_close(ws->session, ws->leaving ? REASON_RESTART : REASON_TOKEN_EXPIRED);
        return;
    }
    if (ws->pong_ms != 0 && now >= ws->pong_ms) {
        look_for_pong(ws, now);
        return;
    }
    if (now >= ws->ping_ms) {
        ping(ws, now);
    }
    schedule(ws);
}

static void on_drained(void *upper)
{
    struct ws *ws = upper;

    if (ws->session != NULL) {
        session_drained(ws->session);
    }
}

static void on_restart(void *upper)
{
    struct ws *ws = upper;

    if (ws->session == NULL || ws->session->state != SESSION_OPEN) {
        ws_close(ws, REASON_RESTART);
        return;
    }
    say_why(ws, REASON_RESTART);
    ws->leaving = true;
    ws->ping_ms = UINT64_MAX;
    ws->pong_ms = 0;
    ws->expires_ms = now_ms(ws) + LEAVE_MS;
    if (ws->early.len == 0) { /* else it is due as it is */
        schedule(ws);
    }
}

static void about(void *upper, struct ending *to)
{
    const struct ws *ws = upper;

    ending_of_session(to, ws->session);
    to->transport = ws->open ? METRICS_TRANSPORT_WEBSOCKET : METRICS_TRANSPORT_HTTP;
}

static void on_closed(void *upper, enum reason reason)
{
    struct ws *ws = upper;

    (void)reason;
    if (ws->kind->closed != NULL) {
        ws->kind->closed(ws);
    }
    session_destroy(ws->session);
    ws_reader_destroy(ws->reader);
    buf_finish(&ws->early);
    mem_free(ws->accept);
    mem_free(ws);
}

static const struct conn_layer layer = {
    .data = on_data,
    .eof = on_eof,
    .timeout = on_timeout,
    .drained = on_drained,
    .restart = on_restart,
    .parting = on_parting,
    .about = about,
    .closed = on_closed,
};

/* ---- what the session may ask for ---- */

static void carry_accept(void *carrier)
{
    struct ws *ws = carrier;
    struct buf head = {0};

    handshake_answer(ws->accept, ws->bearer, &head);
    conn_say_anyway(ws->conn, buf_str(&head));
    buf_finish(&head);
    mem_free(ws->accept);
    ws->accept = NULL;
    ws->open = true;
    if (ws->kind->opened != NULL) {
        ws->kind->opened(ws);
    }
    ws->heard_ms = now_ms(ws);
    ws->ping_ms = ws->heard_ms + config_of(ws)->ping_interval_ms;
    if (ws->early.len > 0) {
        conn_deadline(ws->conn, 0); /* after the session has said its first words */
    } else {
        schedule(ws);
    }
    conn_pause(ws->conn, false);
}

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    struct ws *ws = carrier;

    refusal_note(ws->conn, NULL, err, why);
    refusal_answer(ws->conn, err, why);
}

static bool carry_send(void *carrier, struct msg *msg)
{
    struct ws *ws = carrier;

    return ws->leaving || conn_send(ws->conn, msg);
}

static void carry_trim(void *carrier)
{
    conn_trim(((struct ws *)carrier)->conn);
}

static void carry_pause(void *carrier, bool paused)
{
    conn_pause(((struct ws *)carrier)->conn, paused);
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    struct ws *ws = carrier;

    ws->wake_ms = now_ms(ws) + in_ms;
    if (ws->open && ws->early.len == 0) {
        schedule(ws);
    }
}

static void carry_close(void *carrier, enum reason reason)
{
    close_with(carrier, reason);
}

static const struct transport transport = {
    .metric = METRICS_TRANSPORT_WEBSOCKET,
    .accept = carry_accept,
    .refuse = carry_refuse,
    .send = carry_send,
    .trim = carry_trim,
    .pause = carry_pause,
    .wake = carry_wake,
    .close = carry_close,
};

const struct transport *ws_transport(void)
{
    return &transport;
}

/* ---- the handshake ---- */

static struct ws *create(struct http *http, const struct ws_kind *kind)
{
    const struct request *request = http_request(http);
    struct ws *ws = mem_zero(sizeof(*ws));

    ws->conn = http_conn(http);
    ws->kind = kind;
    ws->accept = mem_alloc(HANDSHAKE_ACCEPT_LENGTH + 1);
    handshake_accept(request, ws->accept);
    ws->bearer = request_header_has(request, STR("Sec-WebSocket-Protocol"), STR("bearer"));
    ws->expires_ms = ws->wake_ms = UINT64_MAX;
    peer_adopt(ws->conn, request->peer);
    conn_pause(ws->conn, true);
    conn_deadline(ws->conn, config_of(ws)->connect_timeout_ms);
    return ws;
}

/* The connection is ours from here on. */
static void attach(struct ws *ws, struct http *http)
{
    http_detach(http, &ws->early);
    ws->conn->layer = &layer;
    ws->conn->upper = ws;
    if (ws->open && ws->early.len > 0) { /* accepted from inside */
        conn_deadline(ws->conn, 0);
    }
}

struct session *ws_create_session(struct http *http, const struct proto *proto,
                                  const struct ws_kind *kind, const struct claims *claims)
{
    struct ws *ws = create(http, kind);

    ws->expires_ms = admit_until_ms(ws->conn->net, claims);
    ws->session = session_create(ws->conn->net->services, proto, &transport, ws,
                                 claims->user_len > 0 ? claims : NULL);
    return ws->session;
}

void ws_start_session(struct http *http, struct session *session)
{
    session->proto->open(session, http_request(http));
    attach(session->carrier, http);
}

struct ws *ws_open_bare(struct http *http, const struct ws_kind *kind, void *owner,
                        uint64_t limit_ms)
{
    struct ws *ws = create(http, kind);

    ws->owner = owner;
    carry_accept(ws);
    ws->wake_ms = now_ms(ws) + limit_ms;
    conn_deadline(ws->conn, limit_ms);
    attach(ws, http);
    return ws;
}

void ws_adopt(struct ws *ws, const struct ws_kind *kind, struct session *session)
{
    ws->kind = kind;
    ws->owner = NULL;
    ws->session = session;
    ws->wake_ms = UINT64_MAX;
    ws->ping_ms = now_ms(ws) + config_of(ws)->ping_interval_ms;
    schedule(ws);
}

/* ---- for kinds ---- */

void ws_say(struct ws *ws, struct str text)
{
    send_anyway(ws, OPCODE_TEXT, text);
}

void ws_send(struct ws *ws, struct msg *msg)
{
    if (!ws->leaving) {
        conn_send_anyway(ws->conn, msg);
    }
}

void ws_pause(struct ws *ws, bool paused)
{
    conn_pause(ws->conn, paused);
}

void ws_close(struct ws *ws, enum reason reason)
{
    if (ws->conn->state != CONN_OPEN) {
        return;
    }
    if (ws->session != NULL && ws->session->state != SESSION_CLOSED) {
        session_close(ws->session, reason);
    } else {
        close_with(ws, reason);
    }
}

struct session *ws_session(const struct ws *ws)
{
    return ws->session;
}

void *ws_owner(const struct ws *ws)
{
    return ws->owner;
}

struct net *ws_net(const struct ws *ws)
{
    return ws->conn->net;
}
