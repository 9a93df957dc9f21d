/* Engine.IO v4 over HTTP: handshake, polling, upgrade. A session belongs to no process:
 *
 *     polling    lives in Redis (eio:{SID}); every request loads it, lets the protocol run,
 * saves it websocket  lives with its connection upgrade    a websocket that takes a polling
 * session out of Redis
 *
 *     eio        which request is what; errors as the official server has them
 *     eio_ws     packets on a WebSocket; the probe and the upgrade
 *     eio_get    one GET: fetches what the client is to be told
 *     eio_post   one POST: brings what the client says */
#ifndef SEGUE_NET_EIO_H
#define SEGUE_NET_EIO_H

#include "gateway/net/http.h"

/* A complete request on a path of `proto`: GET or POST, with or without an upgrade, from a page
 * that may ask. */
void eio_serve(struct http *http, const struct proto *proto);
void eio_forbid(struct http *http); /* ... that may not */

#endif
