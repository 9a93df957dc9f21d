/* Commands in Redis's own format. Pure. */
#ifndef SEGUE_STORE_RESP_H
#define SEGUE_STORE_RESP_H

#include "common/buf.h"

/* Appends one complete command. */
void resp_add_command(struct buf *to, const struct str *words, size_t count);
/* The same in parts: the number of words, then each word. */
void resp_add_count(struct buf *to, size_t count);
void resp_add_word(struct buf *to, struct str word);

#endif
