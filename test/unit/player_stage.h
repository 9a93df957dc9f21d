/* A player's client with the test on all sides: Redis, the other devices and the carrier are
 * played. One include per test. */
#ifndef SEGUE_TEST_PLAYER_STAGE_H
#define SEGUE_TEST_PLAYER_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/proto/proto.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"

#define CHANNEL "segue:user:{ann}"
#define NOW     "1652087347000" /* Redis's clock, which stands still */
#define STATE(seq)                                                                             \
    "{\"track_id\":1,\"from_is\":\"album\",\"from_is_id\":4,\"on_pause\":false,"               \
    "\"last_sec_position\":" #seq ",\"time_state_update\":\"time\"}"
#define NO_STATE    "{\"type_push_state\":\"no_track_state\"}"
#define UNAVAILABLE "{\"type_push_state\":\"unavailable\"}"
#define PAUSE                                                                                  \
    "{\"type_push_state\":\"on_pause\",\"time_state_update\":\"2022-05-09T09:09:07+0000\"}"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    struct buf heard; /* A)ccept R)efuse [frames] T)rim P)ause r)esume C)lose */
    bool full;        /* the carrier has no room */
    enum reason reason;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static inline void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)why;
    assert_int_equal(err, ERR_UNAVAILABLE);
    buf_add_char(&stage.heard, 'R');
}

static inline bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (stage.full) {
        return false;
    }
    buf_addf(&stage.heard, "[%.*s]", STR_ARG(msg_payload(msg)));
    return true;
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_WEBSOCKET,
                                           .accept = carry_accept,
                                           .refuse = carry_refuse,
                                           .send = carry_send,
                                           .trim = carry_trim,
                                           .pause = carry_pause,
                                           .close = carry_close};

static inline void assert_heard(const char *expected)
{
    assert_string_equal(buf_text(&stage.heard), expected);
    buf_clear(&stage.heard);
}

/* ---- store and hub, tied as main does it ---- */

#include "test/unit/tied_stage.h"

static inline int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.burst = 100;
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.orphan_grace_s = 30;
    tied_begin();
    return tied_connect();
}

static inline int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    buf_finish(&stage.heard);
    return tied_end();
}

/* ---- what Redis is asked and says ---- */

/* What it was asked, with scripts by their names and this session as ID. */
static inline void assert_asked(const char *expected)
{
    name_scripts();
    if (stage.session != NULL) {
        replace(&stage.redis.asked, session_id(stage.session), "ID");
    }
    fake_redis_asked(&stage.redis, expected);
}

#define JOIN(grace)                                                                            \
    "EVALSHA player_join 3 segue:player:{ann} segue:devices:{ann} " CHANNEL " ID " NOW         \
    " 45000 player websocket 45000 " grace "\n"

/* The answer of player_join: the state with that number, which is also its position; 0 = none.
 */
static inline void reply_state(unsigned seq)
{
    struct buf text = {0};
    char number[16];

    snprintf(number, sizeof(number), "%u", seq);
    buf_add_text(&text, "*10\r\n$7\r\napplied\r\n:" NOW "\r\n:2\r\n");
    if (seq == 0) {
        for (int i = 0; i < 7; i++) {
            buf_add_text(&text, "$-1\r\n");
        }
    } else {
        buf_addf(&text,
                 "$%zu\r\n%s\r\n$1\r\n1\r\n$5\r\nalbum\r\n$1\r\n4\r\n$1\r\n0\r\n$%zu\r\n%s\r\n"
                 "$4\r\ntime\r\n",
                 strlen(number), number, strlen(number), number);
    }
    fake_redis_reply(&stage.redis, buf_text(&text));
    turns();
    buf_finish(&text);
}

static inline void publish_text(char kind, const char *origin, unsigned seq, unsigned prev,
                                const char *texts)
{
    struct buf text = {0};

    buf_addf(&text, "1 %c %s %u %u %s000 %zu\n%s{\"isPlaying\":true}", kind, origin, seq, prev,
             NOW, strlen(texts), texts);
    fake_redis_publish(&stage.redis, CHANNEL, buf_str(&text));
    turns();
    buf_finish(&text);
}

/* Another device's change, or (own) one of this session's. */
static inline void publish(unsigned seq, bool own)
{
    char text[32], origin[MSG_ORIGIN_LENGTH + 1] = "00000000000000000000";

    if (own) {
        memcpy(origin, stage.session->id, MSG_ORIGIN_LENGTH);
    }
    snprintf(text, sizeof(text), "change %u", seq);
    publish_text('p', origin, seq, seq - 1, text);
}

/* ---- a client ---- */

static inline void begin(const char *query)
{
    struct claims claims = {.user = "ann", .user_len = 3, .expires_ms = INT64_MAX};
    struct request request = {.query = str_of(query)};

    stage.session = session_create(&stage.services, &player_proto, &transport, NULL, &claims);
    player_proto.open(stage.session, &request);
    turns();
}

static inline void confirm(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", CHANNEL);
    turns();
}

/* A client that was told the state with that number. */
static inline void open_at(unsigned seq)
{
    begin("");
    confirm();
    reply_state(seq);
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
