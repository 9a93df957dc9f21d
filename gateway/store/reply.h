/* A script's answer: a borrowed view, valid while the callback that got it runs. */
#ifndef SEGUE_STORE_REPLY_H
#define SEGUE_STORE_REPLY_H

#include <stdint.h>

#include "common/str.h"
#include "gateway/store/scripts.h"

struct redisReply;

/* The word at the answer's head (or the whole answer). A word that no script knows is
 * OUTCOME_REFUSED. */
enum outcome reply_outcome(const struct redisReply *reply);
/* The element at `index`; at == NULL when it is missing or nil. */
struct str reply_str(const struct redisReply *reply, size_t index);
/* The element at `index`, an integer or decimal text; 0 when it is neither. */
int64_t reply_int(const struct redisReply *reply, size_t index);

#endif
