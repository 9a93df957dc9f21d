/* WebSocket on a connection: messages, the heartbeat, the token's end, and every way in which
 * it closes. */
#include "test/unit/ws_stage.h"

/* ---- messages ---- */

static void messages_may_be_cut_anywhere(void **state)
{
    struct client client = connected();
    const struct conn *conn = stage_conn();
    struct buf bytes = {0};

    (void)state;
    stage.config.rate = 0;
    add_frame(&bytes, TEXT, STR("first"));
    add_frame(&bytes, TEXT, STR("second"));
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        client_send(&client, conn, str_from(bytes.at, cut));
        client_send(&client, conn, str_skip(buf_str(&bytes), cut));
        assert_heard("(first)(second)");
    }
    buf_finish(&bytes);
    client_close(&client);
    stage_wait_gone(conn);
}

static void an_idle_connection_holds_no_parser(void **state)
{
    enum {
        CLIENTS = 10
    };
    struct client clients[CLIENTS];

    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connected();
    }
    for (int i = 0; i < CLIENTS; i++) { /* the youngest connection is that of the last client */
        say(&clients[CLIENTS - 1], TEXT, STR("x"));
    }
    assert_int_equal(stage.net->readers.count, 1);
    client_send(&clients[CLIENTS - 1], stage_conn(), STR("\x81\x82"));
    assert_int_equal(stage.net->readers.count, 0); /* in mid frame it is borrowed */
    for (int i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
    while (stage_conn() != NULL) {
        stage_wait_gone(stage_conn());
    }
}

