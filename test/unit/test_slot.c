/* Slots: what Redis itself answers to CLUSTER KEYSLOT. */
#include "test/unit/unit.h"

#include "gateway/store/slot.h"

static void slots_are_those_of_redis(void **state)
{
    static const struct {
        const char *key;
        unsigned slot;
    } keys[] = {
        {"", 0},
        {"foo", 12182},
        {"123456789", 12739},
        {"bar", 5061},
        {"{foo}.x", 12182},
        {"segue:player:{foo}", 12182},
        {"x{foo}y{bar}z", 12182},
        {"\xff\x80", 0},
    };

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_int_equal(slot_of(str_of(keys[i].key)), keys[i].slot);
    }
}

static void a_tag_is_what_stands_between_the_first_braces(void **state)
{
    (void)state;
    assert_int_equal(slot_of(STR("{bar}")), slot_of(STR("bar")));
    assert_int_equal(slot_of(STR("{{bar}}")), slot_of(STR("{bar")));
    assert_int_not_equal(slot_of(STR("{}bar")), slot_of(STR("bar"))); /* empty: the whole */
    assert_int_not_equal(slot_of(STR("{bar")), slot_of(STR("bar"))); /* not closed: the whole */
    assert_int_not_equal(slot_of(STR("}{bar")), slot_of(STR("bar")));
    assert_int_equal(slot_of(STR("}{bar}")), slot_of(STR("bar")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(a_tag_is_what_stands_between_the_first_braces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
