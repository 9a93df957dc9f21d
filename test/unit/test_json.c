/* JSON read by a table of fields, and written. */
#include "test/unit/unit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

static cJSON *parsed(const char *text)
{
    const char *why = NULL;
    cJSON *item = json_parse(str_of(text), &why);

    if (!item) {
        fail_msg("%s: %s", text, why);
    }
    return item;
}

/* Reads one field named "a" and returns whether it went well; the sentence must be `expected`
 * or, without one, empty. */
static void assert_read(struct json_field field, const char *text, const char *expected)
{
    cJSON *object = parsed(text);
    char why[JSON_WHY_MAX] = "unset";

    field.name = "a";
    assert_int_equal(json_read(object, &field, 1, why), expected ? ERR_INVALID : ERR_OK);
    assert_string_equal(why, expected ? expected : "");
    cJSON_Delete(object);
}

static void a_message_is_read_in_one_go(void **state)
{
    enum {
        TYPE,
        TRACK,
        PAUSE,
        POSITION,
        COUNT,
        DATA,
        ANY,
        ABSENT,
        FIELDS
    };
    struct json_field fields[FIELDS] = {
        [TYPE] = {.name = "type", .kind = JSON_TEXT, .required = true, .max = 32},
        [TRACK] = {.name = "track_id", .kind = JSON_ID, .required = true, .min = 1, .max = 128},
        [PAUSE] = {.name = "pause", .kind = JSON_BOOL},
        [POSITION] = {.name = "position", .kind = JSON_NUMBER},
        [COUNT] = {.name = "count", .kind = JSON_INTEGER},
        [DATA] = {.name = "data", .kind = JSON_OBJECT},
        [ANY] = {.name = "any", .kind = JSON_ANY},
        [ABSENT] = {.name = "absent", .kind = JSON_TEXT},
    };
    cJSON *object =
        parsed("{\"other\":[1],\"type\":\"n\\u00e9w\",\"track_id\":7,\"pause\":true,"
               "\"position\":1.5,\"count\":-3,\"data\":{\"x\":1},\"any\":null}");
    char why[JSON_WHY_MAX];

    (void)state;
    assert_int_equal(json_read(object, fields, FIELDS, why), ERR_OK);
    assert_string_equal(why, "");
    assert_str(fields[TYPE].text, "n\xc3\xa9w");
    assert_true(cJSON_IsNumber(fields[TRACK].item));
    assert_true(fields[PAUSE].truth);
    assert_true(fields[POSITION].number == 1.5);
    assert_true(fields[COUNT].number == -3);
    assert_true(cJSON_IsObject(fields[DATA].item));
    assert_true(cJSON_IsNull(fields[ANY].item));
    assert_false(fields[ABSENT].there);
    for (int i = 0; i < ABSENT; i++) {
        assert_true(fields[i].there);
    }
    cJSON_Delete(object);
}

static void results_of_an_earlier_reading_are_forgotten(void **state)
{
    struct json_field fields[] = {{.name = "a", .kind = JSON_TEXT},
                                  {.name = "b", .kind = JSON_BOOL}};
    cJSON *first = parsed("{\"a\":\"x\",\"b\":true}");
    cJSON *second = parsed("{}");
    char why[JSON_WHY_MAX];

    (void)state;
    assert_int_equal(json_read(first, fields, 2, why), ERR_OK);
    cJSON_Delete(first);
    assert_int_equal(json_read(second, fields, 2, why), ERR_OK);
    for (int i = 0; i < 2; i++) {
        assert_false(fields[i].there);
        assert_null(fields[i].text.at);
        assert_null(fields[i].item);
        assert_false(fields[i].truth);
    }
    cJSON_Delete(second);
}

