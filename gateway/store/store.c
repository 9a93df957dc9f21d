/* State in Redis: calls of scripts, subscriptions, one notion of "up".
 *
 *     RESTING --back-off--> DIALING --both open, greeted--> UP
 *        ^                     |                            |
 *        +------- any failure: both connections go ---------+
 *
 * store_enter is the only place that changes the state. Scripts are loaded while greeting;
 * should Redis forget them, NOSCRIPT loads them again and the call is sent once more from its
 * own bytes. */
#include "gateway/store/store.h"

#include <hiredis/hiredis.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/store/call.h"
#include "gateway/store/clock.h"
#include "gateway/store/link.h"
#include "gateway/store/lookup.h"
#include "gateway/store/resp.h"
#include "gateway/store/tap.h"

enum {
    ANSWER_MS = 3000, /* longer without an answer: Redis is away */
    BEAT_MS = 1000,   /* how often both connections are asked whether they live */
    TICK_MS = 250,    /* how often deadlines are looked at */
    LATE_TICKS = 2,   /* ... and how often in a row: after a pause of our own the answer may lie
                         in the socket */
    REST_FIRST_MS = 50,  /* back-off: first, and ... */
    REST_LAST_MS = 1000, /* ... longest rest */
};

enum state {
    RESTING,
    DIALING,
    UP,
    STOPPED
};

struct store {
    uv_loop_t *loop;
    struct url url;
    struct metrics *metrics;
    const struct store_events *events;
    void *owner;

    enum state state;
    struct link *link; /* owned until it says closed */
    struct tap *tap;   /* likewise */
    bool link_open, tap_open;
    unsigned greetings; /* answers still due before the store is up */
    uint64_t dialed_ms;

    uv_timer_t tick;
    uint64_t rest_ms;
    uint64_t rest_until_ms;
    uint64_t beat_at_ms;
    uint64_t tap_asked_ms; /* 0 = no answer due */
    struct lookup lookup;
    char last_why[128]; /* what was logged last: a failure that repeats is said once */
    unsigned late;      /* ticks in a row that found an answer overdue */

    struct clock clock;
    struct caller caller;
};

static void store_enter(struct store *store, enum state state);

static uint64_t now_ms(const struct store *store)
{
    return uv_now(store->loop);
}

static void log_change(const struct store *store, enum log_level level, const char *event,
                       const char *why)
{
    struct buf at = {0};

    url_print(&store->url, &at);
    log_write(level, event, LOG_STR("redis", buf_str(&at)), LOG_TEXT("why", why));
    buf_finish(&at);
}

/* ---- failure: everything goes, once ---- */

static void fail(struct store *store, const char *why)
{
    if (store->state == RESTING || store->state == STOPPED) {
        return;
    }
    store->lookup.turn += store->state == DIALING;
    if (strcmp(why, store->last_why) != 0 || store->state == UP) {
        log_change(store, LOG_WARN, "redis down", why);
    }
    snprintf(store->last_why, sizeof(store->last_why), "%s", why);
    store_enter(store, RESTING);
}

/* ---- greeting: password, database, scripts; then we are up ---- */

static void greeted(struct store *store)
{
    if (store->state == DIALING && store->link_open && store->tap_open &&
        --store->greetings == 0) {
        store_enter(store, UP);
    }
}

static void on_greeting_answered(void *context, const struct redisReply *reply)
{
    struct store *store = context;

    if (reply == NULL || store->state != DIALING) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        fail(store, reply->str);
        return;
    }
    greeted(store);
}

static void greet_link(struct store *store, const struct str *words, size_t count)
{
    struct buf command = {0};

    resp_add_command(&command, words, count);
    if (link_send(store->link, buf_str(&command), on_greeting_answered, store)) {
        store->greetings++;
    }
    buf_finish(&command);
}

/* AUTH with or without a user name; returns the number of words, 0 when no password was given.
 */
static size_t auth_words(const struct store *store, struct str words[3])
{
    size_t count = 0;

    if (store->url.password == NULL) {
        return 0;
    }
    words[count++] = STR("AUTH");
    if (store->url.user != NULL) {
        words[count++] = str_of(store->url.user);
    }
    words[count++] = str_of(store->url.password);
    return count;
}

/* Both sockets are open: everything that must be said first goes out at once. */
static void greet(struct store *store)
{
    struct str words[3];
    size_t count = auth_words(store, words);
    char database[16];

    if (!store->link_open || !store->tap_open) {
        return;
    }
    store->greetings = 1; /* the tap's PING below */
    if (count > 0) {
        greet_link(store, words, count);
        tap_send(store->tap, words, count);
        store->greetings++;
    }
    if (store->url.database != 0) {
        snprintf(database, sizeof(database), "%u", store->url.database);
        greet_link(store, (const struct str[]){STR("SELECT"), str_of(database)}, 2);
    }
    store->greetings += scripts_load(store->link, on_greeting_answered, store);
    tap_send(store->tap, (const struct str[]){STR("PING")}, 1);
}

