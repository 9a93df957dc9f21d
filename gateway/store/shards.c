/* Which Redis has what: nodes, the slots that are theirs, and the calls whose slot changes
 * hands. */
#include "gateway/store/shards_core.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/store/moves.h"

enum {
    TELL_MS = 100,   /* slots that changed hands are told together, so often at most */
    KEEP_MS = 10000, /* a node that is to get a slot is kept without one for so long */
    START_MS = 3000, /* at the start, one that is there waits for the others for so long */
    LINGER_MS = 3000 /* a node without slots may answer what it was asked for so long */
};

static uint64_t now_ms(const struct shards *shards)
{
    return uv_now(shards->settings.loop);
}

static uint16_t slot_in(const struct shards *shards, struct str key)
{
    return shards->homes != NULL ? slot_of(key) : 0;
}

struct node *shards_home(const struct shards *shards, uint16_t slot)
{
    return shards->homes != NULL ? shards->homes[slot] : shards->only;
}

bool shards_serve(const struct shards *shards, uint16_t slot)
{
    const struct node *home = shards_home(shards, slot);

    return home != NULL && node_is_up(home);
}

static void on_nudge(uv_timer_t *timer)
{
    (void)timer; /* shards_flush, at the end of the turn, does what is due */
}

void shards_nudge(struct shards *shards)
{
    if (!uv_is_active((uv_handle_t *)&shards->nudge)) {
        uv_timer_start(&shards->nudge, on_nudge, NUDGE_MS, NUDGE_MS);
    }
}

/* ---- nodes ---- */

static struct node *find_node(const struct shards *shards, const struct server *address)
{
    for (size_t i = 0; i < shards->count; i++) {
        if (shards->nodes[i]->state != NODE_STOPPED &&
            server_equal(&shards->nodes[i]->address, address)) {
            return shards->nodes[i];
        }
    }
    return NULL;
}

static struct node *need_node(struct shards *shards, const struct server *address)
{
    struct node *node = find_node(shards, address);

    if (node == NULL) {
        node = node_create(&shards->settings, address);
        shards->nodes = mem_grow(shards->nodes, (shards->count + 1) * sizeof(struct node *));
        shards->nodes[shards->count++] = node;
        node_tick(node);
    }
    node->leaving = false;
    return node;
}

struct node *shards_need_node(struct shards *shards, const struct server *address)
{
    struct node *node = need_node(shards, address);

    node->keep_until_ms = now_ms(shards) + KEEP_MS;
    return node;
}

static void note_health(struct shards *shards)
{
    bool whole = shards_is_whole(shards);

    shards->pool.metrics->redis_up = whole;
    shards->complete = shards->complete || whole;
}

/* Who has nothing to do any more goes, once it has answered what it was asked. */
static void let_leave(struct shards *shards)
{
    uint64_t now = now_ms(shards);

    for (size_t i = shards->count; i-- > 0;) {
        struct node *node = shards->nodes[i];

        if (node->leaving && (caller_is_idle(&node->caller) || now >= node->keep_until_ms)) {
            node_stop(node);
        }
        if (node->leaving && node_is_over(node)) {
            shards->nodes[i] = shards->nodes[--shards->count];
            shards->matcher = shards->matcher == node ? NULL : shards->matcher;
            node_destroy(node);
        }
    }
}

static void dismiss(struct shards *shards, struct node *node)
{
    if (!node->leaving) {
        node->leaving = true;
        node->keep_until_ms = now_ms(shards) + LINGER_MS;
    }
}

/* ---- what was lost ---- */

static bool is_changed(const struct shards *shards, uint16_t slot)
{
    return (shards->changed[slot / 8] >> slot % 8 & 1) != 0;
}

static void note_changed(struct shards *shards, uint16_t slot)
{
    shards->changed[slot / 8] |= (unsigned char)(1U << slot % 8);
    shards->any_changed = true;
    shards_nudge(shards);
}

bool shards_lost(const struct shards *shards, struct str channel)
{
    uint16_t slot = slot_in(shards, channel);

    return shards->lost != NULL ? shards_home(shards, slot) == shards->lost
                                : is_changed(shards, slot);
}

bool shards_is_away(const struct shards *shards)
{
    return shards->lost != NULL;
}

static void tell_lost(struct shards *shards, const struct node *node)
{
    shards->lost = node;
    shards->events->down(shards->owner);
    shards->lost = NULL;
}

