/* Sessions: one orderly end whoever brings it, honest counters, and the rate limit. */
#include "test/unit/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/session_leash.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_clock.h"

/* A protocol and a carrier that write down what they are asked for, one letter each. The
 * protocol: m)essage, l)imited, a)live, d)rained, c)losed. The carrier: A)ccept, R)efuse,
 * S)end, T)rim, P)ause, r)esume, C)lose. */
static struct stage {
    uv_loop_t loop;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    char heard[4096];
    size_t heard_len;
    bool full;          /* the carrier has no room */
    enum reason reason; /* of the last close */
    enum err err;       /* of the last refusal */
    struct msg *sent;   /* owned: the last one */
    void (*on_message)(struct session *session);
} stage;

struct fake_session {
    struct session session; /* first */
    char more[32];          /* what a protocol keeps beside */
};

static void hear(char what)
{
    assert_true(stage.heard_len < sizeof(stage.heard) - 1);
    stage.heard[stage.heard_len++] = what;
    stage.heard[stage.heard_len] = '\0';
}

static void assert_heard(const char *expected)
{
    assert_string_equal(stage.heard, expected);
    stage.heard[stage.heard_len = 0] = '\0';
}

/* ---- the protocol ---- */

static void fake_message(struct session *session, struct str text)
{
    assert_str(text, "text");
    hear('m');
    if (stage.on_message != NULL) {
        stage.on_message(session);
    }
}

static void fake_limited(struct session *session)
{
    (void)session;
    hear('l');
}

static void fake_alive(struct session *session)
{
    (void)session;
    hear('a');
}

static void fake_drained(struct session *session)
{
    (void)session;
    hear('d');
}

static void fake_closed(struct session *session)
{
    assert_int_equal(session->state, SESSION_CLOSED);
    hear('c');
}

static const struct proto proto = {
    .name = "fake",
    .metric = METRICS_PROTOCOL_CHAT,
    .size = sizeof(struct fake_session),
    .message = fake_message,
    .limited = fake_limited,
    .alive = fake_alive,
    .drained = fake_drained,
    .closed = fake_closed,
};

/* ---- the carrier ---- */

static void carry_accept(void *carrier)
{
    assert_ptr_equal(carrier, &stage);
    hear('A');
}

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)why;
    stage.err = err;
    hear('R');
}

static bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    hear('S');
    if (stage.full) {
        return false;
    }
    msg_unref(stage.sent);
    stage.sent = msg_ref(msg);
    return true;
}

static void carry_trim(void *carrier)
{
    (void)carrier;
    hear('T');
}

static void carry_pause(void *carrier, bool paused)
{
    (void)carrier;
    hear(paused ? 'P' : 'r');
}

static void carry_close(void *carrier, enum reason reason)
{
    (void)carrier;
    stage.reason = reason;
    hear('C');
}

static const struct transport transport = {
    .metric = METRICS_TRANSPORT_POLLING,
    .accept = carry_accept,
    .refuse = carry_refuse,
    .send = carry_send,
    .trim = carry_trim,
    .pause = carry_pause,
    .close = carry_close,
};

/* ---- the stage ---- */

static struct claims claims_of(const char *user)
{
    struct claims claims = {.expires_ms = INT64_MAX};

    claims.user_len = strlen(user);
    memcpy(claims.user, user, claims.user_len);
    return claims;
}

static int setup(void **state)
{
    struct claims claims = claims_of("ann");

    (void)state;
    memset(&stage, 0, sizeof(stage));
    uv_loop_init(&stage.loop);
    stage.config.rate = 50;
    stage.config.burst = 100;
    stage.services = (struct services){
        .config = &stage.config, .metrics = &stage.metrics, .loop = &stage.loop};
    stage.session = session_create(&stage.services, &proto, &transport, &stage, &claims);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    msg_unref(stage.sent);
    if (stage.metrics.connections[METRICS_PROTOCOL_CHAT][METRICS_TRANSPORT_POLLING] != 0) {
        return -1; /* somebody was counted and not discounted */
    }
    return uv_loop_close(&stage.loop);
}

/* ---- who is sent away ---- */

static void ignore_channel(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
}

static bool take_channel(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
    return true;
}

static void publish_to(const char *channel, const char *envelope)
{
    struct msg *msg = msg_from_envelope(str_of(envelope));

    assert_non_null(msg);
    hub_publish(stage.services.hub, str_of(channel), msg);
    msg_unref(msg);
}

