/* MessagePack from outside: one whole value, bounded; and what it is in JSON. */
#include "test/unit/unit.h"

#include <math.h>
#include <string.h>

#include "common/json.h"
#include "gateway/adapter/msgpack_text.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (literal), sizeof(literal) - 1                                                         \
    }

enum {
    LONG = 70000
};

/* What the value is in JSON; of one that has none, "!" and why. */
static const char *told(struct str bytes, struct buf *to)
{
    msgpack_unpacked unpacked;
    const char *why = NULL;
    size_t at = 0;

    buf_clear(to);
    if (msgpack_check(bytes, &why) != ERR_OK) {
        buf_addf(to, "!%s", why);
        return buf_text(to);
    }
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, bytes.at, bytes.len, &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, bytes.len);
    if (msgpack_add_json(to, &unpacked.data, &why) != ERR_OK) {
        buf_clear(to);
        buf_addf(to, "!%s", why);
    }
    msgpack_unpacked_destroy(&unpacked);
    return buf_text(to);
}

static const struct {
    struct str bytes;
    const char *json;
} examples[] = {
    {BYTES("\x00"), "0"},
    {BYTES("\x7f"), "127"},
    {BYTES("\xff"), "-1"},
    {BYTES("\xe0"), "-32"},
    {BYTES("\xcc\xff"), "255"},
    {BYTES("\xcd\x01\x02"), "258"},
    {BYTES("\xce\xff\xff\xff\xff"), "4294967295"},
    {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615"},
    {BYTES("\xd0\x80"), "-128"},
    {BYTES("\xd1\x80\x00"), "-32768"},
    {BYTES("\xd2\x80\x00\x00\x00"), "-2147483648"},
    {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808"},
    {BYTES("\xca\x3f\xc0\x00\x00"), "1.5"},
    {BYTES("\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00"), "-1.5"},
    {BYTES("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), "0"},
    {BYTES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "null"},
    {BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "null"},
    {BYTES("\xc0"), "null"},
    {BYTES("\xc2"), "false"},
    {BYTES("\xc3"), "true"},
    {BYTES("\xa0"), "\"\""},
    {BYTES("\xa3\x22\x0a\x00"), "\"\\\"\\n\\u0000\""},
    {BYTES("\xd9\x02\xc3\xbc"), "\"\xc3\xbc\""},
    {BYTES("\xda\x00\x01x"), "\"x\""},
    {BYTES("\xdb\x00\x00\x00\x01x"), "\"x\""},
    {BYTES("\x90"), "[]"},
    {BYTES("\x80"), "{}"},
    {BYTES("\x93\x01\x91\x90\x80"), "[1,[[]],{}]"},
    {BYTES("\xdc\x00\x01\xc0"), "[null]"},
    {BYTES("\xdd\x00\x00\x00\x01\xc0"), "[null]"},
    {BYTES("\x82\xa1\x61\x01\xa1\x62\x92\x02\x81\xa0\xc3"), "{\"a\":1,\"b\":[2,{\"\":true}]}"},
    {BYTES("\xde\x00\x01\xa1k\x80"), "{\"k\":{}}"},
    {BYTES("\xdf\x00\x00\x00\x01\xa1k\x90"), "{\"k\":[]}"},
    {BYTES("\x82\x07\x01\xff\x02"), "{\"7\":1,\"-1\":2}"},
    {BYTES("\xd6\xff\x62\x78\xd9\x43"), "\"2022-05-09T09:05:07.000Z\""},
    {BYTES("\xd7\xff\x1d\x4c\x00\x00\x62\x78\xd9\x43"), "\"2022-05-09T09:05:07.122Z\""},
    {BYTES("\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
     "\"1969-12-31T23:59:59.000Z\""},
    {BYTES("\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), "null"},
};

static void every_kind_of_value_is_told_as_javascript_would(void **state)
{
    struct buf to = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        assert_string_equal(told(examples[i].bytes, &to), examples[i].json);
    }
    buf_finish(&to);
}

static void what_is_cut_or_has_more_behind_it_is_refused(void **state)
{
    struct buf to = {0}, longer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        for (size_t len = 0; len < examples[i].bytes.len; len++) {
            assert_string_equal(told(str_from(examples[i].bytes.at, len), &to),
                                "!it is not MessagePack, or cut off");
        }
        buf_clear(&longer);
        buf_add(&longer, examples[i].bytes);
        buf_add_char(&longer, '\0');
        assert_string_equal(told(buf_str(&longer), &to), "!something stands behind the value");
    }
    buf_finish(&to);
    buf_finish(&longer);
}

static void what_json_has_no_word_for_is_refused(void **state)
{
    static const struct {
        struct str bytes;
        const char *why;
    } odd[] = {
        {BYTES("\xc1"), "!it is not MessagePack, or cut off"},
        {BYTES("\xc4\x01x"), "!binary data, which can't be kept"},
        {BYTES("\xc5\x00\x01x"), "!binary data, which can't be kept"},
        {BYTES("\xc6\x00\x00\x00\x01x"), "!binary data, which can't be kept"},
        {BYTES("\x91\x81\xa1k\xc4\x00"), "!binary data, which can't be kept"},
        {BYTES("\xd4\x01x"), "!an extension that JSON has no word for"},
        {BYTES("\xd5\xffxx"), "!an extension that JSON has no word for"},
        {BYTES("\xd8\x01xxxxxxxxxxxxxxxx"), "!an extension that JSON has no word for"},
        {BYTES("\xc7\x00\xff"), "!an extension that JSON has no word for"},
        {BYTES("\xc8\x00\x01\x05x"), "!an extension that JSON has no word for"},
        {BYTES("\xc9\x00\x00\x00\x01\x05x"), "!an extension that JSON has no word for"},
        {BYTES("\xa1\xff"), "!a text is not UTF-8"},
        {BYTES("\xa3\xed\xa0\x80"), "!a text is not UTF-8"},
        {BYTES("\x81\xa1\xff\x01"), "!a text is not UTF-8"},
        {BYTES("\x81\xc0\x01"), "!a name in a map is neither text nor integer"},
        {BYTES("\x81\x90\x01"), "!a name in a map is neither text nor integer"},
    };
    struct buf to = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_string_equal(told(odd[i].bytes, &to), odd[i].why);
    }
    buf_finish(&to);
}

/* The library would ask for memory for that many. */
static void counts_beyond_the_bytes_that_are_there_are_refused(void **state)
{
    static const struct str liars[] = {
        {"\xdd\xff\xff\xff\xff", 5},
        {"\xdf\xff\xff\xff\xff", 5},
        {"\xdb\xff\xff\xff\xff", 5},
        {"\xc6\xff\xff\xff\xff", 5},
        {"\xc9\xff\xff\xff\xff", 5},
        {"\xdd\x00\x00\x00\x02\xc0", 6},
        {"\xdf\x00\x00\x00\x01\xc0", 6},
        {"\x9f\x01\x02", 3},
        {"\x81\x01", 2},
        {"\xde\xff\xff", 3},
    };
    struct buf to = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(liars) / sizeof(liars[0]); i++) {
        assert_string_equal(told(liars[i], &to), "!it is not MessagePack, or cut off");
    }
    buf_finish(&to);
}

static void nesting_is_bounded(void **state)
{
    struct buf bytes = {0}, to = {0};

    (void)state;
    for (int depth = 0; depth < MSGPACK_DEPTH_MAX; depth++) {
        buf_add_char(&bytes, depth % 2 ? (char)0x91 : (char)0x81);
        buf_add(&bytes, depth % 2 ? str_from("", 0) : STR("\xa1k"));
    }
    buf_add_char(&bytes, 0x01);
    told(buf_str(&bytes), &to);
    assert_true(str_starts(buf_str(&to), STR("{\"k\":[{\"k\":[")));
    buf_clear(&bytes);
    for (int depth = 0; depth <= MSGPACK_DEPTH_MAX; depth++) {
        buf_add_char(&bytes, (char)0x91);
    }
    buf_add_char(&bytes, 0x01);
    assert_string_equal(told(buf_str(&bytes), &to), "!nested too deeply");
    buf_finish(&bytes);
    buf_finish(&to);
}

static void long_texts_and_lists_are_taken_whole(void **state)
{
    struct buf bytes = {0}, to = {0};

    (void)state;
    buf_add(&bytes, str_from("\xdd\x00\x01\x11\x70", 5)); /* an array of 70,000 */
    for (int i = 0; i < LONG; i++) {
        buf_add_char(&bytes, 0x01);
    }
    told(buf_str(&bytes), &to);
    assert_int_equal(to.len, 2 * LONG + 1);
    buf_clear(&bytes);
    buf_add(&bytes, str_from("\xdb\x00\x01\x11\x70", 5));
    for (int i = 0; i < LONG; i++) {
        buf_add_char(&bytes, 'x');
    }
    told(buf_str(&bytes), &to);
    assert_int_equal(to.len, LONG + 2);
    buf_finish(&bytes);
    buf_finish(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_told_as_javascript_would),
        cmocka_unit_test(what_is_cut_or_has_more_behind_it_is_refused),
        cmocka_unit_test(what_json_has_no_word_for_is_refused),
        cmocka_unit_test(counts_beyond_the_bytes_that_are_there_are_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(long_texts_and_lists_are_taken_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
