/* One Redis: a link for commands and a tap for subscriptions, which live and die together.
 *
 * `enter` is the only place that changes the state. Scripts are loaded while greeting; should
 * Redis forget them, NOSCRIPT loads them again and the call is sent once more from its own
 * bytes. */
#include "gateway/store/node.h"

#include <hiredis/hiredis.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/store/resp.h"

enum {
    ANSWER_MS = 3000, /* longer without an answer: Redis is away */
    BEAT_MS = 1000,   /* how often both connections are asked whether they live */
    LATE_TICKS = 2,   /* how many ticks in a row must find it late: after a pause of our own the
                         answer may lie in the socket */
    REST_FIRST_MS = 50,  /* back-off: first, and ... */
    REST_LAST_MS = 1000, /* ... longest rest */
};

static void enter(struct node *node, enum node_state state);

static uint64_t now_ms(const struct node *node)
{
    return uv_now(node->settings->loop);
}

static void log_change(const struct node *node, enum log_level level, const char *event,
                       const char *why)
{
    struct buf at = {0};

    server_print(&node->address, &at);
    log_write(level, event, LOG_STR("redis", buf_str(&at)), LOG_TEXT("why", why));
    buf_finish(&at);
}

/* ---- failure: everything goes, once ---- */

static void fail(struct node *node, const char *why)
{
    if (node->state == NODE_RESTING || node->state == NODE_STOPPED) {
        return;
    }
    node->lookup.turn += node->state == NODE_DIALING;
    if (strcmp(why, node->last_why) != 0 || node->state == NODE_UP) {
        log_change(node, LOG_WARN, "redis down", why);
    }
    snprintf(node->last_why, sizeof(node->last_why), "%s", why);
    enter(node, NODE_RESTING);
}

/* ---- greeting: password, database, scripts; then we are up ---- */

static void greeted(struct node *node)
{
    if (node->state == NODE_DIALING && node->link_open && node->tap_open &&
        --node->greetings == 0) {
        enter(node, NODE_UP);
    }
}

static void on_greeting_answered(void *context, const struct redisReply *reply)
{
    struct node *node = context;

    if (reply == NULL || node->state != NODE_DIALING) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        fail(node, reply->str);
        return;
    }
    greeted(node);
}

/* Who was found must be a master: a sentinel's or a cluster's word may be an old one. */
static void on_role_told(void *context, const struct redisReply *reply)
{
    struct node *node = context;

    if (reply != NULL && node->state == NODE_DIALING && reply->type == REDIS_REPLY_ARRAY &&
        !str_equal(reply_str(reply, 0), STR("master"))) {
        fail(node, "it is no master");
        return;
    }
    on_greeting_answered(context, reply);
}

/* A node that has just started, or sees no majority, answers and serves nothing. */
static void on_cluster_told(void *context, const struct redisReply *reply)
{
    static const char well[] = "cluster_state:ok";
    struct node *node = context;

    if (reply != NULL && node->state == NODE_DIALING && reply->type == REDIS_REPLY_STRING &&
        strstr(reply->str, well) == NULL) {
        fail(node, "its cluster is down");
        return;
    }
    on_greeting_answered(context, reply);
}

static void greet_link_with(struct node *node, const struct str *words, size_t count,
                            link_reply_fn *done)
{
    struct buf command = {0};

    resp_add_command(&command, words, count);
    if (link_send(node->link, buf_str(&command), done, node)) {
        node->greetings++;
    }
    buf_finish(&command);
}

static void greet_link(struct node *node, const struct str *words, size_t count)
{
    greet_link_with(node, words, count, on_greeting_answered);
}

size_t node_auth_words(const char *user, const char *password, struct str words[3])
{
    size_t count = 0;

    if (password == NULL) {
        return 0;
    }
    words[count++] = STR("AUTH");
    if (user != NULL) {
        words[count++] = str_of(user);
    }
    words[count++] = str_of(password);
    return count;
}

/* Both sockets are open: everything that must be said first goes out at once. */
static void greet(struct node *node)
{
    struct str words[3];
    const struct node_settings *settings = node->settings;
    size_t count = node_auth_words(settings->user, settings->password, words);
    char database[16];

    if (!node->link_open || !node->tap_open) {
        return;
    }
    node->greetings = 1; /* the tap's PING below */
    if (count > 0) {
        greet_link(node, words, count);
        tap_send(node->tap, words, count);
        node->greetings++;
    }
    if (settings->database != 0) {
        snprintf(database, sizeof(database), "%u", settings->database);
        greet_link(node, (const struct str[]){STR("SELECT"), str_of(database)}, 2);
    }
    if (settings->found) {
        greet_link_with(node, (const struct str[]){STR("ROLE")}, 1, on_role_told);
    }
    if (settings->shards) {
        greet_link_with(node, (const struct str[]){STR("CLUSTER"), STR("INFO")}, 2,
                        on_cluster_told);
    }
    node->greetings += scripts_load(node->link, on_greeting_answered, node);
    tap_send(node->tap, (const struct str[]){STR("PING")}, 1);
}

