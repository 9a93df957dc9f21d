/* Limits that hold over all processes: connections of a user and of an address, messages of a
 * user, new connections of an address.
 *
 * A subject (a user, an address) is known here while somebody visits it, and a little longer.
 *
 * Connections: Redis holds how many each process has of a subject, with a lease: one call when
 * one more comes, none when one goes and another comes, and one in a while for all of them
 * together. A process that is killed frees its places when its leases run out. A polling
 * session, which no process has, holds a lease of its own.
 *
 * Rates: see bucket.h.
 *
 * While Redis is away nobody who is connected loses anything; each process goes by the rates
 * alone. */
#ifndef SEGUE_LIMITS_LIMITS_H
#define SEGUE_LIMITS_LIMITS_H

#include <uv.h>

#include "common/err.h"
#include "common/str.h"
#include "gateway/config.h"
#include "gateway/metrics.h"
#include "gateway/store/store.h"

enum limits_kind {
    LIMITS_USER,
    LIMITS_ADDRESS,
    LIMITS_KINDS
};

enum limits_answer {
    LIMITS_YES,
    LIMITS_NO,
    LIMITS_LATER /* the wait is told */
};

struct limits;
struct limits_subject;

/* ERR_OK, ERR_TOO_MANY, or ERR_UNAVAILABLE: Redis can't be asked. */
typedef void limits_fn(void *owner, enum err err);

/* Who waits for a place; the caller's memory, from LIMITS_LATER until it is told or cancelled.
 */
struct limits_wait {
    struct limits_subject *subject; /* NULL: it does not wait */
    struct limits_wait *next;
    limits_fn *done;
    void *owner;
    struct store_calls calls; /* of a polling session */
};

struct limits *limits_create(const struct config *config, struct store *store,
                             struct metrics *metrics, uv_loop_t *loop);
void limits_stop(struct limits *limits);    /* before the store; closes its handle */
void limits_destroy(struct limits *limits); /* NULL is fine; after the loop has closed it */
/* Places that were given up are free for others now, not a moment later. */
void limits_flush(struct limits *limits);

size_t limits_count(const struct limits *limits); /* of subjects that are known */

/* Whether there is a limit of that kind: of connections, of any sort. NULL: there is none. */
bool limits_places(const struct limits *limits, enum limits_kind kind);
bool limits_any(const struct limits *limits, enum limits_kind kind);

/* `name`: a user, or an address in its one text. An IPv6 address counts as its /64, which is
 * what one subscriber gets. Every visit ends with limits_leave. */
struct limits_subject *limits_visit(struct limits *limits, enum limits_kind kind,
                                    struct str name);
void limits_leave(struct limits_subject *subject);
enum limits_kind limits_kind_of(const struct limits_subject *subject);

/* One message of a user, or one attempt of an address: false when there are too many. */
MUST_CHECK bool limits_spend(struct limits_subject *subject);
/* Whether one who comes now must be refused, as far as is known; charges nothing. */
bool limits_is_spent(struct limits_subject *subject);

/* Whether it is known, without asking, that there is no place. */
bool limits_is_full(const struct limits_subject *subject);
void limits_refuse(const struct limits_subject *subject); /* counts one who was told so */
/* A place for a connection of this process; given back by limits_give. */
MUST_CHECK enum limits_answer limits_take(struct limits_subject *subject,
                                          struct limits_wait *wait, limits_fn *done,
                                          void *owner);
void limits_keep(struct limits_subject *subject); /* for one that is connected: never refused */
void limits_give(struct limits_subject *subject);
void limits_cancel(struct limits_wait *wait); /* harmless when it does not wait */

/* The same for polling sessions, by their ids; `take` is never answered at once. */
void limits_take_poll(struct limits_subject *subject, struct str sid, struct limits_wait *wait,
                      limits_fn *done, void *owner);
void limits_keep_poll(struct limits_subject *subject, struct str sid);
void limits_give_poll(struct limits_subject *subject, struct str sid);

#endif
