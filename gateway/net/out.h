/* The queue of a connection that has something to say; most have none most of the time, so
 * queues come from a pool. */
#ifndef SEGUE_NET_OUT_H
#define SEGUE_NET_OUT_H

#include <uv.h>

#include "gateway/hub/msg.h"
#include "gateway/net/net.h"

enum {
    OUT_FEW = 8 /* messages that a queue holds without more memory */
};

struct conn_out {
    struct conn_out *next; /* in the pool */
    struct msg **msgs;     /* owned references; `few` or, when that is too small, on the heap */
    struct msg *few[OUT_FEW];
    size_t first, count, room;
    size_t sent;  /* bytes of the first message that are gone */
    size_t bytes; /* all that wait */
    /* the connection's */
    bool writing; /* the first message is on its way */
    bool was_full;
    bool shut;
    uv_write_t write;
    uv_shutdown_t shutdown;
};

struct conn_out *out_take(struct net *net);
void out_give_back(struct net *net, struct conn_out *out); /* NULL is fine */
void out_free_pool(struct net *net);

void out_push(struct conn_out *out, struct msg *msg); /* takes its own reference */
void out_trim(struct conn_out *out);                  /* drops all but the first message */
void out_advance(struct conn_out *out, size_t bytes); /* so many are gone */
/* What is left of the message at `index`. */
uv_buf_t out_part(const struct conn_out *out, size_t index);

#endif
