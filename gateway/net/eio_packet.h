/* Engine.IO v4 packets: bytes to packets and back. Pure.
 *
 * A WebSocket text frame is one packet, a binary frame is a message as it is. A polling body is
 * packets in a row with 0x1e between, binary ones as "b" and base64. */
#ifndef SEGUE_NET_EIO_PACKET_H
#define SEGUE_NET_EIO_PACKET_H

#include "common/buf.h"
#include "common/err.h"

enum eio_type {
    EIO_OPEN = '0',
    EIO_CLOSE = '1',
    EIO_PING = '2',
    EIO_PONG = '3',
    EIO_MESSAGE = '4',
    EIO_UPGRADE = '5',
    EIO_NOOP = '6',
    EIO_BINARY = 'b' /* a binary message; only in polling bodies */
};

struct eio_packet {
    enum eio_type type;
    /* What stands behind the type, borrowed; of EIO_BINARY the bytes themselves. */
    struct str data;
};

enum eio_outcome {
    EIO_PACKET,
    EIO_END,
    EIO_BAD
};

/* A WebSocket text frame (which the reader has found to be UTF-8). ERR_INVALID: it is empty or
 * of no known type; "b" is none here. */
MUST_CHECK enum err eio_packet_parse(struct str text, struct eio_packet *packet);

/* A polling body that is being read. */
struct eio_payload {
    struct str rest;
    bool more; /* a packet must follow */
};

struct eio_payload eio_payload_of(struct str body); /* borrows */
/* The next packet; a binary one's bytes go to `decoded` and stay until the next call. EIO_BAD:
 * an empty body or packet, an unknown type, bad UTF-8, bad base64 (strict); all further calls
 * say the same. */
MUST_CHECK enum eio_outcome eio_packet_next(struct eio_payload *payload,
                                            struct eio_packet *packet, struct buf *decoded);

/* Writers append a packet to a polling body, with 0x1e in front when it is not the first.
 * `packet` is the text with its type; a 0x1e inside would cut it in two, as it does for
 * everybody who speaks this protocol. */
void eio_add_text(struct buf *payload, struct str packet);
void eio_add_binary(struct buf *payload, struct str bytes);
/* How long such a packet is, without the 0x1e. */
size_t eio_binary_length(size_t bytes);

#endif
