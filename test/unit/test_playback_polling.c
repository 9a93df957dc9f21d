/* A playback socket from request to request: what each tells begins where the last one that
 * arrived ended. */
#include "test/unit/playback_stage.h"

/* ---- from request to request ---- */

static void a_post_connects_without_listening(void **state)
{
    (void)state;
    begin(&polling, "");
    say("0");
    assert_asked(FINDS("", ""));
    REPLY_END("100");
    REPLY_END("200e");
    assert_heard("[0{\"sid\":\"ID\"}]S");
    assert_asked("");
    assert_int_equal(stage.session->pending, 0);
}

static void a_get_tells_all_since_the_last_that_arrived(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0}, marks;

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\nplayback_join ann " POLLED
                 " 45000 30000\n" READS("100", "200e"));
    assert_int_equal(stage.session->pending, 1);
    REPLY_STATE("50", "50");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("200e");
    assert_heard(STATE("true", "50") "[2[\"e\",101]]S");
    marks = marked();
    end();
    assert_asked("UNSUBSCRIBE " MINE "\nUNSUBSCRIBE " ALL "\n"); /* it is still a device */
    fake_redis_confirm(&stage.redis, "unsubscribe", MINE);
    fake_redis_confirm(&stage.redis, "unsubscribe", ALL);
    turns();
    request(&saved, &marks, &polling, false);
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\nplayback_join ann " POLLED
                 " 45000 0\n" READS("101", "200e"));
    REPLY_STATE("50", "50");
    REPLY_END("101");
    REPLY_END("200e");
    assert_heard("S");
    buf_finish(&saved);
    buf_finish(&marks);
}

static void where_it_began_does_not_move_with_what_was_sent(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0}, again = {0}, marks;

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    REPLY_STATE("50", "50");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("200e");
    marks = marked(); /* of an answer that may be lost */
    end();
    request(&saved, &marks, &polling, true);
    stage.session->proto->save(stage.session, &again);
    assert_true(str_equal(buf_str(&again), buf_str(&saved)));
    buf_finish(&saved);
    buf_finish(&again);
    buf_finish(&marks);
}

static void a_body_that_is_full_leaves_the_rest_to_the_next(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0}, marks;

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    stage.room = 2;
    REPLY_NO_STATE();
    REPLY_EVENTS("103", "101", "\"e\",101", "102", "\"e\",102", "103", "\"e\",103");
    REPLY_END("200e");
    assert_heard("[2[\"e\",101]][2[\"e\",102]]S");
    marks = marked();
    assert_non_null(strstr(buf_text(&marks), "102.200e.0"));
    stage.room = 0;
    publish_event(MINE, "104", "103");
    assert_true(stage.session->state == SESSION_OPEN);
    buf_finish(&saved);
    buf_finish(&marks);
}

static void a_get_that_loses_redis_begins_again(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0};

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
    buf_finish(&saved);
}

static void a_websocket_that_takes_over_is_one_device(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0};

    (void)state;
    request(&saved, &none, &websocket, false);
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\ndevice_leave ann " POLLED " 0\n");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    confirm_both();
    assert_asked(JOIN READS("100", "200e"));
    REPLY_NO_STATE();
    REPLY_END("100");
    REPLY_END("200e");
    session_ended(stage.session);
    turns();
    assert_asked("UNSUBSCRIBE " MINE "\nUNSUBSCRIBE " ALL "\ndevice_leave ann " ENTRY " 0\n");
    buf_finish(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_post_connects_without_listening),
        TEST(a_get_tells_all_since_the_last_that_arrived),
        TEST(where_it_began_does_not_move_with_what_was_sent),
        TEST(a_body_that_is_full_leaves_the_rest_to_the_next),
        TEST(a_get_that_loses_redis_begins_again),
        TEST(a_websocket_that_takes_over_is_one_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
