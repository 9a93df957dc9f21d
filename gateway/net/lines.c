/* The lines of a request's head as raw bytes. */
#include "gateway/net/lines.h"

bool lines_are_clear(struct lines *lines, struct str bytes)
{
    for (size_t i = 0; i < bytes.len && lines->at != LINES_PAST; i++) {
        char c = bytes.at[i];

        if ((lines->after_cr && c != '\n') ||
            (lines->at == LINES_BETWEEN && (c == ' ' || c == '\t'))) {
            return false;
        }
        lines->after_cr = c == '\r';
        if (c == '\n' && lines->at != LINES_BEFORE) {
            lines->at = lines->at == LINES_BETWEEN ? LINES_PAST : LINES_BETWEEN;
        } else if (c != '\r' && c != '\n') {
            lines->at = LINES_INSIDE;
        }
    }
    return true;
}
