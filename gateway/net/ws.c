/* WebSocket (RFC 6455) on a connection: the handshake, messages in, frames out, the heartbeat,
 * the close.
 *
 *     OPENING --session accepts: 101--> OPEN --close frame sent--> the connection ends
 *        +-----session refuses: HTTP error------------------------^
 *
 * While OPENING the connection is not read: what a client sends before it saw the 101 waits in
 * the kernel or in `early`. */
#include "gateway/net/ws.h"

#include <openssl/sha.h>
#include <string.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway/net/peer.h"
#include "gateway/net/ws_reader.h"

enum {
    KEY_BYTES = 16,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    READERS_KEPT = 256 /* spare parsers, some 9 KB each */
};

struct ws {
    struct conn *conn;        /* borrowed: it owns us */
    struct session *session;  /* owned */
    struct ws_reader *reader; /* owned while a frame or message is incomplete */
    struct buf early;         /* came before the 101 */
    char *accept;             /* owned, until the 101 */
    bool bearer;              /* the client offered the subprotocol "bearer" */
    bool open;
    bool late;           /* the answer to a ping is overdue, but for one last look */
    uint64_t heard_ms;   /* when bytes came last */
    uint64_t ping_ms;    /* when the next ping is due */
    uint64_t pong_ms;    /* when the answer to a ping is due at the latest; 0 = none */
    uint64_t expires_ms; /* when the token ends; UINT64_MAX = never */
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

/* ---- the pool of parsers ---- */

static struct ws_reader *borrow_reader(struct net *net)
{
    struct ws_reader *reader = net->readers;

