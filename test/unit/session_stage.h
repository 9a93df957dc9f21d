/* A session with the test on both sides: its protocol and its carrier. One include per test. */
#ifndef SEGUE_TEST_SESSION_STAGE_H
#define SEGUE_TEST_SESSION_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/session.h"
#include "test/unit/fake_clock.h"

/* A protocol and a carrier that write down what they are asked for, one letter each. The
 * protocol: m)essage, l)imited, a)live, d)rained, c)losed. The carrier: A)ccept, R)efuse,
 * S)end, T)rim, P)ause, r)esume, C)lose. */
static struct stage {
    uv_loop_t loop;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    char heard[4096];
    size_t heard_len;
    bool full;          /* the carrier has no room */
    enum reason reason; /* of the last close */
    enum err err;       /* of the last refusal */
    struct msg *sent;   /* owned: the last one */
    void (*on_message)(struct session *session);
} stage;

struct fake_session {
    struct session session; /* first */
    char more[32];          /* what a protocol keeps beside */
};

static inline void hear(char what)
{
    assert_true(stage.heard_len < sizeof(stage.heard) - 1);
    stage.heard[stage.heard_len++] = what;
    stage.heard[stage.heard_len] = '\0';
}

static inline void assert_heard(const char *expected)
{
    assert_string_equal(stage.heard, expected);
    stage.heard[stage.heard_len = 0] = '\0';
}

/* ---- the protocol ---- */

static inline void fake_message(struct session *session, struct str text)
{
    assert_str(text, "text");
    hear('m');
    if (stage.on_message != NULL) {
        stage.on_message(session);
    }
}

static inline void fake_limited(struct session *session)
{
    (void)session;
    hear('l');
}

static inline void fake_alive(struct session *session)
{
    (void)session;
    hear('a');
}

static inline void fake_drained(struct session *session)
{
    (void)session;
    hear('d');
}

static inline void fake_closed(struct session *session)
{
    assert_int_equal(session->state, SESSION_CLOSED);
    hear('c');
}

static const struct proto proto = {
    .name = "fake",
    .metric = METRICS_PROTOCOL_CHAT,
    .size = sizeof(struct fake_session),
    .message = fake_message,
    .limited = fake_limited,
    .alive = fake_alive,
    .drained = fake_drained,
    .closed = fake_closed,
};

/* ---- the carrier ---- */

static inline void carry_accept(void *carrier)
{
    assert_ptr_equal(carrier, &stage);
    hear('A');
}

static inline void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)why;
    stage.err = err;
    hear('R');
}

static inline bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    hear('S');
    if (stage.full) {
        return false;
    }
    msg_unref(stage.sent);
    stage.sent = msg_ref(msg);
    return true;
}

static inline void carry_trim(void *carrier)
{
    (void)carrier;
    hear('T');
}

static inline void carry_pause(void *carrier, bool paused)
{
    (void)carrier;
    hear(paused ? 'P' : 'r');
}

static inline void carry_close(void *carrier, enum reason reason)
{
    (void)carrier;
    stage.reason = reason;
    hear('C');
}

static const struct transport transport = {
    .metric = METRICS_TRANSPORT_POLLING,
    .accept = carry_accept,
    .refuse = carry_refuse,
    .send = carry_send,
    .trim = carry_trim,
    .pause = carry_pause,
    .close = carry_close,
};

/* ---- the stage ---- */

static inline struct claims claims_of(const char *user)
{
    struct claims claims = {.expires_ms = INT64_MAX};

    claims.user_len = strlen(user);
    memcpy(claims.user, user, claims.user_len);
    return claims;
}

static inline int setup(void **state)
{
    struct claims claims = claims_of("ann");

    (void)state;
    memset(&stage, 0, sizeof(stage));
    uv_loop_init(&stage.loop);
    stage.config.rate = 50;
    stage.config.burst = 100;
    stage.services = (struct services){
        .config = &stage.config, .metrics = &stage.metrics, .loop = &stage.loop};
    stage.session = session_create(&stage.services, &proto, &transport, &stage, &claims);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    session_destroy(stage.session);
    msg_unref(stage.sent);
    if (stage.metrics.connections[METRICS_PROTOCOL_CHAT][METRICS_TRANSPORT_POLLING] != 0) {
        return -1; /* somebody was counted and not discounted */
    }
    return uv_loop_close(&stage.loop);
}

static inline uint64_t open_sessions(void)
{
    return stage.metrics.connections[METRICS_PROTOCOL_CHAT][METRICS_TRANSPORT_POLLING];
}

static inline void pass(uint64_t ms)
{
    fake_pass(&stage.loop, ms, ms);
}

static inline void receive(unsigned count)
{
    while (count-- > 0) {
        session_receive(stage.session, STR("text"));
    }
}

/* How often a letter was heard; everything heard is forgotten. */
static inline unsigned count_heard(char what)
{
    unsigned count = 0;

    for (const char *at = stage.heard; *at != '\0'; at++) {
        count += *at == what;
    }
    return count;
}

static inline void forget_heard(void)
{
    stage.heard[stage.heard_len = 0] = '\0';
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
