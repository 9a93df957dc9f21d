/* Borrowed bytes: comparing, cutting, lists, numbers. */
#include "test/unit/unit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct str none = {NULL, 0};

static void null_is_the_empty_string(void **state)
{
    (void)state;
    assert_non_null(str_of(NULL).at);
    assert_int_equal(str_of(NULL).len, 0);
    assert_true(str_equal(str_of(NULL), none));
    assert_true(str_equal(none, none));
    assert_true(str_equal_nocase(none, STR("")));
    assert_true(str_equal_secret(none, STR("")));
}

static void equality_is_of_all_bytes(void **state)
{
    (void)state;
    assert_true(str_equal(STR("ab\0c"), STR("ab\0c")));
    assert_false(str_equal(STR("ab\0c"), STR("ab\0d")));
    assert_false(str_equal(STR("ab"), STR("abc")));
    assert_false(str_equal(STR("ab"), STR("AB")));
}

static void case_is_ignored_in_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(str_equal_nocase(STR("Keep-Alive"), STR("kEEP-aLIVE")));
    assert_true(str_equal_nocase(STR("AZaz"), STR("azAZ")));
    assert_false(str_equal_nocase(STR("@["), STR("`{")));
    assert_false(str_equal_nocase(STR("\xc4"), STR("\xe4")));
    assert_false(str_equal_nocase(STR("a"), STR("ab")));
}

static void a_prefix_is_at_most_the_whole(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("abc")));
    assert_false(str_starts(STR("abc"), STR("abcd")));
    assert_false(str_starts(STR("abc"), STR("b")));
    assert_true(str_starts(none, none));
}

static void skipping_stops_at_the_end(void **state)
{
    (void)state;
    assert_str(str_skip(STR("abc"), 0), "abc");
    assert_str(str_skip(STR("abc"), 2), "c");
    assert_str(str_skip(STR("abc"), 3), "");
    assert_str(str_skip(STR("abc"), SIZE_MAX), "");
    assert_str(str_skip(none, 1), "");
}

static void trimming_takes_blanks_and_tabs_from_both_ends(void **state)
{
    (void)state;
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\na\r")), "\na\r");
    assert_str(str_trim(none), "");
}

