/* Engine.IO with the test on all sides: clients are plain sockets, Redis is played, and so is
 * the protocol, which writes down what it is told and does what it is told to do. One include
 * per test. */
#ifndef SEGUE_TEST_EIO_STAGE_H
#define SEGUE_TEST_EIO_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/pack.h"
#include "gateway/net/eio.h"
#include "gateway/store/keys.h"
#include "test/unit/door_stage.h"
#include "test/unit/fake_redis.h"

#define SID     "0123456789abcdefGH-_"
#define CHANNEL "segue:eio:{" SID "}"

/* ---- the protocol ---- */

/* o)pened, (a message), [bytes], L)oaded with state and marks, a)live, w)oken, l)imited,
 * F)arewell, c)losed. A message may ask for something: see fake_message. */
static struct {
    struct buf heard;
    struct session *session; /* the youngest */
    const char *words;       /* what it says when it is loaded; NULL = nothing */
    const char *saved;       /* what it saves */
    bool spoilt;             /* what was saved can't be read */
    bool waits;              /* something is under way when it is loaded */
} proto_side;

static inline void fake_open(struct session *session, const struct request *request)
{
    (void)request;
    buf_add_char(&proto_side.heard, 'o');
    proto_side.session = session;
    session_accept(session);
}

static const struct {
    const char *word;
    enum reason reason;
} fake_reasons[] = {
    {"end", REASON_SLOW},
    {"away", REASON_UNAVAILABLE},
    {"dismiss", REASON_DISCONNECTED},
    {"expire", REASON_TOKEN_EXPIRED},
};

static inline void fake_message(struct session *session, struct str text)
{
    buf_addf(&proto_side.heard, "(%.*s)", STR_ARG(text));
    if (str_starts(text, STR("say "))) {
        session_say(session, str_skip(text, 4));
    } else if (str_equal(text, STR("begin"))) {
        session_begin(session);
    } else if (str_equal(text, STR("hold"))) {
        session->holding++;
        session_begin(session);
    }
    for (size_t i = 0; i < sizeof(fake_reasons) / sizeof(fake_reasons[0]); i++) {
        if (str_equal(text, str_of(fake_reasons[i].word))) {
            session_close(session, fake_reasons[i].reason);
        }
    }
}

