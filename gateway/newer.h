/* Publications of a newer release: what happened must not be missed, though it can't be read.
 *
 * Two releases may work on one Redis (hub/msg.h, MSG_VERSION). A publication that the older one
 * can't read counts as a gap of its channel: who listens there is told MSG_MISSED and reads the
 * state, which its own scripts can do (or can't, and say so: store/keys.h, "versions"). The
 * first is told at once, further ones of the same channel once in NEWER_PACE_MS. */
#ifndef SEGUE_GATEWAY_NEWER_H
#define SEGUE_GATEWAY_NEWER_H

#include <uv.h>

#include "gateway/hub/hub.h"
#include "gateway/metrics.h"

struct newer;

enum {
    NEWER_PACE_MS = 1000
};

/* Both are borrowed. */
struct newer *newer_create(struct hub *hub, struct metrics *metrics);
void newer_start(struct newer *newer, uv_loop_t *loop);
/* `msg`: as msg_from_envelope made it of a newer envelope; borrowed. */
void newer_heard(struct newer *newer, struct str channel, struct msg *msg);
void newer_stop(struct newer *newer);
void newer_destroy(
    struct newer *newer); /* after the loop has closed everything; NULL is fine */

#endif
