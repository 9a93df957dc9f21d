/* A histogram of times: 128 steps for each doubling, so that every quantile is right to 0.8 %.
 */
#ifndef SEGUE_BENCH_HIST_H
#define SEGUE_BENCH_HIST_H

#include <stdint.h>

enum {
    HIST_STEP_BITS = 7,
    HIST_STEPS = 1 << HIST_STEP_BITS,
    HIST_DOUBLINGS = 34, /* to 2^40 ns, 18 minutes; what is longer counts as that */
    HIST_SIZE = HIST_DOUBLINGS * HIST_STEPS
};

/* {0} is empty. */
struct hist {
    uint64_t counts[HIST_SIZE];
    uint64_t total;
    uint64_t max;
};

void hist_clear(struct hist *hist);
void hist_add(struct hist *hist, uint64_t value);
/* The value below or at which the given part (0 to 1) of all values lies; 0 when there are
 * none. */
uint64_t hist_quantile(const struct hist *hist, double part);

#endif
