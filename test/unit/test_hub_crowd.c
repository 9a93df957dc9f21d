/* A crowd on one channel: told in slices, in order, whoever comes and goes meanwhile. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/mem.h"
#include "gateway/hub/hub.h"

enum {
    CROWD = 3 * HUB_SLICE + 17,
    HEARD_MAX = 256
};

/* Messages are numbered; a listener notes the numbers that it hears. */
struct stage {
    struct hub *hub;
    uint64_t channels;
    uint64_t told;   /* messages that everybody has heard */
    uint64_t calls;  /* of all listeners */
    unsigned number; /* of the newest message */
    bool away;       /* Redis is */
    struct listener {
        struct hub_sub sub; /* first */
        struct stage *stage;
        unsigned heard[HEARD_MAX], count;
        void (*act)(struct listener *self);
    } * listeners;
};

static bool on_watch(void *owner, struct str channel)
{
    struct stage *stage = owner;

    (void)channel;
    return !stage->away;
}

static void on_unwatch(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
}

static bool any(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
    return true;
}

static void lose(struct stage *stage)
{
    stage->away = true;
    hub_lost(stage->hub, any);
}

static void restore(struct stage *stage)
{
    stage->away = false;
    hub_restore(stage->hub);
}

static void on_told(void *owner, struct msg *msg)
{
    struct stage *stage = owner;

    assert_true(msg->refs > 0);
    stage->told++;
}

static const struct hub_events events = {on_watch, on_unwatch, on_told};

static void on_ready(struct hub_sub *sub)
{
    (void)sub;
}

static void on_message(struct hub_sub *sub, struct msg *msg)
{
    struct listener *self = (struct listener *)sub;

    assert_non_null(sub->channel); /* who left is told nothing */
    assert_true(self->count < HEARD_MAX);
    self->heard[self->count++] = (unsigned)msg->seq;
    self->stage->calls++;
    if (self->act != NULL) {
        self->act(self);
    }
}

static const struct hub_listener listener = {on_ready, on_message};

static struct listener *at(struct stage *stage, size_t index)
{
    return &stage->listeners[index];
}

static void join(struct stage *stage, size_t index, const char *channel)
{
    hub_join(stage->hub, &at(stage, index)->sub, &listener, str_of(channel));
}

static void leave(struct stage *stage, size_t index)
{
    hub_leave(stage->hub, &at(stage, index)->sub);
}

static void publish(struct stage *stage, const char *channel)
{
    struct msg *msg = msg_text(STR("hello"));

    msg->seq = ++stage->number;
    hub_publish(stage->hub, str_of(channel), msg);
    msg_unref(msg);
}

static unsigned turns(struct stage *stage)
{
    unsigned count = 1;

    while (hub_turn(stage->hub)) {
        count++;
    }
    return count;
}

static int setup(void **state)
{
    struct stage *stage = mem_zero(sizeof(*stage));

    stage->hub = hub_create(&events, stage, &stage->channels);
    stage->listeners = mem_zero(CROWD * sizeof(stage->listeners[0]));
    for (size_t i = 0; i < CROWD; i++) {
        at(stage, i)->stage = stage;
        join(stage, i, "a");
    }
    hub_changed(stage->hub, STR("a"), true);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    for (size_t i = 0; i < CROWD; i++) {
        leave(stage, i);
    }
    assert_false(hub_turn(stage->hub)); /* nobody waits for those who are gone */
    hub_changed(stage->hub, STR("a"), false);
    hub_changed(stage->hub, STR("b"), true);
    hub_changed(stage->hub, STR("b"), false);
    assert_int_equal(stage->channels, 0);
    hub_destroy(stage->hub);
    mem_free(stage->listeners);
    mem_free(stage);
    return 0;
}

/* Everybody in the range heard exactly these numbers, in this order. */
static void assert_heard(struct stage *stage, size_t from, size_t to, unsigned first,
                         unsigned last)
{
    for (size_t i = from; i < to; i++) {
        assert_int_equal(at(stage, i)->count, last + 1 - first);
        for (unsigned k = 0; k < at(stage, i)->count; k++) {
            assert_int_equal(at(stage, i)->heard[k], first + k);
        }
    }
}

static void a_crowd_is_told_a_slice_at_a_time(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    assert_int_equal(stage->calls, 0);
    for (unsigned turn = 1; turn <= 3; turn++) {
        assert_true(hub_turn(stage->hub));
        assert_int_equal(stage->calls, turn * HUB_SLICE);
        assert_int_equal(stage->told, 0);
    }
    assert_false(hub_turn(stage->hub));
    assert_heard(stage, 0, CROWD, 1, 1);
    assert_int_equal(stage->told, 1);
    assert_false(hub_turn(stage->hub));
    assert_int_equal(stage->calls, CROWD);
}

