/* Which Redis has what: nodes, the slots that are theirs, and the calls whose slot changes
 * hands. Private to store/.
 *
 * Without a cluster one node has everything.
 *
 * In a cluster a call may be answered MOVED (another node has its slot), ASK (another node is
 * about to get the slot, and has the keys already) or TRYAGAIN (some of the keys are here, some
 * there). Order must survive: from the first such answer on nothing of that slot is sent until
 * all of it that was sent, anywhere, is answered; then what was turned away and what came
 * meanwhile goes out in its order, one at a time, until the slot has settled. That is a `move`.
 */
#ifndef SEGUE_STORE_SHARDS_H
#define SEGUE_STORE_SHARDS_H

#include "gateway/store/node.h"
#include "gateway/store/topology.h"

struct shards;

struct shards_events {
    void (*up)(void *owner);    /* what could not be watched may be watched now */
    void (*down)(void *owner);  /* subscriptions are gone: shards_lost tells which */
    void (*stale)(void *owner); /* what we know of who has what seems to be old */
    void (*message)(void *owner, struct str channel, struct str payload);
    void (*matched)(void *owner, struct str channel, struct str payload);
    void (*changed)(void *owner, struct str channel, bool watched);
};

/* `settings` without pool, events and owner, which it sets itself. */
struct shards *shards_create(const struct node_settings *settings, struct metrics *metrics,
                             const struct shards_events *events, void *owner);
void shards_destroy(struct shards *shards);
/* Before anything of what follows. */
void shards_start(struct shards *shards);

/* One Redis has all. */
void shards_set_one(struct shards *shards, const struct server *address);
void shards_set(struct shards *shards, const struct topology *topology);

void shards_tick(struct shards *shards); /* several times a second */
void shards_flush(struct shards *shards);
void shards_stop(struct shards *shards);

bool shards_is_up(const struct shards *shards);    /* some of it; at first: all of it */
bool shards_is_whole(const struct shards *shards); /* all of it */
bool shards_reach(const struct shards *shards, struct str key);
/* While `down` runs: whether that channel's subscription is among those that are gone. */
bool shards_lost(const struct shards *shards, struct str channel);
/* ... and whether a Redis went away, or slots have changed hands. */
bool shards_is_away(const struct shards *shards);
size_t shards_pending(const struct shards *shards);
/* The number'th of those that are up; NULL when there are fewer. */
const struct node *shards_up(const struct shards *shards, size_t number);

struct store_call *shards_take(struct shards *shards, enum script script);
void shards_call(struct shards *shards, struct store_call *call, struct str key);

/* False: not now; `up` comes when it may be asked again. */
bool shards_watch(struct shards *shards, struct str channel);
void shards_unwatch(struct shards *shards, struct str channel);
bool shards_match(struct shards *shards, struct str pattern, struct str near);

/* By how much the clock of the node whose message is being told is ahead of the clock of
 * shards_up(0). */
int64_t shards_ahead_us(const struct shards *shards);

#endif
