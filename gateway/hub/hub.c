/* Channels and who listens to them in this process. */
#include "gateway/hub/hub.h"

#include <string.h>
#include <uthash.h>

#include "common/mem.h"

enum state {
    ASKED,
    LIVE,
    LEAVING
};

struct hub_channel {
    UT_hash_handle hh;
    struct hub_sub *first;
    enum state state;
    char name[];
};

struct hub {
    struct hub_channel *channels; /* by name */
    struct hub_sub
        *cursor; /* the next to be told while a channel is being told; leaving moves it */
    const struct hub_events *events;
    void *owner;
    uint64_t *count; /* borrowed: the metric */
    bool lost;
};

struct hub *hub_create(const struct hub_events *events, void *owner, uint64_t *channel_count)
{
    struct hub *hub = mem_zero(sizeof(*hub));

    hub->events = events;
    hub->owner = owner;
    hub->count = channel_count;
    hub->lost = true;
    return hub;
}

static struct str name_of(const struct hub_channel *channel)
{
    return str_from(channel->name, channel->hh.keylen);
}

static void destroy_channel(struct hub *hub, struct hub_channel *channel)
{
    HASH_DEL(hub->channels, channel);
    mem_free(channel);
    (*hub->count)--;
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
    channel->state = ASKED;
    if (!hub->lost) {
        hub->events->watch(hub->owner, name_of(channel));
    }
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
    return channel->state == LIVE;
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
    if (hub->lost) {
        destroy_channel(hub, channel);
    } else if (channel->state == LIVE) {
        channel->state = LEAVING;
        hub->events->unwatch(hub->owner, name_of(channel));
    }
}

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

    if (channel != NULL) {
        tell_message(hub, channel, msg);
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
    }
}

void hub_lost(struct hub *hub)
{
    struct hub_channel *channel, *next;

    hub->lost = true;
    HASH_ITER(hh, hub->channels, channel, next)
    {
        if (channel->first == NULL) {
            destroy_channel(hub, channel);
        } else {
            channel->state = ASKED;
        }
    }
}

void hub_restore(struct hub *hub)
{
    struct hub_channel *channel, *next;

    hub->lost = false;
    HASH_ITER(hh, hub->channels, channel, next)
    {
        ask(hub, channel);
    }
}
