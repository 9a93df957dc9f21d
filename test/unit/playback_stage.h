/* A playback socket with the test on all sides: Redis is played, and so is what carries the
 * session. One include per test. */
#ifndef SEGUE_TEST_PLAYBACK_STAGE_H
#define SEGUE_TEST_PLAYBACK_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/proto/playback_core.h"
#include "gateway/proto/socketio_core.h"
#include "gateway/store/keys.h"
#include "test/unit/fake_redis.h"
#include "test/unit/token.h"

#define SECRET "secret"
#define MINE   "segue:user:{ann}"
#define ALL    "segue:all:{*}"
#define NOW    "1652087347000"
#define ENTRY  "ID " NOW " 45000 playback websocket"
#define POLLED "ID " NOW " 45000 playback polling"
#define JOIN   "playback_join ann " ENTRY " 45000 30000\n"
#define REJOIN "playback_join ann " ENTRY " 45000 0\n"
#define READS(mine, all)                                                                       \
    "events_read ann " mine " 64\n"                                                            \
    "events_read * " all " 64\n"
#define FINDS(mine, all)                                                                       \
    "events_read ann " mine " 0\n"                                                             \
    "events_read * " all " 0\n"
#define STATE(playing, pos)                                                                    \
    "[2[\"playback_state\",{\"userId\":\"ann\",\"isPlaying\":" playing ",\"currentTime\":" pos \
    ",\"duration\":0,\"mediaId\":1}]]"
#define STATE_FROM(playing, pos, place)                                                        \
    "[2[\"playback_state\",{\"userId\":\"ann\",\"isPlaying\":" playing ",\"currentTime\":" pos \
    ",\"duration\":0,\"mediaId\":1},\"" place "\"]]"
#define NO_STATE                                                                               \
    "[2[\"playback_state\",{\"userId\":\"ann\",\"isPlaying\":false,\"currentTime\":0,"         \
    "\"duration\":0,\"mediaId\":null}]]"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct session *session;
    struct buf heard; /* [packets] P)ause r)esume S)ettled C)lose */
    int room;         /* messages that still fit; -1 = any number */
    enum reason reason;
} stage;

/* ---- the carrier ---- */

#include "test/unit/carrier.h"

static inline bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (stage.room == 0) {
        return false;
    }
    stage.room -= stage.room > 0;
    buf_addf(&stage.heard, "[%.*s]", STR_ARG(str_skip(msg_payload(msg), 1)));
    return true;
}

static inline void carry_wake(void *carrier, uint64_t in_ms)
{
    (void)carrier;
    (void)in_ms;
}

#define TRANSPORT(which)                                                                       \
    {                                                                                          \
        .metric = (which), .accept = carry_nothing, .refuse = carry_no_refusal,                \
        .send = carry_send, .trim = carry_nothing, .pause = carry_pause, .wake = carry_wake,   \
        .settled = carry_settled, .close = carry_close                                         \
    }

static const struct transport websocket = TRANSPORT(METRICS_TRANSPORT_WEBSOCKET);
static const struct transport polling = TRANSPORT(METRICS_TRANSPORT_POLLING);

/* Ids as ID. */
static inline void blind(struct buf *text, const char *id, size_t len)
{
    char *at;

    buf_text(text);
    while (text->at != NULL && (at = strstr(text->at, id)) != NULL) {
        at[0] = 'I';
        at[1] = 'D';
        memmove(at + 2, at + len, strlen(at + len) + 1);
        text->len -= len - 2;
    }
}

/* Of "/". */
static inline struct playback *socket_of(void)
{
    return playback_of(socketio_find_socket(socketio_of(stage.session), STR("/")));
}

static inline void assert_heard(const char *expected)
{
    const char *sid = strstr(buf_text(&stage.heard), "{\"sid\":\"");

    if (sid != NULL) {
        char id[SIO_ID_LENGTH + 1] = {0};

        memcpy(id, sid + 8, SIO_ID_LENGTH);
        blind(&stage.heard, id, SIO_ID_LENGTH);
    }
    assert_string_equal(buf_text(&stage.heard), expected);
    buf_clear(&stage.heard);
}

/* ---- store and hub, tied as main does it ---- */

#include "test/unit/tied_stage.h"

static inline int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.room = -1;
    stage.config.burst = 1000;
    stage.config.max_message = 16384;
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.connect_timeout_ms = 10000;
    stage.config.orphan_grace_s = 30;
    stage.config.jwt_secret = SECRET;
    stage.config.recovery = CONFIG_RECOVERY_ASK;
    tied_begin();
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
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

/* A script's name, whose keys it got, its arguments. */
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
    for (int keys = atoi(count.at), i = 0; i < keys; i++) {
        str_cut(words, ' ', &word, &words);
        if (i == 0) {
            str_cut(word, '{', &sha, &word);
            str_cut(word, '}', &word, &sha);
            buf_add_char(to, ' ');
            buf_add(to, word);
        }
    }
    buf_addf(to, " %.*s\n", STR_ARG(words));
}

static inline void assert_asked(const char *expected)
{
    struct str lines = buf_str(&stage.redis.asked), line;
    struct buf got = {0}, calls = {0};
    char id[MSG_ORIGIN_LENGTH + 1] = {0};

    while (lines.len > 0) {
        str_cut(lines, '\n', &line, &lines);
        if (str_starts(line, STR("EVALSHA "))) {
            add_call(&calls, str_skip(line, 8));
        } else {
            buf_addf(&got, "%.*s\n", STR_ARG(line));
        }
    }
    buf_add(&got, buf_str(&calls));
    buf_finish(&calls);
    if (stage.session != NULL) {
        memcpy(id, stage.session->id, MSG_ORIGIN_LENGTH);
        blind(&got, id, MSG_ORIGIN_LENGTH);
    }
    assert_string_equal(buf_text(&got), expected);
    buf_finish(&got);
    buf_clear(&stage.redis.asked);
}

