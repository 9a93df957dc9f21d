/* The hub: channels come and go with their listeners, in step with what Redis confirms. */
#include "test/unit/hub_stage.h"

/* ---- the life of a channel ---- */

static void the_first_listener_asks_and_hears_when_the_channel_is_live(void **state)
{
    struct stage *stage = *state;

    assert_false(join(stage, 0, "a"));
    assert_wishes(stage, "+a");
    assert_int_equal(stage->channels, 1);
    assert_int_equal(stage->listeners[0].ready, 0);
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[0].ready, 1);
    assert_wishes(stage, "");
}

static void listeners_that_wait_together_are_ready_together(void **state)
{
    struct stage *stage = *state;

    assert_false(join(stage, 0, "a"));
    assert_false(join(stage, 1, "a"));
    assert_wishes(stage, "+a");
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[0].ready, 1);
    assert_int_equal(stage->listeners[1].ready, 1);
    assert_int_equal(stage->channels, 1);
}

static void a_live_channel_takes_listeners_at_once(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    assert_wishes(stage, "+a");
    assert_true(join(stage, 1, "a"));
    assert_wishes(stage, "");
    assert_int_equal(stage->listeners[1].ready, 0);
}

static void the_last_one_to_leave_ends_the_channel(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "a");
    confirm(stage, "a", true);
    assert_wishes(stage, "+a");
    leave(stage, 0);
    assert_wishes(stage, "");
    leave(stage, 1);
    assert_wishes(stage, "-a");
    assert_int_equal(stage->channels, 1);
    confirm(stage, "a", false);
    assert_int_equal(stage->channels, 0);
    assert_wishes(stage, "");
}

static void leaving_twice_is_harmless(void **state)
{
    struct stage *stage = *state;

    leave(stage, 0);
    join(stage, 0, "a");
    confirm(stage, "a", true);
    leave(stage, 0);
    leave(stage, 0);
    assert_wishes(stage, "+a -a");
}

static void leaving_before_the_confirmation_asks_back_after_it(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    leave(stage, 0);
    assert_wishes(stage, "+a");
    confirm(stage, "a", true);
    assert_wishes(stage, "-a");
    assert_int_equal(stage->listeners[0].ready, 0);
    confirm(stage, "a", false);
    assert_int_equal(stage->channels, 0);
}

static void leaving_and_joining_before_the_confirmation_is_one_wish(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    leave(stage, 0);
    assert_false(join(stage, 1, "a"));
    assert_wishes(stage, "+a");
    confirm(stage, "a", true);
    assert_wishes(stage, "");
    assert_int_equal(stage->listeners[0].ready, 0);
    assert_int_equal(stage->listeners[1].ready, 1);
}

static void joining_while_the_channel_leaves_waits_for_a_new_one(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    leave(stage, 0);
    assert_wishes(stage, "+a -a");
    assert_false(join(stage, 1, "a"));
    assert_wishes(stage, "");
    confirm(stage, "a", false);
    assert_wishes(stage, "+a");
    assert_int_equal(stage->listeners[1].ready, 0);
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[1].ready, 1);
    assert_int_equal(stage->channels, 1);
}

static void joining_and_leaving_while_the_channel_leaves_changes_nothing(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    leave(stage, 0);
    join(stage, 1, "a");
    leave(stage, 1);
    assert_wishes(stage, "+a -a");
    confirm(stage, "a", false);
    assert_int_equal(stage->channels, 0);
    assert_wishes(stage, "");
}

static void a_confirmation_of_an_unknown_or_settled_channel_is_ignored(void **state)
{
    struct stage *stage = *state;

    confirm(stage, "b", true);
    confirm(stage, "b", false);
    join(stage, 0, "a");
    confirm(stage, "a", false); /* nobody asked for that */
    assert_int_equal(stage->channels, 1);
    confirm(stage, "a", true);
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[0].ready, 1);
    assert_true(join(stage, 1, "a"));
    assert_wishes(stage, "+a");
}

static void channels_are_told_apart_by_every_byte(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "b");
    assert_int_equal(stage->channels, 2);
    assert_wishes(stage, "+a +b");
    confirm(stage, "a", true);
    confirm(stage, "b", true);
    publish(stage, "a");
    publish(stage, "");
    publish(stage, "aa");
    publish(stage, "A");
    assert_told(stage, 1, 0, 0, 0);
    publish(stage, "b");
    assert_told(stage, 1, 1, 0, 0);
}

/* ---- delivery ---- */

