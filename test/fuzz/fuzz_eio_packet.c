/* Engine.IO packets: a body that is good, written again from its packets, is the same bytes;
 * and any bytes survive as a binary packet. */
#include "test/fuzz/fuzz.h"

#include "common/codec.h"
#include "gateway/net/eio_packet.h"

static void must_be_known(const struct eio_packet *packet)
{
    MUST((packet->type >= EIO_OPEN && packet->type <= EIO_NOOP) || packet->type == EIO_BINARY);
    MUST(packet->type == EIO_BINARY || codec_is_utf8(packet->data));
}

static void write_again(struct buf *again, const struct eio_packet *packet)
{
    struct buf text = {0};
    size_t before = again->len;

    if (packet->type == EIO_BINARY) {
        eio_add_binary(again, packet->data);
        MUST(again->len - before == eio_binary_length(packet->data.len) + (before > 0));
        return;
    }
    buf_add_char(&text, (char)packet->type);
    buf_add(&text, packet->data);
    eio_add_text(again, buf_str(&text));
    buf_finish(&text);
}

static void read_body(struct str body)
{
    struct eio_payload payload = eio_payload_of(body);
    struct buf decoded = {0};
    struct buf again = {0};
    struct eio_packet packet;
    enum eio_outcome outcome;

    while ((outcome = eio_packet_next(&payload, &packet, &decoded)) == EIO_PACKET) {
        must_be_known(&packet);
        write_again(&again, &packet);
    }
    if (outcome == EIO_END) {
        MUST(str_equal(buf_str(&again), body));
    } else {
        MUST(again.len <= body.len);
    }
    MUST(eio_packet_next(&payload, &packet, &decoded) == outcome);
    buf_finish(&again);
    buf_finish(&decoded);
}

static void there_and_back(struct str bytes)
{
    struct buf body = {0};
    struct buf decoded = {0};
    struct eio_payload payload;
    struct eio_packet packet;

    eio_add_binary(&body, bytes);
    payload = eio_payload_of(buf_str(&body));
    MUST(eio_packet_next(&payload, &packet, &decoded) == EIO_PACKET);
    MUST(packet.type == EIO_BINARY && str_equal(packet.data, bytes));
    MUST(eio_packet_next(&payload, &packet, &decoded) == EIO_END);
    buf_finish(&decoded);
    buf_finish(&body);
}

static void read_frame(struct str text)
{
    struct eio_packet packet;

    if (eio_packet_parse(text, &packet) == ERR_OK) {
        MUST(packet.type >= EIO_OPEN && packet.type <= EIO_NOOP);
        MUST(packet.data.len == text.len - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from((const char *)data, size);

    read_body(input);
    read_frame(input);
    there_and_back(input);
    return 0;
}
