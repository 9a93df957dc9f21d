/* What a client of a feed may say, as one table; and what it is told. Pure: text to fields,
 * fields to text. */
#ifndef SEGUE_PROTO_FEED_H
#define SEGUE_PROTO_FEED_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

enum feed_verb {
    FEED_CONNECT,
    FEED_SUBSCRIBE,
    FEED_UNSUBSCRIBE,
    FEED_PING,
    FEED_DISCONNECT
};

extern const char feed_topic_why[]; /* what is wrong with a topic that is no name */

/* ERR_INVALID: it is none of the messages above; ERR_FORBIDDEN: it is, but with an id that is
 * not the client's own. `why` says what is wrong with it. */
MUST_CHECK enum err feed_parse(struct str text, struct str id, enum feed_verb *verb,
                               char why[JSON_WHY_MAX]);

void feed_write_initial(struct buf *to, struct str id);
/* The same for clients that ask for more: also the name of the process that serves them. */
void feed_write_extended(struct buf *to, struct str id, struct str server);
void feed_write_confirmation(struct buf *to);
void feed_write_error(struct buf *to, const char *code, const char *message);
/* A line for WebSocket clients, and the same for Socket.IO: the event's arguments without their
 * brackets. `message` is UTF-8, `topic` a name. */
void feed_write_line(struct buf *to, struct str message);
void feed_write_event(struct buf *to, struct str topic, struct str message);

#endif
