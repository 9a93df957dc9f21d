/* Which namespaces of Socket.IO there are: one row each. */
#include "gateway/proto/chat_space.h"
#include "gateway/proto/feed_space.h"
#include "gateway/proto/playback.h"
#include "gateway/proto/socketio_core.h"

static const struct sio_space *const spaces[] = {
    &playback_space,
    &feed_space,
    &chat_space,
    NULL,
};

static const char *const paths[] = {"/socket.io/", "/socket.io", "/api/socket.io/",
                                    "/api/socket.io", NULL};

const struct socketio_proto socketio_row = {
    .proto = {.name = "playback", .paths = paths, SOCKETIO_ROW},
    .spaces = spaces,
};