static void a_few_are_told_at_once(void **state)
{
    struct stage *stage = *state;

    for (size_t i = HUB_SLICE; i < CROWD; i++) {
        leave(stage, i);
    }
    publish(stage, "a");
    assert_heard(stage, 0, HUB_SLICE, 1, 1);
    assert_int_equal(stage->told, 1);
    assert_false(hub_turn(stage->hub));
}

static void messages_that_wait_together_are_told_together(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < 10; i++) {
        publish(stage, "a");
    }
    assert_true(hub_turn(stage->hub));
    assert_int_equal(stage->calls, 10 * HUB_SLICE);
    assert_int_equal(turns(stage), 3);
    assert_heard(stage, 0, CROWD, 1, 10);
    assert_int_equal(stage->told, 10);
}

static void what_comes_meanwhile_waits_for_its_turn(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    hub_turn(stage->hub);
    publish(stage, "a");
    hub_turn(stage->hub);
    publish(stage, "a");
    turns(stage);
    assert_heard(stage, 0, CROWD, 1, 3);
    assert_int_equal(stage->told, 3);
}

static void a_crowd_that_shrinks_keeps_its_order(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    for (size_t i = 5; i < CROWD; i++) {
        leave(stage, i);
    }
    publish(stage, "a"); /* there are few now, but the first message is still to come */
    assert_int_equal(stage->calls, 0);
    turns(stage);
    assert_heard(stage, 0, 5, 1, 2);
    publish(stage, "a");
    assert_heard(stage, 0, 5, 1, 3);
}

static void who_joins_during_the_walk_hears_the_next_one(void **state)
{
    struct stage *stage = *state;

    leave(stage, 0);
    leave(stage, CROWD - 1);
    publish(stage, "a");
    hub_turn(stage->hub);
    join(stage, 0, "a");
    publish(stage, "a");
    join(stage, CROWD - 1, "a");
    turns(stage);
    assert_heard(stage, 0, 1, 2, 2);
    assert_heard(stage, 1, CROWD - 1, 1, 2);
}

static void nobody_who_leaves_during_the_walk_hears_more(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    hub_turn(stage->hub);
    for (size_t i = 0; i < CROWD; i += 2) {
        leave(stage, i);
        at(stage, i)->act = NULL;
    }
    stage->calls = 0;
    turns(stage);
    for (size_t i = 0; i < CROWD; i++) {
        assert_in_range(at(stage, i)->count, i % 2, 1);
    }
    publish(stage, "a");
    turns(stage);
    for (size_t i = 1; i < CROWD; i += 2) {
        assert_int_equal(at(stage, i)->count, 2);
    }
}

static void leave_self(struct listener *self)
{
    hub_leave(self->stage->hub, &self->sub);
}

static void who_leaves_at_a_message_hears_none_of_those_that_wait_behind_it(void **state)
{
    struct stage *stage = *state;

    for (size_t i = 0; i < CROWD; i++) {
        at(stage, i)->act = leave_self;
    }
    publish(stage, "a");
    publish(stage, "a");
    turns(stage);
    assert_heard(stage, 0, CROWD, 1, 1);
}

static void rejoin(struct listener *self)
{
    hub_leave(self->stage->hub, &self->sub);
    hub_join(self->stage->hub, &self->sub, &listener, STR("a"));
}

static void leaving_and_coming_back_does_not_loop(void **state)
{
    struct stage *stage = *state;

    for (size_t i = 0; i < CROWD; i++) {
        at(stage, i)->act = rejoin;
    }
    publish(stage, "a");
    assert_int_equal(turns(stage), 4);
    assert_heard(stage, 0, CROWD, 1, 1);
}

static void leave_neighbours(struct listener *self)
{
    size_t index = (size_t)(self - self->stage->listeners);

    for (size_t i = index > 2 ? index - 2 : 0; i < index + 3 && i < CROWD; i++) {
        if (i != index) {
            leave(self->stage, i);
        }
    }
}

static void neighbours_may_be_sent_away(void **state)
{
    struct stage *stage = *state;

    for (size_t i = 0; i < CROWD; i++) {
        at(stage, i)->act = leave_neighbours;
    }
    publish(stage, "a");
    turns(stage);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(at(stage, i)->count, at(stage, i)->sub.channel != NULL);
    }
}

static void a_walk_ends_when_everybody_is_gone(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    hub_turn(stage->hub);
    for (size_t i = 0; i < CROWD; i++) {
        leave(stage, i);
    }
    assert_false(hub_turn(stage->hub));
    assert_int_equal(stage->calls, HUB_SLICE);
}

static void a_walk_outlives_its_channel(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    hub_turn(stage->hub);
    lose(stage);
    for (size_t i = 0; i < CROWD; i++) {
        leave(stage, i);
    }
    assert_int_equal(stage->channels, 0);
    join(stage, 0, "a"); /* a new channel of the same name knows nothing of it */
    assert_false(hub_turn(stage->hub));
    restore(stage);
    hub_changed(stage->hub, STR("a"), true);
    at(stage, 0)->count = 0;
    publish(stage, "a");
    assert_heard(stage, 0, 1, 2, 2);
}

