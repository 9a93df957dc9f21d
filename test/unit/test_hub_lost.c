/* The hub when Redis goes and comes back: every channel that somebody listens to is asked for
 * again. */
#include "test/unit/hub_stage.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_asked_before_redis_is_there),
        TEST(every_channel_is_asked_for_again_and_ready_comes_again),
        TEST(a_channel_on_its_way_out_dies_with_the_connection),
        TEST(who_leaves_while_redis_is_away_leaves_nothing_behind),
        TEST(a_channel_left_while_leaving_and_joined_again_survives_a_loss),
        TEST(losing_twice_is_as_losing_once),
        TEST(only_the_channels_of_the_redis_that_is_away_are_lost),
        TEST(a_channel_that_is_ended_from_outside_is_asked_for_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