static inline void fake_binary(struct session *session, struct str bytes)
{
    struct msg *msg = msg_binary(bytes);

    buf_addf(&proto_side.heard, "[%zu]", bytes.len);
    session_send(session, msg);
    msg_unref(msg);
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

static inline void fake_woken(struct session *session)
{
    (void)session;
    buf_add_char(&proto_side.heard, 'w');
}

static inline void fake_farewell(struct session *session, enum reason reason)
{
    buf_add_char(&proto_side.heard, 'F');
    if (reason == REASON_DISCONNECTED) {
        session_say(session, STR("farewell"));
    }
}

static inline void fake_closed(struct session *session)
{
    if (proto_side.session == session) {
        proto_side.session = NULL;
    }
    buf_add_char(&proto_side.heard, session->brief ? 'b' : 'c');
}

static inline void fake_save(struct session *session, struct buf *to)
{
    (void)session;
    buf_add_text(to, proto_side.saved != NULL ? proto_side.saved : "saved");
}

static inline void fake_marks(struct session *session, struct buf *to)
{
    (void)session;
    buf_add_text(to, "marks");
}

static inline bool fake_load(struct session *session, struct str saved, struct str marks)
{
    buf_addf(&proto_side.heard, "L%.*s,%.*s%s;", STR_ARG(saved), STR_ARG(marks),
             session->deaf ? ",deaf" : "");
    proto_side.session = session;
    if (proto_side.words != NULL) {
        session_say(session, str_of(proto_side.words));
    }
    if (proto_side.waits) {
        session_begin(session);
    }
    return !proto_side.spoilt;
}

static inline void fake_stamp(struct session *session, struct str text, struct buf *to)
{
    (void)session;
    for (size_t i = 0; i < text.len; i++) {
        buf_add_char(to, text.at[i] == '\x1f' ? '!' : text.at[i]);
    }
}

static const struct proto fake_proto = {
    .name = "fake",
    .paths = (const char *const[]){"/e/", NULL},
    .engine = true,
    .metric = METRICS_PROTOCOL_CHAT,
    .size = sizeof(struct session),
    .open = fake_open,
    .message = fake_message,
    .binary = fake_binary,
    .limited = fake_limited,
    .alive = fake_alive,
    .drained = fake_drained,
    .woken = fake_woken,
    .farewell = fake_farewell,
    .closed = fake_closed,
    .save = fake_save,
    .marks = fake_marks,
    .load = fake_load,
    .stamp = fake_stamp,
};
static const struct proto *const fake_protos[] = {&fake_proto, NULL};

static inline void assert_heard(const char *expected)
{
    assert_str(buf_str(&proto_side.heard), expected);
    buf_clear(&proto_side.heard);
}

/* ---- the gateway, tied as main does it ---- */

static struct fake_redis redis;
static char claim[32]; /* the youngest that Redis was told */

#include "test/unit/ties.h"

static inline void turns(void)
{
    for (int i = 0; i < 10; i++) {
        stage_turn();
    }
}

/* Time goes on, and what it brought reaches Redis. */
static inline void pass(uint64_t ms)
{
    stage_pass(ms);
    turns();
}

static inline int setup(void **state)
{
    struct url url = {0};

    (void)state;
    memset(&proto_side, 0, sizeof(proto_side));
    memset(claim, 0, sizeof(claim));
    keys_setup("segue:");
    stage_setup(fake_protos);
    stage.config.max_batch = 1000;
    stage.config.origins = (struct config_list){{"*"}, 1};
    fake_redis_open(&redis, &stage.loop);
    url = fake_redis_url(&redis);
    stage.services.hub = hub_create(&hub_events, NULL, &stage.metrics.channels);
    stage.services.store =
        store_create(&stage.loop, &url, NULL, &stage.metrics, &store_events, NULL);
    store_start(stage.services.store);
    open_door();
    turns();
    return store_is_up(stage.services.store) ? 0 : -1;
}

/* Nothing is left: no session, no channel, no handle. */
static inline int teardown(void **state)
{
    const uint64_t *counted = stage.metrics.connections[METRICS_PROTOCOL_CHAT];
    int result;

    (void)state;
    listen_close(door);
    net_close(stage.net);
    turns();
    store_stop(stage.services.store);
    fake_redis_close(&redis);
    turns();
    result = stage.net->conns != NULL || stage.net->wheel.count != 0 ? -1 : 0;
    net_destroy(stage.net);
    store_destroy(stage.services.store);
    hub_destroy(stage.services.hub);
    buf_finish(&proto_side.heard);
    if (counted[METRICS_TRANSPORT_POLLING] != 0 || counted[METRICS_TRANSPORT_WEBSOCKET] != 0 ||
        stage.metrics.channels != 0) {
        result = -1;
    }
    return uv_loop_close(&stage.loop) != 0 ? -1 : result;
}

/* ---- what Redis is asked ---- */

static inline bool is_token(struct str word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                   word.at[i]) == NULL) {
            return false;
        }
    }
    return word.len == 24;
}

/* "eio_claim fake CLAIM  t 20000": a script's name and arguments, without its keys. */
static inline void add_call(struct buf *to, struct str words)
{
    struct str sha, count, word;

    str_cut(words, ' ', &sha, &words);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        if (str_equal(script_sha((enum script)i), sha)) {
            buf_add_text(to, script_row((enum script)i)->name);
        }
    }
    str_cut(words, ' ', &count, &words);
    for (int keys = atoi(count.at); keys > 0; keys--) {
        str_cut(words, ' ', &word, &words);
        assert_true(str_starts(word, STR("segue:")));
    }
    for (bool more = words.len > 0; more;) {
        more = str_cut(words, ' ', &word, &words);
        buf_add_char(to, ' ');
        if (is_token(word)) {
            memcpy(claim, word.at, word.len);
            word = STR("CLAIM");
        }
        buf_add(to, word);
    }
}

/* What Redis was asked since the last look, a line each; wishes first, as they come by a
 * connection of their own. */
static inline void assert_asked(const char *expected)
{
    struct str lines = buf_str(&redis.asked), line;
    struct buf got = {0}, calls = {0};

    while (lines.len > 0) {
        str_cut(lines, '\n', &line, &lines);
        if (str_starts(line, STR("EVALSHA "))) {
            add_call(&calls, str_skip(line, 8));
            buf_add_char(&calls, '\n');
        } else {
            buf_add(&got, line);
            buf_add_char(&got, '\n');
        }
    }
    buf_add(&got, buf_str(&calls));
    buf_finish(&calls);
    assert_string_equal(buf_text(&got), expected);
    buf_finish(&got);
    buf_clear(&redis.asked);
}

