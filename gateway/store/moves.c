/* Calls whose slot changes hands. */
#include "gateway/store/moves.h"

#include "common/map.h"
#include "common/mem.h"
#include "gateway/store/shards_core.h"

enum {
    HOLD_MS = 1000,    /* how long calls wait for a node that is not up yet */
    GIVE_UP_MS = 3000, /* calls that are turned away for so long are given up */
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

static uint64_t now_ms(const struct shards *shards)
{
    return uv_now(shards->settings.loop);
}

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
    shards_nudge(shards);
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

void moves_left(void *owner, uint16_t slot)
{
    struct move *move = find_move(owner, slot);

    if (move != NULL) {
        move->due--;
        move->answered += move->trying;
    }
}

void moves_dispatch(struct shards *shards, struct store_call *call)
{
    struct move *move = find_move(shards, call->slot);

    if (move != NULL) {
        call_put(&move->calls, call);
    } else if (shards_serve(shards, call->slot)) {
        caller_send(&shards_home(shards, call->slot)->caller, call, false);
    } else {
        pool_refuse(&shards->pool, call);
    }
}

static bool is_ready(const struct shards *shards, const struct move *move)
{
    uint64_t now = now_ms(shards);
    bool served = move->ask != NULL ? node_is_up(move->ask) : shards_serve(shards, move->slot);

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
        moves_dispatch(shards, call);
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
    struct node *to = move->ask != NULL ? move->ask : shards_home(shards, move->slot);
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

void moves_go_on(struct shards *shards)
{
    struct move *move, *next;

    HASH_ITER(hh, shards->moves, move, next)
    {
        if (is_ready(shards, move)) {
            advance(shards, move);
        }
    }
}

/* ---- redirections ---- */

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

void moves_redirected(void *owner, struct node *node, struct store_call *call, struct str error)
{
    struct shards *shards = owner;
    bool asks = str_starts(error, STR("ASK ")), moved = str_starts(error, STR("MOVED "));
    struct node *other = NULL;
    struct server address;
    struct move *move;
    uint16_t slot;

    if ((asks || moved) && topology_read_redirection(error, &node->address, &slot, &address)) {
        other = shards_need_node(shards, &address);
        if (moved) {
            shards_settle(shards, slot, other);
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

/* ---- a new map ---- */

struct stray {
    struct shards *shards;
    const struct node *node;
};

/* A call that is under way to a node that lost its slot. */
static void look_for_stray(void *context, const struct store_call *call)
{
    struct stray *stray = context;

    if (shards_home(stray->shards, call->slot) != stray->node &&
        find_move(stray->shards, call->slot) == NULL) {
        add_move(stray->shards, call->slot);
    }
}

void moves_hold_back_strays(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        struct stray stray = {shards, shards->nodes[i]};

        caller_each(&shards->nodes[i]->caller, look_for_stray, &stray);
    }
    count_due(shards);
}

/* ---- for shards ---- */

bool moves_want(struct shards *shards, uint16_t slot)
{
    struct move *move = find_move(shards, slot);

    if (move != NULL) {
        move->wanted = true;
    }
    return move != NULL;
}

void moves_end(struct shards *shards)
{
    struct move *move, *next;

    HASH_ITER(hh, shards->moves, move, next)
    {
        end_move(shards, move);
    }
}
