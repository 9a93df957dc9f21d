/* Access tokens for a LiveKit server, as its own SDKs make them. Pure. */
#ifndef SEGUE_PROTO_LIVEKIT_H
#define SEGUE_PROTO_LIVEKIT_H

#include <stdint.h>

#include "common/buf.h"

enum {
    LIVEKIT_TOKEN_S = 6 * 3600 /* how long a token is good */
};

struct livekit_grant {
    struct str room;     /* that may be joined */
    struct str identity; /* of the participant */
    struct str name;     /* shown to others; empty = none */
    int64_t now_s;       /* since 1970 */
};

/* Adds the JWT, signed with HS256. */
void livekit_write_token(struct buf *to, struct str key, struct str secret,
                         const struct livekit_grant *grant);

#endif
