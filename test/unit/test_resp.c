/* Commands in Redis's own format: read back by hiredis, whatever bytes they hold. */
#include "test/unit/unit.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/store/resp.h"

static void a_command_is_counts_and_bytes(void **state)
{
    struct buf buf = {0};

    (void)state;
    resp_add_command(&buf, (const struct str[]){STR("GET"), STR("key"), STR("")}, 3);
    assert_str(buf_str(&buf), "*3\r\n$3\r\nGET\r\n$3\r\nkey\r\n$0\r\n\r\n");
    buf_finish(&buf);
}

static void parts_make_the_same_as_the_whole(void **state)
{
    static const struct str words[] = {{"PUBLISH", 7}, {"a b", 3}, {"\r\n$1\r\n", 6}};
    struct buf whole = {0}, parts = {0};

    (void)state;
    resp_add_command(&whole, words, 3);
    resp_add_count(&parts, 3);
    for (int i = 0; i < 3; i++) {
        resp_add_word(&parts, words[i]);
    }
    assert_true(str_equal(buf_str(&whole), buf_str(&parts)));
    buf_finish(&whole);
    buf_finish(&parts);
}

static void commands_stand_one_behind_the_other(void **state)
{
    struct buf buf = {0};

    (void)state;
    resp_add_command(&buf, (const struct str[]){STR("PING")}, 1);
    resp_add_command(&buf, (const struct str[]){STR("TIME")}, 1);
    assert_str(buf_str(&buf), "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nTIME\r\n");
    buf_finish(&buf);
}

static void no_word_at_all_is_no_accident(void **state)
{
    struct buf buf = {0};

    (void)state;
    resp_add_command(&buf, NULL, 0);
    resp_add_word(&buf, str_from(NULL, 0));
    assert_str(buf_str(&buf), "*0\r\n$0\r\n\r\n");
    buf_finish(&buf);
}

static void numbers_are_whole_at_every_number_of_digits(void **state)
{
    struct buf most = {0};
    size_t count = 1;

    (void)state;
    for (int digits = 1; digits <= 19; digits++, count *= 10) {
        const size_t around[] = {count - 1, count, count + 1};

        for (int i = 0; i < 3; i++) {
            struct buf got = {0}, expected = {0};

            resp_add_count(&got, around[i]);
            buf_addf(&expected, "*%zu\r\n", around[i]);
            assert_true(str_equal(buf_str(&got), buf_str(&expected)));
            buf_finish(&got);
            buf_finish(&expected);
        }
    }
    resp_add_count(&most, SIZE_MAX);
    assert_str(buf_str(&most), "*18446744073709551615\r\n");
    buf_finish(&most);
}

/* Words of every length around powers of two, each full of the bytes that the format is made
 * of. */
static void hiredis_reads_back_what_was_written(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70000; len = len < 300 ? len + 1 : len * 2 - 1) {
        struct buf buf = {0};
        char *word = mem_alloc(len + 1);
        redisReader *reader = redisReaderCreate();
        void *reply = NULL;
        const redisReply *array;

        for (size_t i = 0; i < len; i++) {
            word[i] = "\r\n$*\0+-:"[(i + len) % 8];
        }
        resp_add_command(&buf, (const struct str[]){STR("X"), str_from(word, len), STR("end")},
                         3);
        assert_int_equal(redisReaderFeed(reader, buf.at, buf.len), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        array = reply;
        assert_non_null(array);
        assert_int_equal(array->type, REDIS_REPLY_ARRAY);
        assert_int_equal(array->elements, 3);
        assert_int_equal(array->element[1]->len, len);
        assert_memory_equal(array->element[1]->str, word, len);
        assert_int_equal(array->element[2]->len, 3);
        freeReplyObject(reply);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        assert_null(reply); /* nothing is left over */
        redisReaderFree(reader);
        mem_free(word);
        buf_finish(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_counts_and_bytes),
        cmocka_unit_test(parts_make_the_same_as_the_whole),
        cmocka_unit_test(commands_stand_one_behind_the_other),
        cmocka_unit_test(no_word_at_all_is_no_accident),
        cmocka_unit_test(numbers_are_whole_at_every_number_of_digits),
        cmocka_unit_test(hiredis_reads_back_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
