/* A polling session as it lies in Redis: typed calls of the scripts eio_*. */
#include "gateway/poll.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/codec.h"
#include "common/mem.h"

enum {
    NUMBER_ROOM = 24
};

static char process[POLL_OWNER_LENGTH + 1]; /* who we are among all processes */

void poll_init(struct poll *poll, const struct services *services, const char *proto,
               struct str sid, void *owner)
{
    char random[POLL_TOKEN_LENGTH - POLL_OWNER_LENGTH + 1];

    if (process[0] == '\0') {
        codec_random_id(process, POLL_OWNER_LENGTH);
    }
    codec_random_id(random, POLL_TOKEN_LENGTH - POLL_OWNER_LENGTH);
    assert(sid.len == POLL_SID_LENGTH);
    *poll = (struct poll){.services = services, .proto = proto, .owner = owner};
    memcpy(poll->sid, sid.at, POLL_SID_LENGTH);
    memcpy(poll->token, process, POLL_OWNER_LENGTH);
    memcpy(poll->token + POLL_OWNER_LENGTH, random, POLL_TOKEN_LENGTH - POLL_OWNER_LENGTH);
}

/* The close of a session is told of whoever waits for it. */
struct poll_closing {
    struct poll *poll; /* borrowed; NULL: nobody waits */
    struct metrics *metrics;
    struct ending ending;
    struct buf texts; /* what `ending` points to */
};

void poll_finish(struct poll *poll)
{
    store_forget(&poll->calls);
    if (poll->closing != NULL) {
        poll->closing->poll = NULL;
        poll->closing = NULL;
    }
}

bool poll_is_busy(const struct poll *poll)
{
    return poll->calls.count > 0 || poll->closing != NULL;
}

bool poll_is_ours(struct str token)
{
    return str_starts(token, str_of(process));
}

struct str poll_sid(const struct poll *poll)
{
    return str_from(poll->sid, POLL_SID_LENGTH);
}

static struct str token_of(const struct poll *poll)
{
    return str_from(poll->token, POLL_TOKEN_LENGTH);
}

/* The sid comes from outside: whatever it is, it stays within its tag. */
static struct str name_of(const struct poll *poll, enum key key, struct key_name *room)
{
    struct buf tag = {0};
    struct str name;

    keys_tag(poll_sid(poll), &tag);
    name = keys_name(room, key, buf_str(&tag));
    buf_finish(&tag);
    return name;
}

struct str poll_channel(const struct poll *poll, struct key_name *room)
{
    return name_of(poll, KEY_EIO, room);
}

struct str poll_item(const struct poll_found *found, size_t index)
{
    return reply_str(found->reply, found->first_item + index);
}

/* ---- answers ---- */

static enum poll_word word_of(struct str word)
{
    static const struct {
        struct str text;
        enum poll_word word;
    } words[] = {
        {{"wrong", 5}, POLL_WRONG},     {{"held", 4}, POLL_HELD}, {{"closed", 6}, POLL_CLOSED},
        {{"changed", 7}, POLL_CHANGED}, {{"full", 4}, POLL_FULL},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_equal(words[i].text, word)) {
            return words[i].word;
        }
    }
    return POLL_UNKNOWN;
}

static void fill_read(struct poll_found *found)
{
    found->version = reply_str(found->reply, 1);
    found->saved = reply_str(found->reply, 2);
    found->marks = reply_str(found->reply, 3);
    found->wait_ms = (uint64_t)reply_int(found->reply, 4);
    found->ping = reply_int(found->reply, 5) != 0;
    found->probing = reply_int(found->reply, 6) != 0;
    found->first_item = 7;
}

static void fill_load(struct poll_found *found)
{
    found->version = reply_str(found->reply, 1);
    found->saved = reply_str(found->reply, 2);
    found->marks = reply_str(found->reply, 3);
    found->allowance = reply_int(found->reply, 4);
    found->idle_us = (uint64_t)reply_int(found->reply, 5);
}

static void fill_upgrade(struct poll_found *found)
{
    found->saved = reply_str(found->reply, 1);
    found->marks = reply_str(found->reply, 2);
    found->first_item = 3;
}

static void fill_knock(struct poll_found *found)
{
    found->listeners = reply_int(found->reply, 1);
}

