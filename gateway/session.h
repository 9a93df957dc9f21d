/* What a protocol sees of a client, whatever carries it; and what a carrier sees of a protocol.
 *
 *     OPENING --session_accept--> OPEN --session_close / session_ended--> CLOSED
 *        +-----session_refuse / session_ended------------------------------^
 *
 * A carrier (net/ws) creates the session with its connection and destroys it with it; between
 * CLOSED and that moment the protocol is detached already and hears nothing more. */
#ifndef SEGUE_GATEWAY_SESSION_H
#define SEGUE_GATEWAY_SESSION_H

#include "gateway/session_rows.h"

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
    struct place *places;  /* owned; see session_place.h */
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