static void a_leash_is_pulled_for_its_users_alone(void **state)
{
    static const struct hub_events events = {.watch = take_channel, .unwatch = ignore_channel};
    uint64_t channels = 0;

    (void)state;
    keys_setup("");
    stage.services.hub = hub_create(&events, NULL, &channels);
    session_accept(stage.session);
    session_follow(stage.session, str_from("", 0));
    assert_int_equal(channels, 0);
    session_follow(stage.session, STR("ann"));
    session_follow(stage.session, STR("b b"));
    assert_int_equal(channels, 2);
    hub_changed(stage.services.hub, STR("user:{ann}"), true);
    hub_changed(stage.services.hub, STR("user:{b%20b}"), true);
    assert_heard("A");
    publish_to("user:{ann}", "1 e - 5 0 1 0\n\"x\"");
    publish_to("user:{cat}", "1 d - 5 0 1 0\n");
    assert_heard("");
    publish_to("user:{b%20b}", "1 d - 5 0 1 0\n");
    assert_heard("cC");
    assert_int_equal(stage.reason, REASON_DISCONNECTED);
    publish_to("user:{ann}", "1 d - 6 0 1 0\n");
    assert_heard("");
    hub_changed(stage.services.hub, STR("user:{ann}"), false);
    hub_changed(stage.services.hub, STR("user:{b%20b}"), false);
    hub_destroy(stage.services.hub);
    stage.services.hub = NULL;
}

static uint64_t open_sessions(void)
{
    return stage.metrics.connections[METRICS_PROTOCOL_CHAT][METRICS_TRANSPORT_POLLING];
}

static void pass(uint64_t ms)
{
    fake_pass(&stage.loop, ms, ms);
}

static void receive(unsigned count)
{
    while (count-- > 0) {
        session_receive(stage.session, STR("text"));
    }
}

/* How often a letter was heard; everything heard is forgotten. */
static unsigned count_heard(char what)
{
    unsigned count = 0;

    for (const char *at = stage.heard; *at != '\0'; at++) {
        count += *at == what;
    }
    return count;
}

static void forget_heard(void)
{
    stage.heard[stage.heard_len = 0] = '\0';
}

/* ---- states ---- */

static void a_session_knows_its_user_and_has_an_id_of_its_own(void **state)
{
    struct session *other = session_create(&stage.services, &proto, &transport, &stage, NULL);

    (void)state;
    assert_str(session_user(stage.session), "ann");
    assert_int_equal(session_user(other).len, 0);
    assert_null(other->user); /* anonymous */
    assert_int_equal(session_id(other).len, MSG_ORIGIN_LENGTH);
    for (size_t i = 0; i < MSG_ORIGIN_LENGTH; i++) {
        assert_true(isalnum((unsigned char)other->id[i]) || other->id[i] == '-' ||
                    other->id[i] == '_');
    }
    assert_false(str_equal(session_id(other), session_id(stage.session)));
    session_destroy(other);
    session_destroy(NULL);
}

static void an_accepted_session_is_counted_until_it_ends(void **state)
{
    (void)state;
    assert_int_equal(open_sessions(), 0);
    session_accept(stage.session);
    session_accept(stage.session);
    assert_heard("A");
    assert_int_equal(open_sessions(), 1);
    session_ended(stage.session);
    session_ended(stage.session);
    assert_heard("c");
    assert_int_equal(open_sessions(), 0);
    session_accept(stage.session); /* too late */
    session_refuse(stage.session, ERR_UNAVAILABLE, NULL);
    session_close(stage.session, REASON_LEFT);
    assert_heard("");
}

static void a_refused_session_was_never_counted(void **state)
{
    (void)state;
    session_refuse(stage.session, ERR_FORBIDDEN, "no");
    assert_heard("cR"); /* detached first: the carrier may end everything */
    assert_int_equal(stage.err, ERR_FORBIDDEN);
    session_refuse(stage.session, ERR_FORBIDDEN, "no");
    session_ended(stage.session);
    assert_heard("");
    assert_int_equal(open_sessions(), 0);
}

static void closing_before_accepting_is_a_refusal(void **state)
{
    (void)state;
    session_close(stage.session, REASON_RESTART);
    assert_heard("cR");
    assert_int_equal(stage.err, ERR_UNAVAILABLE);
}

static void closing_detaches_first_and_happens_once(void **state)
{
    (void)state;
    session_accept(stage.session);
    session_close(stage.session, REASON_TOKEN_EXPIRED);
    session_close(stage.session, REASON_LEFT);
    assert_heard("AcC");
    assert_int_equal(stage.reason, REASON_TOKEN_EXPIRED);
    assert_int_equal(open_sessions(), 0);
}

