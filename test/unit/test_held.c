/* Publications that wait: in their order, each with a reference, and never more than a bound.
 */
#include "test/unit/unit.h"

#include <stdio.h>

#include "gateway/hub/held.h"

static struct msg *numbered(unsigned number)
{
    char text[16];

    return msg_text(str_from(text, (size_t)snprintf(text, sizeof(text), "%u", number)));
}

static void what_waits_is_kept_in_its_order(void **state)
{
    struct held held = {NULL, 0, false};

    (void)state;
    for (unsigned i = 0; i < HELD_MAX; i++) {
        struct msg *msg = numbered(i);

        held_add(&held, msg);
        assert_int_equal(msg->refs, 2);
        msg_unref(msg);
    }
    assert_int_equal(held.count, HELD_MAX);
    assert_false(held.overtaken);
    for (unsigned i = 0; i < HELD_MAX; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%u", i);
        assert_str(msg_payload(held.msgs[i]), text);
    }
    held_clear(&held);
}

static void one_too_many_drops_all_that_came_before(void **state)
{
    struct held held = {NULL, 0, false};
    struct msg *first = numbered(0), *last = numbered(1);

    (void)state;
    for (unsigned i = 0; i < HELD_MAX; i++) {
        held_add(&held, first);
    }
    assert_int_equal(first->refs, HELD_MAX + 1);
    held_add(&held, last);
    assert_int_equal(first->refs, 1);
    assert_true(held.overtaken);
    assert_int_equal(held.count, 1);
    assert_ptr_equal(held.msgs[0], last);
    for (unsigned i = 0; i < 10 * HELD_MAX; i++) {
        held_add(&held, last);
        assert_in_range(held.count, 1, HELD_MAX);
        assert_true(held.overtaken); /* until somebody has read again */
    }
    held_clear(&held);
    assert_int_equal(last->refs, 1);
    msg_unref(first);
    msg_unref(last);
}

static void clearing_leaves_nothing_and_may_be_done_twice(void **state)
{
    struct held held = {NULL, 0, false};
    struct msg *msg = numbered(0);

    (void)state;
    held_clear(&held);
    held_add(&held, msg);
    held.overtaken = true;
    held_clear(&held);
    held_clear(&held);
    assert_null(held.msgs);
    assert_int_equal(held.count, 0);
    assert_false(held.overtaken);
    assert_int_equal(msg->refs, 1);
    held_add(&held, msg); /* it can be used again */
    assert_int_equal(held.count, 1);
    held_clear(&held);
    msg_unref(msg);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_kept_in_its_order),
        cmocka_unit_test(one_too_many_drops_all_that_came_before),
        cmocka_unit_test(clearing_leaves_nothing_and_may_be_done_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
