/* Where Redis is: the --redis URL taken apart. Pure. */
#ifndef SEGUE_STORE_URL_H
#define SEGUE_STORE_URL_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct url {
    char *host; /* NULL when `path` counts; owned, likewise below */
    char *path; /* unix socket */
    char *user; /* NULL = none */
    char *password;
    uint16_t port;
    unsigned database;
};

/* redis://[[user]:password@]host[:port][/db] or unix:///path. ERR_INVALID: `*why` says what is
 * wrong, without any of the text (it may hold a password). */
MUST_CHECK enum err url_parse(struct str text, struct url *url, const char **why);
void url_finish(struct url *url);
/* "host:port" or the path: fit for a log. */
void url_print(const struct url *url, struct buf *to);

#endif