/* ---- events of the two connections ---- */

static void on_link_opened(void *owner)
{
    struct store *store = owner;

    store->link_open = true;
    greet(store);
}

static void on_link_closed(void *owner, const char *why)
{
    struct store *store = owner;

    store->link = NULL;
    fail(store, why);
}

static void on_tap_opened(void *owner)
{
    struct store *store = owner;

    store->tap_open = true;
    greet(store);
}

static void on_tap_closed(void *owner, const char *why)
{
    struct store *store = owner;

    store->tap = NULL;
    fail(store, why);
}

/* A busy tap is alive. */
static void note_tap_alive(struct store *store)
{
    store->tap_asked_ms = store->tap_asked_ms != 0 ? now_ms(store) : 0;
}

static void on_tap_message(void *owner, struct str channel, struct str payload)
{
    struct store *store = owner;

    note_tap_alive(store);
    store->events->message(store->owner, channel, payload);
}

static void on_tap_matched(void *owner, struct str channel, struct str payload)
{
    struct store *store = owner;

    note_tap_alive(store);
    store->events->matched(store->owner, channel, payload);
}

static void on_tap_changed(void *owner, struct str channel, bool subscribed)
{
    struct store *store = owner;

    store->events->changed(store->owner, channel, subscribed);
}

static void on_tap_answered(void *owner, struct str error)
{
    struct store *store = owner;
    char why[128];

    if (error.len > 0) {
        snprintf(why, sizeof(why), "%.*s", (int)error.len, error.at);
        fail(store, why);
        return;
    }
    store->tap_asked_ms = 0;
    greeted(store);
}

/* So that nobody hears of a lost call while we still seem to be up. */
static void on_lost(void *owner, const char *why)
{
    fail(owner, why);
}

static const struct link_events link_events = {on_link_opened, on_lost, on_link_closed};
static const struct tap_events tap_events = {on_tap_opened,  on_tap_closed,  on_tap_message,
                                             on_tap_matched, on_tap_changed, on_tap_answered};

/* ---- dialing ---- */

static void dial_address(struct store *store, const char *host)
{
    store->link =
        link_open(store->loop, host, store->url.port, store->url.path, &link_events, store);
    if (store->link != NULL) {
        store->tap =
            tap_open(store->loop, host, store->url.port, store->url.path, &tap_events, store);
    }
    if (store->tap == NULL) {
        fail(store, "no connection could be made");
    }
}

static void on_found(void *owner, const char *host, const char *why)
{
    struct store *store = owner;

    if (store->state != DIALING) {
        return;
    }
    if (host == NULL) {
        fail(store, why);
    } else {
        dial_address(store, host);
    }
}

static void dial(struct store *store)
{
    store_enter(store, DIALING);
    if (store->url.host == NULL) {
        dial_address(store, NULL);
    } else {
        lookup_start(&store->lookup, store->loop, store->url.host, on_found, store);
    }
}

/* ---- heartbeat ---- */

static void on_time(void *context, const struct redisReply *reply)
{
    struct store *store = context;

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        clock_answered(&store->clock,
                       (uint64_t)reply_int(reply, 0) * 1000000 + (uint64_t)reply_int(reply, 1));
    }
}

static void beat(struct store *store)
{
    static const struct str ask_time = {"*1\r\n$4\r\nTIME\r\n", 14};

    store->beat_at_ms = now_ms(store) + BEAT_MS;
    if (clock_ask(&store->clock) && !link_send(store->link, ask_time, on_time, store)) {
        return;
    }
    if (store->tap_asked_ms == 0) {
        store->tap_asked_ms = now_ms(store);
        tap_send(store->tap, (const struct str[]){STR("PING")}, 1);
    }
}

static bool overdue(const struct store *store)
{
    uint64_t limit = (uint64_t)ANSWER_MS;

    if (caller_waiting_us(&store->caller) > limit * 1000) {
        return true;
    }
    return clock_waiting_us(&store->clock) > limit * 1000 ||
           (store->tap_asked_ms != 0 && now_ms(store) - store->tap_asked_ms > limit);
}

