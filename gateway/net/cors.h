/* What browsers want to hear before a page of another origin may read an answer.
 *
 * Tokens may come as cookies, so an allowed origin is named as it is and never as `*`; pages of
 * other origins get none of this. */
#ifndef SEGUE_NET_CORS_H
#define SEGUE_NET_CORS_H

#include "common/buf.h"
#include "common/request.h"
#include "gateway/config.h"

/* Whether the request comes from a page that may not ask: to be refused with ERR_FORBIDDEN. */
bool cors_forbids(const struct config *config, const struct request *request);
/* The header lines that every answer on a path for pages has, also a refusal. */
void cors_add(const struct config *config, const struct request *request, struct buf *lines);

/* Whether a browser asks what it may ask. */
bool cors_is_preflight(const struct request *request);
/* The lines of the answer to that, besides those of cors_add. `methods`: "GET, HEAD". */
void cors_add_preflight(const struct request *request, struct str methods, struct buf *lines);

#endif
