/* An HTTP answer as bytes. Pure. */
#ifndef SEGUE_NET_ANSWER_H
#define SEGUE_NET_ANSWER_H

#include "common/buf.h"
#include "common/err.h"

struct answer {
    int status;
    struct str type; /* Content-Type; empty = none */
    struct str body;
    struct str extra; /* complete header lines, each with \r\n */
    bool close;       /* the connection ends after it */
};

/* Without body for HEAD: the length stands there all the same. */
void answer_write(struct buf *to, const struct answer *answer, bool close, bool with_body);
/* Fills `answer` with {"error":CODE,"message":TEXT} (its text goes to `body`) and the headers
 * that belong to the status. why == NULL: the error's own text. */
void answer_refusal(enum err err, const char *why, struct buf *body, struct answer *answer);
/* The header lines that say when to come again, to pages of other origins as well. */
void answer_add_retry(unsigned seconds, struct buf *lines);
/* A refusal in full, after which the connection is closed. */
void answer_write_refusal(struct buf *to, enum err err, const char *why);

#endif
