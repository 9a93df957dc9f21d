/* Namespace /feed: subscriptions of websockets, and of sessions that are loaded for one request
 * each, so that nothing falls between two of them. Redis and the carrier are played by the
 * test. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/log.h"
#include "gateway/proto/socketio.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"

#define CHANNEL     "segue:feed:{news}"
#define ACK_OK(id)  "[43/feed," #id "[{\"ok\":true}]]"
#define JOIN        "SUBSCRIBE " CHANNEL "\n"
#define READ(since) "EVALSHA feed_read 2 segue:feed:{news} segue:lately:{news} " since "\n"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    struct buf heard; /* [packets] S)ettled C)lose */
    int room;         /* messages that still fit; -1 = any number */
    enum reason reason;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (stage.room == 0) {
        return false;
    }
    stage.room -= stage.room > 0;
    buf_addf(&stage.heard, "[%.*s]", STR_ARG(msg_payload(msg)));
    return true;
}

static void ignore_pause(void *carrier, bool paused)
{
    (void)carrier;
    (void)paused;
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    (void)carrier;
    (void)in_ms;
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_POLLING,
                                           .accept = carry_nothing,
                                           .refuse = carry_no_refusal,
                                           .send = carry_send,
                                           .trim = carry_nothing,
                                           .pause = ignore_pause,
                                           .wake = carry_wake,
                                           .settled = carry_settled,
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
    static const char *const anonymous[] = {"feed"};
    char why[128];

    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.room = -1;
    stage.config.burst = 1000;
    stage.config.max_message = 16384;
    stage.config.connect_timeout_ms = 10000;
    stage.config.anonymous.items[0] = anonymous[0];
    stage.config.anonymous.count = 1;
    tied_begin();
    stage.services.auth = auth_create(&stage.config, why, sizeof(why));
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

static void assert_asked(const char *expected)
{
    struct str sha = script_sha(SCRIPT_feed_read);
    struct buf asked = {0};
    const char *rest = buf_text(&stage.redis.asked), *found;
    char needle[64];

    snprintf(needle, sizeof(needle), "%.*s", STR_ARG(sha));
    while ((found = strstr(rest, needle)) != NULL) {
        buf_add(&asked, str_from(rest, (size_t)(found - rest)));
        buf_add_text(&asked, "feed_read");
        rest = found + sha.len;
    }
    buf_add_text(&asked, rest);
    assert_string_equal(buf_text(&asked), expected);
    buf_finish(&asked);
    buf_clear(&stage.redis.asked);
}

/* The answer of feed_read: where it stands, and a line for each number; 0 ends them. */
static void reply(unsigned seq, unsigned first, unsigned second)
{
    char text[256];
    size_t len;

    len = (size_t)snprintf(text, sizeof(text), "*%d\r\n$7\r\napplied\r\n:%u\r\n",
                           2 + 2 * (first != 0) + 2 * (second != 0), seq);
    if (first != 0) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ":%u\r\n$5\r\n\"%03u\"\r\n",
                                first, first);
    }
    if (second != 0) {
        snprintf(text + len, sizeof(text) - len, ":%u\r\n$5\r\n\"%03u\"\r\n", second, second);
    }
    fake_redis_reply(&stage.redis, text);
    turns();
}

static void publish(unsigned seq)
{
    char text[96];

    snprintf(text, sizeof(text), "1 f - %u %u 1652087347000000 5\nframe\"%03u\"", seq, seq - 1,
             seq);
    fake_redis_publish(&stage.redis, CHANNEL, str_of(text));
    turns();
}

static void confirm(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", CHANNEL);
    turns();
}

/* ---- a client ---- */

static void create(void)
{
    stage.session =
        session_create(&stage.services, &socketio_row.proto, &transport, NULL, NULL);
}

static void say(const char *packet)
{
    session_receive(stage.session, str_of(packet));
    turns();
}

static void enter(void)
{
    struct request request = {.query = str_from("", 0)};

    create();
    socketio_row.proto.open(stage.session, &request);
    say("0/feed,");
    assert_true(str_starts(buf_str(&stage.heard), STR("[40/feed,{\"sid\":\"")));
    buf_clear(&stage.heard);
}

