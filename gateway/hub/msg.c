/* A message on its way to many clients: refcounted, immutable, framed once. */
#include "gateway/hub/msg.h"

#include <string.h>

#include "common/mem.h"

enum {
    HEAD_MAX = 10,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    FIN = 0x80,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    TEXT_END = 0x1e, /* between the texts of a publication; never in JSON */
    TEXTS_MAX = 16
};

struct msg_encoding {
    struct msg_encoding *older; /* owned */
    struct msg *msg;            /* a reference */
    size_t key_len;
    char key[];
};

static struct msg *make(size_t room)
{
    struct msg *msg = mem_alloc(sizeof(*msg) + room);

    memset(msg, 0, sizeof(*msg));
    msg->refs = 1;
    return msg;
}

static void add(struct msg *msg, struct str bytes)
{
    if (bytes.len > 0) {
        memcpy(msg->bytes + msg->len, bytes.at, bytes.len);
        msg->len += bytes.len;
    }
}

static size_t put_big_endian(char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (char)(value >> (8 * (bytes - 1 - i)));
    }
    return bytes;
}

/* Adds the header of a payload that is to follow. */
static void add_head(struct msg *msg, unsigned opcode, size_t payload_len)
{
    char head[HEAD_MAX];
    size_t len = 2;

    head[0] = (char)(FIN | opcode);
    if (payload_len < LENGTH_16) {
        head[1] = (char)payload_len;
    } else if (payload_len <= UINT16_MAX) {
        head[1] = LENGTH_16;
        len += put_big_endian(head + 2, payload_len, 2);
    } else {
        head[1] = LENGTH_64;
        len += put_big_endian(head + 2, payload_len, 8);
    }
    add(msg, str_from(head, len));
    if (msg->frames++ == 0) {
        msg->head = (uint32_t)len;
    }
}

struct msg *msg_frame(unsigned opcode, struct str payload)
{
    struct msg *msg = make(HEAD_MAX + payload.len);

    add_head(msg, opcode, payload.len);
    add(msg, payload);
    return msg;
}

struct msg *msg_text(struct str payload)
{
    return msg_frame(OPCODE_TEXT, payload);
}

struct msg *msg_binary(struct str payload)
{
    struct msg *msg = msg_frame(OPCODE_BINARY, payload);

    msg->binary = true;
    return msg;
}

struct msg *msg_engine(struct str text)
{
    struct msg *msg = make(HEAD_MAX + 1 + text.len);

    add_head(msg, OPCODE_TEXT, 1 + text.len);
    add(msg, STR("4"));
    add(msg, text);
    return msg;
}

struct msg *msg_raw(struct str bytes)
{
    struct msg *msg = make(bytes.len);

    add(msg, bytes);
    return msg;
}

/* ---- publications ---- */

struct envelope {
    unsigned long long version, seq, prev, published;
    struct str kind, origin;
    struct str texts, other;
};

/* "VERSION KIND ...": what all versions begin with; `rest` begins behind. */
static bool read_beginning(struct str bytes, struct envelope *envelope, struct str *rest)
{
    struct str version;

    return str_cut(bytes, ' ', &version, &bytes) &&
           str_to_u64(version, UINT32_MAX, &envelope->version) && version.at[0] != '0' &&
           str_cut(bytes, ' ', &envelope->kind, rest) && envelope->kind.len == 1;
}

/* "ORIGIN SEQ PREV TIME SPLIT ...\nTEXTS OTHER": see scripts/lua/lib/publish.lua, which writes
 * it. */
static bool read_rest(struct str bytes, struct envelope *envelope)
{
    struct str line, body, seq, prev, time, split, more;
    unsigned long long texts_len;

    if (!str_cut(bytes, '\n', &line, &body) || !str_cut(line, ' ', &envelope->origin, &line) ||
        !str_cut(line, ' ', &seq, &line) || !str_cut(line, ' ', &prev, &line) ||
        !str_cut(line, ' ', &time, &line)) {
        return false;
    }
    str_cut(line, ' ', &split, &more); /* what stands behind it is of a later release */
    if (envelope->origin.len > MSG_ORIGIN_LENGTH ||
        !str_to_u64(seq, UINT64_MAX / 2, &envelope->seq) ||
        !str_to_u64(prev, UINT64_MAX / 2, &envelope->prev) ||
        !str_to_u64(time, UINT64_MAX / 2, &envelope->published) ||
        !str_to_u64(split, body.len, &texts_len)) {
        return false;
    }
    envelope->texts = str_from(body.at, texts_len);
    envelope->other = str_skip(body, texts_len);
    return envelope->other.len <= UINT32_MAX;
}

