/* Engine.IO on a WebSocket: a text frame is a packet, a binary frame a message. */
#include "common/mem.h"
#include "common/pack.h"
#include "gateway/net/eio_core.h"
#include "gateway/net/handshake.h"
#include "gateway/poll.h"

enum {
    PROBE_MS = 10000 /* how long a websocket may take to move a session over */
};

/* ---- a session of its own ---- */

static void opened(struct ws *ws)
{
    struct buf packet = {0};

    eio_add_open(&packet, ws_net(ws), session_id(ws_session(ws)), false);
    ws_say(ws, buf_str(&packet));
    buf_finish(&packet);
}

static void take_message(struct ws *ws, struct str data)
{
    session_receive(ws_session(ws), data);
}

static void take_pong(struct ws *ws, struct str data)
{
    (void)data;
    ws_ponged(ws);
}

static void take_close(struct ws *ws, struct str data)
{
    (void)data;
    ws_close(ws, REASON_LEFT);
}

static void ignore(struct ws *ws, struct str data)
{
    (void)ws;
    (void)data;
}

static const struct {
    enum eio_type type;
    void (*take)(struct ws *ws, struct str data);
} packets[] = {
    {EIO_MESSAGE, take_message}, {EIO_PONG, take_pong}, {EIO_CLOSE, take_close},
    {EIO_NOOP, ignore},          {EIO_UPGRADE, ignore},
};

static void message(struct ws *ws, struct str bytes, bool text)
{
    struct eio_packet packet;

    if (!text) {
        session_receive_binary(ws_session(ws), bytes);
        return;
    }
    if (eio_packet_parse(bytes, &packet) == ERR_OK) {
        for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
            if (packets[i].type == packet.type) {
                packets[i].take(ws, packet.data);
                return;
            }
        }
    }
    ws_close(ws, REASON_PROTOCOL);
}

static void ping(struct ws *ws)
{
    ws_say(ws, STR("2"));
}

const struct ws_kind eio_ws_kind = {
    .opened = opened,
    .message = message,
    .ping = ping,
    .wordless = true,
};

/* ---- the upgrade of a polling session ---- */

/* A websocket that wants to take a session over.
 *
 *     ASKING --may--> 101: PROBING --2probe, 3probe--> PROBED --5--> UPGRADING --> the session
 * is its own
 *
 * What a client sends before the session is here waits in `early`. */
enum state {
    ASKING,
    PROBING,
    PROBED,
    UPGRADING,
    UPGRADED
};

struct probe {
    struct http *http; /* borrowed; while ASKING */
    struct ws *ws;     /* borrowed; later */
    struct conn *conn; /* borrowed; it ends not before the probe */
    struct net *net;
    const struct proto *proto;
    struct poll poll;
    struct buf early; /* packs: text or binary, bytes */
    enum state state;
};

static void destroy_probe(struct probe *probe)
{
    poll_finish(&probe->poll);
    buf_finish(&probe->early);
    mem_free(probe);
}

/* The id of a session that a websocket has stays known while that lives. */
static void upgraded_ping(struct ws *ws)
{
    struct poll poll;

    ping(ws);
    poll_init(&poll, ws_net(ws)->services, ws_session(ws)->proto->name,
              session_id(ws_session(ws)), NULL);
    poll_renew(&poll);
}

static void upgraded_closed(struct ws *ws)
{
    struct poll poll;

    poll_init(&poll, ws_net(ws)->services, ws_session(ws)->proto->name,
              session_id(ws_session(ws)), NULL);
    poll_close(&poll, false, str_from("", 0), false, NULL, NULL);
}

static const struct ws_kind upgraded_kind = {
    .opened = opened,
    .message = message,
    .ping = upgraded_ping,
    .closed = upgraded_closed,
    .wordless = true,
};

/* What was queued for the next GET, as frames. */
static void send_queue(struct ws *ws, struct str item)
{
    struct session *session = ws_session(ws);
    struct eio_payload payload;
    struct eio_packet packet;
    struct buf stamped = {0}, decoded = {0};

    if (session->proto->stamp != NULL) {
        session->proto->stamp(session, item, &stamped);
        item = buf_str(&stamped);
    }
    payload = eio_payload_of(item);
    while (eio_packet_next(&payload, &packet, &decoded) == EIO_PACKET) {
        struct msg *msg = packet.type == EIO_BINARY
                              ? msg_binary(packet.data)
                              : msg_text(str_from(packet.data.at - 1, packet.data.len + 1));

        ws_send(ws, msg);
        msg_unref(msg);
    }
    buf_finish(&stamped);
    buf_finish(&decoded);
}

static void take_early(struct ws *ws, struct str early)
{
    uint64_t text;
    struct str bytes;

    while (ws_session(ws)->state == SESSION_OPEN && pack_take_u64(&early, &text) == ERR_OK &&
           pack_take_str(&early, &bytes) == ERR_OK) {
        message(ws, bytes, text != 0);
    }
}

