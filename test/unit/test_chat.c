/* A member of a room on /ws: subscribe, enter, hear; what it missed, and who died; what becomes
 * of it when it does not keep up. Redis and the carrier are played by the test. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/ident.h"
#include "common/log.h"
#include "gateway/proto/proto.h"
#include "gateway/proto/room.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"

#define CHANNEL            "segue:room:{den}"
#define KEYS_4             "segue:room:{den} segue:members:{den} segue:history:{den} "
#define ALL                KEYS_4 "segue:older:{den} segue:moves:{den} " CHANNEL
#define JOIN(reaps, known) "EVALSHA room_join 6 " ALL " den ME 45000 " reaps " 1 " known "\n"
#define REAP               "EVALSHA room_reap 6 " ALL " den\n"
#define WELCOME            "[{\"type\":\"welcome\",\"clientId\":\"ME\",\"roomId\":\"den\",\"members\":2,"
#define ERROR              "[{\"type\":\"error\",\"code\":\""
#define OTHER              "00000000-0000-4000-8000-000000000000"
#define NO_STATE           "$8\r\nno_state\r\n"
#define LEASE_END          30000

enum {
    TICK_MS = 250,
    PATIENCE_MS = 5000
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    char id[IDENT_UUID_LENGTH + 1]; /* ME */
    struct buf heard;               /* A)ccept R)efuse [frames] C)lose */
    bool full;                      /* the carrier has no room */
    enum reason reason;
    enum err err;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)why;
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

static const struct transport transport = {.metric = METRICS_TRANSPORT_WEBSOCKET,
                                           .accept = carry_accept,
                                           .refuse = carry_refuse,
                                           .send = carry_send,
                                           .pause = carry_pause,
                                           .close = carry_close};

/* ---- store and hub, tied as main does it ---- */

#include "test/unit/tied_stage.h"

static void pass_ms(unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += TICK_MS) {
        fake_us += TICK_MS * 1000;
        turns();
    }
}

static int setup(void **state)
{

    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.burst = 100;
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.max_queue = 262144;
    tied_begin();
    stage.services.rooms = rooms_create(&stage.services);
    return tied_connect();
}

static int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    rooms_close(stage.services.rooms);
    buf_finish(&stage.heard);
    return tied_end();
}

/* ---- what Redis is asked and says ---- */

/* The member's id is the first argument that looks like one. */
static void learn_id(void)
{
    const char *at = strstr(buf_text(&stage.redis.asked), " den ");

    if (stage.id[0] == '\0' && at != NULL && strlen(at) > 5 + IDENT_UUID_LENGTH) {
        memcpy(stage.id, at + 5, IDENT_UUID_LENGTH);
    }
}

/* With scripts by their names and this member as ME. */
static void assert_asked(const char *expected)
{
    learn_id();
    name_scripts();
    replace(&stage.redis.asked, str_of(stage.id), "ME");
    fake_redis_asked(&stage.redis, expected);
}

static void assert_heard(const char *expected)
{
    replace(&stage.heard, str_of(stage.id), "ME");
    assert_string_equal(buf_text(&stage.heard), expected);
    buf_clear(&stage.heard);
}

static void reply(const char *text)
{
    fake_redis_reply(&stage.redis, text);
    turns();
}

/* What room_join answers; `changes`: "SEQ KIND ORIGIN FRAME" lines. */
static void reply_joined(unsigned seq, int next_end, const char *const *changes, size_t count)
{
    struct buf text = {0};
    char number[16];

    snprintf(number, sizeof(number), "%u", seq);
    buf_addf(&text, "*%zu\r\n$7\r\napplied\r\n$%zu\r\n%s\r\n:2\r\n:%d\r\n", 4 + count,
             strlen(number), number, next_end);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&text, "$%zu\r\n%s\r\n", strlen(changes[i]), changes[i]);
    }
    reply(buf_text(&text));
    buf_finish(&text);
}

#define REPLY_JOINED(seq, ...)                                                                 \
    reply_joined(seq, LEASE_END, (const char *const[]){__VA_ARGS__},                           \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void publish_from(char kind, const char *origin, unsigned seq, unsigned prev)
{
    struct buf text = {0};
    char frame[32];

    snprintf(frame, sizeof(frame), "change %u", seq);
    buf_addf(&text, "1 %c %.20s %u %u 1652087347000000 %zu\n%s", kind, origin, seq, prev,
             strlen(frame), frame);
    fake_redis_publish(&stage.redis, CHANNEL, buf_str(&text));
    turns();
    buf_finish(&text);
}

static void publish(unsigned seq)
{
    publish_from('m', "-", seq, seq - 1);
}

/* ---- a client ---- */

static void begin(const char *query)
{
    struct request request = {.query = str_of(query)};

    stage.session = session_create(&stage.services, &chat_proto, &transport, NULL, NULL);
    chat_proto.open(stage.session, &request);
    turns();
}

static void confirm(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", CHANNEL);
    turns();
}

/* A client that was told everything up to that number. */
static void open_at(unsigned seq)
{
    begin("room=den");
    confirm();
    learn_id();
    reply_joined(seq, LEASE_END, NULL, 0);
    assert_true(stage.session->state == SESSION_OPEN);
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
}

static void say(const char *text)
{
    session_receive(stage.session, str_of(text));
    turns();
}

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

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_member_subscribes_enters_and_is_welcomed),
        TEST(a_room_without_a_name_gets_one),
        TEST(a_bad_name_is_refused_and_asks_nothing),
        TEST(what_is_published_while_entering_waits_and_is_told_once),
        TEST(more_than_can_wait_is_read_again),
        TEST(who_cannot_be_let_in_is_refused),
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
