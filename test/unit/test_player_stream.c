/* What a player hears: no gap, no duplicate, nothing of its own, whatever Redis does meanwhile.
 */
#include "test/unit/player_stage.h"

/* ---- streaming ---- */

static void changes_of_others_come_and_ones_own_do_not(void **state)
{
    (void)state;
    open_at(10);
    publish(11, false);
    publish(12, true);
    publish(13, false);
    assert_heard("[change 11][change 13]"); /* and 12 left no gap */
}

static void what_is_old_is_not_told_again(void **state)
{
    (void)state;
    open_at(10);
    publish(9, false);
    publish(10, false);
    publish(11, false);
    publish(11, false);
    assert_heard("[change 11]");
}

static void a_gap_is_healed_by_reading(void **state)
{
    (void)state;
    open_at(10);
    publish(12, false); /* 11 got lost */
    assert_heard("");
    assert_asked(JOIN("0")); /* who is connected lays no ghost */
    publish(13, false);
    reply_state(12);
    assert_heard("[" STATE(12) "][change 13]");
}

static void what_was_missed_is_read_and_once_more_when_it_was_missed_meanwhile(void **state)
{
    (void)state;
    open_at(10);
    publish_text(MSG_MISSED, "-", 0, 0, "");
    assert_asked(JOIN("0"));
    publish_text(MSG_MISSED, "-", 0, 0, "");
    reply_state(11); /* of before: it may not have it */
    assert_asked(JOIN("0"));
    reply_state(12);
    assert_heard("[" STATE(12) "]");
}

static void a_state_that_a_newer_release_keeps_sends_the_client_away(void **state)
{
    (void)state;
    open_at(10);
    publish_text(MSG_MISSED, "-", 0, 0, "");
    fake_redis_reply(&stage.redis, "-WRONGTYPE of another kind\r\n");
    turns();
    assert_int_equal(reason_code(stage.reason), 1013);
}

static void numbers_may_leap_when_nothing_lies_between(void **state)
{
    (void)state;
    open_at(10);
    publish_text('u', "-", 15, 10, "leap");
    publish_text('n', "-", 90, 0, "new sequence");
    assert_heard("[leap][new sequence]");
    assert_asked("");
    publish_text('p', "-", 93, 91, "gap");
    assert_asked(JOIN("0"));
}

static void a_change_that_says_nothing_here_moves_the_number(void **state)
{
    (void)state;
    open_at(10);
    publish_text('u', "-", 11, 10, "");
    publish(12, false);
    assert_heard("[change 12]");
    assert_asked("");
}

static void several_texts_arrive_at_once(void **state)
{
    (void)state;
    open_at(10);
    publish_text('u', "-", 11, 10, "one\x1etwo\x1ethree");
    assert_heard("[one\x81\x03two\x81\x05three]"); /* one write, three frames */
}

static void what_is_no_state_is_not_for_players(void **state)
{
    (void)state;
    open_at(10);
    publish_text('e', "-", 4711, 4710, "");
    publish_text('x', "-", 5000, 0, "text");
    fake_redis_publish(&stage.redis, CHANNEL, STR("1 \0 - 6000 0 1 4\ntext"));
    turns();
    publish(11, false);
    assert_heard("[change 11]");
    assert_asked("");
}

static void who_is_sent_away_goes(void **state)
{
    (void)state;
    open_at(10);
    publish_text('d', "-", 5000, 0, "");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_DISCONNECTED);
}

static void a_cleared_state_is_gone_and_the_next_one_comes(void **state)
{
    (void)state;
    open_at(10);
    publish_text('c', "-", 11, 10, NO_STATE);
    assert_heard("[" NO_STATE "]");
    publish_text('c', "-", 12, 0, ""); /* there was nothing to clear */
    publish_text('c', "-", 13, 12, NO_STATE);
    assert_heard(""); /* it knows */
    publish_text('u', "-", 20, 0, "first");
    publish_text('p', "-", 21, 20, "second");
    assert_heard("[first][second]");
    assert_asked("");
}

static void a_clearing_that_the_state_contains_is_not_told_again(void **state)
{
    (void)state;
    begin("");
    confirm();
    publish_text('c', "-", 11, 10, NO_STATE);
    reply_state(0);
    assert_heard("A[" NO_STATE "]");
    publish_text('n', "-", 20, 0, "first");
    assert_heard("[first]");
}

