/* A playback socket follows its user's state and two streams of events: it comes in, hears all
 * in order and once, finds what it missed, and recovers. Redis and the carrier are played by
 * the test. */
#include "test/unit/playback_stage.h"

/* ---- coming in ---- */

static void a_client_subscribes_finds_the_ends_comes_in_and_is_told_the_state(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\n");
    fake_redis_confirm(&stage.redis, "subscribe", MINE);
    turns();
    assert_asked("");
    fake_redis_confirm(&stage.redis, "subscribe", ALL);
    turns();
    assert_asked(FINDS("", ""));
    assert_heard("");
    REPLY_END("100e");
    assert_asked("");
    REPLY_END("200");
    assert_heard("[0{\"sid\":\"ID\"}]");
    assert_asked(JOIN);
    REPLY_STATE("50", "17.5");
    assert_heard(STATE("true", "17.5") "S");
}

static void without_a_state_there_is_nothing_to_tell(void **state)
{
    (void)state;
    live(false);
    assert_heard("");
    publish_state("-", "7", "0");
    assert_heard(TOLD(7));
}

static void what_is_published_meanwhile_comes_after_it_once(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    confirm_both();
    publish_event(MINE, "101", "100");
    publish_event(ALL, "300", "0");
    REPLY_END("101"); /* it was read already */
    REPLY_END("200e");
    publish_state("-", "50", "49");
    publish_state("-", "51", "50");
    buf_clear(&stage.heard);
    REPLY_STATE("50", "50");
    assert_heard(STATE("true", "50") TOLD(51) "[2[\"e\",300]]S");
}

/* ---- hearing ---- */

static void everything_is_told_in_order_and_once(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "101", "100");
    publish_event(MINE, "101", "100");
    publish_event(MINE, "99", "98");
    publish_event(ALL, "101", "100");
    publish_state("-", "51", "50");
    publish_state("-", "51", "50");
    publish_state("-", "50", "49");
    assert_heard("[2[\"e\",101]][2[\"e\",101]]" TOLD(51));
    assert_asked("");
}

static void who_is_left_out_hears_nothing_and_goes_on(void **state)
{
    char id[SIO_ID_LENGTH + 1] = {0};

    (void)state;
    live(true);
    memcpy(id, socket_of()->socket.id, SIO_ID_LENGTH);
    publish_state(id, "51", "50");
    assert_heard("");
    publish(MINE, 's', "-", "52", "51", ""); /* nothing to say to sockets */
    assert_heard("");
    publish(MINE, 'z', "-", "53", "52", "x"); /* of a later release */
    assert_heard("");
    publish_state("-", "53", "52");
    assert_heard(TOLD(53));
    assert_asked("");
}

static void a_gap_in_the_state_is_healed_by_reading(void **state)
{
    (void)state;
    live(true);
    publish_state("-", "53", "52");
    assert_heard("");
    assert_asked(REJOIN READS("100", "100"));
    publish_state("-", "54", "53");
    REPLY_STATE("53", "53");
    REPLY_END("100");
    assert_heard(STATE("true", "53"));
    REPLY_END("100");
    assert_heard(TOLD(54) "S");
}

static void what_was_missed_is_read_and_once_more_when_it_was_missed_again(void **state)
{
    (void)state;
    live(true);
    publish(MINE, MSG_MISSED, "-", "0", "0", "");
    assert_heard("");
    assert_asked(REJOIN READS("100", "100"));
    publish(ALL, MSG_MISSED, "-", "0", "0", "");
    assert_asked("");
    REPLY_STATE("51", "51");
    REPLY_END("100");
    REPLY_END("100");
    assert_heard(STATE("true", "51"));
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("51", "51");
    REPLY_END("100");
    REPLY_END("100");
    assert_heard("S");
}

static void a_gap_in_the_events_is_healed_by_reading(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    publish_event(MINE, "104", "103");
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("50", "50");
    REPLY_EVENTS("103", "101", "\"e\",101", "103", "\"e\",103");
    REPLY_END("100");
    assert_heard("[2[\"e\",101]][2[\"e\",103]][2[\"e\",104]]S");
}

static void a_stream_that_begins_anew_is_no_gap(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "500", "0");
    assert_heard("[2[\"e\",500]]");
    assert_asked("");
}