static void what_is_not_understood_closes_with_its_code(void **state)
{
    static const struct {
        struct str bytes;
        unsigned code;
        const char *word;
    } rows[] = {
        {{"\x82\x81\x00\x00\x00\x00x", 7}, 1003, "unsupported data"},
        {{"\x81\x81\x00\x00\x00\x00\xff", 7}, 1007, "invalid text"},
        {{"\x81\x01x", 3}, 1002, "protocol error"},
        {{"\xc1\x81\x00\x00\x00\x00x", 7}, 1002, "protocol error"},
        {{"\x88\x81\x00\x00\x00\x00x", 7}, 1002, "protocol error"},
        {{"\x81\xfe\x40\x01\x00\x00\x00\x00", 8}, 1009, "message too big"},
        {{"\x81\xff\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00", 14},
         1009,
         "message too big"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = connected();

        client_push(&client, rows[i].bytes);
        assert_closed(&client, rows[i].code, rows[i].word);
    }
}

static void a_protocol_may_close_while_it_is_told(void **state)
{
    struct client client = connected();
    struct buf bytes = {0};

    (void)state;
    add_frame(&bytes, TEXT, STR("close me"));
    add_frame(&bytes, TEXT, STR("too late"));
    add_frame(&bytes, PING, STR("too late"));
    client_push(&client, buf_str(&bytes));
    client_wait(&client, 2);
    assert_heard("(close me)c");
    buf_add_char(&proto_side.heard, 'c');
    assert_closed(&client, 4403, "disconnected by operator");
    buf_finish(&bytes);
}

/* However the frames are cut: the client's close frame may come with what closed it. */
static void who_is_closed_may_say_farewell_at_once(void **state)
{
    struct buf bytes = {0}, expected = {0};
    size_t first;

    (void)state;
    add_close(&expected, 4403, "disconnected by operator");
    add_frame(&bytes, TEXT, STR("close me"));
    first = bytes.len;
    add_frame(&bytes, TEXT, STR("too late"));
    add_frame(&bytes, CLOSE, STR("\x03\xe8"));
    for (size_t cut = first; cut <= bytes.len; cut++) {
        struct client client = connected();

        client_send(&client, stage_conn(), str_from(bytes.at, cut));
        client_wait(&client, expected.len);
        assert_false(client.ended && cut < bytes.len);
        client_push(&client, str_skip(buf_str(&bytes), cut));
        client_wait_end(&client);
        assert_got(&client, buf_str(&expected));
        assert_heard("(close me)c");
        client_close(&client);
        stage_wait_gone(stage_conn());
    }
    buf_finish(&bytes);
    buf_finish(&expected);
}

static void who_says_no_farewell_has_a_second(void **state)
{
    struct client client = connected();
    struct buf bytes = {0}, expected = {0};

    (void)state;
    add_frame(&bytes, TEXT, STR("not yet"));
    add_close(&expected, 1008, "rate limited");
    session_close(proto_side.session, REASON_RATE);
    client_wait(&client, expected.len);
    client_push(&client, buf_str(&bytes));
    client_hears_nothing(&client);
    stage_pass(1100);
    client_wait_end(&client);
    assert_got(&client, buf_str(&expected));
    assert_heard("c");
    client_close(&client);
    buf_finish(&bytes);
    buf_finish(&expected);
}

static void who_breaks_the_protocol_instead_is_not_waited_for(void **state)
{
    struct client client = connected();

    (void)state;
    session_close(proto_side.session, REASON_RATE);
    client_wait(&client, 4);
    client_push(&client, STR("\x81\x01x")); /* no mask */
    client_wait_end(&client);
    assert_heard("c");
    client_close(&client);
}

static void every_reason_with_a_code_is_said(void **state)
{
    static const struct {
        enum reason reason;
        unsigned code;
        const char *word;
    } rows[] = {
        {REASON_GOING_AWAY, 1001, "going away"},
        {REASON_RATE, 1008, "rate limited"},
        {REASON_INTERNAL, 1011, "internal error"},
        {REASON_RESTART, 1012, "service restart"},
        {REASON_SLOW, 1013, "slow consumer"},
        {REASON_UNAVAILABLE, 1013, "try again later"},
        {REASON_TOKEN_EXPIRED, 4401, "token expired"},
        {REASON_HEARTBEAT, 4408, "heartbeat missed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = connected();

        session_close(proto_side.session, rows[i].reason);
        assert_closed(&client, rows[i].code, rows[i].word);
    }
}

static void a_close_is_echoed_and_nothing_behind_it_is_heard(void **state)
{
    struct client client = connected();
    struct buf bytes = {0};

    (void)state;
    add_frame(&bytes, CLOSE,
              STR("\x03\xe9"
                  "bye"));
    add_frame(&bytes, TEXT, STR("too late"));
    client_push(&client, buf_str(&bytes));
    client_wait_end(&client);
    assert_got(&client, STR("\x88\x05\x03\xe9"
                            "bye"));
    assert_heard("c");
    client_close(&client);
    buf_finish(&bytes);
}

static void a_client_may_vanish_at_any_moment(void **state)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct client client = connected();

        client_send(&client, stage_conn(), STR("\x81\x85\x00")); /* with a parser borrowed */
        if (reset) {
            setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        }
        client_close(&client);
        stage_wait_gone(stage_conn());
        assert_heard("c");
    }
}

/* ---- time ---- */

static void a_client_that_answers_pings_stays(void **state)
{
    struct client client = connected();

    (void)state;
    for (int beat = 0; beat < 6; beat++) {
        stage_pass(24500);
        client_hears_nothing(&client);
        stage_pass(600);
        assert_got(&client, STR("\x89\x00"));
        assert_heard("");
        say(&client, PONG, STR(""));
        assert_heard("a");
    }
    client_close(&client);
    stage_wait_gone(stage_conn());
}

static void a_missed_pong_is_4408(void **state)
{
    struct client client = connected();

    (void)state;
    say(&client, PONG, STR("unasked")); /* counts for nothing */
    stage_pass(25100);
    assert_got(&client, STR("\x89\x00"));
    assert_heard("");
    stage_pass(10000);
    say(&client, TEXT, STR("x")); /* a message is no pong */
    stage_pass(9700);
    client_hears_nothing(&client);
    assert_heard("(x)");
    stage_pass(300);
    assert_closed(&client, 4408, "heartbeat missed");
}