/* ---- events of the two connections ---- */

static void on_link_opened(void *owner)
{
    struct node *node = owner;

    node->link_open = true;
    greet(node);
}

static void on_link_closed(void *owner, const char *why)
{
    struct node *node = owner;

    node->link = NULL;
    fail(node, why);
}

static void on_tap_opened(void *owner)
{
    struct node *node = owner;

    node->tap_open = true;
    greet(node);
}

static void on_tap_closed(void *owner, const char *why)
{
    struct node *node = owner;

    node->tap = NULL;
    fail(node, why);
}

/* A busy tap is alive. */
static void note_tap_alive(struct node *node)
{
    node->tap_asked_ms = node->tap_asked_ms != 0 ? now_ms(node) : 0;
}

static void on_tap_message(void *owner, struct str channel, struct str payload)
{
    struct node *node = owner;

    note_tap_alive(node);
    node->settings->events->message(node->settings->owner, node, channel, payload);
}

static void on_tap_matched(void *owner, struct str channel, struct str payload)
{
    struct node *node = owner;

    note_tap_alive(node);
    node->settings->events->matched(node->settings->owner, node, channel, payload);
}

static void on_tap_changed(void *owner, struct str channel, bool subscribed)
{
    struct node *node = owner;

    node->settings->events->changed(node->settings->owner, node, channel, subscribed);
}

static void on_tap_matching(void *owner, struct str pattern)
{
    struct node *node = owner;

    node->settings->events->matching(node->settings->owner, node, pattern);
}

static void on_tap_answered(void *owner, struct str error)
{
    struct node *node = owner;
    char why[128];

    if (error.len > 0 && node->state == NODE_UP && str_starts(error, STR("MOVED "))) {
        node->settings->events->redirected(node->settings->owner, node, NULL, error);
        return;
    }
    if (error.len > 0) {
        snprintf(why, sizeof(why), "%.*s", (int)error.len, error.at);
        fail(node, why);
        return;
    }
    node->tap_asked_ms = 0;
    greeted(node);
}

/* So that nobody hears of a lost call while we still seem to be up. */
static void on_lost(void *owner, const char *why)
{
    fail(owner, why);
}

static void on_redirected(void *owner, struct store_call *call, struct str error)
{
    struct node *node = owner;

    node->settings->events->redirected(node->settings->owner, node, call, error);
}

static const struct caller_events caller_events = {on_lost, NULL};
static const struct caller_events caller_events_of_shard = {on_lost, on_redirected};
static const struct link_events link_events = {on_link_opened, on_lost, on_link_closed};
static const struct tap_events tap_events = {on_tap_opened,  on_tap_closed,  on_tap_message,
                                             on_tap_matched, on_tap_changed, on_tap_matching,
                                             on_tap_answered};

/* ---- dialing ---- */

static void dial_address(struct node *node, const char *host)
{
    const struct node_settings *settings = node->settings;
    struct dial dial = {.host = host,
                        .path = node->address.host,
                        .port = node->address.port,
                        .tls = settings->tls,
                        .name = node->address.host};

    node->link = link_open(settings->loop, &dial, &link_events, node);
    if (node->link != NULL) {
        node->tap = tap_open(settings->loop, &dial, &tap_events, node);
    }
    if (node->tap == NULL) {
        fail(node, "no connection could be made");
    }
}

static void on_found(void *owner, const char *host, const char *why)
{
    struct node *node = owner;

    if (node->state != NODE_DIALING) {
        return;
    }
    if (host == NULL) {
        fail(node, why);
    } else {
        dial_address(node, host);
    }
}

static void dial(struct node *node)
{
    enter(node, NODE_DIALING);
    if (node->address.port == 0) {
        dial_address(node, NULL);
    } else {
        lookup_start(&node->lookup, node->settings->loop, node->address.host, on_found, node);
    }
}

/* ---- heartbeat ---- */

static void on_time(void *context, const struct redisReply *reply)
{
    struct node *node = context;

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        clock_answered(&node->clock,
                       (uint64_t)reply_int(reply, 0) * 1000000 + (uint64_t)reply_int(reply, 1));
    }
}

static void beat(struct node *node)
{
    static const struct str ask_time = {"*1\r\n$4\r\nTIME\r\n", 14};

    node->beat_at_ms = now_ms(node) + BEAT_MS;
    if (clock_ask(&node->clock) && !link_send(node->link, ask_time, on_time, node)) {
        return;
    }
    if (node->tap_asked_ms == 0) {
        node->tap_asked_ms = now_ms(node);
        tap_send(node->tap, (const struct str[]){STR("PING")}, 1);
    }
}