#define SUBSCRIBE(id)   "2/feed," #id "[\"subscribe\",{\"topic\":\"news\"}]"
#define UNSUBSCRIBE(id) "2/feed," #id "[\"unsubscribe\",{\"topic\":\"news\"}]"

/* A session of a request: it begins with what another left. */
static bool load(struct str saved, struct str marks, bool deaf)
{
    struct session *before = stage.session;
    bool good;

    create();
    stage.session->state = SESSION_OPEN;
    stage.metrics.connections[stage.session->proto->metric][METRICS_TRANSPORT_POLLING]++;
    stage.session->brief = true;
    stage.session->deaf = deaf;
    good = socketio_row.proto.load(stage.session, saved, marks);
    session_destroy(before); /* after the new one listens, as a GET does it */
    turns();
    return good;
}

static struct buf save(void)
{
    struct buf saved = {0};

    socketio_row.proto.save(stage.session, &saved);
    return saved;
}

static struct buf marks(void)
{
    struct buf told = {0};

    socketio_row.proto.marks(stage.session, &told);
    return told;
}

/* What a POST leaves that connected and subscribed when the feed stood at that number. */
static struct buf subscribed_at(unsigned seq)
{
    enter();
    stage.session->brief = stage.session->deaf = true;
    say(SUBSCRIBE(0));
    assert_asked(READ(""));
    reply(seq, 0, 0);
    assert_heard(ACK_OK(0) "S");
    return save();
}

/* ---- websockets ---- */

static void a_subscription_is_acknowledged_when_nothing_can_be_missed_any_more(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    assert_asked(JOIN);
    say(SUBSCRIBE(1));
    assert_asked("");
    assert_heard("");
    confirm();
    assert_heard(ACK_OK(0) ACK_OK(1) "S");
    publish(7);
    publish(8);
    assert_heard("[42/feed,[\"007\"]][42/feed,[\"008\"]]");
    say(SUBSCRIBE(2));
    assert_heard(ACK_OK(2));
    publish(8);
    assert_heard("");
}

static void who_unsubscribes_hears_nothing_more(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    say(UNSUBSCRIBE(1));
    assert_heard(
        "[42/feed,[\"error\",{\"code\":\"unsubscribed\",\"message\":\"unsubscribe came "
        "before this was done\"}]]"
        "[43/feed,0[{\"ok\":false,\"error\":\"unsubscribed\",\"message\":\"unsubscribe "
        "came before this was done\"}]]S" ACK_OK(1));
    say(UNSUBSCRIBE(2));
    assert_heard(ACK_OK(2));
}

