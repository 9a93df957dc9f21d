/* The strict scanner: what is JSON, what is not, and that cJSON agrees with what passes. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

static void assert_good(struct str text)
{
    const char *why = "nothing";
    cJSON *item;

    if (json_check(text, &why) != ERR_OK) {
        fail_msg("%.*s: %s", STR_ARG(text), why);
    }
    item = json_parse(text, &why);
    assert_non_null(item);
    cJSON_Delete(item);
}

static void assert_bad(struct str text, const char *expected)
{
    const char *why = NULL;

    if (json_check(text, &why) != ERR_INVALID) {
        fail_msg("%.*s: accepted", STR_ARG(text));
    }
    assert_string_equal(why, expected);
    why = NULL;
    assert_null(json_parse(text, &why));
    assert_string_equal(why, expected);
}

static void every_kind_of_value_is_json(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        "\"\"",
        "0",
        "-0",
        "true",
        "false",
        "null",
        " \t\r\n[ ] \t\r\n",
        "{\"a\":1}",
        "{ \"a\" : [ 1 , { } , [ ] ] , \"\" : null }",
        "[1,2,[3,[4]],{\"a\":{\"b\":[]}}]",
        "{\"a\":1,\"a\":2}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0001\\u00e9\\uFFFF\\uabcd\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uDBFF\\uDFFF\"",
        "\"\xf0\x9f\x98\x80 \xc3\xa9 \x7f\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_good(str_of(good[i]));
    }
}

static void numbers_follow_the_grammar(void **state)
{
    static const char *const good[] = {
        "0",      "-0",     "10",      "-1",
        "0.5",    "-0.0",   "1e5",     "1E+5",
        "1e-5",   "0e0",    "1.25e2",  "1.7976931348623157e308",
        "5e-324", "1e-999", "0e99999", "123456789012345678901234567890"};
    static const char *const bad[] = {"-", "1.", "-.5", "1.e5", "1e", "1e+", "1.5e-"};
    static const char *const foreign[] = {".5", "+1", "NaN", "Infinity", "nul", "True", "'a'"};
    static const char *const more[] = {"01", "-01", "00",    "0x10", "1.5.5",
                                       "1a", "1 2", "1e5.5", "1_000"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_good(str_of(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_bad(str_of(bad[i]), "bad number");
    }
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        assert_bad(str_of(foreign[i]), "unexpected character");
    }
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        assert_bad(str_of(more[i]), "something follows the value");
    }
    assert_bad(STR("-Infinity"), "bad number");
    assert_bad(STR("[01]"), "unexpected character");
    assert_bad(STR("[-]"), "bad number");
}

static void numbers_are_finite_and_not_endless(void **state)
{
    char digits[64];

    (void)state;
    memset(digits, '9', sizeof(digits));
    assert_bad(STR("1e309"), "number out of range");
    assert_bad(STR("-1e400"), "number out of range");
    assert_bad(STR("[1,1e99999999999]"), "number out of range");
    assert_bad(STR("1.8e308"), "number out of range");
    assert_good(str_from(digits, 63));
    assert_bad(str_from(digits, 64), "number too long");
}

static void strings_are_closed_clean_and_utf8(void **state)
{
    (void)state;
    assert_bad(STR("\""), "unfinished string");
    assert_bad(STR("\"abc"), "unfinished string");
    assert_bad(STR("\"abc\\\""), "unfinished string");
    assert_bad(STR("\"\\"), "bad escape in a string");
    assert_bad(STR("\"\\x41\""), "bad escape in a string");
    assert_bad(STR("\"\\a\""), "bad escape in a string");
    assert_bad(STR("\"\\u12\""), "bad escape in a string");
    assert_bad(STR("\"\\u12g4\""), "bad escape in a string");
    assert_bad(STR("\"\\u"), "bad escape in a string");
    assert_bad(STR("\"\\U0041\""), "bad escape in a string");
    assert_bad(STR("\"\\u0000\""), "NUL in a string");
    assert_bad(STR("{\"a\\u0000b\":1}"), "NUL in a string");
    assert_bad(STR("\"a\0b\""), "control character in a string");
    assert_bad(STR("\"a\nb\""), "control character in a string");
    assert_bad(STR("\"\x1f\""), "control character in a string");
    assert_bad(STR("\"\xff\""), "invalid UTF-8");
    assert_bad(STR("\"\xc3\""), "invalid UTF-8");
    assert_bad(STR("\"\xc0\x80\""), "invalid UTF-8");
    assert_bad(STR("\"\xed\xa0\x80\""), "invalid UTF-8");
    assert_bad(STR("{\"\xff\":1}"), "invalid UTF-8");
}

static void surrogates_come_in_pairs(void **state)
{
    static const char *const lone[] = {
        "\"\\ud83d\"",        "\"\\ude00\"",        "\"\\ud83dx\"",       "\"\\ud83d\\n\"",
        "\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\ud83d\\ude0\"",
        "\"\\uD800\\uE000\"", "\"\\uDBFF\\uDBFF\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lone) / sizeof(lone[0]); i++) {
        assert_bad(str_of(lone[i]), "lone surrogate in a string");
    }
    assert_bad(STR("\"\\ud83d\\ude"), "lone surrogate in a string");
}

static void structure_is_strict(void **state)
{
    (void)state;
    assert_bad((struct str){NULL, 0}, "unexpected end");
    assert_bad(STR(""), "unexpected end");
    assert_bad(STR("  "), "unexpected end");
    assert_bad(STR("["), "unexpected end");
    assert_bad(STR("[1"), "unexpected end");
    assert_bad(STR("[1,"), "unexpected end");
    assert_bad(STR("{"), "unexpected end");
    assert_bad(STR("{\"a\""), "unexpected end");
    assert_bad(STR("{\"a\":"), "unexpected end");
    assert_bad(STR("{\"a\":1"), "unexpected end");
    assert_bad(STR("{\"a\":1,"), "unexpected end");
    assert_bad(STR("[1,]"), "unexpected character");
    assert_bad(STR("[,1]"), "unexpected character");
    assert_bad(STR("[1 2]"), "unexpected character");
    assert_bad(STR("[1}"), "unexpected character");
    assert_bad(STR("]"), "unexpected character");
    assert_bad(STR("{\"a\":1]"), "unexpected character");
    assert_bad(STR("{\"a\":}"), "unexpected character");
    assert_bad(STR("{\"a\":1,}"), "name expected");
    assert_bad(STR("{,}"), "name expected");
    assert_bad(STR("{a:1}"), "name expected");
    assert_bad(STR("{1:1}"), "name expected");
    assert_bad(STR("{\"a\" 1}"), "':' expected");
    assert_bad(STR("{\"a\",1}"), "':' expected");
    assert_bad(STR("{}{}"), "something follows the value");
    assert_bad(STR("{} x"), "something follows the value");
    assert_bad(STR("{}\0"), "something follows the value");
    assert_bad(STR("\0"), "unexpected character");
    assert_bad(STR("\xef\xbb\xbf{}"), "unexpected character");
    assert_bad(STR("\f{}"), "unexpected character");
    assert_bad(STR("[1/**/]"), "unexpected character");
    assert_bad(STR("tru"), "unexpected character");
    assert_bad(STR("truex"), "something follows the value");
}

