/* What the conformance program speaks besides: echoes, for suites that know nothing of Segue.
 */
#ifndef SEGUE_TEST_CONFORMANCE_ROWS_H
#define SEGUE_TEST_CONFORMANCE_ROWS_H

#include "gateway/proto/proto.h"
#include "gateway/proto/socketio.h"

extern const struct proto echo_proto;               /* WebSocket /echo */
extern const struct proto engine_proto;             /* Engine.IO /engine.io/ */
extern const struct socketio_proto conformance_row; /* Socket.IO /socket.io/ */

#endif
