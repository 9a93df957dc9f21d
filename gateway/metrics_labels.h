/* The values of the metrics' labels: closed sets, so that nobody outside can make the table
 * grow. */
#ifndef SEGUE_GATEWAY_METRICS_LABELS_H
#define SEGUE_GATEWAY_METRICS_LABELS_H

#define METRICS_PROTOCOLS(X)                                                                   \
    X(PLAYER, "player")                                                                        \
    X(PLAYBACK, "playback")                                                                    \
    X(CHAT, "chat")                                                                            \
    X(FEED, "feed")                                                                            \
    X(EVENTS, "events")                                                                        \
    X(API, "api")
#define METRICS_TRANSPORTS(X)                                                                  \
    X(WEBSOCKET, "websocket")                                                                  \
    X(POLLING, "polling")                                                                      \
    X(HTTP, "http")
#define METRICS_REJECTIONS(X)                                                                  \
    X(UNAUTHORIZED, "unauthorized")                                                            \
    X(FORBIDDEN, "forbidden")                                                                  \
    X(BAD_REQUEST, "bad_request")                                                              \
    X(NOT_FOUND, "not_found")                                                                  \
    X(TOO_LARGE, "too_large")                                                                  \
    X(TIMEOUT, "timeout")                                                                      \
    X(INVALID, "invalid_format")                                                               \
    X(RATE, "rate_limited")                                                                    \
    X(TOO_MANY, "too_many_connections")                                                        \
    X(CONNECTIONS, "max_connections")                                                          \
    X(CONNECT_RATE, "connect_rate")                                                            \
    X(UNAVAILABLE, "unavailable")                                                              \
    X(DRAINING, "draining")
/* What of a newer release was met. */
#define METRICS_NEWER(X)                                                                       \
    X(ENVELOPE, "envelope")                                                                    \
    X(KEY, "key")
/* The limits that hold over all processes. */
#define METRICS_LIMITS(X)                                                                      \
    X(USER_CONNECTIONS, "user_connections")                                                    \
    X(ADDRESS_CONNECTIONS, "address_connections")                                              \
    X(USER_RATE, "user_rate")                                                                  \
    X(ADDRESS_RATE, "address_rate")

enum metrics_protocol {
#define X(name, text) METRICS_PROTOCOL_##name,
    METRICS_PROTOCOLS(X)
#undef X
    METRICS_PROTOCOL_COUNT
};
enum metrics_transport {
#define X(name, text) METRICS_TRANSPORT_##name,
    METRICS_TRANSPORTS(X)
#undef X
    METRICS_TRANSPORT_COUNT
};
enum metrics_rejection {
#define X(name, text) METRICS_REJECTION_##name,
    METRICS_REJECTIONS(X)
#undef X
    METRICS_REJECTION_COUNT
};
enum metrics_newer {
#define X(name, text) METRICS_NEWER_##name,
    METRICS_NEWER(X)
#undef X
    METRICS_NEWER_COUNT
};
enum metrics_limit {
#define X(name, text) METRICS_LIMIT_##name,
    METRICS_LIMITS(X)
#undef X
    METRICS_LIMIT_COUNT
};

#endif
