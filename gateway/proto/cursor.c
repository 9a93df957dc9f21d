/* A place in a stream of events, as text. */
#include "gateway/proto/cursor.h"

/* 2^53 - 1: Lua counts with doubles. */
static const unsigned long long last = 9007199254740991ULL;

enum err cursor_parse(struct str text, struct cursor *cursor)
{
    unsigned long long at;
    bool empty = text.len > 0 && text.at[text.len - 1] == 'e';

    text.len -= empty;
    if (!str_to_u64(text, last, &at)) {
        return ERR_INVALID;
    }
    *cursor = (struct cursor){at, empty};
    return ERR_OK;
}

void cursor_add(struct buf *to, const struct cursor *cursor)
{
    buf_add_u64(to, cursor->at);
    if (cursor->empty) {
        buf_add_char(to, 'e');
    }
}
