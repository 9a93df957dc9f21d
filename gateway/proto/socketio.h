/* Socket.IO v5 on a session that an engine carries: one session, up to SIO_SOCKETS_MAX sockets,
 * each in a namespace of its own.
 *
 *     CONNECT --identity--> namespace: connect --sio_accept--> CONNECTED --sio_disconnect,
 * DISCONNECT--> gone
 *        +--no or bad token:
 * refused----+--sio_refuse--------------------------------------------^
 *
 * A namespace is one file and one row. It sees its sockets, never packets. */
#ifndef SEGUE_PROTO_SOCKETIO_H
#define SEGUE_PROTO_SOCKETIO_H

#include <cjson/cJSON.h>

#include "gateway/proto/sio_packet.h"
#include "gateway/session.h"

enum {
    SIO_ID_LENGTH = 20,
    SIO_SOCKETS_MAX = 8,
    SIO_ATTACHMENT_ROOM = 64
};

struct sio_socket;
struct sio_entry;

/* An event as its namespace gets it; borrowed. */
struct sio_event {
    struct str name;
    struct str args; /* JSON texts with commas between */
    bool wants_ack;
    uint64_t ack;
    const struct str *attachments;
    unsigned attachment_count;
};

/* A namespace: one row of a table. */
struct sio_space {
    struct str name;   /* "/" */
    const char *proto; /* whose --anonymous counts; NULL = nobody is asked who he is */
    size_t size;       /* of the struct that begins with a struct sio_socket */
    bool follows_user; /* listens to its user's channel, and hears when he is sent away */

    /* `auth`: what came with CONNECT; NULL = nothing. Then accept or refuse, at any time. */
    void (*connect)(struct sio_socket *socket, const cJSON *auth);
    void (*event)(struct sio_socket *socket, const struct sio_event *event);
    void (*limited)(struct sio_socket *socket); /* say that messages come too fast */
    void (*alive)(struct sio_socket *socket);   /* the client was heard: once per heartbeat */
    void (*drained)(struct sio_socket *socket); /* there is room again */
    void (*closed)(struct sio_socket *socket);  /* let go of everything */
    void (*finish)(struct sio_socket *socket);  /* about to be freed; may be NULL */
    /* With recovery, the last argument of everything that is emitted; adds nothing without.
     * NULL: never. */
    void (*offset)(struct sio_socket *socket, struct buf *to);
    /* See struct proto; after `load` it listens (and is connected). */
    void (*save)(struct sio_socket *socket, struct buf *to);
    void (*marks)(struct sio_socket *socket, struct buf *to);
    MUST_CHECK bool (*load)(struct sio_socket *socket, struct str saved, struct str marks);
};

struct sio_identity {
    char *user; /* owned; NULL = anonymous */
    size_t user_len;
    int64_t expires_ms; /* wall clock; INT64_MAX = never */
};

enum sio_state {
    SIO_CONNECTING,
    SIO_CONNECTED,
    SIO_GONE
};

struct sio_socket {
    struct session *session;
    const struct sio_space *space;
    struct sio_socket *next; /* of the session */
    struct sio_identity identity;
    struct sio_entry *entry; /* owned; waits for a place among the user's connections */
    char id[SIO_ID_LENGTH];
    enum sio_state state;
};

/* A protocol row that carries namespaces; `proto` is set by SOCKETIO_PROTO. */
struct socketio_proto {
    struct proto proto;
    const struct sio_space *const *spaces; /* NULL ends the table */
};

extern const struct socketio_proto socketio_row;
/* What a polling client is told when its user is sent away: DISCONNECT for every namespace. */
void socketio_add_farewells(struct buf *to);

/* For namespaces. `pid`: with recovery, what the client may come back with; else empty. */
void sio_accept(struct sio_socket *socket, struct str pid);
void sio_refuse(struct sio_socket *socket, const char *code, const char *message);
/* Emits `body`: the JSON texts of name and arguments with commas between. False: no room. */
bool sio_emit(struct sio_socket *socket, struct str body);
/* The same, with attachments for its placeholders. */
bool sio_emit_binary(struct sio_socket *socket, struct str body, const struct str *attachments,
                     unsigned count);
/* What a publication says, `head` and `body` together, packed once for all sockets of this
 * process that are told the same. */
bool sio_emit_shared(struct sio_socket *socket, struct msg *msg, struct str head,
                     struct str body);
/* Event `error`: {"code","message"}. */
bool sio_emit_error(struct sio_socket *socket, const char *code, const char *message);
void sio_ack(struct sio_socket *socket, uint64_t ack, struct str args,
             const struct str *attachments, unsigned count);
/* {"ok":true}, or {"ok":false,"error":CODE,"message":...} when there is a code. */
void sio_ack_outcome(struct sio_socket *socket, const struct sio_event *event, const char *code,
                     const char *message);
void sio_disconnect(struct sio_socket *socket); /* the socket is gone afterwards */
bool sio_recovery_wanted(const struct sio_socket *socket, const cJSON *auth);

#endif
