/* The store: up means that both connections work, every call has one answer, and what is
 * watched is heard. */
#include "test/unit/store_alone.h"

/* ---- coming up ---- */

static void it_is_up_when_both_connections_were_greeted(void **state)
{
    (void)state;
    start(NULL, NULL, 0);
    assert_false(is_up());
    turns();
    assert_true(is_up());
    assert_int_equal(stage.metrics.redis_up, 1);
    assert_int_equal(stage.redis.loads, SCRIPT_COUNT);
    assert_non_null(stage.redis.peers->next);
    assert_null(stage.redis.peers->next->next);
    fake_redis_asked(&stage.redis, "");
    assert_events("U");
}

static void it_is_not_up_while_redis_is_silent(void **state)
{
    (void)state;
    stage.redis.silent = true;
    start(NULL, NULL, 0);
    pass(2900);
    assert_false(is_up());
    stage.redis.silent = false;
    pass(5000); /* given up, and dialed anew */
    assert_true(is_up());
    assert_events("U");
}

static void it_is_not_up_until_the_last_greeting_is_answered(void **state)
{
    static const char *const verbs[] = {"PING", "SCRIPT"};

    (void)state;
    stage.redis.ignored = verbs[0];
    start(NULL, NULL, 0);
    for (int i = 0; i < 2; i++) {
        stage.redis.ignored = verbs[i];
        pass(8000);
        assert_false(is_up());
    }
    stage.redis.ignored = NULL;
    pass(5000);
    assert_true(is_up());
}

static void both_connections_say_the_password(void **state)
{
    (void)state;
    stage.redis.password = "secret word";
    start(NULL, "secret word", 0);
    turns();
    assert_true(is_up());
    fake_redis_asked(&stage.redis, "AUTH secret word\nAUTH secret word\n");
}

static void user_and_database_are_chosen(void **state)
{
    (void)state;
    stage.redis.password = "p";
    start("ann", "p", 7);
    turns();
    assert_true(is_up());
    assert_int_equal(asked_times("AUTH ann p\n"), 2);
    assert_int_equal(asked_times("SELECT 7\n"), 1); /* channels know no databases */
}

static void a_wrong_password_is_tried_again_and_again(void **state)
{
    (void)state;
    stage.redis.password = "right";
    start(NULL, "wrong", 0);
    pass(5000);
    assert_false(is_up());
    assert_in_range(asked_times("AUTH wrong\n"), 6, 40);
    stage.redis.password = "wrong";
    pass(1500);
    assert_true(is_up());
    assert_events("U");
}

static void a_redis_that_is_not_there_is_dialed_ever_more_slowly(void **state)
{
    char hidden[64];

    (void)state;
    snprintf(hidden, sizeof(hidden), "%s/hidden", stage.redis.folder);
    assert_int_equal(rename(stage.redis.path, hidden), 0);
    start(NULL, NULL, 0);
    pass(10000);
    assert_false(is_up());
    assert_int_equal(rename(hidden, stage.redis.path), 0);
    pass(1000 + TICKS_MS); /* the longest rest */
    assert_true(is_up());
    fake_redis_break(&stage.redis);
    pass(450); /* and then rests begin short again */
    assert_true(is_up());
    assert_events("UDU");
}

/* ---- calls ---- */

static void a_call_names_the_script_and_carries_its_words(void **state)
{
    struct buf expected = {0};
    struct str sha = script_sha(SCRIPT_player_pause);

    (void)state;
    call_pause("a message\r\n");
    assert_int_equal(stage.calls.count, 1);
    assert_int_equal(store_pending(stage.store), 1);
    turns();
    buf_addf(&expected, "EVALSHA %.*s 2 player:{1} user:{1} origin a message\r\n 0 time\n",
             STR_ARG(sha));
    fake_redis_asked(&stage.redis, buf_text(&expected));
    assert_answers("");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_answers("a message\r\n applied");
    assert_int_equal(stage.calls.count, 0);
    assert_int_equal(store_pending(stage.store), 0);
    assert_int_equal(stage.metrics.transitions[SCRIPT_player_pause][OUTCOME_APPLIED], 1);
    buf_finish(&expected);
}

