/* The wheel: never early, hardly late, however far; and calm when nothing is set. */
#include "test/unit/unit.h"

#include <string.h>

#include "gateway/net/wheel.h"
#include "test/unit/fake_clock.h"

enum {
    LATE_MAX_MS = 2 * WHEEL_TICK_MS,
    TURN_MS = WHEEL_SLOTS * WHEEL_TICK_MS,
    CROWD = 500
};

/* A timer that knows when it was due and how often it fired. */
struct alarm {
    struct wheel_timer timer; /* first */
    uint64_t due_ms;          /* 0 = not set */
    unsigned fired;
    void (*act)(struct alarm *self); /* what it does when it fires; NULL = nothing */
};

static struct stage {
    uv_loop_t loop;
    struct wheel wheel;
    struct alarm alarms[CROWD];
    unsigned fired; /* all together */
} stage;

static void set(struct alarm *alarm, uint64_t in_ms)
{
    alarm->due_ms = uv_now(&stage.loop) + in_ms;
    wheel_set(&stage.wheel, &alarm->timer, in_ms);
}

static void clear(struct alarm *alarm)
{
    alarm->due_ms = 0;
    wheel_clear(&stage.wheel, &alarm->timer);
}

static void on_fire(struct wheel_timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;

    assert_int_not_equal(alarm->due_ms, 0); /* set, and not cleared since */
    assert_in_range(uv_now(&stage.loop), alarm->due_ms, UINT64_MAX);
    alarm->due_ms = 0;
    alarm->fired++;
    stage.fired++;
    if (alarm->act != NULL) {
        alarm->act(alarm);
    }
}

/* Time passes, and nobody may be overdue after any step. */
static void pass(uint64_t ms)
{
    while (ms-- > 0) {
        fake_pass(&stage.loop, 1, 1);
        for (int i = 0; i < CROWD; i++) {
            if (stage.alarms[i].due_ms != 0) {
                assert_in_range(uv_now(&stage.loop), 0, stage.alarms[i].due_ms + LATE_MAX_MS);
            }
        }
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    uv_loop_init(&stage.loop);
    wheel_init(&stage.wheel, &stage.loop, on_fire);
    return 0;
}

/* Every test ends by proving that the loop closes. */
static int teardown(void **state)
{
    (void)state;
    wheel_close(&stage.wheel);
    uv_run(&stage.loop, UV_RUN_NOWAIT);
    return uv_loop_close(&stage.loop);
}

static void a_timer_fires_once_and_never_early(void **state)
{
    static const uint64_t spans[] = {0,  1,   19,  20,   21,    39,    40,
                                     41, 100, 999, 1000, 10000, 20000, TURN_MS - 21};

    (void)state;
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        for (int phase = 0; phase < WHEEL_TICK_MS; phase += 7) {
            unsigned before = stage.alarms[0].fired;

            fake_pass(&stage.loop, 7, 7);
            set(&stage.alarms[0], spans[i]);
            pass(spans[i] + LATE_MAX_MS);
            assert_int_equal(stage.alarms[0].fired, before + 1);
        }
    }
    pass(TURN_MS);
    assert_int_equal(stage.fired, 3 * sizeof(spans) / sizeof(spans[0]));
}

static void a_far_deadline_waits_for_its_turn_of_the_wheel(void **state)
{
    static const uint64_t spans[] = {TURN_MS - 20, TURN_MS - 1,  TURN_MS, TURN_MS + 1,
                                     TURN_MS + 20, TURN_MS + 21, 45000,   10 * TURN_MS + 3};

    (void)state;
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        set(&stage.alarms[i], spans[i]);
    }
    pass(10 * TURN_MS + 3 + LATE_MAX_MS);
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        assert_int_equal(stage.alarms[i].fired, 1);
    }
}

static void a_crowd_fires_each_in_its_time(void **state)
{
    uint32_t seed = 7;

    (void)state;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < CROWD; i++) {
            seed = seed * 1664525 + 1013904223;
            set(&stage.alarms[i], (seed >> 8) % (3 * TURN_MS / 2));
            if (i % 50 == 0) {
                fake_pass(&stage.loop, 3, 3);
            }
        }
        pass(5000); /* and set anew before all of them fired */
    }
    pass(2 * TURN_MS);
    for (int i = 0; i < CROWD; i++) {
        assert_in_range(stage.alarms[i].fired, 1, 4);
        assert_int_equal(stage.alarms[i].due_ms, 0);
    }
    assert_int_equal(stage.wheel.count, 0);
}

static void setting_a_timer_again_moves_it(void **state)
{
    (void)state;
    set(&stage.alarms[0], 100);
    pass(90);
    set(&stage.alarms[0], 100);
    assert_int_equal(stage.wheel.count, 1);
    pass(99);
    assert_int_equal(stage.fired, 0);
    set(&stage.alarms[0], 0); /* also to an earlier time */
    pass(LATE_MAX_MS);
    assert_int_equal(stage.fired, 1);
    pass(200);
    assert_int_equal(stage.fired, 1);
}

static void a_cleared_timer_does_not_fire(void **state)
{
    (void)state;
    clear(&stage.alarms[0]); /* never set: harmless */
    set(&stage.alarms[0], 50);
    set(&stage.alarms[1], 50);
    clear(&stage.alarms[0]);
    clear(&stage.alarms[0]);
    assert_int_equal(stage.wheel.count, 1);
    pass(200);
    assert_int_equal(stage.alarms[0].fired, 0);
    assert_int_equal(stage.alarms[1].fired, 1);
}

