/* Store and hub over a fake Redis, tied as main does it: what all stages of protocols stand on.
 *
 * Included behind the definition of `stage`, a static struct that has `loop`, `redis`,
 * `config`, `metrics` and `services` among its members. */
#ifndef SEGUE_TEST_TIED_STAGE_H
#define SEGUE_TEST_TIED_STAGE_H

#include "test/unit/store_stage.h"
#include "test/unit/ties.h"

/* A cleared `stage` gets its services, without a store yet ... */
static inline void tied_begin(void)
{
    stage_begin();
    stage.services.hub = hub_create(&hub_events, NULL, &stage.metrics.channels);
}

/* ... and the store, which comes up. */
static inline int tied_connect(void)
{
    return stage_connect(&store_events);
}

static inline void come_back(void)
{
    for (int i = 0; i < 100 && !store_is_up(stage.services.store); i++) {
        fake_us += 10000;
        turns();
    }
    assert_true(store_is_up(stage.services.store));
}

/* All that was begun ends: 0 when no channel, no connection and no handle is left. */
static inline int tied_end(void)
{
    uint64_t left;

    stage_stop();
    left = stage.metrics.channels;
    for (int i = 0; i < METRICS_PROTOCOL_COUNT; i++) {
        for (int j = 0; j < METRICS_TRANSPORT_COUNT; j++) {
            left += stage.metrics.connections[i][j];
        }
    }
    store_destroy(stage.services.store);
    rooms_destroy(stage.services.rooms);
    hub_destroy(stage.services.hub);
    auth_destroy(stage.services.auth);
    return uv_loop_close(&stage.loop) != 0 || left != 0 ? -1 : 0;
}

#endif
