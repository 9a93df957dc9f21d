/* Tokens as the gateway's users bring them. */
#ifndef SEGUE_BENCH_TOKEN_H
#define SEGUE_BENCH_TOKEN_H

#include "common/buf.h"

/* Appends a JWT (HS256) for the user, good for a day. */
void token_write(const char *user, const char *secret, struct buf *to);

#endif
