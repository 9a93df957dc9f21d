/* Channels and who listens to them in this process. */
#include "gateway/hub/hub.h"

#include <string.h>

#include "common/map.h"
#include "common/mem.h"

enum state {
    ASKED,
    LIVE,
    LEAVING,
    AWAY
};

struct hub_channel {
    UT_hash_handle hh;
    struct hub_sub *first;
    struct walk *walk; /* borrowed from the hub's queue; NULL = nothing waits to be told */
    size_t count;      /* of those who listen */
    enum state state;
    char name[];
};

/* What a crowd is being told, and what it will be told then. */
struct walk {
    struct walk *next;             /* in the hub's queue */
    struct hub_channel *channel;   /* borrowed; NULL = it is gone */
    struct hub_sub *at;            /* the next to be told; leaving moves it */
    struct hub_sub *telling;       /* is being told right now; NULL = left meanwhile */
    unsigned now, count;           /* of `msgs`: told on this walk; all */
    struct msg *msgs[HUB_WAITING]; /* owned references */
};

struct hub {
    struct hub_channel *channels; /* by name */
    struct hub_sub
        *cursor; /* the next to be told while a channel is being told; leaving moves it */
    struct walk *walks, *last_walk; /* owned: a queue, one per channel */
    const struct hub_events *events;
    void *owner;
    uint64_t *count; /* borrowed: the metric */
};

struct hub *hub_create(const struct hub_events *events, void *owner, uint64_t *channel_count)
{
    struct hub *hub = mem_zero(sizeof(*hub));

    hub->events = events;
    hub->owner = owner;
    hub->count = channel_count;
    return hub;
}

static struct str name_of(const struct hub_channel *channel)
{
    return str_from(channel->name, channel->hh.keylen);
}

static void destroy_channel(struct hub *hub, struct hub_channel *channel)
{
    if (channel->walk != NULL) {
        channel->walk->channel = NULL; /* nobody is left to be told */
        channel->walk->at = NULL;
    }
    HASH_DEL(hub->channels, channel);
    mem_free(channel);
    (*hub->count)--;
}

/* The walk at the head of the queue is over: its messages have been told. */
static void drop_told(struct hub *hub, struct walk *walk)
{
    for (unsigned i = 0; i < walk->now; i++) {
        if (hub->events->told != NULL) {
            hub->events->told(hub->owner, walk->msgs[i]);
        }
        msg_unref(walk->msgs[i]);
    }
    walk->count -= walk->now;
    memmove(walk->msgs, walk->msgs + walk->now, walk->count * sizeof(walk->msgs[0]));
    walk->now = 0;
}

static void end_walk(struct hub *hub)
{
    struct walk *walk = hub->walks;

    walk->now = walk->count;
    drop_told(hub, walk);
    hub->walks = walk->next;
    if (hub->walks == NULL) {
        hub->last_walk = NULL;
    }
    if (walk->channel != NULL) {
        walk->channel->walk = NULL;
    }
    mem_free(walk);
}

void hub_destroy(struct hub *hub)
{
    struct hub_channel *channel, *next;

    if (hub == NULL) {
        return;
    }
    HASH_ITER(hh, hub->channels, channel, next)
    {
        destroy_channel(hub, channel);
    }
    while (hub->walks != NULL) {
        end_walk(hub);
    }
    mem_free(hub);
}

static struct hub_channel *find(const struct hub *hub, struct str name)
{
    struct hub_channel *channel;

    HASH_FIND(hh, hub->channels, name.at, name.len, channel);
    return channel;
}

static struct hub_channel *create_channel(struct hub *hub, struct str name)
{
    struct hub_channel *channel = mem_zero(sizeof(*channel) + name.len);

    memcpy(channel->name, name.at, name.len);
    HASH_ADD_KEYPTR(hh, hub->channels, channel->name, name.len, channel);
    (*hub->count)++;
    return channel;
}

static void ask(struct hub *hub, struct hub_channel *channel)
{
    channel->state = hub->events->watch(hub->owner, name_of(channel)) ? ASKED : AWAY;
}

bool hub_join(struct hub *hub, struct hub_sub *sub, const struct hub_listener *listener,
              struct str name)
{
    struct hub_channel *channel = find(hub, name);

    if (channel == NULL) {
        channel = create_channel(hub, name);
        ask(hub, channel);
    }
    sub->listener = listener;
    sub->channel = channel;
    sub->prev = NULL;
    sub->next = channel->first;
    if (channel->first != NULL) {
        channel->first->prev = sub;
    }
    channel->first = sub;
    channel->count++;
    return channel->state == LIVE;
}

static void leave_walk(struct walk *walk, struct hub_sub *sub)
{
    if (walk->at == sub) {
        walk->at = sub->next;
    }
    if (walk->telling == sub) {
        walk->telling = NULL;
    }
}

bool hub_is_live(const struct hub_sub *sub)
{
    return sub->channel != NULL && sub->channel->state == LIVE;
}

bool hub_is_away(const struct hub_sub *sub)
{
    return sub->channel != NULL && sub->channel->state == AWAY;
}

bool hub_is_alone(const struct hub_sub *sub)
{
    return sub->channel != NULL && sub->channel->count == 1;
}

void hub_leave(struct hub *hub, struct hub_sub *sub)
{
    struct hub_channel *channel = sub->channel;

    if (channel == NULL) {
        return;
    }
    if (hub->cursor == sub) {
        hub->cursor = sub->next;
    }
    if (channel->walk != NULL) {
        leave_walk(channel->walk, sub);
    }
    channel->count--;
    if (sub->prev != NULL) {
        sub->prev->next = sub->next;
    } else {
        channel->first = sub->next;
    }
    if (sub->next != NULL) {
        sub->next->prev = sub->prev;
    }
    sub->channel = NULL;
    if (channel->first != NULL) {
        return;
    }
    if (channel->state == AWAY) {
        destroy_channel(hub, channel);
    } else if (channel->state == LIVE) {
        channel->state = LEAVING;
        hub->events->unwatch(hub->owner, name_of(channel));
    }
}

