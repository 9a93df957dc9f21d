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

void socketio_add_farewells(struct buf *to)
{
    for (size_t i = 0; spaces[i] != NULL; i++) {
        if (i > 0) {
            buf_add_char(to, '\x1e'); /* between the packets of a polling body */
        }
        buf_add_char(to, '4');
        sio_add_head(to, SIO_DISCONNECT, 0, spaces[i]->name, false, 0);
    }
}

const struct socketio_proto socketio_row = {
    .proto = {.name = "playback", .paths = paths, SOCKETIO_ROW},
    .spaces = spaces,
};
