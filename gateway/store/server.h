/* Where a Redis listens. */
#ifndef SEGUE_STORE_SERVER_H
#define SEGUE_STORE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum {
    SERVER_HOST_MAX = 253
};

struct server {
    char host[SERVER_HOST_MAX + 1]; /* a name or a numeric address; the path of a unix socket
                                        when `port` is 0 */
    uint16_t port;
};

/* False: it is empty or too long. */
bool server_set(struct server *server, struct str host, uint16_t port);
bool server_equal(const struct server *a, const struct server *b);
/* "host:port" or the path: fit for a log. */
void server_print(const struct server *server, struct buf *to);

#endif
