/* A rate over several processes: what one process lets through, how often it asks, and what all
 * of them let through together. Redis's bucket is played by the test. */
#include "test/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/limits/bucket.h"

enum {
    PROCESSES_MAX = 8,
    ROUND_MS = 2
};

/* The cluster: the bucket in Redis, as scripts/lua/limit_draw.lua keeps it, and processes. */
static struct cluster {
    struct bucket_rule rule;
    struct bucket processes[PROCESSES_MAX];
    uint64_t answer_ms[PROCESSES_MAX]; /* when the answer is there; 0 = none is due */
    double tokens;
    uint64_t filled_ms, now_ms;
    uint64_t round_ms; /* from a question to its answer */
    unsigned questions;
    bool away;
} cluster;

static void begin(uint64_t rate)
{
    memset(&cluster, 0, sizeof(cluster));
    cluster.rule = bucket_rule_of(rate);
    cluster.tokens = (double)cluster.rule.burst;
    cluster.round_ms = ROUND_MS;
    cluster.now_ms = cluster.filled_ms = 1000000;
    for (int i = 0; i < PROCESSES_MAX; i++) {
        bucket_init(&cluster.processes[i], &cluster.rule, cluster.now_ms);
    }
}

static void answer(int process)
{
    const struct bucket_rule *rule = &cluster.rule;
    struct bucket *bucket = &cluster.processes[process];
    int64_t granted;
    double missing;

    cluster.answer_ms[process] = 0;
    if (cluster.away) {
        bucket_unanswered(bucket, rule, cluster.now_ms);
        return;
    }
    cluster.tokens += (double)(cluster.now_ms - cluster.filled_ms) * (double)rule->rate / 1000;
    cluster.filled_ms = cluster.now_ms;
    if (cluster.tokens > (double)rule->burst) {
        cluster.tokens = (double)rule->burst;
    }
    granted = bucket->asked < (int64_t)cluster.tokens ? bucket->asked : (int64_t)cluster.tokens;
    cluster.tokens -= (double)granted;
    missing = cluster.tokens >= 1 ? 0 : (1 - cluster.tokens) / (double)rule->rate * 1000;
    bucket_answered(bucket, rule, granted, (int64_t)missing + 1, cluster.now_ms);
}

/* Time goes on by a millisecond. */
static void tick(void)
{
    cluster.now_ms++;
    for (int i = 0; i < PROCESSES_MAX; i++) {
        if (cluster.answer_ms[i] != 0 && cluster.answer_ms[i] <= cluster.now_ms) {
            answer(i);
        }
    }
}

/* A message at a process: whether it is let through. */
static bool say(int process)
{
    struct bucket *bucket = &cluster.processes[process];
    enum bucket_outcome outcome = bucket_spend(bucket, &cluster.rule, cluster.now_ms);

    if (outcome == BUCKET_GO_ASK || outcome == BUCKET_FULL_ASK) {
        assert_int_equal(cluster.answer_ms[process], 0); /* one question at a time */
        assert_in_range(bucket_ask(bucket, &cluster.rule), 1,
                        cluster.rule.chunk + cluster.rule.burst);
        cluster.answer_ms[process] = cluster.now_ms + cluster.round_ms;
        cluster.questions++;
    }
    return outcome == BUCKET_GO || outcome == BUCKET_GO_ASK;
}

/* So many messages a second at each of the processes, evenly; how many were let through. */
static unsigned flood(int processes, unsigned per_second, unsigned ms)
{
    unsigned through = 0, due = 0;

    for (unsigned i = 0; i < ms; i++) {
        tick();
        for (due += per_second; due >= 1000; due -= 1000) {
            for (int process = 0; process < processes; process++) {
                through += say(process);
            }
        }
    }
    return through;
}

static void who_says_little_is_let_through_without_a_question(void **state)
{
    (void)state;
    begin(160);
    assert_int_equal(flood(3, 10, 60000), 3 * 600); /* a sixteenth, at each */
    assert_int_equal(cluster.questions, 0);
}

static void who_stays_below_the_rate_is_never_refused(void **state)
{
    static const unsigned rates[] = {1, 2, 5, 20, 100, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        unsigned said = rates[i] * 60;

        begin(rates[i]);
        assert_int_equal(flood(1, rates[i], 60000), said);
        assert_in_range(cluster.questions, 0, rates[i] == 1 ? said : 60 * 5);
    }
}

/* What was let through on credit while the answer was on its way is asked for with the next
 * question; it is no reason to refuse as long as Redis has tokens. */
static void a_slow_redis_is_no_reason_to_refuse(void **state)
{
    (void)state;
    begin(20);
    cluster.round_ms = 500;
    for (int i = 0; i < 100; i++) {
        for (int j = 0; j < 9; j++) {
            assert_true(say(0));
        }
        flood(1, 0, 500);
    }
}

