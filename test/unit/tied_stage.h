/* Store and hub over a fake Redis, tied as main does it: what all stages of protocols stand on.
 *
 * Included behind the definition of `stage`, a static struct that has `loop`, `redis`,
 * `config`, `metrics` and `services` among its members. */
#ifndef SEGUE_TEST_TIED_STAGE_H
#define SEGUE_TEST_TIED_STAGE_H

#include "gateway/proto/room.h"

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

/* What is under way gets through, in both directions. */
static inline void turns(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        store_flush(stage.services.store);
    }
}

/* A cleared `stage` gets its services, without a store yet ... */
static inline void tied_begin(void)
{
    fake_us = 0;
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    keys_setup("segue:");
    uv_loop_init(&stage.loop);
    fake_redis_open(&stage.redis, &stage.loop);
    stage.services = (struct services){
        .config = &stage.config, .metrics = &stage.metrics, .loop = &stage.loop};
    stage.services.hub = hub_create(&hub_events, NULL, &stage.metrics.channels);
}

/* ... and the store, which comes up. */
static inline int tied_connect(void)
{
    struct url url = fake_redis_url(&stage.redis);

    stage.services.store =
        store_create(&stage.loop, &url, NULL, &stage.metrics, &store_events, NULL);
    store_start(stage.services.store);
    turns();
    return store_is_up(stage.services.store) ? 0 : -1;
}

#endif
