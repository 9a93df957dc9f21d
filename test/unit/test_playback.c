/* A playback socket follows its user's state and two streams of events: it comes in, hears all
 * in order and once, finds what it missed, recovers, and lives from request to request. Redis
 * and the carrier are played by the test. */
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

static void carry_nothing(void *carrier)
{
    (void)carrier;
}

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)err;
    (void)why;
    fail();
}

static bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    if (stage.room == 0) {
        return false;
    }
    stage.room -= stage.room > 0;
    buf_addf(&stage.heard, "[%.*s]", STR_ARG(str_skip(msg_payload(msg), 1)));
    return true;
}

static void carry_pause(void *carrier, bool paused)
{
    (void)carrier;
    buf_add_char(&stage.heard, paused ? 'P' : 'r');
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    (void)carrier;
    (void)in_ms;
}

static void carry_settled(void *carrier)
{
    (void)carrier;
    buf_add_char(&stage.heard, 'S');
}

static void carry_close(void *carrier, enum reason reason)
{
    (void)carrier;
    stage.reason = reason;
    buf_add_char(&stage.heard, 'C');
}

#define TRANSPORT(which)                                                                       \
    {                                                                                          \
        .metric = (which), .accept = carry_nothing, .refuse = carry_refuse,                    \
        .send = carry_send, .trim = carry_nothing, .pause = carry_pause, .wake = carry_wake,   \
        .settled = carry_settled, .close = carry_close                                         \
    }

static const struct transport websocket = TRANSPORT(METRICS_TRANSPORT_WEBSOCKET);
static const struct transport polling = TRANSPORT(METRICS_TRANSPORT_POLLING);

/* Ids as ID. */
static void blind(struct buf *text, const char *id, size_t len)
{
    char *at;

    buf_text(text);
    while (text->at != NULL && (at = strstr(text->at, id)) != NULL) {
        memcpy(at, "ID", 2);
        memmove(at + 2, at + len, strlen(at + len) + 1);
        text->len -= len - 2;
    }
}

/* Of "/". */
static struct playback *socket_of(void)
{
    return playback_of(socketio_find_socket(socketio_of(stage.session), STR("/")));
}

static void assert_heard(const char *expected)
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

static void on_up(void *owner)
{
    (void)owner;
    hub_restore(stage.services.hub);
}

static void on_down(void *owner)
{
    (void)owner;
    hub_lost(stage.services.hub);
}

static void on_changed(void *owner, struct str channel, bool watched)
{
    (void)owner;
    hub_changed(stage.services.hub, channel, watched);
}

static void on_message(void *owner, struct str channel, struct str envelope)
{
    struct msg *msg = msg_from_envelope(envelope);

    (void)owner;
    assert_non_null(msg);
    hub_publish(stage.services.hub, channel, msg);
    msg_unref(msg);
}

static void on_watch(void *owner, struct str channel)
{
    (void)owner;
    store_watch(stage.services.store, channel);
}

static void on_unwatch(void *owner, struct str channel)
{
    (void)owner;
    store_unwatch(stage.services.store, channel);
}

static const struct store_events store_events = {on_up, on_down, on_changed, on_message, NULL};
static const struct hub_events hub_events = {on_watch, on_unwatch, NULL};

static void turns(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        store_flush(stage.services.store);
    }
}

static int setup(void **state)
{
    struct url url = {0};

    (void)state;
    memset(&stage, 0, sizeof(stage));
    fake_us = 0;
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    keys_setup("segue:");
    uv_loop_init(&stage.loop);
    fake_redis_open(&stage.redis, &stage.loop);
    url.path = mem_copy(stage.redis.path, strlen(stage.redis.path));
    stage.room = -1;
    stage.config.burst = 1000;
    stage.config.max_message = 16384;
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.connect_timeout_ms = 10000;
    stage.config.orphan_grace_s = 30;
    stage.config.jwt_secret = SECRET;
    stage.config.recovery = CONFIG_RECOVERY_ASK;
    stage.services = (struct services){
        .config = &stage.config, .metrics = &stage.metrics, .loop = &stage.loop};
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
    stage.services.hub = hub_create(&hub_events, NULL, &stage.metrics.channels);
    stage.services.store = store_create(&stage.loop, &url, &stage.metrics, &store_events, NULL);
    store_start(stage.services.store);
    turns();
    return store_is_up(stage.services.store) ? 0 : -1;
}

