/* The errors a caller can meet: one table, so that code, HTTP status and text never part. */
#ifndef SEGUE_COMMON_ERR_H
#define SEGUE_COMMON_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* name, word on the wire, HTTP status, text for people */
#define ERR_TABLE(X)                                                                           \
    X(BAD_REQUEST, "bad_request", 400, "the request is malformed")                             \
    X(UNAUTHORIZED, "unauthorized", 401, "a valid token is needed")                            \
    X(FORBIDDEN, "forbidden", 403, "not allowed")                                              \
    X(NOT_FOUND, "not_found", 404, "there is nothing here")                                    \
    X(METHOD, "method_not_allowed", 405, "this path does not know that method")                \
    X(TIMEOUT, "timeout", 408, "the request was not complete in time")                         \
    X(TOO_LARGE, "too_large", 413, "the body is larger than allowed")                          \
    X(UPGRADE, "upgrade_required", 426, "only WebSocket version 13 is spoken")                 \
    X(RATE_LIMITED, "rate_limited", 429, "too many requests")                                  \
    X(TOO_MANY, "too_many_connections", 429, "too many connections")                           \
    X(HEAD_TOO_LARGE, "head_too_large", 431, "the request head is larger than 8 KiB")          \
    X(INTERNAL, "internal", 500, "something went wrong here")                                  \
    X(UNAVAILABLE, "unavailable", 503, "try again in a moment")                                \
    X(CROWDED, "connect_rate", 503, "too many connect at once: try again later")               \
    X(NEWER, "unavailable", 503, "a newer version keeps it: try again in a moment")            \
    X(INVALID, "invalid", 400, "the value is not valid")                                       \
    X(NOT_CONFIGURED, "not_configured", 404, "this server is not set up for that")

enum err {
    ERR_OK = 0,
    ERR_BEFORE_FIRST = -100,
#define X(name, word, status, text) ERR_##name,
    ERR_TABLE(X)
#undef X
};

/* The word for clients ("unauthorized"), the HTTP status and the default text of an error. */
const char *err_word(enum err err);
int err_status(enum err err);
const char *err_text(enum err err);

#endif
