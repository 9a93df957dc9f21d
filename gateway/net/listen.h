/* The doors: listening sockets, public and admin. */
#ifndef SEGUE_NET_LISTEN_H
#define SEGUE_NET_LISTEN_H

#include "gateway/net/net.h"

struct listener;

/* Binds and logs the address as `event`. The public door has SO_REUSEPORT, so that several
 * processes share the port; an admin door answers for one process. NULL with `*why` set when it
 * can't be had (a libuv error text). */
struct listener *listen_open(struct net *net, const struct config_address *address, bool admin,
                             const char *event, const char **why);
void listen_close(struct listener *listener); /* NULL is fine; frees itself */

#endif
