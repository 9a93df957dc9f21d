/* Redis, played by the test on a unix socket and in the same loop: it greets like the real one
 * and keeps what is asked for; scripts and subscriptions are answered when the test says so.
 *
 * What it was asked stands in `asked`, one command per line, words parted by blanks (TIME, PING
 * and SCRIPT are everyday talk and left out). One include per test. */
#ifndef SEGUE_TEST_FAKE_REDIS_H
#define SEGUE_TEST_FAKE_REDIS_H

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/buf.h"
#include "common/mem.h"
#include "gateway/store/url.h"
#include "test/unit/fake_clock.h"

struct fake_peer {
    uv_pipe_t pipe;
    struct fake_redis *redis;
    struct fake_peer *next;
    redisReader *reader;
    struct fake_slot *first; /* answers that wait for an earlier one */
    char room[65536];
};

/* An answer in its turn: Redis answers in the order of the questions. */
struct fake_slot {
    struct fake_slot *next;
    char *text; /* owned; NULL = the test has not said it yet */
};

struct fake_redis {
    uv_loop_t *loop;
    uv_pipe_t door;
    char folder[32], path[48];
    struct fake_peer *peers;  /* the youngest first */
    struct fake_peer *caller; /* who sent the last EVALSHA */
    struct fake_peer *hearer; /* who sent the last command about channels */
    struct buf asked;
    const char *password; /* NULL = none is needed */
    unsigned loads;       /* scripts that were loaded */
    uint64_t ahead_us;    /* how far its clock is ahead of ours */
    bool silent;          /* it hears, and says nothing */
    const char *ignored;  /* a verb that gets no answer; NULL = none */
};

/* ---- talking ---- */

static inline void fake_redis_say(struct fake_peer *peer, struct str bytes)
{
    uv_buf_t part = uv_buf_init((char *)bytes.at, (unsigned)bytes.len);

    while (part.len > 0) {
        int written = uv_try_write((uv_stream_t *)&peer->pipe, &part, 1);

        if (written < 0 && written != UV_EAGAIN) {
            return; /* the gateway hung up: its right */
        }
        part.base += written > 0 ? written : 0;
        part.len -= written > 0 ? (size_t)written : 0;
    }
}

static inline void fake_redis_say_text(struct fake_peer *peer, const char *text)
{
    fake_redis_say(peer, str_of(text));
}

/* What can be said by now is said. */
static inline void fake_redis_catch_up(struct fake_peer *peer)
{
    while (peer->first != NULL && peer->first->text != NULL) {
        struct fake_slot *slot = peer->first;

        peer->first = slot->next;
        fake_redis_say_text(peer, slot->text);
        mem_free(slot->text);
        mem_free(slot);
    }
}

/* The answer to the newest question; NULL = it comes later. */
static inline void fake_redis_answer_with(struct fake_peer *peer, const char *text)
{
    struct fake_slot **at = &peer->first;

    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = mem_zero(sizeof(**at));
    (*at)->text = text != NULL ? mem_copy(text, strlen(text)) : NULL;
    fake_redis_catch_up(peer);
}

static inline void fake_redis_say_time(struct fake_peer *peer)
{
    uint64_t now = (uint64_t)FAKE_EPOCH_S * FAKE_US_PER_S + fake_us + peer->redis->ahead_us;
    char text[96], seconds[24], micros[24];

    snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)(now / FAKE_US_PER_S));
    snprintf(micros, sizeof(micros), "%llu", (unsigned long long)(now % FAKE_US_PER_S));
    snprintf(text, sizeof(text), "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(seconds), seconds,
             strlen(micros), micros);
    fake_redis_answer_with(peer, text);
}

static inline void fake_redis_note(struct fake_redis *redis, const redisReply *command)
{
    for (size_t i = 0; i < command->elements; i++) {
        if (i > 0) {
            buf_add_char(&redis->asked, ' ');
        }
        buf_add(&redis->asked, str_from(command->element[i]->str, command->element[i]->len));
    }
    buf_add_char(&redis->asked, '\n');
}

static inline void fake_redis_answer(struct fake_peer *peer, const redisReply *command)
{
    struct fake_redis *redis = peer->redis;
    struct str verb = str_of(command->element[0]->str);

    if (redis->ignored != NULL && str_equal(verb, str_of(redis->ignored))) {
        return;
    }
    if (str_equal(verb, STR("TIME"))) {
        fake_redis_say_time(peer);
        return;
    }
    if (str_equal(verb, STR("PING"))) {
        fake_redis_answer_with(peer, peer == redis->hearer ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
                                                           : "+PONG\r\n");
        return;
    }
    if (str_equal(verb, STR("SCRIPT"))) {
        redis->loads++;
        fake_redis_answer_with(peer, "$40\r\n0123456789012345678901234567890123456789\r\n");
        return;
    }
    fake_redis_note(redis, command);
    if (str_equal(verb, STR("EVALSHA"))) {
        redis->caller = peer;
        fake_redis_answer_with(peer, NULL);
    } else if (str_equal(verb, STR("SUBSCRIBE")) || str_equal(verb, STR("PSUBSCRIBE")) ||
               str_equal(verb, STR("UNSUBSCRIBE"))) {
        redis->hearer = peer;
    } else if (str_equal(verb, STR("AUTH"))) {
        bool good = redis->password != NULL &&
                    strcmp(command->element[command->elements - 1]->str, redis->password) == 0;

        fake_redis_answer_with(peer, good ? "+OK\r\n" : "-WRONGPASS invalid\r\n");
    } else {
        fake_redis_answer_with(peer, "+OK\r\n");
    }
}

