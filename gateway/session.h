/* What a protocol sees of a client, whatever carries it; and what a carrier sees of a protocol.
 *
 *     OPENING --session_accept--> OPEN --session_close / session_ended--> CLOSED
 *        +-----session_refuse / session_ended------------------------------^
 *
 * A carrier (net/ws) creates the session with its connection and destroys it with it; between
 * CLOSED and that moment the protocol is detached already and hears nothing more. */
#ifndef SEGUE_GATEWAY_SESSION_H
#define SEGUE_GATEWAY_SESSION_H

#include <stdint.h>

#include "common/err.h"
#include "common/reason.h"
#include "common/request.h"
#include "gateway/auth.h"
#include "gateway/config.h"
#include "gateway/hub/hub.h"
#include "gateway/metrics.h"
#include "gateway/store/store.h"

struct session;
struct leash;
struct rooms;

enum {
    SERVICES_NAME_SIZE = 7 /* six letters and a NUL */
};

/* What all sessions of a process share; borrowed. */
struct services {
    char name[SERVICES_NAME_SIZE]; /* of this process, random: for those who ask who serves */
    const struct config *config;
    struct auth *auth;
    struct hub *hub;
    struct store *store;
    struct metrics *metrics;
    struct rooms *rooms;
    uv_loop_t *loop;
    bool draining;
};

/* A protocol: one row of proto/table. */
struct proto {
    const char *name;         /* also in --anonymous */
    const char *const *paths; /* of its WebSocket; NULL ends them. A segment `*` fits any one
                                 segment, which is the request's `param` */
    bool engine; /* Engine.IO is spoken on the paths: GET, POST and OPTIONS, upgrade or not */
    enum metrics_protocol metric;
    size_t size; /* of the struct that begins with a struct session */

    void (*open)(struct session *session,
                 const struct request *request); /* then accept or refuse, at any time */
    void (*message)(struct session *session, struct str text);
    void (*binary)(struct session *session,
                   struct str bytes);         /* NULL: such messages close the connection */
    void (*limited)(struct session *session); /* say that messages come too fast */
    void (*alive)(struct session *session);   /* the client was heard: once per heartbeat */
    void (*drained)(
        struct session *session); /* there is room again after session_send found none */
    void (*woken)(struct session *session); /* the time of session_wake came */
    void (*farewell)(struct session *session,
                     enum reason reason);    /* about to be closed: last words; may be NULL */
    void (*closed)(struct session *session); /* let go of everything */
    void (*finish)(struct session *session); /* about to be freed; may be NULL */

    /* A session that no process keeps is loaded for every request and saved after it; NULL
     * where that is not spoken. `load` takes the place of `open`. */
    void (*save)(struct session *session, struct buf *to);  /* what the client made of it */
    void (*marks)(struct session *session, struct buf *to); /* what it was told so far */
    MUST_CHECK bool (*load)(struct session *session, struct str saved, struct str marks);
    /* A message that was put aside by a request (`deaf`) is about to be told: its form now.
     * NULL: as it is. */
    void (*stamp)(struct session *session, struct str text, struct buf *to);
};

/* What carries sessions. */
struct transport {
    enum metrics_transport metric;
    void (*accept)(void *carrier);
    void (*refuse)(void *carrier, enum err err, const char *why);
    bool (*send)(
        void *carrier,
        struct msg *msg); /* takes its own reference; false: no room, nothing was queued */
    void (*trim)(void *carrier);               /* drops what is queued and not yet on its way */
    void (*pause)(void *carrier, bool paused); /* stops and resumes reading */
    void (*wake)(void *carrier, uint64_t in_ms);
    void (*settled)(void *carrier); /* may be NULL */
    void (*close)(void *carrier, enum reason reason);
};

enum session_state {
    SESSION_OPENING,
    SESSION_OPEN,
    SESSION_CLOSED
};

struct session {
    const struct proto *proto;
    const struct transport *transport;
    void *carrier; /* borrowed */
    const struct services *services;
    char id[MSG_ORIGIN_LENGTH]; /* of this connection: leases and origins are keyed by it */
    enum session_state state;
    bool brief;       /* of one request: the client goes on when it ends */
    bool deaf;        /* ... which only brings messages: it listens to nothing */
    bool starved;     /* found no room; `drained` is due */
    unsigned holding; /* packets wait until something has settled */
    unsigned pending; /* things under way whose outcome belongs to what was received */
    int64_t
        allowance; /* thousandths of messages that may still come; below zero: above the rate */
    uint64_t charged_ms;    /* when it was worked out last */
    uint64_t complained_ms; /* when the client was told last */
    uint64_t silent_ms; /* how long it was silent when it was given up; 0 = its end was heard */
    char *user;         /* owned; NULL = anonymous */
    size_t user_len;
    struct leash *leashes; /* owned; see session_leash.h */
};

struct session *session_create(const struct services *services, const struct proto *proto,
                               const struct transport *transport, void *carrier,
                               const struct claims *claims);
void session_destroy(struct session *session); /* NULL is fine; closes first when need be */

/* For carriers. */
/* A session that is open already, under an id that it had before. */
void session_adopt(struct session *session, struct str id);
void session_receive(struct session *session, struct str text);
void session_receive_binary(struct session *session, struct str bytes);
bool session_charge(struct session *session); /* counts a message against the rate; may close;
                                                 false: too fast */
void session_alive(struct session *session);
void session_drained(struct session *session);
void session_woken(struct session *session);
void session_ended(struct session *session); /* the connection is gone, whoever ended it */

/* For protocols. */
void session_accept(struct session *session);
void session_refuse(struct session *session, enum err err, const char *why);
bool session_send(struct session *session,
                  struct msg *msg); /* false: no room; `drained` follows */
bool session_say(struct session *session,
                 struct str text); /* the same for a message made here */
void session_trim(struct session *session);
/* In so many ms `woken` is called, once; moves the time that was set before. */
void session_wake(struct session *session, uint64_t in_ms);
/* Between the two the outcome of something is awaited; when nothing is, the carrier is told. */
void session_begin(struct session *session);
void session_settle(struct session *session);
void session_pause(struct session *session, bool paused);
void session_close(struct session *session, enum reason reason);
struct str session_id(const struct session *session);
struct str session_user(const struct session *session);

#endif
