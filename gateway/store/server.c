/* Where a Redis listens. */
#include "gateway/store/server.h"

#include <string.h>

bool server_set(struct server *server, struct str host, uint16_t port)
{
    memset(server, 0, sizeof(*server));
    if (host.len == 0 || host.len > SERVER_HOST_MAX) {
        return false;
    }
    memcpy(server->host, host.at, host.len);
    server->port = port;
    return true;
}

bool server_equal(const struct server *a, const struct server *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

void server_print(const struct server *server, struct buf *to)
{
    buf_add_text(to, server->host);
    if (server->port != 0) {
        buf_add_char(to, ':');
        buf_add_u64(to, server->port);
    }
}
