/* A text as the lines of a feed. */
#include "gateway/feeds/lines.h"

#include <stdio.h>
#include <string.h>

#include "common/codec.h"
#include "common/mem.h"

/* Windows ends lines with CR LF; what stands before the LF is trimmed anyway. */
static struct str trim(struct str line)
{
    line = str_trim(line);
    if (line.len > 0 && line.at[line.len - 1] == '\r') {
        line.len--;
        line = str_trim(line);
    }
    return line;
}

static bool has_control(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.at[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* What is wrong with it; NULL = nothing. */
static const char *judge(struct str line, size_t longest)
{
    return line.len > longest     ? "is longer than a message may be"
           : !codec_is_utf8(line) ? "is not UTF-8"
           : has_control(line)    ? "holds a control byte"
                                  : NULL;
}

static enum err split(struct lines *lines, struct str text, size_t longest,
                      char why[LINES_WHY_MAX])
{
    for (size_t number = 1; text.len > 0; number++) {
        const char *wrong;
        struct str line;

        str_cut(text, '\n', &line, &text);
        line = trim(line);
        wrong = judge(line, longest);
        if (wrong != NULL) {
            snprintf(why, LINES_WHY_MAX, "line %zu %s", number, wrong);
            return ERR_INVALID;
        }
        if (line.len > 0) {
            lines->at[lines->count++] = line;
        }
    }
    return ERR_OK;
}

enum err lines_read(struct lines *lines, struct buf *bytes, size_t longest,
                    char why[LINES_WHY_MAX])
{
    struct str text = buf_str(bytes);
    size_t ends = 1;
    enum err err = ERR_INVALID;

    *lines = (struct lines){0};
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        text = str_skip(text, 3);
    }
    for (size_t i = 0; i < text.len; i++) {
        ends += text.at[i] == '\n';
    }
    if (ends > LINES_COUNT_MAX) {
        snprintf(why, LINES_WHY_MAX, "has more than %d lines", LINES_COUNT_MAX - 1);
        buf_finish(bytes);
        return ERR_INVALID;
    }
    lines->at = mem_alloc(ends * sizeof(lines->at[0]));
    lines->bytes = buf_take(bytes);
    err = split(lines, text, longest, why);
    if (err == ERR_OK && lines->count == 0) {
        snprintf(why, LINES_WHY_MAX, "has no line");
        err = ERR_INVALID;
    }
    if (err != ERR_OK) {
        lines_finish(lines);
    }
    return err;
}

void lines_finish(struct lines *lines)
{
    mem_free(lines->bytes);
    mem_free(lines->at);
    *lines = (struct lines){0};
}