static void a_session_destroyed_while_open_lets_go_of_everything(void **state)
{
    struct session *other = session_create(&stage.services, &proto, &transport, &stage, NULL);

    (void)state;
    session_accept(other);
    session_destroy(other);
    assert_heard("Ac");
    assert_int_equal(open_sessions(), 0);
    other = session_create(&stage.services, &proto, &transport, &stage, NULL);
    session_destroy(other);
    assert_heard("c");
}

static void nothing_is_heard_before_accepting_or_after_the_end(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        receive(1);
        session_alive(stage.session);
        session_drained(stage.session);
        session_pause(stage.session, true);
        assert_true(session_say(stage.session, STR("to nobody")));
        assert_heard("");
        if (round == 0) {
            session_accept(stage.session);
            session_close(stage.session, REASON_LEFT);
            assert_heard("AcC");
        }
    }
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_CHAT], 0);
    assert_int_equal(stage.metrics.messages_sent[METRICS_PROTOCOL_CHAT], 0);
}

/* ---- messages ---- */

static void messages_are_counted_both_ways(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(3);
    assert_true(session_say(stage.session, STR("hello")));
    assert_heard("AmmmS");
    assert_str(msg_payload(stage.sent), "hello");
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_CHAT], 3);
    assert_int_equal(stage.metrics.messages_sent[METRICS_PROTOCOL_CHAT], 1);
}

static void a_shared_message_keeps_one_reference_per_holder(void **state)
{
    struct msg *msg = msg_text(STR("hello"));

    (void)state;
    session_accept(stage.session);
    assert_true(session_send(stage.session, msg));
    assert_int_equal(msg->refs, 2); /* ours and the carrier's */
    stage.full = true;
    assert_false(session_send(stage.session, msg));
    assert_int_equal(msg->refs, 2);
    msg_unref(msg);
}

static void drained_follows_a_send_that_found_no_room_and_no_other(void **state)
{
    (void)state;
    session_accept(stage.session);
    session_drained(stage.session);
    assert_heard("A");
    stage.full = true;
    assert_false(session_say(stage.session, STR("x")));
    assert_false(session_say(stage.session, STR("y")));
    assert_int_equal(stage.metrics.messages_sent[METRICS_PROTOCOL_CHAT], 0);
    stage.full = false;
    session_drained(stage.session);
    session_drained(stage.session);
    assert_heard("SSd");
}

static void trimming_counts_a_slow_consumer(void **state)
{
    (void)state;
    session_accept(stage.session);
    session_trim(stage.session);
    assert_heard("AT");
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

static void reading_is_paused_and_resumed_by_the_protocol(void **state)
{
    (void)state;
    session_accept(stage.session);
    session_pause(stage.session, true);
    session_pause(stage.session, false);
    session_alive(stage.session);
    assert_heard("APra");
}

static void close_now(struct session *session)
{
    session_close(session, REASON_DISCONNECTED);
}

static void a_protocol_may_close_while_it_is_told(void **state)
{
    (void)state;
    session_accept(stage.session);
    stage.on_message = close_now;
    receive(5);
    assert_heard("AmcC");
}

/* ---- the rate ---- */

static void a_burst_is_free_and_then_the_rate_counts(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(100);
    assert_int_equal(count_heard('m'), 100);
    assert_int_equal(count_heard('l'), 0);
    receive(1);
    assert_int_equal(count_heard('l'), 1);
    forget_heard();
    pass(20); /* 50 a second: one in 20 ms, and the debt of one more first */
    receive(1);
    assert_heard("");
    pass(40);
    receive(2);
    assert_heard("m");
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_RATE], 3);
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_CHAT], 104);
}

static void at_the_rate_nothing_is_ever_refused(void **state)
{
    (void)state;
    session_accept(stage.session);
    for (int i = 0; i < 1000; i++) {
        receive(1);
        pass(20);
    }
    assert_int_equal(count_heard('m'), 1000);
    assert_int_equal(count_heard('l'), 0);
}

static void silence_saves_up_one_burst_and_no_more(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(100);
    pass(3600 * 1000);
    forget_heard();
    receive(101);
    assert_int_equal(count_heard('m'), 100);
    assert_int_equal(count_heard('l'), 1);
}

