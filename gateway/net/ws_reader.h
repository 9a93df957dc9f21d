/* Bytes of one WebSocket client to messages: wslay's event context, borrowed from a pool.
 *
 * A reader says what it found through callbacks and never does I/O. Control frames that wslay
 * answers by itself (pong, the echo of a close) come out through `reply`. */
#ifndef SEGUE_NET_WS_READER_H
#define SEGUE_NET_WS_READER_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reason.h"

struct ws_reader;

struct ws_events {
    void (*message)(void *owner, struct str bytes, bool text);
    void (*ping)(void *owner);
    void (*pong)(void *owner);
    void (*reply)(void *owner, struct str frame); /* a control frame to send */
};

enum ws_outcome {
    WS_BOUNDARY, /* all complete: the reader is as new */
    WS_MORE,     /* in the middle of a frame or message */
    WS_CLOSED,   /* the peer closed; the echo went out through `reply` */
    WS_FAILED    /* `reason` says why; say so and close */
};

struct ws_reader *ws_reader_create(uint64_t max_message);
void ws_reader_destroy(struct ws_reader *reader);
/* After anything but WS_BOUNDARY and WS_MORE the reader can only part. A callback may call
 * ws_reader_stop. */
enum ws_outcome ws_reader_feed(struct ws_reader *reader, const struct ws_events *events,
                               void *owner, struct str bytes, enum reason *reason);
void ws_reader_stop(struct ws_reader *reader); /* what follows is not wanted any more */
/* Takes what comes when nothing more is wanted. Whether the peer's close frame has come, or
 * can't be known any more. */
MUST_CHECK bool ws_reader_part(struct ws_reader *reader, struct str bytes);

/* Spare readers, some 9 KB each. {0} is empty. */
struct ws_reader_pool {
    struct ws_reader *first;
    unsigned count;
};

struct ws_reader *ws_reader_borrow(struct ws_reader_pool *pool, uint64_t max_message);
void ws_reader_return(struct ws_reader_pool *pool, struct ws_reader *reader);
void ws_reader_free_pool(struct ws_reader_pool *pool);

#endif
