/* State in Redis: calls of scripts, subscriptions, one notion of "up".
 *
 * There may be one Redis, one that sentinels name, or the masters of a cluster: each has two
 * connections (a link for commands, a tap for subscriptions) that live and die together.
 * Nothing is kept while a Redis is away: a call that can't be made, or whose connection dies,
 * is answered with ERR_UNAVAILABLE, which means "not known to be applied". */
#ifndef SEGUE_STORE_STORE_H
#define SEGUE_STORE_STORE_H

#include <stdint.h>
#include <uv.h>

#include "common/err.h"
#include "common/str.h"
#include "gateway/metrics.h"
#include "gateway/store/reply.h"
#include "gateway/store/tls.h"
#include "gateway/store/url.h"

struct store;
struct store_call;

struct store_events {
    void (*up)(void *owner);   /* what could not be watched, may be now: say it again */
    void (*down)(void *owner); /* subscriptions are gone: store_lost tells which */
    void (*changed)(void *owner, struct str channel, bool watched);
    void (*message)(void *owner, struct str channel, struct str envelope);
    /* Whatever somebody publishes where a pattern fits; in one order with `message`. */
    void (*matched)(void *owner, struct str channel, struct str bytes);
};

/* The calls of one client, so that it can forget them all when it dies. {0} = none. */
struct store_calls {
    struct store_call *first;
    unsigned count;
};

/* Exactly once per call, never from inside store_call, never after store_forget. `reply` is
 * borrowed; NULL unless err == ERR_OK. */
typedef void store_done_fn(void *context, enum err err, const struct redisReply *reply);

struct strs {
    const struct str *at;
    size_t count;
};
#define STRS(...)                                                                              \
    ((struct strs){(const struct str[]){__VA_ARGS__},                                          \
                   sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str)})

/* `url` is taken over, and `tls` (NULL: without). */
struct store *store_create(uv_loop_t *loop, const struct url *url, struct tls *tls,
                           struct metrics *metrics, const struct store_events *events,
                           void *owner);
void store_start(struct store *store);
/* Closes everything; what is pending is answered with ERR_UNAVAILABLE. The loop must run until
 * the handles are closed. */
void store_stop(struct store *store);
void store_destroy(struct store *store); /* after the loop has closed everything */

bool store_is_up(const struct store *store); /* a Redis at least */
/* The one that has this key, or channel. */
bool store_reaches(const struct store *store, struct str key);
size_t store_pending(const struct store *store);

/* Runs a transition. `calls` (may be NULL) is the list that the call joins while it is in
 * flight, `done` may be NULL. */
void store_call(struct store *store, enum script script, struct strs keys, struct strs args,
                struct store_calls *calls, store_done_fn *done, void *context);
/* The calls go on, but nobody hears of their ends. */
void store_forget(struct store_calls *calls);

/* False: not now; `up` comes when it may be asked again. */
bool store_watch(struct store *store, struct str channel);
void store_unwatch(struct store *store, struct str channel);
/* The same for all channels that a pattern of Redis fits, at the Redis that has the key `near`,
 * until that goes away. `changed` tells when it holds. */
bool store_match(struct store *store, struct str pattern, struct str near);
/* While `down` runs: whether that channel is among those that are gone. */
bool store_lost(const struct store *store, struct str channel);
/* ... and whether a Redis went away; else slots have changed hands, with all that is kept. */
bool store_is_away(const struct store *store);

/* Redis's clock: microseconds since 1970, as far as it is known here (the local clock before
 * the first answer). */
uint64_t store_now_us(const struct store *store);
/* While `message` runs: by how much the clock of the Redis that told it is ahead of that. */
int64_t store_ahead_us(const struct store *store);

/* The end of a loop turn: what this turn wants to say to Redis leaves in one write. */
void store_flush(struct store *store);

#endif
