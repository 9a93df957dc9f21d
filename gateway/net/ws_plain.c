/* Plain WebSocket: a message of the client is one of the session. */
#include "gateway/net/ws.h"

static void message(struct ws *ws, struct str bytes, bool text)
{
    if (text) {
        session_receive(ws_session(ws), bytes);
    } else {
        session_receive_binary(ws_session(ws), bytes);
    }
}

const struct ws_kind ws_plain_kind = {.message = message};
