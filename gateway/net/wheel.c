/* Deadlines of all connections on one clock. */
#include "gateway/net/wheel.h"

static void unlink_timer(struct wheel_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

/* Fires what is due in one slot. A timer that fires may set or clear any timer, so the slot is
 * emptied into a list of its own first; what is not due yet goes back. */
static void run_slot(struct wheel *wheel, struct wheel_timer *slot, uint64_t now)
{
    struct wheel_timer due;

    if (slot->next == slot) {
        return;
    }
    due = *slot;
    due.next->prev = &due;
    due.prev->next = &due;
    slot->prev = slot->next = slot;
    while (due.next != &due) {
        struct wheel_timer *timer = due.next;

        unlink_timer(timer);
        if (timer->due_ms > now) {
            timer->prev = slot->prev;
            timer->next = slot;
            slot->prev->next = timer;
            slot->prev = timer;
        } else {
            wheel->count--;
            wheel->fire(timer);
        }
    }
}

static void on_clock(uv_timer_t *clock)
{
    struct wheel *wheel = clock->data;
    uint64_t now = uv_now(clock->loop);
    uint64_t tick = now / WHEEL_TICK_MS;

    if (tick - wheel->turned_to > WHEEL_SLOTS) {
        wheel->turned_to =
            tick - WHEEL_SLOTS; /* after a long pause one full turn sees everything */
    }
    while (wheel->turned_to < tick) {
        wheel->turned_to++;
        run_slot(wheel, &wheel->slots[wheel->turned_to % WHEEL_SLOTS], now);
    }
    if (wheel->count == 0) {
        uv_timer_stop(clock);
    }
}

void wheel_init(struct wheel *wheel, uv_loop_t *loop, wheel_fn *fire)
{
    for (int i = 0; i < WHEEL_SLOTS; i++) {
        wheel->slots[i].prev = wheel->slots[i].next = &wheel->slots[i];
    }
    wheel->fire = fire;
    wheel->count = 0;
    uv_timer_init(loop, &wheel->clock);
    wheel->clock.data = wheel;
}

void wheel_close(struct wheel *wheel)
{
    uv_close((uv_handle_t *)&wheel->clock, NULL);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t in_ms)
{
    uint64_t now = uv_now(wheel->clock.loop);
    struct wheel_timer *slot;

    wheel_clear(wheel, timer);
    if (wheel->count++ == 0) {
        wheel->turned_to = now / WHEEL_TICK_MS;
        uv_timer_start(&wheel->clock, on_clock, WHEEL_TICK_MS, WHEEL_TICK_MS);
    }
    timer->due_ms = now + in_ms;
    /* The slot is run when its tick has begun, so the due time is rounded up to the next one.
     */
    slot = &wheel->slots[(timer->due_ms / WHEEL_TICK_MS + 1) % WHEEL_SLOTS];
    timer->prev = slot->prev;
    timer->next = slot;
    slot->prev->next = timer;
    slot->prev = timer;
}

void wheel_clear(struct wheel *wheel, struct wheel_timer *timer)
{
    if (timer->next != NULL) {
        unlink_timer(timer);
        wheel->count--;
    }
}
