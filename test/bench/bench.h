/* What all workloads share: the options of a run, its report, and the end of it when something
 * is wrong. */
#ifndef SEGUE_BENCH_BENCH_H
#define SEGUE_BENCH_BENCH_H

#include <netinet/in.h>
#include <stdint.h>

#include "common/str.h"
#include "test/bench/dialect.h"
#include "test/bench/hist.h"
#include "test/bench/watch.h"

struct bench {
    const char *workload;
    struct sockaddr_in server, redis;
    struct sockaddr_in from; /* the clients' address and port 0; 0: as the kernel likes */
    const struct dialect *dialect;
    const char *secret; /* HS256; NULL: clients bring no token */
    unsigned users;
    unsigned first;   /* number of the first user: several generators share the users */
    unsigned devices; /* of each user */
    unsigned window;  /* messages in flight at most, of all users together */
    unsigned opening; /* connections being opened at the same time */
    double rate; /* updates per second, sent on time whatever the answers do; 0 = by window */
    double warmup, seconds;
    double patience; /* how long what is under way may take at the end */
    struct watch watch;
};

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
uint64_t now_ns(void);

/* ---- the report: one JSON object on stdout ---- */

void report_number(const char *name, double value);
/* Seconds of CPU between two readings, for each name that is watched. */
void report_cpu(const struct bench *bench, const struct watch_use *before,
                const struct watch_use *after);
void report_memory(const struct bench *bench, const char *when, const struct watch_use *uses);
/* p50 to max, in microseconds. */
void report_latency(const struct hist *hist);

/* ---- the workloads ---- */

/* Updates of players, each of which all other devices of its user must get once. */
void talk(const struct bench *bench);
/* Connections that are there and say nothing. */
void idle(const struct bench *bench);
/* The same until stdin ends; stderr says when all are there. */
void hold(const struct bench *bench);
/* Connections as fast as they are taken. */
void connect_all(const struct bench *bench);
/* The transitions alone: no gateway between us and Redis. */
void transitions(const struct bench *bench);
/* A state for every user, so that there is something to change and to be told. */
void seed(const struct bench *bench);

#endif
