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
#include "gateway/hub/held.h"
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

/* What the owner of a membership is told. In each of them it may leave. False: there was no
 * room for it; unless it left, it hears nothing more until it listens again. */
struct room_user {
    /* A frame for this member alone: a message that it missed, or its welcome: the first one
     * says that it is in, a further one that more was missed than messages. */
    bool (*tell)(struct room_member *member, enum room_event event, struct str frame);
    /* What all members are told. */
    bool (*pass)(struct room_member *member, enum room_event event, struct msg *msg);
    /* It is in, and was told all there is. Comes again whenever that had to be made sure. */
    void (*ready)(struct room_member *member);
    /* It is out: Redis could not be asked (ERR_UNAVAILABLE), or a member that comes and goes is
     * not known there any more (ERR_NOT_FOUND). */
    void (*lost)(struct room_member *member, enum err err);
};

enum room_phase {
    ROOM_OUT, /* or one that does not listen */
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
    struct held held;
    uint64_t seq;  /* of the last change that it was told; 0 = it was never told any */
    uint8_t phase; /* enum room_phase; set by enter() only */
    bool brief;    /* it comes and goes with single requests: no welcome where the history tells
                      all that was missed, and no way back in when another request has left */
    char client[IDENT_UUID_LENGTH + 1];
};

/* Which rooms have members in this process: they look after each other's leases. */
struct rooms *rooms_create(const struct services *services);
void rooms_lost(struct rooms *rooms);     /* a Redis is away */
void rooms_restored(struct rooms *rooms); /* a Redis is there, or is there again */
void rooms_close(struct rooms *rooms);    /* nobody is in a room any more; the loop must run */
void rooms_destroy(struct rooms *rooms);

/* A member of a good room; `member` is zero, or has left. A new one (an empty client, 0), or
 * one whose membership began elsewhere. It can speak, renew and leave once it was in. */
void room_attach(struct room_member *member, const struct services *services,
                 const struct room_user *user, struct str room, struct str client,
                 uint64_t seq);
/* Enters, or catches up, and hears what follows; `ready` comes, or `lost`. */
void room_listen(struct room_member *member);
/* The same once, without hearing what follows. */
void room_visit(struct room_member *member);

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