static void another_type_is_refused_by_name(void **state)
{
    static const struct {
        enum json_kind kind;
        unsigned good; /* bit i: the i-th value is of that kind */
        const char *why;
    } kinds[] = {
        {JSON_TEXT, 1u << 0, "a: must be a string"},
        {JSON_NUMBER, 1u << 1 | 1u << 2, "a: must be a number"},
        {JSON_INTEGER, 1u << 1, "a: must be an integer"},
        {JSON_BOOL, 1u << 3 | 1u << 4, "a: must be a boolean"},
        {JSON_ID, 1u << 0 | 1u << 1, "a: must be an integer or a string"},
        {JSON_OBJECT, 1u << 6, "a: must be an object"},
        {JSON_ANY, 0xff, NULL},
    };
    static const char *const values[] = {"\"1\"", "1",    "1.5", "true",
                                         "false", "null", "{}",  "[]"};

    (void)state;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            struct json_field field = {.kind = kinds[k].kind};
            char text[32];

            snprintf(text, sizeof(text), "{\"a\":%s}", values[v]);
            assert_read(field, text, kinds[k].good >> v & 1 ? NULL : kinds[k].why);
        }
    }
}

static void integers_end_where_doubles_skip_them(void **state)
{
    struct json_field field = {.kind = JSON_INTEGER};

    (void)state;
    assert_read(field, "{\"a\":9007199254740991}", NULL);
    assert_read(field, "{\"a\":-9007199254740991}", NULL);
    assert_read(field, "{\"a\":1.0}", NULL);
    assert_read(field, "{\"a\":1e3}", NULL);
    assert_read(field, "{\"a\":-0}", NULL);
    assert_read(field, "{\"a\":9007199254740992}", "a: must be an integer");
    assert_read(field, "{\"a\":9007199254740993}", "a: must be an integer");
    assert_read(field, "{\"a\":-9007199254740992}", "a: must be an integer");
    assert_read(field, "{\"a\":1e300}", "a: must be an integer");
    assert_read(field, "{\"a\":0.1}", "a: must be an integer");
    field.kind = JSON_ID;
    assert_read(field, "{\"a\":9007199254740992}", "a: must be an integer or a string");
}

static void text_is_bounded_in_bytes(void **state)
{
    static const char *const range = "a: must be a string of 2 to 4 bytes";
    struct json_field field = {.kind = JSON_TEXT, .min = 2, .max = 4};

    (void)state;
    assert_read(field, "{\"a\":\"\"}", range);
    assert_read(field, "{\"a\":\"x\"}", range);
    assert_read(field, "{\"a\":\"xx\"}", NULL);
    assert_read(field, "{\"a\":\"xxxx\"}", NULL);
    assert_read(field, "{\"a\":\"\xc3\xa9\xc3\xa9\"}", NULL);
    assert_read(field, "{\"a\":\"\\u00e9\\u00e9\"}", NULL);
    assert_read(field, "{\"a\":\"xxxxx\"}", range);
    assert_read(field, "{\"a\":\"\xc3\xa9\xc3\xa9x\"}", range);
    field.kind = JSON_ID;
    assert_read(field, "{\"a\":\"x\"}", "a: must be an integer or a string of 2 to 4 bytes");
    assert_read(field, "{\"a\":1}", NULL); /* bounds are those of the text form */
    field.min = 0;
    assert_read(field, "{\"a\":\"\"}", NULL);
    assert_read(field, "{\"a\":\"xxxxx\"}",
                "a: must be an integer or a string of at most 4 bytes");
    field.kind = JSON_TEXT;
    field.min = 1;
    field.max = 0;
    assert_read(field, "{\"a\":\"\"}", "a: must be a string of at least 1 bytes");
    assert_read(field, "{\"a\":\"a long enough text\"}", NULL);
}

static void a_missing_field_is_named(void **state)
{
    struct json_field field = {.kind = JSON_ANY, .required = true};

    (void)state;
    assert_read(field, "{}", "a: is missing");
    assert_read(field, "{\"A\":1}", "a: is missing");
    assert_read(field, "{\"a\":null}", NULL);
    assert_read(field, "{\"b\":{\"a\":1}}", "a: is missing");
}

