/* The player's life: subscribe, read, command; and what becomes of a client that does not keep
 * up. */
#include "test/unit/player_stage.h"

/* ---- the beginning ---- */

static void a_client_subscribes_reads_and_is_told_the_state(void **state)
{
    (void)state;
    begin("");
    assert_asked("SUBSCRIBE " CHANNEL "\n");
    assert_heard("");
    confirm();
    assert_asked(JOIN("30000"));
    assert_heard("");
    reply_state(17);
    assert_heard("A[" STATE(17) "]");
}

static void a_client_without_a_state_is_told_so(void **state)
{
    (void)state;
    begin("extended=0");
    confirm();
    reply_state(0);
    assert_heard("A[" NO_STATE "]");
    publish(5, false); /* whatever number comes first is right */
    publish(6, false);
    assert_heard("[change 5][change 6]");
}

static void an_extended_client_is_told_more(void **state)
{
    (void)state;
    begin("extended=1");
    confirm();
    reply_state(0);
    assert_heard("A[{\"type_push_state\":\"no_track_state\",\"seq\":0,\"server_time\":" NOW
                 ",\"devices\":2}]");
}

static void what_is_published_while_reading_waits_and_is_sent_once(void **state)
{
    (void)state;
    begin("");
    confirm();
    for (unsigned seq = 15; seq <= 19; seq++) {
        publish(seq, false);
    }
    assert_heard("");
    reply_state(17); /* contains 15 to 17 */
    assert_heard("A[" STATE(17) "][change 18][change 19]");
    publish(20, false);
    assert_heard("[change 20]");
}

static void more_than_can_wait_is_read_again(void **state)
{
    (void)state;
    begin("");
    confirm();
    buf_clear(&stage.redis.asked);
    for (unsigned seq = 101; seq <= 165; seq++) { /* one more than 64 */
        publish(seq, false);
    }
    reply_state(100);
    assert_heard("");
    assert_asked(JOIN("30000"));
    publish(166, false);
    reply_state(165);
    assert_heard("A[" STATE(165) "][change 166]");
}

static void sixty_four_publications_can_wait(void **state)
{
    struct buf expected = {0};

    (void)state;
    begin("");
    confirm();
    buf_add_text(&expected, "A[" STATE(100) "]");
    for (unsigned seq = 101; seq <= 164; seq++) {
        publish(seq, false);
        buf_addf(&expected, "[change %u]", seq);
    }
    reply_state(100);
    assert_heard(buf_text(&expected));
    buf_finish(&expected);
}

static void a_second_device_here_reads_at_once(void **state)
{
    struct session *first;

    (void)state;
    open_at(3);
    first = stage.session;
    begin("");
    assert_asked(JOIN("30000")); /* the channel is live */
    reply_state(3);
    assert_heard("A[" STATE(3) "]");
    publish(4, false);
    assert_heard("[change 4][change 4]");
    session_destroy(first);
    turns();
}

static void a_read_that_fails_refuses_the_client(void **state)
{
    static const char *const failures[] = {"-OOM\r\n", "$7\r\nrefused\r\n", "$-1\r\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin("");
        confirm();
        fake_redis_reply(&stage.redis, failures[i]);
        turns();
        assert_heard("R");
        session_destroy(stage.session);
        stage.session = NULL;
        turns();
        fake_redis_reply(&stage.redis, "$7\r\napplied\r\n"); /* the device's leaving */
        fake_redis_confirm(&stage.redis, "unsubscribe", CHANNEL);
        turns();
    }
}

static void a_client_may_go_before_it_is_told_anything(void **state)
{
    (void)state;
    for (int when = 0; when < 3; when++) {
        begin("");
        if (when > 0) {
            confirm();
        }
        if (when > 1) {
            publish(7, false); /* and held */
        }
        session_destroy(stage.session);
        stage.session = NULL;
        turns();
        if (when == 0) {
            confirm();
        } else {
            reply_state(1); /* nobody hears it */
            fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
        }
        fake_redis_confirm(&stage.redis, "unsubscribe", CHANNEL);
        turns();
        assert_heard("");
        assert_int_equal(stage.metrics.channels, 0);
    }
}

