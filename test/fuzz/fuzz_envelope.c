/* Envelopes: any bytes are none, or a message that can be told again in the same words. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/buf.h"
#include "gateway/hub/msg.h"

/* The frame's header says exactly the payload's length, in the shortest form. */
static void must_be_framed(const struct msg *msg)
{
    const unsigned char *head = (const unsigned char *)msg->bytes;
    size_t len = msg->len - msg->head;

    MUST(head[0] == 0x81);
    if (len < 126) {
        MUST(msg->head == 2 && head[1] == len);
    } else if (len <= UINT16_MAX) {
        MUST(msg->head == 4 && head[1] == 126 && (size_t)head[2] * 256 + head[3] == len);
    } else {
        MUST(msg->head == 10 && head[1] == 127);
    }
}

static void must_be_the_same(const struct msg *a, const struct msg *b)
{
    MUST(b && a->seq == b->seq && a->published_us == b->published_us && a->kind == b->kind);
    MUST(memcmp(a->origin, b->origin, MSG_ORIGIN_LENGTH) == 0);
    MUST(str_equal(msg_payload(a), msg_payload(b)));
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
    struct str rest, payload;

    if (!msg) {
        return 0;
    }
    must_be_framed(msg);
    MUST(msg->refs == 1);
    MUST(str_cut(envelope, '\n', &rest, &payload));
    MUST(str_equal(payload, msg_payload(msg)));
    buf_add_text(&text, "1 ");
    buf_add_char(&text, msg->kind);
    buf_add_char(&text, ' ');
    buf_add(&text, origin_of(msg));
    buf_addf(&text, " %llu %llu\n", (unsigned long long)msg->seq,
             (unsigned long long)msg->published_us);
    buf_add(&text, payload);
    again = msg_from_envelope(buf_str(&text));
    must_be_the_same(msg, again);
    msg_unref(again);
    msg_unref(msg);
    buf_finish(&text);
    return 0;
}
