/* Places in a stream, as text: one spelling each, and no other is taken. */
#include "test/unit/unit.h"

#include "gateway/proto/cursor.h"

static void a_place_is_the_number_of_an_event(void **state)
{
    struct cursor cursor;

    (void)state;
    assert_int_equal(cursor_parse(STR("1763745600000123"), &cursor), ERR_OK);
    assert_int_equal(cursor.at, 1763745600000123);
    assert_false(cursor.empty);
    assert_int_equal(cursor_parse(STR("0"), &cursor), ERR_OK);
    assert_int_equal(cursor.at, 0);
}

static void or_a_moment_at_which_the_stream_was_empty(void **state)
{
    struct cursor cursor;

    (void)state;
    assert_int_equal(cursor_parse(STR("1763745600000123e"), &cursor), ERR_OK);
    assert_int_equal(cursor.at, 1763745600000123);
    assert_true(cursor.empty);
}

static void nothing_else_is_a_place_and_what_was_known_stays(void **state)
{
    static const struct str rows[] = {
        {"", 0},
        {"e", 1},
        {"1ee", 3},
        {"e1", 2},
        {"-1", 2},
        {"+1", 2},
        {" 1", 2},
        {"1 ", 2},
        {"1.", 2},
        {"0x1", 3},
        {"1E", 2},
        {"1\0", 2},
        {"9007199254740992", 16},  /* 2^53 */
        {"9007199254740992e", 17}, /* likewise */
        {"18446744073709551616", 20},
        {"99999999999999999999999999999999", 32},
    };
    struct cursor cursor = {17, true};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(cursor_parse(rows[i], &cursor), ERR_INVALID);
        assert_int_equal(cursor.at, 17);
        assert_true(cursor.empty);
    }
}

static void what_is_written_is_read_again(void **state)
{
    static const char *const rows[] = {"0", "0e", "1", "9007199254740991", "9007199254740991e"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cursor cursor;
        struct buf text = {0};

        assert_int_equal(cursor_parse(str_of(rows[i]), &cursor), ERR_OK);
        cursor_add(&text, &cursor);
        assert_str(buf_str(&text), rows[i]);
        buf_finish(&text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_the_number_of_an_event),
        cmocka_unit_test(or_a_moment_at_which_the_stream_was_empty),
        cmocka_unit_test(nothing_else_is_a_place_and_what_was_known_stays),
        cmocka_unit_test(what_is_written_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
