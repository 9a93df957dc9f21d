/* The inside of a Socket.IO session: what socketio, sio_emit and sio_keep share. */
#ifndef SEGUE_PROTO_SOCKETIO_CORE_H
#define SEGUE_PROTO_SOCKETIO_CORE_H

#include "gateway/proto/socketio.h"

/* At both ends of the name of a namespace whose offset is due here: see socketio_stamp. */
#define SIO_MARK '\x1f'

/* A packet whose attachments are still to come. */
struct partial {
    struct buf text;                  /* the packet */
    struct buf attachments;           /* back to back */
    size_t ends[SIO_ATTACHMENTS_MAX]; /* where each ends */
    unsigned have, due;
};

struct socketio {
    struct session session;     /* first: the session layer knows only this part */
    struct sio_socket *sockets; /* owned */
    struct sio_identity handshake;
    char *refusal; /* owned: why the handshake's token does not count; NULL = it does, or there
                      was none */
    struct partial *partial; /* owned; NULL = none */
    struct buf held;         /* packs: text or binary, in their order */
    uint64_t connect_by_ms;  /* Redis's clock: the first CONNECT must be there; 0 = it is */
    bool recovery;           /* the handshake asked for it */
    bool leaving;            /* it is being closed, with a word if there is room for one */
};

static inline struct socketio *socketio_of(struct session *session)
{
    return (struct socketio *)session;
}

/* socketio */
const struct sio_space *socketio_find_space(const struct socketio *io, struct str name);
struct sio_socket *socketio_find_socket(struct socketio *io, struct str space);
struct sio_socket *socketio_create_socket(struct socketio *io, const struct sio_space *space);
void socketio_destroy_socket(struct sio_socket *socket);
void socketio_enter(struct sio_socket *socket, enum sio_state state);
void socketio_begin_partial(struct socketio *io, struct str text, unsigned due);
/* Sets the time to wake up to the earliest thing that is due. */
void socketio_schedule(struct socketio *io);

/* sio_entry: who is known may connect when the user has a place left; takes `auth` over. */
void sio_entry_ask(struct sio_socket *socket, cJSON *auth);
/* The only way to GONE for a socket whose namespace may know it. */
void sio_entry_leave(struct sio_socket *socket);

/* The members of a protocol row whose `proto` these functions are. */
#define SOCKETIO_ROW                                                                           \
    .engine = true, .metric = METRICS_PROTOCOL_PLAYBACK, .size = sizeof(struct socketio),      \
    .open = socketio_open, .message = socketio_message, .binary = socketio_binary,             \
    .limited = socketio_limited, .alive = socketio_alive, .drained = socketio_drained,         \
    .woken = socketio_woken, .farewell = socketio_farewell, .closed = socketio_closed,         \
    .finish = socketio_finish, .user = socketio_user, .save = socketio_save,                   \
    .marks = socketio_marks, .load = socketio_load, .stamp = socketio_stamp

void socketio_open(struct session *session, const struct request *request);
void socketio_message(struct session *session, struct str text);
void socketio_binary(struct session *session, struct str bytes);
void socketio_woken(struct session *session);
void socketio_limited(struct session *session);
void socketio_alive(struct session *session);
void socketio_drained(struct session *session);
void socketio_farewell(struct session *session, enum reason reason);
void socketio_closed(struct session *session);
void socketio_finish(struct session *session);

/* sio_emit: a packet without id; `json` may be empty. */
bool sio_say(struct sio_socket *socket, enum sio_type type, struct str json);
void sio_add_error(struct buf *to, const char *code, const char *message);

/* sio_keep. A socket is about to go: its user stays with the session, whose last line in the
 * log tells who it was. */
void socketio_remember_user(struct session *session, struct sio_identity *identity);
struct str socketio_user(const struct session *session);
void socketio_save(struct session *session, struct buf *to);
void socketio_marks(struct session *session, struct buf *to);
bool socketio_load(struct session *session, struct str saved, struct str marks);
void socketio_stamp(struct session *session, struct str text, struct buf *to);

#endif