static void on_tick(uv_timer_t *timer)
{
    struct store *store = timer->data;

    store->late = store->state == UP && overdue(store) ? store->late + 1 : 0;
    if (store->state == RESTING && store->link == NULL && store->tap == NULL &&
        now_ms(store) >= store->rest_until_ms) {
        dial(store);
    } else if (store->state == DIALING && now_ms(store) - store->dialed_ms > ANSWER_MS) {
        fail(store, "no answer while connecting");
    } else if (store->state == UP && store->late >= LATE_TICKS) {
        fail(store, "no answer in time");
    } else if (store->state == UP && store->late == 0 && now_ms(store) >= store->beat_at_ms) {
        beat(store);
    }
}

/* ---- states ---- */

static uint64_t jittered(uint64_t ms)
{
    unsigned char byte = 0;

    RAND_bytes(&byte, 1);
    return ms / 2 + ms * byte / 512;
}

static void let_go(struct store *store)
{
    store->link_open = store->tap_open = false;
    store->tap_asked_ms = 0;
    clock_forget(&store->clock);
    if (store->link != NULL) {
        link_close(store->link, store->last_why);
    }
    if (store->tap != NULL) {
        tap_close(store->tap, store->last_why);
    }
}

static void rest(struct store *store)
{
    store->rest_ms = store->rest_ms == 0 ? REST_FIRST_MS : store->rest_ms * 2;
    if (store->rest_ms > REST_LAST_MS) {
        store->rest_ms = REST_LAST_MS;
    }
    store->rest_until_ms = now_ms(store) + jittered(store->rest_ms);
}

static void come_up(struct store *store)
{
    log_change(store, LOG_INFO, "redis up", "both connections answer");
    store->rest_ms = 0;
    store->last_why[0] = '\0';
    store->metrics->redis_up = 1;
    beat(store);
    store->events->up(store->owner);
}

/* The only writer of `state`. */
static void store_enter(struct store *store, enum state state)
{
    enum state before = store->state;

    store->state = state;
    store->caller.link = state == UP ? store->link : NULL;
    if (before == UP) {
        store->metrics->redis_up = 0;
        store->events->down(store->owner);
    }
    switch (state) {
    case RESTING:
        rest(store);
        let_go(store);
        break;
    case DIALING:
        store->dialed_ms = now_ms(store);
        store->greetings = 0;
        break;
    case UP:
        come_up(store);
        break;
    case STOPPED:
        let_go(store);
        uv_close((uv_handle_t *)&store->tick, NULL);
        break;
    }
}

/* ---- life ---- */

struct store *store_create(uv_loop_t *loop, const struct url *url, struct metrics *metrics,
                           const struct store_events *events, void *owner)
{
    struct store *store = mem_zero(sizeof(*store));

    store->loop = loop;
    store->url = *url;
    store->metrics = metrics;
    store->events = events;
    store->owner = owner;
    store->caller = (struct caller){.metrics = metrics, .lost = on_lost, .owner = store};
    return store;
}

void store_start(struct store *store)
{
    uv_timer_init(store->loop, &store->tick);
    store->tick.data = store;
    uv_timer_start(&store->tick, on_tick, 0, TICK_MS);
}

void store_stop(struct store *store)
{
    if (store->state != STOPPED) {
        store_enter(store, STOPPED);
    }
    caller_flush(&store->caller);
}

void store_destroy(struct store *store)
{
    if (store == NULL) {
        return;
    }
    caller_finish(&store->caller);
    url_finish(&store->url);
    mem_free(store);
}

void store_call(struct store *store, enum script script, struct strs keys, struct strs args,
                struct store_calls *calls, store_done_fn *done, void *context)
{
    struct store_call *call = caller_take(&store->caller, script);

    call->done = done;
    call->context = context;
    call_write(call, keys, args);
    call_join(call, calls);
    caller_send(&store->caller, call);
}

bool store_is_up(const struct store *store)
{
    return store->state == UP;
}

size_t store_pending(const struct store *store)
{
    return store->caller.pending;
}

static void tap_say(struct store *store, struct str verb, struct str channel)
{
    if (store->state == UP) {
        tap_send(store->tap, (const struct str[]){verb, channel}, 2);
    }
}

void store_watch(struct store *store, struct str channel)
{
    tap_say(store, STR("SUBSCRIBE"), channel);
}

void store_unwatch(struct store *store, struct str channel)
{
    tap_say(store, STR("UNSUBSCRIBE"), channel);
}

void store_match(struct store *store, struct str pattern)
{
    tap_say(store, STR("PSUBSCRIBE"), pattern);
}

uint64_t store_now_us(const struct store *store)
{
    return clock_redis_us(&store->clock);
}

void store_flush(struct store *store)
{
    caller_flush(&store->caller);
    if (store->link != NULL) {
        link_flush(store->link);
    }
    if (store->tap != NULL) {
        tap_flush(store->tap);
    }
}
