/* The adapter: when it hears, how it counts, and what it asks Redis with. Redis and time are
 * played by the test. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/adapter/adapter.h"
#include "gateway/session.h"
#include "test/unit/fake_redis.h"

#define BYTES(literal) str_from(literal, sizeof(literal) - 1)
#define MARKS          "segue:emits:{socket.io}"
#define EVENTS         "socket.io#/#"
#define REQUESTS       "socket.io-request#/#"
#define PATTERNS       "PSUBSCRIBE " EVENTS "*\nPSUBSCRIBE " REQUESTS "\nPSUBSCRIBE " MARKS "\n"
/* ["e", {type: 2, data: ["hi"]}, {rooms: [...]}] */
#define EVENT     "\x93\xa1\x65\x82\xa4type\x02\xa4\x64\x61ta\x91\xa2hi"
#define TO_ALL    EVENT "\x80"
#define TO_A      EVENT "\x81\xa5rooms\x91\xa1\x61"
#define TO_A_AND_ EVENT "\x81\xa5rooms\x92\xa1\x61\xa2\xc3\xbc"

enum {
    HOLD_MS = 250,
    HOLD_BYTES = 16 * 1024 * 1024
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct adapter *adapter;
} stage;

#include "test/unit/store_stage.h"

static void on_up(void *owner)
{
    (void)owner;
    adapter_restore(stage.adapter);
}

static void on_down(void *owner)
{
    (void)owner;
    adapter_lost(stage.adapter);
}

static void on_changed(void *owner, struct str channel, bool watched)
{
    (void)owner;
    adapter_changed(stage.adapter, channel, watched);
}

static void on_message(void *owner, struct str channel, struct str envelope)
{
    (void)owner;
    (void)channel;
    (void)envelope;
    fail();
}

static void on_matched(void *owner, struct str channel, struct str bytes)
{
    (void)owner;
    adapter_matched(stage.adapter, channel, bytes);
}

static const struct store_events events = {on_up, on_down, on_changed, on_message, on_matched};

static void pass(uint64_t ms)
{
    pass_in_steps(ms, 5);
}

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.max_message = 100;
    stage.config.max_batch = 200;
    stage.config.socketio_adapter = "socket.io";
    stage_begin();
    stage_create_store(&events);
    stage.adapter = adapter_create(&stage.config, stage.services.store, &stage.metrics);
    adapter_start(stage.adapter, &stage.loop);
    return stage_start_store();
}

static int teardown(void **state)
{
    (void)state;
    adapter_stop(stage.adapter);
    stage_stop();
    adapter_destroy(stage.adapter);
    store_destroy(stage.services.store);
    return uv_loop_close(&stage.loop);
}

/* ---- what happens ---- */

static void publish(const char *pattern, const char *channel, struct str bytes)
{
    struct buf text = {0};

    buf_addf(&text, "*4\r\n$8\r\npmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n",
             strlen(pattern), pattern, strlen(channel), channel, bytes.len);
    buf_add(&text, bytes);
    buf_add_text(&text, "\r\n");
    fake_redis_say(stage.redis.hearer, buf_str(&text));
    buf_finish(&text);
    turns();
}

static void emit(struct str bytes)
{
    publish(EVENTS "*", EVENTS, bytes);
}

static void mark(const char *number)
{
    publish(MARKS, MARKS, str_of(number));
}

/* With it begins what is told, after a moment. */
static void first_mark(const char *number)
{
    mark(number);
    pass(HOLD_MS);
}

static void confirm(void)
{
    fake_redis_confirm(&stage.redis, "psubscribe", EVENTS "*");
    fake_redis_confirm(&stage.redis, "psubscribe", REQUESTS);
    turns();
    fake_redis_asked(&stage.redis, PATTERNS);
    fake_redis_confirm(&stage.redis, "psubscribe", MARKS);
    turns();
}

