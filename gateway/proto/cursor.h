/* A place in a stream of events, as text: what recovery goes on from. Pure.
 *
 *     1763745600000123      behind the event of that number
 *     1763745600000123e     the stream was empty at that moment (microseconds, Redis's clock)
 */
#ifndef SEGUE_PROTO_CURSOR_H
#define SEGUE_PROTO_CURSOR_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct cursor {
    uint64_t at;
    bool empty;
};

MUST_CHECK enum err cursor_parse(struct str text, struct cursor *cursor);
void cursor_add(struct buf *to, const struct cursor *cursor);

#endif
