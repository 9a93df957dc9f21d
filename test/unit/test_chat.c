/* A member of a room on /ws: subscribe, enter, hear; who died, and what becomes of who does not
 * keep up. */
#include "test/unit/chat_stage.h"

/* ---- entering ---- */

static void a_member_subscribes_enters_and_is_welcomed(void **state)
{
    (void)state;
    begin("room=den");
    assert_asked("SUBSCRIBE " CHANNEL "\n");
    confirm();
    assert_asked(JOIN("1", "0"));
    assert_heard("");
    REPLY_JOINED(17, "15 m - first", "16 m - second");
    assert_heard("A" WELCOME "\"history\":[first,second]}]");
}

static void a_room_without_a_name_gets_one(void **state)
{
    char channel[64] = "";
    const char *at;

    (void)state;
    begin("room=");
    at = buf_text(&stage.redis.asked);
    assert_true(str_starts(str_of(at), STR("SUBSCRIBE segue:room:{")));
    at += strlen("SUBSCRIBE ");
    snprintf(channel, sizeof(channel), "%.*s", (int)strlen("segue:room:{}") + IDENT_UUID_LENGTH,
             at);
    assert_true(ident_is_name(str_from(at + strlen("segue:room:{"), IDENT_UUID_LENGTH)));
    session_destroy(stage.session);
    stage.session = NULL;
    fake_redis_confirm(&stage.redis, "subscribe", channel);
    turns();
    fake_redis_confirm(&stage.redis, "unsubscribe", channel);
    turns();
}

static void a_bad_name_is_refused_and_asks_nothing(void **state)
{
    (void)state;
    begin("room=a%20b");
    assert_heard("R");
    assert_int_equal(stage.err, ERR_BAD_REQUEST);
    assert_asked("");
}

static void what_is_published_while_entering_waits_and_is_told_once(void **state)
{
    (void)state;
    begin("room=den");
    confirm();
    learn_id();
    for (unsigned seq = 15; seq <= 19; seq++) {
        publish(seq);
    }
    assert_heard("");
    REPLY_JOINED(17, "16 m - change 16");
    assert_heard("A" WELCOME "\"history\":[change 16]}][change 18][change 19]");
    publish(20);
    assert_heard("[change 20]");
}

static void more_than_can_wait_is_read_again(void **state)
{
    (void)state;
    begin("room=den");
    buf_clear(&stage.redis.asked);
    confirm();
    assert_asked(JOIN("1", "0"));
    for (unsigned seq = 101; seq <= 165; seq++) { /* one more than 64 */
        publish(seq);
    }
    reply_joined(100, LEASE_END, NULL, 0);
    assert_heard("");
    assert_asked(JOIN("1", "0"));
    publish(166);
    reply_joined(165, LEASE_END, NULL, 0);
    assert_heard("A" WELCOME "\"history\":[]}][change 166]");
}

static void who_cannot_be_let_in_is_refused(void **state)
{
    (void)state;
    begin("room=den");
    confirm();
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("R");
    assert_int_equal(stage.err, ERR_UNAVAILABLE);
    come_back();
}

/* ---- saying ---- */

#define SAY  "EVALSHA room_say 6 " KEYS_4 "segue:older:{den} " CHANNEL " segue:once:{den} ME "
#define HEAD "{\"type\":\"message\",\"clientId\":\"ME\",\"roomId\":\"den\","

static void a_message_is_handed_over_without_its_end(void **state)
{
    (void)state;
    open_at(10);
    say("{\"type\":\"message\",\"text\":\"a \\\"b\\\"\",\"name\":\"<i>\"}");
    assert_asked(SAY HEAD "\"name\":\"<i>\",\"text\":\"a \\\"b\\\"\" \n");
    reply("*2\r\n$7\r\napplied\r\n$2\r\n11\r\n");
    assert_heard("");
    publish(11);
    assert_heard("[change 11]");
}

static void a_message_that_redis_did_not_take_is_said_so(void **state)
{
    (void)state;
    open_at(10);
    say("{\"type\":\"message\",\"text\":\"x\"}");
    fake_redis_break(&stage.redis);
    turns();
    assert_heard(ERROR "unavailable\",\"message\":\"the message is not known to be sent: try "
                       "again\"}]");
    come_back();
}

static void who_speaks_and_is_not_known_enters_again(void **state)
{
    (void)state;
    open_at(10);
    say("{\"type\":\"message\",\"text\":\"x\"}");
    buf_clear(&stage.redis.asked);
    reply(NO_STATE);
    assert_heard(ERROR "unavailable\",\"message\":\"the room had lost this member: try "
                       "again\"}]");
    assert_asked(JOIN("0", "10"));
    reply_joined(12, LEASE_END, NULL, 0);
    assert_heard(WELCOME "\"history\":[]}]");
}

static void who_says_much_is_not_read_for_a_while(void **state)
{
    (void)state;
    open_at(10);
    for (int i = 0; i < 64; i++) {
        say("{\"type\":\"message\",\"text\":\"x\"}");
    }
    assert_heard("P");
    for (int i = 0; i < 64; i++) {
        reply("*2\r\n$7\r\napplied\r\n$2\r\n11\r\n");
    }
    assert_heard("r");
}

