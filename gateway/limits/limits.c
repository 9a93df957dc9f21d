/* Limits that hold over all processes: subjects, their places, their rates. */
#include "gateway/limits/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/codec.h"
#include "common/map.h"
#include "common/mem.h"
#include "gateway/limits/bucket.h"
#include "gateway/store/keys.h"

enum {
    TICK_MS = 100,       /* how soon places that were given up are free for others */
    IDLE_MS = 5000,      /* by then a bucket is full again, and nothing is lost with it */
    IDLE_MAX = 65536,    /* subjects without visitors; beyond, the oldest go at once */
    FULL_MS = 250,       /* that there is no place is believed for so long without asking */
    RENEWALS = 3,        /* in the time of a lease */
    PROCESS_LENGTH = 12, /* of our name in Redis */
    NUMBER_ROOM = 24,
    V6_SUBSCRIBER_BYTES = 8 /* /64 */
};

struct limits_list {
    struct limits_subject *first, *last;
};

struct limits_subject {
    UT_hash_handle hh;
    struct limits *limits;
    struct limits_subject *prev, *next; /* in the list that it stands in */
    struct limits_list *list;           /* NULL: in none */
    struct limits_wait *waits, *last_wait;
    uint64_t due_ms;  /* in a list: to be renewed, or forgotten */
    uint64_t full_ms; /* until then there is no place */
    unsigned visitors;
    unsigned used;    /* connections of this process */
    unsigned granted; /* places that Redis knows of */
    unsigned asking;  /* waits that the call under way speaks for */
    bool calling;     /* about places */
    bool drawing;     /* tokens */
    enum limits_kind kind;
    struct bucket bucket;
    char tag[]; /* of its keys */
};

struct limits {
    struct store *store;     /* borrowed */
    struct metrics *metrics; /* borrowed */
    uv_loop_t *loop;
    struct limits_subject *subjects; /* by kind and name, which is the tag */
    struct limits_list held;         /* have places: by when they are renewed */
    struct limits_list idle;         /* have no visitors: by when they are forgotten */
    size_t idle_count;
    uint64_t lease_ms;
    uint64_t places[LIMITS_KINDS]; /* the limits; 0 = none */
    uint64_t rates[LIMITS_KINDS];
    struct bucket_rule rules[LIMITS_KINDS];
    uv_timer_t clock;
    bool ticking, closed;
    char process[PROCESS_LENGTH + 1];
};

static uint64_t now_ms(const struct limits *limits)
{
    return uv_now(limits->loop);
}

static struct str number(char room[NUMBER_ROOM], uint64_t value)
{
    return str_from(room,
                    (size_t)snprintf(room, NUMBER_ROOM, "%llu", (unsigned long long)value));
}

/* ---- lists, by time: whoever is put at the end is due last ---- */

static void take_out(struct limits_subject *subject)
{
    struct limits_list *list = subject->list;

    if (list == NULL) {
        return;
    }
    *(subject->prev != NULL ? &subject->prev->next : &list->first) = subject->next;
    *(subject->next != NULL ? &subject->next->prev : &list->last) = subject->prev;
    subject->limits->idle_count -= list == &subject->limits->idle;
    subject->list = NULL;
}

static void put_last(struct limits_subject *subject, struct limits_list *list, uint64_t due_ms)
{
    take_out(subject);
    subject->list = list;
    subject->due_ms = due_ms;
    subject->prev = list->last;
    subject->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = subject;
    list->last = subject;
    subject->limits->idle_count += list == &subject->limits->idle;
}

static void put_first(struct limits_subject *subject, struct limits_list *list, uint64_t due_ms)
{
    take_out(subject);
    subject->list = list;
    subject->due_ms = due_ms;
    subject->prev = NULL;
    subject->next = list->first;
    *(list->first != NULL ? &list->first->prev : &list->last) = subject;
    list->first = subject;
    subject->limits->idle_count += list == &subject->limits->idle;
}

/* ---- subjects ---- */

