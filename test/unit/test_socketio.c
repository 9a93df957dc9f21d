/* Socket.IO on a session: who is let in and who is not, every packet that ends the connection,
 * what waits for a CONNECT, attachments, and what comes due. */
#include "test/unit/sio_stage.h"

#define UNAUTHORIZED(space, why)                                                               \
    "[0" space "{\"sid\":\"ID\"}][2" space                                                     \
    "[\"error\",{\"code\":\"unauthorized\",\"message\":\"" why "\"}]][1" space "]"

/* ---- who comes in ---- */

static void a_token_of_the_handshake_lets_in(void **state)
{
    (void)state;
    connected();
    assert_int_equal(((struct socketio *)stage.session)->connect_by_ms, 0);
    say("2[\"hello\",1]");
    assert_heard("e/:hello(1);");
}

static void a_token_of_the_connect_counts_instead(void **state)
{
    char *bob = token_of("{\"sub\":\"bob\"}");
    char text[512];

    (void)state;
    snprintf(text, sizeof(text), "0{\"token\":\"%s\"}", bob);
    begin_as_ann();
    say(text);
    assert_heard("c/bob+;[0{\"sid\":\"ID\"}]");
    begin("nonsense", "");
    say(text);
    assert_heard("c/bob+;[0{\"sid\":\"ID\"}]");
    begin_as_ann();
    say("0{\"token\":null}"); /* as if there were none */
    assert_heard("c/ann+;[0{\"sid\":\"ID\"}]");
    mem_free(bob);
}

static void a_pid_is_told_and_quoted(void **state)
{
    (void)state;
    stage.pid = "a\"b";
    begin_as_ann();
    say("0");
    assert_heard("c/ann;[0{\"sid\":\"ID\",\"pid\":\"a\\\"b\"}]");
    assert_true(sio_emit(io()->sockets, STR("\"name\"")));
    assert_heard("[2[\"name\",\"offset of ann\"]]");
}

static void who_may_not_come_in_is_connected_told_and_disconnected(void **state)
{
    (void)state;
    begin(NULL, "");
    say("0");
    assert_heard(UNAUTHORIZED("", "a token is needed"));
    assert_null(io()->sockets);
    say("0{\"token\":17}");
    assert_heard(UNAUTHORIZED("", "the token is not a text"));
    say("0{\"token\":\"nonsense\"}");
    assert_heard(UNAUTHORIZED("", "the token is malformed"));
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_UNAUTHORIZED], 3);
    assert_true(stage.session->state == SESSION_OPEN); /* he may try again */
    say("0/open,");
    assert_heard("c/open;[0/open,{\"sid\":\"ID\"}]");
}

static void a_bad_token_of_the_handshake_is_never_silently_anonymous(void **state)
{
    (void)state;
    begin("nonsense", "");
    say("0/open,");
    assert_heard(UNAUTHORIZED("/open,", "the token is malformed"));
    say("0/slow,"); /* which asks nobody */
    assert_heard("c/slow;");
}

static void a_refused_connect_may_be_said_so(void **state)
{
    (void)state;
    stage.config.auth_failure = CONFIG_AUTH_FAILURE_CONNECT_ERROR;
    begin(NULL, "");
    say("0");
    assert_heard("[4{\"code\":\"unauthorized\",\"message\":\"a token is needed\"}]");
    assert_null(io()->sockets);
    assert_true(stage.session->state == SESSION_OPEN);
}

static void a_namespace_that_is_not_there_is_refused_and_nothing_else(void **state)
{
    (void)state;
    connected();
    say("0/nowhere,");
    assert_heard("[4/nowhere,{\"message\":\"Invalid namespace\"}]");
    say("0/nowhere");
    assert_heard("[4/nowhere,{\"message\":\"Invalid namespace\"}]");
    say("2[\"still\"]");
    assert_heard("e/:still();");
}

