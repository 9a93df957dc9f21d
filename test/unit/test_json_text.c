/* JSON text as it stands: its tokens, items, members, strings, and its compact copy. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/json_text.h"
#include "common/mem.h"

/* The items with a bar behind each. */
static void assert_items(const char *list, const char *expected)
{
    struct str rest = str_of(list);
    struct buf found = {0};
    struct str item;

    while (json_next_item(&rest, &item)) {
        buf_add(&found, item);
        buf_add_char(&found, '|');
    }
    assert_int_equal(rest.len, 0);
    assert_str(buf_str(&found), expected);
    buf_finish(&found);
}

static void items_come_one_by_one_as_they_stand(void **state)
{
    (void)state;
    assert_items("", "");
    assert_items(" \r\n\t ", "");
    assert_items("1", "1|");
    assert_items("1,2", "1|2|");
    assert_items(" 1 , -2.50e+1 ,\n\"x\"\t", "1|-2.50e+1|\"x\"|");
    assert_items("true,false,null", "true|false|null|");
    assert_items("[],{}", "[]|{}|");
    assert_items("[1, [2,3]], {\"b\": [4, {}], \"a\":\"5,6\"} ,7",
                 "[1, [2,3]]|{\"b\": [4, {}], \"a\":\"5,6\"}|7|");
    assert_items("\"a,b\",\"]\",\"\\\"]\",\"\\\\\",\"\\\\\\\"\"",
                 "\"a,b\"|\"]\"|\"\\\"]\"|\"\\\\\"|\"\\\\\\\"\"|");
    assert_items("{\"}\":\"{\"},[\"[\"]", "{\"}\":\"{\"}|[\"[\"]|");
}

static void what_is_behind_an_item_stands_without_its_comma(void **state)
{
    struct str rest = STR(" \"name\" ,  {\"a\": 1} , 2 ");
    struct str item;

    (void)state;
    assert_true(json_next_item(&rest, &item));
    assert_str(item, "\"name\"");
    assert_str(rest, "{\"a\": 1} , 2");
}

static void inside_are_the_contents_without_brackets(void **state)
{
    (void)state;
    assert_str(json_inside(STR("[1,2]")), "1,2");
    assert_str(json_inside(STR(" [ 1 , 2 ] ")), "1 , 2");
    assert_str(json_inside(STR("{\"a\":[]}")), "\"a\":[]");
    assert_int_equal(json_inside(STR("[]")).len, 0);
    assert_non_null(json_inside(STR("[]")).at);
    assert_non_null(json_inside(STR("{ }")).at);
    assert_null(json_inside(STR("1")).at);
    assert_null(json_inside(STR("\"[]\"")).at);
    assert_null(json_inside(STR("")).at);
}

static void members_come_with_their_names(void **state)
{
    struct str rest = json_inside(STR("{ \"a\" : 1 , \"b,:\":{\"c\":[2]}, \"\":\"}\" }"));
    struct str name, value;

    (void)state;
    assert_true(json_next_member(&rest, &name, &value));
    assert_str(name, "\"a\"");
    assert_str(value, "1");
    assert_true(json_next_member(&rest, &name, &value));
    assert_str(name, "\"b,:\"");
    assert_str(value, "{\"c\":[2]}");
    assert_true(json_next_member(&rest, &name, &value));
    assert_str(name, "\"\"");
    assert_str(value, "\"}\"");
    assert_false(json_next_member(&rest, &name, &value));
}

static void a_member_is_found_by_name_on_the_first_level_only(void **state)
{
    static const char text[] =
        "{\"x\":{\"sub\":1},\"y\":\"\\\"sub\\\":2\", \"sub\" : 12345678901234567890 ,\"z\":[]}";

    (void)state;
    assert_str(json_member(str_of(text), STR("sub")), "12345678901234567890");
    assert_str(json_member(str_of(text), STR("z")), "[]");
    assert_null(json_member(str_of(text), STR("su")).at);
    assert_null(json_member(str_of(text), STR("")).at);
    assert_null(json_member(STR("{}"), STR("sub")).at);
    assert_null(json_member(STR("\"sub\""), STR("sub")).at);
}

