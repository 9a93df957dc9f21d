/* Batches of the server API: what leaves for Redis and in which order, what becomes of the
 * answers, and that nothing is left of a batch whose client went away. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "gateway/proto/rest.h"
#include "test/unit/fake_redis.h"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct exchange *exchange;
    struct buf answer;
    int status; /* 0 = not answered */
} stage;

#include "test/unit/store_stage.h"

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.max_message = 1000;
    stage_begin();
    return stage_connect(&no_events);
}

static int teardown(void **state)
{
    (void)state;
    stage_stop();
    store_destroy(stage.services.store);
    buf_finish(&stage.answer);
    return uv_loop_close(&stage.loop);
}

/* ---- asking ---- */

static void carry_answer(void *carrying, int status, struct str json)
{
    (void)carrying;
    assert_int_equal(stage.status, 0);
    stage.status = status;
    stage.exchange = NULL;
    buf_add(&stage.answer, json);
}

static void carry_refuse(void *carrying, enum err err, const char *why)
{
    struct buf json = {0};

    json_add_error(&json, err, why);
    carry_answer(carrying, err_status(err), buf_str(&json));
    buf_finish(&json);
}

static const struct exchange_carrier carrier = {carry_answer, carry_refuse};

static const struct endpoint *row_of(const char *path)
{
    const struct endpoint *row = rest_table;

    while (strcmp(row->path, path) != 0) {
        row++;
    }
    return row;
}

/* key == NULL: without one. */
static void ask(const char *text, const char *key)
{
    const struct claims nobody = {.expires_ms = INT64_MAX};
    struct question question = {.text = str_of(text)};
    struct exchange *exchange;

    question.key = key != NULL ? str_of(key) : str_from(NULL, 0);
    stage.status = 0;
    buf_clear(&stage.answer);
    exchange = exchange_create(&stage.services, row_of("/api/batch"), &question, &nobody,
                               &carrier, NULL);
    stage.exchange = exchange;
    exchange_serve(exchange);
    turns();
}

static void reply(const char *resp)
{
    fake_redis_reply(&stage.redis, resp);
    turns();
}

static void assert_answer(int status, const char *json)
{
    assert_int_equal(stage.status, status);
    assert_string_equal(buf_text(&stage.answer), json);
}

/* What Redis was asked since the last look, with the names of scripts for their digests. */
static void assert_asked(const char *expected)
{
    name_scripts();
    fake_redis_asked(&stage.redis, expected);
}

#define EVENT(user, name)                                                                      \
    "{\"path\":\"/api/users/" user "/events\",\"body\":{\"event\":\"" name "\"}}"
#define EVENT_CALL(user)                                                                       \
    "EVALSHA event_add 3 segue:events:{" user "} segue:user:{" user "} segue:once:{" user "}"
#define APPLIED(number) "*2\r\n$7\r\napplied\r\n$1\r\n" number "\r\n"
#define KEPT(number)    "{\"status\":200,\"body\":{\"ok\":true,\"id\":\"" number "\"}}"
#define AWAY                                                                                   \
    "{\"status\":503,\"body\":{\"error\":\"unavailable\",\"message\":\"the event could not "   \
    "be kept\"}}"
#define THREE                                                                                  \
    "{\"operations\":[" EVENT("a", "one") "," EVENT("b", "two") "," EVENT("a", "three") "]}"
#define THREE_CALLS                                                                            \
    EVENT_CALL("a")                                                                            \
    " \"one\" \n" EVENT_CALL("b") " \"two\" \n" EVENT_CALL("a") " \"three\" "                  \
                                                                "\n"

/* ---- the tests ---- */

static void all_calls_leave_at_once_and_in_order(void **state)
{
    (void)state;
    ask(THREE, NULL);
    assert_asked(THREE_CALLS);
    reply(APPLIED("1"));
    reply(APPLIED("2"));
    assert_int_equal(stage.status, 0);
    reply(APPLIED("3"));
    assert_answer(200, "{\"results\":[" KEPT("1") "," KEPT("2") "," KEPT("3") "]}");
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_API], 4);
    assert_int_equal(stage.metrics.messages_sent[METRICS_PROTOCOL_API], 4);
}

static void results_stand_where_their_operations_stood(void **state)
{
    (void)state;
    ask("{\"operations\":[5," EVENT("a", "one") ",{\"path\":\"/x\"}]}", NULL);
    assert_asked(EVENT_CALL("a") " \"one\" \n");
    assert_int_equal(stage.status, 0);
    reply(APPLIED("1"));
    assert_answer(
        200, "{\"results\":[{\"status\":400,\"body\":{\"error\":\"bad_request\","
             "\"message\":\"operations: each must be an object with path and "
             "body\"}}," KEPT(
                 "1") ",{\"status\":404,\"body\":{\"error\":"
                      "\"not_found\",\"message\":\"path: no operation of the server API is "
                      "there\"}}]}");
}

static void a_batch_without_a_call_is_answered_at_once(void **state)
{
    (void)state;
    ask("{\"operations\":[]}", NULL);
    assert_answer(200, "{\"results\":[]}");
    ask("{\"operations\":[{\"path\":\"/api/events\",\"body\":[]}]}", NULL);
    assert_answer(200, "{\"results\":[{\"status\":400,\"body\":{\"error\":\"bad_request\","
                       "\"message\":\"body: must be an object\"}}]}");
    assert_asked("");
}

