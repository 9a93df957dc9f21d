/* One POST of a polling session. */
#include "gateway/net/eio_core.h"

void eio_post(struct http *http, const struct proto *proto, struct str sid)
{
    (void)proto;
    (void)sid;
    eio_refuse(http, EIO_ERROR_SESSION);
}
