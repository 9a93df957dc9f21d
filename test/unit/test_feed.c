/* A feed's client: connect, subscribe, hear; silent for too long, or too slow. Redis and the
 * carrier are played by the test. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/log.h"
#include "gateway/proto/proto.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"

#define CHANNEL   "segue:feed:{news}"
#define CONFIRMED "[{\"type\":\"subscribe_confirmation\",\"payload\":{\"status\":\"ok\"}}]"

enum {
    SILENCE_MS = 15500
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    char id[37];      /* what `initial` said */
    struct buf heard; /* A)ccept R)efuse [frames] W)ake C)lose */
    uint64_t wake_ms; /* what was asked for last */
    bool full;        /* the carrier has no room */
    enum reason reason;
    enum err err;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    assert_non_null(why);
    stage.err = err;
    buf_add_char(&stage.heard, 'R');
}

static bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (!stage.full) {
        buf_addf(&stage.heard, "[%.*s]", STR_ARG(msg_payload(msg)));
    }
    return !stage.full;
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    (void)carrier;
    stage.wake_ms = in_ms;
    buf_add_char(&stage.heard, 'W');
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_WEBSOCKET,
                                           .accept = carry_accept,
                                           .refuse = carry_refuse,
                                           .send = carry_send,
                                           .wake = carry_wake,
                                           .close = carry_close};

static void assert_heard(const char *expected)
{
    assert_string_equal(buf_text(&stage.heard), expected);
    buf_clear(&stage.heard);
}

/* ---- store and hub, tied as main does it ---- */

#include "test/unit/tied_stage.h"

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.burst = 100;
    tied_begin();
    return tied_connect();
}

static int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    buf_finish(&stage.heard);
    return tied_end();
}

/* ---- a client ---- */

static void open_topic(const char *topic)
{
    struct request request = {.param = str_of(topic)};

    stage.session = session_create(&stage.services, &feed_proto, &transport, NULL, NULL);
    feed_proto.open(stage.session, &request);
    turns();
}

static void open_news(void)
{
    static const char before[] = "A[{\"type\":\"initial\",\"payload\":{\"id\":\"";

    open_topic("news");
    assert_true(str_starts(buf_str(&stage.heard), STR(before)));
    assert_int_equal(stage.heard.len, sizeof(before) - 1 + 36 + 4);
    memcpy(stage.id, stage.heard.at + sizeof(before) - 1, 36);
    buf_clear(&stage.heard);
}

static void say(const char *type)
{
    struct buf text = {0};

    buf_addf(&text, "{\"type\":\"%s\",\"payload\":{\"id\":\"%s\"}}", type, stage.id);
    session_receive(stage.session, buf_str(&text));
    buf_finish(&text);
    turns();
}

static void confirm(const char *what)
{
    fake_redis_confirm(&stage.redis, what, CHANNEL);
    turns();
}

static void publish(const char *text)
{
    struct buf envelope = {0};

    buf_addf(&envelope, "1 f - 7 0 1652087347000000 %zu\n%s\"event\",{}", strlen(text), text);
    fake_redis_publish(&stage.redis, CHANNEL, buf_str(&envelope));
    buf_finish(&envelope);
    turns();
}

static void open_subscribed(void)
{
    open_news();
    say("connect");
    say("subscribe");
    confirm("subscribe");
    assert_heard("WW" CONFIRMED);
    buf_clear(&stage.redis.asked);
}

/* ---- tests ---- */

static void a_topic_that_is_no_name_is_refused(void **state)
{
    (void)state;
    open_topic("a.b");
    assert_heard("R");
    assert_int_equal(stage.err, ERR_BAD_REQUEST);
}

static void a_path_without_a_topic_means_wisdom(void **state)
{
    (void)state;
    open_topic("");
    memcpy(stage.id, strstr(buf_text(&stage.heard), "\"id\":\"") + 6, 36);
    say("connect");
    say("subscribe");
    fake_redis_asked(&stage.redis, "SUBSCRIBE segue:feed:{wisdom}\n");
}

static void a_subscription_is_confirmed_when_nothing_can_be_missed_any_more(void **state)
{
    (void)state;
    open_news();
    say("connect");
    say("subscribe");
    fake_redis_asked(&stage.redis, "SUBSCRIBE " CHANNEL "\n");
    assert_heard("WW");
    confirm("subscribe");
    assert_heard(CONFIRMED);
    publish("line");
    assert_heard("[line]");
    say("subscribe");
    assert_heard(CONFIRMED "W");
}

static void who_missed_a_line_is_sent_away(void **state)
{
    (void)state;
    open_subscribed();
    fake_redis_publish(&stage.redis, CHANNEL, STR("1 ? - 0 0 0 0\n"));
    turns();
    assert_heard("C");
    assert_int_equal(reason_code(stage.reason), 1013);
}

static void subscriptions_that_wait_together_are_confirmed_one_by_one(void **state)
{
    (void)state;
    open_news();
    say("connect");
    say("subscribe");
    say("subscribe");
    confirm("subscribe");
    assert_heard("WWW" CONFIRMED CONFIRMED);
    say("unsubscribe");
    say("subscribe");
    say("unsubscribe");
    confirm("unsubscribe");
    assert_heard("WWW");
}

