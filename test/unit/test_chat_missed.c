/* What a member of a room missed: it is read and told in its order, or said to be gone. */
#include "test/unit/chat_stage.h"

/* ---- what was missed ---- */

static void a_gap_is_read_and_told_in_its_order(void **state)
{
    (void)state;
    open_at(10);
    publish_from('m', "-", 14, 13);
    assert_heard("");
    assert_asked(JOIN("0", "10"));
    REPLY_JOINED(14, "9 m - nine", "11 m - eleven", "14 m - fourteen", "12 j 0000 twelve",
                 "13 l 0000 thirteen");
    assert_heard("[eleven][twelve][thirteen][fourteen]" WELCOME
                 "\"history\":[nine,eleven,fourteen]}]");
    publish(15);
    assert_heard("[change 15]");
}

static void what_was_missed_is_read(void **state)
{
    (void)state;
    open_at(10);
    publish_from(MSG_MISSED, "-", 0, 0);
    assert_heard("");
    assert_asked(JOIN("0", "10"));
    publish_from(MSG_MISSED, "-", 0, 0);
    REPLY_JOINED(11, "11 m - eleven");
    assert_asked(JOIN("0", "10"));
    REPLY_JOINED(12, "11 m - eleven", "12 m - twelve");
    assert_heard("[eleven][twelve]" WELCOME "\"history\":[eleven,twelve]}]");
}

static void of_a_gap_that_is_not_kept_whole_only_messages_are_told(void **state)
{
    (void)state;
    open_at(10);
    publish_from('m', "-", 500, 499);
    assert_asked(JOIN("0", "10"));
    REPLY_JOINED(500, "490 m - message", "499 j 0000 joined", "500 m - change 500");
    assert_heard("[message][change 500]" WELCOME "\"history\":[message,change 500]}]");
}

static void numbers_may_leap_where_each_names_the_one_before(void **state)
{
    (void)state;
    open_at(10);
    publish_from('m', "-", 900, 700);
    buf_clear(&stage.redis.asked);
    REPLY_JOINED(900, "500 m -/10 five", "700 j 0000/500 seven", "900 m -/700 nine");
    assert_heard("[five][seven][nine]" WELCOME "\"history\":[five,nine]}]");
}

static void a_room_that_begins_anew_is_no_whole(void **state)
{
    (void)state;
    open_at(10);
    publish_from('m', "-", 900, 700);
    buf_clear(&stage.redis.asked);
    REPLY_JOINED(900, "700 j 0000/0 joined", "900 m -/700 nine");
    assert_heard("[nine]" WELCOME "\"history\":[nine]}]");
}

static void what_redis_forgot_is_not_missed(void **state)
{
    (void)state;
    open_at(10);
    publish_from('m', "-", 900, 8); /* 9 and 10 were lost with a master */
    buf_clear(&stage.redis.asked);
    REPLY_JOINED(900, "8 m -/7 eight", "900 j 0000/8 nine");
    assert_heard("[nine]" WELCOME "\"history\":[eight]}]");
}

static void more_than_half_a_queue_is_told_by_the_welcome_alone(void **state)
{
    (void)state;
    stage.config.max_queue = 1024 + 200;
    open_at(10);
    publish_from('m', "-", 12, 11);
    assert_asked(JOIN("0", "10"));
    REPLY_JOINED(
        12, "11 m - 0123456789012345678901234567890123456789012345678901234567890123456789",
        "12 m - 0123456789012345678901234567890123456789");
    assert_heard(WELCOME "\"history\":[0123456789012345678901234567890123456789]}]");
}

static void nothing_missed_is_nothing_told(void **state)
{
    (void)state;
    open_at(10);
    fake_redis_break(&stage.redis);
    turns();
    come_back();
    buf_clear(&stage.redis.asked);
    confirm();
    assert_asked(JOIN("0", "10"));
    reply_joined(10, LEASE_END, NULL, 0);
    assert_heard("");
    publish(11);
    assert_heard("[change 11]");
}

static void a_member_that_was_taken_for_dead_enters_again(void **state)
{
    (void)state;
    open_at(10);
    publish_from('l', stage.id, 11, 10);
    assert_heard("");
    assert_asked(JOIN("0", "10"));
    {
        char own_left[64], own_joined[64];

        snprintf(own_left, sizeof(own_left), "11 l %.20s left", stage.id);
        snprintf(own_joined, sizeof(own_joined), "12 j %.20s joined", stage.id);
        REPLY_JOINED(12, own_left, own_joined);
    }
    assert_heard(WELCOME "\"history\":[]}]");
    publish(13);
    assert_heard("[change 13]");
}

static void a_room_that_was_made_anew_is_read(void **state)
{
    (void)state;
    open_at(10);
    publish_from('j', OTHER, 5000, 0);
    assert_heard("");
    assert_asked(JOIN("0", "10"));
    reply_joined(5001, LEASE_END, NULL, 0);
    assert_heard(WELCOME "\"history\":[]}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gap_is_read_and_told_in_its_order),
        TEST(what_was_missed_is_read),
        TEST(of_a_gap_that_is_not_kept_whole_only_messages_are_told),
        TEST(numbers_may_leap_where_each_names_the_one_before),
        TEST(a_room_that_begins_anew_is_no_whole),
        TEST(what_redis_forgot_is_not_missed),
        TEST(more_than_half_a_queue_is_told_by_the_welcome_alone),
        TEST(nothing_missed_is_nothing_told),
        TEST(a_member_that_was_taken_for_dead_enters_again),
        TEST(a_room_that_was_made_anew_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
