/* One GET of a polling session, state by state: what it asks Redis for, what it answers, and
 * what becomes of it when its client, Redis or the process leaves. */
#include "test/unit/eio_get_stage.h"

/* ---- the way of a GET ---- */

static void a_get_that_has_something_to_tell_takes_it_and_tells_it(void **state)
{
    struct client client = taking();

    (void)state;
    client_hears_nothing(&client);
    REPLY("applied");
    assert_answer(&client, 200, "4hello");
    assert_asked(UNSUBSCRIBE);
    assert_heard("b");
}

static void it_reads_as_soon_as_it_has_both_claim_and_channel(void **state)
{
    struct client client = get("t1");

    (void)state;
    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    REPLY("applied");
    assert_quiet(&client);
    confirm();
    assert_asked(READ);
    REPLY("applied", "7", "state", "", "0", "1", "0");
    assert_asked(TAKE("7", "t1", "0", "1", "1"));
    REPLY("applied");
    assert_answer(&client, 200, "2");
}

static void what_is_queued_comes_first_and_as_it_is_stamped(void **state)
{
    struct client client;

    (void)state;
    proto_side.words = "loaded";
    client = reading();
    REPLY("applied", "7", "state", "", "0", "1", "0", "4a\x1f", "4b\036bAQI=");
    assert_asked(TAKE("7", "t1", "2", "1", "22"));
    REPLY("applied");
    assert_answer(&client, 200, "4loaded\0364a!\0364b\036bAQI=\0362");
}

static void a_body_is_as_long_as_it_may_be_and_no_longer(void **state)
{
    struct client client = reading();
    char piece[701];

    (void)state;
    memset(piece, 'x', 700);
    piece[0] = '4';
    piece[700] = '\0';
    REPLY("applied", "7", "state", "", "25000", "0", "0", piece, piece);
    assert_asked(TAKE("7", "t1", "1", "0", "700"));
    REPLY("applied");
    assert_answer(&client, 200, piece);
}

static void what_has_no_room_in_a_body_is_the_protocols_to_keep(void **state)
{
    struct client client = waiting();
    char words[600];

    (void)state;
    memset(words, 'x', sizeof(words));
    assert_true(session_say(proto_side.session, str_from(words, sizeof(words))));
    assert_false(session_say(proto_side.session, str_from(words, sizeof(words))));
    turns();
    assert_asked(TAKE("7", "t1", "0", "0", "601"));
    assert_false(session_say(proto_side.session, STR("too late for this answer")));
    leave(&client);
}

static void it_waits_for_what_is_under_way(void **state)
{
    struct client client;

    (void)state;
    proto_side.waits = true;
    proto_side.words = "loaded";
    client = reading();
    REPLY("applied", "7", "state", "", "25000", "0", "0");
    assert_quiet(&client);
    session_settle(proto_side.session);
    turns();
    assert_asked(TAKE("7", "t1", "0", "0", "7"));
    leave(&client);
}

static void a_post_that_was_quicker_is_read_and_all_is_made_anew(void **state)
{
    struct client client = taking();

    (void)state;
    REPLY("no_state", "changed");
    assert_asked(READ);
    REPLY("applied", "8", "newer", "told", "25000", "0", "0", "4reply");
    assert_heard("Lnewer,told;b"); /* the old one ends after the new one is there */
    assert_asked(TAKE("8", "t1", "1", "0", "6"));
    REPLY("applied");
    assert_answer(&client, 200, "4reply");
}

static void a_wake_up_reads_what_was_queued(void **state)
{
    struct client client = waiting();

    (void)state;
    publish('w', "");
    assert_asked(READ);
    publish('w', ""); /* while it reads: once more, or the last one could be missed */
    publish('w', "");
    assert_asked("");
    REPLY("applied", "7", "state", "told", "25000", "0", "0");
    assert_asked(READ);
    assert_heard(""); /* the same version: nothing is loaded again */
    REPLY("applied", "7", "state", "told", "25000", "0", "0", "4one");
    assert_asked(TAKE("7", "t1", "1", "0", "4"));
    leave(&client);
}

static void a_ping_comes_when_redis_says_so(void **state)
{
    struct client client = waiting();

    (void)state;
    pass(24900);
    assert_quiet(&client);
    pass(200);
    assert_asked(READ);
    REPLY("applied", "7", "state", "told", "40", "0", "0"); /* our clock was fast */
    assert_quiet(&client);
    pass(100);
    assert_asked(READ);
    REPLY("applied", "7", "state", "told", "0", "1", "0");
    assert_asked(TAKE("7", "t1", "0", "1", "1"));
    REPLY("applied");
    assert_answer(&client, 200, "2");
}

static void a_session_that_is_over_by_redis_clock_ends_the_get(void **state)
{
    struct client client = waiting();

    (void)state;
    pass(25050);
    assert_asked(READ);
    REPLY("refused", "unknown");
    assert_heard("Fc");
    assert_asked(CLOSE("1", "0"));
    fake_redis_reply(&redis, "$7\r\nrefused\r\n");
    assert_answer(&client, 200, "1");
}