static void nobody_subscribes_before_connect(void **state)
{
    (void)state;
    open_news();
    say("subscribe");
    assert_heard("[{\"type\":\"error\",\"payload\":{\"code\":\"not_connected\",\"message\":"
                 "\"connect comes before subscribe\"}}]");
    fake_redis_asked(&stage.redis, "");
}

static void who_unsubscribed_hears_nothing(void **state)
{
    (void)state;
    open_subscribed();
    say("unsubscribe");
    fake_redis_asked(&stage.redis, "UNSUBSCRIBE " CHANNEL "\n");
    publish("line");
    assert_heard("W");
}

static void disconnect_closes(void **state)
{
    (void)state;
    open_subscribed();
    say("disconnect");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_LEFT);
    fake_redis_asked(&stage.redis, "UNSUBSCRIBE " CHANNEL "\n");
}

static void what_is_wrong_is_answered_counted_and_a_sign_of_life(void **state)
{
    (void)state;
    open_subscribed();
    session_receive(stage.session, STR("{}"));
    assert_heard("[{\"type\":\"error\",\"payload\":{\"code\":\"invalid_format\",\"message\":"
                 "\"type: is missing\"}}]W");
    session_receive(stage.session, STR("{\"type\":\"disconnect\",\"payload\":{\"id\":\"x\"}}"));
    assert_heard("[{\"type\":\"error\",\"payload\":{\"code\":\"wrong_id\",\"message\":"
                 "\"payload.id: is not the id of this connection\"}}]W");
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_INVALID], 2);
}

static void only_who_has_connected_must_go_on_talking(void **state)
{
    (void)state;
    open_news();
    say("ping");
    assert_heard("");
    say("connect");
    assert_heard("W");
    assert_int_equal(stage.wake_ms, SILENCE_MS);
    say("ping");
    assert_heard("W");
}

static void who_is_silent_gets_one_more_look_and_goes(void **state)
{
    (void)state;
    open_subscribed();
    session_woken(stage.session);
    assert_heard("W");
    assert_int_equal(stage.wake_ms, 0);
    session_woken(stage.session);
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_HEARTBEAT);
}

static void what_lay_in_the_socket_counts(void **state)
{
    (void)state;
    open_subscribed();
    session_woken(stage.session);
    say("ping");
    assert_heard("WW");
    assert_int_equal(stage.wake_ms, SILENCE_MS);
    session_woken(stage.session); /* the next silence is looked at anew */
    assert_heard("W");
    assert_true(stage.session->state == SESSION_OPEN);
}

static void who_does_not_keep_up_goes(void **state)
{
    (void)state;
    open_subscribed();
    stage.full = true;
    publish("line");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

static void too_fast_is_said_in_the_feeds_words(void **state)
{
    (void)state;
    open_news();
    feed_proto.limited(stage.session);
    assert_heard("[{\"type\":\"error\",\"payload\":{\"code\":\"rate_limited\",\"message\":"
                 "\"messages come too fast\"}}]");
}

static void without_redis_nobody_subscribes_and_nobody_goes(void **state)
{
    (void)state;
    open_subscribed();
    fake_redis_break(&stage.redis);
    turns();
    say("unsubscribe");
    say("subscribe");
    assert_heard("W[{\"type\":\"error\",\"payload\":{\"code\":\"unavailable\",\"message\":"
                 "\"try again in a moment\"}}]W");
}

static void when_redis_is_back_lines_come_and_nothing_is_confirmed_twice(void **state)
{
    (void)state;
    open_subscribed();
    fake_redis_break(&stage.redis);
    turns();
    for (int i = 0; i < 100 && !store_is_up(stage.services.store); i++) {
        fake_us += 10000;
        turns();
    }
    fake_redis_asked(&stage.redis, "SUBSCRIBE " CHANNEL "\n");
    confirm("subscribe");
    assert_heard("");
    publish("line");
    assert_heard("[line]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_that_is_no_name_is_refused),
        TEST(a_path_without_a_topic_means_wisdom),
        TEST(a_subscription_is_confirmed_when_nothing_can_be_missed_any_more),
        TEST(who_missed_a_line_is_sent_away),
        TEST(subscriptions_that_wait_together_are_confirmed_one_by_one),
        TEST(nobody_subscribes_before_connect),
        TEST(who_unsubscribed_hears_nothing),
        TEST(disconnect_closes),
        TEST(what_is_wrong_is_answered_counted_and_a_sign_of_life),
        TEST(only_who_has_connected_must_go_on_talking),
        TEST(who_is_silent_gets_one_more_look_and_goes),
        TEST(what_lay_in_the_socket_counts),
        TEST(who_does_not_keep_up_goes),
        TEST(too_fast_is_said_in_the_feeds_words),
        TEST(without_redis_nobody_subscribes_and_nobody_goes),
        TEST(when_redis_is_back_lines_come_and_nothing_is_confirmed_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
