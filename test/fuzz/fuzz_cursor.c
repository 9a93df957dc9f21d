/* Places in streams: one spelling each; and what a client may claim to come back from: whatever
 * `pid` and `offset` are, nobody is sent away, and no place is beyond what Lua can count. */
#include "test/fuzz/fuzz.h"

#include "gateway/proto/cursor.h"

static void check_cursor(struct str text)
{
    struct cursor cursor = {17, true};
    struct buf again = {0};

    if (cursor_parse(text, &cursor) != ERR_OK) {
        MUST(cursor.at == 17 && cursor.empty);
        return;
    }
    MUST(cursor.at < 1ULL << 53);
    cursor_add(&again, &cursor);
    /* the same but for zeros in front */
    MUST(again.len <= text.len);
    MUST(str_equal(str_skip(text, text.len - again.len), buf_str(&again)));
    for (size_t i = 0; i + again.len < text.len; i++) {
        MUST(text.at[i] == '0');
    }
    buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_from((const char *)data, size), part;

    check_cursor(rest);
    while (str_cut(rest, '.', &part, &rest)) {
        check_cursor(part);
    }
    return 0;
}
