/* A clock that stands still until the test moves it: the loop, the gateway and the test share
 * it.
 *
 * Link-time: what is defined here takes the place of the system's in the whole process, libuv
 * included. The loop must be run with UV_RUN_NOWAIT, since nothing moves while it waits. One
 * include per test. */
#ifndef SEGUE_TEST_FAKE_CLOCK_H
#define SEGUE_TEST_FAKE_CLOCK_H

#include <sys/time.h>
#include <time.h>
#include <uv.h>

enum {
    FAKE_UPTIME_S = 100000,    /* what the monotonic clock begins with */
    FAKE_EPOCH_S = 1652087347, /* 2022-05-09T09:09:07Z, what the wall clock begins with */
    FAKE_US_PER_S = 1000 * 1000
};

static uint64_t fake_us; /* passed since the start */

int clock_gettime(clockid_t id, struct timespec *to)
{
    time_t base =
        id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? FAKE_EPOCH_S : FAKE_UPTIME_S;

    to->tv_sec = base + (time_t)(fake_us / FAKE_US_PER_S);
    to->tv_nsec = (long)(fake_us % FAKE_US_PER_S) * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    (void)zone;
    to->tv_sec = FAKE_EPOCH_S + (time_t)(fake_us / FAKE_US_PER_S);
    to->tv_usec = (suseconds_t)(fake_us % FAKE_US_PER_S);
    return 0;
}

/* Lets time pass in steps, with a turn of the loop after each. */
static inline void fake_pass(uv_loop_t *loop, uint64_t ms, uint64_t step_ms)
{
    while (ms > 0) {
        uint64_t step = ms < step_ms ? ms : step_ms;

        fake_us += step * 1000;
        ms -= step;
        uv_run(loop, UV_RUN_NOWAIT);
    }
}

#endif
