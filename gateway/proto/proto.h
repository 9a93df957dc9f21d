/* Which protocols there are. */
#ifndef SEGUE_PROTO_PROTO_H
#define SEGUE_PROTO_PROTO_H

#include "gateway/session.h"

extern const struct proto player_proto;
extern const struct proto feed_proto;
extern const struct proto chat_proto;

/* All rows; NULL ends the table. */
extern const struct proto *const proto_table[];

#endif