static void the_protocol_is_woken_when_it_asked_for_it(void **state)
{
    struct client client = waiting();

    (void)state;
    session_wake(proto_side.session, 1000);
    pass(1050);
    assert_heard("w");
    pass(5000);
    assert_heard("");
    assert_quiet(&client);
    leave(&client);
}

/* ---- the end ---- */

static void a_session_that_ends_lets_its_get_go(void **state)
{
    struct client client = waiting();

    (void)state;
    publish('x', "6");
    assert_answer(&client, 200, "6");
    unconfirm();
    assert_heard("b");
    client = waiting();
    publish('x', "");
    assert_answer(&client, 400, BAD_REQUEST);
    unconfirm();
    assert_heard("b");
    client = taking();
    publish('x', "1");
    assert_answer(&client, 200, "1");
    REPLY("refused", "unknown"); /* nobody hears it */
    unconfirm();
    assert_heard("b");
    client = reading();
    publish('x', "1");
    assert_answer(&client, 200, "1");
}

static void what_ended_between_claim_and_channel_is_found_when_it_reads(void **state)
{
    struct client client = reading();

    (void)state;
    REPLY("refused", "closed", "6");
    assert_answer(&client, 200, "6");
}

static void a_session_that_says_something_last_ends_with_the_next_get(void **state)
{
    struct client client = waiting();

    (void)state;
    session_close(proto_side.session, REASON_DISCONNECTED);
    turns();
    assert_heard("Fc");
    assert_asked(CLOSE("1", "1"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 200, "4farewell");
}

static void a_session_that_has_nothing_to_say_ends_at_once(void **state)
{
    struct client client = waiting();

    (void)state;
    session_close(proto_side.session, REASON_TOKEN_EXPIRED);
    turns();
    assert_asked(CLOSE("1", "0"));
    fake_redis_break(&redis); /* nothing can be done about it: it ends by itself */
    turns();
    assert_answer(&client, 200, "1");
}

static void a_state_that_can_not_be_read_ends_the_session(void **state)
{
    struct client client;

    (void)state;
    proto_side.spoilt = true;
    client = reading();
    REPLY("applied", "7", "nonsense", "", "25000", "0", "0", "4lost");
    assert_asked(CLOSE("1", "0"));
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    assert_answer(&client, 200, "1");
}

static void a_client_that_leaves_ends_the_session_whatever_is_under_way(void **state)
{
    static struct client (*const stages[])(void) = {reading, waiting, taking};
    static const char *const ends[] = {"", "c", "c"};
    struct client client = get("t1");

    (void)state;
    buf_clear(&redis.asked);
    leave(&client); /* while it claims */
    assert_asked(CLOSE("", "0"));
    REPLY("applied"); /* the claim, in vain */
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    confirm();
    assert_asked(UNSUBSCRIBE);
    fake_redis_confirm(&redis, "unsubscribe", CHANNEL);
    turns();
    for (size_t i = 0; i < 3; i++) {
        client = stages[i]();
        buf_clear(&proto_side.heard);
        leave(&client);
        assert_asked(UNSUBSCRIBE CLOSE("", "0"));
        assert_heard(ends[i]);
        reply_rest();
        fake_redis_confirm(&redis, "unsubscribe", CHANNEL);
        turns();
    }
}

static void who_has_taken_nothing_any_more_is_told_so(void **state)
{
    struct client client = taking();

    (void)state;
    REPLY("refused", "unknown");
    assert_answer(&client, 400, NO_SESSION);
}

/* ---- an upgrade beside it ---- */

static void a_get_beside_an_upgrade_is_let_go_soon(void **state)
{
    struct client client = waiting();

    (void)state;
    publish('u', "");
    assert_asked(READ);
    REPLY("applied", "7", "state", "told", "25000", "0", "1");
    assert_quiet(&client);
    pass(120);
    assert_asked(TAKE("7", "t1", "0", "0", "0"));
    REPLY("applied");
    assert_answer(&client, 200, "6");
}

static void data_goes_before_the_upgrade(void **state)
{
    struct client client = reading();

    (void)state;
    REPLY("applied", "7", "state", "", "25000", "0", "1", "4data");
    assert_asked(TAKE("7", "t1", "1", "0", "5"));
    REPLY("applied");
    assert_answer(&client, 200, "4data");
}

/* ---- Redis leaves ---- */

static void a_claim_is_made_again_when_redis_is_back(void **state)
{
    struct client client = get("t1");
    char first[32];

    (void)state;
    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    memcpy(first, claim, sizeof(first));
    fake_redis_break(&redis);
    for (int i = 0; i < 100 && redis.asked.len == 0; i++) {
        pass(10);
    }
    pass(200);
    client_hears_nothing(&client);
    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    assert_string_equal(claim, first); /* so that the first, if it was made, is no other's */
    leave(&client);
}

static void a_get_outlives_redis(void **state)
{
    struct client client = waiting();

    (void)state;
    fake_redis_break(&redis);
    turns();
    session_close(proto_side.session, REASON_UNAVAILABLE); /* as protocols do it then */
    assert_heard("Fc");
    come_back();
    buf_clear(&redis.asked);
    confirm();
    assert_asked(READ);
    REPLY("applied", "7", "state", "told", "25000", "0", "0");
    assert_heard("Lstate,told;");
    session_say(proto_side.session, STR("again"));
    turns();
    assert_asked(TAKE("7", "t1", "0", "0", "6"));
    REPLY("applied");
    assert_answer(&client, 200, "4again");
}

static void without_redis_a_get_is_503_after_a_while(void **state)
{
    struct client client = waiting();

    (void)state;
    redis.silent = true;
    fake_redis_break(&redis);
    pass(24000);
    client_hears_nothing(&client);
    pass(12000);
    assert_answer(&client, 503, UNAVAILABLE);
    redis.silent = false;
}

static void a_session_that_loses_what_it_reads_is_loaded_again(void **state)
{
    struct client client = waiting();

    (void)state;
    session_close(proto_side.session, REASON_UNAVAILABLE);
    turns();
    assert_asked("");
    assert_heard("Fc");
    pass(120);
    assert_asked(READ);
    REPLY("applied", "7", "state", "told", "25000", "0", "0");
    assert_heard("Lstate,told;");
    assert_quiet(&client);
    leave(&client);
}

/* ---- the process leaves ---- */

static void a_process_that_ends_lets_its_gets_go_and_their_sessions_live(void **state)
{
    struct client client = waiting();

    (void)state;
    stage.services.draining = true;
    net_drain(stage.net, 0);
    pass(30);
    assert_asked(TAKE("7", "t1", "0", "0", "0"));
    REPLY("applied");
    assert_heard("b");
    assert_answer(&client, 200, "6");
    assert_asked(UNSUBSCRIBE);
}

static void also_one_that_is_not_that_far_yet(void **state)
{
    struct client client = reading();

    (void)state;
    stage.services.draining = true;
    net_drain(stage.net, 0);
    pass(30);
    REPLY("applied", "7", "state", "told", "25000", "0", "0");
    assert_asked(TAKE("7", "t1", "0", "0", "0"));
    REPLY("applied");
    assert_answer(&client, 200, "6");
}

/* Its connection was told to go when half of the request was there. */
static void nor_does_one_wait_that_comes_later(void **state)
{
    struct client client = client_open();

    (void)state;
    client_send(&client, stage_conn(),
                STR("GET /e/?EIO=4&transport=polling&sid=" SID "&t=t1 HTTP/1.1\r\n"));
    stage.services.draining = true;
    net_drain(stage.net, 0);
    pass(60);
    client_push(&client, STR("Host: a\r\n\r\n"));
    wait_asked();
    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    confirm();
    REPLY("applied");
    assert_asked(READ);
    REPLY("applied", "7", "state", "told", "25000", "0", "0");
    assert_asked(TAKE("7", "t1", "0", "0", "0"));
    REPLY("applied");
    assert_answer(&client, 200, "6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_get_that_has_something_to_tell_takes_it_and_tells_it),
        TEST(it_reads_as_soon_as_it_has_both_claim_and_channel),
        TEST(what_is_queued_comes_first_and_as_it_is_stamped),
        TEST(a_body_is_as_long_as_it_may_be_and_no_longer),
        TEST(what_has_no_room_in_a_body_is_the_protocols_to_keep),
        TEST(it_waits_for_what_is_under_way),
        TEST(a_post_that_was_quicker_is_read_and_all_is_made_anew),
        TEST(a_wake_up_reads_what_was_queued),
        TEST(a_ping_comes_when_redis_says_so),
        TEST(a_session_that_is_over_by_redis_clock_ends_the_get),
        TEST(the_protocol_is_woken_when_it_asked_for_it),
        TEST(a_session_that_ends_lets_its_get_go),
        TEST(what_ended_between_claim_and_channel_is_found_when_it_reads),
        TEST(a_session_that_says_something_last_ends_with_the_next_get),
        TEST(a_session_that_has_nothing_to_say_ends_at_once),
        TEST(a_state_that_can_not_be_read_ends_the_session),
        TEST(a_client_that_leaves_ends_the_session_whatever_is_under_way),
        TEST(who_has_taken_nothing_any_more_is_told_so),
        TEST(a_get_beside_an_upgrade_is_let_go_soon),
        TEST(data_goes_before_the_upgrade),
        TEST(a_claim_is_made_again_when_redis_is_back),
        TEST(a_get_outlives_redis),
        TEST(without_redis_a_get_is_503_after_a_while),
        TEST(a_session_that_loses_what_it_reads_is_loaded_again),
        TEST(a_process_that_ends_lets_its_gets_go_and_their_sessions_live),
        TEST(also_one_that_is_not_that_far_yet),
        TEST(nor_does_one_wait_that_comes_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
