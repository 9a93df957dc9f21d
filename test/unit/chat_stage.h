/* A member of a room on /ws with the test on all sides: Redis and the carrier are played. One
 * include per test. */
#ifndef SEGUE_TEST_CHAT_STAGE_H
#define SEGUE_TEST_CHAT_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/ident.h"
#include "common/log.h"
#include "gateway/proto/proto.h"
#include "gateway/proto/room.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"

#define CHANNEL            "segue:room:{den}"
#define KEYS_4             "segue:room:{den} segue:members:{den} segue:history:{den} "
#define ALL                KEYS_4 "segue:older:{den} segue:moves:{den} " CHANNEL
#define JOIN(reaps, known) "EVALSHA room_join 6 " ALL " den ME 45000 " reaps " 1 " known "\n"
#define REAP               "EVALSHA room_reap 6 " ALL " den\n"
#define WELCOME            "[{\"type\":\"welcome\",\"clientId\":\"ME\",\"roomId\":\"den\",\"members\":2,"
#define ERROR              "[{\"type\":\"error\",\"code\":\""
#define OTHER              "00000000-0000-4000-8000-000000000000"
#define NO_STATE           "$8\r\nno_state\r\n"
#define LEASE_END          30000

enum {
    TICK_MS = 250,
    PATIENCE_MS = 5000
};

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    char id[IDENT_UUID_LENGTH + 1]; /* ME */
    struct buf heard;               /* A)ccept R)efuse [frames] C)lose */
    bool full;                      /* the carrier has no room */
    enum reason reason;
    enum err err;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static inline void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)why;
    stage.err = err;
    buf_add_char(&stage.heard, 'R');
}

static inline bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (!stage.full) {
        buf_addf(&stage.heard, "[%.*s]", STR_ARG(msg_payload(msg)));
    }
    return !stage.full;
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_WEBSOCKET,
                                           .accept = carry_accept,
                                           .refuse = carry_refuse,
                                           .send = carry_send,
                                           .pause = carry_pause,
                                           .close = carry_close};

/* ---- store and hub, tied as main does it ---- */

#include "test/unit/tied_stage.h"

static inline void pass_ms(unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += TICK_MS) {
        fake_us += TICK_MS * 1000;
        turns();
    }
}

static inline int setup(void **state)
{

    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.burst = 100;
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.max_queue = 262144;
    tied_begin();
    stage.services.rooms = rooms_create(&stage.services);
    return tied_connect();
}

static inline int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    rooms_close(stage.services.rooms);
    buf_finish(&stage.heard);
    return tied_end();
}

/* ---- what Redis is asked and says ---- */

/* The member's id is the first argument that looks like one. */
static inline void learn_id(void)
{
    const char *at = strstr(buf_text(&stage.redis.asked), " den ");

    if (stage.id[0] == '\0' && at != NULL && strlen(at) > 5 + IDENT_UUID_LENGTH) {
        memcpy(stage.id, at + 5, IDENT_UUID_LENGTH);
    }
}

/* With scripts by their names and this member as ME. */
static inline void assert_asked(const char *expected)
{
    learn_id();
    name_scripts();
    replace(&stage.redis.asked, str_of(stage.id), "ME");
    fake_redis_asked(&stage.redis, expected);
}

static inline void assert_heard(const char *expected)
{
    replace(&stage.heard, str_of(stage.id), "ME");
    assert_string_equal(buf_text(&stage.heard), expected);
    buf_clear(&stage.heard);
}

static inline void reply(const char *text)
{
    fake_redis_reply(&stage.redis, text);
    turns();
}

/* What room_join answers; `changes`: "SEQ KIND ORIGIN FRAME" lines. */
static inline void reply_joined(unsigned seq, int next_end, const char *const *changes,
                                size_t count)
{
    struct buf text = {0};
    char number[16];

    snprintf(number, sizeof(number), "%u", seq);
    buf_addf(&text, "*%zu\r\n$7\r\napplied\r\n$%zu\r\n%s\r\n:2\r\n:%d\r\n", 4 + count,
             strlen(number), number, next_end);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&text, "$%zu\r\n%s\r\n", strlen(changes[i]), changes[i]);
    }
    reply(buf_text(&text));
    buf_finish(&text);
}

#define REPLY_JOINED(seq, ...)                                                                 \
    reply_joined(seq, LEASE_END, (const char *const[]){__VA_ARGS__},                           \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline void publish_from(char kind, const char *origin, unsigned seq, unsigned prev)
{
    struct buf text = {0};
    char frame[32];

    snprintf(frame, sizeof(frame), "change %u", seq);
    buf_addf(&text, "1 %c %.20s %u %u 1652087347000000 %zu\n%s", kind, origin, seq, prev,
             strlen(frame), frame);
    fake_redis_publish(&stage.redis, CHANNEL, buf_str(&text));
    turns();
    buf_finish(&text);
}

static inline void publish(unsigned seq)
{
    publish_from('m', "-", seq, seq - 1);
}

/* ---- a client ---- */

static inline void begin(const char *query)
{
    struct request request = {.query = str_of(query)};

    stage.session = session_create(&stage.services, &chat_proto, &transport, NULL, NULL);
    chat_proto.open(stage.session, &request);
    turns();
}

static inline void confirm(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", CHANNEL);
    turns();
}

/* A client that was told everything up to that number. */
static inline void open_at(unsigned seq)
{
    begin("room=den");
    confirm();
    learn_id();
    reply_joined(seq, LEASE_END, NULL, 0);
    assert_true(stage.session->state == SESSION_OPEN);
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
}

static inline void say(const char *text)
{
    session_receive(stage.session, str_of(text));
    turns();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