static void a_websocket_that_does_not_keep_up_goes(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    confirm();
    buf_clear(&stage.heard);
    stage.room = 0;
    publish(7);
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

static void after_redis_was_away_what_was_missed_is_read(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    confirm();
    publish(7);
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
    fake_redis_break(&stage.redis);
    turns();
    for (int i = 0; i < 100 && !store_is_up(stage.services.store); i++) {
        fake_us += 10000;
        turns();
    }
    assert_asked(JOIN);
    confirm();
    assert_asked(READ("7"));
    publish(9); /* held: the read may contain it */
    assert_heard("");
    reply(9, 8, 9);
    assert_heard("[42/feed,[\"008\"]][42/feed,[\"009\"]]S");
    publish(10);
    assert_heard("[42/feed,[\"010\"]]");
}

static void publish_missed(void)
{
    fake_redis_publish(&stage.redis, CHANNEL, STR("1 ? - 0 0 0 0\n"));
    turns();
}

static void what_was_missed_is_read_from_where_it_stood(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    confirm();
    publish(7);
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
    publish_missed();
    assert_asked(READ("7"));
    publish_missed();
    reply(8, 8, 8);
    assert_asked(READ("7"));
    reply(9, 8, 9);
    assert_heard("[42/feed,[\"008\"]][42/feed,[\"009\"]]S");
}

static void who_stood_nowhere_and_missed_a_line_is_sent_away(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    confirm();
    buf_clear(&stage.heard);
    publish_missed();
    assert_heard("C");
    assert_int_equal(reason_code(stage.reason), 1013);
}

static void lines_that_a_newer_release_keeps_send_the_client_away(void **state)
{
    (void)state;
    enter();
    say(SUBSCRIBE(0));
    confirm();
    publish(7);
    publish_missed();
    buf_clear(&stage.heard);
    fake_redis_reply(&stage.redis, "-WRONGTYPE of another kind\r\n");
    turns();
    assert_heard("C");
    assert_int_equal(reason_code(stage.reason), 1013);
}

static void sixteen_topics_are_enough(void **state)
{
    char packet[96];

    (void)state;
    enter();
    for (int i = 0; i < 17; i++) {
        snprintf(packet, sizeof(packet), "2/feed,[\"subscribe\",{\"topic\":\"t%d\"}]", i);
        say(packet);
    }
    assert_heard(
        "[42/feed,[\"error\",{\"code\":\"too_many\",\"message\":\"a socket may subscribe "
        "to 16 topics\"}]]");
    assert_int_equal(stage.metrics.channels, 16);
    session_destroy(stage.session);
    stage.session = NULL;
    for (int i = 0; i < 16; i++) {
        snprintf(packet, sizeof(packet), "segue:feed:{t%d}", i);
        fake_redis_confirm(&stage.redis, "subscribe", packet);
        turns();
        fake_redis_confirm(&stage.redis, "unsubscribe", packet);
        turns();
    }
}

/* ---- requests ---- */

static void a_request_that_brings_messages_notes_where_the_feed_stands(void **state)
{
    struct buf saved;

    (void)state;
    saved = subscribed_at(40);
    assert_asked("");
    assert_int_equal(stage.metrics.channels, 0);
    assert_true(load(buf_str(&saved), str_from("", 0), true)); /* the next one knows of it */
    assert_asked("");
    say(SUBSCRIBE(1));
    assert_heard(ACK_OK(1));
    say(UNSUBSCRIBE(2));
    assert_heard(ACK_OK(2));
    buf_finish(&saved);
    saved = save();
    assert_true(load(buf_str(&saved), str_from("", 0), false));
    assert_asked("");
    buf_finish(&saved);
}

static void a_request_that_waits_reads_what_was_said_before_it(void **state)
{
    struct buf saved, told;

    (void)state;
    saved = subscribed_at(40);
    assert_true(load(buf_str(&saved), str_from("", 0), false));
    assert_asked(JOIN);
    confirm();
    assert_asked(READ("40"));
    publish(42); /* while it reads: held */
    publish(43);
    assert_heard("");
    reply(42, 41, 42);
    assert_heard("[42/feed,[\"041\"]][42/feed,[\"042\"]][42/feed,[\"043\"]]S");
    publish(44);
    assert_heard("[42/feed,[\"044\"]]");
    told = marks();
    assert_true(load(buf_str(&saved), buf_str(&told), false)); /* the next one goes on there */
    assert_asked(READ("44"));
    reply(44, 0, 0);
    assert_heard("S");
    buf_finish(&told);
    buf_finish(&saved);
}

static void what_does_not_fit_is_left_to_the_next_request(void **state)
{
    struct buf saved, told;

    (void)state;
    saved = subscribed_at(40);
    assert_true(load(buf_str(&saved), str_from("", 0), false));
    confirm();
    stage.room = 1;
    buf_clear(&stage.redis.asked);
    reply(42, 41, 42);
    assert_heard("[42/feed,[\"041\"]]S");
    stage.room = -1;
    publish(43); /* not before 42 */
    assert_heard("");
    told = marks();
    assert_true(load(buf_str(&saved), buf_str(&told), false));
    assert_asked(READ("41"));
    reply(43, 42, 43);
    assert_heard("[42/feed,[\"042\"]][42/feed,[\"043\"]]S");
    stage.room = 0;
    publish(44);
    assert_heard("");
    stage.room = -1;
    publish(45);
    assert_heard("");
    assert_int_equal(stage.metrics.slow_consumers, 0);
    buf_finish(&told);
    told = marks();
    assert_true(load(buf_str(&saved), buf_str(&told), false));
    assert_asked(READ("43"));
    reply(45, 44, 45);
    assert_heard("[42/feed,[\"044\"]][42/feed,[\"045\"]]S");
    buf_finish(&told);
    buf_finish(&saved);
}

static void of_two_places_the_later_one_counts(void **state)
{
    struct buf saved, told;

    (void)state;
    saved = subscribed_at(40);
    assert_true(load(buf_str(&saved), str_from("", 0), true));
    told = marks(); /* 40 */
    buf_finish(&saved);
    say(UNSUBSCRIBE(1));
    say(SUBSCRIBE(2));
    assert_asked(READ(""));
    reply(60, 0, 0);
    assert_heard(ACK_OK(1) ACK_OK(2) "S");
    saved = save(); /* 60 */
    assert_true(load(buf_str(&saved), buf_str(&told), false));
    assert_asked(JOIN);
    confirm();
    assert_asked(READ("60"));
    reply(61, 61, 0);
    assert_heard("[42/feed,[\"061\"]]S");
    buf_finish(&saved);
    buf_finish(&told);
}

static void more_than_can_be_held_is_read_again(void **state)
{
    struct buf saved;

    (void)state;
    saved = subscribed_at(40);
    assert_true(load(buf_str(&saved), str_from("", 0), false));
    confirm();
    buf_clear(&stage.redis.asked);
    for (unsigned i = 0; i < 65; i++) {
        publish(41 + i);
    }
    reply(40, 0, 0); /* too old by now */
    assert_heard("");
    assert_asked(READ("40"));
    reply(105, 104, 105);
    assert_heard("[42/feed,[\"104\"]][42/feed,[\"105\"]]S");
    buf_finish(&saved);
}

static void a_read_that_fails_is_told_and_forgotten(void **state)
{
    struct buf saved;

    (void)state;
    enter();
    stage.session->brief = stage.session->deaf = true;
    say(SUBSCRIBE(0));
    fake_redis_reply(&stage.redis, "-OOM no memory\r\n");
    turns();
    assert_heard(
        "[42/feed,[\"error\",{\"code\":\"unavailable\",\"message\":\"try again in a "
        "moment\"}]][43/feed,0[{\"ok\":false,\"error\":\"unavailable\",\"message\":\"try "
        "again in a moment\"}]]S");
    saved = save();
    buf_clear(&stage.redis.asked);
    assert_true(load(buf_str(&saved), str_from("", 0), false));
    assert_asked("");
    buf_finish(&saved);
}

static void a_waiting_request_whose_read_fails_goes_on_waiting(void **state)
{
    struct buf saved, told;

    (void)state;
    saved = subscribed_at(40);
    assert_true(load(buf_str(&saved), str_from("", 0), false));
    confirm();
    fake_redis_reply(&stage.redis, "-OOM no memory\r\n");
    turns();
    assert_heard("S");
    publish(42); /* 41 may be missing: not before the next read */
    assert_heard("");
    told = marks();
    buf_clear(&stage.redis.asked);
    assert_true(load(buf_str(&saved), buf_str(&told), false));
    assert_asked(READ("40"));
    reply(42, 41, 42);
    assert_heard("[42/feed,[\"041\"]][42/feed,[\"042\"]]S");
    buf_finish(&told);
    buf_finish(&saved);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_subscription_is_acknowledged_when_nothing_can_be_missed_any_more),
        TEST(who_unsubscribes_hears_nothing_more),
        TEST(a_websocket_that_does_not_keep_up_goes),
        TEST(after_redis_was_away_what_was_missed_is_read),
        TEST(what_was_missed_is_read_from_where_it_stood),
        TEST(who_stood_nowhere_and_missed_a_line_is_sent_away),
        TEST(lines_that_a_newer_release_keeps_send_the_client_away),
        TEST(sixteen_topics_are_enough),
        TEST(a_request_that_brings_messages_notes_where_the_feed_stands),
        TEST(a_request_that_waits_reads_what_was_said_before_it),
        TEST(what_does_not_fit_is_left_to_the_next_request),
        TEST(of_two_places_the_later_one_counts),
        TEST(more_than_can_be_held_is_read_again),
        TEST(a_read_that_fails_is_told_and_forgotten),
        TEST(a_waiting_request_whose_read_fails_goes_on_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