static int teardown(void **state)
{
    int left;

    (void)state;
    session_destroy(stage.session);
    store_stop(stage.services.store);
    fake_redis_close(&stage.redis);
    turns();
    left = stage.metrics.channels != 0;
    store_destroy(stage.services.store);
    hub_destroy(stage.services.hub);
    auth_destroy(stage.services.auth);
    buf_finish(&stage.heard);
    return uv_loop_close(&stage.loop) != 0 || left ? -1 : 0;
}

/* ---- what Redis is asked and says ---- */

/* A script's name, whose keys it got, its arguments. */
static void add_call(struct buf *to, struct str words)
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

static void assert_asked(const char *expected)
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

static void reply_words(const char *const *words, size_t count)
{
    struct buf text = {0};

    buf_addf(&text, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], "nil") == 0) {
            buf_add_text(&text, "$-1\r\n");
        } else {
            buf_addf(&text, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
        }
    }
    fake_redis_reply(&stage.redis, buf_text(&text));
    buf_finish(&text);
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

static void publish(const char *channel, char kind, const char *origin, const char *seq,
                    const char *prev, const char *other)
{
    struct buf text = {0};

    buf_addf(&text, "1 %c %s %s %s %s000 0\n%s", kind, origin, seq, prev, NOW, other);
    fake_redis_publish(&stage.redis, channel, buf_str(&text));
    buf_finish(&text);
    turns();
}

static void publish_event(const char *channel, const char *seq, const char *prev)
{
    char body[32];

    snprintf(body, sizeof(body), "\"e\",%s", seq);
    publish(channel, 'e', "-", seq, prev, body);
}

static void publish_state(const char *origin, const char *seq, const char *prev)
{
    char body[96];

    snprintf(body, sizeof(body),
             "{\"isPlaying\":true,\"currentTime\":%s,\"duration\":0,\"mediaId\":1}", seq);
    publish(MINE, 'u', origin, seq, prev, body);
}

#define TOLD(seq) STATE("true", #seq)

static void confirm_both(void)
{
    fake_redis_confirm(&stage.redis, "subscribe", MINE);
    fake_redis_confirm(&stage.redis, "subscribe", ALL);
    turns();
}

static void break_and_come_back(void)
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

static void begin(const struct transport *transport, const char *query)
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

static void say(const char *text)
{
    session_receive(stage.session, str_of(text));
    turns();
}

/* A client that follows both streams from 100, and knows the state 50 (when there is one). */
static void live(bool with_state)
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
static void live_with_recovery(void)
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

/* ---- coming in ---- */

static void a_client_subscribes_finds_the_ends_comes_in_and_is_told_the_state(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\n");
    fake_redis_confirm(&stage.redis, "subscribe", MINE);
    turns();
    assert_asked("");
    fake_redis_confirm(&stage.redis, "subscribe", ALL);
    turns();
    assert_asked(FINDS("", ""));
    assert_heard("");
    REPLY_END("100e");
    assert_asked("");
    REPLY_END("200");
    assert_heard("[0{\"sid\":\"ID\"}]");
    assert_asked(JOIN);
    REPLY_STATE("50", "17.5");
    assert_heard(STATE("true", "17.5") "S");
}

static void without_a_state_there_is_nothing_to_tell(void **state)
{
    (void)state;
    live(false);
    assert_heard("");
    publish_state("-", "7", "0");
    assert_heard(TOLD(7));
}

static void what_is_published_meanwhile_comes_after_it_once(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    confirm_both();
    publish_event(MINE, "101", "100");
    publish_event(ALL, "300", "0");
    REPLY_END("101"); /* it was read already */
    REPLY_END("200e");
    publish_state("-", "50", "49");
    publish_state("-", "51", "50");
    buf_clear(&stage.heard);
    REPLY_STATE("50", "50");
    assert_heard(STATE("true", "50") TOLD(51) "[2[\"e\",300]]S");
}

/* ---- hearing ---- */

static void everything_is_told_in_order_and_once(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "101", "100");
    publish_event(MINE, "101", "100");
    publish_event(MINE, "99", "98");
    publish_event(ALL, "101", "100");
    publish_state("-", "51", "50");
    publish_state("-", "51", "50");
    publish_state("-", "50", "49");
    assert_heard("[2[\"e\",101]][2[\"e\",101]]" TOLD(51));
    assert_asked("");
}