static void a_state_that_was_cleared_is_told_and_may_begin_anew(void **state)
{
    (void)state;
    live(true);
    publish(MINE, 'c', "-", "51", "50",
            "{\"isPlaying\":false,\"currentTime\":0,\"duration\":0,\"mediaId\":null}");
    assert_heard(NO_STATE);
    publish_state("-", "90", "0");
    assert_heard(TOLD(90));
    publish_state("-", "92", "91"); /* and a gap */
    buf_clear(&stage.redis.asked);
    REPLY_NO_STATE();
    REPLY_END("100");
    REPLY_END("100");
    assert_heard(NO_STATE TOLD(92) "S");
}

static void more_than_can_be_held_is_read_in_another_round(void **state)
{
    char seq[16], prev[16];

    (void)state;
    live(true);
    publish_event(MINE, "102", "101");
    for (unsigned i = 103; i < 103 + 2 * HELD_MAX; i++) {
        snprintf(seq, sizeof(seq), "%u", i);
        snprintf(prev, sizeof(prev), "%u", i - 1);
        publish_event(MINE, seq, prev);
    }
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("50", "50");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("100");
    assert_heard("[2[\"e\",101]]");
    assert_asked(REJOIN READS("101", "100"));
    REPLY_STATE("50", "50");
    REPLY_END("230");
    REPLY_END("100");
    assert_heard("S");
    assert_int_equal(socket_of()->phase, PLAYBACK_LIVE);
}

static void a_long_stream_is_read_in_pieces(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "102", "101");
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("50", "50");
    REPLY("applied", "1", "101", "1", "101", "\"e\",101");
    assert_asked("events_read ann 101 64\n");
    REPLY_END("100");
    REPLY_EVENTS("102", "102", "\"e\",102");
    assert_heard("[2[\"e\",101]][2[\"e\",102]]S");
}

static void events_that_are_gone_send_the_client_away(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "9000", "8999");
    REPLY_STATE("50", "50");
    REPLY("applied", "0", "9000", "0");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
}

static void the_operator_sends_away_in_every_phase(void **state)
{
    (void)state;
    live(true);
    publish(MINE, 'd', "-", "1", "0", "");
    assert_heard("[1]C");
    assert_int_equal(stage.reason, REASON_DISCONNECTED);
    fake_redis_confirm(&stage.redis, "unsubscribe", MINE);
    fake_redis_confirm(&stage.redis, "unsubscribe", ALL);
    turns();
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n"); /* device_leave */
    end();
    buf_clear(&stage.heard);
    begin(&websocket, "");
    say("0");
    confirm_both();
    publish(MINE, 'd', "-", "1", "0", "");
    assert_int_equal(stage.reason, REASON_DISCONNECTED);
    assert_heard("[1]C");
}

/* ---- no room ---- */

