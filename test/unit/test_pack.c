/* Packed values: what was added comes back, and nothing else is taken for it. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/mem.h"
#include "common/pack.h"

static void values_come_back_in_their_order(void **state)
{
    struct buf buf = {0};
    struct str from, text;
    uint64_t number;

    (void)state;
    pack_add_str(&buf, STR("hello"));
    pack_add_u64(&buf, 42);
    pack_add_str(&buf, STR(""));
    pack_add_u64(&buf, 0);
    pack_add_u64(&buf, UINT64_MAX);
    pack_add_str(&buf, STR("\0n1;\n\xff"));
    assert_true(str_equal(buf_str(&buf),
                          STR("s5:hellon42;s0:n0;n18446744073709551615;s6:\0n1;\n\xff")));
    from = buf_str(&buf);
    assert_int_equal(pack_take_str(&from, &text), ERR_OK);
    assert_str(text, "hello");
    assert_int_equal(pack_take_u64(&from, &number), ERR_OK);
    assert_int_equal(number, 42);
    assert_int_equal(pack_take_str(&from, &text), ERR_OK);
    assert_int_equal(text.len, 0);
    assert_int_equal(pack_take_u64(&from, &number), ERR_OK);
    assert_int_equal(number, 0);
    assert_int_equal(pack_take_u64(&from, &number), ERR_OK);
    assert_true(number == UINT64_MAX);
    assert_int_equal(pack_end(from), ERR_INVALID);
    assert_int_equal(pack_take_str(&from, &text), ERR_OK);
    assert_true(str_equal(text, STR("\0n1;\n\xff")));
    assert_int_equal(pack_end(from), ERR_OK);
    buf_finish(&buf);
}

static void what_was_never_written_is_refused_and_left_alone(void **state)
{
    static const struct str bad[] = {
        {"", 0},
        {"s", 1},
        {"s5", 2},
        {"s5:", 3},
        {"s5:hell", 7},
        {"s05:hello", 9},
        {"s-1:", 4},
        {"s+1:a", 5},
        {"s:", 2},
        {"s 1:a", 5},
        {"s1;a", 4},
        {"n", 1},
        {"n;", 2},
        {"n1", 2},
        {"n01;", 4},
        {"n00;", 4},
        {"n-1;", 4},
        {"n1:", 3},
        {"n 1;", 4},
        {"N1;", 3},
        {"S1:a", 4},
        {"x", 1},
        {"1", 1},
        {"\0", 1},
        {"n1\0;", 4},
        {" n1;", 4},
        {" s1:a", 5},
        {"n0x1;", 5},
        {"n1.0;", 5},
        {"n1e3;", 5},
        {"s999999:a", 9},
        {"s18446744073709551615:a", 23},
        {"s18446744073709551616:", 23},
        {"n18446744073709551616;", 22},
        {"n99999999999999999999;", 22},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct str from = bad[i];
        struct str text = STR("before");
        uint64_t number = 7;

        assert_int_equal(pack_take_str(&from, &text), ERR_INVALID);
        assert_int_equal(pack_take_u64(&from, &number), ERR_INVALID);
        assert_true(from.at == bad[i].at && from.len == bad[i].len);
        assert_str(text, "before");
        assert_int_equal(number, 7);
    }
}

static void a_number_is_no_text_and_a_text_no_number(void **state)
{
    struct str number_first = STR("n5;hello");
    struct str text_first = STR("s1:5");
    struct str text;
    uint64_t number;

    (void)state;
    assert_int_equal(pack_take_str(&number_first, &text), ERR_INVALID);
    assert_int_equal(pack_take_u64(&text_first, &number), ERR_INVALID);
    assert_int_equal(pack_take_u64(&number_first, &number), ERR_OK);
    assert_int_equal(pack_take_str(&text_first, &text), ERR_OK);
    assert_int_equal(number, 5);
    assert_str(text, "5");
}

static void a_row_that_was_cut_is_never_whole(void **state)
{
    struct buf buf = {0};

    (void)state;
    pack_add_str(&buf, STR("abc"));
    pack_add_u64(&buf, 1234);
    for (size_t len = 0; len <= buf.len; len++) {
        char *exact = mem_alloc(len);
        struct str from = str_from(exact, len);
        struct str text;
        uint64_t number;
        bool whole;

        memcpy(exact, buf.at, len);
        whole =
            pack_take_str(&from, &text) == ERR_OK && pack_take_u64(&from, &number) == ERR_OK;
        assert_int_equal(whole, len == buf.len);
        mem_free(exact);
    }
    buf_finish(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_in_their_order),
        cmocka_unit_test(what_was_never_written_is_refused_and_left_alone),
        cmocka_unit_test(a_number_is_no_text_and_a_text_no_number),
        cmocka_unit_test(a_row_that_was_cut_is_never_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