static void start_clock(struct limits *limits);

static void destroy_subject(struct limits_subject *subject)
{
    assert(subject->waits == NULL);
    take_out(subject);
    HASH_DEL(subject->limits->subjects, subject);
    mem_free(subject);
}

static bool is_busy(const struct limits_subject *subject)
{
    return subject->visitors > 0 || subject->calling || subject->drawing ||
           subject->granted > 0;
}

/* Where it belongs after something ended; the clock does the rest. */
static void settle(struct limits_subject *subject)
{
    struct limits *limits = subject->limits;

    if (subject->granted > 0) {
        return; /* among the held */
    }
    if (is_busy(subject)) {
        take_out(subject);
        return;
    }
    if (subject->list != &limits->idle) {
        put_last(subject, &limits->idle, now_ms(limits) + IDLE_MS);
        start_clock(limits);
    }
    if (limits->idle_count > IDLE_MAX) {
        destroy_subject(limits->idle.first);
    }
}

/* The name in Redis: a user's as in all his keys; an address behind a slash, which no escaped
 * name has. */
static void write_tag(enum limits_kind kind, struct str name, struct buf *to)
{
    uint8_t address[ADDRESS_BYTES];
    char text[ADDRESS_TEXT_MAX];

    if (kind == LIMITS_USER) {
        keys_tag(name, to);
        return;
    }
    buf_add_text(to, "ip/");
    if (address_read(name, address) && !address_is_v4(address)) {
        memset(address + V6_SUBSCRIBER_BYTES, 0, ADDRESS_BYTES - V6_SUBSCRIBER_BYTES);
        name = address_print(address, text);
    }
    buf_add(to, name);
}

static struct str tag_of(const struct limits_subject *subject)
{
    return str_from(subject->tag, subject->hh.keylen);
}

struct limits_subject *limits_visit(struct limits *limits, enum limits_kind kind,
                                    struct str name)
{
    struct limits_subject *subject = NULL;
    struct buf tag = {0};

    write_tag(kind, name, &tag);
    HASH_FIND(hh, limits->subjects, tag.at, tag.len, subject);
    if (subject == NULL) {
        subject = mem_zero(sizeof(*subject) + tag.len);
        subject->limits = limits;
        subject->kind = kind;
        if (tag.len > 0) {
            memcpy(subject->tag, tag.at, tag.len);
        }
        bucket_init(&subject->bucket, &limits->rules[kind], now_ms(limits));
        HASH_ADD_KEYPTR(hh, limits->subjects, subject->tag, tag.len, subject);
    }
    buf_finish(&tag);
    if (subject->list == &limits->idle) {
        take_out(subject);
    }
    subject->visitors++;
    return subject;
}

void limits_leave(struct limits_subject *subject)
{
    subject->visitors--;
    settle(subject);
}

enum limits_kind limits_kind_of(const struct limits_subject *subject)
{
    return subject->kind;
}

/* ---- rates ---- */

static void on_drawn(void *context, enum err err, const struct redisReply *reply)
{
    struct limits_subject *subject = context;
    struct limits *limits = subject->limits;
    const struct bucket_rule *rule = &limits->rules[subject->kind];

    subject->drawing = false;
    if (err != ERR_OK || reply_outcome(reply) != OUTCOME_APPLIED) {
        bucket_unanswered(&subject->bucket, rule, now_ms(limits));
    } else {
        bucket_answered(&subject->bucket, rule, reply_int(reply, 1), reply_int(reply, 2),
                        now_ms(limits));
    }
    settle(subject);
}

static void draw(struct limits_subject *subject)
{
    struct limits *limits = subject->limits;
    const struct bucket_rule *rule = &limits->rules[subject->kind];
    struct key_name key;
    char wants[NUMBER_ROOM], rate[NUMBER_ROOM], burst[NUMBER_ROOM];

    subject->drawing = true;
    store_call(limits->store, SCRIPT_limit_draw,
               STRS(keys_name(&key, KEY_BUCKET, tag_of(subject))),
               STRS(number(wants, (uint64_t)bucket_ask(&subject->bucket, rule)),
                    number(rate, (uint64_t)rule->rate), number(burst, (uint64_t)rule->burst)),
               NULL, on_drawn, subject);
}