static void who_is_left_out_hears_nothing_and_goes_on(void **state)
{
    char id[SIO_ID_LENGTH + 1] = {0};

    (void)state;
    live(true);
    memcpy(id, socket_of()->socket.id, SIO_ID_LENGTH);
    publish_state(id, "51", "50");
    assert_heard("");
    publish(MINE, 's', "-", "52", "51", ""); /* nothing to say to sockets */
    assert_heard("");
    publish(MINE, '?', "-", "53", "52", "x"); /* of a later version */
    assert_heard("");
    publish_state("-", "53", "52");
    assert_heard(TOLD(53));
    assert_asked("");
}

static void a_gap_in_the_state_is_healed_by_reading(void **state)
{
    (void)state;
    live(true);
    publish_state("-", "53", "52");
    assert_heard("");
    assert_asked(REJOIN READS("100", "100"));
    publish_state("-", "54", "53");
    REPLY_STATE("53", "53");
    REPLY_END("100");
    assert_heard(STATE("true", "53"));
    REPLY_END("100");
    assert_heard(TOLD(54) "S");
}

static void a_gap_in_the_events_is_healed_by_reading(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    publish_event(MINE, "104", "103");
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("50", "50");
    REPLY_EVENTS("103", "101", "\"e\",101", "103", "\"e\",103");
    REPLY_END("100");
    assert_heard("[2[\"e\",101]][2[\"e\",103]][2[\"e\",104]]S");
}

static void a_stream_that_begins_anew_is_no_gap(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "500", "0");
    assert_heard("[2[\"e\",500]]");
    assert_asked("");
}

static void a_state_that_was_cleared_is_told_and_may_begin_anew(void **state)
{
    (void)state;
    live(true);
    publish(MINE, 'c', "-", "51", "50",
            "{\"isPlaying\":false,\"currentTime\":0,\"duration\":0,\"mediaId\":null}");
    assert_heard(NO_STATE);
    publish_state("-", "90", "0");
    assert_heard(TOLD(90));
    publish_state("-", "92", "91"); /* and a gap */
    buf_clear(&stage.redis.asked);
    REPLY_NO_STATE();
    REPLY_END("100");
    REPLY_END("100");
    assert_heard(NO_STATE TOLD(92) "S");
}

static void more_than_can_be_held_is_read_in_another_round(void **state)
{
    char seq[16], prev[16];

    (void)state;
    live(true);
    publish_event(MINE, "102", "101");
    for (unsigned i = 103; i < 103 + 2 * HELD_MAX; i++) {
        snprintf(seq, sizeof(seq), "%u", i);
        snprintf(prev, sizeof(prev), "%u", i - 1);
        publish_event(MINE, seq, prev);
    }
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("50", "50");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("100");
    assert_heard("[2[\"e\",101]]");
    assert_asked(REJOIN READS("101", "100"));
    REPLY_STATE("50", "50");
    REPLY_END("230");
    REPLY_END("100");
    assert_heard("S");
    assert_int_equal(socket_of()->phase, PLAYBACK_LIVE);
}

static void a_long_stream_is_read_in_pieces(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "102", "101");
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("50", "50");
    REPLY("applied", "1", "101", "1", "101", "\"e\",101");
    assert_asked("events_read ann 101 64\n");
    REPLY_END("100");
    REPLY_EVENTS("102", "102", "\"e\",102");
    assert_heard("[2[\"e\",101]][2[\"e\",102]]S");
}

static void events_that_are_gone_send_the_client_away(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "9000", "8999");
    REPLY_STATE("50", "50");
    REPLY("applied", "0", "9000", "0");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
}

static void the_operator_sends_away_in_every_phase(void **state)
{
    (void)state;
    live(true);
    publish(MINE, 'd', "-", "1", "0", "");
    assert_heard("[1]C");
    assert_int_equal(stage.reason, REASON_DISCONNECTED);
    fake_redis_confirm(&stage.redis, "unsubscribe", MINE);
    fake_redis_confirm(&stage.redis, "unsubscribe", ALL);
    turns();
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n"); /* device_leave */
    session_destroy(stage.session);
    buf_clear(&stage.heard);
    begin(&websocket, "");
    say("0");
    confirm_both();
    publish(MINE, 'd', "-", "1", "0", "");
    assert_int_equal(stage.reason, REASON_DISCONNECTED);
    assert_heard("[1]C");
}