/* ---- hearing ---- */

static inline void fake_redis_gone(uv_handle_t *handle)
{
    struct fake_peer *peer = handle->data;
    struct fake_peer **at = &peer->redis->peers;

    while (*at != peer) {
        at = &(*at)->next;
    }
    *at = peer->next;
    if (peer->redis->caller == peer) {
        peer->redis->caller = NULL;
    }
    if (peer->redis->hearer == peer) {
        peer->redis->hearer = NULL;
    }
    while (peer->first != NULL) {
        struct fake_slot *slot = peer->first;

        peer->first = slot->next;
        mem_free(slot->text);
        mem_free(slot);
    }
    redisReaderFree(peer->reader);
    free(peer);
}

static inline void fake_redis_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct fake_peer *peer = handle->data;

    (void)suggested;
    *buf = uv_buf_init(peer->room, sizeof(peer->room));
}

static inline void fake_redis_heard(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct fake_peer *peer = stream->data;
    void *command = NULL;

    if (count < 0) {
        if (!uv_is_closing((uv_handle_t *)stream)) {
            uv_close((uv_handle_t *)stream, fake_redis_gone);
        }
        return;
    }
    redisReaderFeed(peer->reader, buf->base, (size_t)count);
    while (redisReaderGetReply(peer->reader, &command) == REDIS_OK && command != NULL) {
        if (!peer->redis->silent) {
            fake_redis_answer(peer, command);
        }
        freeReplyObject(command);
    }
}

static inline void fake_redis_met(uv_stream_t *stream, int status)
{
    struct fake_redis *redis = stream->data;
    struct fake_peer *peer = calloc(1, sizeof(*peer));

    assert_int_equal(status, 0);
    peer->redis = redis;
    peer->pipe.data = peer;
    peer->reader = redisReaderCreate();
    uv_pipe_init(redis->loop, &peer->pipe, 0);
    peer->next = redis->peers;
    redis->peers = peer;
    uv_accept(stream, (uv_stream_t *)&peer->pipe);
    uv_read_start((uv_stream_t *)&peer->pipe, fake_redis_alloc, fake_redis_heard);
}

/* ---- life ---- */

static inline void fake_redis_open(struct fake_redis *redis, uv_loop_t *loop)
{
    memset(redis, 0, sizeof(*redis));
    redis->loop = loop;
    strcpy(redis->folder, "/tmp/segue-unit-XXXXXX");
    assert_non_null(mkdtemp(redis->folder));
    snprintf(redis->path, sizeof(redis->path), "%s/redis", redis->folder);
    uv_pipe_init(loop, &redis->door, 0);
    redis->door.data = redis;
    assert_int_equal(uv_pipe_bind(&redis->door, redis->path), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&redis->door, 16, fake_redis_met), 0);
}

/* Where it is, for store_create. */
static inline struct url fake_redis_url(const struct fake_redis *redis)
{
    struct buf text = {0};
    struct url url;
    const char *why;

    buf_addf(&text, "unix://%s", redis->path);
    assert_int_equal(url_parse(buf_str(&text), &url, &why), ERR_OK);
    buf_finish(&text);
    return url;
}

/* All connections break, as when it is killed; the door stays. */
static inline void fake_redis_break(struct fake_redis *redis)
{
    for (struct fake_peer *peer = redis->peers; peer != NULL; peer = peer->next) {
        if (!uv_is_closing((uv_handle_t *)&peer->pipe)) {
            uv_close((uv_handle_t *)&peer->pipe, fake_redis_gone);
        }
    }
}

static inline void fake_redis_close(struct fake_redis *redis)
{
    fake_redis_break(redis);
    uv_close((uv_handle_t *)&redis->door, NULL);
    unlink(redis->path);
    rmdir(redis->folder);
    buf_finish(&redis->asked);
}

/* ---- what a test says ---- */

/* Answers the script that was called longest ago. */
static inline void fake_redis_reply(struct fake_redis *redis, const char *resp)
{
    struct fake_slot *slot;

    assert_non_null(redis->caller);
    assert_non_null(redis->caller->first);
    for (slot = redis->caller->first; slot->text != NULL; slot = slot->next) {
        assert_non_null(slot->next);
    }
    slot->text = mem_copy(resp, strlen(resp));
    fake_redis_catch_up(redis->caller);
}

/* ... with these words; "nil" is none. */
static inline void fake_redis_reply_words(struct fake_redis *redis, const char *const *words,
                                          size_t count)
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
    fake_redis_reply(redis, buf_text(&text));
    buf_finish(&text);
}

/* Confirms a wish: "subscribe" or "unsubscribe". */
static inline void fake_redis_confirm(struct fake_redis *redis, const char *what,
                                      const char *channel)
{
    char text[256];

    snprintf(text, sizeof(text), "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n", strlen(what), what,
             strlen(channel), channel);
    assert_non_null(redis->hearer);
    fake_redis_say_text(redis->hearer, text);
}

static inline void fake_redis_publish(struct fake_redis *redis, const char *channel,
                                      struct str payload)
{
    struct buf text = {0};

    buf_addf(&text, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel,
             payload.len);
    buf_add(&text, payload);
    buf_add_text(&text, "\r\n");
    assert_non_null(redis->hearer);
    fake_redis_say(redis->hearer, buf_str(&text));
    buf_finish(&text);
}

/* What it was asked since the last look. */
static inline void fake_redis_asked(struct fake_redis *redis, const char *expected)
{
    assert_string_equal(buf_text(&redis->asked), expected);
    buf_clear(&redis->asked);
}

#endif
