/* Paths and the patterns they fit. Pure. */
#ifndef SEGUE_COMMON_PATH_H
#define SEGUE_COMMON_PATH_H

#include "common/str.h"

/* Whether the path (as sent) fits: byte for byte, but that a segment `*` of the pattern, of
 * which there is at most one, stands for any one segment that is not empty. `*param` is that
 * segment, still percent-encoded; empty when the pattern has none. */
bool path_fits(const char *pattern, struct str path, struct str *param);

#endif
