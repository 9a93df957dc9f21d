/* A text as the lines of a feed: its lines in their order, without blanks around them; empty
 * lines do not count. Pure. */
#ifndef SEGUE_FEEDS_LINES_H
#define SEGUE_FEEDS_LINES_H

#include "common/buf.h"
#include "common/err.h"

enum {
    LINES_COUNT_MAX = 100000,
    LINES_BYTES_MAX = 4 * 1024 * 1024,
    LINES_WHY_MAX = 96
};

/* {0} = none. */
struct lines {
    char *bytes;    /* owned; what `at` points into */
    struct str *at; /* owned */
    size_t count;
};

/* Takes over the bytes. ERR_INVALID, with a sentence in `why`, when there is no line, when one
 * is longer than `longest` bytes, is not UTF-8 or holds a control byte other than a tab, or
 * when there are too many. */
MUST_CHECK enum err lines_read(struct lines *lines, struct buf *bytes, size_t longest,
                               char why[LINES_WHY_MAX]);
void lines_finish(struct lines *lines); /* {0} again */

#endif