static void what_was_published_before_redis_was_lost_is_still_told(void **state)
{
    struct stage *stage = *state;

    publish(stage, "a");
    hub_turn(stage->hub);
    lose(stage);
    turns(stage);
    assert_heard(stage, 0, CROWD, 1, 1);
    restore(stage);
    hub_changed(stage->hub, STR("a"), true);
}

static void crowds_take_turns(void **state)
{
    struct stage *stage = *state;
    size_t half = CROWD / 2;

    for (size_t i = half; i < CROWD; i++) {
        leave(stage, i);
        join(stage, i, "b");
    }
    hub_changed(stage->hub, STR("b"), true);
    publish(stage, "a"); /* 1 */
    hub_turn(stage->hub);
    publish(stage, "a"); /* 2: waits behind b's */
    publish(stage, "b"); /* 3 */
    while (at(stage, half)->count == 0 || at(stage, CROWD - 1)->count == 0) {
        assert_int_equal(at(stage, 0)->count + at(stage, half - 1)->count <= 3, 1);
        assert_true(hub_turn(stage->hub));
    }
    turns(stage);
    assert_heard(stage, 0, half, 1, 2);
    assert_heard(stage, half, CROWD, 3, 3);
}

static void more_than_may_wait_is_told_without_a_pause(void **state)
{
    struct stage *stage = *state;

    for (unsigned i = 0; i < 3 * HUB_WAITING + 5; i++) {
        publish(stage, "a");
    }
    assert_int_equal(stage->told, 3 * HUB_WAITING); /* none was lost, none kept */
    turns(stage);
    assert_heard(stage, 0, CROWD, 1, 3 * HUB_WAITING + 5);
}

static void messages_are_framed_once_and_kept_no_longer_than_needed(void **state)
{
    struct stage *stage = *state;
    struct msg *msg = msg_text(STR("hello"));

    msg->seq = ++stage->number;
    hub_publish(stage->hub, STR("a"), msg);
    assert_int_equal(msg->refs, 2); /* one for the whole crowd */
    turns(stage);
    assert_int_equal(msg->refs, 1);
    msg_unref(msg);
}

static void a_hub_may_end_in_the_middle_of_a_walk(void **state)
{
    uint64_t channels = 0;
    struct stage other = {.hub = hub_create(&events, &other, &channels)};

    (void)state;
    other.listeners = mem_zero(CROWD * sizeof(other.listeners[0]));
    for (size_t i = 0; i < CROWD; i++) {
        other.listeners[i].stage = &other;
        join(&other, i, "a");
    }
    publish(&other, "a");
    publish(&other, "a");
    hub_turn(other.hub);
    hub_destroy(other.hub);
    mem_free(other.listeners);
}

static void any_coming_and_going_keeps_everybodys_order(void **state)
{
    struct stage *stage = *state;
    uint32_t seed = 7;

    for (int step = 0; step < 20000 && stage->number < HEARD_MAX - 1; step++) {
        size_t who;

        seed = seed * 1664525 + 1013904223;
        who = (seed >> 8) % CROWD;
        if (step % 100 == 99) {
            publish(stage, "a");
        } else if (step % 33 == 0) {
            hub_turn(stage->hub);
        } else if (at(stage, who)->sub.channel == NULL) {
            join(stage, who, "a");
        } else {
            leave(stage, who);
        }
    }
    turns(stage);
    for (size_t i = 0; i < CROWD; i++) {
        for (unsigned k = 1; k < at(stage, i)->count; k++) {
            assert_true(at(stage, i)->heard[k] > at(stage, i)->heard[k - 1]);
        }
    }
    assert_int_equal(stage->told, stage->number);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_crowd_is_told_a_slice_at_a_time),
        TEST(a_few_are_told_at_once),
        TEST(messages_that_wait_together_are_told_together),
        TEST(what_comes_meanwhile_waits_for_its_turn),
        TEST(a_crowd_that_shrinks_keeps_its_order),
        TEST(who_joins_during_the_walk_hears_the_next_one),
        TEST(nobody_who_leaves_during_the_walk_hears_more),
        TEST(who_leaves_at_a_message_hears_none_of_those_that_wait_behind_it),
        TEST(leaving_and_coming_back_does_not_loop),
        TEST(neighbours_may_be_sent_away),
        TEST(a_walk_ends_when_everybody_is_gone),
        TEST(a_walk_outlives_its_channel),
        TEST(what_was_published_before_redis_was_lost_is_still_told),
        TEST(crowds_take_turns),
        TEST(more_than_may_wait_is_told_without_a_pause),
        TEST(messages_are_framed_once_and_kept_no_longer_than_needed),
        cmocka_unit_test(a_hub_may_end_in_the_middle_of_a_walk),
        TEST(any_coming_and_going_keeps_everybodys_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
