/* Values in a row as bytes: how state that must survive a process is kept in Redis.
 *
 *     s5:hello  n42;
 *
 * A text is "s", its length, ":" and its bytes; a number "n", its digits and ";". They are
 * taken back in the order in which they were added. What was not written by this file's own
 * functions is refused: there is exactly one spelling of everything, and nobody reads a text as
 * a number. */
#ifndef SEGUE_COMMON_PACK_H
#define SEGUE_COMMON_PACK_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

void pack_add_str(struct buf *to, struct str value);
void pack_add_u64(struct buf *to, uint64_t value);

/* Each takes the next value off `from`. ERR_INVALID: something else stands there, or nothing;
 * then neither `from` nor `value` changes. */
MUST_CHECK enum err pack_take_str(struct str *from, struct str *value); /* borrowed */
MUST_CHECK enum err pack_take_u64(struct str *from, uint64_t *value);
/* ERR_INVALID when something is left. */
MUST_CHECK enum err pack_end(struct str from);

#endif