static void a_cut_is_at_the_first_mark(void **state)
{
    struct str head;
    struct str tail;

    (void)state;
    assert_true(str_cut(STR("a=b=c"), '=', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b=c");
    assert_true(str_cut(STR("=b"), '=', &head, &tail));
    assert_str(head, "");
    assert_str(tail, "b");
    assert_true(str_cut(STR("a="), '=', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "");
    assert_false(str_cut(STR("ab"), '=', &head, &tail));
    assert_str(head, "ab");
    assert_str(tail, "");
    assert_non_null(tail.at);
    assert_false(str_cut(none, '=', &head, &tail));
    assert_str(head, "");
    assert_str(tail, "");
}

static void a_list_is_taken_item_by_item_without_empty_ones(void **state)
{
    struct str list = STR(" a ,,\t, b c,d,  ");
    struct str item;

    (void)state;
    assert_true(str_next_item(&list, &item));
    assert_str(item, "a");
    assert_true(str_next_item(&list, &item));
    assert_str(item, "b c");
    assert_true(str_next_item(&list, &item));
    assert_str(item, "d");
    assert_false(str_next_item(&list, &item));
    assert_false(str_next_item(&list, &item));
    list = none;
    assert_false(str_next_item(&list, &item));
    list = STR(",");
    assert_false(str_next_item(&list, &item));
    list = STR("\0,\xff");
    assert_true(str_next_item(&list, &item));
    assert_true(str_equal(item, STR("\0")));
    assert_true(str_next_item(&list, &item));
    assert_true(str_equal(item, STR("\xff")));
}

/* Whatever a list holds, its items are what stands between its commas. */
static void every_short_list_ends_and_loses_nothing(void **state)
{
    static const char letters[] = "a, \t";
    enum {
        LEN = 6
    };
    unsigned total = 1;

    (void)state;
    for (int i = 0; i < LEN; i++) {
        total *= sizeof(letters) - 1;
    }
    for (unsigned n = 0; n < total; n++) {
        char text[LEN];
        size_t wanted = 0;
        size_t seen = 0;
        struct str list = {text, LEN};
        struct str item;
        unsigned rest = n;

        for (int i = 0; i < LEN; i++, rest /= sizeof(letters) - 1) {
            text[i] = letters[rest % (sizeof(letters) - 1)];
            wanted += text[i] == 'a';
        }
        while (str_next_item(&list, &item)) {
            assert_true(item.len > 0 && item.at[0] == 'a' && item.at[item.len - 1] == 'a');
            for (size_t i = 0; i < item.len; i++) {
                assert_true(item.at[i] != ',');
                seen += item.at[i] == 'a';
            }
        }
        assert_int_equal(seen, wanted);
    }
}

static void a_number_is_digits_up_to_its_bound(void **state)
{
    unsigned long long value = 7;

    (void)state;
    assert_true(str_to_u64(STR("0"), 0, &value));
    assert_int_equal(value, 0);
    assert_true(str_to_u64(STR("00042"), 42, &value));
    assert_int_equal(value, 42);
    assert_true(str_to_u64(STR("18446744073709551615"), ULLONG_MAX, &value));
    assert_true(value == ULLONG_MAX);
    value = 7;
    assert_false(str_to_u64(STR("18446744073709551616"), ULLONG_MAX, &value));
    assert_false(str_to_u64(STR("99999999999999999999999"), ULLONG_MAX, &value));
    assert_false(str_to_u64(STR("43"), 42, &value));
    assert_false(str_to_u64(STR("5"), 4, &value));
    assert_false(str_to_u64(STR(""), 42, &value));
    assert_false(str_to_u64(none, 42, &value));
    assert_false(str_to_u64(STR("+1"), 42, &value));
    assert_false(str_to_u64(STR("-1"), 42, &value));
    assert_false(str_to_u64(STR(" 1"), 42, &value));
    assert_false(str_to_u64(STR("1 "), 42, &value));
    assert_false(str_to_u64(STR("1\0"), 42, &value));
    assert_false(str_to_u64(STR("0x1"), 42, &value));
    assert_int_equal(value, 7);
}

static void every_bound_is_exact(void **state)
{
    (void)state;
    for (unsigned long long max = 0; max < 130; max++) {
        for (unsigned n = 0; n < 140; n++) {
            unsigned long long value = 0;
            char text[4] = {(char)('0' + n / 100), (char)('0' + n / 10 % 10),
                            (char)('0' + n % 10), 0};

            assert_int_equal(str_to_u64(str_of(text), max, &value), n <= max);
            assert_true(n > max || value == n);
        }
    }
}

static void secrets_are_equal_only_byte_by_byte(void **state)
{
    char secret[] = "0123456789abcdef";

    (void)state;
    assert_true(str_equal_secret(str_of(secret), STR("0123456789abcdef")));
    assert_false(str_equal_secret(str_of(secret), STR("0123456789abcde")));
    for (size_t i = 0; i < sizeof(secret) - 1; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char other[sizeof(secret)];

            memcpy(other, secret, sizeof(secret));
            other[i] = (char)(other[i] ^ (1 << bit));
            assert_false(str_equal_secret(str_of(secret), str_from(other, sizeof(secret) - 1)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_the_empty_string),
        cmocka_unit_test(equality_is_of_all_bytes),
        cmocka_unit_test(case_is_ignored_in_ascii_letters_only),
        cmocka_unit_test(a_prefix_is_at_most_the_whole),
        cmocka_unit_test(skipping_stops_at_the_end),
        cmocka_unit_test(trimming_takes_blanks_and_tabs_from_both_ends),
        cmocka_unit_test(a_cut_is_at_the_first_mark),
        cmocka_unit_test(a_list_is_taken_item_by_item_without_empty_ones),
        cmocka_unit_test(every_short_list_ends_and_loses_nothing),
        cmocka_unit_test(a_number_is_digits_up_to_its_bound),
        cmocka_unit_test(every_bound_is_exact),
        cmocka_unit_test(secrets_are_equal_only_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
