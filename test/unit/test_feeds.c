/* The built-in feeds: when they ask, what they ask with, and what they make of the answer.
 * Redis and time are played by the test. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/feeds/feeds.h"
#include "gateway/session.h"
#include "test/unit/fake_redis.h"

enum {
    JITTER_MS = 40
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct feeds *feeds;
    char file[64], item[96];
} stage;

#include "test/unit/store_stage.h"

static void pass(uint64_t ms)
{
    pass_in_steps(ms, 5);
}

static void write_file(const char *text)
{
    FILE *file = fopen(stage.file, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.max_message = 100;
    stage_begin();
    snprintf(stage.file, sizeof(stage.file), "%s/lines", stage.redis.folder);
    snprintf(stage.item, sizeof(stage.item), "wisdom=%s:10", stage.file);
    stage.config.feeds.items[0] = stage.item;
    stage.config.feeds.count = 1;
    write_file("zero\none\ntwo\n");
    return stage_connect(&no_events);
}

static int teardown(void **state)
{
    (void)state;
    unlink(stage.file);
    if (stage.feeds != NULL) {
        feeds_stop(stage.feeds);
    }
    stage_stop();
    feeds_destroy(stage.feeds);
    store_destroy(stage.services.store);
    return uv_loop_close(&stage.loop);
}

static void start(void)
{
    char why[FEEDS_WHY_MAX];

    stage.feeds = feeds_create(&stage.config, stage.services.store, why);
    assert_non_null(stage.feeds);
    feeds_start(stage.feeds, &stage.loop);
    pass(JITTER_MS + 5);
}

/* That it was asked for this line of three, and nothing else. */
static void assert_asked(unsigned count, unsigned number, const char *line)
{
    char expected[512];

    snprintf(expected, sizeof(expected),
             "EVALSHA %.*s 3 segue:feed:{wisdom} segue:lately:{wisdom} segue:feed:{wisdom} "
             "10000 %u %u "
             "{\"type\":\"wisdom_distribution\",\"payload\":{\"message\":\"%s\"}} "
             "\"wisdom_distribution\",{\"topic\":\"wisdom\",\"message\":\"%s\"}\n",
             STR_ARG(script_sha(SCRIPT_feed_tick)), count, number, line, line);
    fake_redis_asked(&stage.redis, expected);
}

static void reply(const char *outcome, unsigned wait, unsigned next)
{
    char text[96];

    snprintf(text, sizeof(text), "*3\r\n$%zu\r\n%s\r\n:%u\r\n:%u\r\n", strlen(outcome), outcome,
             wait, next);
    fake_redis_reply(&stage.redis, text);
    turns();
}

static void a_feed_asks_at_once_and_then_when_the_period_begins(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    reply("applied", 7000, 1);
    pass(6990);
    fake_redis_asked(&stage.redis, "");
    pass(10 + JITTER_MS);
    assert_asked(3, 1, "one");
    reply("taken", 10000, 2);
    pass(9990);
    fake_redis_asked(&stage.redis, "");
    pass(10 + JITTER_MS);
    assert_asked(3, 2, "two");
    reply("applied", 10000, 0);
    pass(10000 + JITTER_MS);
    assert_asked(3, 0, "zero");
    reply("taken", 10000, 1);
}

static void a_wrong_guess_is_put_right_at_once(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    reply("stale", 7000, 2);
    assert_asked(3, 2, "two");
    reply("stale", 7000, 1);
    assert_asked(3, 1, "one");
    reply("applied", 7000, 2);
    fake_redis_asked(&stage.redis, "");
}

static void a_slow_answer_is_waited_for(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    pass(1500);
    fake_redis_asked(&stage.redis, "");
    reply("applied", 7000, 1);
}

static void long_periods_are_looked_at_every_minute(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    reply("taken", 80000000, 1);
    pass(59990);
    fake_redis_asked(&stage.redis, "");
    pass(20 + JITTER_MS);
    assert_asked(3, 1, "one");
    reply("taken", 80000000, 1);
}

