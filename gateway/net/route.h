/* Which path is answered by whom: one table for what the process itself says, then the pages,
 * then the protocols. */
#ifndef SEGUE_NET_ROUTE_H
#define SEGUE_NET_ROUTE_H

#include "gateway/net/http.h"
#include "gateway/net/pages.h"

typedef void route_fn(struct http *http);

/* What a request will be answered by: exactly one of the three is set. */
struct route {
    route_fn *serve;
    const struct page *page;
    const struct proto *proto;
};

/* ERR_OK, ERR_NOT_FOUND, ERR_METHOD or ERR_UPGRADE. Needs the head of the request only. */
MUST_CHECK enum err route_find(const struct http *http, struct route *route);
/* Answers a complete request. */
void route_serve(struct http *http);

#endif
