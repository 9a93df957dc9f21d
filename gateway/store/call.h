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

/* A call stands in two lists: by age in the caller, by client in `calls`. */
struct store_call {
    struct caller *caller; /* borrowed */
    struct store_call *older, *newer;
    struct store_call *before, *after;
    struct store_calls *calls; /* borrowed; NULL once forgotten */
    store_done_fn *done;
    void *context;
    struct buf command; /* owned */
    uint64_t started_us;
    enum script script;
    unsigned tries; /* how often Redis did not know the script */
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

/* Everything that is under way. Zero but for the first four is empty.
 *
 * When Redis forgot the scripts, order must survive: from the first NOSCRIPT on nothing is sent
 * until all that was sent is answered; then the scripts are loaded, and what failed and what
 * came meanwhile goes out in its order. */
struct caller {
    struct link *link; /* borrowed; NULL while the store is not up */
    struct metrics *metrics;
    void (*lost)(void *owner,
                 const char *why); /* Redis answers, but not as a Redis that serves us */
    void *owner;
    struct store_call *oldest, *newest; /* sent */
    struct call_list unknown;           /* answered with NOSCRIPT */
    struct call_list waiting;           /* came meanwhile */
    struct call_list refused;           /* could not be sent */
    struct call_list spare;             /* to be used again */
    size_t pending, spares;
    uint64_t complained_us; /* when a refusal of Redis was logged last */
    uint64_t newer_said_us; /* when a key of a newer version was */
};

struct store_call *caller_take(struct caller *caller, enum script script);
void caller_send(struct caller *caller, struct store_call *call);
void caller_flush(struct caller *caller); /* answers what was refused in this turn */
uint64_t
caller_waiting_us(const struct caller *caller); /* how long the oldest waits; 0 = none does */
void caller_finish(struct caller *caller);      /* frees the spares; nothing is under way */

/* Sends SCRIPT LOAD for every script; returns how many answers will come. */
unsigned scripts_load(struct link *link, link_reply_fn *done, void *context);

#endif