/* ---- telling ---- */

/* Tells everybody who listens now. Who joins meanwhile stands in front of the cursor and is not
 * told; nobody's leaving harms. */
static void tell_message(struct hub *hub, struct hub_channel *channel, struct msg *msg)
{
    struct hub_sub *sub = channel->first;

    while (sub != NULL) {
        hub->cursor = sub->next;
        sub->listener->message(sub, msg);
        sub = hub->cursor;
    }
    if (hub->events->told != NULL) {
        hub->events->told(hub->owner, msg);
    }
}

/* Goes on along the listeners of the walk at the head of the queue, past `most` of them at
 * most; how many they were. What had to wait for this walk's end is told by the next one. */
static size_t walk_on(struct walk *walk, size_t most)
{
    size_t told = 0;

    if (walk->now == 0 && walk->channel != NULL) {
        walk->now = walk->count;
        walk->at = walk->channel->first;
    }
    while (walk->at != NULL && told < most) {
        struct hub_sub *sub = walk->at;

        walk->at = sub->next;
        walk->telling = sub;
        for (unsigned i = 0; i < walk->now && walk->telling == sub; i++) {
            sub->listener->message(sub, walk->msgs[i]);
        }
        told++;
    }
    walk->telling = NULL;
    return told;
}

/* Takes the walk at the head to its end when it got there; the next one goes first, so that one
 * busy channel does not keep the others waiting. */
static void pass_on(struct hub *hub)
{
    struct walk *walk = hub->walks;

    if (walk->at != NULL) {
        return;
    }
    if (walk->now == walk->count || walk->channel == NULL || walk->channel->first == NULL) {
        end_walk(hub);
        return;
    }
    drop_told(hub, walk);
    if (walk->next != NULL) {
        hub->walks = walk->next;
        hub->last_walk->next = walk;
        hub->last_walk = walk;
        walk->next = NULL;
    }
}

bool hub_turn(struct hub *hub)
{
    size_t left = HUB_SLICE;

    while (hub->walks != NULL && left > 0) {
        left -= walk_on(hub->walks, left);
        pass_on(hub);
    }
    return hub->walks != NULL;
}

/* Until there is room for one more message: what waits in front of it is told without a pause,
 * so that nothing grows and nothing is lost. */
static void make_room(struct hub *hub, struct hub_channel *channel)
{
    while (channel->walk != NULL && channel->walk->count == HUB_WAITING) {
        walk_on(hub->walks, SIZE_MAX);
        pass_on(hub);
    }
}

static void wait_for_walk(struct hub *hub, struct hub_channel *channel, struct msg *msg)
{
    struct walk *walk;

    make_room(hub, channel);
    walk = channel->walk;
    if (walk == NULL) {
        walk = mem_zero(sizeof(*walk));
        walk->channel = channel;
        channel->walk = walk;
        if (hub->walks == NULL) {
            hub->walks = walk;
        } else {
            hub->last_walk->next = walk;
        }
        hub->last_walk = walk;
    }
    walk->msgs[walk->count++] = msg_ref(msg);
}

static void tell_ready(struct hub *hub, struct hub_channel *channel)
{
    struct hub_sub *sub = channel->first;

    while (sub != NULL) {
        hub->cursor = sub->next;
        sub->listener->ready(sub);
        sub = hub->cursor;
    }
}

void hub_publish(struct hub *hub, struct str name, struct msg *msg)
{
    struct hub_channel *channel = find(hub, name);

    if (channel == NULL) {
        return;
    }
    if (channel->count <= HUB_SLICE && channel->walk == NULL) {
        tell_message(hub, channel, msg);
    } else {
        wait_for_walk(hub, channel, msg);
    }
}

static void confirmed_watched(struct hub *hub, struct hub_channel *channel)
{
    if (channel->first == NULL) {
        channel->state = LEAVING;
        hub->events->unwatch(hub->owner, name_of(channel));
        return;
    }
    channel->state = LIVE;
    tell_ready(hub, channel);
}

static void confirmed_unwatched(struct hub *hub, struct hub_channel *channel)
{
    if (channel->first == NULL) {
        destroy_channel(hub, channel);
    } else {
        ask(hub, channel);
    }
}

void hub_changed(struct hub *hub, struct str name, bool watched)
{
    struct hub_channel *channel = find(hub, name);

    if (channel == NULL) {
        return;
    }
    if (watched && channel->state == ASKED) {
        confirmed_watched(hub, channel);
    } else if (!watched && channel->state == LEAVING) {
        confirmed_unwatched(hub, channel);
    } else if (!watched && channel->state == LIVE) {
        ask(hub, channel); /* nobody wished that: another Redis has it now */
    }
}

void hub_lost(struct hub *hub, bool (*is_lost)(void *owner, struct str channel))
{
    struct hub_channel *channel, *next;

    HASH_ITER(hh, hub->channels, channel, next)
    {
        if (!is_lost(hub->owner, name_of(channel))) {
            continue;
        }
        channel->state = AWAY;
        if (channel->first == NULL) {
            destroy_channel(hub, channel);
        }
    }
}

void hub_restore(struct hub *hub)
{
    struct hub_channel *channel, *next;

    HASH_ITER(hh, hub->channels, channel, next)
    {
        if (channel->state == AWAY) {
            ask(hub, channel);
        }
    }
}
