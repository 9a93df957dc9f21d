/* Backends that publish for Socket.IO servers, by the Redis adapter or its emitter, are
 * understood as well (--socketio-adapter). */
#ifndef SEGUE_ADAPTER_ADAPTER_H
#define SEGUE_ADAPTER_ADAPTER_H

#include <uv.h>

#include "gateway/config.h"
#include "gateway/metrics.h"
#include "gateway/store/store.h"

struct adapter;

/* NULL when it is off; all functions take that as "nothing to do". Everything is borrowed. */
struct adapter *adapter_create(const struct config *config, struct store *store,
                               struct metrics *metrics);
void adapter_start(struct adapter *adapter, uv_loop_t *loop);
void adapter_stop(struct adapter *adapter);
void adapter_destroy(struct adapter *adapter); /* after the loop has closed everything */

/* What the store tells. */
void adapter_restore(struct adapter *adapter); /* Redis is up */
void adapter_lost(struct adapter *adapter);
void adapter_changed(struct adapter *adapter, struct str pattern, bool watched);
void adapter_matched(struct adapter *adapter, struct str channel, struct str bytes);

#endif
