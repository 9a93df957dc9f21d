/* A Socket.IO session with the test on both sides: the carrier that brings packets and takes
 * them, and the namespaces behind it, which write down what they are told. One include per
 * test.
 */
#ifndef SEGUE_TEST_SIO_STAGE_H
#define SEGUE_TEST_SIO_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/pack.h"
#include "gateway/proto/socketio_core.h"
#include "test/unit/fake_redis.h"
#include "test/unit/token.h"

#define SECRET "secret"

enum {
    NEVER = -1,
    CONNECT_TIMEOUT_MS = 10000
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    struct buf heard; /* the carrier: [packets] P)ause r)esume S)ettled C)lose; the namespaces:
                         see below */
    int room;         /* messages that still fit; -1 = any number */
    int64_t wake_in_ms; /* what was asked for last; NEVER */
    enum reason reason;
    const char *pid;                        /* what "/" tells its clients */
    struct sio_socket *slow;                /* the youngest of "/slow" */
    struct sio_event *seen;                 /* borrowed: the event that is being told */
    void (*act)(struct sio_socket *socket); /* what "/" does when an event comes */
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static inline bool carry_send(void *carrier, struct msg *msg)
{
    struct str payload = msg_payload(msg);

    (void)carrier;
    if (stage.room == 0) {
        return false;
    }
    stage.room -= stage.room > 0;
    if (msg->binary) {
        buf_addf(&stage.heard, "[%zu bytes]", payload.len);
    } else {
        assert_int_equal(payload.at[0], '4');
        buf_addf(&stage.heard, "[%.*s]", STR_ARG(str_skip(payload, 1)));
    }
    return true;
}

static inline void carry_wake(void *carrier, uint64_t in_ms)
{
    (void)carrier;
    stage.wake_in_ms = (int64_t)in_ms;
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_WEBSOCKET,
                                           .accept = carry_nothing,
                                           .refuse = carry_no_refusal,
                                           .send = carry_send,
                                           .trim = carry_nothing,
                                           .pause = carry_pause,
                                           .wake = carry_wake,
                                           .settled = carry_settled,
                                           .close = carry_close};

/* What was heard since the last look, ids of sockets as ID. */
static inline void assert_heard(const char *expected)
{
    char *at = (char *)buf_text(&stage.heard);

    while ((at = strstr(at, "{\"sid\":\"")) != NULL) {
        at += strlen("{\"sid\":\"");
        at[0] = 'I';
        at[1] = 'D';
        memmove(at + 2, at + SIO_ID_LENGTH, strlen(at + SIO_ID_LENGTH) + 1);
    }
    assert_string_equal(stage.heard.at, expected);
    buf_clear(&stage.heard);
}

static inline void assert_closed(enum reason reason, const char *expected)
{
    assert_heard(expected);
    assert_int_equal(stage.reason, reason);
    assert_true(stage.session->state == SESSION_CLOSED);
}

/* ---- the namespaces ----
 *
 * "/" asks for a token and lets in at once, "/slow" when the test says so, "/open" whoever
 * comes. c)onnected with `auth`, e)vent, l)imited, a)live, d)rained, x: closed, each with the
 * first letters of its namespace. */

static inline void note(const struct sio_socket *socket, const char *what)
{
    buf_addf(&stage.heard, "%s%.*s;", what, STR_ARG(socket->space->name));
}

static inline void root_connect(struct sio_socket *socket, const cJSON *auth)
{
    buf_addf(&stage.heard, "c/%.*s%s;", (int)socket->identity.user_len,
             socket->identity.user != NULL ? socket->identity.user : "",
             auth != NULL ? "+" : "");
    sio_accept(socket, str_of(stage.pid));
}

static inline void slow_connect(struct sio_socket *socket, const cJSON *auth)
{
    (void)auth;
    note(socket, "c");
    stage.slow = socket;
}

static inline void open_connect(struct sio_socket *socket, const cJSON *auth)
{
    (void)auth;
    note(socket, "c");
    sio_accept(socket, str_from("", 0));
}

static inline void space_event(struct sio_socket *socket, const struct sio_event *event)
{
    buf_addf(&stage.heard, "e%.*s:%.*s(%.*s)", STR_ARG(socket->space->name),
             STR_ARG(event->name), STR_ARG(event->args));
    if (event->wants_ack) {
        buf_addf(&stage.heard, "#%llu", (unsigned long long)event->ack);
    }
    for (unsigned i = 0; i < event->attachment_count; i++) {
        buf_addf(&stage.heard, "<%.*s>", STR_ARG(event->attachments[i]));
    }
    buf_add_char(&stage.heard, ';');
    if (stage.act != NULL) {
        stage.act(socket);
    }
}

static inline void space_limited(struct sio_socket *socket)
{
    note(socket, "l");
}

static inline void space_alive(struct sio_socket *socket)
{
    note(socket, "a");
}

static inline void space_drained(struct sio_socket *socket)
{
    note(socket, "d");
}

static inline void space_closed(struct sio_socket *socket)
{
    note(socket, "x");
    if (stage.slow == socket) {
        stage.slow = NULL;
    }
}

static inline void root_offset(struct sio_socket *socket, struct buf *to)
{
    if (stage.pid[0] != '\0') {
        buf_addf(to, "offset of %.*s", (int)socket->identity.user_len, socket->identity.user);
    }
}

static inline void space_save(struct sio_socket *socket, struct buf *to)
{
    buf_addf(to, "state of %.*s", STR_ARG(socket->space->name));
}

static inline void space_marks(struct sio_socket *socket, struct buf *to)
{
    buf_addf(to, "marks of %.*s", STR_ARG(socket->space->name));
}

static inline bool space_load(struct sio_socket *socket, struct str saved, struct str marks)
{
    buf_addf(&stage.heard, "L%.*s(%.*s)(%.*s);", STR_ARG(socket->space->name), STR_ARG(saved),
             STR_ARG(marks));
    return !str_equal(saved, STR("spoilt"));
}

#define SPACE(path, whose, enters, more)                                                       \
    {                                                                                          \
        .name = {path, sizeof(path) - 1}, .proto = (whose), .size = sizeof(struct sio_socket), \
        .connect = (enters), .event = space_event, .limited = space_limited,                   \
        .alive = space_alive, .drained = space_drained, .closed = space_closed,                \
        .save = space_save, .marks = space_marks, .load = space_load, .offset = (more)         \
    }

static const struct sio_space root_space = SPACE("/", "playback", root_connect, root_offset);
static const struct sio_space slow_space = SPACE("/slow", NULL, slow_connect, NULL);
static const struct sio_space open_space = SPACE("/open", "chat", open_connect, NULL);
static const struct sio_space *const test_spaces[] = {&root_space, &slow_space, &open_space,
                                                      NULL};
static const struct socketio_proto test_row = {.proto = {.name = "playback", SOCKETIO_ROW},
                                               .spaces = test_spaces};

/* ---- life ---- */

#include "test/unit/store_stage.h"

static inline bool on_watch(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
    return true;
}

static inline void on_unwatch(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
}

static const struct hub_events hub_events = {on_watch, on_unwatch, NULL};

static inline int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.pid = "";
    stage.room = -1;
    stage.wake_in_ms = NEVER;
    stage.config.burst = 100;
    stage.config.max_message = 16384;
    stage.config.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    stage.config.jwt_secret = SECRET;
    stage.config.anonymous = (struct config_list){{"chat"}, 1};
    stage_begin();
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
    stage.services.hub = hub_create(&hub_events, NULL, &stage.metrics.channels);
    return stage_connect(&no_events);
}

