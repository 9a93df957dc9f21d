/* One POST of a polling session, state by state; and the handshake, which is the first of them.
 * What it asks Redis for, what it answers, and what becomes of it when its client or Redis
 * leaves. */
#include "test/unit/eio_stage.h"

#define LOAD "eio_load fake 20000\n"
#define COMMIT(packets, bytes, pong)                                                           \
    "eio_commit 7 saved " packets " " bytes " " pong " 100000 25000 20000 262144\n"
#define COMMIT_LESS(packets, bytes, n)                                                         \
    "eio_commit 7 saved " packets " " bytes " 0 " n " 25000 20000 262144\n"
#define CLOSE(words, told) "eio_close  " words " " told "\n"
#define LOADED             "applied", "7", "state", "told", "100000", "0"
#define HELLO(sid)                                                                             \
    "0{\"sid\":\"" sid "\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"               \
    "\"pingTimeout\":20000,\"maxPayload\":1000}"

/* A POST that has loaded its session and taken its packets. */
static struct client taken(const char *body, const char *heard)
{
    struct client client = post(body);

    assert_asked(LOAD);
    REPLY(LOADED);
    assert_heard(heard);
    return client;
}

/* ---- the handshake ---- */

static struct client begin(void)
{
    struct client client = ask("GET", "EIO=4&transport=polling", "");

    wait_asked();
    return client;
}

static void the_first_get_opens_a_session_and_tells_its_id(void **state)
{
    struct client client = begin();
    char expected[256];

    (void)state;
    assert_heard("o");
    snprintf(expected, sizeof(expected), HELLO("%.*s"), MSG_ORIGIN_LENGTH,
             proto_side.session->id);
    assert_asked("eio_open fake saved  25000 20000 100000\n");
    client_hears_nothing(&client);
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 200, expected);
    assert_heard("b");
}

static void a_session_that_could_not_be_opened_is_503(void **state)
{
    struct client client = begin();

    (void)state;
    fake_redis_break(&redis);
    turns();
    assert_answer(&client, 503, UNAVAILABLE);
    client = ask("GET", "EIO=4&transport=polling", ""); /* nobody is asked any more */
    assert_answer(&client, 503, UNAVAILABLE);
    come_back();
    stage.services.draining = true;
    client = ask("GET", "EIO=4&transport=polling", "");
    assert_answer(&client, 503, UNAVAILABLE);
    client = ask("GET", "EIO=4&transport=websocket", "");
    assert_answer(&client, 400, BAD_REQUEST);
    assert_heard("ob");
}

static void a_client_may_leave_before_it_knows_its_session(void **state)
{
    struct client client = begin();

    (void)state;
    leave(&client);
    assert_heard("ob");
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    turns();
}

static void what_is_wrong_is_told_in_the_official_order(void **state)
{
    static const struct {
        const char *method, *query, *body;
        int status;
    } rows[] = {
        {"GET", "", "{\"code\":0,\"message\":\"Transport unknown\"}", 400},
        {"GET", "EIO=3&transport=flash&sid=x", "{\"code\":0,\"message\":\"Transport unknown\"}",
         400},
        {"GET", "EIO=4&transport=polling&sid=", NO_SESSION, 400},
        {"GET", "EIO=3&transport=polling&sid=short", NO_SESSION, 400},
        {"GET", "EIO=4&transport=websocket&sid=" SID, BAD_REQUEST, 400},
        {"POST", "EIO=3&transport=polling", "{\"code\":2,\"message\":\"Bad handshake method\"}",
         400},
        {"GET", "EIO=3&transport=polling",
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}", 400},
        {"GET", "transport=polling",
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}", 400},
        {"GET", "EIO=44&transport=polling",
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}", 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = ask(rows[i].method, rows[i].query, "");

        assert_answer(&client, rows[i].status, rows[i].body);
        assert_asked("");
        assert_heard("");
    }
}

/* ---- the way of a POST ---- */

static void packets_are_taken_in_their_order_and_kept_before_the_ok(void **state)
{
    struct client client = taken("4one\036bAQID\0366\0364say two\0364\xd0\xb6",
                                 "Lstate,told,deaf;w(one)[3](say two)(\xd0\xb6)");

    (void)state;
    assert_asked(COMMIT_LESS("bAQID\0364two", "25", "96000"));
    client_hears_nothing(&client);
    REPLY("applied");
    assert_answer(&client, 200, "ok");
    assert_heard("b");
}

static void a_pong_is_for_the_session(void **state)
{
    struct client client = taken("3", "Lstate,told,deaf;w");

    (void)state;
    assert_asked(COMMIT("", "1", "1"));
    REPLY("applied");
    assert_answer(&client, 200, "ok");
}