static void assert_wants_mark(void)
{
    char expected[128];

    snprintf(expected, sizeof(expected), "EVALSHA %.*s 2 " MARKS " " MARKS "\n",
             STR_ARG(script_sha(SCRIPT_emit_mark)));
    fake_redis_asked(&stage.redis, expected);
}

/* That these publications are claimed, by users' tags: "a 3, b 3". */
static void assert_claims(const char *claims, const char *of)
{
    struct str rest = str_of(claims), claim, tag, number;
    struct buf expected = {0};

    while (str_next_item(&rest, &claim)) {
        str_cut(claim, ' ', &tag, &number);
        buf_addf(&expected,
                 "EVALSHA %.*s 3 segue:events:{%.*s} segue:%s:{%.*s} segue:claims:{%.*s} "
                 "%s socket.io %.*s \"hi\"\n",
                 STR_ARG(script_sha(SCRIPT_emit_add)), STR_ARG(tag),
                 str_equal(tag, KEYS_EVERYBODY) ? "all" : "user", STR_ARG(tag), STR_ARG(tag),
                 of, STR_ARG(number));
    }
    fake_redis_asked(&stage.redis, buf_text(&expected));
    buf_finish(&expected);
}

/* ---- the tests ---- */

static void it_is_off_without_a_prefix(void **state)
{
    struct config config = {.socketio_adapter = ""};

    (void)state;
    assert_null(adapter_create(&config, stage.services.store, &stage.metrics));
    config.socketio_adapter = NULL;
    assert_null(adapter_create(&config, stage.services.store, &stage.metrics));
    adapter_restore(NULL);
    adapter_changed(NULL, STR("x"), true);
    adapter_matched(NULL, STR("x"), STR("y"));
    adapter_lost(NULL);
    adapter_stop(NULL);
    adapter_destroy(NULL);
}

static void a_mark_is_set_when_all_patterns_hold(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
}

static void what_comes_before_the_first_mark_is_left_to_others(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
    emit(BYTES(TO_A));
    fake_redis_asked(&stage.redis, "");
    first_mark("1000");
    emit(BYTES(TO_A));
    assert_claims("a 1", "1000");
}

static void what_follows_the_first_mark_waits_for_those_who_were_here(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
    mark("1000");
    emit(BYTES(TO_A));
    pass(HOLD_MS - 10);
    emit(BYTES(TO_A));
    fake_redis_asked(&stage.redis, "");
    pass(10);
    assert_claims("a 1, a 2", "1000");
    emit(BYTES(TO_A));
    assert_claims("a 3", "1000");
}

static void marks_wait_in_their_turn(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
    mark("1000");
    mark("2000");
    emit(BYTES(TO_A));
    pass(100);
    mark("3000"); /* somebody else's: no reason to wait for longer */
    fake_redis_asked(&stage.redis, "");
    pass(HOLD_MS - 100);
    assert_claims("a 1", "2000");
    emit(BYTES(TO_A));
    assert_claims("a 1", "3000");
}

static void no_more_waits_than_there_is_room_for(void **state)
{
    char nonsense[32 * 1024] = {0};
    int most = HOLD_BYTES / (int)sizeof(nonsense);
    char claim[32];

    (void)state;
    confirm();
    assert_wants_mark();
    mark("1000");
    emit(BYTES(TO_A));
    for (int i = 0; i < most - 10; i++) {
        emit(str_from(nonsense, sizeof(nonsense)));
    }
    fake_redis_asked(&stage.redis, "");
    for (int i = 0; i < 10; i++) {
        emit(str_from(nonsense, sizeof(nonsense)));
    }
    assert_claims("a 1", "1000");
    emit(BYTES(TO_A));
    fake_redis_asked(&stage.redis, "");
    pass(HOLD_MS);
    snprintf(claim, sizeof(claim), "a %d", most + 2);
    assert_claims(claim, "1000");
}