static void answers_come_in_the_order_of_the_calls(void **state)
{
    (void)state;
    call_pause("a");
    call_pause("b");
    turns();
    call_pause("c");
    turns();
    assert_int_equal(asked_times("EVALSHA"), 3);
    fake_redis_reply(&stage.redis, "*2\r\n$7\r\napplied\r\n:17\r\n");
    fake_redis_reply(&stage.redis, "$8\r\nno_state\r\n");
    turns();
    assert_answers("a applied, b no_state");
    fake_redis_reply(&stage.redis, "$7\r\nrefused\r\n");
    turns();
    assert_answers("c refused");
}

static void a_call_while_it_is_away_is_answered_at_the_end_of_the_turn(void **state)
{
    (void)state;
    start(NULL, NULL, 0);
    call_pause("early");
    assert_answers(""); /* not from inside */
    store_flush(stage.store);
    assert_answers("early unavailable");
    assert_int_equal(stage.metrics.transitions[SCRIPT_player_pause][OUTCOME_UNAVAILABLE], 1);
}

static void a_forgotten_call_goes_on_in_silence(void **state)
{
    (void)state;
    call_pause("a");
    call_pause("b");
    turns();
    store_forget(&stage.calls);
    store_forget(&stage.calls);
    assert_int_equal(stage.calls.count, 0);
    call_pause("c");
    turns();
    for (int i = 0; i < 3; i++) {
        fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    }
    turns();
    assert_answers("c applied");
    assert_int_equal(stage.metrics.transitions[SCRIPT_player_pause][OUTCOME_APPLIED], 3);
}

static void an_error_is_unavailable(void **state)
{
    (void)state;
    call_pause("a");
    call_pause("b");
    turns();
    fake_redis_reply(&stage.redis, "-OOM command not allowed\r\n");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_answers("a unavailable, b applied");
    assert_true(is_up());
}

static void odd_answers_are_refusals(void **state)
{
    static const char *const odd[] = {"$-1\r\n",         ":1\r\n",        "*0\r\n",
                                      "$5\r\nother\r\n", "*1\r\n$-1\r\n", "*1\r\n*0\r\n",
                                      "+applie\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        call_pause("a");
        turns();
        fake_redis_reply(&stage.redis, odd[i]);
        turns();
        assert_answers("a refused");
    }
}

static void scripts_that_redis_forgot_are_loaded_and_the_order_stays(void **state)
{
    (void)state;
    stage.redis.loads = 0;
    call_pause("a");
    call_pause("b");
    turns();
    fake_redis_reply(&stage.redis, "-NOSCRIPT No matching script\r\n");
    turns();
    call_pause("c"); /* must not overtake */
    turns();
    assert_answers("");
    fake_redis_reply(&stage.redis, "-NOSCRIPT No matching script\r\n");
    buf_clear(&stage.redis.asked);
    turns();
    assert_int_equal(stage.redis.loads, SCRIPT_COUNT);
    assert_int_equal(asked_times("EVALSHA"), 3);
    assert_true(strstr(buf_text(&stage.redis.asked), " a ") <
                strstr(buf_text(&stage.redis.asked), " b "));
    assert_true(strstr(buf_text(&stage.redis.asked), " b ") <
                strstr(buf_text(&stage.redis.asked), " c "));
    for (int i = 0; i < 3; i++) {
        fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    }
    turns();
    assert_answers("a applied, b applied, c applied");
}

static void a_redis_that_forgets_for_ever_is_unavailable(void **state)
{
    (void)state;
    call_pause("a");
    turns();
    for (int i = 0; i < 1000 && stage.answer_count == 0; i++) {
        fake_redis_reply(&stage.redis, "-NOSCRIPT No matching script\r\n");
        turns();
    }
    assert_answers("a unavailable");
}

