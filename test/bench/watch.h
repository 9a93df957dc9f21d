/* What other processes use: CPU time and memory, from /proc, by name ("server", "redis"). */
#ifndef SEGUE_BENCH_WATCH_H
#define SEGUE_BENCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WATCH_NAMES_MAX = 40,
    WATCH_PIDS_MAX = 16
};

struct watch_use {
    double cpu;          /* seconds of CPU since the process began, all threads */
    double waited;       /* seconds in which it could have run and had no core */
    double user, system; /* parts of cpu, less exactly: the kernel samples them */
    uint64_t rss, pss;   /* bytes now; pss counts a shared page by its share */
};

struct watch {
    struct watched {
        char name[16];
        pid_t pids[WATCH_PIDS_MAX];
        unsigned pid_count;
    } names[WATCH_NAMES_MAX];
    unsigned count;
};

/* "NAME:PID[,PID...]"; false when it can't be understood. */
bool watch_add(struct watch *watch, const char *text);
/* One entry per name. A process that is gone is fatal: there is nothing to measure any more.
 * Reading memory makes the kernel walk all pages: not while something is timed. */
void watch_read_cpu(const struct watch *watch, struct watch_use uses[WATCH_NAMES_MAX]);
/* Seconds during which cores of this machine were busy, whoever had them. */
double watch_machine(void);
void watch_read_memory(const struct watch *watch, struct watch_use uses[WATCH_NAMES_MAX]);

#endif
