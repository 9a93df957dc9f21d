/* Publications of a newer release: who listens is told that he missed something, at once and
 * then at a pace, and nobody else. */
#include "test/unit/unit.h"

#include "common/log.h"
#include "gateway/newer.h"
#include "test/unit/fake_clock.h"

static struct stage {
    uv_loop_t loop;
    struct hub *hub;
    struct newer *newer;
    struct metrics metrics;
    struct hub_sub ann, bob;
    unsigned ann_missed, bob_missed, sent_away;
} stage;

static void nobody_asks(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
}

static void on_ready(struct hub_sub *sub)
{
    (void)sub;
}

static void on_message(struct hub_sub *sub, struct msg *msg)
{
    if (msg->kind == 'd') {
        stage.sent_away++;
        return;
    }
    assert_int_equal(msg->kind, MSG_MISSED);
    assert_int_equal(msg->published_us, 0);
    *(sub == &stage.ann ? &stage.ann_missed : &stage.bob_missed) += 1;
}

static bool nobody_is_asked(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
    return true;
}

static const struct hub_events events = {nobody_is_asked, nobody_asks, NULL};
static const struct hub_listener listener = {on_ready, on_message};

static int setup(void **state)
{
    (void)state;
    stage = (struct stage){.ann_missed = 0};
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    assert_int_equal(uv_loop_init(&stage.loop), 0);
    stage.hub = hub_create(&events, NULL, &stage.metrics.channels);
    hub_restore(stage.hub);
    hub_join(stage.hub, &stage.ann, &listener, STR("ann"));
    hub_join(stage.hub, &stage.bob, &listener, STR("bob"));
    hub_changed(stage.hub, STR("ann"), true);
    hub_changed(stage.hub, STR("bob"), true);
    stage.newer = newer_create(stage.hub, &stage.metrics);
    newer_start(stage.newer, &stage.loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    newer_stop(stage.newer);
    uv_run(&stage.loop, UV_RUN_DEFAULT);
    newer_destroy(stage.newer);
    newer_destroy(NULL);
    hub_leave(stage.hub, &stage.ann);
    hub_leave(stage.hub, &stage.bob);
    hub_destroy(stage.hub);
    assert_int_equal(uv_loop_close(&stage.loop), 0);
    return 0;
}

static void pass(uint64_t ms)
{
    for (uint64_t end = fake_us + ms * 1000; fake_us < end; fake_us += 10000) {
        uv_run(&stage.loop, UV_RUN_NOWAIT);
    }
}

static void hear(const char *channel, const char *envelope)
{
    struct msg *msg = msg_from_envelope(str_of(envelope));

    newer_heard(stage.newer, str_of(channel), msg);
    msg_unref(msg);
}

static void the_first_is_told_at_once_and_to_nobody_else(void **state)
{
    (void)state;
    hear("ann", "2 n whatever");
    assert_int_equal(stage.ann_missed, 1);
    assert_int_equal(stage.bob_missed, 0);
    hear("bob", "2 n whatever");
    assert_int_equal(stage.bob_missed, 1);
    assert_int_equal(stage.metrics.newer_seen[METRICS_NEWER_ENVELOPE], 2);
}

static void a_flood_is_told_once_a_second_and_its_last_is_not_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) { /* three seconds */
        hear("ann", "2 n whatever");
        pass(10);
    }
    assert_in_range(stage.ann_missed, 3, 4);
    hear("ann", "2 n whatever");
    stage.ann_missed = 0;
    pass(NEWER_PACE_MS + 20);
    assert_int_equal(stage.ann_missed, 1);
    pass(5 * NEWER_PACE_MS);
    assert_int_equal(stage.ann_missed, 1);
}

static void after_a_silence_the_next_is_told_at_once(void **state)
{
    (void)state;
    hear("ann", "2 n whatever");
    pass(3 * NEWER_PACE_MS);
    hear("ann", "9 n whatever");
    assert_int_equal(stage.ann_missed, 2);
}

static void who_is_sent_away_does_not_wait(void **state)
{
    (void)state;
    hear("ann", "2 n whatever");
    hear("ann", "2 d whatever");
    assert_int_equal(stage.sent_away, 1);
    assert_int_equal(stage.ann_missed, 1);
}

static void a_channel_that_nobody_listens_to_any_more_is_harmless(void **state)
{
    (void)state;
    hear("ann", "2 n whatever");
    hear("ann", "2 n whatever");
    hub_leave(stage.hub, &stage.ann);
    hear("nowhere", "2 n whatever");
    pass(3 * NEWER_PACE_MS);
    assert_int_equal(stage.ann_missed, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_is_told_at_once_and_to_nobody_else),
        TEST(a_flood_is_told_once_a_second_and_its_last_is_not_forgotten),
        TEST(after_a_silence_the_next_is_told_at_once),
        TEST(who_is_sent_away_does_not_wait),
        TEST(a_channel_that_nobody_listens_to_any_more_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
