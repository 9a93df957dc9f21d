/* The inside of HTTP: what its two files share. */
#ifndef SEGUE_NET_HTTP_CORE_H
#define SEGUE_NET_HTTP_CORE_H

#include <llhttp.h>

#include "gateway/net/http.h"
#include "gateway/net/lines.h"
#include "gateway/net/route.h"

enum {
    HTTP_HEAD_MAX = 8192
};

enum http_state {
    HTTP_READING,
    HTTP_ANSWERING,
    HTTP_FULL, /* answered; the peer has to read before it is asked for more */
    HTTP_GONE
};

/* Where a header stands in `head`; a head is at most 8 KiB. */
struct http_span {
    uint16_t name_at, name_len, value_at, value_len;
};

struct http {
    struct conn *conn; /* borrowed: it owns us */
    llhttp_t parser;
    enum http_state state;
    struct lines lines;
    bool started;   /* bytes of a request came */
    bool past_head; /* its head is complete */
    bool complete;  /* ... and all of it */
    bool keep_alive;
    bool in_value;    /* the last header byte was one of a value */
    bool running;     /* inside run: an answer given now is not a late one */
    bool served;      /* not the first request any more */
    enum err wrong;   /* why the parser was stopped by us */
    enum err refusal; /* what the head alone will be answered; ERR_OK: the body matters */
    struct route route;
    struct buf head; /* target, names and values, back to back */
    uint16_t target_len;
    struct http_span spans[REQUEST_HEADERS_MAX];
    size_t span_count;
    size_t trailer_len;
    struct buf body;
    uint64_t body_len; /* also of what is not kept */
    bool large;        /* the body may be large ... */
    bool crowding;     /* ... and is one of the net's large bodies */
    struct buf stash;  /* what came behind the request that is being answered */
    struct buf param;  /* of the path, decoded */
    const struct http_watcher *watcher; /* of the request that is being answered; may be NULL */
    void *watching;
    char peer[INET6_ADDRSTRLEN];
    struct request request;
};

/* http_parse: ready for a request. */
void http_begin(struct http *http);
/* Reads one request's worth of bytes, or all of them; `*used` tells how many. Whatever is not
 * ERR_OK is why the request can't be read to its end. */
MUST_CHECK enum err http_parse(struct http *http, struct str bytes, size_t *used);
/* What the request holds of the process goes. */
void http_finish_request(struct http *http);

#endif