static void what_redis_did_not_answer_is_unavailable(void **state)
{
    (void)state;
    ask(THREE, NULL);
    reply(APPLIED("1"));
    fake_redis_break(&stage.redis);
    turns();
    assert_answer(200, "{\"results\":[" KEPT("1") "," AWAY "," AWAY "]}");
    ask(THREE, NULL);
    assert_answer(503, "{\"error\":\"unavailable\",\"message\":\"try again in a moment\"}");
    ask("{\"operations\":5}", NULL);
    assert_answer(400, "{\"error\":\"bad_request\",\"message\":\"operations: must be an "
                       "array\"}");
}

static void who_leaves_in_the_middle_hears_nothing(void **state)
{
    (void)state;
    ask(THREE, NULL);
    reply(APPLIED("1"));
    exchange_destroy(stage.exchange);
    reply(APPLIED("2"));
    reply(APPLIED("3"));
    assert_int_equal(stage.status, 0);
    ask(THREE, "k");
    exchange_destroy(stage.exchange);
    reply("*1\r\n$7\r\napplied\r\n");
    assert_int_equal(stage.status, 0);
}

/* "once:{*}:22 CHARACTERS 22 CHARACTERS", of which the tests know only that they differ. */
static void cut_digests(struct str asked, struct buf *digests, struct buf *rest)
{
    for (size_t i = 0; i < asked.len; i++) {
        bool mark = i > 0 && asked.at[i - 1] == ' ' && i + REST_DIGEST_LENGTH < asked.len &&
                    asked.at[i + REST_DIGEST_LENGTH] == '\n';
        bool key = i > 1 && asked.at[i - 1] == ':' && asked.at[i - 2] == '}';

        if (mark || key) {
            buf_add(digests, str_from(asked.at + i, REST_DIGEST_LENGTH));
            buf_add_char(rest, '#');
            i += REST_DIGEST_LENGTH - 1;
        } else {
            buf_add_char(rest, asked.at[i]);
        }
    }
}

static void a_batch_with_a_key_begins_first_and_gives_each_operation_its_own(void **state)
{
    struct buf digests = {0}, rest = {0};

    (void)state;
    ask("{\"operations\":[" EVENT("a", "one") "," EVENT("a", "one") "]}", "k");
    cut_digests(buf_str(&stage.redis.asked), &digests, &rest);
    buf_clear(&stage.redis.asked);
    buf_add(&stage.redis.asked, buf_str(&rest));
    assert_asked("EVALSHA batch_begin 1 segue:once:{*}:# #\n");
    reply("*1\r\n$7\r\napplied\r\n");
    buf_clear(&rest);
    buf_clear(&digests);
    cut_digests(buf_str(&stage.redis.asked), &digests, &rest);
    buf_clear(&stage.redis.asked);
    buf_add(&stage.redis.asked, buf_str(&rest));
    assert_asked(EVENT_CALL("a") ":# \"one\" #\n" EVENT_CALL("a") ":# \"one\" #\n");
    assert_int_equal(digests.len, 4 * REST_DIGEST_LENGTH); /* key, mark, key, mark */
    assert_memory_not_equal(digests.at, digests.at + 2 * REST_DIGEST_LENGTH,
                            REST_DIGEST_LENGTH);
    assert_memory_equal(digests.at + REST_DIGEST_LENGTH, digests.at + 3 * REST_DIGEST_LENGTH,
                        REST_DIGEST_LENGTH);
    reply(APPLIED("1"));
    reply("*1\r\n$7\r\nrefused\r\n");
    assert_answer(
        200, "{\"results\":[" KEPT(
                 "1") ",{\"status\":400,\"body\":{\"error\":"
                      "\"bad_request\",\"message\":\"Idempotency-Key: was used for another "
                      "request within five minutes\"}}]}");
    buf_finish(&digests);
    buf_finish(&rest);
}

static void a_batch_whose_key_is_anothers_does_nothing(void **state)
{
    (void)state;
    ask(THREE, "k");
    buf_clear(&stage.redis.asked);
    reply("*1\r\n$7\r\nrefused\r\n");
    assert_answer(400, "{\"error\":\"bad_request\",\"message\":\"Idempotency-Key: was used for "
                       "another request within five minutes\"}");
    assert_asked("");
}

static void a_thousand_are_taken_and_no_more(void **state)
{
    struct buf text = {0};

    (void)state;
    for (int count = 1000; count <= 1001; count++) {
        buf_clear(&text);
        buf_add_text(&text, "{\"operations\":[0");
        for (int i = 1; i < count; i++) {
            buf_add_text(&text, ",0");
        }
        buf_add_text(&text, "]}");
        ask(buf_text(&text), NULL);
        assert_int_equal(stage.status, count > 1000 ? 400 : 200);
    }
    assert_answer(400, "{\"error\":\"bad_request\",\"message\":\"operations: must be 1000 at "
                       "most\"}");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(all_calls_leave_at_once_and_in_order),
        TEST(results_stand_where_their_operations_stood),
        TEST(a_batch_without_a_call_is_answered_at_once),
        TEST(what_redis_did_not_answer_is_unavailable),
        TEST(who_leaves_in_the_middle_hears_nothing),
        TEST(a_batch_with_a_key_begins_first_and_gives_each_operation_its_own),
        TEST(a_batch_whose_key_is_anothers_does_nothing),
        TEST(a_thousand_are_taken_and_no_more),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
