/* The opening handshake of WebSocket (RFC 6455, 4.2), as far as one request tells. Pure. */
#ifndef SEGUE_NET_HANDSHAKE_H
#define SEGUE_NET_HANDSHAKE_H

#include "common/buf.h"
#include "common/request.h"

enum {
    HANDSHAKE_ACCEPT_LENGTH = 28
};

/* Whether the request asks for a WebSocket at all. */
bool handshake_wanted(const struct request *request);
/* ERR_UPGRADE or ERR_BAD_REQUEST with `*why` set (or NULL) when it can't be granted. */
MUST_CHECK enum err handshake_check(const struct request *request, const char **why);
/* The value of Sec-WebSocket-Accept, with a NUL. */
void handshake_accept(const struct request *request, char to[HANDSHAKE_ACCEPT_LENGTH + 1]);
/* The answer with it, complete; `bearer`: that subprotocol is selected. */
void handshake_answer(const char *accept, bool bearer, struct buf *to);

#endif
