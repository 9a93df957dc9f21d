/* A store over a fake Redis: what the stages of all who ask Redis stand on.
 *
 * Included behind the definition of `stage`, a static struct that has `loop`, `redis`,
 * `config`, `metrics` and `services` among its members. */
#ifndef SEGUE_TEST_STORE_STAGE_H
#define SEGUE_TEST_STORE_STAGE_H

#include "common/log.h"
#include "gateway/session.h"
#include "gateway/store/keys.h"
#include "gateway/store/store.h"
#include "test/unit/fake_redis.h"

/* ---- who does not listen to the store ---- */

static inline void ignore(void *owner)
{
    (void)owner;
}

static inline void ignore_change(void *owner, struct str channel, bool watched)
{
    (void)owner;
    (void)channel;
    (void)watched;
}

static inline void ignore_message(void *owner, struct str channel, struct str envelope)
{
    (void)owner;
    (void)channel;
    (void)envelope;
}

static const struct store_events no_events = {ignore, ignore, ignore_change, ignore_message,
                                              NULL};

/* ---- time ---- */

/* What is under way gets through, in both directions. */
static inline void turns(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        store_flush(stage.services.store);
    }
}

static inline void pass_in_steps(uint64_t ms, uint64_t step_ms)
{
    for (uint64_t passed = 0; passed < ms; passed += step_ms) {
        fake_us += step_ms * 1000;
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        store_flush(stage.services.store);
    }
    turns();
}

/* ---- life ---- */

/* A cleared `stage` gets all but a store ... */
static inline void stage_begin(void)
{
    fake_us = 0;
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    keys_setup("segue:");
    uv_loop_init(&stage.loop);
    fake_redis_open(&stage.redis, &stage.loop);
    stage.services = (struct services){
        .config = &stage.config, .metrics = &stage.metrics, .loop = &stage.loop};
}

/* ... then a store for these listeners ... */
static inline void stage_create_store(const struct store_events *events)
{
    struct url url = fake_redis_url(&stage.redis);

    stage.services.store = store_create(&stage.loop, &url, NULL, &stage.metrics, events, NULL);
}

/* ... and the store comes up. */
static inline int stage_start_store(void)
{
    store_start(stage.services.store);
    turns();
    return store_is_up(stage.services.store) ? 0 : -1;
}

static inline int stage_connect(const struct store_events *events)
{
    stage_create_store(events);
    return stage_start_store();
}

/* Store and Redis end; what stands on the store is destroyed behind this, and then the store.
 */
static inline void stage_stop(void)
{
    store_stop(stage.services.store);
    fake_redis_close(&stage.redis);
    turns();
}

/* ---- what Redis was asked ---- */

static inline void replace(struct buf *text, struct str what, const char *with)
{
    struct buf result = {0};
    struct str rest = buf_str(text);

    if (what.len == 0) {
        return;
    }
    while (rest.len > 0) {
        if (str_starts(rest, what)) {
            buf_add_text(&result, with);
            rest = str_skip(rest, what.len);
        } else {
            buf_add_char(&result, rest.at[0]);
            rest = str_skip(rest, 1);
        }
    }
    buf_finish(text);
    *text = result;
}

/* Scripts stand there by their names instead of their digests. */
static inline void name_scripts(void)
{
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        replace(&stage.redis.asked, script_sha((enum script)i),
                script_row((enum script)i)->name);
    }
}

#endif
