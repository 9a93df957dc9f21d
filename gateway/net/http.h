/* HTTP/1.1 on a connection: bytes to requests (llhttp), answers back, one at a time and in
 * order.
 *
 *     HEAD --complete--> ANSWERING --answered--> HEAD (keep-alive) or the connection ends
 *
 * A peer that asks on and does not read its answers is not read from once more than --max-queue
 * bytes wait (FULL).
 *
 * A request is refused before its body was read when it will be refused anyway and the body is
 * large; the connection then throws the body away for a while (conn_end), so that the client
 * can read the answer. */
#ifndef SEGUE_NET_HTTP_H
#define SEGUE_NET_HTTP_H

#include "common/request.h"
#include "gateway/net/answer.h"
#include "gateway/net/conn.h"

struct http;

/* Puts HTTP on a fresh connection. */
void http_attach(struct conn *conn);

/* For handlers: exactly one of these per request. The request is gone afterwards. */
void http_answer(struct http *http, const struct answer *answer);
void http_refuse(struct http *http, enum err err,
                 const char *why); /* why == NULL: the error's own text */
/* For a handler that answers later. After `gone` the request is gone as well; after `late` it
 * is still to be answered. Deadlines of its own are set by conn_deadline. */
struct http_watcher {
    void (*gone)(void *owner);    /* the client left before its answer */
    void (*late)(void *owner);    /* the deadline came; NULL: 503 */
    void (*restart)(void *owner); /* the process ends; NULL: the answer takes its time */
    bool patient;                 /* a client that closed its half is answered still */
};
void http_watch(struct http *http, const struct http_watcher *watcher, void *owner);
/* Another layer takes the connection over; what came behind the request is added to `early`.
 * `http` is gone afterwards. */
struct conn *http_detach(struct http *http, struct buf *early);

const struct request *http_request(const struct http *http);
struct conn *http_conn(const struct http *http);

#endif
