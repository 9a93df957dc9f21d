/* Encodings: base64, base64url, percent, UTF-8, random identifiers. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/codec.h"

static void base64_is_that_of_rfc_4648(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf buf = {0};

        codec_base64(str_of(pairs[i][0]), &buf);
        assert_str(buf_str(&buf), pairs[i][1]);
        buf_clear(&buf);
        assert_int_equal(codec_unbase64(str_of(pairs[i][1]), &buf), ERR_OK);
        assert_str(buf_str(&buf), pairs[i][0]);
        buf_finish(&buf);
    }
}

static void base64_brings_all_bytes_back_at_every_length(void **state)
{
    char bytes[260];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 7 + i / 256);
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct buf text = {0};
        struct buf back = {0};

        buf_add_text(&back, "kept");
        codec_base64(str_from(bytes, len), &text);
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_int_equal(codec_unbase64(buf_str(&text), &back), ERR_OK);
        assert_int_equal(back.len, 4 + len);
        assert_memory_equal(back.at, "kept", 4);
        assert_memory_equal(back.at + 4, bytes, len);
        buf_finish(&text);
        buf_finish(&back);
    }
}

/* Both forms and what each refuses; a refusal adds nothing. */
static void assert_unbase64(enum err (*decode)(struct str, struct buf *), struct str text,
                            bool good)
{
    struct buf buf = {0};

    buf_add_text(&buf, "kept");
    assert_int_equal(decode(text, &buf), good ? ERR_OK : ERR_INVALID);
    assert_true(good || str_equal(buf_str(&buf), STR("kept")));
    buf_finish(&buf);
}

static void base64_is_strict(void **state)
{
    static const char *const bad[] = {
        "Z",        "Zg",   "Zg=",      "=",       "==",         "====",   "Z===",
        "Zg==Zg==", "Zh==", "Zm9=",     "Zm9v ",   " Zm9v",      "Zm9v\n", "Zm-_",
        "Zg=a",     "Z=g=", "Zm9v====", "Zm9vYg=", "Zm\xc3\xa9", "Zm9v=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_unbase64(codec_unbase64, str_of(bad[i]), false);
    }
    assert_unbase64(codec_unbase64, STR("Zg\0="), false);
    assert_unbase64(codec_unbase64, STR(""), true);
    assert_unbase64(codec_unbase64, (struct str){NULL, 0}, true);
}

static void base64url_has_no_padding_and_its_own_alphabet(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_int_equal(codec_unbase64url(STR("-__-"), &buf), ERR_OK);
    assert_int_equal(codec_unbase64url(STR("Zm9vYg"), &buf), ERR_OK);
    assert_int_equal(codec_unbase64url(STR("Zm8"), &buf), ERR_OK);
    assert_str(buf_str(&buf), "\xfb\xff\xfe"
                              "foobfo");
    buf_finish(&buf);
    assert_unbase64(codec_unbase64url, STR("Zg=="), false);
    assert_unbase64(codec_unbase64url, STR("Zh"), false);
    assert_unbase64(codec_unbase64url, STR("Zm9"), false);
    assert_unbase64(codec_unbase64url, STR("Z"), false);
    assert_unbase64(codec_unbase64url, STR("Zm9vY"), false);
    assert_unbase64(codec_unbase64url, STR("Zm9+"), false);
    assert_unbase64(codec_unbase64url, STR("Zm9/"), false);
    assert_unbase64(codec_unbase64url, STR(""), true);
}

/* One value, one text: of all texts of two digits exactly 256 are good, one for each byte. */
static void no_two_texts_mean_the_same_byte(void **state)
{
    bool seen[256] = {false};
    int good = 0;

    (void)state;
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char text[2] = {(char)first, (char)second};
            struct buf buf = {0};

            if (codec_unbase64url(str_from(text, 2), &buf) == ERR_OK) {
                assert_int_equal(buf.len, 1);
                assert_false(seen[(unsigned char)buf.at[0]]);
                seen[(unsigned char)buf.at[0]] = true;
                good++;
            }
            buf_finish(&buf);
        }
    }
    assert_int_equal(good, 256);
}

static void percent_escapes_are_undone(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_int_equal(codec_unpercent(STR("a%20b%2fc%2F+%00"), false, &buf), ERR_OK);
    assert_true(str_equal(buf_str(&buf), STR("a b/c/+\0")));
    buf_clear(&buf);
    assert_int_equal(codec_unpercent(STR("a+b%2B"), true, &buf), ERR_OK);
    assert_str(buf_str(&buf), "a b+");
    buf_clear(&buf);
    assert_int_equal(codec_unpercent((struct str){NULL, 0}, true, &buf), ERR_OK);
    assert_int_equal(buf.len, 0);
    buf_finish(&buf);
}

static void a_bad_percent_escape_adds_nothing(void **state)
{
    static const char *const bad[] = {"%",   "a%",   "a%2", "%2",  "%g0",
                                      "%0g", "%%20", "% 0", "%-1", "%2%"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf buf = {0};

        buf_add_text(&buf, "kept");
        assert_int_equal(codec_unpercent(str_of(bad[i]), false, &buf), ERR_INVALID);
        assert_str(buf_str(&buf), "kept");
        buf_finish(&buf);
    }
}

