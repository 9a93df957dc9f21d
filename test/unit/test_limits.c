/* Limits over all processes, from inside one: what it asks Redis and when, who is told what,
 * and that nothing is left of those who went. Redis and time are played by the test. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/limits/limits.h"
#include "gateway/session.h"
#include "test/unit/fake_redis.h"

enum {
    LEASE_MS = 45000,
    WAITS = 4
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct limits *limits;
} stage;

/* What those who wait were told. */
static struct waiter {
    struct limits_wait wait;
    unsigned told;
    enum err err;
} waiters[WAITS];

#include "test/unit/store_stage.h"

static void pass(uint64_t ms)
{
    pass_in_steps(ms, 20);
}

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    memset(waiters, 0, sizeof(waiters));
    stage_begin();
    keys_setup("");
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.user_connections = 3;
    stage.config.address_connections = 3;
    stage.config.user_rate = 4;
    if (stage_connect(&no_events) != 0) {
        return -1;
    }
    buf_clear(&stage.redis.asked);
    stage.limits =
        limits_create(&stage.config, stage.services.store, &stage.metrics, &stage.loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    limits_stop(stage.limits);
    stage_stop();
    store_destroy(stage.services.store);
    limits_destroy(stage.limits);
    return uv_loop_close(&stage.loop);
}

/* The arguments of the next call about places: has, wants; then Redis grants. The process's
 * name is random and not looked at. */
static void assert_claim(const char *tag, unsigned has, unsigned wants)
{
    char expected[128];
    const char *asked, *found;

    turns();
    asked = buf_text(&stage.redis.asked);
    snprintf(expected, sizeof(expected), " 2 places:{%s} polls:{%s} ", tag, tag);
    found = strstr(asked, expected);
    if (found == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", expected, asked);
        return;
    }
    found = strchr(found + strlen(expected), ' '); /* behind the name */
    snprintf(expected, sizeof(expected), " %u %u 3 %d\n", has, wants, LEASE_MS);
    assert_non_null(found);
    assert_memory_equal(found, expected, strlen(expected));
    buf_clear(&stage.redis.asked);
}

static void grant(unsigned count)
{
    char text[64];

    snprintf(text, sizeof(text), "*2\r\n$7\r\napplied\r\n:%u\r\n", count);
    fake_redis_reply(&stage.redis, text);
    turns();
}

static void assert_silent(void)
{
    turns();
    fake_redis_asked(&stage.redis, "");
}

static struct limits_subject *visit(const char *user)
{
    return limits_visit(stage.limits, LIMITS_USER, str_of(user));
}

static void on_told(void *owner, enum err err)
{
    struct waiter *waiter = owner;

    waiter->told++;
    waiter->err = err;
}

static enum limits_answer take(struct limits_subject *subject, int waiter)
{
    waiters[waiter] = (struct waiter){0};
    return limits_take(subject, &waiters[waiter].wait, on_told, &waiters[waiter]);
}

static void assert_told(int waiter, enum err err)
{
    assert_int_equal(waiters[waiter].told, 1);
    assert_int_equal(waiters[waiter].err, err);
}

/* ---- places ---- */

static void one_call_asks_for_all_who_came_in_a_turn(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    assert_int_equal(take(u, 0), LIMITS_LATER);
    assert_claim("u", 0, 1);
    assert_int_equal(take(u, 1), LIMITS_LATER);
    assert_int_equal(take(u, 2), LIMITS_LATER);
    assert_int_equal(take(u, 3), LIMITS_LATER);
    assert_silent(); /* one call at a time */
    grant(1);
    assert_told(0, ERR_OK);
    assert_int_equal(waiters[1].told, 0);
    assert_claim("u", 1, 4);
    grant(3);
    assert_told(1, ERR_OK);
    assert_told(2, ERR_OK);
    assert_told(3, ERR_TOO_MANY);
    assert_int_equal(stage.metrics.limited[METRICS_LIMIT_USER_CONNECTIONS], 1);
}

static void that_there_is_no_place_is_believed_for_a_moment(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    take(u, 0);
    assert_claim("u", 0, 1);
    grant(0);
    assert_told(0, ERR_TOO_MANY);
    assert_int_equal(take(u, 0), LIMITS_NO);
    assert_true(limits_is_full(u));
    assert_silent();
    pass(300);
    assert_false(limits_is_full(u));
    assert_int_equal(take(u, 0), LIMITS_LATER);
    assert_claim("u", 0, 1);
    grant(1);
    assert_told(0, ERR_OK);
}

