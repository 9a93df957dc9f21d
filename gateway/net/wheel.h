/* Deadlines of all connections on one clock: a wheel of 1,024 slots of 20 ms.
 *
 * Setting, moving and clearing a deadline costs a few pointers, whatever the number of
 * connections. A deadline farther away than one turn of the wheel (20 s) waits in its slot
 * until its turn comes. */
#ifndef SEGUE_NET_WHEEL_H
#define SEGUE_NET_WHEEL_H

#include <uv.h>

enum {
    WHEEL_SLOTS = 1024,
    WHEEL_TICK_MS = 20
};

struct wheel_timer {
    struct wheel_timer *prev, *next; /* NULL = not set */
    uint64_t due_ms;
};

typedef void wheel_fn(struct wheel_timer *timer);

struct wheel {
    struct wheel_timer slots[WHEEL_SLOTS]; /* list heads */
    uint64_t turned_to;                    /* tick up to which everything is done */
    uint64_t count;
    uv_timer_t clock; /* runs while something is set */
    wheel_fn *fire;
};

void wheel_init(struct wheel *wheel, uv_loop_t *loop, wheel_fn *fire);
void wheel_close(struct wheel *wheel);
/* In so many ms from now, never earlier; moves a timer that is set. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t in_ms);
void wheel_clear(struct wheel *wheel, struct wheel_timer *timer);

#endif
