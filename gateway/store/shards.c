/* Which Redis has what: nodes, the slots that are theirs, and the calls whose slot changes
 * hands. */
#include "gateway/store/shards.h"

#include <string.h>

#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"

enum {
    NUDGE_MS = 20,     /* how often moves are looked at; also the rest between two tries */
    TELL_MS = 100,     /* slots that changed hands are told together, so often at most */
    HOLD_MS = 1000,    /* how long calls wait for a node that is not up yet */
    GIVE_UP_MS = 3000, /* calls that are turned away for so long are given up */
    KEEP_MS = 10000,   /* a node that is to get a slot is kept without one for so long */
    LINGER_MS = 3000,  /* a node without slots may answer what it was asked for so long */
    TRIES_AT_ONCE = 3, /* redirections that are followed without a rest */
    SETTLED = 3        /* calls in a row that were answered: the rest may go together */
};

struct move {
    UT_hash_handle hh; /* by slot */
    uint16_t slot;
    unsigned due;      /* calls of the slot that are under way */
    unsigned answered; /* of those that were sent one at a time, since one was turned away */
    struct call_list calls; /* turned away, or came meanwhile; in their order */
    struct node *ask;       /* borrowed: whom the first of them was told to ask; or NULL */
    bool wanted;            /* somebody wanted to watch a channel of it */
    bool fresh;             /* calls under way are being counted */
    bool trying;            /* they are sent one at a time */
    uint64_t since_ms, not_before_ms;
};

struct shards {
    struct node_settings settings;
    struct call_pool pool;
    const struct shards_events *events;
    void *owner;
    struct node **nodes; /* owned */
    size_t count;
    struct node *only;   /* has everything; NULL in a cluster, or when nobody is known yet */
    struct node **homes; /* by slot; owned; NULL: no cluster */
    struct move *moves;
    uv_timer_t nudge;

    /* What `down` is about. */
    const struct node *lost; /* NULL: the changed slots */
    unsigned char changed[SLOT_COUNT / 8];
    bool any_changed;
    uint64_t told_ms;
    const struct node *telling; /* whose message is being told */
};

static uint64_t now_ms(const struct shards *shards)
{
    return uv_now(shards->settings.loop);
}

static uint16_t slot_in(const struct shards *shards, struct str key)
{
    return shards->homes != NULL ? slot_of(key) : 0;
}

static struct node *home_of(const struct shards *shards, uint16_t slot)
{
    return shards->homes != NULL ? shards->homes[slot] : shards->only;
}

static bool is_served(const struct shards *shards, uint16_t slot)
{
    const struct node *home = home_of(shards, slot);

    return home != NULL && node_is_up(home);
}

static void on_nudge(uv_timer_t *timer)
{
    (void)timer; /* shards_flush, at the end of the turn, does what is due */
}

static void nudge(struct shards *shards)
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

static void note_health(struct shards *shards)
{
    shards->pool.metrics->redis_up = shards_is_whole(shards);
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
    nudge(shards);
}

