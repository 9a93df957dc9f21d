/* What a Socket.IO server's Redis adapter, or a backend's emitter, publishes: read. Pure.
 *
 *     PREFIX#/#, PREFIX#/#ROOM#    MessagePack [uid, {type, data: [name, ...], nsp},
 *                                               {rooms, except, flags}]
 *     PREFIX-request#/#            JSON {type, opts: {rooms, except}, ...}
 *
 * A room is a user: who is left out of the rooms by `except` is not told. Everybody but some
 * can't be said here, and is refused rather than told to all. Flags (volatile, compress) say
 * how to send, which is not theirs to say here. */
#ifndef SEGUE_ADAPTER_EMISSION_H
#define SEGUE_ADAPTER_EMISSION_H

#include "common/buf.h"
#include "common/err.h"

enum {
    EMISSION_ROOMS_MAX = 1000
};

struct emission {
    bool everybody;
    struct buf rooms; /* users, one after the other: see emission_next_room */
    struct buf event; /* JSON of name and arguments, with commas between */
};

enum emission_verb {
    EMISSION_EVENT,
    EMISSION_DISCONNECT, /* the rooms' sockets are to be disconnected; there is no event */
    EMISSION_NOTHING     /* meant for others */
};

/* {0} is empty; reading it anew keeps its memory. */
void emission_finish(struct emission *emission);
/* Each returns ERR_INVALID with a short reason in `*why` for what can't be told as it is
 * meant. Events longer than `longest` bytes are refused. */
MUST_CHECK enum err emission_read(struct emission *emission, struct str bytes, size_t longest,
                                  enum emission_verb *verb, const char **why);
MUST_CHECK enum err emission_read_request(struct emission *emission, struct str text,
                                          enum emission_verb *verb, const char **why);
/* Takes the next of `rooms` off `rest`; false at the end. */
bool emission_next_room(struct str *rest, struct str *room);

#endif