static void who_comes_when_another_has_just_gone_takes_his_place_without_a_call(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    take(u, 0);
    assert_claim("u", 0, 1);
    grant(1);
    limits_give(u);
    assert_int_equal(take(u, 1), LIMITS_YES);
    pass(200);
    assert_claim("u", 1, 1); /* it was said to be looked at, and is as before */
    grant(1);
    assert_silent();
}

static void a_place_that_was_given_up_is_told_soon(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    take(u, 0);
    assert_claim("u", 0, 1);
    grant(1);
    limits_give(u);
    limits_leave(u);
    pass(200);
    assert_claim("u", 0, 0);
    grant(0);
    pass(60000);
    assert_silent();
    assert_int_equal(limits_count(stage.limits), 0);
}

static void a_lease_is_renewed_thrice_in_its_time(void **state)
{
    (void)state;
    take(visit("u"), 0);
    assert_claim("u", 0, 1);
    grant(1);
    pass(14900);
    assert_silent();
    for (int i = 0; i < 5; i++) {
        pass(i == 0 ? 300 : 15200);
        assert_claim("u", 1, 1);
        grant(1);
    }
}

static void who_is_connected_keeps_his_place_whatever_redis_says(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    limits_keep(u);
    assert_claim("u", 1, 1);
    fake_redis_reply(&stage.redis, "-ERR out of memory\r\n");
    turns();
    limits_keep(u);
    assert_claim("u", 2, 2);
    grant(2);
    pass(15200);
    assert_claim("u", 2, 2);
    grant(2);
}

static void who_stops_waiting_is_not_told_and_leaves_no_place_behind(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    take(u, 0);
    take(u, 1);
    assert_claim("u", 0, 1);
    limits_cancel(&waiters[0].wait);
    limits_cancel(&waiters[0].wait);
    limits_leave(u);
    grant(1);
    assert_int_equal(waiters[0].told, 0);
    assert_told(1, ERR_OK); /* he takes what the other had asked for */
    limits_give(u);
    pass(200);
    assert_claim("u", 0, 0);
    grant(0);
}

static void a_place_that_nobody_waits_for_any_more_goes_back(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    take(u, 0);
    assert_claim("u", 0, 1);
    limits_cancel(&waiters[0].wait);
    limits_leave(u);
    grant(1);
    pass(200);
    assert_claim("u", 0, 0);
    grant(0);
}

static void without_redis_nobody_new_comes_in(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    take(u, 0);
    take(u, 1);
    assert_claim("u", 0, 1);
    fake_redis_break(&stage.redis);
    turns();
    assert_told(0, ERR_UNAVAILABLE);
    assert_told(1, ERR_UNAVAILABLE);
    assert_int_equal(stage.metrics.limited[METRICS_LIMIT_USER_CONNECTIONS], 0);
}