/* The rate, a sixteenth of it for each process, and what may come at once. */
static void whatever_comes_what_is_let_through_is_bounded(void **state)
{
    static const unsigned rates[] = {1, 4, 20, 100, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        for (int processes = 1; processes <= PROCESSES_MAX; processes *= 2) {
            unsigned seconds = 30, rate = rates[i], through, most;

            begin(rate);
            through = flood(processes, 3 * rate + 20, seconds * 1000);
            most = rate * seconds + rate * seconds * (unsigned)processes / 16;
            most += (unsigned)cluster.rule.burst +
                    (unsigned)processes * (2 * (unsigned)cluster.rule.chunk + 1);
            if (through > most || through < rate * seconds * 9 / 10) {
                fail_msg("%u of %u to %u at rate %u over %d", through, rate * seconds, most,
                         rate, processes);
            }
        }
    }
}

static void a_burst_comes_in_at_once_and_no_more_than_once(void **state)
{
    unsigned through = 0;

    (void)state;
    begin(100);
    for (int i = 0; i < 1000; i++) {
        through += say(0);
    }
    assert_in_range(through, 200, 200 + 25); /* twice the rate, and what needs no question */
    through = flood(1, 1000, 1000);
    assert_in_range(through, 0, 115); /* what was given on credit is paid back */
}

static void who_is_refused_asks_rarely(void **state)
{
    (void)state;
    begin(10);
    flood(1, 5000, 10000);
    cluster.questions = 0;
    flood(1, 5000, 10000);
    assert_in_range(cluster.questions, 10, 10 * 50);
}

static void that_it_is_empty_is_known_without_spending(void **state)
{
    struct bucket *bucket = &cluster.processes[0];

    (void)state;
    begin(10);
    assert_false(bucket_is_empty(bucket, &cluster.rule, cluster.now_ms));
    flood(1, 1000, 3000);
    while (say(0) || cluster.answer_ms[0] != 0) {
        tick();
    }
    assert_true(bucket_is_empty(bucket, &cluster.rule, cluster.now_ms));
    flood(1, 0, 1000);
    assert_false(bucket_is_empty(bucket, &cluster.rule, cluster.now_ms));
}

static void at_the_end_of_its_credit_it_is_empty_before_redis_says_so(void **state)
{
    struct bucket *bucket = &cluster.processes[0];
    unsigned on_credit = 0;

    (void)state;
    begin(10);
    while (!bucket_is_empty(bucket, &cluster.rule, cluster.now_ms)) {
        enum bucket_outcome outcome = bucket_spend(bucket, &cluster.rule, cluster.now_ms);

        if (outcome == BUCKET_GO_ASK) {
            bucket_ask(bucket, &cluster.rule);
        }
        assert_in_range(++on_credit, 1, 100);
    }
    assert_int_equal(bucket_spend(bucket, &cluster.rule, cluster.now_ms), BUCKET_FULL);
    assert_in_range(on_credit, 20, 24); /* a burst, and what needs no question */
}

static void with_time_there_is_room_again(void **state)
{
    (void)state;
    begin(10);
    flood(2, 1000, 5000);
    flood(2, 0, 5000);
    assert_int_equal(flood(1, 10, 2000), 20);
}

static void without_redis_a_process_goes_by_the_rate_alone(void **state)
{
    unsigned through;

    (void)state;
    begin(50);
    cluster.away = true;
    through = flood(1, 1000, 20000);
    assert_in_range(through, 50 * 20 * 8 / 10, 50 * 20 * 12 / 10 + 100);
    assert_int_equal(flood(1, 25, 4000), 100); /* half of it */
}

static void an_answer_that_grants_nonsense_harms_nobody(void **state)
{
    struct bucket_rule rule = bucket_rule_of(10);
    struct bucket bucket;
    unsigned through = 0;

    (void)state;
    bucket_init(&bucket, &rule, 1);
    while (bucket_spend(&bucket, &rule, 1) != BUCKET_GO_ASK) {
    }
    bucket_ask(&bucket, &rule);
    bucket_answered(&bucket, &rule, INT64_MAX, INT64_MAX, 1);
    assert_in_range(bucket.share, 0, rule.burst);
    while (bucket_spend(&bucket, &rule, 1) != BUCKET_GO_ASK) {
        assert_in_range(++through, 0, rule.burst);
    }
    bucket_ask(&bucket, &rule);
    bucket_answered(&bucket, &rule, INT64_MIN, INT64_MIN, 1);
    assert_in_range(bucket.full_ms, 2, 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_little_is_let_through_without_a_question),
        cmocka_unit_test(who_stays_below_the_rate_is_never_refused),
        cmocka_unit_test(a_slow_redis_is_no_reason_to_refuse),
        cmocka_unit_test(whatever_comes_what_is_let_through_is_bounded),
        cmocka_unit_test(a_burst_comes_in_at_once_and_no_more_than_once),
        cmocka_unit_test(who_is_refused_asks_rarely),
        cmocka_unit_test(that_it_is_empty_is_known_without_spending),
        cmocka_unit_test(at_the_end_of_its_credit_it_is_empty_before_redis_says_so),
        cmocka_unit_test(with_time_there_is_room_again),
        cmocka_unit_test(without_redis_a_process_goes_by_the_rate_alone),
        cmocka_unit_test(an_answer_that_grants_nonsense_harms_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
