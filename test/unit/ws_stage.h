/* A WebSocket client of a gateway whose protocol writes down what it is told. One include per
 * test. */
#ifndef SEGUE_TEST_WS_STAGE_H
#define SEGUE_TEST_WS_STAGE_H

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

static inline void fake_open(struct session *session, const struct request *request)
{
    buf_add_char(&proto_side.heard, 'o');
    buf_add(&proto_side.heard, request->query);
    proto_side.session = session;
    if (!proto_side.wait) {
        session_accept(session);
        assert_true(session_say(session, STR("hello")));
    }
}

static inline void fake_message(struct session *session, struct str text)
{
    buf_addf(&proto_side.heard, "(%.*s)", STR_ARG(text));
    if (str_equal(text, STR("close me"))) {
        session_close(session, REASON_DISCONNECTED);
    }
}

static inline void fake_limited(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'l');
}

static inline void fake_alive(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'a');
}

static inline void fake_drained(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'd');
}

static inline void fake_closed(struct session *session)
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

static inline void assert_heard(const char *expected)
{
    assert_str(buf_str(&proto_side.heard), expected);
    buf_clear(&proto_side.heard);
}

/* ---- the gateway ---- */

static struct fake_redis redis;

static inline void ignore_event(void *owner)
{
    (void)owner;
}

static const struct store_events store_events = {.up = ignore_event, .down = ignore_event};

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline struct client talk(const char *head)
{
    struct client client = client_open();

    client_push(&client, str_of(head));
    return client;
}

/* Forgets what was received; it must be exactly that. */
static inline void assert_got(struct client *client, struct str expected)
{
    client_wait(client, expected.len);
    if (!str_equal(buf_str(&client->got), expected)) {
        fail_msg("got %zu bytes:\n%.*s", client->got.len, STR_ARG(buf_str(&client->got)));
    }
    buf_clear(&client->got);
}

/* A client beyond the handshake and the first words. */
static inline struct client connected(void)
{
    struct client client = talk("GET /open HTTP/1.1\r\n" HANDSHAKE "\r\n");

    assert_got(&client, STR(ACCEPTED "\r\n" HELLO));
    assert_heard("o");
    return client;
}

static inline void add_frame(struct buf *to, unsigned opcode, struct str payload)
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

static inline void say(struct client *client, unsigned opcode, struct str payload)
{
    const struct conn *conn = stage_conn();
    struct buf frame = {0};

    add_frame(&frame, opcode, payload);
    client_send(client, conn, buf_str(&frame));
    buf_finish(&frame);
}

static inline void add_close(struct buf *to, unsigned code, const char *word)
{
    buf_add_char(to, (char)0x88);
    buf_add_char(to, (char)(2 + strlen(word)));
    buf_add_char(to, (char)(code >> 8));
    buf_add_char(to, (char)code);
    buf_add_text(to, word);
}

/* The gateway says why and hangs up when the client has said so as well; the protocol was told,
 * once. */
static inline void assert_closed(struct client *client, unsigned code, const char *word)
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
static inline int refused(const char *head)
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

static inline char *request_with_token(const char *payload, const char *more)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
