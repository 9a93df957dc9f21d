/* Store and hub tied as main does it.
 *
 * Included behind the definition of `stage`, a static struct that has `services` among its
 * members. */
#ifndef SEGUE_TEST_TIES_H
#define SEGUE_TEST_TIES_H

#include "gateway/proto/room.h"
#include "gateway/session.h"

static inline void on_up(void *owner)
{
    (void)owner;
    if (stage.services.rooms != NULL) {
        rooms_restored(stage.services.rooms);
    }
    hub_restore(stage.services.hub);
}

static inline bool is_lost(void *owner, struct str channel)
{
    (void)owner;
    return store_lost(stage.services.store, channel);
}

static inline void on_down(void *owner)
{
    (void)owner;
    if (stage.services.rooms != NULL) {
        rooms_lost(stage.services.rooms);
    }
    hub_lost(stage.services.hub, is_lost);
}

static inline void on_changed(void *owner, struct str channel, bool watched)
{
    (void)owner;
    hub_changed(stage.services.hub, channel, watched);
}

static inline void on_message(void *owner, struct str channel, struct str envelope)
{
    struct msg *msg = msg_from_envelope(envelope);

    (void)owner;
    assert_non_null(msg);
    hub_publish(stage.services.hub, channel, msg);
    msg_unref(msg);
}

static inline bool on_watch(void *owner, struct str channel)
{
    (void)owner;
    return store_watch(stage.services.store, channel);
}

static inline void on_unwatch(void *owner, struct str channel)
{
    (void)owner;
    store_unwatch(stage.services.store, channel);
}

static const struct store_events store_events = {on_up, on_down, on_changed, on_message, NULL};
static const struct hub_events hub_events = {on_watch, on_unwatch, NULL};

#endif
