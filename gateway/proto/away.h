/* Sending a user away: the part that no publication reaches. */
#ifndef SEGUE_PROTO_AWAY_H
#define SEGUE_PROTO_AWAY_H

#include "gateway/store/store.h"

/* A polling session between two polls listens to nothing: it finds the words with the next.
 * `reply`: of a script that sent the user away, with the ids of such sessions. */
void away_close_polling(struct store *store, const struct redisReply *reply);

#endif
