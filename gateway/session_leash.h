/* What an operator has in hand: a session that hears when one of its users is sent away. */
#ifndef SEGUE_GATEWAY_SESSION_LEASH_H
#define SEGUE_GATEWAY_SESSION_LEASH_H

#include "gateway/session.h"

/* For protocols that do not listen to the user's channel themselves: from now on the session
 * is closed when an operator disconnects that user. Nobody (an empty user) is no one to follow.
 */
void session_follow(struct session *session, struct str user);
/* All of it ends; the session does so itself at its end. */
void session_unfollow(struct session *session);

#endif