static void an_address_is_no_user_and_ipv6_counts_by_its_subscriber(void **state)
{
    static const struct {
        const char *name, *tag;
    } rows[] = {
        {"192.0.2.1", "ip/192.0.2.1"},
        {"2001:db8:1:2:3:4:5:6", "ip/2001:db8:1:2::"},
        {"2001:db8:1:2::", "ip/2001:db8:1:2::"},
        {"::1", "ip/::"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct limits_subject *it =
            limits_visit(stage.limits, LIMITS_ADDRESS, str_of(rows[i].name));

        assert_int_equal(take(it, 0), LIMITS_LATER);
        assert_claim(rows[i].tag, 0, 1);
        grant(1);
        limits_give(it);
        limits_leave(it);
        pass(200);
        assert_claim(rows[i].tag, 0, 0);
        grant(0);
    }
    take(visit("192.0.2.1"), 0);
    assert_claim("192.0.2.1", 0, 1);
    grant(1);
    take(visit("ip/x"), 1);
    assert_claim("ip%2Fx", 0, 1);
    grant(1);
}

/* ---- polling sessions ---- */

static void a_polling_session_holds_a_place_of_its_own(void **state)
{
    struct limits_subject *u = visit("u");

    (void)state;
    limits_take_poll(u, STR("sid"), &waiters[0].wait, on_told, &waiters[0]);
    turns();
    assert_non_null(
        strstr(buf_text(&stage.redis.asked), " 2 places:{u} polls:{u} sid 0 3 45000\n"));
    fake_redis_reply(&stage.redis, "$7\r\nrefused\r\n");
    turns();
    assert_told(0, ERR_TOO_MANY);
    assert_int_equal(stage.metrics.limited[METRICS_LIMIT_USER_CONNECTIONS], 1);
    buf_clear(&stage.redis.asked);
    limits_keep_poll(u, STR("sid"));
    limits_give_poll(u, STR("sid"));
    turns();
    assert_non_null(strstr(buf_text(&stage.redis.asked), " sid 1 3 45000\n"));
    assert_non_null(strstr(buf_text(&stage.redis.asked), " sid 1 3 0\n"));
    limits_take_poll(u, STR("sid"), &waiters[1].wait, on_told, &waiters[1]);
    turns();
    limits_cancel(&waiters[1].wait);
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_int_equal(waiters[1].told, 0);
}

/* ---- rates ---- */

static void a_rate_asks_for_shares_and_refuses_what_redis_does_not_have(void **state)
{
    struct limits_subject *u = visit("u");
    unsigned through = 0;

    (void)state;
    assert_true(limits_spend(u)); /* what needs no question */
    assert_silent();
    assert_true(limits_spend(u));
    turns();
    assert_non_null(strstr(buf_text(&stage.redis.asked), " 1 bucket:{u} 2 4 8\n"));
    buf_clear(&stage.redis.asked);
    fake_redis_reply(&stage.redis, "*3\r\n$7\r\napplied\r\n:0\r\n:500\r\n");
    turns();
    for (int i = 0; i < 100; i++) {
        through += limits_spend(u);
    }
    assert_int_equal(through, 0);
    assert_int_equal(stage.metrics.limited[METRICS_LIMIT_USER_RATE], 100);
    assert_silent();
    pass(400);
    assert_false(limits_spend(u));
    assert_silent();
}

static void where_there_is_no_limit_nothing_is_asked(void **state)
{
    struct limits_subject *it = limits_visit(stage.limits, LIMITS_ADDRESS, STR("192.0.2.1"));

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(limits_spend(it)); /* no --address-rate */
    }
    assert_silent();
    limits_leave(it);
    assert_false(limits_any(NULL, LIMITS_USER));
    assert_false(limits_places(NULL, LIMITS_USER));
}

/* ---- memory ---- */

static void those_who_went_are_forgotten(void **state)
{
    char name[32];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof(name), "user-%d-%d", round, i);
            limits_leave(visit(name));
        }
        assert_int_equal(limits_count(stage.limits), 1000);
        pass(5200);
        assert_int_equal(limits_count(stage.limits), 0);
    }
}

static void however_many_come_few_are_kept(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        snprintf(name, sizeof(name), "user-%d", i);
        limits_leave(visit(name));
        assert_in_range(limits_count(stage.limits), 1, 65536 + 1);
    }
    assert_int_equal(limits_count(stage.limits), 65536);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_call_asks_for_all_who_came_in_a_turn),
        TEST(that_there_is_no_place_is_believed_for_a_moment),
        TEST(who_comes_when_another_has_just_gone_takes_his_place_without_a_call),
        TEST(a_place_that_was_given_up_is_told_soon),
        TEST(a_lease_is_renewed_thrice_in_its_time),
        TEST(who_is_connected_keeps_his_place_whatever_redis_says),
        TEST(who_stops_waiting_is_not_told_and_leaves_no_place_behind),
        TEST(a_place_that_nobody_waits_for_any_more_goes_back),
        TEST(without_redis_nobody_new_comes_in),
        TEST(an_address_is_no_user_and_ipv6_counts_by_its_subscriber),
        TEST(a_polling_session_holds_a_place_of_its_own),
        TEST(a_rate_asks_for_shares_and_refuses_what_redis_does_not_have),
        TEST(where_there_is_no_limit_nothing_is_asked),
        TEST(those_who_went_are_forgotten),
        TEST(however_many_come_few_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
