/* Who may come in: everything that can be refused without asking Redis. */
#ifndef SEGUE_NET_ADMIT_H
#define SEGUE_NET_ADMIT_H

#include "gateway/net/net.h"

/* Origin, token (`claims` stays empty for the anonymous), then whether we can serve at all, and
 * that not too many come at once. */
MUST_CHECK enum err admit_check(struct net *net, const struct proto *proto,
                                const struct request *request, struct claims *claims,
                                const char **why);
/* The last of these alone: ERR_OK counts as one more who is let in. */
MUST_CHECK enum err admit_newcomer(struct net *net, const char **why);
/* The token alone. `proto` is what --anonymous may name; NULL = a token is needed. */
MUST_CHECK enum err admit_identity(const struct services *services, const char *proto,
                                   const struct request *request, struct claims *claims,
                                   const char **why);
/* When the token ends, by the loop's clock; UINT64_MAX = never. */
uint64_t admit_until_ms(const struct net *net, const struct claims *claims);

#endif
