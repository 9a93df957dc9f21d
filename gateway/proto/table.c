/* Which protocols there are: one row each. */
#include "gateway/proto/proto.h"
#include "gateway/proto/socketio.h"

const struct proto *const proto_table[] = {
    &player_proto, &socketio_row.proto, &feed_proto, &chat_proto, NULL,
};