static void on_answered(void *context, enum err err, const struct redisReply *reply)
{
    static const struct {
        enum script script;
        void (*fill)(struct poll_found *found);
    } shapes[] = {
        {SCRIPT_eio_read, fill_read},
        {SCRIPT_eio_load, fill_load},
        {SCRIPT_eio_upgrade, fill_upgrade},
        {SCRIPT_eio_knock, fill_knock},
    };
    struct poll *poll = context;
    struct poll_found found = {.word = err == ERR_NEWER ? POLL_NEWER : POLL_AWAY,
                               .reply = reply};

    if (err == ERR_OK && reply_outcome(reply) != OUTCOME_APPLIED) {
        found.word = word_of(reply_str(reply, 1));
        found.words = reply_str(reply, 2);
    } else if (err == ERR_OK) {
        found.word = POLL_OK;
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
            if (shapes[i].script == poll->script) {
                shapes[i].fill(&found);
            }
        }
    }
    poll->done(poll->owner, &found);
}

/* ---- calls ---- */

static void call(struct poll *poll, enum script script, struct strs keys, struct strs args,
                 poll_fn *done)
{
    if (done != NULL) {
        assert(poll->calls.count == 0);
        poll->done = done;
        poll->script = script;
    }
    store_call(poll->services->store, script, keys, args, done != NULL ? &poll->calls : NULL,
               done != NULL ? on_answered : NULL, poll);
}

static struct str number(char room[NUMBER_ROOM], int64_t value)
{
    return str_from(room, (size_t)snprintf(room, NUMBER_ROOM, "%lld", (long long)value));
}

static struct str interval(const struct poll *poll, char room[NUMBER_ROOM])
{
    return number(room, (int64_t)poll->services->config->ping_interval_ms);
}

static struct str timeout(const struct poll *poll, char room[NUMBER_ROOM])
{
    return number(room, (int64_t)poll->services->config->ping_timeout_ms);
}

static struct str lease(const struct poll *poll, char room[NUMBER_ROOM])
{
    const struct config *config = poll->services->config;
    return number(room, (int64_t)(config->ping_interval_ms + config->ping_timeout_ms));
}

void poll_open(struct poll *poll, struct str saved, struct str packets, int64_t allowance,
               poll_fn *done)
{
    struct key_name session, queue;
    char a[NUMBER_ROOM], b[NUMBER_ROOM], c[NUMBER_ROOM];

    call(poll, SCRIPT_eio_open,
         STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO_QUEUE, &queue)),
         STRS(str_of(poll->proto), saved, packets, interval(poll, a), timeout(poll, b),
              number(c, allowance)),
         done);
}

void poll_claim(struct poll *poll, struct str instead, struct str t, poll_fn *done)
{
    struct key_name session, queue;
    char a[NUMBER_ROOM];

    call(poll, SCRIPT_eio_claim,
         STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO_QUEUE, &queue)),
         STRS(str_of(poll->proto), token_of(poll), instead, t, timeout(poll, a)), done);
}

void poll_knock(struct poll *poll, poll_fn *done)
{
    struct key_name channel;

    call(poll, SCRIPT_eio_knock, STRS(name_of(poll, KEY_EIO, &channel)), (struct strs){NULL, 0},
         done);
}

void poll_read(struct poll *poll, uint64_t room, poll_fn *done)
{
    struct key_name session, queue;
    char a[NUMBER_ROOM], b[NUMBER_ROOM];

    call(poll, SCRIPT_eio_read,
         STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO_QUEUE, &queue)),
         STRS(token_of(poll), timeout(poll, a), number(b, (int64_t)room)), done);
}

void poll_take(struct poll *poll, struct str version, struct str t, struct str marks,
               size_t items, bool ping, size_t bytes, poll_fn *done)
{
    struct key_name session;
    char a[NUMBER_ROOM], b[NUMBER_ROOM], c[NUMBER_ROOM];

    call(poll, SCRIPT_eio_take, STRS(name_of(poll, KEY_EIO, &session)),
         STRS(token_of(poll), version, t, marks, number(a, (int64_t)items),
              ping ? STR("1") : STR("0"), number(c, (int64_t)bytes), timeout(poll, b)),
         done);
}

void poll_load(struct poll *poll, poll_fn *done)
{
    struct key_name session;
    char a[NUMBER_ROOM];

    call(poll, SCRIPT_eio_load, STRS(name_of(poll, KEY_EIO, &session)),
         STRS(str_of(poll->proto), timeout(poll, a)), done);
}

