/* Redis's clock as seen from here: the local monotonic clock and an offset that is measured
 * with every heartbeat. */
#include "gateway/store/clock.h"

#include <time.h>

enum {
    TRUST_US = 15 * 1000 * 1000
}; /* clocks drift: an old measurement gives way even to a slower one */

static uint64_t read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_local_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

bool clock_ask(struct clock *clock)
{
    if (clock->asked_us != 0) {
        return false;
    }
    clock->asked_us = clock_local_us();
    return true;
}

void clock_answered(struct clock *clock, uint64_t redis_us)
{
    uint64_t now = clock_local_us();
    uint64_t round = now - clock->asked_us;

    if (!clock->known || round <= clock->round_us || now - clock->taken_us > TRUST_US) {
        clock->offset_us = (int64_t)(redis_us - (clock->asked_us + round / 2));
        clock->round_us = round;
        clock->taken_us = now;
        clock->known = true;
    }
    clock->asked_us = 0;
}

void clock_forget(struct clock *clock)
{
    clock->asked_us = 0;
    clock->known = false; /* it may be another Redis that answers next */
}

uint64_t clock_waiting_us(const struct clock *clock)
{
    return clock->asked_us == 0 ? 0 : clock_local_us() - clock->asked_us;
}

uint64_t clock_redis_us(const struct clock *clock)
{
    if (!clock->known) {
        return read_us(CLOCK_REALTIME);
    }
    return (uint64_t)((int64_t)clock_local_us() + clock->offset_us);
}