static void a_wanted_field_stands_there_once(void **state)
{
    struct json_field field = {.kind = JSON_ANY};

    (void)state;
    assert_read(field, "{\"a\":1,\"a\":1}", "a: stands there twice");
    assert_read(field, "{\"a\":1,\"b\":2,\"\\u0061\":3}", "a: stands there twice");
    assert_read(field, "{\"b\":1,\"b\":2,\"a\":3}", NULL);
}

static void only_objects_have_fields(void **state)
{
    static const char *const values[] = {"[]", "[{\"a\":1}]", "\"a\"", "1", "null", "true"};
    struct json_field field = {.kind = JSON_ANY};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_read(field, values[i], "must be an object");
    }
}

static void what_is_parsed_as_an_object_is_one_or_says_why_not(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{\"a\":1}", NULL},
        {"[{}]", "must be a JSON object"},
        {"null", "must be a JSON object"},
        {"{\"a\":}", "unexpected character"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[JSON_WHY_MAX] = "unset";
        cJSON *object = json_parse_object(str_of(rows[i].text), why);

        assert_int_equal(object != NULL, rows[i].why == NULL);
        assert_string_equal(why, rows[i].why != NULL ? rows[i].why : "unset");
        cJSON_Delete(object);
    }
}

static void a_sentence_is_cut_to_its_room(void **state)
{
    char name[2 * JSON_WHY_MAX];
    struct json_field field = {.name = name, .kind = JSON_TEXT, .required = true};
    cJSON *object = parsed("{}");
    char why[JSON_WHY_MAX];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(json_read(object, &field, 1, why), ERR_INVALID);
    assert_int_equal(strlen(why), JSON_WHY_MAX - 1);
    cJSON_Delete(object);
}

static void written_text_is_escaped(void **state)
{
    struct buf buf = {0};

    (void)state;
    json_add_text(&buf, (struct str){NULL, 0});
    json_add_text(&buf, STR("plain"));
    json_add_text(&buf, STR("\"\\/\n\r\t\x01\x1f\x7f \xc3\xa9"));
    json_add_text(&buf, STR("\""));
    json_add_text(&buf, STR("a\0b"));
    assert_str(buf_str(&buf), "\"\"\"plain\"\"\\\"\\\\/\\n\\r\\t\\u0001\\u001f\x7f \xc3\xa9\""
                              "\"\\\"\"\"a\\u0000b\"");
    buf_finish(&buf);
}

static void written_text_reads_back_as_the_same(void **state)
{
    (void)state;
    for (int first = 1; first < 0x80; first++) {
        for (int second = 1; second < 0x80; second++) {
            char text[3] = {(char)first, (char)second, '\0'};
            struct buf buf = {0};
            cJSON *item;

            json_add_text(&buf, str_of(text));
            item = parsed(buf_text(&buf));
            assert_string_equal(item->valuestring, text);
            cJSON_Delete(item);
            buf_finish(&buf);
        }
    }
}

static void assert_number(double number, const char *expected)
{
    struct buf buf = {0};

    json_add_number(&buf, number);
    assert_str(buf_str(&buf), expected);
    buf_finish(&buf);
}

static void numbers_are_written_as_short_as_possible(void **state)
{
    (void)state;
    assert_number(0, "0");
    assert_number(-0.0, "0");
    assert_number(64, "64");
    assert_number(-64, "-64");
    assert_number(1e3, "1000");
    assert_number(1652087347123.0, "1652087347123");
    assert_number(9007199254740991.0, "9007199254740991");
    assert_number(9007199254740992.0, "9007199254740992");
    assert_number(-9007199254740992.0, "-9007199254740992");
    assert_number(0.1, "0.1");
    assert_number(0.1 + 0.2, "0.30000000000000004");
    assert_number(1.5, "1.5");
    assert_number(64.123, "64.123");
    assert_number(1.0 / 3, "0.3333333333333333");
    assert_number(1e100, "1e+100");
    assert_number(-2.5e-10, "-2.5e-10");
    assert_number(DBL_MAX, "1.7976931348623157e+308");
}

