/* What a trusted proxy may say before the first request: a PROXY header, which names the
 * client. */
#ifndef SEGUE_NET_PREFACE_H
#define SEGUE_NET_PREFACE_H

#include "gateway/net/conn.h"

/* The first layer of a fresh connection: HTTP at once, or, when the peer is one of
 * --trusted-proxies, after a header that may come. From anybody else its bytes are a bad
 * request. */
void preface_attach(struct conn *conn);

#endif