static void everybody_who_listens_gets_the_same_message(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "a");
    join(stage, 2, "a");
    confirm(stage, "a", true);
    publish(stage, "a");
    assert_told(stage, 1, 1, 1, 0);
    assert_ptr_equal(stage->listeners[0].last, stage->listeners[1].last);
    assert_int_equal(stage->listeners[0].last->refs, 3);
}

static void leave_self(struct listener *self)
{
    hub_leave(self->stage->hub, &self->sub);
}

static void last_subscriber_may_leave_while_being_delivered_to(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    stage->listeners[0].act = leave_self;
    publish(stage, "a");
    assert_told(stage, 1, 0, 0, 0);
    assert_wishes(stage, "+a -a");
    publish(stage, "a");
    assert_told(stage, 1, 0, 0, 0);
    confirm(stage, "a", false);
    assert_int_equal(stage->channels, 0);
}

static void everybody_may_leave_while_being_delivered_to(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < LISTENERS; i++) {
        join(stage, i, "a");
        stage->listeners[i].act = leave_self;
    }
    confirm(stage, "a", true); /* leaving when it is ready is as good */
    assert_wishes(stage, "+a -a");
    for (int i = 0; i < LISTENERS; i++) {
        assert_int_equal(stage->listeners[i].ready, 1);
    }
}

static void leave_all(struct listener *self)
{
    for (int i = 0; i < LISTENERS; i++) {
        hub_leave(self->stage->hub, &self->stage->listeners[i].sub);
    }
}

static void one_may_send_all_others_away(void **state)
{
    struct stage *stage = *state;

    for (int first = 0; first < LISTENERS; first++) {
        unsigned told = 0;

        for (int i = 0; i < LISTENERS; i++) {
            join(stage, i, "a");
            stage->listeners[i].told = 0;
            stage->listeners[i].act = i == first ? leave_all : NULL;
        }
        confirm(stage, "a", true);
        for (int i = 0; i < LISTENERS; i++) { /* who was gone heard of nothing */
            told += stage->listeners[i].ready;
            stage->listeners[i].ready = 0;
        }
        assert_in_range(told, 1, LISTENERS);
        confirm(stage, "a", false);
        assert_int_equal(stage->channels, 0);
    }
}

static void leave_neighbours(struct listener *self)
{
    struct stage *stage = self->stage;
    long index = self - stage->listeners;

    if (index > 0) {
        leave(stage, (int)index - 1);
    }
    if (index < LISTENERS - 1) {
        leave(stage, (int)index + 1);
    }
}

static void another_may_leave_while_one_is_told(void **state)
{
    struct stage *stage = *state;

    for (int who = 0; who < LISTENERS; who++) {
        for (int i = 0; i < LISTENERS; i++) {
            leave(stage, i);
            stage->listeners[i].told = 0;
            stage->listeners[i].act = NULL;
        }
        confirm(stage, "a", false);
        for (int i = 0; i < LISTENERS; i++) {
            join(stage, i, "a");
        }
        confirm(stage, "a", true);
        stage->listeners[who].act = leave_neighbours;
        publish(stage, "a");
        for (int i = 0; i < LISTENERS; i++) {
            bool gone = i == who - 1 || i == who + 1;

            /* a neighbour may have been told before; everybody else was told once */
            assert_in_range(stage->listeners[i].told, gone ? 0 : 1, 1);
            assert_int_equal(stage->listeners[i].sub.channel == NULL, gone);
        }
    }
}

static void join_last(struct listener *self)
{
    struct hub_sub *sub = &self->stage->listeners[LISTENERS - 1].sub;

    if (sub->channel == NULL) {
        assert_true(hub_join(self->stage->hub, sub, &listener, STR("a")));
    }
}

static void who_joins_meanwhile_hears_only_the_next_message(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "a");
    confirm(stage, "a", true);
    stage->listeners[0].act = join_last;
    stage->listeners[1].act = join_last;
    publish(stage, "a");
    assert_told(stage, 1, 1, 0, 0);
    publish(stage, "a");
    assert_told(stage, 2, 2, 0, 1);
}

static void rejoin(struct listener *self)
{
    hub_leave(self->stage->hub, &self->sub);
    hub_join(self->stage->hub, &self->sub, &listener, STR("a"));
}

static void leaving_and_coming_back_does_not_loop(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < LISTENERS; i++) {
        join(stage, i, "a");
    }
    confirm(stage, "a", true);
    for (int i = 0; i < LISTENERS; i++) {
        stage->listeners[i].act = rejoin;
    }
    publish(stage, "a");
    assert_told(stage, 1, 1, 1, 1);
}

