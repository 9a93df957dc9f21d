/* One Redis: a link for commands and a tap for subscriptions, which live and die together.
 * Private to store/.
 *
 *     RESTING --back-off--> DIALING --both open, greeted--> UP
 *        ^                     |                            |
 *        +------- any failure: both connections go ---------+        any --node_stop--> STOPPED
 */
#ifndef SEGUE_STORE_NODE_H
#define SEGUE_STORE_NODE_H

#include "gateway/store/call.h"
#include "gateway/store/clock.h"
#include "gateway/store/lookup.h"
#include "gateway/store/server.h"
#include "gateway/store/tap.h"

struct node;

struct node_events {
    void (*up)(void *owner, struct node *node); /* nothing is watched yet */
    void (*down)(void *owner, struct node *node);
    void (*message)(void *owner, struct node *node, struct str channel, struct str payload);
    void (*matched)(void *owner, struct node *node, struct str channel, struct str payload);
    void (*changed)(void *owner, struct node *node, struct str channel, bool watched);
    void (*matching)(void *owner, struct node *node, struct str pattern); /* from now on */
    /* A call or a subscription belongs to another one; the call is the owner's then, NULL for a
     * subscription. */
    void (*redirected)(void *owner, struct node *node, struct store_call *call,
                       struct str error);
};

/* What all nodes of a store share; borrowed. */
struct node_settings {
    uv_loop_t *loop;
    const char *user, *password; /* NULL = none */
    struct tls *tls;             /* NULL = without */
    struct call_pool *pool;
    const struct node_events *events;
    void *owner;
    unsigned database;
    bool shards; /* part of a cluster: channels belong to slots */
    bool found;  /* somebody named it as a master: it must be one */
};

enum node_state {
    NODE_RESTING,
    NODE_DIALING,
    NODE_UP,
    NODE_STOPPED
};

struct node {
    const struct node_settings *settings;
    struct server address;

    enum node_state state;
    struct link *link; /* owned until it says closed */
    struct tap *tap;   /* likewise */
    bool link_open, tap_open;
    unsigned greetings; /* answers still due before it is up */
    uint64_t dialed_ms;
    uint64_t rest_ms;
    uint64_t rest_until_ms;
    uint64_t beat_at_ms;
    uint64_t tap_asked_ms; /* 0 = no answer due */
    struct lookup lookup;
    char last_why[128]; /* what was logged last: a failure that repeats is said once */
    unsigned late;      /* ticks in a row that found an answer overdue */
    struct clock clock;
    struct caller caller;

    /* The store's notes. */
    bool leaving;           /* no slot is its own any more */
    uint64_t keep_until_ms; /* ... and yet it may be needed until then */
};

struct node *node_create(const struct node_settings *settings, const struct server *address);
/* Several times a second: dials, and looks whether it still answers. */
void node_tick(struct node *node);
void node_flush(struct node *node); /* what was said in this turn leaves */
/* Closes everything, for good. */
void node_stop(struct node *node);
bool node_is_over(const struct node *node); /* stopped, and nothing is left in the loop */
void node_destroy(struct node *node);       /* it is over, or the loop is */

bool node_is_up(const struct node *node);
void node_watch(struct node *node, struct str channel);
void node_unwatch(struct node *node, struct str channel);
void node_match(struct node *node, struct str pattern);

/* AUTH with or without a user name; returns the number of words, 0 when there is no password.
 */
size_t node_auth_words(const char *user, const char *password, struct str words[3]);

#endif
