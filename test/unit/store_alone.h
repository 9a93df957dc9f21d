/* A store by itself over a fake Redis: what it tells is written down. One include per test. */
#ifndef SEGUE_TEST_STORE_ALONE_H
#define SEGUE_TEST_STORE_ALONE_H

#include "test/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "gateway/store/store.h"
#include "test/unit/fake_redis.h"

enum {
    TICKS_MS = 600, /* more than two looks of the store at its deadlines */
    ANSWERS_MAX = 16
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct store *store;
    struct metrics metrics;
    struct buf events; /* U)p D)own +watched -unwatched and messages, in order */
    char answers[ANSWERS_MAX][32];
    size_t answer_count;
    struct store_calls calls;
} stage;

/* ---- what the store tells ---- */

static inline void on_up(void *owner)
{
    (void)owner;
    buf_add_char(&stage.events, 'U');
}

static inline void on_down(void *owner)
{
    (void)owner;
    buf_add_char(&stage.events, 'D');
}

static inline void on_changed(void *owner, struct str channel, bool watched)
{
    (void)owner;
    buf_addf(&stage.events, "%c%.*s", watched ? '+' : '-', STR_ARG(channel));
}

static inline void on_message(void *owner, struct str channel, struct str payload)
{
    (void)owner;
    buf_addf(&stage.events, "(%.*s:", STR_ARG(channel));
    buf_add(&stage.events, payload);
    buf_add_char(&stage.events, ')');
}

static inline void on_matched(void *owner, struct str channel, struct str payload)
{
    (void)owner;
    buf_addf(&stage.events, "[%.*s:%.*s]", STR_ARG(channel), STR_ARG(payload));
}

static const struct store_events events = {on_up, on_down, on_changed, on_message, on_matched};

static inline void assert_events(const char *expected)
{
    assert_str(buf_str(&stage.events), expected);
    buf_clear(&stage.events);
}

/* The context is the call's name. */
static inline void on_done(void *context, enum err err, const struct redisReply *reply)
{
    assert_true(stage.answer_count < ANSWERS_MAX);
    assert_true((err == ERR_OK) == (reply != NULL));
    snprintf(stage.answers[stage.answer_count++], sizeof(stage.answers[0]), "%s %s",
             (const char *)context,
             err == ERR_OK ? outcome_word(reply_outcome(reply)) : err_word(err));
}

static inline void assert_answers(const char *expected)
{
    struct buf all = {0};

    for (size_t i = 0; i < stage.answer_count; i++) {
        buf_addf(&all, "%s%s", i > 0 ? ", " : "", stage.answers[i]);
    }
    stage.answer_count = 0;
    assert_str(buf_str(&all), expected);
    buf_finish(&all);
}

/* ---- turns ---- */

static inline void turn(void)
{
    uv_run(&stage.loop, UV_RUN_NOWAIT);
    store_flush(stage.store);
}

static inline void turns(void)
{
    for (int i = 0; i < 10; i++) {
        turn();
    }
}

static inline void pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 10 ? ms : 10;

        fake_us += step * 1000;
        ms -= step;
        turn();
        turn();
        turn();
    }
}

static inline bool is_up(void)
{
    return store_is_up(stage.store);
}

static inline void start(const char *user, const char *password, unsigned database)
{
    struct url url = fake_redis_url(&stage.redis);

    url.user = user ? mem_copy(user, strlen(user)) : NULL;
    url.password = password ? mem_copy(password, strlen(password)) : NULL;
    url.database = database;
    stage.store = store_create(&stage.loop, &url, NULL, &stage.metrics, &events, NULL);
    store_start(stage.store);
}

static inline int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    uv_loop_init(&stage.loop);
    fake_redis_open(&stage.redis, &stage.loop);
    return 0;
}

static inline int setup_up(void **state)
{
    setup(state);
    start(NULL, NULL, 0);
    turns();
    assert_true(is_up());
    assert_events("U");
    return 0;
}

/* Every test ends by proving that the loop closes. */
static inline int teardown(void **state)
{
    (void)state;
    store_stop(stage.store);
    store_stop(stage.store);
    fake_redis_close(&stage.redis);
    turns();
    store_forget(&stage.calls);
    store_destroy(stage.store);
    buf_finish(&stage.events);
    return uv_loop_close(&stage.loop);
}

static inline void call_pause(const char *name)
{
    store_call(stage.store, SCRIPT_player_pause, STRS(STR("player:{1}"), STR("user:{1}")),
               STRS(STR("origin"), str_of(name), STR("0"), STR("time")), &stage.calls, on_done,
               (void *)name);
}

static inline unsigned long asked_times(const char *word)
{
    unsigned long count = 0;

    for (const char *at = strstr(buf_text(&stage.redis.asked), word); at != NULL;
         at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_UP(name) cmocka_unit_test_setup_teardown(name, setup_up, teardown)

#endif
