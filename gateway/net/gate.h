/* The way in for a WebSocket: the limits that hold over all processes are asked before the
 * answer to its handshake. */
#ifndef SEGUE_NET_GATE_H
#define SEGUE_NET_GATE_H

#include "gateway/net/http.h"
#include "gateway/net/ws.h"

/* Whether the client's address does not come too often, and is not known to have too many
 * connections: ERR_OK, ERR_RATE_LIMITED or ERR_TOO_MANY, with `*why`. Before anything that
 * costs more. */
MUST_CHECK enum err gate_knock(const struct http *http, const char **why);
/* For calls over HTTP, of which those of nobody, or with a bad token, are attempts of their
 * address: whether it has attempts left, and one more of them. */
bool gate_is_open(const struct http *http);
bool gate_charge(const struct http *http);
/* The request asks for a WebSocket on a path where `proto` lives: checks it, opens the session,
 * answers 101 or the refusal. */
void gate_open(struct http *http, const struct proto *proto);
/* The same for a carrier that made its own checks, but for the places: of the address and,
 * unless `claims` names nobody, of the user. */
void gate_pass(struct http *http, const struct proto *proto, const struct ws_kind *kind,
               const struct claims *claims);

#endif
