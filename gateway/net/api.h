/* Exchanges on HTTP: who may ask, then the endpoint's handler, then its answer as JSON. */
#ifndef SEGUE_NET_API_H
#define SEGUE_NET_API_H

#include "gateway/exchange.h"
#include "gateway/net/http.h"

/* ERR_OK, ERR_UNAUTHORIZED or ERR_FORBIDDEN, from the head alone; `claims` stays empty for the
 * anonymous and for servers. */
MUST_CHECK enum err api_admit(const struct http *http, const struct endpoint *endpoint,
                              struct claims *claims, const char **why);
/* Answers a complete request, now or later. */
void api_serve(struct http *http, const struct endpoint *endpoint);

#endif
