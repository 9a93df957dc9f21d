/* What a protocol and what a carrier is to a session: a row of functions each. */
#ifndef SEGUE_GATEWAY_SESSION_ROWS_H
#define SEGUE_GATEWAY_SESSION_ROWS_H

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
struct limits;
struct rooms;
struct place;

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
    struct limits *limits; /* NULL: there are none */
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
    struct str (*user)(const struct session *session); /* whom it serves, where only the
                                                          protocol knows; NULL: session_user */

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

#endif