static void everything_is_counted_and_each_user_has_a_claim(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
    first_mark("1000");
    emit(BYTES(TO_ALL));
    assert_claims("* 1", "1000");
    emit(BYTES("nonsense"));
    publish(REQUESTS, REQUESTS, STR("{\"type\":2}"));
    publish(EVENTS "*", EVENTS "a#", BYTES(TO_A_AND_));
    assert_claims("a 4, %C3%BC 4", "1000");
    mark("2000");
    emit(BYTES(TO_A));
    assert_claims("a 1", "2000");
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_API], 5);
}

static void users_are_sent_away_by_a_claim(void **state)
{
    char expected[256];

    (void)state;
    confirm();
    assert_wants_mark();
    first_mark("7");
    publish(REQUESTS, REQUESTS, STR("{\"type\":4,\"opts\":{\"rooms\":[\"a\"],\"except\":[]}}"));
    snprintf(expected, sizeof(expected),
             "EVALSHA %.*s 3 segue:devices:{a} segue:user:{a} segue:claims:{a} 7 socket.io 1\n",
             STR_ARG(script_sha(SCRIPT_emit_disconnect)));
    fake_redis_asked(&stage.redis, expected);
    fake_redis_reply(&stage.redis, "*1\r\n$7\r\napplied\r\n"); /* to the mark */
    fake_redis_reply(&stage.redis, "*2\r\n$7\r\napplied\r\n$3\r\nsid\r\n");
    turns();
    assert_non_null(strstr(buf_text(&stage.redis.asked), "segue:eio:{sid} segue:eioq:{sid}"));
}

static void what_is_too_long_is_counted_and_not_looked_at(void **state)
{
    char bytes[201];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    confirm();
    assert_wants_mark();
    first_mark("7");
    emit(str_from(bytes, sizeof(bytes)));
    fake_redis_asked(&stage.redis, "");
    emit(BYTES(TO_A));
    assert_claims("a 2", "7");
}

static void a_mark_that_is_none_changes_nothing(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    confirm();
    assert_wants_mark();
    mark("x");
    emit(BYTES(TO_A));
    pass(HOLD_MS);
    fake_redis_asked(&stage.redis, "");
    first_mark("7");
    mark("-8");
    mark("");
    mark("123456789012345678901");
    emit(BYTES(TO_A));
    assert_claims("a 1", "7");
}

static void marks_are_renewed_unless_somebody_else_does(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
    fake_redis_reply(&stage.redis, "*1\r\n$7\r\napplied\r\n");
    mark("1");
    pass(4000);
    fake_redis_asked(&stage.redis, "");
    mark("2");
    pass(4000);
    fake_redis_asked(&stage.redis, "");
    for (int i = 0; i < 26 && stage.redis.asked.len == 0; i++) {
        pass(100);
    }
    assert_wants_mark();
}

static void without_redis_nothing_is_known_and_then_all_begins_anew(void **state)
{
    (void)state;
    confirm();
    assert_wants_mark();
    first_mark("1");
    fake_redis_break(&stage.redis);
    turns();
    pass(1000);
    confirm();
    assert_wants_mark();
    emit(BYTES(TO_A));
    fake_redis_asked(&stage.redis, "");
    first_mark("2");
    emit(BYTES(TO_A));
    assert_claims("a 1", "2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_off_without_a_prefix),
        TEST(a_mark_is_set_when_all_patterns_hold),
        TEST(what_comes_before_the_first_mark_is_left_to_others),
        TEST(what_follows_the_first_mark_waits_for_those_who_were_here),
        TEST(marks_wait_in_their_turn),
        TEST(no_more_waits_than_there_is_room_for),
        TEST(everything_is_counted_and_each_user_has_a_claim),
        TEST(users_are_sent_away_by_a_claim),
        TEST(what_is_too_long_is_counted_and_not_looked_at),
        TEST(a_mark_that_is_none_changes_nothing),
        TEST(marks_are_renewed_unless_somebody_else_does),
        TEST(without_redis_nothing_is_known_and_then_all_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