/* ---- no room ---- */

static void who_does_not_keep_up_is_let_go(void **state)
{
    (void)state;
    live(true);
    stage.room = 0;
    publish_event(MINE, "101", "100");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.metrics.slow_consumers, 1);
}

static void who_catches_up_goes_on_when_there_is_room(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    buf_clear(&stage.redis.asked);
    stage.room = 1;
    REPLY_STATE("50", "50");
    REPLY_EVENTS("103", "101", "\"e\",101", "102", "\"e\",102", "103", "\"e\",103");
    REPLY_END("100");
    assert_heard("[2[\"e\",101]]S");
    assert_int_equal(socket_of()->phase, PLAYBACK_BEHIND);
    publish_event(MINE, "104", "103"); /* will be read */
    publish_state("-", "51", "50");
    assert_heard("");
    stage.room = -1;
    session_drained(stage.session);
    turns();
    assert_asked(REJOIN READS("101", "100"));
    REPLY_STATE("51", "51");
    REPLY_EVENTS("104", "102", "\"e\",102", "103", "\"e\",103", "104", "\"e\",104");
    REPLY_END("100");
    assert_heard(STATE("true", "51") "[2[\"e\",102]][2[\"e\",103]][2[\"e\",104]]S");
}

/* ---- Redis leaves ---- */

static void a_connected_client_outlives_redis_and_is_brought_forward(void **state)
{
    (void)state;
    live(true);
    break_and_come_back();
    assert_heard("");
    buf_clear(&stage.redis.asked);
    confirm_both();
    assert_asked(REJOIN READS("100", "100"));
    REPLY_STATE("52", "52");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("100");
    assert_heard(STATE("true", "52") "[2[\"e\",101]]S");
}

static void also_when_redis_leaves_while_it_reads(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    break_and_come_back();
    assert_int_equal(socket_of()->phase, PLAYBACK_SUBSCRIBING);
    buf_clear(&stage.redis.asked);
    confirm_both();
    assert_asked(REJOIN READS("100", "100"));
    REPLY_NO_STATE(); /* and its data were lost */
    REPLY("applied", "0", "900e", "0");
    REPLY_END("100");
    assert_heard(NO_STATE "S");
    publish_event(MINE, "950", "0");
    assert_heard("[2[\"e\",950]]");
}

static void who_is_not_in_yet_comes_in_when_redis_is_back(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    break_and_come_back();
    buf_clear(&stage.redis.asked);
    confirm_both();
    assert_asked(FINDS("", ""));
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
}

static void an_answer_that_makes_no_sense_ends_the_connection(void **state)
{
    (void)state;
    begin(&websocket, "");
    say("0");
    confirm_both();
    REPLY("applied", "1", "nonsense", "0");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
}

/* ---- recovery ---- */

static void with_recovery_every_event_says_where_it_stands(void **state)
{
    (void)state;
    begin(&websocket, "recovery=1");
    say("0");
    confirm_both();
    REPLY_END("100");
    REPLY_END("200e");
    assert_heard("[0{\"sid\":\"ID\",\"pid\":\"ID.100.200e.0\"}]");
    REPLY_STATE("50", "50");
    assert_heard(STATE_FROM("true", "50", "100.200e.50") "S");
    publish_event(MINE, "101", "100");
    publish_event(ALL, "300", "0");
    say("2[\"ping\"]");
    assert_heard("[2[\"e\",101,\"101.200e.50\"]][2[\"e\",300,\"101.300.50\"]]"
                 "[2[\"pong\",\"101.300.50\"]]");
}

#define PID "0123456789abcdefGH-_.100.200e.0"

