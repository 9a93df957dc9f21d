/* Socket.IO v5 packets: the text behind Engine.IO's "4" to packets and back. Pure.
 *
 *     TYPE [ATTACHMENTS -] [/SPACE ,] [ID] [JSON]        51-/custom,7["name",...]
 *
 * A packet with attachments is followed by as many binary frames; `{"_placeholder":true,
 * "num":I}` in its JSON marks the place of frame I. JSON stays text here: what goes on to
 * others keeps its order and spelling. */
#ifndef SEGUE_PROTO_SIO_PACKET_H
#define SEGUE_PROTO_SIO_PACKET_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    SIO_SPACE_MAX = 128,
    SIO_ATTACHMENTS_MAX = 64
};

enum sio_type {
    SIO_CONNECT,
    SIO_DISCONNECT,
    SIO_EVENT,
    SIO_ACK,
    SIO_CONNECT_ERROR,
    SIO_BINARY_EVENT,
    SIO_BINARY_ACK
};

/* All texts are borrowed. */
struct sio_packet {
    enum sio_type type;
    struct str space;     /* "/" or "/custom", without what stands behind a "?" */
    unsigned attachments; /* 1 and more in the binary types, 0 in all others */
    bool has_id;
    uint64_t id;     /* at most 2^53 - 1 */
    struct str data; /* the JSON as it was sent; empty: there is none */
    struct str name; /* of events: unescaped, or the digits of a number */
    /* JSON texts with commas between (see json_next_item), without the brackets: of events what
     * stands behind the name, of acks all. */
    struct str args;
};

/* Reads what a client has sent. ERR_INVALID: it is a bad packet, and `*why` says why; that
 * closes the connection. `scratch` holds a name that had escapes. */
MUST_CHECK enum err sio_packet_parse(struct str text, struct buf *scratch,
                                     struct sio_packet *packet, const char **why);

/* Whether an event may not have that name. */
bool sio_is_reserved(struct str name);

/* Writes what stands before the JSON: "2", "51-", "2/custom,7". */
void sio_add_head(struct buf *to, enum sio_type type, unsigned attachments, struct str space,
                  bool has_id, uint64_t id);

#endif
