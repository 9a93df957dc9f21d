/* Chat rooms as namespace `/rooms` of Socket.IO. */
#ifndef SEGUE_PROTO_CHAT_SPACE_H
#define SEGUE_PROTO_CHAT_SPACE_H

#include "gateway/proto/socketio.h"

extern const struct sio_space chat_space;

#endif