/* `depth` openings, alternately or all alike, and as many closings. */
static void add_nest(struct buf *buf, unsigned depth, bool objects)
{
    for (unsigned i = 0; i < depth; i++) {
        buf_add_text(buf, objects && i % 2 ? "{\"a\":" : "[");
    }
    buf_add_text(buf, objects && depth % 2 == 0 ? "{}" : "0");
    for (unsigned i = depth; i > 0; i--) {
        buf_add_text(buf, objects && (i - 1) % 2 ? "}" : "]");
    }
}

static void depth_is_bounded(void **state)
{
    struct buf buf = {0};

    (void)state;
    add_nest(&buf, JSON_DEPTH_MAX, false);
    assert_good(buf_str(&buf));
    buf_clear(&buf);
    add_nest(&buf, JSON_DEPTH_MAX + 1, false);
    assert_bad(buf_str(&buf), "nested too deeply");
    buf_clear(&buf);
    add_nest(&buf, JSON_DEPTH_MAX - 1, true);
    assert_good(buf_str(&buf));
    buf_clear(&buf);
    add_nest(&buf, JSON_DEPTH_MAX, true); /* the object in the middle is one level more */
    assert_bad(buf_str(&buf), "nested too deeply");
    buf_clear(&buf);
    for (int i = 0; i < 1000000; i++) {
        buf_add_char(&buf, '[');
    }
    assert_bad(buf_str(&buf), "nested too deeply");
    buf_finish(&buf);
}

