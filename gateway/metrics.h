/* Counters, gauges and histograms of one process: one table, printed as Prometheus text. */
#ifndef SEGUE_GATEWAY_METRICS_H
#define SEGUE_GATEWAY_METRICS_H

#include <stdint.h>

#include "common/buf.h"

/* Label values come from these closed sets, so that nobody outside can make the table grow. */
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
    X(CONNECTIONS, "max_connections")                                                          \
    X(CONNECT_RATE, "connect_rate")                                                            \
    X(UNAVAILABLE, "unavailable")                                                              \
    X(DRAINING, "draining")

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

enum {
    METRICS_BUCKETS = 16,
    METRICS_SCRIPTS_MAX = 64,
    METRICS_OUTCOMES_MAX = 8
};

struct metrics_histogram {
    uint64_t counts[METRICS_BUCKETS + 1]; /* last: above all bounds */
    uint64_t sum_us;
};

/* Plain numbers: whoever causes an event counts it here. */
struct metrics {
    uint64_t connections[METRICS_PROTOCOL_COUNT][METRICS_TRANSPORT_COUNT];
    uint64_t messages_received[METRICS_PROTOCOL_COUNT];
    uint64_t messages_sent[METRICS_PROTOCOL_COUNT];
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t transitions[METRICS_SCRIPTS_MAX][METRICS_OUTCOMES_MAX];
    uint64_t slow_consumers;
    uint64_t admitted; /* sessions that were let in to begin */
    uint64_t rejected[METRICS_REJECTION_COUNT];
    uint64_t channels;
    uint64_t redis_up;
    uint64_t loop_lag_us; /* the newest measurement */
    struct metrics_histogram redis_latency;
    struct metrics_histogram delivery_latency;
    /* Names of the rows and columns of `transitions`, given by main from the generated script
     * table. */
    const char *script_names[METRICS_SCRIPTS_MAX];
    const char *outcome_names[METRICS_OUTCOMES_MAX];
};

void metrics_observe(struct metrics_histogram *histogram, uint64_t us);
/* All of contracts 9 that this process knows, with # HELP and # TYPE. Every row that can move
 * today is printed from the start; protocols and transports other than the player's WebSocket
 * only while they are not 0. */
void metrics_print(const struct metrics *metrics, struct buf *to);

#endif
