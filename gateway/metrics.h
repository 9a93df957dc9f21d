/* Counters, gauges and histograms of one process: one table, printed as Prometheus text. */
#ifndef SEGUE_GATEWAY_METRICS_H
#define SEGUE_GATEWAY_METRICS_H

#include <stdint.h>

#include "common/buf.h"
#include "common/reason.h"
#include "gateway/metrics_labels.h"

enum {
    METRICS_BUCKETS = 17,
    METRICS_SCRIPTS_MAX = 64,
    METRICS_OUTCOMES_MAX = 8,
    METRICS_PEAK_MS = 15000
};

struct metrics_histogram {
    uint64_t counts[METRICS_BUCKETS + 1]; /* last: above all bounds */
    uint64_t sum_us;
};

/* The largest of a while: of METRICS_PEAK_MS at least and twice that at most, so that every
 * scrape sees a peak, however many scrape. */
struct metrics_peak {
    uint64_t now, before; /* of the period that runs, of the one before it */
    uint64_t until_ms;
};

/* Plain numbers: whoever causes an event counts it here. */
struct metrics {
    uint64_t connections[METRICS_PROTOCOL_COUNT][METRICS_TRANSPORT_COUNT];
    uint64_t opened[METRICS_PROTOCOL_COUNT][METRICS_TRANSPORT_COUNT];
    uint64_t closed[METRICS_TRANSPORT_COUNT][REASON_COUNT];
    uint64_t messages_received[METRICS_PROTOCOL_COUNT];
    uint64_t messages_sent[METRICS_PROTOCOL_COUNT];
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t transitions[METRICS_SCRIPTS_MAX][METRICS_OUTCOMES_MAX];
    uint64_t slow_consumers;
    uint64_t admitted; /* sessions that were let in to begin */
    uint64_t rejected[METRICS_REJECTION_COUNT];
    uint64_t newer_seen[METRICS_NEWER_COUNT];
    uint64_t limited[METRICS_LIMIT_COUNT];
    uint64_t channels;
    uint64_t redis_up;
    uint64_t redis_lost; /* how often it went away */
    struct metrics_peak loop_lag_us;
    struct metrics_histogram redis_latency;
    struct metrics_histogram delivery_latency;
    struct metrics_histogram age; /* of WebSockets, when they end */
    /* What others know is filled in when somebody asks. */
    uint64_t sockets, sockets_limit;
    uint64_t pending_calls;
    bool draining;
    const char *name; /* of this process, as in its log; borrowed */
    /* Names of the rows and columns of `transitions`, given by main from the generated script
     * table. */
    const char *script_names[METRICS_SCRIPTS_MAX];
    const char *outcome_names[METRICS_OUTCOMES_MAX];
};

void metrics_observe(struct metrics_histogram *histogram, uint64_t us); /* a latency */
void metrics_observe_age(struct metrics_histogram *histogram, uint64_t ms);
void metrics_peak_add(struct metrics_peak *peak, uint64_t value, uint64_t now_ms);
uint64_t metrics_peak_value(const struct metrics_peak *peak);
const char *metrics_transport_word(enum metrics_transport transport);
/* All that this process knows, with # HELP and # TYPE. Every row that can move today is printed
 * from the start; protocols and transports other than the player's WebSocket only when they
 * are not 0. */
void metrics_print(const struct metrics *metrics, struct buf *to);

#endif