static void a_gap_among_what_waited_is_healed_as_well(void **state)
{
    (void)state;
    begin("");
    confirm();
    publish(11, false);
    publish(13, false); /* 12 got lost */
    publish(14, false);
    buf_clear(&stage.redis.asked);
    reply_state(10);
    assert_heard("A[" STATE(10) "][change 11]");
    assert_asked(JOIN("0"));
    reply_state(13);
    assert_heard("[" STATE(13) "][change 14]");
}

static void a_read_that_brings_nothing_new_is_not_told(void **state)
{
    (void)state;
    open_at(10);
    fake_redis_break(&stage.redis);
    turns();
    come_back();
    confirm();
    reply_state(10);
    assert_heard("");
}

static void a_read_that_fails_later_sends_the_client_away(void **state)
{
    (void)state;
    open_at(10);
    publish(12, false);
    fake_redis_reply(&stage.redis, "-OOM\r\n");
    turns();
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
}

/* ---- Redis goes and comes back ---- */

static void who_missed_something_is_told_the_state(void **state)
{
    (void)state;
    open_at(10);
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("");
    buf_clear(&stage.redis.asked);
    come_back();
    fake_redis_asked(&stage.redis, "SUBSCRIBE " CHANNEL "\n");
    confirm();
    reply_state(15);
    assert_heard("[" STATE(15) "]");
    publish(16, false);
    assert_heard("[change 16]");
}

static void a_state_that_is_lost_is_said_to_be_gone(void **state)
{
    (void)state;
    open_at(10);
    fake_redis_break(&stage.redis);
    turns();
    come_back();
    confirm();
    reply_state(0);
    assert_heard("[" NO_STATE "]");
    publish(3, false); /* numbers may be lower than before */
    assert_heard("[change 3]");
}

static void a_state_of_the_past_is_told_as_well(void **state)
{
    (void)state;
    open_at(10);
    fake_redis_break(&stage.redis);
    turns();
    come_back();
    confirm();
    reply_state(8); /* another Redis took over, and did not know everything */
    assert_heard("[" STATE(8) "]");
    publish(9, false);
    assert_heard("[change 9]");
}

static void a_client_that_waits_for_the_state_is_refused_when_redis_goes(void **state)
{
    (void)state;
    begin("");
    confirm();
    publish(7, false);
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("R");
    come_back();
}

static void a_client_that_reads_when_redis_goes_stays_and_reads_again(void **state)
{
    (void)state;
    open_at(10);
    publish(12, false);
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("");
    come_back();
    confirm();
    reply_state(12);
    assert_heard("[" STATE(12) "]");
}

static void a_command_while_it_is_away_is_unavailable(void **state)
{
    (void)state;
    open_at(10);
    fake_redis_break(&stage.redis);
    turns();
    say(PAUSE);
    assert_heard("[" UNAVAILABLE "]");
    come_back();
}

static void a_command_under_way_when_it_goes_is_unavailable(void **state)
{
    (void)state;
    open_at(10);
    say(PAUSE);
    assert_heard("");
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("[" UNAVAILABLE "]");
    come_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_of_others_come_and_ones_own_do_not),
        TEST(what_is_old_is_not_told_again),
        TEST(a_gap_is_healed_by_reading),
        TEST(what_was_missed_is_read_and_once_more_when_it_was_missed_meanwhile),
        TEST(a_state_that_a_newer_release_keeps_sends_the_client_away),
        TEST(numbers_may_leap_when_nothing_lies_between),
        TEST(a_change_that_says_nothing_here_moves_the_number),
        TEST(several_texts_arrive_at_once),
        TEST(what_is_no_state_is_not_for_players),
        TEST(who_is_sent_away_goes),
        TEST(a_cleared_state_is_gone_and_the_next_one_comes),
        TEST(a_clearing_that_the_state_contains_is_not_told_again),
        TEST(a_gap_among_what_waited_is_healed_as_well),
        TEST(a_read_that_brings_nothing_new_is_not_told),
        TEST(a_read_that_fails_later_sends_the_client_away),
        TEST(who_missed_something_is_told_the_state),
        TEST(a_state_that_is_lost_is_said_to_be_gone),
        TEST(a_state_of_the_past_is_told_as_well),
        TEST(a_client_that_waits_for_the_state_is_refused_when_redis_goes),
        TEST(a_client_that_reads_when_redis_goes_stays_and_reads_again),
        TEST(a_command_while_it_is_away_is_unavailable),
        TEST(a_command_under_way_when_it_goes_is_unavailable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
