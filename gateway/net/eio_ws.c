/* Engine.IO on a WebSocket: a text frame is a packet, a binary frame a message. */
#include "gateway/net/eio_core.h"

#include <string.h>

/* ---- a session of its own ---- */

static void opened(struct ws *ws)
{
    struct buf packet = {0};

    eio_add_open(&packet, ws_net(ws), session_id(ws_session(ws)), false);
    ws_say(ws, buf_str(&packet));
    buf_finish(&packet);
}

static void take_message(struct ws *ws, struct str data)
{
    session_receive(ws_session(ws), data);
}

static void take_pong(struct ws *ws, struct str data)
{
    (void)data;
    ws_ponged(ws);
}

static void take_close(struct ws *ws, struct str data)
{
    (void)data;
    ws_close(ws, REASON_LEFT);
}

static void ignore(struct ws *ws, struct str data)
{
    (void)ws;
    (void)data;
}

static const struct {
    enum eio_type type;
    void (*take)(struct ws *ws, struct str data);
} packets[] = {
    {EIO_MESSAGE, take_message}, {EIO_PONG, take_pong}, {EIO_CLOSE, take_close},
    {EIO_NOOP, ignore},          {EIO_UPGRADE, ignore},
};

static void message(struct ws *ws, struct str bytes, bool text)
{
    struct eio_packet packet;

    if (!text) {
        session_receive_binary(ws_session(ws), bytes);
        return;
    }
    if (eio_packet_parse(bytes, &packet) == ERR_OK) {
        for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
            if (packets[i].type == packet.type) {
                packets[i].take(ws, packet.data);
                return;
            }
        }
    }
    ws_close(ws, REASON_PROTOCOL);
}

static void ping(struct ws *ws)
{
    ws_say(ws, STR("2"));
}

const struct ws_kind eio_ws_kind = {
    .opened = opened,
    .message = message,
    .ping = ping,
    .wordless = true,
};

/* ---- the upgrade of a polling session ---- */

void eio_probe(struct http *http, const struct proto *proto, struct str sid)
{
    (void)proto;
    (void)sid;
    eio_refuse(http, EIO_ERROR_SESSION);
}
