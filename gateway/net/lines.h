/* The lines of a request's head as raw bytes. Pure.
 *
 * llhttp lets pass what others in front of us or behind us may read differently: a header that
 * is folded over two lines, and a CR without its LF (which some releases of llhttp take for the
 * head's end). */
#ifndef SEGUE_NET_LINES_H
#define SEGUE_NET_LINES_H

#include "common/str.h"

/* {0} = before the first byte. */
struct lines {
    enum {
        LINES_BEFORE,
        LINES_INSIDE,
        LINES_BETWEEN, /* a line begins */
        LINES_PAST     /* the head is over */
    } at;
    bool after_cr;
};

/* The next bytes; false: the head can be read in two ways. What follows the head is not looked
 * at. */
bool lines_are_clear(struct lines *lines, struct str bytes);

#endif
