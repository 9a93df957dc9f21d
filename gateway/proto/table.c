/* Which protocols there are: one row each. */
#include "gateway/proto/proto.h"

const struct proto *const proto_table[] = {
    &player_proto,
    &feed_proto,
    &chat_proto,
    NULL,
};