static bool overdue(const struct node *node)
{
    uint64_t limit = (uint64_t)ANSWER_MS;

    if (caller_waiting_us(&node->caller) > limit * 1000) {
        return true;
    }
    return clock_waiting_us(&node->clock) > limit * 1000 ||
           (node->tap_asked_ms != 0 && now_ms(node) - node->tap_asked_ms > limit);
}

void node_tick(struct node *node)
{
    node->late = node->state == NODE_UP && overdue(node) ? node->late + 1 : 0;
    if (node->state == NODE_RESTING && node->link == NULL && node->tap == NULL &&
        now_ms(node) >= node->rest_until_ms) {
        dial(node);
    } else if (node->state == NODE_DIALING && now_ms(node) - node->dialed_ms > ANSWER_MS) {
        fail(node, "no answer while connecting");
    } else if (node->state == NODE_UP && node->late >= LATE_TICKS) {
        fail(node, "no answer in time");
    } else if (node->state == NODE_UP && node->late == 0 && now_ms(node) >= node->beat_at_ms) {
        beat(node);
    }
}

/* ---- states ---- */

static uint64_t jittered(uint64_t ms)
{
    unsigned char byte = 0;

    RAND_bytes(&byte, 1);
    return ms / 2 + ms * byte / 512;
}

static void let_go(struct node *node)
{
    node->link_open = node->tap_open = false;
    node->tap_asked_ms = 0;
    clock_forget(&node->clock);
    if (node->link != NULL) {
        link_close(node->link, node->last_why);
    }
    if (node->tap != NULL) {
        tap_close(node->tap, node->last_why);
    }
}

static void rest(struct node *node)
{
    node->rest_ms = node->rest_ms == 0 ? REST_FIRST_MS : node->rest_ms * 2;
    if (node->rest_ms > REST_LAST_MS) {
        node->rest_ms = REST_LAST_MS;
    }
    node->rest_until_ms = now_ms(node) + jittered(node->rest_ms);
}

static void come_up(struct node *node)
{
    log_change(node, LOG_INFO, "redis up", "both connections answer");
    node->rest_ms = 0;
    node->last_why[0] = '\0';
    beat(node);
    node->settings->events->up(node->settings->owner, node);
}

/* The only writer of `state`. */
static void enter(struct node *node, enum node_state state)
{
    enum node_state before = node->state;

    node->state = state;
    node->caller.link = state == NODE_UP ? node->link : NULL;
    if (before == NODE_UP) {
        node->settings->events->down(node->settings->owner, node);
    }
    switch (state) {
    case NODE_RESTING:
        rest(node);
        let_go(node);
        break;
    case NODE_DIALING:
        node->dialed_ms = now_ms(node);
        node->greetings = 0;
        break;
    case NODE_UP:
        come_up(node);
        break;
    case NODE_STOPPED:
        let_go(node);
        break;
    }
}

/* ---- life ---- */

struct node *node_create(const struct node_settings *settings, const struct server *address)
{
    struct node *node = mem_zero(sizeof(*node));

    node->settings = settings;
    node->address = *address;
    node->caller =
        (struct caller){.pool = settings->pool,
                        .events = settings->shards ? &caller_events_of_shard : &caller_events,
                        .owner = node};
    return node;
}

void node_stop(struct node *node)
{
    if (node->state != NODE_STOPPED) {
        enter(node, NODE_STOPPED);
    }
}

bool node_is_over(const struct node *node)
{
    return node->state == NODE_STOPPED && node->link == NULL && node->tap == NULL &&
           !node->lookup.busy && caller_is_idle(&node->caller);
}

void node_destroy(struct node *node)
{
    mem_free(node);
}

bool node_is_up(const struct node *node)
{
    return node->state == NODE_UP;
}

void node_watch(struct node *node, struct str channel)
{
    struct str verb = node->settings->shards ? STR("SSUBSCRIBE") : STR("SUBSCRIBE");

    tap_send(node->tap, (const struct str[]){verb, channel}, 2);
}

void node_unwatch(struct node *node, struct str channel)
{
    struct str verb = node->settings->shards ? STR("SUNSUBSCRIBE") : STR("UNSUBSCRIBE");

    tap_send(node->tap, (const struct str[]){verb, channel}, 2);
}

void node_match(struct node *node, struct str pattern)
{
    tap_send(node->tap, (const struct str[]){STR("PSUBSCRIBE"), pattern}, 2);
}

void node_flush(struct node *node)
{
    caller_flush(&node->caller);
    if (node->link != NULL) {
        link_flush(node->link);
    }
    if (node->tap != NULL) {
        tap_flush(node->tap);
    }
}
