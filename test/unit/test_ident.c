/* Names that clients choose, and ids that we make. */
#include "test/unit/unit.h"

#include <ctype.h>
#include <string.h>

#include "common/ident.h"

static void names_are_letters_digits_underscores_and_dashes(void **state)
{
    (void)state;
    assert_true(ident_is_name(STR("a")));
    assert_true(ident_is_name(STR("-")));
    assert_true(ident_is_name(STR("AZaz09_-")));
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool good = c < 128 && (isalnum(c) || c == '_' || c == '-');

        assert_int_equal(ident_is_name(str_from(&byte, 1)), good);
    }
}

static void names_have_a_length_of_1_to_64(void **state)
{
    char text[IDENT_NAME_MAX + 1];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_false(ident_is_name(str_from(text, 0)));
    assert_true(ident_is_name(str_from(text, IDENT_NAME_MAX)));
    assert_false(ident_is_name(str_from(text, IDENT_NAME_MAX + 1)));
}

static void a_bad_byte_is_found_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        char text[8];

        memset(text, 'x', sizeof(text));
        text[at] = '}';
        assert_false(ident_is_name(str_from(text, sizeof(text))));
    }
}

static void users_are_texts_of_128_bytes_at_most(void **state)
{
    char text[IDENT_USER_MAX + 1];

    (void)state;
    memset(text, '{', sizeof(text));
    assert_true(ident_is_user(STR("a")));
    assert_true(ident_is_user(STR(" \xc3\xbc/*{}\xf0\x9f\x98\x80")));
    assert_true(ident_is_user(str_from(text, IDENT_USER_MAX)));
    assert_false(ident_is_user(str_from(text, IDENT_USER_MAX + 1)));
    assert_false(ident_is_user(STR("")));
    assert_false(ident_is_user(STR("a\xff")));
    assert_false(ident_is_user(STR("a\x7f")));
    for (int c = 0; c < ' '; c++) {
        text[3] = (char)c;
        assert_false(ident_is_user(str_from(text, 5)));
    }
}

static void uuids_are_random_ones_of_version_4(void **state)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
    char last[IDENT_UUID_LENGTH + 1] = "";

    (void)state;
    for (int round = 0; round < 1000; round++) {
        char uuid[IDENT_UUID_LENGTH + 1];

        ident_make_uuid(uuid);
        assert_int_equal(strlen(uuid), IDENT_UUID_LENGTH);
        for (size_t i = 0; i < IDENT_UUID_LENGTH; i++) {
            const char *allowed = form[i] == 'x'   ? "0123456789abcdef"
                                  : form[i] == 'v' ? "89ab"
                                                   : (const char[]){form[i], '\0'};
            assert_non_null(strchr(allowed, uuid[i]));
        }
        assert_string_not_equal(uuid, last);
        memcpy(last, uuid, sizeof(last));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_letters_digits_underscores_and_dashes),
        cmocka_unit_test(names_have_a_length_of_1_to_64),
        cmocka_unit_test(a_bad_byte_is_found_wherever_it_stands),
        cmocka_unit_test(users_are_texts_of_128_bytes_at_most),
        cmocka_unit_test(uuids_are_random_ones_of_version_4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
