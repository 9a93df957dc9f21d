/* The inside of the namespace `/rooms`: what chat_space and chat_places share. */
#ifndef SEGUE_PROTO_CHAT_CORE_H
#define SEGUE_PROTO_CHAT_CORE_H

#include "gateway/proto/room.h"
#include "gateway/proto/socketio.h"

enum {
    CHAT_ROOMS_MAX = 10
};

/* A room that the socket is in, or is entering. */
struct place {
    struct room_member member; /* first: the room knows only this part */
    struct chat_rooms *chat;
    struct sio_event join; /* whose acknowledgement waits; only wants_ack and ack */
    bool joining;
    bool awaited; /* session_settle is due */
};

struct chat_pending;

struct chat_rooms {
    struct sio_socket socket;             /* first: the core knows only this part */
    struct place *places[CHAT_ROOMS_MAX]; /* owned; in the order of joining, then spare ones */
    unsigned count;
    struct chat_pending *pending; /* owned */
    struct store_calls calls;
    struct buf held; /* packs: name, arguments, wants_ack, ack */
    bool paused;
};

static inline struct session *chat_session(const struct chat_rooms *chat)
{
    return chat->socket.session;
}

static inline bool chat_is_open(const struct chat_rooms *chat)
{
    return chat->socket.state != SIO_GONE;
}

/* chat_space. code == NULL: all is well. */
void chat_answer(struct chat_rooms *chat, const struct sio_event *event, const char *code,
                 const char *message);
void chat_release(struct chat_rooms *chat); /* what waited for a room may go on */

/* chat_places */
struct place *chat_find_place(const struct chat_rooms *chat, struct str room);
bool chat_is_joining(const struct chat_rooms *chat);
/* There must be a spare one. The event is answered when the room was entered. */
void chat_enter(struct chat_rooms *chat, struct str room, const struct sio_event *event);
void chat_remove_place(struct place *place); /* its member has left */
void chat_leave_all(struct chat_rooms *chat, bool for_good);
void chat_free_places(struct chat_rooms *chat);
void chat_save(struct sio_socket *socket, struct buf *to);
void chat_marks(struct sio_socket *socket, struct buf *to);
MUST_CHECK bool chat_load_places(struct chat_rooms *chat, struct str saved, struct str marks);

#endif
