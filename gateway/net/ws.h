/* WebSocket (RFC 6455) on a connection: the handshake, messages in, frames out, the heartbeat,
 * the close.
 *
 * Parsing is wslay's. Its event context takes 9 KB, ten times what a connection should cost, so
 * a connection borrows one only while a frame or message of its is incomplete, and gives it
 * back at the boundary. */
#ifndef SEGUE_NET_WS_H
#define SEGUE_NET_WS_H

#include "gateway/net/http.h"

struct ws;

/* What stands between the frames and the session: nothing, or the packets of an engine. */
struct ws_kind {
    void (*opened)(struct ws *ws); /* the 101 is on its way; may be NULL */
    void (*message)(struct ws *ws, struct str bytes, bool text);
    void (*ping)(struct ws *ws);   /* ask for a sign of life, the answer to which comes to
                                      ws_ponged; NULL: by a ping frame */
    void (*closed)(struct ws *ws); /* its end, before the session's; may be NULL */
    bool wordless;                 /* closes without a reason's words */
};

extern const struct ws_kind ws_plain_kind; /* a message of the client is one of the session */

/* The request asks for a WebSocket and was checked: it gets a session, which then answers 101
 * or refuses. In two steps: the connection is the session's after the second. */
struct session *ws_create_session(struct http *http, const struct proto *proto,
                                  const struct ws_kind *kind, const struct claims *claims);
void ws_start_session(struct http *http, struct session *session);
/* ... or it gets a bare connection, accepted at once, which may get a session later. */
struct ws *ws_open_bare(struct http *http, const struct ws_kind *kind, void *owner,
                        uint64_t limit_ms);
/* Gives a bare connection its session (then owned); its heartbeat begins. */
void ws_adopt(struct ws *ws, const struct ws_kind *kind, struct session *session);
const struct transport *ws_transport(void);

void ws_say(struct ws *ws, struct str text);  /* a frame of the carrier's own, whatever waits */
void ws_send(struct ws *ws, struct msg *msg); /* likewise */
void ws_ponged(struct ws *ws);
void ws_pause(struct ws *ws, bool paused);
void ws_close(struct ws *ws, enum reason reason);
struct session *ws_session(const struct ws *ws); /* NULL while bare */
void *ws_owner(const struct ws *ws);             /* of a bare connection */
struct net *ws_net(const struct ws *ws);

#endif