/* 0 = too many. */
static size_t count_texts(struct str texts)
{
    size_t count = 1;

    for (size_t i = 0; i < texts.len; i++) {
        count += texts.at[i] == TEXT_END;
    }
    return count <= TEXTS_MAX ? count : 0;
}

struct msg *msg_missed(void)
{
    struct msg *msg = make(0);

    msg->kind = MSG_MISSED;
    return msg;
}

/* All that is known of a publication of a newer version: that there was one, and whether it
 * sends a user away. */
static struct msg *make_newer(const struct envelope *envelope)
{
    struct msg *msg = msg_missed();

    msg->version = (uint32_t)envelope->version;
    if (str_equal(envelope->kind, STR("d"))) {
        msg->kind = 'd';
    }
    return msg;
}

struct msg *msg_from_envelope(struct str bytes)
{
    struct envelope envelope;
    struct str text, rest;
    struct msg *msg;
    size_t count;
    bool more;

    if (!read_beginning(bytes, &envelope, &bytes)) {
        return NULL;
    }
    if (envelope.version > MSG_VERSION) {
        return make_newer(&envelope);
    }
    if (!read_rest(bytes, &envelope)) {
        return NULL;
    }
    count = count_texts(envelope.texts);
    if (count == 0) {
        return NULL;
    }
    msg = make(count * HEAD_MAX + envelope.texts.len + envelope.other.len);
    msg->version = (uint32_t)envelope.version;
    msg->kind = envelope.kind.at[0];
    memcpy(msg->origin, envelope.origin.at, envelope.origin.len);
    msg->seq = envelope.seq;
    msg->prev = envelope.prev;
    msg->published_us = envelope.published;
    rest = envelope.texts;
    for (more = rest.len > 0; more;) {
        more = str_cut(rest, TEXT_END, &text, &rest);
        add_head(msg, OPCODE_TEXT, text.len);
        add(msg, text);
    }
    if (envelope.other.len > 0) {
        memcpy(msg->bytes + msg->len, envelope.other.at, envelope.other.len);
        msg->other_len = (uint32_t)envelope.other.len;
    }
    return msg;
}

/* ---- references ---- */

static void drop_encodings(struct msg_encoding **first)
{
    struct msg_encoding *encoding = *first;

    *first = NULL;
    while (encoding != NULL) {
        struct msg_encoding *older = encoding->older;

        msg_unref(encoding->msg);
        mem_free(encoding);
        encoding = older;
    }
}

struct msg *msg_ref(struct msg *msg)
{
    msg->refs++;
    return msg;
}

void msg_unref(struct msg *msg)
{
    if (msg != NULL && --msg->refs == 0) {
        drop_encodings(&msg->encodings);
        mem_free(msg);
    }
}

/* ---- encodings ---- */

struct msg *msg_cached(const struct msg *msg, struct str key)
{
    const struct msg_encoding *encoding = msg->encodings;

    while (encoding != NULL && !str_equal(str_from(encoding->key, encoding->key_len), key)) {
        encoding = encoding->older;
    }
    return encoding != NULL ? encoding->msg : NULL;
}

void msg_cache(struct msg *msg, struct str key, struct msg *encoding)
{
    struct msg_encoding *newest = mem_alloc(sizeof(*newest) + key.len);
    struct msg_encoding **last = &msg->encodings;

    newest->msg = msg_ref(encoding);
    newest->key_len = key.len;
    if (key.len > 0) {
        memcpy(newest->key, key.at, key.len);
    }
    newest->older = msg->encodings;
    msg->encodings = newest;
    for (int kept = 0; kept < MSG_ENCODINGS_MAX && *last != NULL; kept++) {
        last = &(*last)->older;
    }
    drop_encodings(last);
}
