/* Why a connection ends: one table gives the word for log and metrics and the close code on the
 * wire. */
#ifndef SEGUE_COMMON_REASON_H
#define SEGUE_COMMON_REASON_H

/* name, word, WebSocket close code (0 = the connection is cut without one) */
#define REASON_TABLE(X)                                                                        \
    X(LEFT, "left", 1000)                                                                      \
    X(GOING_AWAY, "going away", 1001)                                                          \
    X(PROTOCOL, "protocol error", 1002)                                                        \
    X(UNSUPPORTED, "unsupported data", 1003)                                                   \
    X(BAD_TEXT, "invalid text", 1007)                                                          \
    X(RATE, "rate limited", 1008)                                                              \
    X(TOO_BIG, "message too big", 1009)                                                        \
    X(INTERNAL, "internal error", 1011)                                                        \
    X(RESTART, "service restart", 1012)                                                        \
    X(SLOW, "slow consumer", 1013)                                                             \
    X(UNAVAILABLE, "try again later", 1013)                                                    \
    X(TOKEN_EXPIRED, "token expired", 4401)                                                    \
    X(DISCONNECTED, "disconnected by operator", 4403)                                          \
    X(HEARTBEAT, "heartbeat missed", 4408)                                                     \
    X(PEER_CLOSED, "closed by peer", 0)                                                        \
    X(PEER_LOST, "peer lost", 0)                                                               \
    X(HTTP_DONE, "http done", 0)                                                               \
    X(HTTP_BAD, "http refused", 0)                                                             \
    X(TIMEOUT, "timeout", 0)

enum reason {
#define X(name, word, code) REASON_##name,
    REASON_TABLE(X)
#undef X
    REASON_COUNT
};

const char *reason_word(enum reason reason);
unsigned reason_code(enum reason reason);

#endif
