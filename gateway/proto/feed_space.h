/* Feeds in Socket.IO: namespace `/feed`. */
#ifndef SEGUE_PROTO_FEED_SPACE_H
#define SEGUE_PROTO_FEED_SPACE_H

#include "gateway/proto/socketio.h"

extern const struct sio_space feed_space;

#endif