static void a_pause_of_our_own_is_not_the_clients_fault(void **state)
{
    struct client client = connected();
    struct buf pong = {0};

    (void)state;
    stage_pass(25100);
    assert_got(&client, STR("\x89\x00"));
    add_frame(&pong, PONG, STR(""));
    client_push(&client, buf_str(&pong)); /* lies in the socket ... */
    usleep(1000);
    fake_us += 60ull * FAKE_US_PER_S; /* ... while the process is stopped */
    stage_turn();
    stage_pass(100);
    assert_heard("a");
    assert_got(&client, STR("\x89\x00")); /* the next ping was due */
    client_hears_nothing(&client);
    buf_finish(&pong);
    client_close(&client);
    stage_wait_gone(stage_conn());
}

static void the_silence_before_a_missed_pong_is_known(void **state)
{
    struct client client = connected();
    const struct session *session = proto_side.session;

    (void)state;
    say(&client, TEXT, STR("x"));
    stage_pass(25100);
    assert_got(&client, STR("\x89\x00"));
    for (int i = 0; i < 2100 && session->state == SESSION_OPEN; i++) {
        stage_pass(10);
    }
    assert_in_range(session->silent_ms, 44900, 45200); /* the session lives a little longer */
    buf_clear(&proto_side.heard);
    buf_add_char(&proto_side.heard, 'c');
    assert_closed(&client, 4408, "heartbeat missed");
}

static void a_longer_timeout_than_interval_keeps_the_first_pings_limit(void **state)
{
    struct client client;

    (void)state;
    stage.config.ping_interval_ms = 1000;
    stage.config.ping_timeout_ms = 3500;
    client = connected();
    stage_pass(4400);
    assert_got(&client, STR("\x89\x00\x89\x00\x89\x00\x89\x00"));
    client_hears_nothing(&client);
    stage_pass(200);
    assert_closed(&client, 4408, "heartbeat missed");
}

