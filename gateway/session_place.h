/* What a session holds of the limits over all processes: its place among a user's or an
 * address's connections, and the rate that its messages are charged to. */
#ifndef SEGUE_GATEWAY_SESSION_PLACE_H
#define SEGUE_GATEWAY_SESSION_PLACE_H

#include "gateway/limits/limits.h"
#include "gateway/session.h"

/* A session without limits has none. Owned by the session once it is added. */
struct place {
    struct limits_subject *subject; /* visited */
    struct place *next;
    bool taken; /* counts as a connection of this process */
    bool poll;  /* counts as a polling session */
};

/* Waits for a place. */
struct place_wait {
    struct limits_wait wait;
    struct session *session; /* borrowed */
    struct place *place;     /* owned */
    limits_fn *done;
    void *owner;
};

/* The session is one more of that user's connections; a polling session when it is `brief`.
 * The second time, of nobody, and where there is no limit: LIMITS_YES. */
MUST_CHECK enum limits_answer session_take_place(struct session *session, enum limits_kind kind,
                                                 struct str name, struct place_wait *wait,
                                                 limits_fn *done, void *owner);
void session_cancel_place(struct place_wait *wait); /* harmless when it does not wait */
/* It is one of them already: it was loaded, or has come over from polling. */
void session_keep_place(struct session *session, enum limits_kind kind, struct str name);
/* A place that was taken before there was a session. */
void session_add_place(struct session *session, struct limits_subject *subject, bool taken);
/* The end of the session, or of the request that it was loaded for; `over`: of a polling
 * session as such. */
void session_give_places(struct session *session, bool over);
/* One message more: false when one of its users sends too many. */
MUST_CHECK bool session_pay(const struct session *session);

#endif
