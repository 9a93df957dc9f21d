/* Redis's clock as seen from here: the quickest answer is the truest, and drift is followed. */
#include "test/unit/unit.h"

#include <string.h>

#include "gateway/store/clock.h"
#include "test/unit/fake_clock.h"

static const uint64_t wall_us = (uint64_t)FAKE_EPOCH_S * FAKE_US_PER_S;

/* Redis's clock runs ahead of the wall clock here by so much. */
static uint64_t ahead_us;

static uint64_t redis_us(void)
{
    return wall_us + fake_us + ahead_us;
}

/* A question whose answer needs so long there and back. */
static void measure(struct clock *clock, uint64_t there_us, uint64_t back_us)
{
    uint64_t answer;

    assert_true(clock_ask(clock));
    fake_us += there_us;
    answer = redis_us();
    fake_us += back_us;
    clock_answered(clock, answer);
}

static void assert_off_by(const struct clock *clock, int64_t expected_us)
{
    assert_true((int64_t)(clock_redis_us(clock) - redis_us()) == expected_us);
}

static int setup(void **state)
{
    (void)state;
    fake_us = 0;
    ahead_us = 0;
    return 0;
}

static void an_unknown_clock_is_the_wall_clock(void **state)
{
    struct clock clock = {0};

    (void)state;
    ahead_us = 77;
    assert_true(clock_redis_us(&clock) == wall_us);
    fake_us += 5;
    assert_true(clock_redis_us(&clock) == wall_us + 5);
    assert_true(clock_ask(&clock)); /* a question alone tells nothing */
    assert_true(clock_redis_us(&clock) == wall_us + 5);
}

static void one_answer_tells_the_difference(void **state)
{
    struct clock clock = {0};

    (void)state;
    ahead_us = 3600ull * FAKE_US_PER_S;
    measure(&clock, 500, 500);
    assert_off_by(&clock, 0);
    fake_us += 3ull * FAKE_US_PER_S;
    assert_off_by(&clock, 0); /* and goes on as the local clock does */
}

static void a_clock_that_is_behind_is_followed_as_well(void **state)
{
    struct clock clock = {0};

    (void)state;
    ahead_us = (uint64_t)-3600 * FAKE_US_PER_S;
    measure(&clock, 500, 500);
    assert_off_by(&clock, 0);
}

static void the_error_is_at_most_half_of_the_way(void **state)
{
    struct clock clock = {0};

    (void)state;
    measure(&clock, 0, 1000);
    assert_off_by(&clock, -500);
    clock_forget(&clock);
    measure(&clock, 1000, 0);
    assert_off_by(&clock, 500);
}

static void a_quicker_answer_counts_more(void **state)
{
    struct clock clock = {0};

    (void)state;
    measure(&clock, 0, 1000);
    measure(&clock, 10, 0);
    assert_off_by(&clock, 5);
    measure(&clock, 0, 5000); /* slow: not believed */
    assert_off_by(&clock, 5);
    measure(&clock, 0, 10); /* as quick: newer */
    assert_off_by(&clock, -5);
}

static void an_old_measurement_gives_way_to_a_slower_one(void **state)
{
    struct clock clock = {0};

    (void)state;
    measure(&clock, 0, 10);
    ahead_us = 40000; /* the clocks drift apart */
    fake_us += 14ull * FAKE_US_PER_S;
    measure(&clock, 500, 500);
    assert_off_by(&clock, -40005);
    fake_us += 1ull * FAKE_US_PER_S;
    measure(&clock, 500, 500);
    assert_off_by(&clock, 0);
}

static void one_question_is_under_way_at_a_time(void **state)
{
    struct clock clock = {0};

    (void)state;
    assert_true(clock_waiting_us(&clock) == 0);
    assert_true(clock_ask(&clock));
    assert_false(clock_ask(&clock));
    fake_us += 1234;
    assert_true(clock_waiting_us(&clock) == 1234);
    clock_answered(&clock, redis_us());
    assert_true(clock_waiting_us(&clock) == 0);
    assert_true(clock_ask(&clock));
}

static void another_redis_is_measured_anew(void **state)
{
    struct clock clock = {0};

    (void)state;
    measure(&clock, 1, 1);
    assert_true(clock_ask(&clock));
    clock_forget(&clock);
    assert_true(clock_waiting_us(&clock) == 0);
    ahead_us = 55 * FAKE_US_PER_S;
    assert_true(clock_redis_us(&clock) == wall_us + fake_us); /* nothing is known again */
    measure(&clock, 2000, 2000); /* believed, although it is slower than the old one's */
    assert_off_by(&clock, 0);
}

static void the_local_clock_is_monotonic_time(void **state)
{
    uint64_t before = clock_local_us();

    (void)state;
    assert_true(before == (uint64_t)FAKE_UPTIME_S * FAKE_US_PER_S);
    fake_us += 7;
    assert_true(clock_local_us() == before + 7);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_clock_is_the_wall_clock),
        TEST(one_answer_tells_the_difference),
        TEST(a_clock_that_is_behind_is_followed_as_well),
        TEST(the_error_is_at_most_half_of_the_way),
        TEST(a_quicker_answer_counts_more),
        TEST(an_old_measurement_gives_way_to_a_slower_one),
        TEST(one_question_is_under_way_at_a_time),
        TEST(another_redis_is_measured_anew),
        TEST(the_local_clock_is_monotonic_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
