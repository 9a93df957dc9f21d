/* Engine.IO v4 over HTTP: handshake, polling, upgrade. */
#ifndef SEGUE_NET_EIO_H
#define SEGUE_NET_EIO_H

#include "gateway/net/http.h"

/* A complete request on a path of `proto`, whatever its method: GET, POST or OPTIONS, with or
 * without an upgrade. */
void eio_serve(struct http *http, const struct proto *proto);

#endif
