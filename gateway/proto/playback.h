/* Playback: namespace `/` of Socket.IO. */
#ifndef SEGUE_PROTO_PLAYBACK_H
#define SEGUE_PROTO_PLAYBACK_H

#include "gateway/proto/socketio.h"

extern const struct sio_space playback_space;

#endif