static void recovery_is_for_all_for_nobody_or_for_who_asks(void **state)
{
    static const struct {
        int mode;
        const char *query, *connect;
        bool wanted;
    } rows[] = {
        {CONFIG_RECOVERY_ON, "", "{}", true},
        {CONFIG_RECOVERY_OFF, "recovery=1", "{\"recovery\":true}", false},
        {CONFIG_RECOVERY_ASK, "", "{}", false},
        {CONFIG_RECOVERY_ASK, "recovery=1", "{}", true},
        {CONFIG_RECOVERY_ASK, "recovery=0", "{\"recovery\":1}", false},
        {CONFIG_RECOVERY_ASK, "", "{\"recovery\":true}", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cJSON *auth = cJSON_Parse(rows[i].connect);

        stage.config.recovery = rows[i].mode;
        begin(NULL, rows[i].query);
        say("0/open");
        assert_int_equal(sio_recovery_wanted(io()->sockets, auth), rows[i].wanted);
        cJSON_Delete(auth);
    }
}

/* ---- packets ---- */

static void what_breaks_the_protocol_ends_the_connection(void **state)
{
    static const char *const rows[] = {
        "",
        "abc",
        "7",
        "8[\"a\"]",
        "2",
        "2{}",
        "2[]",
        "2abc[\"a\"]",
        "2[\"a\"",
        "2[{}]",
        "2[null,1]",
        "2[\"connect\"]",
        "2[\"connect_error\",1]",
        "2[\"disconnect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "0",        /* once more */
        "0[1]",     /* no object */
        "0/open,1", /* likewise */
        "2/open,[\"a\"]",
        "2/nowhere,[\"a\"]",
        "3/open,1[]",
        "4{\"message\":\"a\"}",
        "51-[\"a\"]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
        "565-[\"a\",{\"_placeholder\":true,\"num\":0}]",
        "5-[\"a\"]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        connected();
        say(rows[i]);
        assert_closed(REASON_PROTOCOL, "x/;C");
        say("2[\"unheard\"]");
        assert_heard("");
    }
    begin_as_ann();
    say("2[\"before\"]");
    assert_closed(REASON_PROTOCOL, "C");
}

static void what_is_odd_but_harmless_is_taken(void **state)
{
    (void)state;
    connected();
    say("2[17,1]");
    assert_heard("e/:17(1);");
    say("3999[1]"); /* nobody waits for it */
    say("1/open");  /* was never there */
    say("3/,1[]");
    assert_heard("");
    say("27[\"a\",{\"b\":[1]},\"c\"]");
    assert_heard("e/:a({\"b\":[1]},\"c\")#7;");
    say("1");
    assert_heard("x/;");
    say("0"); /* and back */
    assert_heard("c/ann;[0{\"sid\":\"ID\"}]");
}

static void namespaces_do_not_disturb_each_other(void **state)
{
    (void)state;
    connected();
    say("0/open,");
    assert_heard("c/open;[0/open,{\"sid\":\"ID\"}]");
    say("2/open,5[\"a\"]");
    say("2[\"b\"]");
    assert_heard("e/open:a()#5;e/:b();");
    say("1/open,");
    assert_heard("x/open;");
    say("2[\"b\"]");
    assert_heard("e/:b();");
    say("2/open,[\"a\"]");
    assert_closed(REASON_PROTOCOL, "x/;C");
}

static void close_it(struct sio_socket *socket)
{
    session_close(socket->session, REASON_SLOW);
}

static void a_namespace_may_close_or_disconnect_while_it_is_told(void **state)
{
    (void)state;
    connected();
    stage.act = close_it;
    say("2[\"a\"]");
    assert_closed(REASON_SLOW, "e/:a();x/;C");
    stage.act = NULL;
    connected();
    stage.act = sio_disconnect;
    say("2[\"a\"]");
    assert_heard("e/:a();[1]x/;");
    assert_null(io()->sockets);
    say("0");
    assert_heard("c/ann;[0{\"sid\":\"ID\"}]");
}

/* ---- attachments ---- */

static void an_event_counts_when_its_attachments_are_there(void **state)
{
    (void)state;
    connected();
    say("52-9[\"a\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]");
    say_binary("one");
    assert_heard("");
    say_binary("");
    assert_heard("e/:a({\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0})#9"
                 "<one><>;");
    say("61-4[{\"_placeholder\":true,\"num\":0}]");
    say_binary("ack");
    assert_heard("");
    say("2[\"b\"]");
    assert_heard("e/:b();");
}

static void attachments_come_when_they_are_due_and_only_then(void **state)
{
    (void)state;
    connected();
    say_binary("unexpected");
    assert_closed(REASON_PROTOCOL, "x/;C");
    connected();
    say("51-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    say("2[\"b\"]");
    assert_closed(REASON_PROTOCOL, "x/;C");
    connected();
    say("51-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    say_binary("a");
    buf_clear(&stage.heard);
    say_binary("b");
    assert_closed(REASON_PROTOCOL, "x/;C");
}

static void attachments_are_bounded_with_their_packet(void **state)
{
    static const char packet[] = "52-[\"a\",{\"_placeholder\":true,\"num\":0},"
                                 "{\"_placeholder\":true,\"num\":1}]";

    (void)state;
    stage.config.max_message = sizeof(packet) - 1 + 6;
    connected();
    say(packet);
    say_binary("123");
    say_binary("456");
    assert_heard("e/:a({\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1})"
                 "<123><456>;");
    say(packet);
    say_binary("123");
    say_binary("4567");
    assert_closed(REASON_TOO_BIG, "x/;C");
}

static void an_event_that_waits_for_attachments_may_lose_its_socket(void **state)
{
    (void)state;
    connected();
    say("51-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    socketio_destroy_socket(io()->sockets);
    assert_heard("x/;");
    say_binary("a");
    assert_closed(REASON_PROTOCOL, "C");
}

/* ---- what waits for a CONNECT ---- */

static void packets_wait_while_somebody_connects(void **state)
{
    (void)state;
    connected();
    say("0/slow,");
    assert_heard("c/slow;");
    say("2[\"a\"]");
    say("51-/slow,[\"b\",{\"_placeholder\":true,\"num\":0}]");
    say_binary("bytes");
    say("2/slow,[\"c\"]");
    assert_heard("");
    stage.wake_in_ms = NEVER;
    sio_accept(stage.slow, str_from("", 0));
    assert_heard("[0/slow,{\"sid\":\"ID\"}]");
    assert_int_equal(stage.wake_in_ms, 0);
    say("2[\"late\"]"); /* not before those that wait */
    assert_heard("");
    session_woken(stage.session);
    assert_heard("e/:a();e/slow:b({\"_placeholder\":true,\"num\":0})<bytes>;e/slow:c();"
                 "e/:late();");
    say("2[\"now\"]");
    assert_heard("e/:now();");
}

static void a_refused_connect_lets_go_what_waited(void **state)
{
    (void)state;
    connected();
    say("0/slow,");
    say("2[\"a\"]");
    say("2/slow,[\"b\"]");
    say("2[\"c\"]");
    buf_clear(&stage.heard);
    sio_refuse(stage.slow, "no", "not now");
    assert_heard("[4/slow,{\"code\":\"no\",\"message\":\"not now\"}]x/slow;");
    assert_int_equal(stage.wake_in_ms, 0);
    session_woken(stage.session);
    assert_closed(REASON_PROTOCOL, "e/:a();x/;C"); /* an event to nobody */
}

static void one_connect_after_the_other(void **state)
{
    (void)state;
    begin_as_ann();
    say("0/slow,");
    say("0");
    say("0/open,");
    say("2/open,[\"a\"]");
    assert_heard("c/slow;");
    sio_accept(stage.slow, str_from("", 0));
    session_woken(stage.session);
    assert_heard("[0/slow,{\"sid\":\"ID\"}]c/ann;[0{\"sid\":\"ID\"}]c/open;"
                 "[0/open,{\"sid\":\"ID\"}]e/open:a();");
}

static void what_waits_is_bounded(void **state)
{
    char text[1024];

    (void)state;
    begin_as_ann();
    say("0/slow,");
    snprintf(text, sizeof(text), "2[\"a\",\"%0900d\"]", 1);
    for (int i = 0; i < 60; i++) {
        say(text);
    }
    assert_heard("c/slow;");
    for (int i = 0; i < 20; i++) {
        say(text);
    }
    assert_closed(REASON_RATE, "x/slow;C");
}

static void who_closes_while_somebody_connects_takes_all_with_him(void **state)
{
    (void)state;
    begin_as_ann();
    say("0/slow,");
    say("2[\"a\"]");
    session_ended(stage.session);
    assert_heard("c/slow;x/slow;");
    assert_int_equal(stage.session->holding, 0);
}

/* ---- what comes due ---- */

static void without_a_connect_the_connection_ends(void **state)
{
    (void)state;
    begin_as_ann();
    assert_int_equal(stage.wake_in_ms, CONNECT_TIMEOUT_MS);
    say("0/nowhere");
    buf_clear(&stage.heard);
    fake_us += (CONNECT_TIMEOUT_MS - 1) * 1000;
    session_woken(stage.session);
    assert_int_equal(stage.wake_in_ms, 1);
    fake_us += 1000;
    session_woken(stage.session);
    assert_closed(REASON_TIMEOUT, "C");
}

static void a_connect_that_hangs_is_none(void **state)
{
    (void)state;
    begin_as_ann();
    say("0/slow,");
    say("2[\"a\"]");
    fake_us += CONNECT_TIMEOUT_MS * 1000;
    session_woken(stage.session);
    assert_closed(REASON_TIMEOUT, "c/slow;x/slow;C");
}

static void a_token_ends_for_all_and_they_are_told(void **state)
{
    char *token = token_of("{\"sub\":\"ann\",\"exp\":1652087357}"); /* in ten seconds */

    (void)state;
    stage.config.connect_timeout_ms = 100000;
    begin(token, "");
    assert_int_equal(stage.wake_in_ms, 100000);
    say("0");
    assert_int_equal(stage.wake_in_ms, 10000);
    say("0/slow,");
    sio_accept(stage.slow, str_from("", 0));
    buf_clear(&stage.heard);
    fake_us += 9999 * 1000;
    session_woken(stage.session);
    assert_heard("");
    assert_int_equal(stage.wake_in_ms, 1);
    fake_us += 1000;
    session_woken(stage.session);
    assert_closed(REASON_TOKEN_EXPIRED,
                  "[2/slow,[\"error\",{\"code\":\"unauthorized\",\"message\":\"the token has "
                  "expired\"}]][1/slow,][2[\"error\",{\"code\":\"unauthorized\",\"message\":"
                  "\"the token has expired\"}]][1]x/slow;x/;C");
    mem_free(token);
}

static void who_is_sent_away_is_told_disconnect(void **state)
{
    (void)state;
    connected();
    session_close(stage.session, REASON_DISCONNECTED);
    assert_closed(REASON_DISCONNECTED, "[1]x/;C");
    connected();
    session_close(stage.session, REASON_RESTART); /* who comes back is not */
    assert_closed(REASON_RESTART, "x/;C");
    connected();
    stage.room = 0;
    session_close(stage.session, REASON_DISCONNECTED);
    assert_closed(REASON_DISCONNECTED, "x/;C");
}

/* ---- the carrier's words ---- */

static void only_the_connected_are_told(void **state)
{
    (void)state;
    stage.config.rate = 1;
    stage.config.burst = 4;
    begin_as_ann();
    say("0/open,");
    say("0");
    say("0/slow,");
    buf_clear(&stage.heard);
    stage.session->starved = true;
    session_drained(stage.session);
    assert_heard("d/;d/open;");
    session_alive(stage.session);
    assert_heard("a/;a/open;");
    sio_accept(stage.slow, str_from("", 0));
    session_woken(stage.session);
    buf_clear(&stage.heard);
    session_alive(stage.session);
    assert_heard("a/slow;a/;a/open;");
}

static void who_is_too_fast_is_told_by_a_namespace_that_is_there(void **state)
{
    (void)state;
    stage.config.rate = 1;
    stage.config.burst = 2;
    begin_as_ann();
    say("0");
    say("0/slow,");
    buf_clear(&stage.heard);
    say("2[\"a\"]");
    assert_heard("l/;");
    say("2[\"a\"]");
    assert_closed(REASON_RATE, "x/slow;x/;C");
}

static void what_belongs_together_goes_together_or_not_at_all(void **state)
{
    struct str attachments[] = {STR("one"), STR("two")};

    (void)state;
    connected();
    assert_true(sio_emit_binary(io()->sockets, STR("\"a\""), attachments, 2));
    assert_heard("[52-[\"a\"]][3 bytes][3 bytes]");
    sio_ack(io()->sockets, 7, STR("1"), attachments, 1);
    assert_heard("[61-7[1]][3 bytes]");
    stage.room = 0;
    assert_false(sio_emit_binary(io()->sockets, STR("\"a\""), attachments, 2));
    assert_heard("");
    stage.room = 2;
    assert_true(sio_emit_binary(io()->sockets, STR("\"a\""), attachments, 2));
    assert_closed(REASON_SLOW, "[52-[\"a\"]][3 bytes]x/;C");
    stage.room = -1;
    connected();
    stage.room = 0;
    sio_ack(io()->sockets, 7, STR("1"), NULL, 0);
    assert_closed(REASON_SLOW, "x/;C");
}

static void outcomes_are_for_those_who_asked(void **state)
{
    struct sio_event event = {.ack = 3};

    (void)state;
    connected();
    sio_ack_outcome(io()->sockets, &event, NULL, NULL);
    assert_heard("");
    event.wants_ack = true;
    sio_ack_outcome(io()->sockets, &event, NULL, NULL);
    sio_ack_outcome(io()->sockets, &event, "no", "a \"why\"");
    assert_heard("[33[{\"ok\":true}]]"
                 "[33[{\"ok\":false,\"error\":\"no\",\"message\":\"a \\\"why\\\"\"}]]");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_token_of_the_handshake_lets_in),
        TEST(a_token_of_the_connect_counts_instead),
        TEST(a_pid_is_told_and_quoted),
        TEST(who_may_not_come_in_is_connected_told_and_disconnected),
        TEST(a_bad_token_of_the_handshake_is_never_silently_anonymous),
        TEST(a_refused_connect_may_be_said_so),
        TEST(a_namespace_that_is_not_there_is_refused_and_nothing_else),
        TEST(recovery_is_for_all_for_nobody_or_for_who_asks),
        TEST(what_breaks_the_protocol_ends_the_connection),
        TEST(what_is_odd_but_harmless_is_taken),
        TEST(namespaces_do_not_disturb_each_other),
        TEST(a_namespace_may_close_or_disconnect_while_it_is_told),
        TEST(an_event_counts_when_its_attachments_are_there),
        TEST(attachments_come_when_they_are_due_and_only_then),
        TEST(attachments_are_bounded_with_their_packet),
        TEST(an_event_that_waits_for_attachments_may_lose_its_socket),
        TEST(packets_wait_while_somebody_connects),
        TEST(a_refused_connect_lets_go_what_waited),
        TEST(one_connect_after_the_other),
        TEST(what_waits_is_bounded),
        TEST(who_closes_while_somebody_connects_takes_all_with_him),
        TEST(without_a_connect_the_connection_ends),
        TEST(a_connect_that_hangs_is_none),
        TEST(a_token_ends_for_all_and_they_are_told),
        TEST(who_is_sent_away_is_told_disconnect),
        TEST(only_the_connected_are_told),
        TEST(who_is_too_fast_is_told_by_a_namespace_that_is_there),
        TEST(what_belongs_together_goes_together_or_not_at_all),
        TEST(outcomes_are_for_those_who_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