static void every_byte_survives_percent_and_leaves_no_special_one(void **state)
{
    static const char plain[] = "_.@-%";
    char bytes[256];
    struct buf text = {0};
    struct buf back = {0};

    (void)state;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    codec_percent(str_from(bytes, sizeof(bytes)), &text);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        assert_true((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9') || memchr(plain, c, sizeof(plain) - 1));
    }
    assert_int_equal(codec_unpercent(buf_str(&text), true, &back), ERR_OK);
    assert_true(str_equal(buf_str(&back), str_from(bytes, sizeof(bytes))));
    buf_clear(&text);
    codec_percent(STR("}{: %user_1.x@y-z"), &text);
    assert_str(buf_str(&text), "%7D%7B%3A%20%25user_1.x@y-z");
    buf_finish(&text);
    buf_finish(&back);
}

/* The bytes of `c`, whether such a character may exist or not. */
static size_t encode(uint32_t c, size_t len, char to[4])
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

    if (len == 1) {
        to[0] = (char)c;
        return 1;
    }
    for (size_t i = len - 1; i > 0; i--, c >>= 6) {
        to[i] = (char)(0x80 | (c & 0x3f));
    }
    to[0] = (char)(leads[len] | c);
    return len;
}

static void utf8_is_every_character_in_its_shortest_form_but_surrogates(void **state)
{
    static const uint32_t ends[] = {0, 0x80, 0x800, 0x10000, 0x110000};
    static const uint32_t codes[] = {0, 0x80, 0x800, 0x10000, 0x200000};
    char text[4];

    (void)state;
    for (size_t len = 1; len <= 4; len++) {
        for (uint32_t c = 0; c < codes[len]; c += 1 + (len == 4 ? c % 61 : 0)) {
            bool good = c >= ends[len - 1] && c < ends[len] && (c < 0xd800 || c > 0xdfff);

            if (codec_is_utf8(str_from(text, encode(c, len, text))) != good) {
                fail_msg("U+%04X in %zu bytes", c, len);
            }
        }
    }
}

static void broken_utf8_is_found_at_every_place_of_a_text(void **state)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc3",
        "\xc3(",
        "\xe2\x82",
        "\xe2(\xac",
        "\xe2\x82(",
        "\xf0\x9f\x98",
        "\xf0\x9f(\x80",
        "\xf0\x9f\x98(",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc0\x80",
        "\xed\xa0\x80\xed\xb0\x80",
        "\xf5\x80\x80\x80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t before = 0; before < 20; before++) {
            for (size_t after = 0; after < 20; after++) {
                struct buf buf = {0};

                for (size_t j = 0; j < before; j++) {
                    buf_add_text(&buf, j == 3 ? "\xc3\xa9" : "x");
                }
                assert_true(codec_is_utf8(buf_str(&buf)));
                buf_add_text(&buf, bad[i]);
                for (size_t j = 0; j < after; j++) {
                    buf_add_char(&buf, 'y');
                }
                assert_false(codec_is_utf8(buf_str(&buf)));
                buf_finish(&buf);
            }
        }
    }
    assert_true(codec_is_utf8((struct str){NULL, 0}));
    assert_true(codec_is_utf8(STR("\0")));
}

static void random_names_are_lower_case_hex_and_differ(void **state)
{
    char one[201];
    char two[201];

    (void)state;
    codec_random_hex(one, 0);
    assert_string_equal(one, "");
    for (size_t count = 16; count <= 100; count += 7) {
        codec_random_hex(one, count);
        codec_random_hex(two, count);
        assert_int_equal(strlen(one), 2 * count);
        assert_int_equal(strspn(one, "0123456789abcdef"), 2 * count);
        assert_string_not_equal(one, two);
        /* The later bytes are as random as the first ones. */
        assert_string_not_equal(one + 2 * count - 12, two + 2 * count - 12);
    }
}

static void random_ids_have_any_length_and_every_character_of_their_alphabet(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char one[2049], two[2049], seen[64] = {0};

    (void)state;
    codec_random_id(one, 0);
    assert_int_equal(one[0], '\0');
    for (size_t count = 10; count < 2049; count += 63) {
        codec_random_id(one, count);
        codec_random_id(two, count);
        assert_int_equal(strlen(one), count);
        assert_int_equal(strspn(one, alphabet), count);
        assert_string_not_equal(one, two);
    }
    codec_random_id(one, 2048); /* that one of 64 is missing: 64 * (63/64)^2048 < 1e-12 */
    for (size_t i = 0; i < 2048; i++) {
        seen[strchr(alphabet, one[i]) - alphabet] = 1;
    }
    assert_null(memchr(seen, 0, sizeof(seen)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(base64_brings_all_bytes_back_at_every_length),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(base64url_has_no_padding_and_its_own_alphabet),
        cmocka_unit_test(no_two_texts_mean_the_same_byte),
        cmocka_unit_test(percent_escapes_are_undone),
        cmocka_unit_test(a_bad_percent_escape_adds_nothing),
        cmocka_unit_test(every_byte_survives_percent_and_leaves_no_special_one),
        cmocka_unit_test(utf8_is_every_character_in_its_shortest_form_but_surrogates),
        cmocka_unit_test(broken_utf8_is_found_at_every_place_of_a_text),
        cmocka_unit_test(random_names_are_lower_case_hex_and_differ),
        cmocka_unit_test(random_ids_have_any_length_and_every_character_of_their_alphabet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