bool shards_lost(const struct shards *shards, struct str channel)
{
    uint16_t slot = slot_in(shards, channel);

    return shards->lost != NULL ? home_of(shards, slot) == shards->lost
                                : is_changed(shards, slot);
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

/* ---- moves ---- */

static struct move *find_move(const struct shards *shards, uint16_t slot)
{
    struct move *move;

    if (shards->moves == NULL) {
        return NULL;
    }
    HASH_FIND(hh, shards->moves, &slot, sizeof(slot), move);
    return move;
}

static struct move *add_move(struct shards *shards, uint16_t slot)
{
    struct move *move = mem_zero(sizeof(*move));

    move->slot = slot;
    move->since_ms = now_ms(shards);
    move->fresh = true;
    HASH_ADD(hh, shards->moves, slot, sizeof(move->slot), move);
    nudge(shards);
    return move;
}

static void count_call(void *context, const struct store_call *call)
{
    struct move *move = find_move(context, call->slot);

    if (move != NULL && move->fresh) {
        move->due++;
    }
}

/* What is under way of the slots that began to move. */
static void count_due(struct shards *shards)
{
    struct move *move, *next;

    for (size_t i = 0; i < shards->count; i++) {
        caller_each(&shards->nodes[i]->caller, count_call, shards);
    }
    HASH_ITER(hh, shards->moves, move, next)
    {
        move->fresh = false;
    }
}

static struct move *begin_move(struct shards *shards, uint16_t slot)
{
    struct move *move = add_move(shards, slot);

    count_due(shards);
    return move;
}

static void on_left(void *owner, uint16_t slot)
{
    struct move *move = find_move(owner, slot);

    if (move != NULL) {
        move->due--;
        move->answered += move->trying;
    }
}

static void dispatch(struct shards *shards, struct store_call *call)
{
    struct move *move = find_move(shards, call->slot);

    if (move != NULL) {
        call_put(&move->calls, call);
    } else if (is_served(shards, call->slot)) {
        caller_send(&home_of(shards, call->slot)->caller, call, false);
    } else {
        pool_refuse(&shards->pool, call);
    }
}

static bool is_ready(const struct shards *shards, const struct move *move)
{
    uint64_t now = now_ms(shards);
    bool served = move->ask != NULL ? node_is_up(move->ask) : is_served(shards, move->slot);

    return move->due == 0 && now >= move->not_before_ms &&
           (served || now - move->since_ms > HOLD_MS);
}

static void end_move(struct shards *shards, struct move *move)
{
    bool wanted = move->wanted;
    struct call_list calls = move->calls;
    struct store_call *call;

    HASH_DEL(shards->moves, move);
    mem_free(move);
    while ((call = call_take(&calls)) != NULL) {
        dispatch(shards, call);
    }
    if (wanted) {
        shards->events->up(shards->owner);
    }
}

static bool is_old(const struct store_call *call)
{
    return clock_local_us() - call->started_us > (uint64_t)GIVE_UP_MS * 1000;
}

/* One at a time, or a call might be turned away and the next one, a moment later, not. */
static void send_first(struct shards *shards, struct move *move)
{
    struct node *to = move->ask != NULL ? move->ask : home_of(shards, move->slot);
    bool asking = move->ask != NULL;
    struct store_call *call = call_take(&move->calls);

    while (call != NULL && (is_old(call) || to == NULL || !node_is_up(to))) {
        pool_refuse(&shards->pool, call);
        call = call_take(&move->calls);
    }
    move->ask = NULL;
    if (call != NULL) {
        move->trying = true;
        move->due++;
        caller_send(&to->caller, call, asking);
    }
}

static void advance(struct shards *shards, struct move *move)
{
    if (move->calls.first == NULL || move->answered >= SETTLED) {
        end_move(shards, move);
    } else {
        send_first(shards, move);
    }
}

static void go_on(struct shards *shards)
{
    struct move *move, *next;

    HASH_ITER(hh, shards->moves, move, next)
    {
        if (is_ready(shards, move)) {
            advance(shards, move);
        }
    }
    if (shards->moves == NULL && !shards->any_changed) {
        uv_timer_stop(&shards->nudge);
    }
}

/* ---- redirections ---- */

/* The slot is another one's now. */
static void settle(struct shards *shards, uint16_t slot, struct node *home)
{
    if (shards->homes[slot] != home) {
        shards->homes[slot] = home;
        note_changed(shards, slot);
    }
    shards->events->stale(shards->owner);
}

/* The move that a call which was turned away belongs to. */
static struct move *turn_away(struct shards *shards, struct store_call *call, struct node *ask)
{
    struct move *move = find_move(shards, call->slot);

    if (move != NULL) {
        move->due--;
    } else {
        move = begin_move(shards, call->slot);
    }
    move->answered = 0;
    call_put_in_order(&move->calls, call);
    move->ask = move->calls.first == call ? ask : NULL;
    return move;
}

static void on_redirected(void *owner, struct node *node, struct store_call *call,
                          struct str error)
{
    struct shards *shards = owner;
    bool asks = str_starts(error, STR("ASK ")), moved = str_starts(error, STR("MOVED "));
    struct node *other = NULL;
    struct server address;
    struct move *move;
    uint16_t slot;

    if ((asks || moved) && topology_read_redirection(error, &node->address, &slot, &address)) {
        other = need_node(shards, &address);
        other->keep_until_ms = now_ms(shards) + KEEP_MS;
        if (moved) {
            settle(shards, slot, other);
        }
        if (call == NULL) { /* a subscription: once the dust has settled */
            move = find_move(shards, slot);
            move = move != NULL ? move : begin_move(shards, slot);
            move->wanted = true;
            move->not_before_ms = now_ms(shards) + NUDGE_MS;
        }
    }
    if (call != NULL) {
        move = turn_away(shards, call, asks ? other : NULL);
        if (other == NULL || ++call->tries > TRIES_AT_ONCE) {
            move->not_before_ms = now_ms(shards) + NUDGE_MS;
        }
    }
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

    note_health(shards);
    tell_lost(shards, node);
    shards->events->stale(shards->owner);
}

/* A master that became a replica still hears what is said on its shard, and so do its
 * listeners: the home of the slot alone counts. */
static void on_message(void *owner, struct node *node, struct str channel, struct str payload)
{
    struct shards *shards = owner;

    if (shards->homes != NULL && home_of(shards, slot_of(channel)) != node) {
        return;
    }
    shards->telling = node;
    shards->events->message(shards->owner, channel, payload);
    shards->telling = NULL;
}

static void on_matched(void *owner, struct node *node, struct str channel, struct str payload)
{
    struct shards *shards = owner;

    (void)node;
    shards->events->matched(shards->owner, channel, payload);
}

/* What a node says of slots that it has no more is old. */
static void on_changed(void *owner, struct node *node, struct str channel, bool watched)
{
    struct shards *shards = owner;

    if (shards->homes == NULL || home_of(shards, slot_of(channel)) == node) {
        shards->events->changed(shards->owner, channel, watched);
    }
}

static const struct node_events node_events = {on_up,      on_down,    on_message,
                                               on_matched, on_changed, on_redirected};

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

struct stray {
    struct shards *shards;
    const struct node *node;
};

/* A call that is under way to a node that lost its slot. */
static void look_for_stray(void *context, const struct store_call *call)
{
    struct stray *stray = context;

    if (home_of(stray->shards, call->slot) != stray->node &&
        find_move(stray->shards, call->slot) == NULL) {
        add_move(stray->shards, call->slot);
    }
}

static void hold_back_strays(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        struct stray stray = {shards, shards->nodes[i]};

        caller_each(&shards->nodes[i]->caller, look_for_stray, &stray);
    }
    count_due(shards);
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
        hold_back_strays(shards);
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
    return shards_up(shards, 0) != NULL;
}

