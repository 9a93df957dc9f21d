/* State in Redis: finds out who has it, and passes calls and subscriptions on.
 *
 *     store --who is master of what?--> scout (a sentinel, a node of a cluster)
 *       |
 *     shards --slot of the key--> node (link + tap) --> Redis
 *
 * One Redis is there from the start; sentinels and clusters are asked now and then, and at once
 * when what we know seems to be old. */
#include "gateway/store/store.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/store/scout.h"
#include "gateway/store/shards.h"

enum {
    TICK_MS = 250,      /* how often deadlines are looked at */
    AGAIN_MS = 200,     /* between two questions at least */
    SENTINEL_MS = 2000, /* how often sentinels are asked while all is well: a master that was
                           replaced may still answer us */
    CLUSTER_MS = 5000   /* ... and nodes of a cluster, which redirect us anyway */
};

struct store {
    uv_loop_t *loop;
    struct url url;
    struct tls *tls; /* owned; NULL = without */
    const struct store_events *events;
    void *owner;
    struct shards *shards;
    struct scout scout;
    struct str question[4]; /* of the scout */
    uint64_t asked_ms;
    uint64_t ask_at_ms;
    unsigned turn;      /* who is asked next: raised when somebody did not answer */
    char last_why[128]; /* what was logged last: a failure that repeats is said once */
    uv_timer_t tick;
    bool started, stopped;
};

static uint64_t now_ms(const struct store *store)
{
    return uv_now(store->loop);
}

/* ---- who has what ---- */

/* Nodes that answer know best; behind them those that the operator named. */
static const struct server *whom_to_ask(const struct store *store)
{
    size_t up = 0, number;

    while (store->url.kind == URL_CLUSTER && shards_up(store->shards, up) != NULL) {
        up++;
    }
    number = store->turn % (up + store->url.count);
    return number < up ? &shards_up(store->shards, number)->address
                       : &store->url.addresses[number - up];
}

static void ask(struct store *store)
{
    store->asked_ms = now_ms(store);
    store->ask_at_ms = now_ms(store) + AGAIN_MS; /* should it be busy; else it is told when */
    scout_ask(&store->scout, whom_to_ask(store));
}

static void not_told(struct store *store, const char *why)
{
    struct buf at = {0};

    store->turn++;
    store->ask_at_ms = now_ms(store) + AGAIN_MS;
    if (!shards_is_whole(store->shards) && strcmp(why, store->last_why) != 0) {
        server_print(&store->scout.asked, &at);
        log_write(LOG_WARN, "redis not found", LOG_STR("asked", buf_str(&at)),
                  LOG_TEXT("why", why));
        buf_finish(&at);
        snprintf(store->last_why, sizeof(store->last_why), "%s", why);
    }
}

static void on_told(void *owner, const struct redisReply *reply, const char *why)
{
    struct store *store = owner;
    bool cluster = store->url.kind == URL_CLUSTER;
    struct topology *topology =
        cluster ? topology_of_cluster(reply, &store->scout.asked) : topology_of_sentinel(reply);

    if (topology == NULL) {
        not_told(store, reply == NULL ? why
                        : cluster     ? "it knows of no slots"
                                      : "it knows no master of that name");
        return;
    }
    store->last_why[0] = '\0';
    if (cluster) {
        shards_set(store->shards, topology);
    } else {
        shards_set_one(store->shards, &topology->masters[0]);
    }
    topology_destroy(topology);
    store->ask_at_ms = now_ms(store) + (uint64_t)(!shards_is_whole(store->shards) ? AGAIN_MS
                                                  : cluster                       ? CLUSTER_MS
                                                            : SENTINEL_MS);
}

static void on_stale(void *owner)
{
    struct store *store = owner;
    uint64_t soon = store->asked_ms + AGAIN_MS;

    if (store->ask_at_ms > soon && !store->scout.busy) {
        store->ask_at_ms = soon;
    }
}

static void look_around(struct store *store)
{
    scout_tick(&store->scout);
    if (store->url.kind != URL_SINGLE && !store->scout.busy &&
        now_ms(store) >= store->ask_at_ms) {
        ask(store);
    }
}

/* ---- what the shards tell ---- */

static void on_up(void *owner)
{
    struct store *store = owner;

    store->events->up(store->owner);
}

static void on_down(void *owner)
{
    struct store *store = owner;

    store->events->down(store->owner);
}

static void on_message(void *owner, struct str channel, struct str payload)
{
    struct store *store = owner;

    store->events->message(store->owner, channel, payload);
}

static void on_matched(void *owner, struct str channel, struct str payload)
{
    struct store *store = owner;

    store->events->matched(store->owner, channel, payload);
}

