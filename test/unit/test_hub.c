/* The hub: channels come and go with their listeners, in step with what Redis confirms. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/hub/hub.h"

enum {
    WISHES_MAX = 64,
    LISTENERS = 4
};

/* A hub with Redis played by the test: what it is asked for stands in `wishes`, "+name" or
 * "-name". */
struct stage {
    struct hub *hub;
    uint64_t channels;
    char wishes[WISHES_MAX][16];
    size_t wish_count;
    char away; /* the letter of the channels whose Redis is away; '*' = all */
    struct listener {
        struct hub_sub sub; /* first */
        struct stage *stage;
        unsigned ready, told;
        struct msg *last; /* owned */
        void (*act)(
            struct listener *self); /* what it does when told or ready; NULL = nothing */
    } listeners[LISTENERS];
};

static void note(struct stage *stage, char mark, struct str channel)
{
    assert_true(stage->wish_count < WISHES_MAX);
    snprintf(stage->wishes[stage->wish_count++], sizeof(stage->wishes[0]), "%c%.*s", mark,
             STR_ARG(channel));
}

static bool is_away(void *owner, struct str channel)
{
    struct stage *stage = owner;

    return stage->away == '*' || stage->away == channel.at[0];
}

static bool on_watch(void *owner, struct str channel)
{
    if (is_away(owner, channel)) {
        return false;
    }
    note(owner, '+', channel);
    return true;
}

static void on_unwatch(void *owner, struct str channel)
{
    note(owner, '-', channel);
}

static const struct hub_events events = {on_watch, on_unwatch, NULL};

/* The Redis that has the channels which begin with that letter goes away; '*': all. */
static void lose(struct stage *stage, char letter)
{
    stage->away = letter;
    hub_lost(stage->hub, is_away);
}

static void restore(struct stage *stage)
{
    stage->away = '\0';
    hub_restore(stage->hub);
}

static void on_ready(struct hub_sub *sub)
{
    struct listener *self = (struct listener *)sub;

    assert_non_null(sub->channel); /* who left is told nothing */
    self->ready++;
    if (self->act != NULL) {
        self->act(self);
    }
}

static void on_message(struct hub_sub *sub, struct msg *msg)
{
    struct listener *self = (struct listener *)sub;

    assert_non_null(sub->channel);
    self->told++;
    msg_unref(self->last);
    self->last = msg_ref(msg);
    if (self->act != NULL) {
        self->act(self);
    }
}

static const struct hub_listener listener = {on_ready, on_message};

/* The next wish that the test did not look at yet; "" = none. */
static void assert_wishes(struct stage *stage, const char *expected)
{
    char all[WISHES_MAX * 16] = "";
    size_t len = 0;

    for (size_t i = 0; i < stage->wish_count; i++) {
        len += (size_t)snprintf(all + len, sizeof(all) - len, i > 0 ? " %s" : "%s",
                                stage->wishes[i]);
        assert_true(len < sizeof(all));
    }
    stage->wish_count = 0;
    assert_string_equal(all, expected);
}

static int setup(void **state)
{
    static struct stage stage;

    memset(&stage, 0, sizeof(stage));
    stage.hub = hub_create(&events, &stage, &stage.channels);
    for (int i = 0; i < LISTENERS; i++) {
        stage.listeners[i].stage = &stage;
    }
    *state = &stage;
    return 0;
}

/* Every test ends with nobody listening, no channel left and every wish fulfilled. */
static int teardown(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < LISTENERS; i++) {
        hub_leave(stage->hub, &stage->listeners[i].sub);
        msg_unref(stage->listeners[i].last);
    }
    for (int round = 0; round < 4 && stage->channels > 0; round++) {
        hub_changed(stage->hub, STR("a"), round % 2 == 0);
        hub_changed(stage->hub, STR("b"), round % 2 == 0);
    }
    hub_destroy(stage->hub);
    return stage->channels == 0 ? 0 : -1;
}

static bool join(struct stage *stage, int who, const char *channel)
{
    return hub_join(stage->hub, &stage->listeners[who].sub, &listener, str_of(channel));
}

static void leave(struct stage *stage, int who)
{
    hub_leave(stage->hub, &stage->listeners[who].sub);
}

static void confirm(struct stage *stage, const char *channel, bool watched)
{
    hub_changed(stage->hub, str_of(channel), watched);
}

static void publish(struct stage *stage, const char *channel)
{
    struct msg *msg = msg_text(STR("hello"));

    hub_publish(stage->hub, str_of(channel), msg);
    msg_unref(msg);
}

/* How often each listener was told so far. */
static void assert_told(const struct stage *stage, unsigned a, unsigned b, unsigned c,
                        unsigned d)
{
    const unsigned expected[LISTENERS] = {a, b, c, d};

    for (int i = 0; i < LISTENERS; i++) {
        assert_int_equal(stage->listeners[i].told, expected[i]);
    }
}

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