static void nonsense_is_answered_and_goes_nowhere(void **state)
{
    (void)state;
    open_at(10);
    say("{\"type\":\"message\"}");
    assert_heard(ERROR "invalid_format\",\"message\":\"text: is missing\"}]");
    assert_asked("");
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_INVALID], 1);
}

/* ---- leaving ---- */

#define LEAVE "EVALSHA room_leave 6 " ALL " den ME\n"

static void leave_closes_and_is_told_to_redis_once(void **state)
{
    (void)state;
    open_at(10);
    say("{\"type\":\"leave\"}");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_LEFT);
    session_destroy(stage.session);
    stage.session = NULL;
    turns();
    assert_asked(LEAVE "UNSUBSCRIBE " CHANNEL "\n");
    fake_redis_confirm(&stage.redis, "unsubscribe", CHANNEL);
    turns();
}

static void who_goes_before_he_asked_to_enter_has_nothing_to_leave(void **state)
{
    (void)state;
    begin("room=den");
    session_ended(stage.session);
    turns();
    assert_asked("SUBSCRIBE " CHANNEL "\n");
    confirm();
    fake_redis_confirm(&stage.redis, "unsubscribe", CHANNEL);
    turns();
}

static void who_goes_while_he_enters_leaves(void **state)
{
    (void)state;
    begin("room=den");
    buf_clear(&stage.redis.asked);
    confirm();
    assert_asked(JOIN("1", "0"));
    session_ended(stage.session);
    turns();
    assert_asked(LEAVE "UNSUBSCRIBE " CHANNEL "\n");
    fake_redis_confirm(&stage.redis, "unsubscribe", CHANNEL);
    turns();
}

static void who_has_no_room_is_sent_away(void **state)
{
    (void)state;
    open_at(10);
    stage.full = true;
    publish(11);
    publish(12);
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

/* ---- leases ---- */

static void a_member_that_is_heard_renews_its_lease(void **state)
{
    (void)state;
    open_at(10);
    session_alive(stage.session);
    turns();
    assert_asked("EVALSHA room_renew 5 " KEYS_4 "segue:older:{den} "
                 "segue:moves:{den} ME 45000\n");
    reply(NO_STATE); /* taken for dead meanwhile */
    assert_asked(JOIN("0", "10"));
}

static void the_dead_are_looked_for_when_a_lease_is_over(void **state)
{
    (void)state;
    open_at(10);
    session_alive(stage.session);
    turns();
    reply("*2\r\n$7\r\napplied\r\n:2000\r\n");
    buf_clear(&stage.redis.asked);
    pass_ms(2000);
    assert_asked("");
    pass_ms(500);
    assert_asked(REAP);
    pass_ms(2000);
    assert_asked(""); /* one is enough while it is not answered */
    reply("*2\r\n$7\r\napplied\r\n:0\r\n");
    assert_asked(REAP); /* there are more */
    reply("*2\r\n$7\r\napplied\r\n:1000\r\n");
    pass_ms(1500);
    assert_asked(REAP);
    reply(NO_STATE);
    pass_ms(10000);
    assert_asked("");
}

static void one_look_serves_all_members_of_a_room_here(void **state)
{
    struct session *first;

    (void)state;
    open_at(10);
    first = stage.session;
    begin("room=den");
    reply_joined(11, 1000, NULL, 0);
    buf_clear(&stage.redis.asked);
    pass_ms(1500);
    assert_asked(REAP);
    session_destroy(first);
    turns();
    buf_clear(&stage.heard);
}

static void a_redis_that_was_away_is_given_time(void **state)
{
    struct session *first;

    (void)state;
    open_at(10);
    first = stage.session;
    fake_redis_break(&stage.redis);
    turns();
    come_back();
    buf_clear(&stage.redis.asked);
    confirm();
    assert_asked(JOIN("0", "10"));
    reply_joined(10, 0, NULL, 0); /* a lease is over: Redis was away for long */
    pass_ms(PATIENCE_MS - 500);
    assert_asked("");
    begin("room=den"); /* a newcomer does not take them for dead either */
    stage.id[0] = '\0';
    assert_asked(JOIN("0", "0"));
    reply_joined(11, 0, NULL, 0);
    pass_ms(1000);
    assert_asked(REAP);
    session_destroy(first);
    turns();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_member_subscribes_enters_and_is_welcomed),
        TEST(a_room_without_a_name_gets_one),
        TEST(a_bad_name_is_refused_and_asks_nothing),
        TEST(what_is_published_while_entering_waits_and_is_told_once),
        TEST(more_than_can_wait_is_read_again),
        TEST(who_cannot_be_let_in_is_refused),
        TEST(a_message_is_handed_over_without_its_end),
        TEST(a_message_that_redis_did_not_take_is_said_so),
        TEST(who_speaks_and_is_not_known_enters_again),
        TEST(who_says_much_is_not_read_for_a_while),
        TEST(nonsense_is_answered_and_goes_nowhere),
        TEST(leave_closes_and_is_told_to_redis_once),
        TEST(who_goes_before_he_asked_to_enter_has_nothing_to_leave),
        TEST(who_goes_while_he_enters_leaves),
        TEST(who_has_no_room_is_sent_away),
        TEST(a_member_that_is_heard_renews_its_lease),
        TEST(the_dead_are_looked_for_when_a_lease_is_over),
        TEST(one_look_serves_all_members_of_a_room_here),
        TEST(a_redis_that_was_away_is_given_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
