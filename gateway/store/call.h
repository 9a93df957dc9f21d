/* Calls of scripts on their way, over a link that is up or not. Private to store/.
 *
 * A call is kept as bytes until it is answered, so that it can be sent again when Redis forgot
 * the scripts. It ends exactly once: answered, refused at the end of the turn (no link, too
 * many calls), or with the link. */
#ifndef SEGUE_STORE_CALL_H
#define SEGUE_STORE_CALL_H

#include "common/buf.h"
#include "gateway/store/link.h"
#include "gateway/store/store.h"

struct caller;
struct call_pool;

/* A call stands in two lists: by age in the caller, by client in `calls`. */
struct store_call {
    struct call_pool *pool; /* borrowed, likewise below */
    struct caller *caller;  /* who sent it */
    struct store_call *older, *newer;
    struct store_call *before, *after;
    struct store_calls *calls; /* NULL once forgotten */
    store_done_fn *done;
    void *context;
    struct buf command; /* owned */
    uint64_t started_us;
    uint64_t number; /* calls are counted as they are made */
    enum script script;
    unsigned tries; /* how often Redis did not know the script, or sent it elsewhere */
    uint16_t slot;  /* of its keys; 0 without a cluster */
};

/* Joins and leaves the client's list. */
void call_join(struct store_call *call, struct store_calls *calls);
void call_leave(struct store_call *call);
/* Writes the call's EVALSHA. */
void call_write(struct store_call *call, struct strs keys, struct strs args);

/* Calls in order, linked by `newer`. {0} is empty. */
struct call_list {
    struct store_call *first, *last;
};

void call_put(struct call_list *list, struct store_call *call);
/* Behind those that were made earlier. */
void call_put_in_order(struct call_list *list, struct store_call *call);
struct store_call *call_take(struct call_list *list); /* NULL = it is empty */

/* What all callers of a store share. Zero but for the first three is empty. */
struct call_pool {
    struct metrics *metrics;
    void (*left)(void *owner, uint16_t slot); /* a call is with no caller any more; or NULL */
    void *owner;
    struct call_list refused; /* could not be sent */
    struct call_list spare;   /* to be used again */
    size_t spares;
    size_t pending;         /* calls whose end is due */
    uint64_t made;          /* calls */
    uint64_t complained_us; /* when a refusal of Redis was logged last */
    uint64_t newer_said_us; /* when a key of a newer version was */
};

struct store_call *pool_take(struct call_pool *pool, enum script script);
/* Its end is ERR_UNAVAILABLE, at the end of the turn. */
void pool_refuse(struct call_pool *pool, struct store_call *call);
void pool_flush(struct call_pool *pool);  /* answers what was refused in this turn */
void pool_finish(struct call_pool *pool); /* frees the spares; nothing is under way */

struct caller_events {
    /* Redis answers, but not as a Redis that serves us. */
    void (*lost)(void *owner, const char *why);
    /* Another Redis has its keys, or will have: the call is the owner's. NULL: that is an error
     * like any other. */
    void (*redirected)(void *owner, struct store_call *call, struct str error);
};

/* Everything that is under way to one Redis. Zero but for the first four is empty.
 *
 * When Redis forgot the scripts, order must survive: from the first NOSCRIPT on nothing is sent
 * until all that was sent is answered; then the scripts are loaded, and what failed and what
 * came meanwhile goes out in its order. */
struct caller {
    struct link *link; /* borrowed; NULL while it is not up */
    struct call_pool *pool;
    const struct caller_events *events;
    void *owner;
    struct store_call *oldest, *newest; /* sent */
    struct call_list unknown;           /* answered with NOSCRIPT */
    struct call_list waiting;           /* came meanwhile */
};

/* With `asking`: to a Redis that is only about to get the slot. */
void caller_send(struct caller *caller, struct store_call *call, bool asking);
/* Answers what waits when the link is gone. */
void caller_flush(struct caller *caller);
bool caller_is_idle(const struct caller *caller); /* nothing is under way */
/* Calls the function for every call that is under way here. */
void caller_each(const struct caller *caller,
                 void (*look)(void *context, const struct store_call *call), void *context);
uint64_t
caller_waiting_us(const struct caller *caller); /* how long the oldest waits; 0 = none does */

/* Sends SCRIPT LOAD for every script; returns how many answers will come. */
unsigned scripts_load(struct link *link, link_reply_fn *done, void *context);

#endif
