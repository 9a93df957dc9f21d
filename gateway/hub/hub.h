/* Channels and who listens to them in this process. Knows neither Redis nor clients.
 *
 * A channel exists while somebody listens, and a little longer: until Redis confirmed that it
 * is no longer sent.
 *
 *     (none) --first join--> ASKED --confirmed--> LIVE --last leave--> LEAVING --confirmed-->
 * (none)
 *                                                                        +--joined meanwhile-->
 * ASKED
 *     any, and joins while its Redis is away --> AWAY --restored--> ASKED
 *
 * One wish is under way per channel and no more, so a confirmation always belongs to the newest
 * wish.
 *
 * A few listeners are told at once. A crowd is told in slices, one per turn of the loop, so
 * that a message to a hundred thousand keeps nobody else waiting: a walk goes along the
 * listeners and tells each all that waited when it began; what is published meanwhile waits for
 * the next walk, so that every listener hears everything in its order. */
#ifndef SEGUE_HUB_HUB_H
#define SEGUE_HUB_HUB_H

#include <stdint.h>

#include "gateway/hub/msg.h"

struct hub;
struct hub_channel;
struct hub_sub;

/* What a listener is told. In either callback it may leave, and so may others. */
struct hub_listener {
    /* From here on nothing is missed: now read the state. Comes again whenever the subscription
     * had to be made anew. */
    void (*ready)(struct hub_sub *sub);
    void (*message)(struct hub_sub *sub, struct msg *msg); /* borrowed: msg_ref to keep it */
};

/* One listener on one channel; lives inside the listener's own struct. {0} = not listening. */
struct hub_sub {
    const struct hub_listener *listener;
    struct hub_channel *channel; /* NULL = not listening */
    struct hub_sub *prev, *next;
};

struct hub_events {
    /* False: its Redis is away; hub_restore asks again. */
    bool (*watch)(void *owner, struct str channel);
    void (*unwatch)(void *owner, struct str channel);
    void (*told)(void *owner, struct msg *msg); /* everybody has been told; may be NULL */
};

enum {
    HUB_SLICE = 256, /* listeners that are told in one turn */
    HUB_WAITING =
        64 /* messages that may wait for a crowd; more: the loop waits for the crowd */
};

struct hub *hub_create(const struct hub_events *events, void *owner, uint64_t *channel_count);
void hub_destroy(struct hub *hub); /* nobody listens any more */

/* Returns whether the channel is live already; otherwise `ready` is called when it is. */
bool hub_join(struct hub *hub, struct hub_sub *sub, const struct hub_listener *listener,
              struct str channel);
bool hub_is_live(const struct hub_sub *sub); /* nothing is missed */
bool hub_is_away(const struct hub_sub *sub); /* its Redis is: `ready` comes when it is back */
void hub_leave(struct hub *hub, struct hub_sub *sub); /* harmless when not listening */
bool hub_is_alone(const struct hub_sub *sub); /* nobody else of this process listens there */

/* What comes from Redis. */
/* Listeners of a crowd, and of no other channel, hear it after this call (hub_turn). */
void hub_publish(struct hub *hub, struct str channel, struct msg *msg); /* borrowed */
void hub_changed(struct hub *hub, struct str channel, bool watched);
/* A Redis is away: the channels for which `is_lost` holds are not live. */
void hub_lost(struct hub *hub, bool (*is_lost)(void *owner, struct str channel));
/* A Redis is back: asks again for every channel that is away. */
void hub_restore(struct hub *hub);

/* Once per turn of the loop: tells the next slice. True: call again soon, there is more. */
bool hub_turn(struct hub *hub);

#endif
