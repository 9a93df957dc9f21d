/* Envelopes: any bytes are none, or a message that can be told again in the same words. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/buf.h"
#include "gateway/hub/msg.h"

/* Takes the next frame off `bytes`: its header says exactly the payload's length, in the
 * shortest form. */
static struct str next_frame(struct str *bytes)
{
    const unsigned char *head = (const unsigned char *)bytes->at;
    size_t len, skip = 2;

    MUST(bytes->len >= 2 && head[0] == 0x81);
    len = head[1];
    if (len == 126) {
        MUST(bytes->len >= 4);
        len = (size_t)head[2] * 256 + head[3];
        MUST(len >= 126);
        skip = 4;
    } else if (len == 127) {
        MUST(bytes->len >= 10);
        len = 0;
        for (int i = 2; i < 10; i++) {
            len = len << 8 | head[i];
        }
        MUST(len > UINT16_MAX);
        skip = 10;
    }
    MUST(bytes->len - skip >= len);
    *bytes = str_skip(*bytes, skip);
    {
        struct str payload = str_from(bytes->at, len);

        *bytes = str_skip(*bytes, len);
        return payload;
    }
}

/* Frames and other part, put together again, are the body. */
static void must_hold(const struct msg *msg, struct str body)
{
    struct str frames = str_from(msg->bytes, msg->len);
    struct buf texts = {0};

    for (unsigned i = 0; i < msg->frames; i++) {
        if (i > 0) {
            buf_add_char(&texts, 0x1e);
        }
        buf_add(&texts, next_frame(&frames));
    }
    MUST(frames.len == 0);
    buf_add(&texts, msg_other(msg));
    MUST(str_equal(buf_str(&texts), body));
    buf_finish(&texts);
}

static void must_be_the_same(const struct msg *a, const struct msg *b)
{
    MUST(b && a->seq == b->seq && a->prev == b->prev && a->published_us == b->published_us);
    MUST(a->kind == b->kind && a->frames == b->frames);
    MUST(memcmp(a->origin, b->origin, MSG_ORIGIN_LENGTH) == 0);
    MUST(str_equal(str_from(a->bytes, a->len), str_from(b->bytes, b->len)));
    MUST(str_equal(msg_other(a), msg_other(b)));
}

/* Without the NULs that fill it up. */
static struct str origin_of(const struct msg *msg)
{
    size_t len = MSG_ORIGIN_LENGTH;

    while (len > 0 && msg->origin[len - 1] == '\0') {
        len--;
    }
    return str_from(msg->origin, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str envelope = str_from((const char *)data, size);
    struct msg *msg = msg_from_envelope(envelope);
    struct msg *again;
    struct buf text = {0};
    struct str line, body;

    if (!msg) {
        return 0;
    }
    MUST(msg->refs == 1 && !msg->binary && !msg->encodings);
    if (msg->version > MSG_VERSION) {
        MUST(msg->kind == 'd' || msg->kind == MSG_MISSED);
        MUST(msg->len == 0 && msg->other_len == 0 && msg->seq == 0);
        msg_unref(msg);
        return 0;
    }
    MUST(str_cut(envelope, '\n', &line, &body));
    must_hold(msg, body);
    buf_add_text(&text, "1 ");
    buf_add_char(&text, msg->kind);
    buf_add_char(&text, ' ');
    buf_add(&text, origin_of(msg));
    buf_addf(&text, " %llu %llu %llu %zu\n", (unsigned long long)msg->seq,
             (unsigned long long)msg->prev, (unsigned long long)msg->published_us,
             body.len - msg_other(msg).len);
    buf_add(&text, body);
    again = msg_from_envelope(buf_str(&text));
    must_be_the_same(msg, again);
    msg_unref(again);
    msg_unref(msg);
    buf_finish(&text);
    return 0;
}
