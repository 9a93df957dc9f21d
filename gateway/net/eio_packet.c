/* Engine.IO v4 packets: bytes to packets and back. */
#include "gateway/net/eio_packet.h"

#include "common/codec.h"

static const char separator = '\x1e';

enum err eio_packet_parse(struct str text, struct eio_packet *packet)
{
    if (text.len == 0 || text.at[0] < EIO_OPEN || text.at[0] > EIO_NOOP) {
        return ERR_INVALID;
    }
    packet->type = (enum eio_type)text.at[0];
    packet->data = str_skip(text, 1);
    return ERR_OK;
}

struct eio_payload eio_payload_of(struct str body)
{
    return (struct eio_payload){.rest = body, .more = true};
}

static enum err parse_polled(struct str text, struct eio_packet *packet, struct buf *decoded)
{
    if (text.len == 0 || text.at[0] != EIO_BINARY) {
        return codec_is_utf8(text) ? eio_packet_parse(text, packet) : ERR_INVALID;
    }
    buf_clear(decoded);
    if (codec_unbase64(str_skip(text, 1), decoded) != ERR_OK) {
        return ERR_INVALID;
    }
    packet->type = EIO_BINARY;
    packet->data = buf_str(decoded);
    return ERR_OK;
}

enum eio_outcome eio_packet_next(struct eio_payload *payload, struct eio_packet *packet,
                                 struct buf *decoded)
{
    struct str text;

    if (!payload->more) {
        return EIO_END;
    }
    payload->more = str_cut(payload->rest, separator, &text, &payload->rest);
    if (parse_polled(text, packet, decoded) != ERR_OK) {
        *payload = eio_payload_of(str_from(NULL, 0)); /* as bad as this one */
        return EIO_BAD;
    }
    return EIO_PACKET;
}

static void separate(struct buf *payload)
{
    if (payload->len > 0) {
        buf_add_char(payload, separator);
    }
}

void eio_add_text(struct buf *payload, struct str packet)
{
    separate(payload);
    buf_add(payload, packet);
}

void eio_add_binary(struct buf *payload, struct str bytes)
{
    separate(payload);
    buf_add_char(payload, EIO_BINARY);
    codec_base64(bytes, payload);
}

size_t eio_binary_length(size_t bytes)
{
    return 1 + (bytes / 3 + (bytes % 3 > 0)) * 4;
}