/* Waits until it was asked something, and then a little. */
static inline void wait_asked(void)
{
    for (int i = 0; i < STAGE_PATIENCE && redis.asked.len == 0; i++) {
        stage_turn();
        usleep(i > 3 ? STAGE_WAIT_US : 0);
    }
    assert_true(redis.asked.len > 0);
    turns();
}

/* The oldest call is answered with these words; "nil" is none. */
static inline void reply_words(const char *const *words, size_t count)
{
    fake_redis_reply_words(&redis, words, count);
    turns();
}

#define REPLY(...)                                                                             \
    reply_words((const char *const[]){__VA_ARGS__},                                            \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* All that nobody waits for any more is answered. */
static inline void reply_rest(void)
{
    while (redis.caller != NULL && redis.caller->first != NULL) {
        fake_redis_reply(&redis, "$7\r\nrefused\r\n");
    }
    turns();
}

static inline void confirm(void)
{
    for (int i = 0; i < 100 && redis.hearer == NULL; i++) {
        stage_turn();
    }
    fake_redis_confirm(&redis, "subscribe", CHANNEL);
    turns();
}

/* The last wish, to hear no more, is confirmed as well. */
static inline void unconfirm(void)
{
    fake_redis_confirm(&redis, "unsubscribe", CHANNEL);
    turns();
    buf_clear(&redis.asked);
}

static inline void publish(char kind, const char *words)
{
    struct buf text = {0};

    buf_addf(&text, "1 %c - 0 0 1652087347000000 0\n%s", kind, words);
    fake_redis_publish(&redis, CHANNEL, buf_str(&text));
    buf_finish(&text);
    turns();
}

static inline void come_back(void)
{
    for (int i = 0; i < 100 && !store_is_up(stage.services.store); i++) {
        stage_pass(10);
    }
    assert_true(store_is_up(stage.services.store));
    turns();
    buf_clear(&redis.asked);
}

/* ---- clients ---- */

static inline struct client ask(const char *method, const char *query, const char *body)
{
    struct client client = client_open();
    struct buf head = {0};

    buf_addf(&head, "%s /e/?%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", method,
             query, strlen(body), body);
    client_push(&client, buf_str(&head));
    buf_finish(&head);
    return client;
}

static inline struct client get(const char *t)
{
    char query[128];
    struct client client;

    snprintf(query, sizeof(query), "EIO=4&transport=polling&sid=" SID "&t=%s", t);
    client = ask("GET", query, "");
    wait_asked();
    return client;
}

static inline struct client post(const char *body)
{
    struct client client = ask("POST", "EIO=4&transport=polling&sid=" SID, body);

    wait_asked();
    return client;
}

/* The answer is there, and is this one; the client leaves. */
static inline void assert_answer(struct client *client, int status, const char *body)
{
    const char *end = NULL, *length;
    size_t len = 0;

    for (int i = 0; i < STAGE_PATIENCE && end == NULL && !client->ended; i++) {
        stage_turn();
        client_look(client);
        end = strstr(buf_text(&client->got), "\r\n\r\n");
        usleep(i > 3 ? STAGE_WAIT_US : 0);
    }
    assert_non_null(end);
    assert_int_equal(atoi(client->got.at + 9), status);
    length = strstr(client->got.at, "Content-Length: ");
    len = (size_t)(end + 4 - client->got.at) + (length != NULL ? (size_t)atoi(length + 16) : 0);
    client_wait(client, len);
    assert_string_equal(strstr(buf_text(&client->got), "\r\n\r\n") + 4, body);
    client_close(client);
    turns();
}

static inline void assert_quiet(struct client *client)
{
    client_hears_nothing(client);
    assert_asked("");
}

static inline void leave(struct client *client)
{
    const struct conn *conn = stage_conn();

    client_close(client);
    stage_wait_gone(conn);
    turns();
}

#define NO_SESSION  "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define BAD_REQUEST "{\"code\":3,\"message\":\"Bad request\"}"
#define UNAVAILABLE "{\"error\":\"unavailable\",\"message\":\"try again in a moment\"}"
#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