static void on_upgraded(void *owner, const struct poll_found *found)
{
    struct probe *probe = owner;
    struct ws *ws = probe->ws;
    struct session *session;
    char peer[INET6_ADDRSTRLEN];
    bool loaded;

    if (found->word != POLL_OK) {
        ws_close(ws, found->word == POLL_AWAY || found->word == POLL_NEWER ? REASON_UNAVAILABLE
                                                                           : REASON_PROTOCOL);
        return;
    }
    probe->state = UPGRADED;
    session = session_create(probe->net->services, probe->proto, ws_transport(), ws, NULL);
    session_adopt(session, poll_sid(&probe->poll));
    probe->net->services->metrics->opened[probe->proto->metric][METRICS_TRANSPORT_WEBSOCKET]++;
    ws_adopt(ws, &upgraded_kind, session);
    conn_peer_text(probe->conn, peer);
    session_keep_place(session, LIMITS_ADDRESS, str_of(peer));
    loaded = probe->proto->load(session, found->saved, found->marks);
    for (size_t i = 0; loaded && poll_item(found, i).at != NULL; i++) {
        send_queue(ws, poll_item(found, i));
    }
    if (!loaded) {
        session_close(session, REASON_INTERNAL);
    }
    ws_pause(ws, false);
    take_early(ws, buf_str(&probe->early));
    destroy_probe(probe);
}

static void on_probed(void *owner, const struct poll_found *found)
{
    struct probe *probe = owner;

    if (found->word != POLL_OK) {
        ws_close(probe->ws, REASON_PROTOCOL);
    }
}

/* What came together with `5`: reading is paused, so it is one read of the connection, and the
 * message that it completes. */
static void hold(struct probe *probe, struct str bytes, bool text)
{
    pack_add_u64(&probe->early, text);
    pack_add_str(&probe->early, bytes);
}

static void probe_message(struct ws *ws, struct str bytes, bool text)
{
    struct probe *probe = ws_owner(ws);

    if (probe->state == UPGRADING) {
        hold(probe, bytes, text);
    } else if (probe->state == PROBING && text && str_equal(bytes, STR("2probe"))) {
        probe->state = PROBED; /* once: nobody makes us talk without end */
        ws_say(ws, STR("3probe"));
        poll_finish(&probe->poll);
        poll_probed(&probe->poll, on_probed);
    } else if (text && str_equal(bytes, STR("5"))) {
        probe->state = UPGRADING;
        poll_finish(&probe->poll);
        poll_upgrade(&probe->poll, on_upgraded);
        ws_pause(ws, true);
    } else {
        ws_close(ws, REASON_PROTOCOL);
    }
}

static void nothing(struct ws *ws)
{
    (void)ws;
}

/* Polling goes on as if nothing had been. */
static void probe_closed(struct ws *ws)
{
    struct probe *probe = ws_owner(ws);

    poll_unprobe(&probe->poll);
    destroy_probe(probe);
}

static const struct ws_kind probe_kind = {
    .message = probe_message,
    .ping = nothing,
    .closed = probe_closed,
    .wordless = true,
};

/* A second websocket: it is let in and shown out; the first one keeps working. */
static void surplus_message(struct ws *ws, struct str bytes, bool text)
{
    (void)bytes;
    (void)text;
    ws_close(ws, REASON_PROTOCOL);
}

static const struct ws_kind surplus_kind = {
    .message = surplus_message,
    .ping = nothing,
    .wordless = true,
};

static void on_asked(void *owner, const struct poll_found *found)
{
    struct probe *probe = owner;
    struct http *http = probe->http;

    switch (found->word) {
    case POLL_OK:
        probe->state = PROBING;
        probe->http = NULL;
        probe->ws = ws_open_bare(http, &probe_kind, probe, PROBE_MS);
        return;
    case POLL_WRONG:
        ws_close(ws_open_bare(http, &surplus_kind, NULL, PROBE_MS), REASON_PROTOCOL);
        break;
    case POLL_AWAY:
    case POLL_NEWER:
        eio_unavailable(http);
        break;
    default:
        eio_refuse(http, EIO_ERROR_SESSION);
        break;
    }
    destroy_probe(probe);
}

static void on_gone(void *owner)
{
    struct probe *probe = owner;

    poll_unprobe(&probe->poll);
    destroy_probe(probe);
}

static const struct http_watcher watcher = {.gone = on_gone};

void eio_probe(struct http *http, const struct proto *proto, struct str sid)
{
    struct probe *probe;
    const char *why;
    enum err err = handshake_check(http_request(http), &why);

    if (err != ERR_OK) {
        http_refuse(http, err, why);
        return;
    }
    probe = mem_zero(sizeof(*probe));
    probe->http = http;
    probe->conn = http_conn(http);
    probe->net = probe->conn->net;
    probe->proto = proto;
    poll_init(&probe->poll, probe->net->services, proto->name, sid, probe);
    http_watch(http, &watcher, probe);
    poll_probe(&probe->poll, PROBE_MS, on_asked);
}