static void members_are_counted_and_found_under_any_spelling(void **state)
{
    struct json_part parts[] = {{.name = STR("path")}, {.name = STR("b")}, {.name = STR("c")}};

    (void)state;
    json_find_members(STR("{\"path\":1,\"a\":{\"c\":5},\"b\" : [2] ,\"p\\u0061th\":\"x\"}"),
                      parts, 3);
    assert_int_equal(parts[0].count, 2);
    assert_str(parts[0].value, "\"x\"");
    assert_int_equal(parts[1].count, 1);
    assert_str(parts[1].value, "[2]");
    assert_int_equal(parts[2].count, 0);
    assert_null(parts[2].value.at);
}

static void strings_are_unescaped(void **state)
{
    static const struct {
        const char *string;
        const char *bytes;
    } rows[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\u0062c\"", "abc"},
        {"\"\\u00e9\\u20AC\\uffff\"", "\xc3\xa9\xe2\x82\xac\xef\xbf\xbf"},
        {"\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\u0001\\u007f\\u0080\\u07ff\\u0800\"", "\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"},
        {"\"\xc3\xa9\\\\u0041\"", "\xc3\xa9\\u0041"},
    };
    struct buf bytes = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&bytes);
        json_unescape(str_of(rows[i].string), &bytes);
        assert_str(buf_str(&bytes), rows[i].bytes);
        assert_true(json_string_is(str_of(rows[i].string), str_of(rows[i].bytes)));
    }
    buf_finish(&bytes);
}

static void a_string_is_only_what_it_says(void **state)
{
    (void)state;
    assert_true(json_string_is(STR("\"num\""), STR("num")));
    assert_true(json_string_is(STR("\"\\u006eum\""), STR("num")));
    assert_false(json_string_is(STR("\"nu\""), STR("num")));
    assert_false(json_string_is(STR("\"nums\""), STR("num")));
    assert_false(json_string_is(STR("\"\""), STR("num")));
    assert_false(json_string_is(STR("\"num\""), STR("")));
    assert_false(json_string_is(STR("\"nu\\u004d\""), STR("num")));
}

static void a_compact_copy_keeps_order_and_spelling(void **state)
{
    static const struct {
        const char *text;
        const char *compact;
    } rows[] = {
        {"{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"},
        {" { \"b\" : 1.50 ,\r\n\t\"a\" : [ 1e+5 , \" x \" ] } ",
         "{\"b\":1.50,\"a\":[1e+5,\" x \"]}"},
        {"\" \\\" \" , \"\\\\\" , 1", "\" \\\" \",\"\\\\\",1"},
        {"\"\\u00e9 \"", "\"\\u00e9 \""},
        {"  ", ""},
        {"", ""},
    };
    struct buf copy = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&copy);
        json_add_compact(&copy, str_of(rows[i].text));
        assert_str(buf_str(&copy), rows[i].compact);
    }
    buf_finish(&copy);
}

/* Every end of a text that was cut anywhere, in memory of exactly that size: valgrind and
 * AddressSanitizer see a byte read beyond it. */
static void text_that_ends_anywhere_is_not_read_beyond(void **state)
{
    static const char text[] = "{\"a\\u00e9\\ud83d\\ude00\":[1,{\"b\":\"\\\\\"}], \"c\":true}";
    struct buf copy = {0};

    (void)state;
    for (size_t len = 1; len < sizeof(text); len++) {
        char *at = mem_alloc(len);
        struct str cut = str_from(at, len);
        struct str rest = cut;
        struct str name, value;

        memcpy(at, text, len);
        while (json_next_token(&rest, &value)) {
            assert_in_range(value.at + value.len - at, 1, len);
        }
        rest = str_skip(cut, 1);
        while (json_next_member(&rest, &name, &value)) {
            assert_in_range(value.at + value.len - at, 1, len);
        }
        rest = cut;
        assert_true(json_next_item(&rest, &value));
        assert_null(json_member(cut, STR("none")).at);
        json_add_compact(&copy, cut);
        json_unescape(str_skip(cut, 1), &copy);
        mem_free(at);
    }
    buf_finish(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_one_by_one_as_they_stand),
        cmocka_unit_test(what_is_behind_an_item_stands_without_its_comma),
        cmocka_unit_test(inside_are_the_contents_without_brackets),
        cmocka_unit_test(members_come_with_their_names),
        cmocka_unit_test(a_member_is_found_by_name_on_the_first_level_only),
        cmocka_unit_test(members_are_counted_and_found_under_any_spelling),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(a_string_is_only_what_it_says),
        cmocka_unit_test(a_compact_copy_keeps_order_and_spelling),
        cmocka_unit_test(text_that_ends_anywhere_is_not_read_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
