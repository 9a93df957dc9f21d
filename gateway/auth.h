/* Tokens to claims: finds the token in a request, verifies it with libjwt, reads who the user
 * is. */
#ifndef SEGUE_GATEWAY_AUTH_H
#define SEGUE_GATEWAY_AUTH_H

#include <stdint.h>

#include "common/err.h"
#include "common/ident.h"
#include "common/request.h"
#include "gateway/config.h"

enum {
    AUTH_USER_MAX = IDENT_USER_MAX
};

struct claims {
    char user[AUTH_USER_MAX + 1];
    size_t user_len;
    int64_t expires_ms; /* since 1970; INT64_MAX = never */
};

struct auth;

/* Reads the keys. NULL when one can't be used: then a sentence is in `why`. */
struct auth *auth_create(const struct config *config, char *why, size_t room);
void auth_destroy(struct auth *auth);

/* Looks in all the places of contracts 2, in their order; the first place that holds one
 * counts. The token is added to `token` (percent-decoded when it came in the query); false when
 * there is none. A place that is there but empty holds an (empty, bad) token. `*subprotocol`
 * tells whether the client offered the subprotocol "bearer": browsers fail unless the server
 * selects it, wherever the token was found. */
bool auth_find(const struct auth *auth, const struct request *request, struct buf *token,
               bool *subprotocol);
/* Whether a cookie holds one that was passed over: a browser sends cookies whoever asks, so
 * they count for pages of our own host, and of other origins when the operator named them. */
bool auth_passed_over(const struct auth *auth, const struct request *request);

/* ERR_UNAUTHORIZED with `*why` set (a literal, fit for the client) when the token does not hold
 * at `now_ms`. */
MUST_CHECK enum err auth_verify(const struct auth *auth, struct str token, int64_t now_ms,
                                struct claims *claims, const char **why);

#endif
