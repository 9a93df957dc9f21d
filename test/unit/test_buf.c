/* Owned bytes: growing, dropping, handing over. */
#include "test/unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

static void an_empty_buf_owns_nothing(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_int_equal(buf_str(&buf).len, 0);
    assert_null(buf_take(&buf));
    buf_drop(&buf, 3);
    buf_clear(&buf);
    buf_add(&buf, str_of(NULL));
    buf_add(&buf, (struct str){NULL, 0});
    assert_null(buf.at);
    buf_finish(&buf);
    buf_finish(&buf);
}

static void a_finished_buf_is_usable_again(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf);
    buf_add_text(&buf, "one");
    buf_finish(&buf);
    assert_null(buf.at);
    buf_add_text(&buf, "two");
    assert_str(buf_str(&buf), "two");
    buf_finish(&buf);
}

static void content_survives_growing_at_every_length(void **state)
{
    struct buf buf = {0};

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        buf_add_char(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.len, i + 1);
        assert_true(buf.room >= buf.len);
    }
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(buf.at[i], 'a' + i % 26);
    }
    buf_finish(&buf);
}

static void reserving_does_not_change_the_content(void **state)
{
    struct buf buf = {0};
    char *place = buf_reserve(&buf, 0);

    (void)state;
    assert_non_null(place);
    buf_add_text(&buf, "ab");
    for (size_t more = 0; more < 300; more++) {
        place = buf_reserve(&buf, more);
        assert_ptr_equal(place, buf.at + 2);
        memset(place, 'x', more);
        assert_str(buf_str(&buf), "ab");
    }
    place = buf_reserve(&buf, 100000);
    memset(place, 'x', 100000);
    assert_str(buf_str(&buf), "ab");
    buf_finish(&buf);
}

static void clearing_keeps_the_memory(void **state)
{
    struct buf buf = {0};
    char *at;

    (void)state;
    buf_add_text(&buf, "something");
    at = buf.at;
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    buf_add_text(&buf, "else");
    assert_ptr_equal(buf.at, at);
    assert_str(buf_str(&buf), "else");
    buf_finish(&buf);
}

static void whole_numbers_have_all_their_digits(void **state)
{
    static const long long signs[] = {0, 9, 10, -1, -10, LLONG_MAX, LLONG_MIN};
    static const unsigned long long naturals[] = {0, 9, 10, 99, 100, ULLONG_MAX};
    struct buf buf = {0};
    char expected[32];

    (void)state;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        buf_clear(&buf);
        buf_add_i64(&buf, signs[i]);
        snprintf(expected, sizeof(expected), "%lld", signs[i]);
        assert_str(buf_str(&buf), expected);
    }
    for (size_t i = 0; i < sizeof(naturals) / sizeof(naturals[0]); i++) {
        buf_clear(&buf);
        buf_add_u64(&buf, naturals[i]);
        snprintf(expected, sizeof(expected), "%llu", naturals[i]);
        assert_str(buf_str(&buf), expected);
    }
    buf_finish(&buf);
}

static void formatted_text_fits_at_every_length(void **state)
{
    char text[300];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (int before = 0; before < 70; before++) {
        for (int len = 0; len < (int)sizeof(text); len += 1 + len / 70) {
            struct buf buf = {0};

            for (int i = 0; i < before; i++) {
                buf_add_char(&buf, 'b');
            }
            buf_addf(&buf, "%.*s", len, text);
            assert_int_equal(buf.len, before + len);
            assert_true(len == 0 || buf.at[buf.len - 1] == 'x');
            buf_addf(&buf, "%d|%s", 42, "end");
            assert_memory_equal(buf.at + before + len, "42|end", 6);
            buf_finish(&buf);
        }
    }
}

static void dropping_moves_the_rest_to_the_front(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "abcdef");
    buf_drop(&buf, 0);
    assert_str(buf_str(&buf), "abcdef");
    buf_drop(&buf, 1);
    assert_str(buf_str(&buf), "bcdef");
    buf_drop(&buf, 4);
    assert_str(buf_str(&buf), "f");
    buf_drop(&buf, 1);
    assert_str(buf_str(&buf), "");
    buf_add_text(&buf, "gh");
    buf_drop(&buf, 3);
    assert_str(buf_str(&buf), "");
    buf_finish(&buf);
}

static void text_ends_with_a_nul_that_does_not_count(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_string_equal(buf_text(&buf), "");
    for (size_t len = 1; len < 200; len++) {
        buf_add_char(&buf, 'x');
        assert_int_equal(strlen(buf_text(&buf)), len);
        assert_int_equal(buf.len, len);
    }
    buf_finish(&buf);
}

static void taken_memory_belongs_to_the_taker(void **state)
{
    struct buf buf = {0};
    char *taken;

    (void)state;
    buf_add(&buf, STR("a\0b"));
    taken = buf_take(&buf);
    assert_null(buf.at);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.room, 0);
    buf_add_text(&buf, "new");
    assert_memory_equal(taken, "a\0b", 3);
    mem_free(taken);
    buf_finish(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buf_owns_nothing),
        cmocka_unit_test(a_finished_buf_is_usable_again),
        cmocka_unit_test(content_survives_growing_at_every_length),
        cmocka_unit_test(reserving_does_not_change_the_content),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(whole_numbers_have_all_their_digits),
        cmocka_unit_test(formatted_text_fits_at_every_length),
        cmocka_unit_test(dropping_moves_the_rest_to_the_front),
        cmocka_unit_test(text_ends_with_a_nul_that_does_not_count),
        cmocka_unit_test(taken_memory_belongs_to_the_taker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
