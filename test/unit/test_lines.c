/* A text as the lines of a feed. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/feeds/lines.h"
#include "gateway/feeds/wisdom.h"

enum {
    LONGEST = 16
};

static enum err read_bytes(struct lines *lines, struct str text, char why[LINES_WHY_MAX])
{
    struct buf bytes = {0};
    enum err err;

    buf_add(&bytes, text);
    err = lines_read(lines, &bytes, LONGEST, why);
    assert_null(bytes.at); /* taken over in either case */
    return err;
}

/* The lines, parted by bars. */
static void assert_lines(const char *text, const char *expected)
{
    struct lines lines;
    struct buf all = {0};
    char why[LINES_WHY_MAX];

    assert_int_equal(read_bytes(&lines, str_of(text), why), ERR_OK);
    for (size_t i = 0; i < lines.count; i++) {
        buf_add_text(&all, i > 0 ? "|" : "");
        buf_add(&all, lines.at[i]);
    }
    assert_str(buf_str(&all), expected);
    buf_finish(&all);
    lines_finish(&lines);
    assert_null(lines.at);
}

static void assert_refused(struct str text, const char *expected)
{
    struct lines lines;
    char why[LINES_WHY_MAX];

    assert_int_equal(read_bytes(&lines, text, why), ERR_INVALID);
    assert_string_equal(why, expected);
    assert_int_equal(lines.count, 0);
    assert_null(lines.bytes);
}

static void lines_keep_their_order(void **state)
{
    (void)state;
    assert_lines("a", "a");
    assert_lines("a\n", "a");
    assert_lines("a\nb\nc", "a|b|c");
    assert_lines("b\nb\na\n", "b|b|a");
}

static void any_end_of_a_line_will_do_and_empty_lines_do_not_count(void **state)
{
    (void)state;
    assert_lines("a\r\nb\r\n", "a|b");
    assert_lines("\n\na\n \t \n\r\n b\t\n\n", "a|b");
    assert_lines("a \t b", "a \t b");
    assert_lines("\xef\xbb\xbf"
                 "a\nb",
                 "a|b");
    assert_lines("\xc3\xa9\n\xf0\x9f\x90\xba", "\xc3\xa9|\xf0\x9f\x90\xba");
}

static void a_text_without_a_line_is_refused(void **state)
{
    (void)state;
    assert_refused(STR(""), "has no line");
    assert_refused(STR("\n \r\n\t\n"), "has no line");
    assert_refused(STR("\xef\xbb\xbf"), "has no line");
}

static void a_line_that_is_no_message_is_refused_by_its_number(void **state)
{
    (void)state;
    assert_lines("0123456789abcdef", "0123456789abcdef");
    assert_refused(STR("\n0123456789abcdefg"), "line 2 is longer than a message may be");
    assert_refused(STR("a\nb\xff\nc"), "line 2 is not UTF-8");
    assert_refused(STR("a\n\n\xed\xa0\x80"), "line 3 is not UTF-8");
    assert_refused(STR("a\0b"), "line 1 holds a control byte");
    assert_refused(STR("a\rb"), "line 1 holds a control byte");
    assert_refused(STR("a\x7f"), "line 1 holds a control byte");
}

static void there_are_not_too_many(void **state)
{
    char *text = mem_alloc(2 * LINES_COUNT_MAX);
    struct lines lines;
    char why[LINES_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < LINES_COUNT_MAX; i++) {
        text[2 * i] = 'x';
        text[2 * i + 1] = '\n';
    }
    assert_int_equal(read_bytes(&lines, str_from(text, 2 * LINES_COUNT_MAX - 2), why), ERR_OK);
    assert_int_equal(lines.count, LINES_COUNT_MAX - 1);
    lines_finish(&lines);
    assert_refused(str_from(text, 2 * LINES_COUNT_MAX), "has more than 99999 lines");
    mem_free(text);
}

static void nothing_is_harmless_to_finish(void **state)
{
    struct lines lines = {0};

    (void)state;
    lines_finish(&lines);
}

static void wisdom_is_forty_lines_and_more_none_of_them_twice(void **state)
{
    struct buf bytes = {0};
    struct lines lines;
    char why[LINES_WHY_MAX];

    (void)state;
    buf_add(&bytes, wisdom_text());
    assert_int_equal(lines_read(&lines, &bytes, 140, why), ERR_OK);
    assert_true(lines.count >= 40);
    for (size_t i = 0; i < lines.count; i++) {
        assert_true(lines.at[i].at[lines.at[i].len - 1] == '.');
        for (size_t k = 0; k < i; k++) {
            assert_false(str_equal(lines.at[i], lines.at[k]));
        }
    }
    lines_finish(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_keep_their_order),
        cmocka_unit_test(any_end_of_a_line_will_do_and_empty_lines_do_not_count),
        cmocka_unit_test(a_text_without_a_line_is_refused),
        cmocka_unit_test(a_line_that_is_no_message_is_refused_by_its_number),
        cmocka_unit_test(there_are_not_too_many),
        cmocka_unit_test(nothing_is_harmless_to_finish),
        cmocka_unit_test(wisdom_is_forty_lines_and_more_none_of_them_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