/* ---- subscriptions ---- */

static void channels_are_watched_and_left(void **state)
{
    (void)state;
    store_watch(stage.store, STR("user:{1}"));
    store_watch(stage.store, STR("user:{2}"));
    turns();
    fake_redis_asked(&stage.redis, "SUBSCRIBE user:{1}\nSUBSCRIBE user:{2}\n");
    assert_events("");
    fake_redis_confirm(&stage.redis, "subscribe", "user:{1}");
    turns();
    assert_events("+user:{1}");
    fake_redis_publish(&stage.redis, "user:{1}", STR("1 p o 1 2\nbytes \r\n \x00 !"));
    turns();
    assert_int_equal(stage.events.len, strlen("(user:{1}:") + 22 + 1);
    buf_clear(&stage.events);
    store_unwatch(stage.store, STR("user:{1}"));
    turns();
    fake_redis_asked(&stage.redis, "UNSUBSCRIBE user:{1}\n");
    fake_redis_confirm(&stage.redis, "unsubscribe", "user:{1}");
    turns();
    assert_events("-user:{1}");
}

static void publications_may_come_in_any_pieces(void **state)
{
    static const char text[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"
                               "*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:2\r\n"
                               "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
                               "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n";

    (void)state;
    store_watch(stage.store, STR("c"));
    turns();
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        fake_redis_say(stage.redis.hearer, str_from(text, cut));
        turns();
        fake_redis_say(stage.redis.hearer, str_from(text + cut, sizeof(text) - 1 - cut));
        turns();
        assert_events("(c:hello)+d(c:)");
    }
    assert_true(is_up());
}

static void patterns_are_watched_in_one_order_with_channels(void **state)
{
    static const char text[] = "*3\r\n$10\r\npsubscribe\r\n$3\r\na#*\r\n:1\r\n"
                               "*4\r\n$8\r\npmessage\r\n$3\r\na#*\r\n$4\r\na#42\r\n$2\r\nhi\r\n"
                               "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n1\r\n"
                               "*4\r\n$8\r\npmessage\r\n$3\r\na#*\r\n$2\r\na#\r\n$0\r\n\r\n";

    (void)state;
    store_watch(stage.store, STR("c"));
    store_match(stage.store, STR("a#*"), STR("a"));
    turns();
    fake_redis_asked(&stage.redis, "SUBSCRIBE c\nPSUBSCRIBE a#*\n");
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        fake_redis_say(stage.redis.hearer, str_from(text, cut));
        turns();
        fake_redis_say(stage.redis.hearer, str_from(text + cut, sizeof(text) - 1 - cut));
        turns();
        assert_events("+a#*[a#42:hi](c:1)[a#:]");
    }
    assert_true(is_up());
}

static void answers_of_no_known_kind_are_passed_over(void **state)
{
    static const char *const odd[] = {
        "*3\r\n:1\r\n$1\r\nc\r\n$1\r\nx\r\n",
        "*3\r\n$8\r\npmessage\r\n$1\r\nc\r\n$1\r\nx\r\n",
        "*4\r\n$8\r\npmessage\r\n$1\r\nc\r\n$1\r\nc\r\n:1\r\n",
        "*4\r\n$7\r\nmessage\r\n:1\r\n:1\r\n$1\r\nc\r\n",
        "*2\r\n$7\r\nmessage\r\n$1\r\nc\r\n",
        "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n:1\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n$1\r\n1\r\n",
        "*0\r\n",
        "*3\r\n$7\r\nmessage\r\n$-1\r\n$-1\r\n",
    };

    (void)state;
    store_watch(stage.store, STR("c"));
    turns();
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        fake_redis_publish(&stage.redis, "c", STR("x"));
        fake_redis_say_text(stage.redis.hearer, odd[i]);
        turns();
        assert_events("(c:x)");
    }
    assert_true(is_up());
}

