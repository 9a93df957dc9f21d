/* A request that is refused: counted, and told of at debug. */
#ifndef SEGUE_NET_REFUSAL_H
#define SEGUE_NET_REFUSAL_H

#include "common/request.h"
#include "gateway/net/conn.h"

/* `request` may be NULL: it never became one. `why`: as the client is told, NULL = the default
 * text. The query, where a token may stand, is not told. */
void refusal_note(const struct conn *conn, const struct request *request, enum err err,
                  const char *why);
/* The last word on a connection that never came to serve a client; it ends. */
void refusal_answer(struct conn *conn, enum err err, const char *why);

#endif
