/* The PROXY protocol's header, versions 1 and 2: who the client of a proxy is, said in front of
 * the first request. Pure.
 *
 * Version 1 is a line of text, version 2 binary with a length. What follows the address in
 * version 2 (TLVs) is skipped. */
#ifndef SEGUE_NET_PROXY_H
#define SEGUE_NET_PROXY_H

#include "common/address.h"

enum {
    PROXY_LINE_MAX = 107,  /* of version 1, with its CRLF: the protocol's own limit */
    PROXY_BYTES_MAX = 4096 /* of version 2: addresses and what proxies say besides */
};

enum proxy_outcome {
    PROXY_MORE, /* may be a header, or the rest of one is missing */
    PROXY_NONE, /* these bytes are none */
    PROXY_DONE,
    PROXY_BAD
};

struct proxy_header {
    size_t len; /* bytes of it */
    bool named; /* false: the proxy speaks for itself (its own checks), or can't tell */
    uint8_t address[ADDRESS_BYTES]; /* of the client, when named */
};

/* Reads all that came so far; `header` is filled when DONE. */
enum proxy_outcome proxy_read(struct str bytes, struct proxy_header *header);

#endif
