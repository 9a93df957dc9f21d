/* The player's life: subscribe, read, stream; no gap, no duplicate, nothing of one's own; and
 * what becomes of a client that does not keep up. Redis, the other devices and the carrier are
 * played by the test. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/proto/proto.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"

#define CHANNEL "segue:user:{ann}"
#define NOW     "1652087347000" /* Redis's clock, which stands still */
#define STATE(seq)                                                                             \
    "{\"track_id\":1,\"from_is\":\"album\",\"from_is_id\":4,\"on_pause\":false,"               \
    "\"last_sec_position\":" #seq ",\"time_state_update\":\"time\"}"
#define NO_STATE    "{\"type_push_state\":\"no_track_state\"}"
#define UNAVAILABLE "{\"type_push_state\":\"unavailable\"}"
#define PAUSE                                                                                  \
    "{\"type_push_state\":\"on_pause\",\"time_state_update\":\"2022-05-09T09:09:07+0000\"}"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    struct buf heard; /* A)ccept R)efuse [frames] T)rim P)ause r)esume C)lose */
    bool full;        /* the carrier has no room */
    enum reason reason;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)why;
    assert_int_equal(err, ERR_UNAVAILABLE);
    buf_add_char(&stage.heard, 'R');
}

static bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (stage.full) {
        return false;
    }
    buf_addf(&stage.heard, "[%.*s]", STR_ARG(msg_payload(msg)));
    return true;
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_WEBSOCKET,
                                           .accept = carry_accept,
                                           .refuse = carry_refuse,
                                           .send = carry_send,
                                           .trim = carry_trim,
                                           .pause = carry_pause,
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
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.orphan_grace_s = 30;
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

/* ---- what Redis is asked and says ---- */

/* What it was asked, with scripts by their names and this session as ID. */
static void assert_asked(const char *expected)
{
    name_scripts();
    if (stage.session != NULL) {
        replace(&stage.redis.asked, session_id(stage.session), "ID");
    }
    fake_redis_asked(&stage.redis, expected);
}

#define JOIN(grace)                                                                            \
    "EVALSHA player_join 3 segue:player:{ann} segue:devices:{ann} " CHANNEL " ID " NOW         \
    " 45000 player websocket 45000 " grace "\n"

/* The answer of player_join: the state with that number, which is also its position; 0 = none.
 */
static void reply_state(unsigned seq)
{
    struct buf text = {0};
    char number[16];

    snprintf(number, sizeof(number), "%u", seq);
    buf_add_text(&text, "*10\r\n$7\r\napplied\r\n:" NOW "\r\n:2\r\n");
    if (seq == 0) {
        for (int i = 0; i < 7; i++) {
            buf_add_text(&text, "$-1\r\n");
        }
    } else {
        buf_addf(&text,
                 "$%zu\r\n%s\r\n$1\r\n1\r\n$5\r\nalbum\r\n$1\r\n4\r\n$1\r\n0\r\n$%zu\r\n%s\r\n"
                 "$4\r\ntime\r\n",
                 strlen(number), number, strlen(number), number);
    }
    fake_redis_reply(&stage.redis, buf_text(&text));
    turns();
    buf_finish(&text);
}

static void publish_text(char kind, const char *origin, unsigned seq, unsigned prev,
                         const char *texts)
{
    struct buf text = {0};

    buf_addf(&text, "1 %c %s %u %u %s000 %zu\n%s{\"isPlaying\":true}", kind, origin, seq, prev,
             NOW, strlen(texts), texts);
    fake_redis_publish(&stage.redis, CHANNEL, buf_str(&text));
    turns();
    buf_finish(&text);
}

/* Another device's change, or (own) one of this session's. */
static void publish(unsigned seq, bool own)
{
    char text[32], origin[MSG_ORIGIN_LENGTH + 1] = "00000000000000000000";

    if (own) {
        memcpy(origin, stage.session->id, MSG_ORIGIN_LENGTH);
    }
    snprintf(text, sizeof(text), "change %u", seq);
    publish_text('p', origin, seq, seq - 1, text);
}

/* ---- a client ---- */

static void begin(const char *query)
{
    struct claims claims = {.user = "ann", .user_len = 3, .expires_ms = INT64_MAX};
    struct request request = {.query = str_of(query)};

    stage.session = session_create(&stage.services, &player_proto, &transport, NULL, &claims);
    player_proto.open(stage.session, &request);
    turns();
}

static void confirm(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", CHANNEL);
    turns();
}

/* A client that was told the state with that number. */
static void open_at(unsigned seq)
{
    begin("");
    confirm();
    reply_state(seq);
    assert_true(stage.session->state == SESSION_OPEN);
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
}

static void say(const char *text)
{
    session_receive(stage.session, str_of(text));
    turns();
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
