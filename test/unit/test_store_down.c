/* The store goes down: whatever happens to Redis, every call has one answer and it comes back.
 */
#include "test/unit/store_alone.h"

/* ---- going down ---- */

static void broken_connections_answer_everything_and_come_back(void **state)
{
    (void)state;
    call_pause("a");
    call_pause("b");
    turns();
    call_pause("c"); /* not sent yet */
    fake_redis_break(&stage.redis);
    turns();
    assert_false(is_up());
    assert_int_equal(stage.metrics.redis_up, 0);
    assert_answers("a unavailable, b unavailable, c unavailable");
    assert_events("D");
    pass(TICKS_MS);
    assert_true(is_up());
    assert_events("U");
    call_pause("d");
    turns();
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_answers("d applied");
}

static void one_broken_connection_takes_the_other_along(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct fake_peer *peer = which == 0 ? stage.redis.peers : stage.redis.peers->next;

        uv_close((uv_handle_t *)&peer->pipe, fake_redis_gone);
        turns();
        assert_events("D");
        assert_false(is_up());
        assert_null(stage.redis.peers);
        pass(TICKS_MS);
        assert_events("U");
    }
}

static void a_replica_or_a_lost_login_is_left(void **state)
{
    static const char *const errors[] = {"-READONLY You can't write\r\n",
                                         "-NOAUTH Authentication required.\r\n"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        call_pause("a");
        turns();
        fake_redis_reply(&stage.redis, errors[i]);
        turns();
        assert_answers("a unavailable");
        assert_events("D");
        pass(TICKS_MS);
        assert_events("U");
    }
}

static void a_key_of_a_newer_release_is_said_and_nothing_is_left(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        call_pause("a");
        turns();
        fake_redis_reply(&stage.redis,
                         "-WRONGTYPE Operation against a key holding the wrong kind "
                         "of value script: x, on @user_script:1.\r\n");
        turns();
        assert_answers("a unavailable");
        assert_true(is_up());
    }
    assert_int_equal(stage.metrics.transitions[SCRIPT_player_pause][OUTCOME_NEWER], 2);
    assert_int_equal(stage.metrics.newer_seen[METRICS_NEWER_KEY], 2);
}

static void a_call_without_an_answer_in_three_seconds_is_the_end(void **state)
{
    (void)state;
    call_pause("a");
    pass(2900);
    assert_true(is_up());
    assert_answers("");
    pass(1000);
    assert_answers("a unavailable");
    assert_false(is_up() && stage.events.len == 0);
    assert_true(str_starts(buf_str(&stage.events), STR("D")));
    buf_clear(&stage.events);
}

static void a_silent_redis_is_noticed_without_calls(void **state)
{
    (void)state;
    stage.redis.silent = true;
    pass(3000);
    assert_true(is_up());
    pass(2000);
    assert_false(is_up());
    assert_events("D");
    stage.redis.silent = false;
    pass(6000);
    assert_true(is_up());
}

static void one_silent_connection_is_noticed_as_well(void **state)
{
    static const char *const verbs[] = {"PING", "TIME"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        stage.redis.ignored = verbs[i];
        pass(3000);
        assert_true(is_up());
        pass(1700);
        assert_true(str_starts(buf_str(&stage.events), STR("D")));
        stage.redis.ignored = NULL;
        pass(8000);
        assert_true(is_up());
        buf_clear(&stage.events);
    }
}

static void a_busy_subscription_is_alive(void **state)
{
    (void)state;
    store_watch(stage.store, STR("c"));
    turns();
    stage.redis.ignored = "PING"; /* it stands behind a long queue of publications */
    for (int i = 0; i < 10; i++) {
        pass(1000);
        fake_redis_publish(&stage.redis, "c", STR("x"));
    }
    assert_true(is_up());
    buf_clear(&stage.events);
}

static void a_pause_of_our_own_is_not_redis_fault(void **state)
{
    (void)state;
    call_pause("a");
    turns();
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n"); /* lies in the socket ... */
    fake_us += 60ull * FAKE_US_PER_S;                    /* ... while we are stopped */
    turns();
    pass(TICKS_MS);
    assert_answers("a applied");
    assert_true(is_up());
    assert_events("");
}

static void nonsense_is_the_end_of_the_connection(void **state)
{
    (void)state;
    call_pause("a");
    turns();
    fake_redis_reply(&stage.redis, "?nonsense\r\n");
    turns();
    assert_answers("a unavailable");
    assert_events("D");
    pass(TICKS_MS);
    assert_events("U");
    store_watch(stage.store, STR("c"));
    turns();
    fake_redis_say_text(stage.redis.hearer, "?nonsense\r\n");
    turns();
    assert_events("D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_UP(broken_connections_answer_everything_and_come_back),
        TEST_UP(one_broken_connection_takes_the_other_along),
        TEST_UP(a_replica_or_a_lost_login_is_left),
        TEST_UP(a_key_of_a_newer_release_is_said_and_nothing_is_left),
        TEST_UP(a_call_without_an_answer_in_three_seconds_is_the_end),
        TEST_UP(a_silent_redis_is_noticed_without_calls),
        TEST_UP(one_silent_connection_is_noticed_as_well),
        TEST_UP(a_busy_subscription_is_alive),
        TEST_UP(a_pause_of_our_own_is_not_redis_fault),
        TEST_UP(nonsense_is_the_end_of_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
