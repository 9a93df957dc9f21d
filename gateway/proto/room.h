/* Membership of one connection in one room, whatever protocol the connection speaks: enter,
 * say, leave, and hear what all others hear, in the same order, without a gap.
 *
 *     OUT --room_listen--> SUBSCRIBING --channel live--> READING --room_join answered--> LIVE
 *      ^                        ^                          ^  ^---gap, taken for dead------+
 *      +---room_leave, _drop----+------Redis was away------+-------------------------------+
 *
 * The member itself lives in Redis, under an id that is new with every membership; what is kept
 * here is what dies with the connection. */
#ifndef SEGUE_PROTO_ROOM_H
#define SEGUE_PROTO_ROOM_H

#include "common/ident.h"
#include "gateway/proto/chat.h"
#include "gateway/session.h"

struct room;
struct room_member;

enum room_event {
    ROOM_WELCOME,
    ROOM_MESSAGE,
    ROOM_JOINED,
    ROOM_LEFT
};

/* What the owner of a membership is told. In each of them it may leave. */
struct room_user {
    /* A frame for this member alone: a message that it missed, or its welcome: the first one
     * says that it is in, a further one that more was missed than messages. */
    void (*tell)(struct room_member *member, enum room_event event, struct str frame);
    /* What all members are told. */
    void (*pass)(struct room_member *member, enum room_event event, struct msg *msg);
    /* Redis could not be asked: it is out. */
    void (*lost)(struct room_member *member);
};

enum room_phase {
    ROOM_OUT,
    ROOM_SUBSCRIBING,
    ROOM_READING,
    ROOM_LIVE
};

struct room_member {
    const struct room_user *user;
    const struct services *services;
    struct room *room; /* shared with this process's other members; NULL = none */
    struct hub_sub sub;
    struct store_calls calls;
    struct msg **held; /* owned: publications that wait for a read; NULL = none */
    uint64_t seq;      /* of the last change that it was told; 0 = it was never told any */
    uint8_t held_count;
    uint8_t phase;  /* enum room_phase; set by enter() only */
    bool overtaken; /* more came while reading than could be held: read again */
    char client[IDENT_UUID_LENGTH + 1];
};

/* Which rooms have members in this process: they look after each other's leases. */
struct rooms *rooms_create(const struct services *services);
void rooms_restored(struct rooms *rooms); /* Redis is there, or is there again */
void rooms_close(struct rooms *rooms);    /* nobody is in a room any more; the loop must run */
void rooms_destroy(struct rooms *rooms);

/* A new member of a good room; `tell` follows, or `lost`. `member` is zero, or has left. */
void room_enter(struct room_member *member, const struct services *services,
                const struct room_user *user, struct str room);
/* A membership that began elsewhere; it can speak, renew and leave, and hears when it listens.
 */
void room_attach(struct room_member *member, const struct services *services,
                 const struct room_user *user, struct str room, struct str client,
                 uint64_t seq);
void room_listen(struct room_member *member);

bool room_is_member(const struct room_member *member);
struct str room_name(const struct room_member *member);

/* `done` is told the outcome, OUTCOME_NO_STATE when the member is not known in Redis any more
 * (room_return helps). Of calls that belong to `calls`; room_leave does not forget them. */
void room_say(struct room_member *member, const struct chat_message *message,
              struct store_calls *calls, store_done_fn *done, void *context);
/* Enters again under the same id. */
void room_return(struct room_member *member);
void room_renew(struct room_member *member);
/* `done` may be NULL. Harmless when it is in no room, and then not answered. */
void room_leave(struct room_member *member, struct store_calls *calls, store_done_fn *done,
                void *context);
/* Only ends what is kept here: it stays a member. */
void room_drop(struct room_member *member);

#endif
