/* A message on its way to many clients: refcounted, immutable, framed once.
 *
 * The WebSocket header stands in front of the payload, so that one write serves every receiver
 * without a copy. Memory is one allocation. Also carries bytes that are no message at all (an
 * HTTP answer): then there is no header.
 *
 * A publication has two parts: what /player devices are sent as it is (no, one or several text
 * frames, back to back), and what Socket.IO sockets are told, which is not framed: how it is
 * packed depends on the socket. Packed forms that many sockets share are kept with the message.
 *
 *     bytes: | head | text | head | text | ... | other |
 *            |<------------- len ------------->|
 */
#ifndef SEGUE_HUB_MSG_H
#define SEGUE_HUB_MSG_H

#include <stdint.h>

#include "common/str.h"

/* The version of the envelopes that this release publishes; scripts/lua/lib/time.lua says the
 * same, and the build compares. It reads this one and all before. Processes of a newer release
 * may publish on the same Redis: of theirs only the first two words, version and kind, are
 * understood, since those mean the same for good. Words may be added at the header's end, and
 * kinds, without a new number: older releases pass over them. Everything else needs the next
 * number, and a release that reads it before the one that writes it. (The tests build releases
 * that do not keep to it.) */
#ifndef MSG_VERSION
#define MSG_VERSION 1
#endif

enum {
    /* The kind of a publication that can't be read: read the state, as after a gap. */
    MSG_MISSED = '?',
    MSG_ORIGIN_LENGTH = 20,
    MSG_ENCODINGS_MAX = 4 /* kept with a message; the oldest goes */
};

struct msg_encoding;

struct msg {
    uint32_t refs;
    uint32_t head; /* bytes of header before the first payload */
    size_t len;    /* headers and payloads; 0 = nothing to send */
    /* What the envelope said; zero for messages made here. */
    uint64_t seq;
    uint64_t prev; /* the number before it; 0 = it is the first of its sequence */
    uint64_t published_us;
    struct msg_encoding *encodings; /* owned */
    uint32_t other_len;
    uint32_t version; /* of the envelope; 0 = there was none */
    uint16_t frames;
    bool binary; /* one binary frame */
    char kind;
    char origin[MSG_ORIGIN_LENGTH];
    char bytes[];
};

/* All of these come with one reference, which is the caller's. */
struct msg *msg_text(struct str payload);   /* one text frame */
struct msg *msg_binary(struct str payload); /* one binary frame */
struct msg *msg_engine(struct str text);    /* one text frame: '4' and the text */
struct msg *msg_frame(unsigned opcode, struct str payload); /* any frame, final, unmasked */
struct msg *msg_raw(struct str bytes);                      /* no frame */
/* NULL when it is none of ours. Of one with a newer version: its disconnect ('d'), else
 * MSG_MISSED, without content. */
struct msg *msg_from_envelope(struct str envelope);
struct msg *msg_missed(void);

struct msg *msg_ref(struct msg *msg);
void msg_unref(struct msg *msg); /* NULL is fine */

/* An encoding that was made of `msg` before, borrowed; NULL = none is kept under that key. */
struct msg *msg_cached(const struct msg *msg, struct str key);
/* Keeps an encoding; takes its own reference. */
void msg_cache(struct msg *msg, struct str key, struct msg *encoding);

/* Of a message of one frame (or none). */
static inline struct str msg_payload(const struct msg *msg)
{
    return str_from(msg->bytes + msg->head, msg->len - msg->head);
}

/* The part that is not framed; empty = nothing to say. */
static inline struct str msg_other(const struct msg *msg)
{
    return str_from(msg->bytes + msg->len, msg->other_len);
}

#endif