static void who_comes_back_gets_what_he_missed_under_his_old_name(void **state)
{
    (void)state;
    begin(&websocket, "recovery=1");
    say("0{\"pid\":\"" PID "\",\"offset\":\"101.150e.50\"}");
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\n" FINDS("101", "200e"));
    REPLY_END("102");
    REPLY_END("300");
    assert_heard("[0{\"sid\":\"ID\",\"pid\":\"ID.100.200e.0\"}]");
    assert_true(memcmp(socket_of()->socket.id, PID, SIO_ID_LENGTH) == 0);
    assert_asked(JOIN READS("101", "200e"));
    REPLY_STATE("50", "50"); /* which he knows */
    REPLY_EVENTS("102", "102", "\"e\",102");
    REPLY_EVENTS("300", "300", "\"e\",300");
    assert_heard("[2[\"e\",102,\"102.200e.50\"]][2[\"e\",300,\"102.300.50\"]]S");
}

static void who_was_away_too_long_begins_anew(void **state)
{
    (void)state;
    begin(&websocket, "recovery=1");
    say("0{\"pid\":\"" PID "\"}");
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\n" FINDS("100", "200e"));
    REPLY_END("102");
    REPLY("applied", "0", "900", "0"); /* one of both is enough */
    assert_asked(FINDS("", ""));
    REPLY_END("102");
    REPLY_END("900");
    assert_heard("[0{\"sid\":\"ID\",\"pid\":\"ID.102.900.0\"}]");
    assert_true(memcmp(socket_of()->socket.id, PID, SIO_ID_LENGTH) != 0);
    assert_asked(JOIN);
    REPLY_STATE("50", "50");
    assert_heard(STATE_FROM("true", "50", "102.900.50") "S");
}

static void what_is_no_place_is_a_new_session_and_no_error(void **state)
{
    static const char *const rows[] = {
        "{\"pid\":17}",
        "{\"pid\":\"\"}",
        "{\"pid\":\"0123456789abcdefGH-_\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.2\"}",
        "{\"pid\":\"0123456789abcdefGH-.1.2.3\"}",
        "{\"pid\":\"0123456789abcdefGH!_.1.2.3\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.2.3.4\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.2.-3\"}",
        "{\"pid\":\"0123456789abcdefGH-_.1.99999999999999999.3\"}",
        "{\"pid\":\"" PID "\",\"offset\":17}",
        "{\"pid\":\"" PID "\",\"offset\":\"\"}",
        "{\"pid\":\"" PID "\",\"offset\":\"1.2\"}",
        "{\"pid\":\"" PID "\",\"offset\":\"1.2.x\"}",
        "{\"offset\":\"1.2.3\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[160];

        session_destroy(stage.session);
        begin(&websocket, "recovery=1");
        snprintf(text, sizeof(text), "0%s", rows[i]);
        buf_clear(&stage.redis.asked);
        say(text);
        fake_redis_confirm(&stage.redis, "unsubscribe", MINE);
        fake_redis_confirm(&stage.redis, "unsubscribe", ALL);
        turns();
        confirm_both();
        assert_non_null(strstr(buf_text(&stage.redis.asked), "events:{ann}  0\n"));
        assert_int_equal(socket_of()->recovering, false);
        assert_int_equal(socket_of()->seq, 0);
    }
}

static void who_recovers_is_not_told_what_was_left_unsaid(void **state)
{
    (void)state;
    live(true);
    publish_event(MINE, "103", "102");
    REPLY_UNSAID("52", "* 50 52"); /* a command said it */
    REPLY_EVENTS("103", "103", "\"e\",103");
    REPLY_END("100");
    assert_heard("[2[\"e\",103]]S");
    assert_int_equal(socket_of()->seq, 52);
    publish_event(MINE, "109", "108");
    REPLY_UNSAID("54", "* 53 54"); /* but 53 somebody else did */
    REPLY_END("109");
    REPLY_END("100");
    assert_heard(STATE("true", "9") "S");
}

/* ---- from request to request ---- */

static void a_post_connects_without_listening(void **state)
{
    (void)state;
    begin(&polling, "");
    say("0");
    assert_asked(FINDS("", ""));
    REPLY_END("100");
    REPLY_END("200e");
    assert_heard("[0{\"sid\":\"ID\"}]S");
    assert_asked("");
    assert_int_equal(stage.session->pending, 0);
}

static struct buf saved_by_a_post(void)
{
    struct buf saved = {0};

    begin(&polling, "");
    say("0");
    REPLY_END("100");
    REPLY_END("200e");
    stage.session->proto->save(stage.session, &saved);
    session_destroy(stage.session);
    stage.session = NULL;
    buf_clear(&stage.heard);
    buf_clear(&stage.redis.asked);
    return saved;
}