    if (reader == NULL) {
        return ws_reader_create(net->services->config->max_message);
    }
    net->readers = *ws_reader_next(reader);
    net->reader_count--;
    return reader;
}

static void return_reader(struct net *net, struct ws_reader *reader)
{
    if (net->reader_count >= READERS_KEPT) {
        ws_reader_destroy(reader);
        return;
    }
    *ws_reader_next(reader) = net->readers;
    net->readers = reader;
    net->reader_count++;
}

void ws_free_readers(struct net *net)
{
    while (net->readers != NULL) {
        struct ws_reader *reader = net->readers;

        net->readers = *ws_reader_next(reader);
        ws_reader_destroy(reader);
    }
}

/* ---- out ---- */

static void send_anyway(struct ws *ws, unsigned opcode, struct str payload)
{
    struct msg *msg = msg_frame(opcode, payload);

    conn_send_anyway(ws->conn, msg);
    msg_unref(msg);
}

/* Says why and ends the connection; the session is detached by now or is so here. */
static void close_with(struct ws *ws, enum reason reason)
{
    const char *word = reason_word(reason);
    unsigned code = reason_code(reason);
    struct buf payload = {0};

    session_ended(ws->session);
    if (code != 0) {
        buf_add_char(&payload, (char)(code >> 8));
        buf_add_char(&payload, (char)code);
        buf_add_text(&payload, word);
        send_anyway(ws, OPCODE_CLOSE, buf_str(&payload));
        buf_finish(&payload);
    }
    conn_end(ws->conn, reason);
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

    if (text) {
        session_receive(ws->session, bytes);
    } else {
        session_receive_binary(ws->session, bytes);
    }
    if (ws->conn->state != CONN_OPEN) {
        ws_reader_stop(ws->reader);
    }
}

static void on_ping(void *owner)
{
    struct ws *ws = owner;

    session_charge(ws->session);
    if (ws->conn->state != CONN_OPEN) {
        ws_reader_stop(ws->reader);
    }
}

static void on_pong(void *owner)
{
    struct ws *ws = owner;

    if (ws->pong_ms != 0) { /* an unasked pong is no sign that pings arrive */
        ws->pong_ms = 0;
        ws->late = false;
        session_alive(ws->session);
    }
}

static void on_reply(void *owner, struct str frame)
{
    struct ws *ws = owner;
    struct msg *msg = msg_raw(frame);

    if (!conn_send(ws->conn, msg)) {
        log_write(LOG_DEBUG, "control frame dropped", LOG_NUMBER("bytes", frame.len));
    }
    msg_unref(msg);
}

static const struct ws_events events = {on_message, on_ping, on_pong, on_reply};

static void feed(struct ws *ws, struct str bytes)
{
    struct net *net = ws->conn->net;
    enum reason reason = REASON_INTERNAL;
    enum ws_outcome outcome = WS_FAILED;

    if (ws->reader == NULL) {
        ws->reader = borrow_reader(net);
    }
    if (ws->reader != NULL) {
        outcome = ws_reader_feed(ws->reader, &events, ws, bytes, &reason);
    }
    switch (outcome) {
    case WS_BOUNDARY:
        return_reader(net, ws->reader);
        ws->reader = NULL;
        break;
    case WS_MORE:
        break;
    case WS_CLOSED:
        session_ended(ws->session);
        conn_end(ws->conn, REASON_PEER_CLOSED);
        break;
    case WS_FAILED:
        if (ws->conn->state == CONN_OPEN) {
            close_with(ws, reason);
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

    conn_cut(ws->conn, REASON_PEER_LOST);
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
    if (ws->conn->state != CONN_OPEN) {
        return;
    }
    if (now >= ws->expires_ms) {
        session_close(ws->session, REASON_TOKEN_EXPIRED);
        return;
    }
    if (now >= ws->wake_ms) {
        ws->wake_ms = UINT64_MAX;
        session_woken(ws->session);
        if (ws->conn->state != CONN_OPEN) {
            return;
        }
    }
    if (ws->pong_ms != 0 && now >= ws->pong_ms && !ws->late) {
        ws->late = true; /* after a pause of our own the answer may lie in the socket */
        conn_deadline(ws->conn, 0);
        return;
    }
    if (ws->pong_ms != 0 && now >= ws->pong_ms) {
        ws->session->silent_ms = now - ws->heard_ms;
        session_close(ws->session, REASON_HEARTBEAT);
        return;
    }
    if (now >= ws->ping_ms) {
        send_anyway(ws, OPCODE_PING, str_from("", 0));
        ws->ping_ms = now + config_of(ws)->ping_interval_ms;
        if (ws->pong_ms == 0) {
            ws->pong_ms = now + config_of(ws)->ping_timeout_ms;
        }
    }
    schedule(ws);
}

static void on_drained(void *upper)
{
    struct ws *ws = upper;

    session_drained(ws->session);
}

static void on_restart(void *upper)
{
    struct ws *ws = upper;

    session_close(ws->session, REASON_RESTART);
}

static void on_closed(void *upper, enum reason reason)
{
    struct ws *ws = upper;

    (void)reason;
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
    .closed = on_closed,
};

/* ---- what the session may ask for ---- */

static void carry_accept(void *carrier)
{
    struct ws *ws = carrier;
    struct buf head = {0};
    struct msg *msg;

    buf_addf(&head,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s\r\n",
             ws->accept, ws->bearer ? "Sec-WebSocket-Protocol: bearer\r\n" : "");
    msg = msg_raw(buf_str(&head));
    conn_send_anyway(ws->conn, msg);
    msg_unref(msg);
    buf_finish(&head);
    mem_free(ws->accept);
    ws->accept = NULL;
    ws->open = true;
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
    struct buf answer = {0};
    struct msg *msg;

    http_count_refusal(ws->conn->net, err);
    answer_write_refusal(&answer, err, why);
    msg = msg_raw(buf_str(&answer));
    conn_send_anyway(ws->conn, msg);
    msg_unref(msg);
    buf_finish(&answer);
    conn_end(ws->conn, REASON_HTTP_BAD);
}

static bool carry_send(void *carrier, struct msg *msg)
{
    return conn_send(((struct ws *)carrier)->conn, msg);
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

/* ---- the handshake ---- */

bool ws_wanted(const struct request *request)
{
    return !request->http_1_0 && request_header_has(request, STR("Upgrade"), STR("websocket"));
}

static bool key_is_good(struct str key)
{
    struct buf bytes = {0};
    bool good = codec_unbase64(key, &bytes) == ERR_OK && bytes.len == KEY_BYTES;

    buf_finish(&bytes);
    return good;
}

static char *accept_of(struct str key)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct buf text = {0};

    buf_add(&text, key);
    buf_add_text(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    SHA1((const unsigned char *)text.at, text.len, digest);
    buf_clear(&text);
    codec_base64(str_from((const char *)digest, sizeof(digest)), &text);
    buf_text(&text);
    return buf_take(&text);
}

static enum err check_handshake(const struct request *request, const char **why)
{
    struct str key = request_header(request, STR("Sec-WebSocket-Key"));

    if (!str_equal(request_header(request, STR("Sec-WebSocket-Version")), STR("13"))) {
        return ERR_UPGRADE;
    }
    if (!request_header_has(request, STR("Connection"), STR("upgrade"))) {
        *why = "Connection: Upgrade is missing";
        return ERR_BAD_REQUEST;
    }
    if (!key_is_good(key)) {
        *why = "Sec-WebSocket-Key must be 16 bytes in base64";
        return ERR_BAD_REQUEST;
    }
    return ERR_OK;
}

/* Who it is; `claims` stays empty for the anonymous. */
static enum err check_identity(const struct services *services, const struct proto *proto,
                               const struct request *request, struct claims *claims,
                               const char **why)
{
    struct buf token = {0};
    bool subprotocol; /* ws_open looks whether to select it, token or not */
    uv_timeval64_t now;
    enum err err = ERR_OK;

    if (auth_find(services->auth, request, &token, &subprotocol)) {
        uv_gettimeofday(&now);
        err = auth_verify(services->auth, buf_str(&token),
                          now.tv_sec * 1000 + now.tv_usec / 1000, claims, why);
    } else if (!proto->anonymous) {
        *why = "a token is needed";
        err = ERR_UNAUTHORIZED;
    }
    buf_finish(&token);
    return err;
}

/* Everything that can be refused without asking Redis. */
static enum err check(const struct net *net, const struct proto *proto,
                      const struct request *request, struct claims *claims, const char **why)
{
    const struct services *services = net->services;
    enum err err = check_handshake(request, why);

    if (err == ERR_OK &&
        !config_allows_origin(services->config, request_header(request, STR("Origin")))) {
        *why = "this origin is not allowed";
        err = ERR_FORBIDDEN;
    }
    if (err == ERR_OK) {
        err = check_identity(services, proto, request, claims, why);
    }
    if (err == ERR_OK && (services->draining || !store_is_up(services->store))) {
        *why = services->draining ? "this process is going away" : "the state can't be reached";
        err = ERR_UNAVAILABLE;
    }
    return err;
}

static uint64_t expiry_of(const struct net *net, const struct claims *claims)
{
    uv_timeval64_t now;
    int64_t left;

    if (claims->user_len == 0 || claims->expires_ms == INT64_MAX) {
        return UINT64_MAX;
    }
    uv_gettimeofday(&now);
    left = claims->expires_ms - (now.tv_sec * 1000 + now.tv_usec / 1000);
    return uv_now(net->loop) + (left > 0 ? (uint64_t)left : 0);
}

void ws_open(struct http *http, const struct proto *proto)
{
    const struct request *request = http_request(http);
    struct net *net = http_conn(http)->net;
    struct claims claims = {.expires_ms = INT64_MAX};
    const char *why = NULL;
    enum err err = check(net, proto, request, &claims, &why);
    struct ws *ws;

    if (err != ERR_OK) {
        http_refuse(http, err, why);
        return;
    }
    ws = mem_zero(sizeof(*ws));
    ws->conn = http_conn(http);
    ws->accept = accept_of(request_header(request, STR("Sec-WebSocket-Key")));
    ws->bearer = request_header_has(request, STR("Sec-WebSocket-Protocol"), STR("bearer"));
    ws->expires_ms = expiry_of(net, &claims);
    ws->wake_ms = UINT64_MAX;
    ws->session = session_create(net->services, proto, &transport, ws,
                                 claims.user_len > 0 ? &claims : NULL);
    peer_adopt(ws->conn, request->peer);
    conn_pause(ws->conn, true);
    conn_deadline(ws->conn, net->services->config->connect_timeout_ms);
    proto->open(ws->session, request);
    http_detach(http, &ws->early);
    ws->conn->layer = &layer;
    ws->conn->upper = ws;
    if (ws->open && ws->early.len > 0) { /* accepted from inside */
        conn_deadline(ws->conn, 0);
    }
}
