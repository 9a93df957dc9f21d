/* One connection to Redis for subscriptions: hiredis's reader on a plain libuv stream.
 *
 * hiredis's asynchronous context keeps a dictionary of channels and copies every reply. Here
 * the reader calls us while it parses, with the bytes where they lie: a publication reaches the
 * hub without a copy. And hiredis does not know SSUBSCRIBE, which clusters want.
 *
 * Life: tap_open -> opened -> ... -> closed (exactly once, after which the tap is gone by
 * itself). */
#ifndef SEGUE_STORE_TAP_H
#define SEGUE_STORE_TAP_H

#include <uv.h>

#include "common/str.h"
#include "gateway/store/dial.h"

struct tap;

struct tap_events {
    void (*opened)(void *owner);
    void (*closed)(void *owner, const char *why);
    void (*message)(void *owner, struct str channel, struct str payload);
    /* ... on a channel that a pattern fits; likewise in the order of Redis */
    void (*matched)(void *owner, struct str channel, struct str payload);
    /* Redis confirmed: a channel, or a pattern */
    void (*changed)(void *owner, struct str channel, bool subscribed);
    void (*matching)(void *owner, struct str pattern);
    /* to AUTH or PING, error.len == 0: fine; or whatever was refused */
    void (*answered)(void *owner, struct str error);
};

/* NULL when no socket could be had. */
struct tap *tap_open(uv_loop_t *loop, const struct dial *dial, const struct tap_events *events,
                     void *owner);
/* Queues a command; what is queued leaves in one write at the end of the turn (tap_flush). */
void tap_send(struct tap *tap, const struct str *words, size_t count);
void tap_flush(struct tap *tap);
void tap_close(struct tap *tap, const char *why);

#endif