static void without_redis_it_waits_and_goes_on(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    fake_redis_break(&stage.redis); /* the answer never comes */
    turns();
    for (int i = 0; i < 100 && !store_is_up(stage.services.store); i++) {
        pass(10);
    }
    assert_true(store_is_up(stage.services.store));
    buf_clear(&stage.redis.asked);
    pass(500 + JITTER_MS + 5);
    assert_asked(3, 0, "zero");
    reply("applied", 10000, 1);
}

static void a_script_that_fails_is_asked_again(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    fake_redis_reply(&stage.redis, "-OOM command not allowed\r\n");
    pass(500 + JITTER_MS + 5);
    assert_asked(3, 0, "zero");
    reply("applied", 10000, 1);
}

static void a_file_may_change_while_it_is_asked(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    reply("applied", 1000, 2);
    write_file("only\n");
    feeds_reload(stage.feeds);
    pass(1000 + JITTER_MS);
    assert_asked(1, 0, "only");
    write_file("a\nb\nc\nd\n");
    feeds_reload(stage.feeds);
    reply("applied", 1000, 0);
    pass(1000 + JITTER_MS);
    assert_asked(4, 0, "a");
    reply("stale", 1000, 3);
    assert_asked(4, 3, "d");
    reply("applied", 1000, 0);
}

static void of_a_bad_file_the_old_lines_stay(void **state)
{
    (void)state;
    start();
    assert_asked(3, 0, "zero");
    reply("applied", 1000, 1);
    write_file("\n");
    feeds_reload(stage.feeds);
    pass(1000 + JITTER_MS);
    assert_asked(3, 1, "one");
    unlink(stage.file);
    feeds_reload(stage.feeds);
    reply("applied", 1000, 2);
    pass(1000 + JITTER_MS);
    assert_asked(3, 2, "two");
    reply("applied", 1000, 0);
}

static void a_line_is_escaped_for_json(void **state)
{
    (void)state;
    write_file("say \"hi\"\\\nx\ny\n");
    start();
    assert_asked(3, 0, "say \\\"hi\\\"\\\\");
    reply("applied", 1000, 1);
}

static void a_bad_file_is_refused_at_the_start(void **state)
{
    char why[FEEDS_WHY_MAX], expected[FEEDS_WHY_MAX];

    (void)state;
    write_file("fine\n\x01\n");
    assert_null(feeds_create(&stage.config, stage.services.store, why));
    snprintf(expected, sizeof(expected), "wisdom: %s: line 2 holds a control byte", stage.file);
    assert_string_equal(why, expected);
    unlink(stage.file);
    assert_null(feeds_create(&stage.config, stage.services.store, why));
    snprintf(expected, sizeof(expected), "wisdom: %s: No such file or directory", stage.file);
    assert_string_equal(why, expected);
}

static void wisdom_is_built_in_whatever_a_message_may_be(void **state)
{
    (void)state;
    stage.config.feeds.count = 0;
    stage.config.max_message = 64;
    start();
    assert_true(strstr(buf_text(&stage.redis.asked), " segue:feed:{wisdom} 10000 ") != NULL);
    buf_clear(&stage.redis.asked);
    reply("applied", 10000, 1);
    feeds_reload(stage.feeds); /* it has no file */
}

static void no_feeds_are_harmless_to_destroy(void **state)
{
    (void)state;
    feeds_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_feed_asks_at_once_and_then_when_the_period_begins),
        TEST(a_wrong_guess_is_put_right_at_once),
        TEST(a_slow_answer_is_waited_for),
        TEST(long_periods_are_looked_at_every_minute),
        TEST(without_redis_it_waits_and_goes_on),
        TEST(a_script_that_fails_is_asked_again),
        TEST(a_file_may_change_while_it_is_asked),
        TEST(of_a_bad_file_the_old_lines_stay),
        TEST(a_line_is_escaped_for_json),
        TEST(a_bad_file_is_refused_at_the_start),
        TEST(wisdom_is_built_in_whatever_a_message_may_be),
        cmocka_unit_test(no_feeds_are_harmless_to_destroy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
