/* Who the client is when proxies stand between: X-Forwarded-For, believed only as far as
 * trusted proxies vouch for it. */
#ifndef SEGUE_NET_PEER_H
#define SEGUE_NET_PEER_H

#include "common/request.h"
#include "gateway/net/conn.h"

/* The address as text; borrowed from `room` or from the request. */
struct str peer_of(const struct conn *conn, const struct request *request,
                   char room[INET6_ADDRSTRLEN]);
/* For a connection that serves one client from now on: that address is its own in the log. */
void peer_adopt(struct conn *conn, struct str peer);

#endif
