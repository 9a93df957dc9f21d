/* How a contestant is spoken to: what a client asks for, what it is greeted with, how an update
 * is wrapped. Pure. */
#ifndef SEGUE_BENCH_DIALECT_H
#define SEGUE_BENCH_DIALECT_H

#include <stdbool.h>

#include "common/buf.h"

/* What a text from the server means to a client. */
enum heard {
    HEARD_UPDATE,   /* an update, in `update` of dialect_hear */
    HEARD_READY,    /* the greeting: the client is connected, authenticated and subscribed */
    HEARD_QUESTION, /* wants the answer that dialect_hear wrote */
    HEARD_NOTHING,
    HEARD_TROUBLE /* an error */
};

struct dialect {
    const char *name;
    const char *path; /* %s: the user */
    bool bearer;      /* the token goes into the request's head */
    bool greets;      /* a client is ready when it was told the state; else after the 101 */
    bool echoes;      /* updates come back to their sender */
    bool silent;      /* its clients only listen */
    bool polls;       /* Engine.IO's long polling, see fetch.h; else a WebSocket */
    struct str before, after; /* around an update */
    enum heard (*hear)(struct str text, const char *token, struct str *update,
                       struct buf *answer);
};

const struct dialect *dialect_find(const char *name);
/* The names, for people. */
const char *dialect_names(void);
/* The HTTP request that opens a client's WebSocket. */
void dialect_request(const struct dialect *dialect, const char *user, const char *token,
                     struct buf *to);

#endif
