/* The pace of newcomers: never above the rate in any second, whatever the crowd; close below it
 * while there is one; and places for those who are refused, one behind the other. */
#include "test/unit/unit.h"

#include "gateway/net/pace.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  (1000 * NS_PER_MS)

enum {
    TAKEN_MAX = 200000
};

static uint64_t taken[TAKEN_MAX]; /* when */
static size_t taken_count;

/* Everybody who comes within so many seconds; `gap` says after which time the next one does. */
static void crowd(struct pace *pace, unsigned seconds, uint64_t (*gap)(unsigned seed))
{
    uint64_t now = 7 * NS_PER_S;
    uint64_t end = now + seconds * NS_PER_S;

    taken_count = 0;
    for (unsigned i = 0; now < end; i++) {
        if (pace_take(pace, now)) {
            assert_true(taken_count < TAKEN_MAX);
            taken[taken_count++] = now;
        }
        now += gap(i);
    }
}

/* The most that came within any second, its end not counted. */
static size_t most_in_a_second(void)
{
    size_t most = 0;

    for (size_t first = 0, last = 0; last < taken_count; last++) {
        while (taken[last] - taken[first] >= NS_PER_S) {
            first++;
        }
        most = last - first + 1 > most ? last - first + 1 : most;
    }
    return most;
}

static uint64_t dense(unsigned seed)
{
    (void)seed;
    return 20000;
}

static uint64_t bursts(unsigned seed)
{
    return seed % 5000 == 0 ? 1300 * NS_PER_MS : 0;
}

static uint64_t ragged(unsigned seed)
{
    return (seed * 2654435761U) % (3 * NS_PER_MS);
}

static void no_second_sees_more_than_the_rate(void **state)
{
    static const uint64_t rates[] = {1, 2, 9, 10, 11, 19, 20, 99, 333, 1000, 5000};
    uint64_t (*const gaps[])(unsigned) = {dense, bursts, ragged};
    struct pace pace;

    (void)state;
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
            pace_init(&pace, rates[r]);
            crowd(&pace, 20, gaps[g]);
            assert_in_range(most_in_a_second(), 1, rates[r]);
        }
    }
}

static void a_crowd_is_let_in_at_nine_tenths_of_the_rate_or_more(void **state)
{
    static const uint64_t rates[] = {1, 2, 9, 10, 20, 100, 1000, 5000};
    struct pace pace;

    (void)state;
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        pace_init(&pace, rates[r]);
        crowd(&pace, 20, dense);
        assert_in_range(taken_count, 20 * rates[r] * 9 / 10 - 1, 20 * rates[r]);
    }
}

static void a_few_may_come_together_and_then_there_is_a_pause(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 100);
    for (int i = 0; i < 10; i++) {
        assert_true(pace_take(&pace, NS_PER_S));
    }
    assert_false(pace_take(&pace, NS_PER_S));
    assert_false(pace_take(&pace, NS_PER_S + 10 * NS_PER_MS));
    assert_true(pace_take(&pace, NS_PER_S + 11 * NS_PER_MS));
    assert_false(pace_take(&pace, NS_PER_S + 11 * NS_PER_MS));
}

static void without_a_rate_everybody_comes_in_and_nobody_waits(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    for (int i = 0; i < 100000; i++) {
        assert_true(pace_take(&pace, 1));
    }
    assert_int_equal(pace_wait(&pace, 1, 7), 0);
}

static void who_is_refused_gets_a_place_behind_the_others(void **state)
{
    struct pace pace;
    unsigned told[5] = {0};

    (void)state;
    pace_init(&pace, 1000);
    assert_int_equal(pace_wait(&pace, NS_PER_S, 7), 0);
    for (unsigned i = 0; i < 3604; i++) { /* of 901 a second */
        unsigned seconds = pace_give_place(&pace, NS_PER_S, 0);

        assert_in_range(seconds, 1, 5);
        told[seconds - 1]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(told[i], 899, 902);
    }
    for (unsigned i = 0; i < 10; i++) { /* 3604 steps, each a little long */
        assert_int_equal(pace_wait(&pace, NS_PER_S, i), 1 + i % 5);
        assert_int_equal(pace_wait(&pace, 4 * NS_PER_S, i), 1 + i % 2);
        assert_int_equal(pace_wait(&pace, 6 * NS_PER_S, i), 0);
    }
    assert_int_equal(pace_give_place(&pace, 60 * NS_PER_S, 0), 1); /* all have passed */
}

static void the_same_place_is_told_as_one_of_two_numbers(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 2);
    assert_int_equal(pace_give_place(&pace, NS_PER_S, 0), 1);
    pace_init(&pace, 2);
    assert_int_equal(pace_give_place(&pace, NS_PER_S, 999999999), 2);
}

static void beyond_the_longest_wait_it_is_anywhere_in_its_second_half(void **state)
{
    struct pace pace;
    unsigned least = UINT32_MAX, most = 0;

    (void)state;
    pace_init(&pace, 10);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned seconds = pace_give_place(&pace, NS_PER_S, i * 2654435761U);

        assert_in_range(seconds, 1, PACE_WAIT_MAX_S + 1);
        if (i >= 1000) {
            least = seconds < least ? seconds : least;
            most = seconds > most ? seconds : most;
        }
    }
    assert_int_equal(least, PACE_WAIT_MAX_S / 2 + 1);
    assert_int_equal(most, PACE_WAIT_MAX_S);
    assert_int_equal(pace_wait(&pace, NS_PER_S, PACE_WAIT_MAX_S - 1), PACE_WAIT_MAX_S);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(no_second_sees_more_than_the_rate),
        TEST(a_crowd_is_let_in_at_nine_tenths_of_the_rate_or_more),
        TEST(a_few_may_come_together_and_then_there_is_a_pause),
        TEST(without_a_rate_everybody_comes_in_and_nobody_waits),
        TEST(who_is_refused_gets_a_place_behind_the_others),
        TEST(the_same_place_is_told_as_one_of_two_numbers),
        TEST(beyond_the_longest_wait_it_is_anywhere_in_its_second_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
