/* What a feed's client says, and the lines of a feed's file: refused with a sentence that fits
 * into JSON, or understood and told in JSON. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/codec.h"
#include "gateway/feeds/lines.h"
#include "gateway/proto/feed.h"

enum {
    LONGEST = 64
};

static void must_be_json(struct buf *text)
{
    const char *why = NULL;

    MUST(json_check(buf_str(text), &why) == ERR_OK);
    buf_finish(text);
}

static void say(struct str text)
{
    struct buf answer = {0};
    char why[JSON_WHY_MAX];
    enum feed_verb verb;

    switch (feed_parse(text, STR("me"), &verb, why)) {
    case ERR_OK:
        MUST(verb <= FEED_DISCONNECT);
        return;
    case ERR_INVALID:
    case ERR_FORBIDDEN:
        MUST(why[0] != '\0' && strlen(why) < JSON_WHY_MAX);
        feed_write_error(&answer, "invalid_format", why);
        must_be_json(&answer);
        return;
    default:
        MUST(false);
    }
}

static void read_lines(struct str text)
{
    struct buf bytes = {0}, told = {0};
    char why[LINES_WHY_MAX];
    struct lines lines;

    buf_add(&bytes, text);
    if (lines_read(&lines, &bytes, LONGEST, why) != ERR_OK) {
        MUST(why[0] != '\0' && lines.at == NULL && lines.count == 0);
        return;
    }
    MUST(lines.count > 0);
    for (size_t i = 0; i < lines.count; i++) {
        MUST(lines.at[i].len >= 1 && lines.at[i].len <= LONGEST);
        MUST(memchr(lines.at[i].at, '\n', lines.at[i].len) == NULL);
        feed_write_line(&told, lines.at[i]);
        must_be_json(&told);
        buf_add_char(&told, '[');
        feed_write_event(&told, STR("topic"), lines.at[i]);
        buf_add_char(&told, ']');
        must_be_json(&told);
    }
    lines_finish(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);

    say(text);
    read_lines(text);
    return 0;
}