static void on_changed(void *owner, struct str channel, bool watched)
{
    struct store *store = owner;

    store->events->changed(store->owner, channel, watched);
}

static const struct shards_events shards_events = {on_up,      on_down,    on_stale,
                                                   on_message, on_matched, on_changed};

/* ---- life ---- */

static void prepare_scout(struct store *store)
{
    const struct url *url = &store->url;
    bool other = url->sentinel_password != NULL;
    size_t words = 0;

    if (url->kind == URL_CLUSTER) {
        store->question[words++] = STR("CLUSTER");
        store->question[words++] = STR("SLOTS");
    } else {
        store->question[words++] = STR("SENTINEL");
        store->question[words++] = STR("GET-MASTER-ADDR-BY-NAME");
        store->question[words++] = str_of(url->master);
    }
    store->scout = (struct scout){.loop = store->loop,
                                  .user = other ? url->sentinel_user : url->user,
                                  .password = other ? url->sentinel_password : url->password,
                                  .tls = store->tls,
                                  .question = store->question,
                                  .words = words,
                                  .told = on_told,
                                  .owner = store};
}

struct store *store_create(uv_loop_t *loop, const struct url *url, struct tls *tls,
                           struct metrics *metrics, const struct store_events *events,
                           void *owner)
{
    struct store *store = mem_zero(sizeof(*store));
    struct node_settings settings = {.loop = loop,
                                     .user = url->user,
                                     .password = url->password,
                                     .tls = tls,
                                     .database = url->database,
                                     .shards = url->kind == URL_CLUSTER,
                                     .found = url->kind != URL_SINGLE};

    store->loop = loop;
    store->url = *url;
    store->tls = tls;
    store->events = events;
    store->owner = owner;
    store->shards = shards_create(&settings, metrics, &shards_events, store);
    prepare_scout(store);
    scripts_setup(settings.shards);
    return store;
}

static void on_tick(uv_timer_t *timer)
{
    struct store *store = timer->data;

    shards_tick(store->shards);
    look_around(store);
}

void store_start(struct store *store)
{
    store->started = true;
    uv_timer_init(store->loop, &store->tick);
    store->tick.data = store;
    uv_timer_start(&store->tick, on_tick, 0, TICK_MS);
    shards_start(store->shards);
    if (store->url.kind == URL_SINGLE && store->url.count > 0) {
        shards_set_one(store->shards, &store->url.addresses[0]);
    }
}

void store_stop(struct store *store)
{
    if (store->started && !store->stopped) {
        store->stopped = true;
        scout_stop(&store->scout);
        shards_stop(store->shards);
        uv_close((uv_handle_t *)&store->tick, NULL);
    }
    shards_flush(store->shards);
}

void store_destroy(struct store *store)
{
    if (store == NULL) {
        return;
    }
    shards_destroy(store->shards);
    url_finish(&store->url);
    tls_destroy(store->tls);
    mem_free(store);
}

/* ---- calls and channels ---- */

void store_call(struct store *store, enum script script, struct strs keys, struct strs args,
                struct store_calls *calls, store_done_fn *done, void *context)
{
    struct store_call *call = shards_take(store->shards, script);

    call->done = done;
    call->context = context;
    call_write(call, keys, args);
    call_join(call, calls);
    shards_call(store->shards, call, keys.at[0]);
}

bool store_is_up(const struct store *store)
{
    return shards_is_up(store->shards);
}

bool store_reaches(const struct store *store, struct str key)
{
    return shards_reach(store->shards, key);
}

size_t store_pending(const struct store *store)
{
    return shards_pending(store->shards);
}

bool store_lost(const struct store *store, struct str channel)
{
    return shards_lost(store->shards, channel);
}

bool store_is_away(const struct store *store)
{
    return shards_is_away(store->shards);
}

bool store_watch(struct store *store, struct str channel)
{
    return shards_watch(store->shards, channel);
}

void store_unwatch(struct store *store, struct str channel)
{
    shards_unwatch(store->shards, channel);
}

bool store_match(struct store *store, struct str pattern, struct str near)
{
    return shards_match(store->shards, pattern, near);
}

uint64_t store_now_us(const struct store *store)
{
    static const struct clock unknown = {.known = false};
    const struct node *node = shards_up(store->shards, 0);

    return clock_redis_us(node != NULL ? &node->clock : &unknown);
}

int64_t store_ahead_us(const struct store *store)
{
    return shards_ahead_us(store->shards);
}

void store_flush(struct store *store)
{
    shards_flush(store->shards);
    scout_flush(&store->scout);
}
