/* The protocols of the conformance program: Segue's own, and the echoes. */
#include "test/conformance/rows.h"

const struct proto *const proto_table[] = {
    &player_proto, &echo_proto, &engine_proto, &conformance_row.proto,
    &feed_proto,   &chat_proto, NULL,
};