static void a_connection_ends_with_its_token(void **state)
{
    char payload[64];
    char *head;
    struct client client;

    (void)state;
    snprintf(payload, sizeof(payload), "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)FAKE_EPOCH_S + (long long)(fake_us / FAKE_US_PER_S) + 8);
    head = request_with_token(payload, "Authorization: Bearer ");
    client = talk(head);
    assert_got(&client, STR(ACCEPTED "\r\n" HELLO));
    stage_pass(6900);
    client_hears_nothing(&client);
    stage_pass(1200);
    assert_heard("oc");
    buf_add_char(&proto_side.heard, 'c');
    assert_closed(&client, 4401, "token expired");
    mem_free(head);
}

static void an_expired_token_is_401(void **state)
{
    char payload[64];
    char *head;

    (void)state;
    snprintf(payload, sizeof(payload), "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)FAKE_EPOCH_S + (long long)(fake_us / FAKE_US_PER_S) - 1);
    head = request_with_token(payload, "Authorization: Bearer ");
    assert_int_equal(refused(head), 401);
    mem_free(head);
}

/* ---- bounds ---- */

static void a_client_that_does_not_read_finds_the_session_starved(void **state)
{
    struct client client = connected();
    char *text = mem_alloc(65536);
    uint64_t sent = 0;

    (void)state;
    memset(text, 'x', 65536);
    while (session_say(proto_side.session, str_from(text, 65536))) {
        sent++;
        stage_turn();
        assert_in_range(sent, 1, 1000);
    }
    assert_heard("");
    client_wait(&client, sent * (65536 + 10)); /* it reads */
    for (int i = 0; i < 10; i++) {
        stage_turn();
    }
    assert_heard("d");
    assert_true(session_say(proto_side.session, STR("again")));
    mem_free(text);
    client_close(&client);
    stage_wait_gone(stage_conn());
}

static void pings_count_as_messages_do(void **state)
{
    struct client client = connected();
    struct buf bytes = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        add_frame(&bytes, PING, STR("p"));
    }
    client_send(&client, stage_conn(), buf_str(&bytes));
    client_wait(&client, 300);
    assert_heard("");
    client_push(&client, buf_str(&bytes)); /* another burst above the rate */
    client_wait(&client, 300 + 16);
    client_part(&client);
    assert_heard("lc");
    assert_memory_equal(client.got.at + client.got.len - 16, "\x88\x0e\x03\xf0rate limited",
                        16);
    buf_finish(&bytes);
    client_close(&client);
}

/* ---- the end of the process ---- */

#define RESTART STR("\x88\x11\x03\xf4service restart")

static void drain(void)
{
    stage.services.draining = true;
    net_drain(stage.net, 0);
    stage_pass(50);
}

static void a_drain_says_1012_and_refuses_who_is_not_in_yet(void **state)
{
    struct client inside = connected();
    struct client waiting;

    (void)state;
    proto_side.wait = true;
    waiting = talk("GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");
    client_hears_nothing(&waiting);
    drain();
    client_wait_end(&waiting);
    assert_true(str_starts(buf_str(&waiting.got), STR("HTTP/1.1 503 ")));
    client_wait(&inside, RESTART.len);
    client_part(&inside);
    assert_got(&inside, RESTART);
    client_close(&inside);
    client_close(&waiting);
}

static void what_was_said_before_the_restart_was_known_is_taken(void **state)
{
    struct client client = connected();
    struct buf bytes = {0};

    (void)state;
    drain();
    add_frame(&bytes, TEXT, STR("on its way"));
    add_frame(&bytes, PING, STR("p"));
    client_send(&client, stage_conn(), buf_str(&bytes));
    assert_heard("(on its way)");
    assert_true(session_say(proto_side.session, STR("an answer")));
    stage_pass(500); /* no ping either */
    buf_clear(&bytes);
    add_frame(&bytes, TEXT, STR("and this"));
    add_frame(&bytes, CLOSE, STR("\x03\xf4"));
    client_push(&client, buf_str(&bytes));
    client_wait_end(&client);
    assert_heard("(and this)c");
    assert_got(&client, RESTART); /* and nothing behind it */
    buf_finish(&bytes);
    client_close(&client);
}

static void who_does_not_answer_the_restart_has_five_seconds(void **state)
{
    struct client client = connected();
    const struct conn *conn = stage_conn();

    (void)state;
    net_drain(stage.net, 60000);
    stage_pass(50);
    client_wait(&client, RESTART.len);
    stage_pass(4900);
    assert_true(stage_has(conn) && conn->state == CONN_OPEN);
    stage_pass(200);
    client_wait_end(&client);
    assert_got(&client, RESTART);
    assert_heard("c");
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_may_be_cut_anywhere),
        TEST(an_idle_connection_holds_no_parser),
        TEST(what_is_not_understood_closes_with_its_code),
        TEST(a_protocol_may_close_while_it_is_told),
        TEST(who_is_closed_may_say_farewell_at_once),
        TEST(who_says_no_farewell_has_a_second),
        TEST(who_breaks_the_protocol_instead_is_not_waited_for),
        TEST(every_reason_with_a_code_is_said),
        TEST(a_close_is_echoed_and_nothing_behind_it_is_heard),
        TEST(a_client_may_vanish_at_any_moment),
        TEST(a_client_that_answers_pings_stays),
        TEST(a_missed_pong_is_4408),
        TEST(a_pause_of_our_own_is_not_the_clients_fault),
        TEST(the_silence_before_a_missed_pong_is_known),
        TEST(a_longer_timeout_than_interval_keeps_the_first_pings_limit),
        TEST(a_connection_ends_with_its_token),
        TEST(an_expired_token_is_401),
        TEST(a_client_that_does_not_read_finds_the_session_starved),
        TEST(pings_count_as_messages_do),
        TEST(a_drain_says_1012_and_refuses_who_is_not_in_yet),
        TEST(what_was_said_before_the_restart_was_known_is_taken),
        TEST(who_does_not_answer_the_restart_has_five_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
