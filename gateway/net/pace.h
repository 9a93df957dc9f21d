/* How fast newcomers are let in: at most so many in any second, whoever looks. Pure: the time
 * is the caller's.
 *
 * A token bucket that holds a tenth of a second's worth, at least one, and is filled so slowly
 * that the bucket and what flows in during a second are together what the second may admit. So
 * a crowd is let in at nine tenths of the rate, evenly, and never above it.
 *
 * Who is refused is given a place in a queue that nobody has to keep: the places lie one behind
 * the other at the pace of admission, and each is told how far away his is. So a herd comes
 * back spread over just the time that it takes to let it in. */
#ifndef SEGUE_NET_PACE_H
#define SEGUE_NET_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_WAIT_MAX_S = 30
};

struct pace {
    uint64_t step_ns;  /* between two admissions of a crowd; 0 = no limit */
    uint64_t slack_ns; /* how far ahead of its steps it may run */
    uint64_t next_ns;  /* when the next step is due */
    uint64_t place_ns; /* the last place that was given */
};

void pace_init(struct pace *pace, uint64_t per_second); /* 0 = no limit */
/* Whether one more may come in now; then it is counted. */
bool pace_take(struct pace *pace, uint64_t now_ns);
/* For who may not: when to come again, in seconds from 1 on; `random` is any number. */
unsigned pace_give_place(struct pace *pace, uint64_t now_ns, uint32_t random);
/* For who was refused and could not see his place: when to come again, at random among the
 * places that were given, in seconds; 0 = nobody waits. */
unsigned pace_wait(const struct pace *pace, uint64_t now_ns, uint32_t random);

#endif