static void count_spent(const struct limits_subject *subject)
{
    static const enum metrics_limit counters[LIMITS_KINDS] = {METRICS_LIMIT_USER_RATE,
                                                              METRICS_LIMIT_ADDRESS_RATE};

    subject->limits->metrics->limited[counters[subject->kind]]++;
}

bool limits_spend(struct limits_subject *subject)
{
    struct limits *limits = subject->limits;
    enum bucket_outcome outcome;

    if (limits->rates[subject->kind] == 0) {
        return true;
    }
    outcome = bucket_spend(&subject->bucket, &limits->rules[subject->kind], now_ms(limits));
    if (outcome == BUCKET_GO_ASK || outcome == BUCKET_FULL_ASK) {
        draw(subject);
    }
    if (outcome == BUCKET_FULL || outcome == BUCKET_FULL_ASK) {
        count_spent(subject);
        return false;
    }
    return true;
}

bool limits_is_spent(struct limits_subject *subject)
{
    const struct limits *limits = subject->limits;

    if (limits->rates[subject->kind] == 0 ||
        !bucket_is_empty(&subject->bucket, &limits->rules[subject->kind], now_ms(limits))) {
        return false;
    }
    count_spent(subject);
    return true;
}

/* ---- places ---- */

static void claim(struct limits_subject *subject);

void limits_refuse(const struct limits_subject *subject)
{
    static const enum metrics_limit counters[LIMITS_KINDS] = {
        METRICS_LIMIT_USER_CONNECTIONS, METRICS_LIMIT_ADDRESS_CONNECTIONS};

    subject->limits->metrics->limited[counters[subject->kind]]++;
}

static struct limits_wait *pop_wait(struct limits_subject *subject)
{
    struct limits_wait *wait = subject->waits;

    subject->waits = wait->next;
    if (subject->waits == NULL) {
        subject->last_wait = NULL;
    }
    wait->subject = NULL;
    return wait;
}

/* Those for whom was asked; who came meanwhile is asked for next. */
static void tell_waits(struct limits_subject *subject, enum err otherwise)
{
    while (subject->waits != NULL && (subject->asking > 0 || otherwise == ERR_UNAVAILABLE)) {
        struct limits_wait *wait = pop_wait(subject);
        bool room = otherwise != ERR_UNAVAILABLE && subject->used < subject->granted;

        subject->asking -= subject->asking > 0;
        if (room) {
            subject->used++;
        } else if (otherwise == ERR_TOO_MANY) {
            subject->full_ms = now_ms(subject->limits) + FULL_MS;
            limits_refuse(subject);
        }
        wait->done(wait->owner, room ? ERR_OK : otherwise);
    }
    subject->asking = 0;
}

static void on_claimed(void *context, enum err err, const struct redisReply *reply)
{
    struct limits_subject *subject = context;
    struct limits *limits = subject->limits;
    bool known = err == ERR_OK && reply_outcome(reply) == OUTCOME_APPLIED;

    subject->visitors++; /* whoever is told may leave */
    if (known) {
        subject->granted = (unsigned)reply_int(reply, 1);
    }
    if (subject->granted > 0) {
        put_last(subject, &limits->held, now_ms(limits) + limits->lease_ms / RENEWALS);
        start_clock(limits);
    }
    tell_waits(subject, known ? ERR_TOO_MANY : ERR_UNAVAILABLE);
    subject->calling = false; /* until here whoever comes waits */
    if (known && (subject->waits != NULL || subject->used > subject->granted)) {
        claim(subject);
    } else if (subject->granted > subject->used) {
        put_first(subject, &limits->held, now_ms(limits)); /* somebody did not wait */
    }
    limits_leave(subject);
}

