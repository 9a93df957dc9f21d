/* The rooms that have members in this process, and whose leases it therefore watches.
 *
 * A script's answer says when the next lease in a room ends. A little later the room is reaped:
 * by every process that has members in it, of which the first finds somebody and tells. Usually
 * the lease was renewed meanwhile, and the answer is when to look again. */
#include "gateway/proto/room_local.h"

#include <string.h>

#include "common/map.h"
#include "common/mem.h"

enum {
    TICK_MS = 250,
    SLACK_MS = 250,  /* after the end of a lease */
    RETRY_MS = 1000, /* after a reaping that Redis did not answer */
    PATIENCE_MS =
        5000, /* after Redis came back: time for all processes to renew their leases */
    NEVER = 0
};

struct room {
    UT_hash_handle hh;
    struct rooms *rooms; /* borrowed */
    struct store_calls calls;
    uint64_t due_ms; /* when it is to be reaped; NEVER = nothing is known, or it is under way */
    unsigned members;
    size_t name_len;
    char name[IDENT_NAME_MAX];
};

struct rooms {
    const struct services *services;
    struct room *all;
    uv_timer_t tick; /* runs while there are rooms */
    uint64_t patient_until_ms;
    bool lost; /* a Redis is away, or was */
};

struct strs room_all_keys(struct str room, struct room_keys *keys)
{
    static const enum key rows[ROOM_KEY_COUNT] = {KEY_ROOM,  KEY_MEMBERS, KEY_HISTORY,
                                                  KEY_OLDER, KEY_MOVES,   KEY_ROOM};

    for (int i = 0; i < ROOM_KEY_COUNT; i++) {
        keys->keys[i] = keys_name(&keys->names[i], rows[i], room);
    }
    return (struct strs){keys->keys, ROOM_KEY_COUNT};
}

struct strs room_say_keys(struct str room, struct str once, struct room_keys *keys)
{
    struct strs all = room_all_keys(room, keys);
    struct key_name *spare = &keys->names[ROOM_KEY_MOVES];

    keys->keys[ROOM_KEY_MOVES] = keys->keys[ROOM_KEY_CHANNEL];
    keys->keys[ROOM_KEY_CHANNEL] = once.at != NULL ? once : keys_name(spare, KEY_ONCE, room);
    return all;
}

static uint64_t now_ms(const struct rooms *rooms)
{
    return uv_now(rooms->services->loop);
}

static void reap(struct room *room);

static void on_reaped(void *context, enum err err, const struct redisReply *reply)
{
    struct room *room = context;

    if (err != ERR_OK) {
        room->due_ms = now_ms(room->rooms) + RETRY_MS;
    } else if (reply_outcome(reply) == OUTCOME_APPLIED && reply_int(reply, 1) > 0) {
        room_local_note(room->rooms, room, reply_int(reply, 1));
    } else if (reply_outcome(reply) == OUTCOME_APPLIED) {
        reap(room); /* there were more than it takes at once */
    }
}

static void reap(struct room *room)
{
    struct room_keys keys;
    struct str name = room_local_name(room);

    room->due_ms = NEVER;
    store_call(room->rooms->services->store, SCRIPT_room_reap, room_all_keys(name, &keys),
               STRS(name), &room->calls, on_reaped, room);
}

static void on_tick(uv_timer_t *tick)
{
    struct rooms *rooms = tick->data;
    struct room *room, *next;
    uint64_t now = now_ms(rooms);

    HASH_ITER(hh, rooms->all, room, next)
    {
        if (room->due_ms != NEVER && now >= room->due_ms) {
            reap(room);
        }
    }
}

struct rooms *rooms_create(const struct services *services)
{
    struct rooms *rooms = mem_zero(sizeof(*rooms));

    rooms->services = services;
    uv_timer_init(services->loop, &rooms->tick);
    rooms->tick.data = rooms;
    return rooms;
}

void rooms_close(struct rooms *rooms)
{
    uv_close((uv_handle_t *)&rooms->tick, NULL);
}

void rooms_destroy(struct rooms *rooms)
{
    mem_free(rooms);
}

void rooms_lost(struct rooms *rooms)
{
    rooms->lost = true;
}

void rooms_restored(struct rooms *rooms)
{
    struct room *room, *next;

    if (!rooms->lost) {
        return;
    }
    rooms->lost = false;
    rooms->patient_until_ms = now_ms(rooms) + PATIENCE_MS;
    HASH_ITER(hh, rooms->all, room, next)
    {
        if (room->due_ms != NEVER && room->due_ms < rooms->patient_until_ms) {
            room->due_ms = rooms->patient_until_ms;
        }
    }
}

bool rooms_are_patient(const struct rooms *rooms)
{
    return now_ms(rooms) < rooms->patient_until_ms;
}

struct room *room_local_enter(struct rooms *rooms, struct str name)
{
    struct room *room;

    HASH_FIND(hh, rooms->all, name.at, name.len, room);
    if (room == NULL) {
        if (rooms->all == NULL) {
            uv_timer_start(&rooms->tick, on_tick, TICK_MS, TICK_MS);
        }
        room = mem_zero(sizeof(*room));
        room->rooms = rooms;
        room->name_len = name.len;
        memcpy(room->name, name.at, name.len);
        HASH_ADD_KEYPTR(hh, rooms->all, room->name, room->name_len, room);
    }
    room->members++;
    return room;
}

void room_local_leave(struct rooms *rooms, struct room *room)
{
    if (--room->members > 0) {
        return;
    }
    store_forget(&room->calls);
    HASH_DEL(rooms->all, room);
    mem_free(room);
    if (rooms->all == NULL) {
        uv_timer_stop(&rooms->tick);
    }
}

struct str room_local_name(const struct room *room)
{
    return str_from(room->name, room->name_len);
}

void room_local_note(struct rooms *rooms, struct room *room, int64_t in_ms)
{
    room->due_ms = now_ms(rooms) + (uint64_t)(in_ms > 0 ? in_ms : 0) + SLACK_MS;
    if (room->due_ms < rooms->patient_until_ms) {
        room->due_ms = rooms->patient_until_ms;
    }
}
