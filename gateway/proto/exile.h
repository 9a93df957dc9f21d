/* Whoever has a user can be sent away by the server API, whatever he is doing here. */
#ifndef SEGUE_PROTO_EXILE_H
#define SEGUE_PROTO_EXILE_H

#include "gateway/session.h"

/* {0} = watches nobody. */
struct exile {
    struct session *session; /* borrowed */
    struct hub_sub sub;
};

/* Closes the session when its user is to go; an empty user is nobody's. */
void exile_watch(struct exile *exile, struct session *session, struct str user);
void exile_unwatch(struct exile *exile); /* harmless when it watches nobody */

#endif