static void request(const struct buf *saved, const struct buf *marks,
                    const struct transport *transport, bool deaf)
{
    stage.session = session_create(&stage.services, &socketio_row.proto, transport, NULL, NULL);
    stage.session->brief = transport == &polling;
    stage.session->deaf = deaf;
    session_adopt(stage.session, STR("0123456789abcdefGH-_"));
    assert_true(stage.session->proto->load(stage.session, buf_str(saved), buf_str(marks)));
    turns();
}

static struct buf marked(void)
{
    struct buf marks = {0};

    stage.session->proto->marks(stage.session, &marks);
    return marks;
}

static void a_get_tells_all_since_the_last_that_arrived(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0}, marks;

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\nplayback_join ann " POLLED
                 " 45000 30000\n" READS("100", "200e"));
    assert_int_equal(stage.session->pending, 1);
    REPLY_STATE("50", "50");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("200e");
    assert_heard(STATE("true", "50") "[2[\"e\",101]]S");
    marks = marked();
    session_destroy(stage.session);
    turns();
    assert_asked("UNSUBSCRIBE " MINE "\nUNSUBSCRIBE " ALL "\n"); /* it is still a device */
    fake_redis_confirm(&stage.redis, "unsubscribe", MINE);
    fake_redis_confirm(&stage.redis, "unsubscribe", ALL);
    turns();
    request(&saved, &marks, &polling, false);
    confirm_both();
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\nplayback_join ann " POLLED
                 " 45000 0\n" READS("101", "200e"));
    REPLY_STATE("50", "50");
    REPLY_END("101");
    REPLY_END("200e");
    assert_heard("S");
    buf_finish(&saved);
    buf_finish(&marks);
}

static void where_it_began_does_not_move_with_what_was_sent(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0}, again = {0}, marks;

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    REPLY_STATE("50", "50");
    REPLY_EVENTS("101", "101", "\"e\",101");
    REPLY_END("200e");
    marks = marked(); /* of an answer that may be lost */
    session_destroy(stage.session);
    request(&saved, &marks, &polling, true);
    stage.session->proto->save(stage.session, &again);
    assert_true(str_equal(buf_str(&again), buf_str(&saved)));
    buf_finish(&saved);
    buf_finish(&again);
    buf_finish(&marks);
}

static void a_body_that_is_full_leaves_the_rest_to_the_next(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0}, marks;

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    stage.room = 2;
    REPLY_NO_STATE();
    REPLY_EVENTS("103", "101", "\"e\",101", "102", "\"e\",102", "103", "\"e\",103");
    REPLY_END("200e");
    assert_heard("[2[\"e\",101]][2[\"e\",102]]S");
    marks = marked();
    assert_non_null(strstr(buf_text(&marks), "102.200e.0"));
    stage.room = 0;
    publish_event(MINE, "104", "103");
    assert_true(stage.session->state == SESSION_OPEN);
    buf_finish(&saved);
    buf_finish(&marks);
}

static void a_get_that_loses_redis_begins_again(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0};

    (void)state;
    request(&saved, &none, &polling, false);
    confirm_both();
    fake_redis_break(&stage.redis);
    turns();
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_UNAVAILABLE);
    buf_finish(&saved);
}

static void a_websocket_that_takes_over_is_one_device(void **state)
{
    struct buf saved = saved_by_a_post(), none = {0};

    (void)state;
    request(&saved, &none, &websocket, false);
    assert_asked("SUBSCRIBE " MINE "\nSUBSCRIBE " ALL "\ndevice_leave ann " POLLED " 0\n");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    confirm_both();
    assert_asked(JOIN READS("100", "200e"));
    REPLY_NO_STATE();
    REPLY_END("100");
    REPLY_END("200e");
    session_ended(stage.session);
    turns();
    assert_asked("UNSUBSCRIBE " MINE "\nUNSUBSCRIBE " ALL "\ndevice_leave ann " ENTRY " 0\n");
    buf_finish(&saved);
}

/* ---- what a client says ---- */

