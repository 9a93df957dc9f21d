/* What shards and the moves of their slots share. Private to them. */
#ifndef SEGUE_STORE_SHARDS_CORE_H
#define SEGUE_STORE_SHARDS_CORE_H

#include "gateway/store/shards.h"

enum {
    NUDGE_MS = 20 /* how often moves are looked at; also the rest between two tries */
};

struct shards {
    struct node_settings settings;
    struct call_pool pool;
    const struct shards_events *events;
    void *owner;
    struct node **nodes; /* owned */
    size_t count;
    struct node *only;   /* has everything; NULL in a cluster, or when nobody is known yet */
    struct node **homes; /* by slot; owned; NULL: no cluster */
    bool complete;       /* all of it was up once, or that was waited for */
    uint64_t started_ms;
    struct move *moves;
    uv_timer_t nudge;

    /* What `down` is about. */
    const struct node *lost; /* NULL: the changed slots */
    unsigned char changed[SLOT_COUNT / 8];
    bool any_changed;
    uint64_t told_ms;
    const struct node *telling; /* whose message is being told */
    const struct node *matcher; /* who was asked last to listen to patterns; or NULL */
};

/* The node that has the slot; NULL: nobody is known. */
struct node *shards_home(const struct shards *shards, uint16_t slot);
bool shards_serve(const struct shards *shards, uint16_t slot); /* ... and it is up */
/* The node there, a new one if need be; it stays for a while. */
struct node *shards_need_node(struct shards *shards, const struct server *address);
/* The slot is another one's now. */
void shards_settle(struct shards *shards, uint16_t slot, struct node *home);
void shards_nudge(struct shards *shards); /* the loop turns again soon */

#endif