/* ---- Redis goes and comes back ---- */

static void nothing_is_asked_before_redis_is_there(void **state)
{
    struct stage *stage = *state;

    lose(stage, '*');
    assert_false(join(stage, 0, "a"));
    assert_false(join(stage, 1, "b"));
    leave(stage, 1);
    assert_int_equal(stage->channels, 1);
    assert_wishes(stage, "");
    restore(stage);
    assert_wishes(stage, "+a");
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[0].ready, 1);
    assert_int_equal(stage->listeners[1].ready, 0);
}

static void every_channel_is_asked_for_again_and_ready_comes_again(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "b");
    confirm(stage, "a", true);
    assert_wishes(stage, "+a +b");
    lose(stage, '*');
    assert_false(join(stage, 2, "a")); /* no channel is live */
    assert_wishes(stage, "");
    restore(stage);
    assert_wishes(stage, "+a +b");
    confirm(stage, "a", true);
    confirm(stage, "b", true);
    assert_int_equal(stage->listeners[0].ready, 2);
    assert_int_equal(stage->listeners[1].ready, 1);
    assert_int_equal(stage->listeners[2].ready, 1);
}

static void a_channel_on_its_way_out_dies_with_the_connection(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    leave(stage, 0);
    join(stage, 1, "b");
    leave(stage, 1);
    assert_int_equal(stage->channels, 2);
    lose(stage, '*');
    assert_int_equal(stage->channels, 0);
    assert_wishes(stage, "+a -a +b");
    restore(stage);
    assert_wishes(stage, "");
}

static void who_leaves_while_redis_is_away_leaves_nothing_behind(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "a");
    confirm(stage, "a", true);
    lose(stage, '*');
    leave(stage, 0);
    assert_int_equal(stage->channels, 1);
    leave(stage, 1);
    assert_int_equal(stage->channels, 0);
    restore(stage);
    assert_wishes(stage, "+a");
}

static void a_channel_left_while_leaving_and_joined_again_survives_a_loss(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    leave(stage, 0);
    join(stage, 1, "a");
    lose(stage, '*');
    restore(stage);
    assert_wishes(stage, "+a -a +a");
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[1].ready, 1);
}

static void losing_twice_is_as_losing_once(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    lose(stage, '*');
    lose(stage, '*');
    restore(stage);
    assert_wishes(stage, "+a +a");
}

static void only_the_channels_of_the_redis_that_is_away_are_lost(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    join(stage, 1, "b");
    confirm(stage, "a", true);
    confirm(stage, "b", true);
    lose(stage, 'a');
    assert_false(hub_is_live(&stage->listeners[0].sub));
    assert_true(hub_is_away(&stage->listeners[0].sub));
    assert_true(hub_is_live(&stage->listeners[1].sub));
    assert_false(hub_is_away(&stage->listeners[1].sub));
    hub_restore(stage->hub); /* another one is back */
    assert_wishes(stage, "+a +b");
    restore(stage);
    assert_wishes(stage, "+a");
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[0].ready, 2);
    assert_int_equal(stage->listeners[1].ready, 1);
}

static void a_channel_that_is_ended_from_outside_is_asked_for_again(void **state)
{
    struct stage *stage = *state;

    join(stage, 0, "a");
    confirm(stage, "a", true);
    confirm(stage, "a", false); /* its slot is another one's */
    assert_false(hub_is_live(&stage->listeners[0].sub));
    assert_wishes(stage, "+a +a");
    confirm(stage, "a", true);
    assert_int_equal(stage->listeners[0].ready, 2);
    stage->away = '*'; /* and now nobody has it yet */
    confirm(stage, "a", false);
    assert_wishes(stage, "");
    assert_true(hub_is_away(&stage->listeners[0].sub));
    restore(stage);
    assert_wishes(stage, "+a");
    confirm(stage, "a", true);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(nothing_is_asked_before_redis_is_there),
        TEST(every_channel_is_asked_for_again_and_ready_comes_again),
        TEST(a_channel_on_its_way_out_dies_with_the_connection),
        TEST(who_leaves_while_redis_is_away_leaves_nothing_behind),
        TEST(a_channel_left_while_leaving_and_joined_again_survives_a_loss),
        TEST(losing_twice_is_as_losing_once),
        TEST(only_the_channels_of_the_redis_that_is_away_are_lost),
        TEST(a_channel_that_is_ended_from_outside_is_asked_for_again),
        TEST(any_order_of_joining_and_leaving_ends_with_nothing),
        cmocka_unit_test(no_hub_is_harmless_to_destroy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