/* ---- commands ---- */

static void commands_become_transitions_with_their_words_in_order(void **state)
{
#define AT   " 1652087347000 2022-05-09T09:09:07+0000"
#define KEYS " 2 segue:player:{ann} " CHANNEL " ID "
#define TIME "\"time_state_update\":\"2022-05-09T09:09:07+0000\""
    static const char *const pairs[][2] = {
        {"{\"type_push_state\":\"on_pause\"," TIME "}", "player_pause"},
        {"{\"type_push_state\":\"off_pause\"," TIME "}", "player_resume"},
        {"{\"type_push_state\":\"change_position\",\"last_sec_position\":1.50," TIME "}",
         "player_seek"},
        {"{\"type_push_state\":\"new_track\",\"track_id\":7,\"from_is\":\"album\","
         "\"from_is_id\":\"x\"," TIME "}",
         "player_new_track"},
    };
    static const char *const tails[] = {"", "", " 1.5", " 7 album \"x\""};

    (void)state;
    open_at(10);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf expected = {0};

        say(pairs[i][0]);
        buf_addf(&expected, "EVALSHA %s%s%s%s%s\n", pairs[i][1], KEYS, pairs[i][0], AT,
                 tails[i]);
        assert_asked(buf_text(&expected));
        fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
        turns();
        assert_heard("");
        buf_finish(&expected);
    }
#undef AT
#undef KEYS
#undef TIME
}

static void outcomes_are_told_to_the_sender(void **state)
{
    (void)state;
    open_at(10);
    say(PAUSE);
    fake_redis_reply(&stage.redis, "$8\r\nno_state\r\n");
    turns();
    assert_heard("[" NO_STATE "]");
    say(PAUSE);
    fake_redis_reply(&stage.redis, "$7\r\nrefused\r\n");
    turns();
    assert_heard("[{\"type_push_state\":\"invalid_format\",\"reason\":\"from_is and from_is_id "
                 "are needed: there is no state yet\"}]");
    say(PAUSE);
    fake_redis_reply(&stage.redis, "-ERR\r\n");
    turns();
    assert_heard("[" UNAVAILABLE "]");
}

static void what_is_no_command_changes_nothing(void **state)
{
    (void)state;
    open_at(10);
    say("{\"type_push_state\":\"on_pause\"}");
    assert_heard("[{\"type_push_state\":\"invalid_format\","
                 "\"reason\":\"time_state_update: is missing\"}]");
    say("{\"type_push_state\":\"ping\",\"t\":[1]}");
    assert_heard("[{\"type_push_state\":\"pong\",\"t\":[1],\"server_time\":" NOW "}]");
    assert_asked("");
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_INVALID], 1);
}

static void a_client_with_many_commands_under_way_is_not_read(void **state)
{
    (void)state;
    open_at(10);
    for (int i = 0; i < 63; i++) {
        say(PAUSE);
    }
    assert_heard("");
    say(PAUSE);
    assert_heard("P");
    say(PAUSE); /* what was read already is applied as well */
    assert_heard("");
    for (int i = 0; i < 32; i++) {
        fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    }
    turns();
    assert_heard("");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_heard("r");
    for (int i = 0; i < 32; i++) {
        say(PAUSE);
    }
    assert_heard("P"); /* and again */
    fake_redis_break(&stage.redis);
    turns();
    assert_true(str_starts(buf_str(&stage.heard), STR("r[" UNAVAILABLE "]")) ||
                str_starts(buf_str(&stage.heard), STR("[" UNAVAILABLE "]")));
    assert_non_null(strstr(buf_text(&stage.heard), "r["));
    buf_clear(&stage.heard);
    come_back();
}

/* ---- clients that do not keep up ---- */

