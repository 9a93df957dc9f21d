/* A message on its way to many clients: refcounted, immutable, framed once. */
#include "gateway/hub/msg.h"

#include <string.h>

#include "common/mem.h"

enum {
    HEAD_MAX = 10,
    OPCODE_TEXT = 1,
    FIN = 0x80,
    LENGTH_16 = 126,
    LENGTH_64 = 127
};

static struct msg *make(const char *head, size_t head_len, struct str payload)
{
    struct msg *msg = mem_alloc(sizeof(*msg) + head_len + payload.len);

    memset(msg, 0, sizeof(*msg));
    msg->refs = 1;
    msg->head = (uint32_t)head_len;
    msg->len = head_len + payload.len;
    memcpy(msg->bytes, head, head_len);
    if (payload.len > 0) {
        memcpy(msg->bytes + head_len, payload.at, payload.len);
    }
    return msg;
}

static size_t put_big_endian(char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (char)(value >> (8 * (bytes - 1 - i)));
    }
    return bytes;
}

struct msg *msg_frame(unsigned opcode, struct str payload)
{
    char head[HEAD_MAX];
    size_t len = 2;

    head[0] = (char)(FIN | opcode);
    if (payload.len < LENGTH_16) {
        head[1] = (char)payload.len;
    } else if (payload.len <= UINT16_MAX) {
        head[1] = LENGTH_16;
        len += put_big_endian(head + 2, payload.len, 2);
    } else {
        head[1] = LENGTH_64;
        len += put_big_endian(head + 2, payload.len, 8);
    }
    return make(head, len, payload);
}

struct msg *msg_text(struct str payload)
{
    return msg_frame(OPCODE_TEXT, payload);
}

struct msg *msg_raw(struct str bytes)
{
    return make("", 0, bytes);
}

/* "1 KIND ORIGIN SEQ TIME\nPAYLOAD": see scripts/lua/lib/player.lua, which writes it. */
struct msg *msg_from_envelope(struct str envelope)
{
    struct str line, payload, version, kind, origin, seq, time;
    unsigned long long number, published;
    struct msg *msg;

    if (!str_cut(envelope, '\n', &line, &payload) || !str_cut(line, ' ', &version, &line) ||
        !str_cut(line, ' ', &kind, &line) || !str_cut(line, ' ', &origin, &line) ||
        !str_cut(line, ' ', &seq, &time)) {
        return NULL;
    }
    if (!str_equal(version, STR("1")) || kind.len != 1 || origin.len > MSG_ORIGIN_LENGTH ||
        !str_to_u64(seq, UINT64_MAX / 2, &number) ||
        !str_to_u64(time, UINT64_MAX / 2, &published)) {
        return NULL;
    }
    msg = msg_text(payload);
    msg->kind = kind.at[0];
    memcpy(msg->origin, origin.at, origin.len);
    msg->seq = number;
    msg->published_us = published;
    return msg;
}

struct msg *msg_ref(struct msg *msg)
{
    msg->refs++;
    return msg;
}

void msg_unref(struct msg *msg)
{
    if (msg != NULL && --msg->refs == 0) {
        mem_free(msg);
    }
}