static void every_number_reads_back_as_itself(void **state)
{
    uint64_t seed = 42;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        double number;
        struct buf buf = {0};
        cJSON *item;

        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (i % 2) {
            memcpy(&number, &seed, sizeof(number)); /* any bits */
        } else {
            number = (double)(int64_t)(seed >> 11) / 1000; /* what positions look like */
        }
        if (!isfinite(number)) {
            continue;
        }
        json_add_number(&buf, number);
        item = parsed(buf_text(&buf));
        assert_true(item->valuedouble == number);
        cJSON_Delete(item);
        buf_finish(&buf);
    }
}

static void an_id_is_written_in_one_form(void **state)
{
    static const char *const pairs[][2] = {
        {"42", "42"},
        {"42.0", "42"},
        {"4.2e1", "42"},
        {"-0", "0"},
        {"\"42\"", "\"42\""},
        {"\"\\u00e9\\/\"", "\"\xc3\xa9/\""},
        {"\"a\\\"b\"", "\"a\\\"b\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cJSON *item = parsed(pairs[i][0]);
        struct buf buf = {0};

        json_add_id(&buf, item);
        assert_str(buf_str(&buf), pairs[i][1]);
        cJSON_Delete(item);
        buf_finish(&buf);
    }
}

static void values_are_written_compact_and_whole(void **state)
{
    static const char *const values[] = {
        "null",
        "true",
        "false",
        "0",
        "-1.5",
        "\"\"",
        "\"a\\\"b\"",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{\"a\":{}}",
        "[1,[2,[3],4],5]",
        "{\"a\":[1,{\"b\":null,\"\":[[],{}]}],\"c\":true}",
        "[[[],[]],[[],[]]]",
        "{\"a\":1,\"a\":2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        cJSON *item = parsed(values[i]);
        struct buf buf = {0};

        json_add_item(&buf, item);
        assert_str(buf_str(&buf), values[i]);
        cJSON_Delete(item);
        buf_finish(&buf);
    }
}

static void a_value_inside_another_is_written_alone(void **state)
{
    cJSON *object = parsed("{\"t\":[1,{\"x\":2}],\"after\":3}");
    struct buf buf = {0};

    (void)state;
    json_add_item(&buf, object->child);
    assert_str(buf_str(&buf), "[1,{\"x\":2}]");
    buf_clear(&buf);
    json_add_item(&buf, object->child->next);
    assert_str(buf_str(&buf), "3");
    buf_finish(&buf);
    cJSON_Delete(object);
}

static void the_deepest_value_is_written(void **state)
{
    struct buf text = {0};
    struct buf back = {0};
    cJSON *item;

    (void)state;
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        buf_add_char(&text, '[');
    }
    buf_add_char(&text, '1');
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        buf_add_char(&text, ']');
    }
    item = parsed(buf_text(&text));
    json_add_item(&back, item);
    assert_true(str_equal(buf_str(&back), buf_str(&text)));
    cJSON_Delete(item);
    buf_finish(&text);
    buf_finish(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read_in_one_go),
        cmocka_unit_test(results_of_an_earlier_reading_are_forgotten),
        cmocka_unit_test(another_type_is_refused_by_name),
        cmocka_unit_test(integers_end_where_doubles_skip_them),
        cmocka_unit_test(text_is_bounded_in_bytes),
        cmocka_unit_test(a_missing_field_is_named),
        cmocka_unit_test(a_wanted_field_stands_there_once),
        cmocka_unit_test(only_objects_have_fields),
        cmocka_unit_test(what_is_parsed_as_an_object_is_one_or_says_why_not),
        cmocka_unit_test(a_sentence_is_cut_to_its_room),
        cmocka_unit_test(written_text_is_escaped),
        cmocka_unit_test(written_text_reads_back_as_the_same),
        cmocka_unit_test(numbers_are_written_as_short_as_possible),
        cmocka_unit_test(every_number_reads_back_as_itself),
        cmocka_unit_test(an_id_is_written_in_one_form),
        cmocka_unit_test(values_are_written_compact_and_whole),
        cmocka_unit_test(a_value_inside_another_is_written_alone),
        cmocka_unit_test(the_deepest_value_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
