/* A session's rate: what is free, what is refused, who is sent away and who is forgiven. */
#include "test/unit/session_stage.h"

/* ---- the rate ---- */

static void a_burst_is_free_and_then_the_rate_counts(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(100);
    assert_int_equal(count_heard('m'), 100);
    assert_int_equal(count_heard('l'), 0);
    receive(1);
    assert_int_equal(count_heard('l'), 1);
    forget_heard();
    pass(20); /* 50 a second: one in 20 ms, and the debt of one more first */
    receive(1);
    assert_heard("");
    pass(40);
    receive(2);
    assert_heard("m");
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_RATE], 3);
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_CHAT], 104);
}

static void at_the_rate_nothing_is_ever_refused(void **state)
{
    (void)state;
    session_accept(stage.session);
    for (int i = 0; i < 1000; i++) {
        receive(1);
        pass(20);
    }
    assert_int_equal(count_heard('m'), 1000);
    assert_int_equal(count_heard('l'), 0);
}

static void silence_saves_up_one_burst_and_no_more(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(100);
    pass(3600 * 1000);
    forget_heard();
    receive(101);
    assert_int_equal(count_heard('m'), 100);
    assert_int_equal(count_heard('l'), 1);
}

static void a_complaint_comes_once_a_second(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(100);
    forget_heard();
    for (int ms = 0; ms < 3500; ms += 10) { /* twice the rate: the debt grows by 50 a second */
        receive(1);
        assert_false(stage.session->state == SESSION_CLOSED && ms < 1000);
        pass(10);
        if (ms == 990) {
            assert_int_equal(count_heard('l'), 1);
        }
        if (ms == 1010) {
            assert_int_equal(count_heard('l'), 2);
        }
    }
    assert_int_equal(stage.session->state, SESSION_CLOSED);
    assert_int_equal(stage.reason, REASON_RATE);
    assert_in_range(count_heard('l'), 2, 3);
}

static void another_burst_above_the_rate_closes(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(199);
    assert_int_equal(stage.session->state, SESSION_OPEN);
    assert_int_equal(count_heard('m'), 100);
    assert_int_equal(count_heard('l'), 1);
    forget_heard();
    receive(5);
    assert_heard("cC");
    assert_int_equal(stage.reason, REASON_RATE);
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_RATE], 100);
}

static void who_slows_down_is_forgiven(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(190);
    pass(10000);
    forget_heard();
    receive(100);
    assert_int_equal(count_heard('m'), 100);
    receive(99); /* the debt begins anew as well */
    assert_int_equal(stage.session->state, SESSION_OPEN);
}

static void without_a_rate_there_is_no_limit(void **state)
{
    (void)state;
    stage.config.rate = 0;
    session_accept(stage.session);
    receive(3000);
    assert_int_equal(count_heard('m'), 3000);
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_RATE], 0);
}

static void a_burst_of_one_takes_one_at_a_time(void **state)
{
    (void)state;
    session_destroy(stage.session);
    forget_heard();
    stage.config.burst = 1;
    stage.config.rate = 1;
    stage.session = session_create(&stage.services, &proto, &transport, &stage, NULL);
    session_accept(stage.session);
    receive(1);
    pass(1000);
    receive(1);
    assert_heard("Amm");
    pass(999);
    receive(1);
    assert_heard("l"); /* one thousandth of a message too early */
    receive(1);
    assert_heard("cC");
}

static void the_largest_rate_and_the_longest_silence_do_not_overflow(void **state)
{
    (void)state;
    session_destroy(stage.session);
    forget_heard();
    stage.config.burst = stage.config.rate = 1000000;
    stage.session = session_create(&stage.services, &proto, &transport, &stage, NULL);
    session_accept(stage.session);
    pass(100ull * 365 * 86400 * 1000);
    receive(1000);
    assert_int_equal(count_heard('m'), 1000);
    assert_true(stage.session->allowance == (1000000 - 1000) * 1000ll);
}

static void other_traffic_is_charged_to_the_same_account(void **state)
{
    (void)state;
    session_accept(stage.session);
    for (int i = 0; i < 100; i++) {
        assert_true(session_charge(stage.session)); /* pings */
    }
    receive(1);
    assert_heard("Al");
    assert_false(session_charge(stage.session));
    assert_heard("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_burst_is_free_and_then_the_rate_counts),
        TEST(at_the_rate_nothing_is_ever_refused),
        TEST(silence_saves_up_one_burst_and_no_more),
        TEST(a_complaint_comes_once_a_second),
        TEST(another_burst_above_the_rate_closes),
        TEST(who_slows_down_is_forgiven),
        TEST(without_a_rate_there_is_no_limit),
        TEST(a_burst_of_one_takes_one_at_a_time),
        TEST(the_largest_rate_and_the_longest_silence_do_not_overflow),
        TEST(other_traffic_is_charged_to_the_same_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
