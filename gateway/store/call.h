/* One call of a script on its way: kept as bytes, so that it can be sent again. Private to
 * store/. */
#ifndef SEGUE_STORE_CALL_H
#define SEGUE_STORE_CALL_H

#include "common/buf.h"
#include "gateway/store/store.h"

/* A call stands in two lists: by age in the store, by client in `calls`. */
struct store_call {
    struct store *store; /* borrowed */
    struct store_call *older, *newer;
    struct store_call *before, *after;
    struct store_calls *calls; /* borrowed; NULL once forgotten */
    store_done_fn *done;
    void *context;
    struct buf command; /* owned */
    uint64_t started_us;
    enum script script;
    bool resent; /* after NOSCRIPT; once is enough */
};

/* Joins and leaves the client's list. */
void call_join(struct store_call *call, struct store_calls *calls);
void call_leave(struct store_call *call);

/* Writes the call's EVALSHA. */
void call_write(struct store_call *call, struct strs keys, struct strs args);

/* The calls of a store: what is in flight, by age; what could not be sent; what can be used
 * again. {0} is empty. */
struct call_queue {
    struct store_call *oldest, *newest;
    struct store_call *refused; /* linked by `newer`; answered at the end of the turn */
    struct store_call *spare;   /* likewise linked */
    size_t pending, spares;
};

struct store_call *call_take(struct call_queue *queue, struct store *store);
void call_put_back(struct call_queue *queue, struct store_call *call);
void call_sent(struct call_queue *queue, struct store_call *call);
void call_answered(struct call_queue *queue, struct store_call *call);
void call_free_spares(struct call_queue *queue);

#endif