static void set_again(struct alarm *self)
{
    if (self->fired < 100) {
        set(self, 0);
    }
}

static void a_timer_may_set_itself_while_it_fires(void **state)
{
    (void)state;
    stage.alarms[0].act = set_again;
    set(&stage.alarms[0], 0);
    pass(LATE_MAX_MS);
    assert_in_range(stage.fired, 1,
                    2); /* at once means in the next tick, not forever in this */
    pass(100 * LATE_MAX_MS);
    assert_int_equal(stage.fired, 100);
    assert_int_equal(stage.wheel.count, 0);
}

static void clear_all_others(struct alarm *self)
{
    for (int i = 0; i < CROWD; i++) {
        if (&stage.alarms[i] != self) {
            clear(&stage.alarms[i]);
        }
    }
}

static void a_timer_may_clear_others_that_are_due_with_it(void **state)
{
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        stage.alarms[i].act = clear_all_others;
        set(&stage.alarms[i], 100);
    }
    pass(200);
    assert_int_equal(stage.fired, 1);
    assert_int_equal(stage.wheel.count, 0);
}

static void postpone_all_others(struct alarm *self)
{
    for (int i = 0; i < CROWD; i++) {
        if (&stage.alarms[i] != self && stage.alarms[i].due_ms != 0) {
            set(&stage.alarms[i], TURN_MS); /* lands in the slot that is being run */
        }
    }
    self->act = NULL;
}

static void a_timer_may_move_others_that_are_due_with_it(void **state)
{
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        set(&stage.alarms[i], 100);
    }
    stage.alarms[0].act = postpone_all_others;
    pass(200);
    assert_int_equal(stage.fired, 1);
    pass(TURN_MS);
    assert_int_equal(stage.fired, CROWD);
}

static void set_first_two(struct alarm *self)
{
    (void)self;
    set(&stage.alarms[0], 0);
    set(&stage.alarms[1], 30);
}

static void a_timer_may_set_others_while_it_fires(void **state)
{
    (void)state;
    stage.alarms[2].act = set_first_two;
    set(&stage.alarms[2], 10);
    pass(200);
    assert_int_equal(stage.alarms[0].fired, 1);
    assert_int_equal(stage.alarms[1].fired, 1);
}

/* The process was stopped, or the machine slept. */
static void after_a_long_pause_all_that_is_due_fires_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        set(&stage.alarms[i], (uint64_t)i * 100);
    }
    set(&stage.alarms[0], 4 * 3600 * 1000); /* not yet */
    fake_pass(&stage.loop, 3600 * 1000, 3600 * 1000);
    assert_int_equal(stage.fired, CROWD - 1);
    assert_int_equal(stage.alarms[0].fired, 0);
    for (int hour = 0; hour < 3; hour++) {
        fake_pass(&stage.loop, 3600 * 1000, 3600 * 1000);
    }
    fake_pass(&stage.loop, LATE_MAX_MS, 1);
    assert_int_equal(stage.fired, CROWD);
}

static void a_pause_of_any_length_forgets_nobody(void **state)
{
    (void)state;
    for (uint64_t pause = 1; pause < 3 * TURN_MS; pause = pause * 3 / 2 + 1) {
        unsigned before = stage.fired;

        for (int i = 0; i < CROWD; i++) {
            set(&stage.alarms[i], (uint64_t)i * 97 % TURN_MS);
        }
        fake_pass(&stage.loop, pause, pause);
        pass(2); /* the clock itself may be a tick away */
        fake_pass(&stage.loop, TURN_MS + LATE_MAX_MS, WHEEL_TICK_MS);
        assert_int_equal(stage.fired, before + CROWD);
    }
}

static void nothing_set_leaves_the_loop_idle(void **state)
{
    (void)state;
    assert_false(uv_loop_alive(&stage.loop));
    set(&stage.alarms[0], 10);
    assert_true(uv_loop_alive(&stage.loop));
    pass(LATE_MAX_MS);
    assert_int_equal(stage.fired, 1);
    assert_false(uv_loop_alive(&stage.loop));
    set(&stage.alarms[0], 10);
    clear(&stage.alarms[0]);
    pass(LATE_MAX_MS);
    assert_false(uv_loop_alive(&stage.loop));
    fake_pass(&stage.loop, 5 * TURN_MS, 5 * TURN_MS); /* long idle, then as precise as ever */
    set(&stage.alarms[0], 50);
    pass(50 + LATE_MAX_MS);
    assert_int_equal(stage.fired, 2);
}

static void a_wheel_may_be_closed_while_timers_are_set(void **state)
{
    (void)state;
    set(&stage.alarms[0], 10);
    set(&stage.alarms[1], 10000); /* teardown closes the wheel and then the loop */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_and_never_early),
        TEST(a_far_deadline_waits_for_its_turn_of_the_wheel),
        TEST(a_crowd_fires_each_in_its_time),
        TEST(setting_a_timer_again_moves_it),
        TEST(a_cleared_timer_does_not_fire),
        TEST(a_timer_may_set_itself_while_it_fires),
        TEST(a_timer_may_clear_others_that_are_due_with_it),
        TEST(a_timer_may_move_others_that_are_due_with_it),
        TEST(a_timer_may_set_others_while_it_fires),
        TEST(after_a_long_pause_all_that_is_due_fires_at_once),
        TEST(a_pause_of_any_length_forgets_nobody),
        TEST(nothing_set_leaves_the_loop_idle),
        TEST(a_wheel_may_be_closed_while_timers_are_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