static void what_is_under_way_is_waited_for(void **state)
{
    struct client client = taken("4begin\0364next", "Lstate,told,deaf;w(begin)(next)");

    (void)state;
    assert_quiet(&client);
    session_say(proto_side.session, STR("done"));
    session_settle(proto_side.session);
    turns();
    assert_asked(COMMIT_LESS("4done", "12", "98000"));
    REPLY("applied");
    assert_answer(&client, 200, "ok");
}

static void what_follows_a_packet_that_holds_waits_for_it(void **state)
{
    struct client client = taken("4hold\0364next", "Lstate,told,deaf;w(hold)");

    (void)state;
    assert_quiet(&client);
    proto_side.session->holding--;
    session_settle(proto_side.session);
    turns();
    assert_heard("(next)");
    assert_asked(COMMIT_LESS("", "11", "98000"));
    REPLY("applied");
    assert_answer(&client, 200, "ok");
}

static void ten_thousand_packets_are_too_fast(void **state)
{
    struct buf body = {0};
    struct client client;

    (void)state;
    stage.config.max_batch = 100000;
    for (int i = 0; i < 10000; i++) {
        buf_add_text(&body, i == 0 ? "4a" : "\0364a");
    }
    client = post(buf_text(&body));
    REPLY("applied", "7", "state", "told", "2000", "0");
    assert_true(str_starts(buf_str(&proto_side.heard), STR("Lstate,told,deaf;w(a)(a)lFc")));
    assert_asked(LOAD CLOSE("1", "0"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 400, BAD_REQUEST);
    buf_finish(&body);
}

static void the_rate_counts_from_post_to_post(void **state)
{
    struct client client = post("4a");

    (void)state;
    REPLY("applied", "7", "state", "told", "-5000", "120000"); /* 0.12 s: six messages */
    assert_heard("Lstate,told,deaf;w(a)");
    assert_asked(LOAD COMMIT_LESS("", "2", "0"));
    REPLY("applied");
    assert_answer(&client, 200, "ok");
    client = post("4a");
    REPLY("applied", "7", "state", "told", "-5000",
          "1000000000000"); /* never beyond the burst */
    assert_asked(LOAD COMMIT_LESS("", "2", "99000"));
    leave(&client);
}

/* ---- what breaks the protocol ---- */

static void a_bad_packet_ends_the_session(void **state)
{
    static const char *const rows[] = {
        "", "2", "0", "7", "x", "4a\036", "\0364a", "b!", "bAQ", "4\xff",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = post(rows[i]);

        REPLY(LOADED);
        assert_asked(LOAD CLOSE("1", "0"));
        fake_redis_reply(&redis, "$7\r\napplied\r\n");
        assert_answer(&client, 400, BAD_REQUEST);
        assert_int_equal(proto_side.heard.at[proto_side.heard.len - 1], 'c');
        buf_clear(&proto_side.heard);
    }
}

static void nothing_behind_a_bad_packet_counts(void **state)
{
    struct client client = taken("4a\0362\0364b", "Lstate,told,deaf;w(a)Fc");

    (void)state;
    assert_asked(CLOSE("1", "0"));
    leave(&client);
}

static void a_message_that_is_too_large_is_413(void **state)
{
    struct client client;

    (void)state;
    stage.config.max_message = 3;
    client = taken("4abc", "Lstate,told,deaf;w(abc)");
    leave(&client);
    REPLY("applied");
    buf_clear(&redis.asked);
    assert_heard("b");
    client = taken("4abcd", "Lstate,told,deaf;wFc");
    assert_asked(CLOSE("1", "0"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 413, "");
}

static void a_client_that_says_goodbye_lets_its_get_go(void **state)
{
    struct client client = taken("4say x\0361", "Lstate,told,deaf;w(say x)Fc");

    (void)state;
    assert_asked(CLOSE("6", "0"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 200, "ok");
}

static void who_is_sent_away_is_told_by_the_next_get(void **state)
{
    struct client client = taken("4dismiss", "Lstate,told,deaf;w(dismiss)Fc");

    (void)state;
    assert_asked(CLOSE("4farewell", "1"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 200, "ok");
    client = taken("4expire", "Lstate,told,deaf;w(expire)Fc");
    assert_asked(CLOSE("1", "1"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 200, "ok");
}

static void a_state_that_can_not_be_read_ends_the_session(void **state)
{
    struct client client;

    (void)state;
    proto_side.spoilt = true;
    client = taken("4a", "Lstate,told,deaf;Fc");
    assert_asked(CLOSE("1", "0"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 400, BAD_REQUEST);
}

/* ---- what Redis says ---- */

static void a_session_that_is_not_there_is_told_so(void **state)
{
    struct client client = post("4a");

    (void)state;
    REPLY("refused", "unknown");
    assert_answer(&client, 400, NO_SESSION);
    client = post("4a");
    REPLY("refused", "wrong");
    assert_answer(&client, 400, BAD_REQUEST);
    assert_heard("");
}

static void what_can_not_be_kept_is_not_ok(void **state)
{
    static const struct {
        const char *word, *body;
    } rows[] = {{"unknown", NO_SESSION}, {"changed", BAD_REQUEST}, {"wrong", BAD_REQUEST}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = taken("4a", "Lstate,told,deaf;w(a)");

        buf_clear(&redis.asked);
        REPLY("refused", rows[i].word);
        assert_answer(&client, 400, rows[i].body);
        assert_asked("");
        assert_heard("b");
    }
}

static void a_session_that_nobody_fetches_from_ends(void **state)
{
    struct client client = taken("4a", "Lstate,told,deaf;w(a)");

    (void)state;
    buf_clear(&redis.asked);
    REPLY("refused", "full");
    assert_asked(CLOSE("1", "0"));
    assert_int_equal(stage.metrics.slow_consumers, 1);
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 400, BAD_REQUEST);
}

static void a_post_waits_for_redis_and_not_for_ever(void **state)
{
    struct client client = post("4a");

    (void)state;
    assert_asked(LOAD);
    fake_redis_break(&redis);
    come_back();
    for (int i = 0; i < 20 && redis.asked.len == 0; i++) {
        pass(20);
    }
    assert_asked(LOAD);
    redis.silent = true;
    fake_redis_break(&redis);
    pass(9000);
    client_hears_nothing(&client);
    pass(1100);
    assert_answer(&client, 503, UNAVAILABLE);
    redis.silent = false;
    assert_heard("");
}

static void redis_trouble_ends_a_post_and_not_its_session(void **state)
{
    struct client client = taken("4a\0364away", "Lstate,told,deaf;w(a)(away)Fc");

    (void)state;
    assert_asked(""); /* nothing is closed */
    assert_answer(&client, 503, UNAVAILABLE);
    client = taken("4a", "Lstate,told,deaf;w(a)");
    fake_redis_break(&redis);
    turns();
    assert_answer(&client, 503, UNAVAILABLE);
    assert_heard("b");
}

/* ---- the client leaves ---- */

static void a_client_may_leave_at_any_moment_and_its_session_lives(void **state)
{
    struct client client = post("4a");

    (void)state;
    leave(&client); /* it loads */
    REPLY(LOADED);
    assert_heard("");
    assert_asked(LOAD);
    client = taken("4begin", "Lstate,told,deaf;w(begin)");
    leave(&client); /* something is under way */
    assert_heard("b");
    client = taken("4a", "Lstate,told,deaf;w(a)");
    leave(&client); /* it is being kept */
    assert_heard("b");
    assert_asked(COMMIT_LESS("", "2", "99000"));
    REPLY("applied");
    client = taken("1", "Lstate,told,deaf;wFc");
    leave(&client); /* it ends */
    assert_asked(CLOSE("6", "0"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    turns();
}

static void what_settles_as_its_client_leaves_is_not_heard(void **state)
{
    struct client client = taken("4begin", "Lstate,told,deaf;w(begin)");
    const struct conn *conn = stage_conn();

    (void)state;
    session_settle(proto_side.session); /* due at the end of the turn */
    client_close(&client);
    stage_wait_gone(conn);
    assert_heard("b");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_first_get_opens_a_session_and_tells_its_id),
        TEST(a_session_that_could_not_be_opened_is_503),
        TEST(a_client_may_leave_before_it_knows_its_session),
        TEST(what_is_wrong_is_told_in_the_official_order),
        TEST(packets_are_taken_in_their_order_and_kept_before_the_ok),
        TEST(a_pong_is_for_the_session),
        TEST(what_is_under_way_is_waited_for),
        TEST(what_follows_a_packet_that_holds_waits_for_it),
        TEST(ten_thousand_packets_are_too_fast),
        TEST(the_rate_counts_from_post_to_post),
        TEST(a_bad_packet_ends_the_session),
        TEST(nothing_behind_a_bad_packet_counts),
        TEST(a_message_that_is_too_large_is_413),
        TEST(a_client_that_says_goodbye_lets_its_get_go),
        TEST(who_is_sent_away_is_told_by_the_next_get),
        TEST(a_state_that_can_not_be_read_ends_the_session),
        TEST(a_session_that_is_not_there_is_told_so),
        TEST(what_can_not_be_kept_is_not_ok),
        TEST(a_session_that_nobody_fetches_from_ends),
        TEST(a_post_waits_for_redis_and_not_for_ever),
        TEST(redis_trouble_ends_a_post_and_not_its_session),
        TEST(a_client_may_leave_at_any_moment_and_its_session_lives),
        TEST(what_settles_as_its_client_leaves_is_not_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