static inline int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    stage_stop();
    store_destroy(stage.services.store);
    hub_destroy(stage.services.hub);
    auth_destroy(stage.services.auth);
    buf_finish(&stage.heard);
    return uv_loop_close(&stage.loop);
}

static inline char *token_of(const char *payload)
{
    struct buf token =
        token_sign("{\"alg\":\"HS256\"}", payload, EVP_sha256(), NULL, STR(SECRET));

    buf_text(&token);
    return buf_take(&token);
}

/* A session whose handshake had this token (NULL = none) and query. */
static inline void begin(const char *token, const char *query)
{
    struct request request = {.method = STR("GET"), .query = str_of(query)};
    struct buf bearer = {0};

    if (token != NULL) {
        buf_addf(&bearer, "Bearer %s", token);
        request.headers[request.header_count++] =
            (struct request_header){STR("Authorization"), buf_str(&bearer)};
    }
    session_destroy(stage.session);
    stage.session = session_create(&stage.services, &test_row.proto, &transport, NULL, NULL);
    buf_clear(&stage.heard);
    stage.session->proto->open(stage.session, &request);
    buf_finish(&bearer);
}

static inline void begin_as_ann(void)
{
    char *token = token_of("{\"sub\":\"ann\"}");

    begin(token, "");
    mem_free(token);
}

static inline void say(const char *text)
{
    session_receive(stage.session, str_of(text));
}

static inline void say_binary(const char *bytes)
{
    session_receive_binary(stage.session, str_of(bytes));
}

/* Ann, connected to "/". */
static inline void connected(void)
{
    begin_as_ann();
    say("0");
    assert_heard("c/ann;[0{\"sid\":\"ID\"}]");
}

static inline struct socketio *io(void)
{
    return socketio_of(stage.session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
