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

/* EVALSHA with a digest of 40 hexadecimal digits. */
void call_write(struct store_call *call, const char *sha, struct strs keys, struct strs args);

#endif