/* Says what is used here and asks for those who wait. One call at a time. */
static void claim(struct limits_subject *subject)
{
    struct limits *limits = subject->limits;
    struct key_name places, polls;
    char has[NUMBER_ROOM], wants[NUMBER_ROOM], limit[NUMBER_ROOM], lease[NUMBER_ROOM];

    subject->asking = 0;
    for (const struct limits_wait *wait = subject->waits; wait != NULL; wait = wait->next) {
        subject->asking++;
    }
    subject->calling = true;
    store_call(limits->store, SCRIPT_limit_claim,
               STRS(keys_name(&places, KEY_PLACES, tag_of(subject)),
                    keys_name(&polls, KEY_POLLS, tag_of(subject))),
               STRS(str_from(limits->process, PROCESS_LENGTH), number(has, subject->used),
                    number(wants, subject->used + subject->asking),
                    number(limit, limits->places[subject->kind]),
                    number(lease, limits->lease_ms)),
               NULL, on_claimed, subject);
}

bool limits_is_full(const struct limits_subject *subject)
{
    return !subject->calling && subject->used >= subject->granted &&
           now_ms(subject->limits) < subject->full_ms;
}

enum limits_answer limits_take(struct limits_subject *subject, struct limits_wait *wait,
                               limits_fn *done, void *owner)
{
    struct limits *limits = subject->limits;

    if (limits->places[subject->kind] == 0 ||
        (subject->used < subject->granted && !subject->calling)) {
        subject->used++;
        return LIMITS_YES;
    }
    if (limits_is_full(subject)) {
        limits_refuse(subject);
        return LIMITS_NO;
    }
    *wait = (struct limits_wait){.subject = subject, .done = done, .owner = owner};
    *(subject->last_wait != NULL ? &subject->last_wait->next : &subject->waits) = wait;
    subject->last_wait = wait;
    if (!subject->calling) {
        claim(subject);
    }
    return LIMITS_LATER;
}

void limits_keep(struct limits_subject *subject)
{
    subject->used++;
    if (subject->limits->places[subject->kind] > 0 && !subject->calling) {
        claim(subject);
    }
}

void limits_give(struct limits_subject *subject)
{
    struct limits *limits = subject->limits;

    subject->used--;
    subject->full_ms = 0;
    if (subject->used < subject->granted) {
        put_first(subject, &limits->held, now_ms(limits));
        start_clock(limits);
    }
}

void limits_cancel(struct limits_wait *wait)
{
    struct limits_subject *subject = wait->subject;
    struct limits_wait *before = NULL, *at;

    store_forget(&wait->calls);
    if (subject == NULL) {
        return;
    }
    wait->subject = NULL;
    at = subject->waits;
    while (at != NULL && at != wait) {
        before = at;
        at = at->next;
    }
    if (at == NULL) {
        return; /* a polling session's */
    }
    *(before != NULL ? &before->next : &subject->waits) = wait->next;
    if (subject->last_wait == wait) {
        subject->last_wait = before;
    }
}

/* ---- places of polling sessions ---- */

static void on_poll_taken(void *context, enum err err, const struct redisReply *reply)
{
    struct limits_wait *wait = context;
    struct limits_subject *subject = wait->subject;

    wait->subject = NULL;
    if (err == ERR_OK && reply_outcome(reply) != OUTCOME_APPLIED) {
        limits_refuse(subject);
        err = ERR_TOO_MANY;
    }
    wait->done(wait->owner, err);
}

/* A GET renews the lease; a client that does not come again in time has lost its session. */
static void call_poll(struct limits_subject *subject, struct str sid, bool keeps,
                      uint64_t lease_ms, struct limits_wait *wait)
{
    struct limits *limits = subject->limits;
    struct key_name places, polls;
    char limit[NUMBER_ROOM], lease[NUMBER_ROOM];

    if (limits->places[subject->kind] == 0) {
        return;
    }
    store_call(limits->store, SCRIPT_limit_poll,
               STRS(keys_name(&places, KEY_PLACES, tag_of(subject)),
                    keys_name(&polls, KEY_POLLS, tag_of(subject))),
               STRS(sid, keeps ? STR("1") : STR("0"),
                    number(limit, limits->places[subject->kind]), number(lease, lease_ms)),
               wait != NULL ? &wait->calls : NULL, wait != NULL ? on_poll_taken : NULL, wait);
}

