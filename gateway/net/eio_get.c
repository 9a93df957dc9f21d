/* One GET of a polling session. */
#include "gateway/net/eio_core.h"

void eio_begin(struct http *http, const struct proto *proto)
{
    (void)proto;
    eio_unavailable(http);
}

void eio_get(struct http *http, const struct proto *proto, struct str sid)
{
    (void)proto;
    (void)sid;
    eio_refuse(http, EIO_ERROR_SESSION);
}