static inline void reply_words(const char *const *words, size_t count)
{
    fake_redis_reply_words(&stage.redis, words, count);
    turns();
}

#define REPLY(...)                                                                             \
    reply_words((const char *const[]){__VA_ARGS__},                                            \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
/* Answers of events_read: all that is there, up to `end`. */
#define REPLY_END(end)         REPLY("applied", "1", end, "0")
#define REPLY_EVENTS(end, ...) REPLY("applied", "1", end, "0", __VA_ARGS__)
#define REPLY_NO_STATE()       REPLY("applied", NOW, "1", "nil", "nil", "nil", "nil", "nil")
#define REPLY_STATE(seq, pos)                                                                  \
    REPLY("applied", NOW, "1", seq, "0", pos, "\"duration\":0,\"mediaId\":1", "nil")
#define REPLY_UNSAID(seq, unsaid)                                                              \
    REPLY("applied", NOW, "1", seq, "0", "9", "\"duration\":0,\"mediaId\":1", unsaid)

static inline void publish(const char *channel, char kind, const char *origin, const char *seq,
                           const char *prev, const char *other)
{
    struct buf text = {0};

    buf_addf(&text, "1 %c %s %s %s %s000 0\n%s", kind, origin, seq, prev, NOW, other);
    fake_redis_publish(&stage.redis, channel, buf_str(&text));
    buf_finish(&text);
    turns();
}

static inline void publish_event(const char *channel, const char *seq, const char *prev)
{
    char body[32];

    snprintf(body, sizeof(body), "\"e\",%s", seq);
    publish(channel, 'e', "-", seq, prev, body);
}

static inline void publish_state(const char *origin, const char *seq, const char *prev)
{
    char body[96];

    snprintf(body, sizeof(body),
             "{\"isPlaying\":true,\"currentTime\":%s,\"duration\":0,\"mediaId\":1}", seq);
    publish(MINE, 'u', origin, seq, prev, body);
}

#define TOLD(seq) STATE("true", #seq)

static inline void confirm_both(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", MINE);
    fake_redis_confirm(&stage.redis, "subscribe", ALL);
    turns();
}

static inline void break_and_come_back(void)
{
    fake_redis_break(&stage.redis);
    turns();
    for (int i = 0; i < 100 && !store_is_up(stage.services.store); i++) {
        fake_us += 10000;
        turns();
    }
    assert_true(store_is_up(stage.services.store));
    turns();
}

/* ---- clients ---- */

static inline void begin(const struct transport *transport, const char *query)
{
    struct buf token =
        token_sign("{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", EVP_sha256(), NULL, STR(SECRET));
    struct buf bearer = {0};
    struct request request = {.method = STR("GET"), .query = str_of(query)};

    buf_addf(&bearer, "Bearer %.*s", STR_ARG(buf_str(&token)));
    request.headers[request.header_count++] =
        (struct request_header){STR("Authorization"), buf_str(&bearer)};
    stage.session = session_create(&stage.services, &socketio_row.proto, transport, NULL, NULL);
    stage.session->deaf = stage.session->brief = transport == &polling;
    stage.session->proto->open(stage.session, &request);
    buf_finish(&token);
    buf_finish(&bearer);
}

static inline void say(const char *text)
{
    session_receive(stage.session, str_of(text));
    turns();
}

/* A client that follows both streams from 100, and knows the state 50 (when there is one). */
static inline void live(bool with_state)
{
    begin(&websocket, "");
    say("0");
    confirm_both();
    REPLY_END("100");
    REPLY_END("100");
    if (with_state) {
        REPLY_STATE("50", "50");
    } else {
        REPLY_NO_STATE();
    }
    assert_int_equal(socket_of()->phase, PLAYBACK_LIVE);
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
}

/* Another one, that asked for recovery. */
static inline void live_with_recovery(void)
{
    begin(&websocket, "recovery=1");
    say("0");
    confirm_both();
    REPLY_END("100");
    REPLY_END("100");
    REPLY_NO_STATE();
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
}

/* ---- requests ---- */

static inline void end(void)
{
    session_destroy(stage.session);
    stage.session = NULL;
    turns();
}

static inline struct buf saved_by_a_post(void)
{
    struct buf saved = {0};

    begin(&polling, "");
    say("0");
    REPLY_END("100");
    REPLY_END("200e");
    stage.session->proto->save(stage.session, &saved);
    end();
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
    return saved;
}

static inline void request(const struct buf *saved, const struct buf *marks,
                           const struct transport *transport, bool deaf)
{
    stage.session = session_create(&stage.services, &socketio_row.proto, transport, NULL, NULL);
    stage.session->brief = transport == &polling;
    stage.session->deaf = deaf;
    session_adopt(stage.session, STR("0123456789abcdefGH-_"));
    assert_true(stage.session->proto->load(stage.session, buf_str(saved), buf_str(marks)));
    turns();
}

static inline struct buf marked(void)
{
    struct buf marks = {0};

    stage.session->proto->marks(stage.session, &marks);
    return marks;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