void poll_commit(struct poll *poll, struct str version, struct str saved, struct str packets,
                 size_t bytes, bool pong, int64_t allowance, poll_fn *done)
{
    const struct config *config = poll->services->config;
    uint64_t room =
        config->max_queue > config->max_batch ? config->max_queue : config->max_batch;
    struct key_name session, queue, channel;
    char a[NUMBER_ROOM], b[NUMBER_ROOM], c[NUMBER_ROOM], d[NUMBER_ROOM], e[NUMBER_ROOM];

    call(poll, SCRIPT_eio_commit,
         STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO_QUEUE, &queue),
              name_of(poll, KEY_EIO, &channel)),
         STRS(version, saved, packets, number(e, (int64_t)bytes), pong ? STR("1") : STR("0"),
              number(a, allowance), interval(poll, b), timeout(poll, c),
              number(d, (int64_t)room)),
         done);
}

static void on_closed(void *context, enum err err, const struct redisReply *reply)
{
    struct poll_closing *closing = context;
    struct poll *poll = closing->poll;
    struct poll_found found = {.word = POLL_AWAY, .reply = reply};

    if (err == ERR_OK) {
        found.word = reply_outcome(reply) == OUTCOME_APPLIED ? POLL_OK : POLL_UNKNOWN;
    }
    if (found.word == POLL_OK && closing->ending.event != NULL) {
        closing->ending.age_ms = (uint64_t)reply_int(reply, 1);
        closing->ending.bytes_in = (uint64_t)reply_int(reply, 2);
        closing->ending.bytes_out = (uint64_t)reply_int(reply, 3);
        ending_log(&closing->ending);
        closing->metrics->closed[closing->ending.transport][closing->ending.reason]++;
    }
    buf_finish(&closing->texts);
    mem_free(closing);
    if (poll != NULL) {
        poll->closing = NULL;
        poll->done(poll->owner, &found);
    }
}

/* Texts outlive the request that they came with. */
static void keep_ending(struct poll_closing *closing, const struct ending *ending)
{
    struct str *parts[] = {&closing->ending.id, &closing->ending.user, &closing->ending.peer};
    size_t at = 0;

    closing->ending = *ending;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        buf_add(&closing->texts, *parts[i]);
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i] = str_from(buf_str(&closing->texts).at + at, parts[i]->len);
        at += parts[i]->len;
    }
}

void poll_close(struct poll *poll, bool claimed, struct str words, bool told,
                const struct ending *ending, poll_fn *done)
{
    struct poll_closing *closing = mem_zero(sizeof(*closing));
    struct key_name session, queue, channel;

    closing->metrics = poll->services->metrics;
    if (ending != NULL) {
        keep_ending(closing, ending);
    }
    if (done != NULL) {
        assert(!poll_is_busy(poll));
        poll->done = done;
        poll->closing = closing;
        closing->poll = poll;
    }
    store_call(
        poll->services->store, SCRIPT_eio_close,
        STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO_QUEUE, &queue),
             name_of(poll, KEY_EIO, &channel)),
        STRS(claimed ? token_of(poll) : str_from("", 0), words, told ? STR("1") : STR("0")),
        NULL, on_closed, closing);
}

static void probe(struct poll *poll, uint64_t limit_ms, poll_fn *done)
{
    struct key_name session;
    char a[NUMBER_ROOM], b[NUMBER_ROOM];

    call(poll, SCRIPT_eio_probe, STRS(name_of(poll, KEY_EIO, &session)),
         STRS(str_of(poll->proto), token_of(poll), number(a, (int64_t)limit_ms),
              timeout(poll, b)),
         done);
}

void poll_probe(struct poll *poll, uint64_t limit_ms, poll_fn *done)
{
    probe(poll, limit_ms, done);
}

void poll_unprobe(struct poll *poll)
{
    probe(poll, 0, NULL);
}

void poll_probed(struct poll *poll, poll_fn *done)
{
    struct key_name session, channel;

    call(poll, SCRIPT_eio_probed,
         STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO, &channel)),
         STRS(token_of(poll)), done);
}

void poll_upgrade(struct poll *poll, poll_fn *done)
{
    struct key_name session, queue, channel;
    char a[NUMBER_ROOM], b[NUMBER_ROOM];

    call(poll, SCRIPT_eio_upgrade,
         STRS(name_of(poll, KEY_EIO, &session), name_of(poll, KEY_EIO_QUEUE, &queue),
              name_of(poll, KEY_EIO, &channel)),
         STRS(token_of(poll), timeout(poll, a), lease(poll, b)), done);
}

void poll_renew(struct poll *poll)
{
    struct key_name session;
    char a[NUMBER_ROOM];

    call(poll, SCRIPT_eio_renew, STRS(name_of(poll, KEY_EIO, &session)), STRS(lease(poll, a)),
         NULL);
}
