/* The inside of Engine.IO: what its four files share. */
#ifndef SEGUE_NET_EIO_CORE_H
#define SEGUE_NET_EIO_CORE_H

#include "gateway/net/eio.h"
#include "gateway/net/eio_packet.h"
#include "gateway/net/ws.h"
#include "gateway/poll.h"
#include "gateway/session_place.h"

/* The official server's errors: name, code on the wire, HTTP status, text. */
#define EIO_ERROR_TABLE(X)                                                                     \
    X(TRANSPORT, 0, 400, "Transport unknown")                                                  \
    X(SESSION, 1, 400, "Session ID unknown")                                                   \
    X(METHOD, 2, 400, "Bad handshake method")                                                  \
    X(REQUEST, 3, 400, "Bad request")                                                          \
    X(FORBIDDEN, 4, 403, "Forbidden")                                                          \
    X(VERSION, 5, 400, "Unsupported protocol version")

enum eio_error {
#define X(name, code, status, text) EIO_ERROR_##name,
    EIO_ERROR_TABLE(X)
#undef X
    EIO_ERROR_NONE
};

enum {
    EIO_SID_LENGTH = MSG_ORIGIN_LENGTH
};

/* Answers; the lines of CORS stand in every one of them. */
void eio_refuse(struct http *http, enum eio_error error);
void eio_answer(struct http *http, struct str body); /* 200, a payload */
void eio_answer_ok(struct http *http);               /* 200 `ok` */
void eio_too_large(struct http *http);               /* 413 without a body */
void eio_unavailable(struct http *http);             /* 503 */
/* Whether a new session may begin; otherwise the answer is given. */
bool eio_admit(struct http *http);

/* Whether so many bytes more fit into a polling body of at most `room`; the first ones do. */
bool eio_fits(const struct buf *body, size_t len, uint64_t room);
bool eio_add_msg(struct buf *body, const struct msg *msg, uint64_t room); /* false: no room */
/* Of a carrier that lives for one request: nothing to accept, to trim, to pause. */
void eio_carry_nothing(void *carrier);
void eio_carry_pause(void *carrier, bool paused);
void eio_carry_refuse(void *carrier, enum err err, const char *why);

/* poll_close for the request `http`, with the line about the end; `session` may be NULL. */
void eio_close(struct http *http, struct poll *poll, const struct session *session,
               enum reason reason, bool claimed, struct str words, bool told, poll_fn *done);

/* The packet that opens a session. */
void eio_add_open(struct buf *to, const struct net *net, struct str sid, bool may_upgrade);

/* eio_ws */
extern const struct ws_kind eio_ws_kind;
void eio_probe(struct http *http, const struct proto *proto, struct str sid);

/* eio_get, eio_post */
void eio_get(struct http *http, const struct proto *proto, struct str sid);
void eio_post(struct http *http, const struct proto *proto, struct str sid);
/* A GET without a session: opens one. */
void eio_begin(struct http *http, const struct proto *proto);

#endif
