/* Calls whose slot changes hands: see shards.h. Private to store/. */
#ifndef SEGUE_STORE_MOVES_H
#define SEGUE_STORE_MOVES_H

#include "gateway/store/shards.h"

/* Sends a call where its slot is, or keeps it while that moves. */
void moves_dispatch(struct shards *shards, struct store_call *call);
/* The slot moves: whoever wanted to watch a channel of it will be told `up`. */
bool moves_want(struct shards *shards, uint16_t slot);
/* The map is a new one: what is under way to nodes that lost the slot comes first. */
void moves_hold_back_strays(struct shards *shards);
void moves_go_on(struct shards *shards); /* at the end of a turn */
void moves_end(struct shards *shards);   /* all of them: what they kept is sent, or refused */

/* What the nodes and the pool tell (node.h, call.h). */
void moves_redirected(void *owner, struct node *node, struct store_call *call,
                      struct str error);
void moves_left(void *owner, uint16_t slot);

#endif
