/* The end of a connection or of a polling session, as the log and the metrics tell it: one line
 * each, with reason, age and bytes. */
#ifndef SEGUE_GATEWAY_ENDING_H
#define SEGUE_GATEWAY_ENDING_H

#include "common/reason.h"
#include "gateway/session.h"

struct ending {
    const char *event;    /* what ended: the line's event */
    const char *protocol; /* NULL = none yet, or plain HTTP */
    enum metrics_transport transport;
    struct str id;   /* of the session; empty = there was none */
    struct str user; /* empty = anonymous, or nobody yet */
    struct str peer;
    enum reason reason;
    uint64_t age_ms, bytes_in, bytes_out;
};

/* What a session (NULL: there is none) knows of it. */
void ending_of_session(struct ending *to, const struct session *session);
/* The line, at info; at debug where a client was done with HTTP, which is no news. */
void ending_log(const struct ending *ending);

#endif
