/* Which path is answered by whom: one table for what the process itself says, then the
 * protocols and the pages. */
#ifndef SEGUE_NET_ROUTE_H
#define SEGUE_NET_ROUTE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct http;

/* What a request will be answered by: at most one of the first four is set. */
struct route {
    void (*serve)(struct http *http);
    const struct page *page;
    const struct proto *proto;
    const struct endpoint *endpoint;
    unsigned methods;  /* that the path knows: a set of those in route.c */
    struct str param;  /* as sent */
    uint64_t body_max; /* bytes; more: 413 ... */
    bool bare;         /* ... without a word, as Engine.IO's clients know it */
    bool cors;         /* pages of other origins may ask, as --origins says */
};

/* ERR_OK, ERR_NOT_FOUND, ERR_METHOD or ERR_UPGRADE; `route` is filled as far as it is known.
 * Needs the head of the request only. */
MUST_CHECK enum err route_find(const struct http *http, struct route *route);
/* Answers a complete request, for which route_find said ERR_OK. */
void route_serve(struct http *http, const struct route *route);
/* Who may not come in, as far as the head tells and where it is known: ERR_UNAUTHORIZED or
 * ERR_FORBIDDEN, with `*why`. */
MUST_CHECK enum err route_admit(const struct http *http, const struct route *route,
                                const char **why);
/* The header line that says which methods the path knows. */
void route_add_allow(const struct route *route, struct buf *lines);

#endif
