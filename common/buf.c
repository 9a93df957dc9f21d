/* Owned bytes that grow by doubling. */
#include "common/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

enum {
    ROOM_FIRST = 64,
    DIGITS_MAX = 20 /* of 2^64 - 1 */
};

void buf_init(struct buf *buf)
{
    *buf = (struct buf){0};
}

void buf_finish(struct buf *buf)
{
    mem_free(buf->at);
    buf_init(buf);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

static void grow(struct buf *buf, size_t more)
{
    size_t room = buf->room ? buf->room : ROOM_FIRST;

    if (more > SIZE_MAX / 2 - buf->len) {
        more = SIZE_MAX / 2; /* mem_grow cannot give that and ends the process with its line */
        room = more;
    }
    while (room < SIZE_MAX / 2 && room - buf->len < more) {
        room *= 2;
    }
    buf->at = mem_grow(buf->at, room);
    buf->room = room;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    /* Without content there is no place to point to, even when nothing more is wanted. */
    if (!buf->at || buf->room - buf->len < more) {
        grow(buf, more);
    }
    return buf->at + buf->len;
}

void buf_add(struct buf *buf, struct str bytes)
{
    if (bytes.len > 0) {
        memcpy(buf_reserve(buf, bytes.len), bytes.at, bytes.len);
        buf->len += bytes.len;
    }
}

void buf_add_char(struct buf *buf, char c)
{
    *buf_reserve(buf, 1) = c;
    buf->len++;
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, str_of(text));
}

void buf_add_u64(struct buf *buf, unsigned long long value)
{
    char digits[DIGITS_MAX];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(buf, str_from(digits + first, sizeof(digits) - first));
}

void buf_add_i64(struct buf *buf, long long value)
{
    if (value < 0) {
        buf_add_char(buf, '-');
        /* Negated as unsigned: the smallest number has no positive twin. */
        buf_add_u64(buf, 0 - (unsigned long long)value);
        return;
    }
    buf_add_u64(buf, (unsigned long long)value);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list list;
    size_t room;
    int len;

    /* First into whatever room there is; most texts fit. */
    va_start(list, format);
    buf_reserve(buf, 1);
    room = buf->room - buf->len;
    len = vsnprintf(buf->at + buf->len, room, format, list);
    va_end(list);
    assert(len >= 0);
    if ((size_t)len >= room) {
        buf_reserve(buf, (size_t)len + 1);
        va_start(list, format);
        vsnprintf(buf->at + buf->len, (size_t)len + 1, format, list);
        va_end(list);
    }
    buf->len += (size_t)len;
}

void buf_drop(struct buf *buf, size_t count)
{
    if (count >= buf->len) {
        buf->len = 0;
        return;
    }
    if (count > 0) {
        memmove(buf->at, buf->at + count, buf->len - count);
        buf->len -= count;
    }
}

struct str buf_str(const struct buf *buf)
{
    return str_from(buf->at, buf->len);
}

const char *buf_text(struct buf *buf)
{
    *buf_reserve(buf, 1) = '\0';
    return buf->at;
}

char *buf_take(struct buf *buf)
{
    char *at = buf->at;

    buf_init(buf);
    return at;
}