static void large_publications_come_whole(void **state)
{
    enum {
        LEN = 300000
    };
    char *payload = mem_alloc(LEN);

    (void)state;
    memset(payload, 'x', LEN);
    store_watch(stage.store, STR("c"));
    turns();
    for (int i = 0; i < 3; i++) {
        struct buf text = {0};
        struct str rest;

        buf_addf(&text, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n", LEN);
        buf_add(&text, str_from(payload, LEN));
        buf_add_text(&text, "\r\n");
        for (rest = buf_str(&text); rest.len > 0; rest = str_skip(rest, 50000)) {
            fake_redis_say(stage.redis.hearer,
                           str_from(rest.at, rest.len < 50000 ? rest.len : 50000));
            turns();
        }
        assert_int_equal(stage.events.len, LEN + 4);
        buf_clear(&stage.events);
        buf_finish(&text);
    }
    mem_free(payload);
}

static void nothing_is_watched_while_it_is_away(void **state)
{
    (void)state;
    fake_redis_break(&stage.redis);
    turns();
    assert_events("D");
    store_watch(stage.store, STR("c"));
    store_unwatch(stage.store, STR("d"));
    pass(TICKS_MS);
    assert_events("U");
    fake_redis_asked(&stage.redis, ""); /* who wants it says so again */
}

/* ---- time ---- */

static void time_is_that_of_redis(void **state)
{
    uint64_t wall = (uint64_t)FAKE_EPOCH_S * FAKE_US_PER_S;

    (void)state;
    stage.redis.ahead_us = 77ull * FAKE_US_PER_S;
    start(NULL, NULL, 0);
    assert_true(store_now_us(stage.store) == wall + fake_us); /* not known yet */
    turns();
    assert_true(store_now_us(stage.store) == wall + fake_us + stage.redis.ahead_us);
    fake_us += 5000;
    assert_true(store_now_us(stage.store) == wall + fake_us + stage.redis.ahead_us);
}

/* ---- the end ---- */

static void stopping_answers_what_is_under_way(void **state)
{
    (void)state;
    call_pause("a");
    turns();
    call_pause("b");
    store_stop(stage.store);
    turns();
    assert_answers("a unavailable, b unavailable");
    call_pause("late");
    turns();
    assert_answers("late unavailable");
    assert_events("D");
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_UP(name) cmocka_unit_test_setup_teardown(name, setup_up, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_up_when_both_connections_were_greeted),
        TEST(it_is_not_up_while_redis_is_silent),
        TEST(it_is_not_up_until_the_last_greeting_is_answered),
        TEST(both_connections_say_the_password),
        TEST(user_and_database_are_chosen),
        TEST(a_wrong_password_is_tried_again_and_again),
        TEST(a_redis_that_is_not_there_is_dialed_ever_more_slowly),
        TEST_UP(a_call_names_the_script_and_carries_its_words),
        TEST_UP(answers_come_in_the_order_of_the_calls),
        TEST(a_call_while_it_is_away_is_answered_at_the_end_of_the_turn),
        TEST_UP(a_forgotten_call_goes_on_in_silence),
        TEST_UP(an_error_is_unavailable),
        TEST_UP(odd_answers_are_refusals),
        TEST_UP(scripts_that_redis_forgot_are_loaded_and_the_order_stays),
        TEST_UP(a_redis_that_forgets_for_ever_is_unavailable),
        TEST_UP(channels_are_watched_and_left),
        TEST_UP(publications_may_come_in_any_pieces),
        TEST_UP(patterns_are_watched_in_one_order_with_channels),
        TEST_UP(answers_of_no_known_kind_are_passed_over),
        TEST_UP(large_publications_come_whole),
        TEST_UP(nothing_is_watched_while_it_is_away),
        TEST(time_is_that_of_redis),
        TEST_UP(stopping_answers_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
