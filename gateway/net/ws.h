/* WebSocket (RFC 6455) on a connection: the handshake, messages in, frames out, the heartbeat,
 * the close.
 *
 * Parsing is wslay's. Its event context takes 9 KB, ten times what a connection should cost, so
 * a connection borrows one only while a frame or message of its is incomplete, and gives it
 * back at the boundary. */
#ifndef SEGUE_NET_WS_H
#define SEGUE_NET_WS_H

#include "gateway/net/http.h"

/* The request asks for a WebSocket on a path where `proto` lives: checks it, opens the session,
 * answers 101 or the refusal. */
void ws_open(struct http *http, const struct proto *proto);
/* Whether the request asks for a WebSocket at all. */
bool ws_wanted(const struct request *request);
void ws_free_readers(struct net *net);

#endif