static void an_update_is_acknowledged_when_it_is_applied(void **state)
{
    (void)state;
    live_with_recovery();
    say("27[\"playback_state_update\",{\"isPlaying\":true,\"currentTime\":3,\"mediaId\":1}]");
    assert_heard("");
    fake_redis_reply(&stage.redis, "$7\r\napplied\r\n");
    turns();
    assert_heard("[37[{\"ok\":true}]]S");
    say("28[\"carplay_command\",{\"command\":\"pause\"}]");
    fake_redis_break(&stage.redis);
    turns();
    assert_non_null(strstr(buf_text(&stage.heard), "\"error\",{\"code\":\"unavailable\""));
    assert_non_null(
        strstr(buf_text(&stage.heard), "[38[{\"ok\":false,\"error\":\"unavailable\""));
    assert_true(stage.session->state == SESSION_OPEN);
}

static void many_updates_are_read_no_faster_than_they_are_applied(void **state)
{
    (void)state;
    live(true);
    for (int i = 0; i < 100; i++) {
        say("2[\"carplay_command\",{\"command\":\"pause\"}]");
    }
    assert_heard("P");
    for (int i = 0; i < 100; i++) {
        REPLY("applied", "1", "7");
    }
    assert_heard("rS");
}

static void what_is_under_way_is_let_go_with_its_socket(void **state)
{
    (void)state;
    live(true);
    say("27[\"carplay_command\",{\"command\":\"pause\"}]");
    say("1");
    assert_heard("S");
    assert_int_equal(stage.session->pending, 0);
    REPLY("applied", "1", "7");
    assert_heard("");
    say("0"); /* and in again */
    assert_true(stage.session->state == SESSION_OPEN);
}

static void an_acknowledgement_without_room_ends_the_connection(void **state)
{
    (void)state;
    live(true);
    say("27[\"carplay_command\",{\"command\":\"pause\"}]");
    say("28[\"carplay_command\",{\"command\":\"pause\"}]");
    stage.room = 0;
    REPLY("applied", "1", "7");
    assert_heard("C");
    assert_int_equal(stage.reason, REASON_SLOW);
    assert_int_equal(stage.session->pending, 0);
    REPLY("applied", "1", "8");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_client_subscribes_finds_the_ends_comes_in_and_is_told_the_state),
        TEST(without_a_state_there_is_nothing_to_tell),
        TEST(what_is_published_meanwhile_comes_after_it_once),
        TEST(everything_is_told_in_order_and_once),
        TEST(who_is_left_out_hears_nothing_and_goes_on),
        TEST(a_gap_in_the_state_is_healed_by_reading),
        TEST(a_gap_in_the_events_is_healed_by_reading),
        TEST(a_stream_that_begins_anew_is_no_gap),
        TEST(a_state_that_was_cleared_is_told_and_may_begin_anew),
        TEST(more_than_can_be_held_is_read_in_another_round),
        TEST(a_long_stream_is_read_in_pieces),
        TEST(events_that_are_gone_send_the_client_away),
        TEST(the_operator_sends_away_in_every_phase),
        TEST(who_does_not_keep_up_is_let_go),
        TEST(who_catches_up_goes_on_when_there_is_room),
        TEST(a_connected_client_outlives_redis_and_is_brought_forward),
        TEST(also_when_redis_leaves_while_it_reads),
        TEST(who_is_not_in_yet_comes_in_when_redis_is_back),
        TEST(an_answer_that_makes_no_sense_ends_the_connection),
        TEST(with_recovery_every_event_says_where_it_stands),
        TEST(who_comes_back_gets_what_he_missed_under_his_old_name),
        TEST(who_was_away_too_long_begins_anew),
        TEST(what_is_no_place_is_a_new_session_and_no_error),
        TEST(who_recovers_is_not_told_what_was_left_unsaid),
        TEST(a_post_connects_without_listening),
        TEST(a_get_tells_all_since_the_last_that_arrived),
        TEST(where_it_began_does_not_move_with_what_was_sent),
        TEST(a_body_that_is_full_leaves_the_rest_to_the_next),
        TEST(a_get_that_loses_redis_begins_again),
        TEST(a_websocket_that_takes_over_is_one_device),
        TEST(an_update_is_acknowledged_when_it_is_applied),
        TEST(many_updates_are_read_no_faster_than_they_are_applied),
        TEST(what_is_under_way_is_let_go_with_its_socket),
        TEST(an_acknowledgement_without_room_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