bool shards_is_whole(const struct shards *shards)
{
    if (shards->homes == NULL) {
        return is_served(shards, 0);
    }
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        if (!is_served(shards, (uint16_t)slot)) {
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
    return is_served(shards, slot_in(shards, key));
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
    dispatch(shards, call);
}

bool shards_watch(struct shards *shards, struct str channel)
{
    uint16_t slot = slot_in(shards, channel);
    struct move *move = find_move(shards, slot);

    if (move != NULL) {
        move->wanted = true;
        return false;
    }
    if (!is_served(shards, slot)) {
        return false;
    }
    node_watch(home_of(shards, slot), channel);
    return true;
}

void shards_unwatch(struct shards *shards, struct str channel)
{
    uint16_t slot = slot_in(shards, channel);

    if (is_served(shards, slot)) {
        node_unwatch(home_of(shards, slot), channel);
    }
}

bool shards_match(struct shards *shards, struct str pattern, struct str near)
{
    uint16_t slot = slot_in(shards, near);

    if (!is_served(shards, slot)) {
        return false;
    }
    node_match(home_of(shards, slot), pattern);
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
        shards->pool.left = on_left;
        shards->pool.owner = shards;
    }
    return shards;
}

void shards_start(struct shards *shards)
{
    uv_timer_init(shards->settings.loop, &shards->nudge);
}

void shards_tick(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        node_tick(shards->nodes[i]);
    }
    let_leave(shards);
}

void shards_flush(struct shards *shards)
{
    tell_changed(shards);
    go_on(shards);
    pool_flush(&shards->pool);
    for (size_t i = 0; i < shards->count; i++) {
        node_flush(shards->nodes[i]);
    }
}

void shards_stop(struct shards *shards)
{
    struct move *move, *next;

    for (size_t i = 0; i < shards->count; i++) {
        node_stop(shards->nodes[i]);
    }
    HASH_ITER(hh, shards->moves, move, next)
    {
        end_move(shards, move); /* nobody is up: refused */
    }
    uv_close((uv_handle_t *)&shards->nudge, NULL);
}

void shards_destroy(struct shards *shards)
{
    struct move *move, *next;

    HASH_ITER(hh, shards->moves, move, next)
    {
        HASH_DEL(shards->moves, move);
        mem_free(move);
    }
    for (size_t i = 0; i < shards->count; i++) {
        node_destroy(shards->nodes[i]);
    }
    pool_finish(&shards->pool);
    mem_free(shards->nodes);
    mem_free(shards->homes);
    mem_free(shards);
}
