/* Commands in Redis's own format: built from a vector, never printf-like. */
#include "gateway/store/resp.h"

#include <string.h>

static char *put_number(char *at, char mark, size_t number)
{
    char digits[24];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *at++ = mark;
    while (count > 0) {
        *at++ = digits[--count];
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

void resp_add_count(struct buf *to, size_t count)
{
    char *start = buf_reserve(to, 32);

    to->len += (size_t)(put_number(start, '*', count) - start);
}

void resp_add_word(struct buf *to, struct str word)
{
    char *start = buf_reserve(to, word.len + 32);
    char *at = put_number(start, '$', word.len);

    if (word.len > 0) {
        memcpy(at, word.at, word.len);
    }
    at += word.len;
    *at++ = '\r';
    *at++ = '\n';
    to->len += (size_t)(at - start);
}

void resp_add_command(struct buf *to, const struct str *words, size_t count)
{
    resp_add_count(to, count);
    for (size_t i = 0; i < count; i++) {
        resp_add_word(to, words[i]);
    }
}
