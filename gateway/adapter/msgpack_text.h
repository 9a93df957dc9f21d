/* MessagePack from outside: strict, bounded, and any value of it as JSON.
 *
 * The library believes the counts that it reads (an array of a few bytes may claim four
 * thousand million items, for which it takes memory at once), so bytes pass a scanner of ours
 * first: one whole value, nothing behind it, nesting bounded, and no more items than bytes are
 * there. What passes is read by the library. Pure. */
#ifndef SEGUE_ADAPTER_MSGPACK_TEXT_H
#define SEGUE_ADAPTER_MSGPACK_TEXT_H

#include <msgpack.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    MSGPACK_DEPTH_MAX = 32 /* arrays and maps inside each other: as deep as the library goes */
};

/* Scans only. ERR_INVALID: `*why` is a short reason. */
MUST_CHECK enum err msgpack_check(struct str bytes, const char **why);
/* Adds a value as JavaScript's JSON.stringify would say it: a timestamp is a text of ISO 8601,
 * what is no number is null. ERR_INVALID: JSON has no word for something in it (binary data,
 * other extensions, text that is not UTF-8), and `to` holds half of it. */
MUST_CHECK enum err msgpack_add_json(struct buf *to, const msgpack_object *value,
                                     const char **why);

#endif