/* Subscriptions to slots that changed hands ended with the hand. */
static void tell_changed(struct shards *shards)
{
    if (!shards->any_changed || now_ms(shards) < shards->told_ms + TELL_MS) {
        return;
    }
    shards->told_ms = now_ms(shards);
    tell_lost(shards, NULL);
    shards->any_changed = false;
    memset(shards->changed, 0, sizeof(shards->changed));
    shards->events->up(shards->owner);
}

void shards_settle(struct shards *shards, uint16_t slot, struct node *home)
{
    if (shards->homes[slot] != home) {
        shards->homes[slot] = home;
        note_changed(shards, slot);
    }
    shards->events->stale(shards->owner);
}

/* ---- what the nodes tell ---- */

static void on_up(void *owner, struct node *node)
{
    struct shards *shards = owner;

    note_health(shards);
    if (!node->leaving) {
        shards->events->up(shards->owner);
    }
}

static void on_down(void *owner, struct node *node)
{
    struct shards *shards = owner;

    shards->pool.metrics->redis_lost += !node->leaving;
    note_health(shards);
    tell_lost(shards, node);
    shards->events->stale(shards->owner);
}

/* A master that became a replica still hears what is said on its shard, and so do its
 * listeners: the home of the slot alone counts. */
static void on_message(void *owner, struct node *node, struct str channel, struct str payload)
{
    struct shards *shards = owner;

    if (shards->homes != NULL && shards_home(shards, slot_of(channel)) != node) {
        return;
    }
    shards->telling = node;
    shards->events->message(shards->owner, channel, payload);
    shards->telling = NULL;
}

/* In a cluster every node tells every publication: the one that was asked last counts. */
static void on_matched(void *owner, struct node *node, struct str channel, struct str payload)
{
    struct shards *shards = owner;

    if (node == shards->matcher) {
        shards->events->matched(shards->owner, channel, payload);
    }
}

static void on_matching(void *owner, struct node *node, struct str pattern)
{
    struct shards *shards = owner;

    if (node == shards->matcher) {
        shards->events->changed(shards->owner, pattern, true);
    }
}

/* What a node says of slots that it has no more is old. */
static void on_changed(void *owner, struct node *node, struct str channel, bool watched)
{
    struct shards *shards = owner;

    if (shards->homes == NULL || shards_home(shards, slot_of(channel)) == node) {
        shards->events->changed(shards->owner, channel, watched);
    }
}

static const struct node_events node_events = {
    on_up, on_down, on_message, on_matched, on_changed, on_matching, moves_redirected};

/* ---- who has what ---- */

void shards_set_one(struct shards *shards, const struct server *address)
{
    struct node *before = shards->only, *now = need_node(shards, address);

    if (now == before) {
        return;
    }
    if (before != NULL) {
        before->leaving = true; /* what it was asked is lost: it is no master any more */
        node_stop(before);
    }
    shards->only = now;
    note_health(shards);
}

static void dismiss_the_idle(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        struct node *node = shards->nodes[i];
        bool needed = now_ms(shards) < node->keep_until_ms;

        for (size_t slot = 0; slot < SLOT_COUNT && !needed; slot++) {
            needed = shards->homes[slot] == node;
        }
        if (!needed) {
            dismiss(shards, node);
        }
    }
}

void shards_set(struct shards *shards, const struct topology *topology)
{
    struct node **nodes = mem_alloc(topology->count * sizeof(struct node *));
    bool any = false, covered = true;

    for (size_t i = 0; i < topology->count; i++) {
        nodes[i] = need_node(shards, &topology->masters[i]);
    }
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t number = topology->slots[slot];
        struct node *home = number == TOPOLOGY_NOBODY ? NULL : nodes[number];

        covered = covered && home != NULL;
        if (shards->homes[slot] != home) {
            if (shards->homes[slot] != NULL) {
                note_changed(shards, (uint16_t)slot);
            }
            shards->homes[slot] = home;
            any = true;
        }
    }
    mem_free(nodes);
    if (any) {
        log_write(LOG_INFO, "redis cluster", LOG_NUMBER("masters", topology->count),
                  LOG_TEXT("slots", covered ? "all" : "not all"));
        moves_hold_back_strays(shards);
    }
    dismiss_the_idle(shards);
    note_health(shards);
    tell_changed(shards);
    if (any) {
        shards->events->up(shards->owner); /* slots that nobody had have somebody */
    }
}

