/* Owned bytes that grow: the only place where text is put together. */
#ifndef SEGUE_COMMON_BUF_H
#define SEGUE_COMMON_BUF_H

#include "common/str.h"

struct buf {
    char *at; /* owned; NULL while nothing was added */
    size_t len;
    size_t room;
};

/* {0} is an empty buf as well. */
void buf_init(struct buf *buf);
void buf_finish(struct buf *buf); /* frees; the buf is empty and usable again */
void buf_clear(struct buf *buf);  /* keeps the memory */
/* Makes room for `more` bytes behind the content and returns the place where they go; buf->len
 * is the caller's to raise. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_add(struct buf *buf, struct str bytes);
void buf_add_char(struct buf *buf, char c);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_u64(struct buf *buf, unsigned long long value);
void buf_add_i64(struct buf *buf, long long value);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *buf, size_t count); /* removes bytes at the front */
struct str buf_str(const struct buf *buf);    /* valid until the buf changes */
/* Adds a NUL behind the content (not counted) and returns the text, borrowed. */
const char *buf_text(struct buf *buf);
/* Hands the memory over to the caller (mem_free); the buf is empty afterwards. */
char *buf_take(struct buf *buf);

#endif
