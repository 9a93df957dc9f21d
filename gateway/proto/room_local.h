/* The rooms that have members in this process, and whose leases it therefore watches: as long
 * as anybody is in a room, some process tells him who died. Private to room.c and what looks at
 * rooms from outside. */
#ifndef SEGUE_PROTO_ROOM_LOCAL_H
#define SEGUE_PROTO_ROOM_LOCAL_H

#include "gateway/proto/room.h"
#include "gateway/store/keys.h"

/* The keys of a room in the order in which its scripts name them; lives on the caller's stack.
 */
enum {
    ROOM_KEY_ROOM,
    ROOM_KEY_MEMBERS,
    ROOM_KEY_HISTORY,
    ROOM_KEY_OLDER,
    ROOM_KEY_MOVES,
    ROOM_KEY_CHANNEL,
    ROOM_KEY_COUNT
};

struct room_keys {
    struct key_name names[ROOM_KEY_COUNT];
    struct str keys[ROOM_KEY_COUNT];
};

struct strs room_all_keys(struct str room, struct room_keys *keys);
/* Without the moves; `once` (rest_once; at == NULL: said by a member) is borrowed. */
struct strs room_say_keys(struct str room, struct str once, struct room_keys *keys);

struct room *room_local_enter(struct rooms *rooms, struct str name);
void room_local_leave(struct rooms *rooms, struct room *room);
struct str room_local_name(const struct room *room);
/* The next lease of that room ends in so many ms. */
void room_local_note(struct rooms *rooms, struct room *room, int64_t in_ms);
/* Redis was away not long ago: leases may have run out of people who are well. */
bool rooms_are_patient(const struct rooms *rooms);

#endif
