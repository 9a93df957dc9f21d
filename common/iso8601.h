/* Points in time as text: ISO 8601 as the player's clients write it, to milliseconds since 1970
 * and back. */
#ifndef SEGUE_COMMON_ISO8601_H
#define SEGUE_COMMON_ISO8601_H

#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

enum {
    ISO8601_TEXT_MAX = 32 /* room for any text that iso8601_format writes, with its NUL */
};

/* YYYY-MM-DDThh:mm:ss[.f{1,3}](Z|+hhmm|-hhmm|+hh:mm|-hh:mm). A date that does not exist, hour
 * 24, second 60, a fourth digit of fraction: ERR_INVALID, and `*why` (may be NULL) names the
 * part, e.g. "month out of range". */
MUST_CHECK enum err iso8601_parse(struct str text, int64_t *ms, const char **why);
/* Writes 2022-05-09T09:09:07.123Z (always milliseconds, UTC). Years outside 0000 to 9999 are
 * cut to these. */
void iso8601_format(int64_t ms, char to[ISO8601_TEXT_MAX]);

#endif
