/* The handshake of a WebSocket: who may enter, and what comes before that is decided. */
#include "test/unit/ws_stage.h"

/* ---- the handshake ---- */

static void a_handshake_is_accepted_by_the_protocol(void **state)
{
    struct client client = talk("GET /open?a=b HTTP/1.1\r\n" HANDSHAKE "\r\n");

    (void)state;
    assert_got(&client, STR(ACCEPTED "\r\n" HELLO));
    assert_heard("oa=b");
    assert_int_equal(
        stage.metrics.connections[METRICS_PROTOCOL_CHAT][METRICS_TRANSPORT_WEBSOCKET], 1);
    assert_int_equal(session_user(proto_side.session).len, 0);
    say(&client, TEXT, STR("bye"));
    say(&client, CLOSE, STR("\x03\xe8"));
    assert_got(&client, STR("\x88\x02\x03\xe8"));
    client_wait_end(&client);
    assert_heard("(bye)c");
    client_close(&client);
}

static void a_token_names_the_user_and_bearer_is_selected(void **state)
{
    char *head = request_with_token("{\"sub\":\"ann\"}", "Sec-WebSocket-Protocol: bearer, ");
    struct client client = talk(head);

    (void)state;
    assert_got(&client, STR(ACCEPTED "Sec-WebSocket-Protocol: bearer\r\n\r\n" HELLO));
    assert_str(session_user(proto_side.session), "ann");
    client_close(&client);
    stage_wait_gone(stage_conn());
    mem_free(head);
}

static void a_bad_handshake_is_refused_before_anything_is_opened(void **state)
{
    static const struct {
        int status;
        const char *head;
    } rows[] = {
        {405, "POST /open HTTP/1.1\r\n" HANDSHAKE "\r\n"},
        {404, "GET /other HTTP/1.1\r\n" HANDSHAKE "\r\n"},
        {401, "GET /closed HTTP/1.1\r\n" HANDSHAKE "\r\n"},
        {401, "GET /closed?token=x HTTP/1.1\r\n" HANDSHAKE "\r\n"},
        {401, "GET /open?token=x HTTP/1.1\r\n" HANDSHAKE "\r\n"}, /* never silently anonymous */
        {403, "GET /open HTTP/1.1\r\nOrigin: https://bad.test\r\n" HANDSHAKE "\r\n"},
        {426, "GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"},
        {426, "GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Key: " KEY "\r\n\r\n"},
        {400, "GET /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"},
        {400, "GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\n\r\n"},
        {400, "GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhl\r\n\r\n"},
        {400, "GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: not base64 at all!!\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = refused(rows[i].head);

        if (status != rows[i].status) {
            fail_msg("%d instead of %d: %s", status, rows[i].status, rows[i].head);
        }
    }
}

static void an_allowed_origin_may_enter(void **state)
{
    struct client client =
        talk("GET /open HTTP/1.1\r\nOrigin: https://good.test\r\n" HANDSHAKE "\r\n");

    (void)state;
    assert_got(&client, STR(ACCEPTED "\r\n" HELLO));
    client_close(&client);
    stage_wait_gone(stage_conn());
}

static void a_protocol_may_refuse_later(void **state)
{
    struct client client;

    (void)state;
    proto_side.wait = true;
    client = talk("GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");
    client_hears_nothing(&client);
    session_refuse(proto_side.session, ERR_UNAVAILABLE, "not now");
    client_wait_end(&client);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 503 ")));
    assert_non_null(strstr(buf_text(&client.got), "\"message\":\"not now\""));
    assert_heard("oc");
    client_close(&client);
}

static void nothing_is_read_before_the_protocol_has_decided(void **state)
{
    struct client client;
    uint64_t before;

    (void)state;
    proto_side.wait = true;
    client = talk("GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");
    client_hears_nothing(&client);
    before = stage_conn()->bytes_in;
    client_push(&client, STR("\x81\x81\x00\x00\x00\x00x"));
    client_hears_nothing(&client);
    assert_int_equal(stage_conn()->bytes_in, before);
    session_accept(proto_side.session);
    for (int i = 0; i < STAGE_PATIENCE && proto_side.heard.len < 4; i++) {
        stage_turn();
    }
    assert_heard("o(x)");
    client_close(&client);
    stage_wait_gone(stage_conn());
}

static void a_protocol_that_never_answers_is_503_after_the_connect_timeout(void **state)
{
    struct client client;

    (void)state;
    proto_side.wait = true;
    client = talk("GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");
    client_hears_nothing(&client);
    stage_pass(9900);
    client_hears_nothing(&client);
    stage_pass(200);
    client_wait_end(&client);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 503 ")));
    assert_heard("oc");
    client_close(&client);
}

/* ---- what comes early ---- */

static void frames_behind_the_handshake_come_in_order(void **state)
{
    static const char *const texts[] = {"one", "two", "three"};
    struct buf bytes = {0};
    size_t head_len;

    (void)state;
    buf_add_text(&bytes, "GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");
    head_len = bytes.len;
    for (int i = 0; i < 3; i++) {
        add_frame(&bytes, TEXT, str_of(texts[i]));
    }
    for (size_t cut = head_len; cut <= bytes.len; cut++) {
        for (int late = 0; late < 2; late++) { /* the rest comes before or after the 101 */
            struct client client = client_open();
            const struct conn *conn = stage_conn();

            proto_side.wait = true;
            client_send(&client, conn, str_from(bytes.at, cut));
            assert_heard("o");
            if (late) {
                session_accept(proto_side.session);
                assert_true(session_say(proto_side.session, STR("hello")));
                client_push(&client, str_skip(buf_str(&bytes), cut));
            } else {
                client_push(&client, str_skip(buf_str(&bytes), cut));
                stage_turn();
                session_accept(proto_side.session);
                assert_true(session_say(proto_side.session, STR("hello")));
            }
            assert_got(&client, STR(ACCEPTED "\r\n" HELLO));
            for (int i = 0; i < STAGE_PATIENCE && proto_side.heard.len < 17; i++) {
                stage_pass(1);
            }
            assert_heard("(one)(two)(three)");
            client_close(&client);
            stage_wait_gone(conn);
            assert_heard("c");
        }
    }
    buf_finish(&bytes);
}

static void first_words_come_before_answers_to_early_frames(void **state)
{
    struct buf bytes = {0};
    struct client client;

    (void)state;
    buf_add_text(&bytes, "GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");
    add_frame(&bytes, PING, STR("?"));
    add_frame(&bytes, CLOSE, STR(""));
    client = client_open();
    client_push(&client, buf_str(&bytes));
    for (int i = 0; i < 100 && !client.ended; i++) {
        stage_pass(1);
        client_look(&client);
    }
    /* the close overtakes the pong, which nobody waits for any more */
    assert_got(&client, STR(ACCEPTED "\r\n" HELLO "\x88\x00"));
    assert_heard("oc");
    client_close(&client);
    buf_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_handshake_is_accepted_by_the_protocol),
        TEST(a_token_names_the_user_and_bearer_is_selected),
        TEST(a_bad_handshake_is_refused_before_anything_is_opened),
        TEST(an_allowed_origin_may_enter),
        TEST(a_protocol_may_refuse_later),
        TEST(nothing_is_read_before_the_protocol_has_decided),
        TEST(a_protocol_that_never_answers_is_503_after_the_connect_timeout),
        TEST(frames_behind_the_handshake_come_in_order),
        TEST(first_words_come_before_answers_to_early_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