static void move_to_b(struct listener *self)
{
    hub_leave(self->stage->hub, &self->sub);
    hub_join(self->stage->hub, &self->sub, &listener, STR("b"));
}

static void one_may_move_to_another_channel_while_being_told(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < LISTENERS; i++) {
        join(stage, i, "a");
        stage->listeners[i].act = move_to_b;
    }
    confirm(stage, "a", true);
    assert_wishes(stage, "+a +b -a");
    for (int i = 0; i < LISTENERS; i++) {
        assert_int_equal(stage->listeners[i].ready, 1);
        stage->listeners[i].act = NULL;
    }
    confirm(stage, "b", true);
    publish(stage, "a");
    assert_told(stage, 0, 0, 0, 0);
    publish(stage, "b");
    assert_told(stage, 1, 1, 1, 1);
}

/* ---- all of it at once ---- */

static void any_order_of_joining_and_leaving_ends_with_nothing(void **state)
{
    struct stage *stage = *state;
    uint32_t seed = 1;
    bool watched[2] = {false, false}; /* what Redis would say of "a" and "b" */
    static const char *const names[] = {"a", "b"};

    for (int step = 0; step < 200000; step++) {
        unsigned what, who, channel;

        seed = seed * 1664525 + 1013904223;
        what = seed >> 28;
        who = (seed >> 20) % LISTENERS;
        channel = (seed >> 24) % 2;
        if (what < 5 && stage->listeners[who].sub.channel == NULL) {
            bool live = join(stage, (int)who, names[channel]);

            assert_true(!live || watched[channel]);
        } else if (what < 10) {
            leave(stage, (int)who);
        } else if (what == 10) {
            publish(stage, names[channel]);
        } else if (what == 11 && seed % 50 == 0) {
            lose(stage, '*');
            stage->wish_count = 0;
            watched[0] = watched[1] = false;
            restore(stage);
        } else if (stage->wish_count > 0) { /* Redis answers in order */
            const char *wish = stage->wishes[0];
            bool on = wish[0] == '+';
            char name[2] = {wish[1], '\0'};

            assert_int_not_equal(watched[name[0] - 'a'], on); /* one wish under way */
            watched[name[0] - 'a'] = on;
            memmove(stage->wishes, stage->wishes + 1,
                    --stage->wish_count * sizeof(stage->wishes[0]));
            confirm(stage, name, on);
        }
        assert_in_range(stage->wish_count, 0, 2);
    }
    for (int i = 0; i < LISTENERS; i++) {
        leave(stage, i);
    }
    while (stage->wish_count > 0) {
        char name[2] = {stage->wishes[0][1], '\0'};
        bool on = stage->wishes[0][0] == '+';

        memmove(stage->wishes, stage->wishes + 1,
                --stage->wish_count * sizeof(stage->wishes[0]));
        confirm(stage, name, on);
    }
    assert_int_equal(stage->channels, 0);
}

static void no_hub_is_harmless_to_destroy(void **state)
{
    (void)state;
    hub_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_listener_asks_and_hears_when_the_channel_is_live),
        TEST(listeners_that_wait_together_are_ready_together),
        TEST(a_live_channel_takes_listeners_at_once),
        TEST(the_last_one_to_leave_ends_the_channel),
        TEST(leaving_twice_is_harmless),
        TEST(leaving_before_the_confirmation_asks_back_after_it),
        TEST(leaving_and_joining_before_the_confirmation_is_one_wish),
        TEST(joining_while_the_channel_leaves_waits_for_a_new_one),
        TEST(joining_and_leaving_while_the_channel_leaves_changes_nothing),
        TEST(a_confirmation_of_an_unknown_or_settled_channel_is_ignored),
        TEST(channels_are_told_apart_by_every_byte),
        TEST(everybody_who_listens_gets_the_same_message),
        TEST(last_subscriber_may_leave_while_being_delivered_to),
        TEST(everybody_may_leave_while_being_delivered_to),
        TEST(one_may_send_all_others_away),
        TEST(another_may_leave_while_one_is_told),
        TEST(who_joins_meanwhile_hears_only_the_next_message),
        TEST(leaving_and_coming_back_does_not_loop),
        TEST(one_may_move_to_another_channel_while_being_told),
        TEST(any_order_of_joining_and_leaving_ends_with_nothing),
        cmocka_unit_test(no_hub_is_harmless_to_destroy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