static void a_slow_client_gets_the_newest_state_when_it_reads_again(void **state)
{
    (void)state;
    open_at(10);
    stage.full = true;
    publish(11, false);
    assert_heard("T"); /* the backlog is dropped ... */
    publish(12, false);
    publish(13, false);
    assert_heard("");
    stage.full = false;
    publish(14, false); /* ... and nothing is sent into the middle */
    assert_heard("");
    assert_asked("");
    session_drained(stage.session);
    turns();
    assert_asked(JOIN("0"));
    publish(15, false);
    reply_state(14);
    assert_heard("[" STATE(14) "][change 15]");
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

static void a_state_that_does_not_fit_either_ends_the_connection(void **state)
{
    (void)state;
    open_at(10);
    stage.full = true;
    publish(11, false);
    assert_heard("T");
    session_drained(stage.session);
    turns();
    reply_state(11);
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
}

static void a_slow_client_is_brought_up_to_date_by_any_read(void **state)
{
    (void)state;
    open_at(10);
    stage.full = true;
    publish(11, false);
    assert_heard("T");
    fake_redis_break(&stage.redis);
    turns();
    come_back();
    stage.full = false;
    buf_clear(&stage.redis.asked);
    confirm();
    session_drained(stage.session); /* in the middle of the read: one is enough */
    turns();
    assert_asked(JOIN("0"));
    reply_state(11);
    assert_heard("[" STATE(11) "]"); /* although it knew of that number */
    turns();
    session_drained(stage.session);
    turns();
    assert_heard("");
}

/* ---- devices ---- */

static void a_device_that_is_heard_renews_its_lease(void **state)
{
    (void)state;
    open_at(10);
    session_alive(stage.session);
    turns();
    assert_asked("EVALSHA device_renew 1 segue:devices:{ann} ID " NOW
                 " 45000 player websocket 45000 0\n");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
}

static void a_device_that_goes_gives_its_lease_back(void **state)
{
    (void)state;
    open_at(10);
    stage.session->silent_ms = 1234;
    session_close(stage.session, REASON_HEARTBEAT);
    turns();
    replace(&stage.redis.asked, STR("UNSUBSCRIBE " CHANNEL "\n"), ""); /* on the other socket */
    assert_asked("EVALSHA device_leave 1 segue:devices:{ann} ID " NOW
                 " 45000 player websocket 1234\n");
    assert_heard("C");
    assert_int_equal(stage.metrics.channels, 1);
    fake_redis_confirm(&stage.redis, "unsubscribe", CHANNEL);
    turns();
    assert_int_equal(stage.metrics.channels, 0);
}

static void a_user_of_any_name_has_keys_of_his_own(void **state)
{
    struct claims claims = {.user = "}{: ", .user_len = 4, .expires_ms = INT64_MAX};
    struct request request = {0};

    (void)state;
    stage.session = session_create(&stage.services, &player_proto, &transport, NULL, &claims);
    player_proto.open(stage.session, &request);
    turns();
    assert_asked("SUBSCRIBE segue:user:{%7D%7B%3A%20}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_subscribes_reads_and_is_told_the_state),
        TEST(a_client_without_a_state_is_told_so),
        TEST(an_extended_client_is_told_more),
        TEST(what_is_published_while_reading_waits_and_is_sent_once),
        TEST(more_than_can_wait_is_read_again),
        TEST(sixty_four_publications_can_wait),
        TEST(a_second_device_here_reads_at_once),
        TEST(a_read_that_fails_refuses_the_client),
        TEST(a_client_may_go_before_it_is_told_anything),
        TEST(commands_become_transitions_with_their_words_in_order),
        TEST(outcomes_are_told_to_the_sender),
        TEST(what_is_no_command_changes_nothing),
        TEST(a_client_with_many_commands_under_way_is_not_read),
        TEST(a_slow_client_gets_the_newest_state_when_it_reads_again),
        TEST(a_state_that_does_not_fit_either_ends_the_connection),
        TEST(a_slow_client_is_brought_up_to_date_by_any_read),
        TEST(a_device_that_is_heard_renews_its_lease),
        TEST(a_device_that_goes_gives_its_lease_back),
        TEST(a_user_of_any_name_has_keys_of_his_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