static void who_does_not_keep_up_is_let_go(void **state)
{
    (void)state;
    live(true);
    stage.room = 0;
    publish_event(MINE, "101", "100");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

static void who_catches_up_goes_on_when_there_is_room(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    buf_clear(&stage.redis.asked);
    stage.room = 1;
    REPLY_STATE("50", "50");
    REPLY_EVENTS("103", "101", "\"e\",101", "102", "\"e\",102", "103", "\"e\",103");
    REPLY_END("100");
    assert_heard("[2[\"e\",101]]S");
    assert_int_equal(socket_of()->phase, PLAYBACK_BEHIND);
    publish_event(MINE, "104", "103"); /* will be read */
    publish_state("-", "51", "50");
    assert_heard("");
    stage.room = -1;
    session_drained(stage.session);
    turns();
    assert_asked(REJOIN READS("101", "100"));
    REPLY_STATE("51", "51");
    REPLY_EVENTS("104", "102", "\"e\",102", "103", "\"e\",103", "104", "\"e\",104");
    REPLY_END("100");
    assert_heard(STATE("true", "51") "[2[\"e\",102]][2[\"e\",103]][2[\"e\",104]]S");
}

/* ---- Redis leaves ---- */

static void a_connected_client_outlives_redis_and_is_brought_forward(void **state)
{
    (void)state;
    live(true);
    break_and_come_back();
    assert_heard("");
    buf_clear(&stage.redis.asked);
    confirm_both();
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("52", "52");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("100");
    assert_heard(STATE("true", "52") "[2[\"e\",101]]S");
}

static void also_when_redis_leaves_while_it_reads(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    break_and_come_back();
    assert_int_equal(socket_of()->phase, PLAYBACK_SUBSCRIBING);
    buf_clear(&stage.redis.asked);
    confirm_both();
    assert_asked(REJOIN READS("100", "100"));
    REPLY_NO_STATE(); /* and its data were lost */
    REPLY("applied", "0", "900e", "0");
    REPLY_END("100");
    assert_heard(NO_STATE "S");
    publish_event(MINE, "950", "0");
    assert_heard("[2[\"e\",950]]");
}

static void who_is_not_in_yet_comes_in_when_redis_is_back(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    break_and_come_back();
    buf_clear(&stage.redis.asked);
    confirm_both();
    assert_asked(FINDS("", ""));
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
}

static void an_answer_that_makes_no_sense_ends_the_connection(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    confirm_both();
    REPLY("applied", "1", "nonsense", "0");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
}

/* ---- recovery ---- */

static void with_recovery_every_event_says_where_it_stands(void **state)
{
    (void)state;
    begin(&websocket, "recovery=1");
    say("0");
    confirm_both();
    REPLY_END("100");
    REPLY_END("200e");
    assert_heard("[0{\"sid\":\"ID\",\"pid\":\"ID.100.200e.0\"}]");
    REPLY_STATE("50", "50");
    assert_heard(STATE_FROM("true", "50", "100.200e.50") "S");
    publish_event(MINE, "101", "100");
    publish_event(ALL, "300", "0");
    say("2[\"ping\"]");
    assert_heard("[2[\"e\",101,\"101.200e.50\"]][2[\"e\",300,\"101.300.50\"]]"
                 "[2[\"pong\",\"101.300.50\"]]");
}

#define PID "0123456789abcdefGH-_.100.200e.0"

static void who_comes_back_gets_what_he_missed_under_his_old_name(void **state)
{
    (void)state;
    begin(&websocket, "recovery=1");
    say("0{\"pid\":\"" PID "\",\"offset\":\"101.150e.50\"}");
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\n" FINDS("101", "200e"));
    REPLY_END("102");
    REPLY_END("300");
    assert_heard("[0{\"sid\":\"ID\",\"pid\":\"ID.100.200e.0\"}]");
    assert_true(memcmp(socket_of()->socket.id, PID, SIO_ID_LENGTH) == 0);
    assert_asked(JOIN READS("101", "200e"));
    REPLY_STATE("50", "50"); /* which he knows */
    REPLY_EVENTS("102", "102", "\"e\",102");
    REPLY_EVENTS("300", "300", "\"e\",300");
    assert_heard("[2[\"e\",102,\"102.200e.50\"]][2[\"e\",300,\"102.300.50\"]]S");
}

static void who_was_away_too_long_begins_anew(void **state)
{
    (void)state;
    begin(&websocket, "recovery=1");
    say("0{\"pid\":\"" PID "\"}");
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\n" FINDS("100", "200e"));
    REPLY_END("102");
    REPLY("applied", "0", "900", "0"); /* one of both is enough */
    assert_asked(FINDS("", ""));
    REPLY_END("102");
    REPLY_END("900");
    assert_heard("[0{\"sid\":\"ID\",\"pid\":\"ID.102.900.0\"}]");
    assert_true(memcmp(socket_of()->socket.id, PID, SIO_ID_LENGTH) != 0);
    assert_asked(JOIN);
    REPLY_STATE("50", "50");
    assert_heard(STATE_FROM("true", "50", "102.900.50") "S");
}

static void what_is_no_place_is_a_new_session_and_no_error(void **state)
{
    static const char *const rows[] = {
        "{\"pid\":17}",
        "{\"pid\":\"\"}",
        "{\"pid\":\"0123456789abcdefGH-_\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.2\"}",
        "{\"pid\":\"0123456789abcdefGH-.1.2.3\"}",
        "{\"pid\":\"0123456789abcdefGH!_.1.2.3\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.2.3.4\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.2.-3\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.99999999999999999.3\"}",
        "{\"pid\":\"" PID "\",\"offset\":17}",
        "{\"pid\":\"" PID "\",\"offset\":\"\"}",
        "{\"pid\":\"" PID "\",\"offset\":\"1.2\"}",
        "{\"pid\":\"" PID "\",\"offset\":\"1.2.x\"}",
        "{\"offset\":\"1.2.3\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[160];

        end();
        begin(&websocket, "recovery=1");
        snprintf(text, sizeof(text), "0%s", rows[i]);
        buf_clear(&stage.redis.asked);
        say(text);
        fake_redis_confirm(&stage.redis, "unsubscribe", MINE);
        fake_redis_confirm(&stage.redis, "unsubscribe", ALL);
        turns();
        confirm_both();
        assert_non_null(strstr(buf_text(&stage.redis.asked), "events:{ann}  0\n"));
        assert_int_equal(socket_of()->recovering, false);
        assert_int_equal(socket_of()->seq, 0);
    }
}

static void who_recovers_is_not_told_what_was_left_unsaid(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    REPLY_UNSAID("52", "* 50 52"); /* a command said it */
    REPLY_EVENTS("103", "103", "\"e\",103");
    REPLY_END("100");
    assert_heard("[2[\"e\",103]]S");
    assert_int_equal(socket_of()->seq, 52);
    publish_event(MINE, "109", "108");
    REPLY_UNSAID("54", "* 53 54"); /* but 53 somebody else did */
    REPLY_END("109");
    REPLY_END("100");
    assert_heard(STATE("true", "9") "S");
}

/* ---- what a client says ---- */

static void an_update_is_acknowledged_when_it_is_applied(void **state)
{
    (void)state;
    live_with_recovery();
    say("27[\"playback_state_update\",{\"isPlaying\":true,\"currentTime\":3,\"mediaId\":1}]");
    assert_heard("");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_heard("[37[{\"ok\":true}]]S");
    say("28[\"carplay_command\",{\"command\":\"pause\"}]");
    fake_redis_break(&stage.redis);
    turns();
    assert_non_null(strstr(buf_text(&stage.heard), "\"error\",{\"code\":\"unavailable\""));
    assert_non_null(
        strstr(buf_text(&stage.heard), "[38[{\"ok\":false,\"error\":\"unavailable\""));
    assert_true(stage.session->state == SESSION_OPEN);
}

static void many_updates_are_read_no_faster_than_they_are_applied(void **state)
{
    (void)state;
    live(true);
    for (int i = 0; i < 100; i++) {
        say("2[\"carplay_command\",{\"command\":\"pause\"}]");
    }
    assert_heard("P");
    for (int i = 0; i < 100; i++) {
        REPLY("applied", "1", "7");
    }
    assert_heard("rS");
}

static void what_is_under_way_is_let_go_with_its_socket(void **state)
{
    (void)state;
    live(true);
    say("27[\"carplay_command\",{\"command\":\"pause\"}]");
    say("1");
    assert_heard("S");
    assert_int_equal(stage.session->pending, 0);
    REPLY("applied", "1", "7");
    assert_heard("");
    say("0"); /* and in again */
    assert_true(stage.session->state == SESSION_OPEN);
}

static void an_acknowledgement_without_room_ends_the_connection(void **state)
{
    (void)state;
    live(true);
    say("27[\"carplay_command\",{\"command\":\"pause\"}]");
    say("28[\"carplay_command\",{\"command\":\"pause\"}]");
    stage.room = 0;
    REPLY("applied", "1", "7");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.session->pending, 0);
    REPLY("applied", "1", "8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_subscribes_finds_the_ends_comes_in_and_is_told_the_state),
        TEST(without_a_state_there_is_nothing_to_tell),
        TEST(what_is_published_meanwhile_comes_after_it_once),
        TEST(everything_is_told_in_order_and_once),
        TEST(who_is_left_out_hears_nothing_and_goes_on),
        TEST(a_gap_in_the_state_is_healed_by_reading),
        TEST(what_was_missed_is_read_and_once_more_when_it_was_missed_again),
        TEST(a_gap_in_the_events_is_healed_by_reading),
        TEST(a_stream_that_begins_anew_is_no_gap),
        TEST(a_state_that_was_cleared_is_told_and_may_begin_anew),
        TEST(more_than_can_be_held_is_read_in_another_round),
        TEST(a_long_stream_is_read_in_pieces),
        TEST(events_that_are_gone_send_the_client_away),
        TEST(the_operator_sends_away_in_every_phase),
        TEST(who_does_not_keep_up_is_let_go),
        TEST(who_catches_up_goes_on_when_there_is_room),
        TEST(a_connected_client_outlives_redis_and_is_brought_forward),
        TEST(also_when_redis_leaves_while_it_reads),
        TEST(who_is_not_in_yet_comes_in_when_redis_is_back),
        TEST(an_answer_that_makes_no_sense_ends_the_connection),
        TEST(with_recovery_every_event_says_where_it_stands),
        TEST(who_comes_back_gets_what_he_missed_under_his_old_name),
        TEST(who_was_away_too_long_begins_anew),
        TEST(what_is_no_place_is_a_new_session_and_no_error),
        TEST(who_recovers_is_not_told_what_was_left_unsaid),
        TEST(an_update_is_acknowledged_when_it_is_applied),
        TEST(many_updates_are_read_no_faster_than_they_are_applied),
        TEST(what_is_under_way_is_let_go_with_its_socket),
        TEST(an_acknowledgement_without_room_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