static void a_complaint_comes_once_a_second(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(100);
    forget_heard();
    for (int ms = 0; ms < 3500; ms += 10) { /* twice the rate: the debt grows by 50 a second */
        receive(1);
        assert_false(stage.session->state == SESSION_CLOSED && ms < 1000);
        pass(10);
        if (ms == 990) {
            assert_int_equal(count_heard('l'), 1);
        }
        if (ms == 1010) {
            assert_int_equal(count_heard('l'), 2);
        }
    }
    assert_int_equal(stage.session->state, SESSION_CLOSED);
    assert_int_equal(stage.reason, REASON_RATE);
    assert_in_range(count_heard('l'), 2, 3);
}

static void another_burst_above_the_rate_closes(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(199);
    assert_int_equal(stage.session->state, SESSION_OPEN);
    assert_int_equal(count_heard('m'), 100);
    assert_int_equal(count_heard('l'), 1);
    forget_heard();
    receive(5);
    assert_heard("cC");
    assert_int_equal(stage.reason, REASON_RATE);
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_RATE], 100);
}

static void who_slows_down_is_forgiven(void **state)
{
    (void)state;
    session_accept(stage.session);
    receive(190);
    pass(10000);
    forget_heard();
    receive(100);
    assert_int_equal(count_heard('m'), 100);
    receive(99); /* the debt begins anew as well */
    assert_int_equal(stage.session->state, SESSION_OPEN);
}

static void without_a_rate_there_is_no_limit(void **state)
{
    (void)state;
    stage.config.rate = 0;
    session_accept(stage.session);
    receive(3000);
    assert_int_equal(count_heard('m'), 3000);
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_RATE], 0);
}

static void a_burst_of_one_takes_one_at_a_time(void **state)
{
    (void)state;
    session_destroy(stage.session);
    forget_heard();
    stage.config.burst = 1;
    stage.config.rate = 1;
    stage.session = session_create(&stage.services, &proto, &transport, &stage, NULL);
    session_accept(stage.session);
    receive(1);
    pass(1000);
    receive(1);
    assert_heard("Amm");
    pass(999);
    receive(1);
    assert_heard("l"); /* one thousandth of a message too early */
    receive(1);
    assert_heard("cC");
}

static void the_largest_rate_and_the_longest_silence_do_not_overflow(void **state)
{
    (void)state;
    session_destroy(stage.session);
    forget_heard();
    stage.config.burst = stage.config.rate = 1000000;
    stage.session = session_create(&stage.services, &proto, &transport, &stage, NULL);
    session_accept(stage.session);
    pass(100ull * 365 * 86400 * 1000);
    receive(1000);
    assert_int_equal(count_heard('m'), 1000);
    assert_true(stage.session->allowance == (1000000 - 1000) * 1000ll);
}

static void other_traffic_is_charged_to_the_same_account(void **state)
{
    (void)state;
    session_accept(stage.session);
    for (int i = 0; i < 100; i++) {
        assert_true(session_charge(stage.session)); /* pings */
    }
    receive(1);
    assert_heard("Al");
    assert_false(session_charge(stage.session));
    assert_heard("");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_knows_its_user_and_has_an_id_of_its_own),
        TEST(an_accepted_session_is_counted_until_it_ends),
        TEST(a_refused_session_was_never_counted),
        TEST(closing_before_accepting_is_a_refusal),
        TEST(closing_detaches_first_and_happens_once),
        TEST(a_session_destroyed_while_open_lets_go_of_everything),
        TEST(nothing_is_heard_before_accepting_or_after_the_end),
        TEST(messages_are_counted_both_ways),
        TEST(a_shared_message_keeps_one_reference_per_holder),
        TEST(drained_follows_a_send_that_found_no_room_and_no_other),
        TEST(trimming_counts_a_slow_consumer),
        TEST(reading_is_paused_and_resumed_by_the_protocol),
        TEST(a_protocol_may_close_while_it_is_told),
        TEST(a_burst_is_free_and_then_the_rate_counts),
        TEST(at_the_rate_nothing_is_ever_refused),
        TEST(silence_saves_up_one_burst_and_no_more),
        TEST(a_complaint_comes_once_a_second),
        TEST(another_burst_above_the_rate_closes),
        TEST(who_slows_down_is_forgiven),
        TEST(without_a_rate_there_is_no_limit),
        TEST(a_burst_of_one_takes_one_at_a_time),
        TEST(the_largest_rate_and_the_longest_silence_do_not_overflow),
        TEST(other_traffic_is_charged_to_the_same_account),
        TEST(a_leash_is_pulled_for_its_users_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
