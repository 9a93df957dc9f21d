/* Sessions: one orderly end whoever brings it, and honest counters. */
#include "test/unit/session_stage.h"

#include <ctype.h>

#include "gateway/session_leash.h"
#include "gateway/store/keys.h"

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
        TEST(a_leash_is_pulled_for_its_users_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
