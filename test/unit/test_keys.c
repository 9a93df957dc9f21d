/* Key names: every key of a user in his tag, and no name that leads out of it. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/codec.h"
#include "common/mem.h"
#include "gateway/store/keys.h"

static struct str tag_of(struct str name, struct buf *to)
{
    buf_clear(to);
    keys_tag(name, to);
    return buf_str(to);
}

/* What Redis Cluster hashes: the bytes between the first { and the next }, when there are some.
 */
static struct str hash_tag(struct str key)
{
    const char *open = memchr(key.at, '{', key.len);
    const char *close;

    if (open == NULL) {
        return key;
    }
    close = memchr(open, '}', key.len - (size_t)(open - key.at));
    if (close == NULL || close == open + 1) {
        return key;
    }
    return str_from(open + 1, (size_t)(close - open - 1));
}

static void a_key_is_prefix_kind_and_tag(void **state)
{
    struct key_name name;

    (void)state;
    keys_setup("segue:");
    assert_str(keys_name(&name, KEY_PLAYER, STR("42")), "segue:player:{42}");
    assert_str(keys_name(&name, KEY_DEVICES, STR("42")), "segue:devices:{42}");
    assert_str(keys_name(&name, KEY_USER, STR("42")), "segue:user:{42}");
    assert_str(keys_part(&name, KEY_ONCE, STR("42"), STR("x")), "segue:once:{42}:x");
    keys_setup("");
    assert_str(keys_name(&name, KEY_USER, STR("42")), "user:{42}");
}

static void names_stay_readable_where_they_can(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_str(tag_of(STR("42"), &buf), "42");
    assert_str(tag_of(STR("Ann.O-Nym_1@example.org"), &buf), "Ann.O-Nym_1@example.org");
    assert_str(tag_of(STR("a b"), &buf), "a%20b");
    assert_str(tag_of(STR("\xd1\x8e"), &buf), "%D1%8E");
    buf_finish(&buf);
}

static void no_user_can_leave_his_tag(void **state)
{
    static const char *const names[] = {
        "}{:",        "}",    "{",        "{}",   "}{",          "{a}{b}",
        "a}:{b",      "%7D",  "%",        "%7d{", "a%7Db",       "*",
        "[a-z]",      "?",    "\\",       "\"",   " ",           "a:b",
        "segue:user", "\x7f", "\xff\xfe", "a\nb", "'",           "user:{42}",
        "}:{:",       "%25",  "%%",       "+",    "42}\r\nPING", "\xc3\xa9\xe2",
        "{42}",
    };
    struct buf tag = {0}, back = {0};

    (void)state;
    keys_setup("segue:");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct key_name name;
        struct str text = tag_of(str_of(names[i]), &tag);

        for (size_t at = 0; at < text.len; at++) {
            assert_null(memchr("{}:* \r\n\\?[]", text.at[at], 11));
        }
        for (int key = 0; key < KEY_COUNT; key++) {
            struct str whole = keys_name(&name, (enum key)key, text);

            assert_true(str_equal(hash_tag(whole), text));
            assert_int_equal(whole.at[whole.len - 1], '}');
        }
        buf_clear(&back);
        assert_int_equal(codec_unpercent(text, false, &back), ERR_OK);
        assert_str(buf_str(&back), names[i]); /* so two names never share a tag */
    }
    buf_finish(&tag);
    buf_finish(&back);
}

static void every_byte_is_harmless_alone(void **state)
{
    struct buf tag = {0}, back = {0};

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        struct str text = tag_of(str_from(&c, 1), &tag);

        assert_true(text.len == 1 || (text.len == 3 && text.at[0] == '%'));
        assert_null(memchr(text.at, '}', text.len));
        buf_clear(&back);
        assert_int_equal(codec_unpercent(text, false, &back), ERR_OK);
        assert_true(str_equal(buf_str(&back), str_from(&c, 1)));
    }
    buf_finish(&tag);
    buf_finish(&back);
}

static void the_longest_name_fits_behind_the_longest_prefix(void **state)
{
    char *prefix = mem_zero(KEYS_PREFIX_MAX + 1);
    char *user = mem_alloc(KEYS_TAG_MAX / 3);
    struct buf tag = {0};
    struct key_name *name = mem_alloc(sizeof(*name)); /* exact, for the sanitizer */

    (void)state;
    memset(prefix, 'p', KEYS_PREFIX_MAX);
    memset(user, '{', KEYS_TAG_MAX / 3);
    keys_setup(prefix);
    keys_tag(str_from(user, KEYS_TAG_MAX / 3), &tag);
    assert_int_equal(tag.len, KEYS_TAG_MAX);
    for (int key = 0; key < KEY_COUNT; key++) {
        struct str whole = keys_name(name, (enum key)key, buf_str(&tag));

        assert_in_range(whole.len, KEYS_PREFIX_MAX + KEYS_TAG_MAX, KEYS_NAME_MAX);
        assert_true(str_starts(whole, str_from(prefix, KEYS_PREFIX_MAX)));
        assert_true(str_equal(hash_tag(whole), buf_str(&tag)));
        whole =
            keys_part(name, (enum key)key, buf_str(&tag), str_from(prefix, KEYS_PART_MAX - 1));
        assert_in_range(whole.len, KEYS_PREFIX_MAX + KEYS_TAG_MAX + KEYS_PART_MAX,
                        KEYS_NAME_MAX);
        assert_true(str_equal(hash_tag(whole), buf_str(&tag)));
    }
    mem_free(name);
    mem_free(prefix);
    mem_free(user);
    buf_finish(&tag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_prefix_kind_and_tag),
        cmocka_unit_test(names_stay_readable_where_they_can),
        cmocka_unit_test(no_user_can_leave_his_tag),
        cmocka_unit_test(every_byte_is_harmless_alone),
        cmocka_unit_test(the_longest_name_fits_behind_the_longest_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