/* ---- what the store asks ---- */

bool shards_is_up(const struct shards *shards)
{
    return shards->complete && shards_up(shards, 0) != NULL;
}

bool shards_is_whole(const struct shards *shards)
{
    if (shards->homes == NULL) {
        return shards_serve(shards, 0);
    }
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        if (!shards_serve(shards, (uint16_t)slot)) {
            return false;
        }
    }
    return true;
}

const struct node *shards_up(const struct shards *shards, size_t number)
{
    for (size_t i = 0; i < shards->count; i++) {
        if (!shards->nodes[i]->leaving && node_is_up(shards->nodes[i]) && number-- == 0) {
            return shards->nodes[i];
        }
    }
    return NULL;
}

bool shards_reach(const struct shards *shards, struct str key)
{
    return shards_serve(shards, slot_in(shards, key));
}

size_t shards_pending(const struct shards *shards)
{
    return shards->pool.pending;
}

struct store_call *shards_take(struct shards *shards, enum script script)
{
    return pool_take(&shards->pool, script);
}

void shards_call(struct shards *shards, struct store_call *call, struct str key)
{
    call->slot = slot_in(shards, key);
    moves_dispatch(shards, call);
}

bool shards_watch(struct shards *shards, struct str channel)
{
    uint16_t slot = slot_in(shards, channel);

    if (moves_want(shards, slot) || !shards_serve(shards, slot)) {
        return false;
    }
    node_watch(shards_home(shards, slot), channel);
    return true;
}

void shards_unwatch(struct shards *shards, struct str channel)
{
    uint16_t slot = slot_in(shards, channel);

    if (shards_serve(shards, slot)) {
        node_unwatch(shards_home(shards, slot), channel);
    }
}

bool shards_match(struct shards *shards, struct str pattern, struct str near)
{
    uint16_t slot = slot_in(shards, near);

    if (!shards_serve(shards, slot)) {
        return false;
    }
    shards->matcher = shards_home(shards, slot);
    node_match(shards_home(shards, slot), pattern);
    return true;
}

int64_t shards_ahead_us(const struct shards *shards)
{
    const struct node *first = shards_up(shards, 0);

    if (first == NULL || shards->telling == NULL || shards->telling == first) {
        return 0;
    }
    return shards->telling->clock.offset_us - first->clock.offset_us;
}

/* ---- life ---- */

struct shards *shards_create(const struct node_settings *settings, struct metrics *metrics,
                             const struct shards_events *events, void *owner)
{
    struct shards *shards = mem_zero(sizeof(*shards));

    shards->settings = *settings;
    shards->settings.pool = &shards->pool;
    shards->settings.events = &node_events;
    shards->settings.owner = shards;
    shards->pool.metrics = metrics;
    shards->events = events;
    shards->owner = owner;
    if (settings->shards) {
        shards->homes = mem_zero(SLOT_COUNT * sizeof(struct node *));
        shards->pool.left = moves_left;
        shards->pool.owner = shards;
    }
    return shards;
}

void shards_start(struct shards *shards)
{
    uv_timer_init(shards->settings.loop, &shards->nudge);
    shards->started_ms = now_ms(shards);
}

void shards_tick(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        node_tick(shards->nodes[i]);
    }
    let_leave(shards);
    if (!shards->complete && shards_up(shards, 0) != NULL &&
        now_ms(shards) - shards->started_ms > START_MS) {
        shards->complete = true;
    }
}

void shards_flush(struct shards *shards)
{
    tell_changed(shards);
    moves_go_on(shards);
    if (shards->moves == NULL && !shards->any_changed &&
        uv_is_active((uv_handle_t *)&shards->nudge)) { /* not so before the start: it is none */
        uv_timer_stop(&shards->nudge);
    }
    pool_flush(&shards->pool);
    for (size_t i = 0; i < shards->count; i++) {
        node_flush(shards->nodes[i]);
    }
}

void shards_stop(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        node_stop(shards->nodes[i]);
    }
    moves_end(shards); /* nobody is up: refused */
    uv_close((uv_handle_t *)&shards->nudge, NULL);
}

void shards_destroy(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        node_destroy(shards->nodes[i]);
    }
    pool_finish(&shards->pool);
    mem_free(shards->nodes);
    mem_free(shards->homes);
    mem_free(shards);
}
