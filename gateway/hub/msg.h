/* A message on its way to many clients: refcounted, immutable, framed once.
 *
 * The WebSocket header stands in front of the payload, so that one write serves every receiver
 * without a copy. Memory is one allocation. Also carries bytes that are no message at all (an
 * HTTP answer): then there is no header. */
#ifndef SEGUE_HUB_MSG_H
#define SEGUE_HUB_MSG_H

#include <stdint.h>

#include "common/str.h"

enum {
    MSG_ORIGIN_LENGTH = 16
};

struct msg {
    uint32_t refs;
    uint32_t head; /* bytes of header before the payload */
    size_t len;    /* header and payload */
    /* What the envelope said; zero for messages made here. */
    uint64_t seq;
    uint64_t published_us;
    char origin[MSG_ORIGIN_LENGTH];
    char kind;
    char bytes[];
};

/* All of these come with one reference, which is the caller's. */
struct msg *msg_text(struct str payload);                   /* one text frame */
struct msg *msg_frame(unsigned opcode, struct str payload); /* any frame, final, unmasked */
struct msg *msg_raw(struct str bytes);                      /* no frame */
struct msg *msg_from_envelope(struct str envelope);         /* NULL when it is none of ours */

struct msg *msg_ref(struct msg *msg);
void msg_unref(struct msg *msg); /* NULL is fine */

static inline struct str msg_payload(const struct msg *msg)
{
    return str_from(msg->bytes + msg->head, msg->len - msg->head);
}

#endif