static void leaving_a_level_frees_it(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_char(&buf, '[');
    for (int i = 0; i < 50; i++) {
        buf_add_text(&buf, i > 0 ? "," : "");
        add_nest(&buf, JSON_DEPTH_MAX - 1, false);
    }
    buf_add_char(&buf, ']');
    assert_good(buf_str(&buf));
    buf_finish(&buf);
}

static void the_number_of_values_is_bounded(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "[0");
    for (int i = 2; i < JSON_VALUES_MAX; i++) {
        buf_add_text(&buf, ",0");
    }
    buf_add_char(&buf, ']');
    assert_good(buf_str(&buf)); /* with the array itself exactly as many as allowed */
    buf_clear(&buf);
    buf_add_text(&buf, "[0");
    for (int i = 1; i < JSON_VALUES_MAX; i++) {
        buf_add_text(&buf, ",0");
    }
    buf_add_char(&buf, ']');
    assert_bad(buf_str(&buf), "too many values");
    buf_finish(&buf);
}

static const char document[] =
    " {\"type_push_state\" : \"new\\u005f\\ud83d\\ude00track\", \"data\":{\"track_id\":-2.5e+1,"
    "\"list\":[ true,false , null,[],{}, \"\xc3\xa9\xe2\x82\xac\" ]},\"t\":0}";

static void no_beginning_of_a_document_is_one(void **state)
{
    const char *why;

    (void)state;
    assert_good(STR(document));
    for (size_t len = 0; len < sizeof(document) - 1; len++) {
        /* A copy of exactly that size, so that a sanitizer sees a byte read beyond it. */
        char *copy = mem_alloc(len);

        memcpy(copy, document, len);
        assert_int_equal(json_check(str_from(copy, len), &why), ERR_INVALID);
        mem_free(copy);
    }
}

static void whatever_one_changed_byte_leaves_valid_is_read_by_cjson(void **state)
{
    int valid = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(document) - 1; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char copy[sizeof(document)];
            struct str text = {copy, sizeof(document) - 1};
            const char *why = NULL;

            memcpy(copy, document, sizeof(document));
            copy[i] = (char)byte;
            if (json_check(text, &why) == ERR_OK) {
                valid++;
                assert_good(text);
            } else {
                assert_non_null(why);
            }
        }
    }
    assert_true(valid > 1000);
}

/* What is read by others afterwards may be as deep as theirs, and any JSON. */
static void an_envelope_is_deeper_than_what_it_holds(void **state)
{
    static const char *const good[] = {"\"\\u0000\"", "\"\\ud800\"", "1e999", "[1,{\"a\":[]}]"};
    static const char *const bad[] = {"", "[1,]", "{\"a\"}", "[1] 2", "\"\xff\"", "tru"};
    struct buf text = {0};
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(json_check_envelope(str_of(good[i]), &why), ERR_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(json_check_envelope(str_of(bad[i]), &why), ERR_INVALID);
    }
    for (int depth = JSON_ENVELOPE_DEPTH_MAX; depth <= JSON_ENVELOPE_DEPTH_MAX + 1; depth++) {
        buf_clear(&text);
        for (int i = 0; i < 2 * depth; i++) {
            buf_add_char(&text, i < depth ? '[' : ']');
        }
        assert_int_equal(json_check_envelope(buf_str(&text), &why),
                         depth > JSON_ENVELOPE_DEPTH_MAX ? ERR_INVALID : ERR_OK);
    }
    assert_string_equal(why, "nested too deeply");
    buf_clear(&text);
    buf_add_text(&text, "[0");
    for (int i = 0; i < JSON_VALUES_MAX; i++) {
        buf_add_text(&text, ",0");
    }
    buf_add_char(&text, ']');
    assert_int_equal(json_check_envelope(buf_str(&text), &why), ERR_OK);
    assert_bad(buf_str(&text), "too many values");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_json),
        cmocka_unit_test(numbers_follow_the_grammar),
        cmocka_unit_test(numbers_are_finite_and_not_endless),
        cmocka_unit_test(strings_are_closed_clean_and_utf8),
        cmocka_unit_test(surrogates_come_in_pairs),
        cmocka_unit_test(structure_is_strict),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(leaving_a_level_frees_it),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(an_envelope_is_deeper_than_what_it_holds),
        cmocka_unit_test(no_beginning_of_a_document_is_one),
        cmocka_unit_test(whatever_one_changed_byte_leaves_valid_is_read_by_cjson),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
