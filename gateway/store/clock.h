/* Redis's clock as seen from here: the local monotonic clock and an offset that is measured
 * with every heartbeat. Private to store/. */
#ifndef SEGUE_STORE_CLOCK_H
#define SEGUE_STORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t offset_us; /* Redis's clock minus ours */
    uint64_t round_us; /* of the measurement that counts: the quicker, the truer */
    uint64_t taken_us; /* when it was made */
    uint64_t asked_us; /* 0 = no question under way */
    bool known;
};

uint64_t clock_local_us(void); /* monotonic */
/* A question goes out; false when one is under way already. */
bool clock_ask(struct clock *clock);
void clock_answered(struct clock *clock, uint64_t redis_us);
void clock_forget(struct clock *clock); /* the question under way is lost */
uint64_t clock_waiting_us(const struct clock *clock);
/* Since 1970; the local wall clock while nothing is known. */
uint64_t clock_redis_us(const struct clock *clock);

#endif