void limits_take_poll(struct limits_subject *subject, struct str sid, struct limits_wait *wait,
                      limits_fn *done, void *owner)
{
    assert(subject->limits->places[subject->kind] > 0);
    *wait = (struct limits_wait){.subject = subject, .done = done, .owner = owner};
    call_poll(subject, sid, false, subject->limits->lease_ms, wait);
}

void limits_keep_poll(struct limits_subject *subject, struct str sid)
{
    call_poll(subject, sid, true, subject->limits->lease_ms, NULL);
}

void limits_give_poll(struct limits_subject *subject, struct str sid)
{
    call_poll(subject, sid, true, 0, NULL);
}

/* ---- the clock, which runs while there is something to do ---- */

static void on_tick(uv_timer_t *clock)
{
    struct limits *limits = clock->data;
    uint64_t now = now_ms(limits);

    while (limits->held.first != NULL && limits->held.first->due_ms <= now) {
        struct limits_subject *subject = limits->held.first;

        put_last(subject, &limits->held, now + limits->lease_ms / RENEWALS);
        if (!subject->calling) {
            claim(subject);
        }
    }
    while (limits->idle.first != NULL && limits->idle.first->due_ms <= now) {
        destroy_subject(limits->idle.first);
    }
    if (limits->held.first == NULL && limits->idle.first == NULL) {
        uv_timer_stop(clock);
        limits->ticking = false;
    }
}

static void start_clock(struct limits *limits)
{
    if (!limits->ticking && !limits->closed) {
        limits->ticking = true;
        uv_timer_start(&limits->clock, on_tick, TICK_MS, TICK_MS);
    }
}

void limits_flush(struct limits *limits)
{
    on_tick(&limits->clock);
}

/* ---- the beginning and the end ---- */

struct limits *limits_create(const struct config *config, struct store *store,
                             struct metrics *metrics, uv_loop_t *loop)
{
    struct limits *limits = mem_zero(sizeof(*limits));

    limits->store = store;
    limits->metrics = metrics;
    limits->loop = loop;
    limits->lease_ms = config->ping_interval_ms + config->ping_timeout_ms;
    limits->places[LIMITS_USER] = config->user_connections;
    limits->places[LIMITS_ADDRESS] = config->address_connections;
    limits->rates[LIMITS_USER] = config->user_rate;
    limits->rates[LIMITS_ADDRESS] = config->address_rate;
    for (int kind = 0; kind < LIMITS_KINDS; kind++) {
        limits->rules[kind] = bucket_rule_of(limits->rates[kind]);
    }
    codec_random_id(limits->process, PROCESS_LENGTH);
    uv_timer_init(loop, &limits->clock);
    limits->clock.data = limits;
    return limits;
}

void limits_stop(struct limits *limits)
{
    limits->closed = true;
    uv_close((uv_handle_t *)&limits->clock, NULL);
}

void limits_destroy(struct limits *limits)
{
    struct limits_subject *subject, *next;

    if (limits == NULL) {
        return;
    }
    HASH_ITER(hh, limits->subjects, subject, next)
    {
        destroy_subject(subject);
    }
    mem_free(limits);
}

size_t limits_count(const struct limits *limits)
{
    return HASH_COUNT(limits->subjects);
}

bool limits_places(const struct limits *limits, enum limits_kind kind)
{
    return limits != NULL && limits->places[kind] > 0;
}

bool limits_any(const struct limits *limits, enum limits_kind kind)
{
    return limits != NULL && (limits->places[kind] > 0 || limits->rates[kind] > 0);
}
