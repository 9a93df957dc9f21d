/* WebSocket on a connection: the handshake, what comes early, the heartbeat, the token's end,
 * and every way in which it closes. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "test/unit/door_stage.h"
#include "test/unit/fake_redis.h"
#include "test/unit/token.h"

#define SECRET "secret"
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE                                                                              \
    "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"                     \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define ACCEPTED                                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"        \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define HELLO "\x81\x05hello"

enum {
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10
};

/* A protocol that writes down what it is told: o)pen, messages, l)imited, a)live, d)rained,
 * c)losed. */
static struct {
    struct buf heard;
    struct session *session; /* the youngest */
    bool wait;               /* it does not accept by itself */
} proto_side;

static void fake_open(struct session *session, const struct request *request)
{
    buf_add_char(&proto_side.heard, 'o');
    buf_add(&proto_side.heard, request->query);
    proto_side.session = session;
    if (!proto_side.wait) {
        session_accept(session);
        assert_true(session_say(session, STR("hello")));
    }
}

static void fake_message(struct session *session, struct str text)
{
    buf_addf(&proto_side.heard, "(%.*s)", STR_ARG(text));
    if (str_equal(text, STR("close me"))) {
        session_close(session, REASON_DISCONNECTED);
    }
}

static void fake_limited(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'l');
}

static void fake_alive(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'a');
}

static void fake_drained(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'd');
}

static void fake_closed(struct session *session)
{
    if (proto_side.session == session) {
        proto_side.session = NULL;
    }
    buf_add_char(&proto_side.heard, 'c');
}

#define ROW(word, text)                                                                        \
    {                                                                                          \
        .name = (word), .paths = (const char *const[]){(text), NULL},                          \
        .metric = METRICS_PROTOCOL_CHAT, .size = sizeof(struct session), .open = fake_open,    \
        .message = fake_message, .limited = fake_limited, .alive = fake_alive,                 \
        .drained = fake_drained, .closed = fake_closed                                         \
    }

static const struct proto open_proto = ROW("open", "/open");
static const struct proto closed_proto = ROW("closed", "/closed");
static const struct proto *const protos[] = {&open_proto, &closed_proto, NULL};

static void assert_heard(const char *expected)
{
    assert_str(buf_str(&proto_side.heard), expected);
    buf_clear(&proto_side.heard);
}

/* ---- the gateway ---- */

static struct fake_redis redis;

static void ignore_event(void *owner)
{
    (void)owner;
}

static const struct store_events store_events = {.up = ignore_event, .down = ignore_event};

static int setup(void **state)
{
    struct url url = {0};

    (void)state;
    memset(&proto_side, 0, sizeof(proto_side));
    stage_setup(protos);
    fake_redis_open(&redis, &stage.loop);
    url = fake_redis_url(&redis);
    stage.services.store =
        store_create(&stage.loop, &url, NULL, &stage.metrics, &store_events, NULL);
    store_start(stage.services.store);
    stage.config.jwt_secret = SECRET;
    stage.config.anonymous = (struct config_list){{"open"}, 1};
    stage.config.origins = (struct config_list){{"https://good.test"}, 1};
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
    open_door();
    for (int i = 0; i < 10; i++) {
        stage_turn();
    }
    assert_true(store_is_up(stage.services.store));
    return 0;
}

static int teardown(void **state)
{
    struct store *store = stage.services.store;
    uint64_t counted =
        stage.metrics.connections[METRICS_PROTOCOL_CHAT][METRICS_TRANSPORT_WEBSOCKET];
    int result;

    (void)state;
    listen_close(door);
    store_stop(store);
    fake_redis_close(&redis);
    result = stage_teardown();
    store_destroy(store);
    auth_destroy(stage.services.auth);
    buf_finish(&proto_side.heard);
    return counted == 0 ? result : -1;
}

/* ---- the client ---- */

static struct client talk(const char *head)
{
    struct client client = client_open();

    client_push(&client, str_of(head));
    return client;
}

/* Forgets what was received; it must be exactly that. */
static void assert_got(struct client *client, struct str expected)
{
    client_wait(client, expected.len);
    if (!str_equal(buf_str(&client->got), expected)) {
        fail_msg("got %zu bytes:\n%.*s", client->got.len, STR_ARG(buf_str(&client->got)));
    }
    buf_clear(&client->got);
}

/* A client beyond the handshake and the first words. */
static struct client connected(void)
{
    struct client client = talk("GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");

    assert_got(&client, STR(ACCEPTED "\r\n" HELLO));
    assert_heard("o");
    return client;
}

static void add_frame(struct buf *to, unsigned opcode, struct str payload)
{
    static const char mask[] = "\x12\x34\x56\x78";

    buf_add_char(to, (char)(0x80 | opcode));
    assert_true(payload.len < 126);
    buf_add_char(to, (char)(0x80 | payload.len));
    buf_add(to, STR("\x12\x34\x56\x78"));
    for (size_t i = 0; i < payload.len; i++) {
        buf_add_char(to, (char)(payload.at[i] ^ mask[i % 4]));
    }
}

static void say(struct client *client, unsigned opcode, struct str payload)
{
    const struct conn *conn = stage_conn();
    struct buf frame = {0};

    add_frame(&frame, opcode, payload);
    client_send(client, conn, buf_str(&frame));
    buf_finish(&frame);
}

static void add_close(struct buf *to, unsigned code, const char *word)
{
    buf_add_char(to, (char)0x88);
    buf_add_char(to, (char)(2 + strlen(word)));
    buf_add_char(to, (char)(code >> 8));
    buf_add_char(to, (char)code);
    buf_add_text(to, word);
}

/* The gateway says why and hangs up when the client has said so as well; the protocol was told,
 * once. */
static void assert_closed(struct client *client, unsigned code, const char *word)
{
    struct buf expected = {0};

    add_close(&expected, code, word);
    client_wait(client, expected.len);
    client_part(client);
    if (!str_equal(buf_str(&client->got), buf_str(&expected))) {
        fail_msg("got %zu bytes: %.*s", client->got.len, STR_ARG(buf_str(&client->got)));
    }
    assert_null(proto_side.session);
    assert_int_equal(proto_side.heard.at[proto_side.heard.len - 1], 'c');
    buf_clear(&proto_side.heard);
    buf_finish(&expected);
    client_close(client);
    stage_wait_gone(stage_conn());
}

/* The status of a handshake that is refused. */
static int refused(const char *head)
{
    struct client client = talk(head);
    int status;

    client_wait(&client, 12);
    status = atoi(client.got.at + 9);
    assert_heard("");
    client_close(&client);
    stage_wait_gone(stage_conn());
    return status;
}

static char *request_with_token(const char *payload, const char *more)
{
    struct buf token =
        token_sign("{\"alg\":\"HS256\"}", payload, EVP_sha256(), NULL, STR(SECRET));
    struct buf head = {0};

    buf_addf(&head, "GET /closed HTTP/1.1\r\n%s%s%.*s\r\n\r\n", HANDSHAKE, more,
             STR_ARG(buf_str(&token)));
    buf_text(&head);
    buf_finish(&token);
    return buf_take(&head);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
