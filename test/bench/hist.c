/* A histogram of times: steps of equal width between one power of two and the next. */
#include "test/bench/hist.h"

#include <string.h>

static unsigned slot_of(uint64_t value)
{
    unsigned doubling, slot;

    if (value < HIST_STEPS) {
        return (unsigned)value;
    }
    doubling = 64 - HIST_STEP_BITS - (unsigned)__builtin_clzll(value);
    slot = doubling * HIST_STEPS + (unsigned)((value >> (doubling - 1)) - HIST_STEPS);
    return slot < HIST_SIZE ? slot : HIST_SIZE - 1;
}

/* The largest value that falls into the slot. */
static uint64_t value_of(unsigned slot)
{
    unsigned doubling = slot / HIST_STEPS;
    uint64_t step = slot % HIST_STEPS;

    if (doubling == 0) {
        return step;
    }
    return ((step + HIST_STEPS + 1) << (doubling - 1)) - 1;
}

void hist_clear(struct hist *hist)
{
    memset(hist, 0, sizeof(*hist));
}

void hist_add(struct hist *hist, uint64_t value)
{
    hist->counts[slot_of(value)]++;
    hist->total++;
    if (value > hist->max) {
        hist->max = value;
    }
}

uint64_t hist_quantile(const struct hist *hist, double part)
{
    double wanted = part * (double)hist->total;
    uint64_t seen = 0;

    if (hist->total == 0) {
        return 0;
    }
    for (unsigned slot = 0; slot < HIST_SIZE; slot++) {
        seen += hist->counts[slot];
        if (seen > 0 && (double)seen >= wanted) {
            return value_of(slot) < hist->max ? value_of(slot) : hist->max;
        }
    }
    return hist->max;
}
