/* Messages: frame headers at their borders, envelopes good and broken, references. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "gateway/hub/msg.h"

/* A payload of so many bytes that tells its first and last byte from the others. */
static char *payload_of(size_t len)
{
    char *bytes = mem_alloc(len);

    memset(bytes, 'x', len);
    if (len > 0) {
        bytes[0] = 'a';
        bytes[len - 1] = 'z';
    }
    return bytes;
}

static void assert_frame(size_t payload_len, const char *head, size_t head_len)
{
    char *payload = payload_of(payload_len);
    struct msg *msg = msg_text(str_from(payload, payload_len));

    assert_int_equal(msg->head, head_len);
    assert_int_equal(msg->len, head_len + payload_len);
    assert_memory_equal(msg->bytes, head, head_len);
    assert_int_equal(msg_payload(msg).len, payload_len);
    assert_memory_equal(msg_payload(msg).at, payload, payload_len);
    msg_unref(msg);
    mem_free(payload);
}

static void a_header_is_as_long_as_the_length_needs(void **state)
{
    (void)state;
    assert_frame(0, "\x81\x00", 2);
    assert_frame(1, "\x81\x01", 2);
    assert_frame(125, "\x81\x7d", 2);
    assert_frame(126, "\x81\x7e\x00\x7e", 4);
    assert_frame(127, "\x81\x7e\x00\x7f", 4);
    assert_frame(256, "\x81\x7e\x01\x00", 4);
    assert_frame(65535, "\x81\x7e\xff\xff", 4);
    assert_frame(65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
    assert_frame(1048576, "\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00", 10);
}

static void a_frame_carries_the_opcode_it_was_given(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        struct msg *msg = msg_frame(opcode, STR("\x03\xe8"));

        assert_int_equal((unsigned char)msg->bytes[0], 0x80 | opcode);
        assert_int_equal(msg->len, 4);
        msg_unref(msg);
    }
}

static void a_message_made_here_has_no_envelope(void **state)
{
    struct msg *msg = msg_text(STR("hello"));

    (void)state;
    assert_int_equal(msg->seq, 0);
    assert_int_equal(msg->published_us, 0);
    assert_int_equal(msg->kind, 0);
    for (int i = 0; i < MSG_ORIGIN_LENGTH; i++) {
        assert_int_equal(msg->origin[i], 0);
    }
    msg_unref(msg);
}

static void raw_bytes_have_no_header(void **state)
{
    struct msg *msg = msg_raw(STR("HTTP/1.1 200 OK\r\n"));

    (void)state;
    assert_int_equal(msg->head, 0);
    assert_str(msg_payload(msg), "HTTP/1.1 200 OK\r\n");
    msg_unref(msg);
    msg = msg_raw(str_from(NULL, 0));
    assert_int_equal(msg->len, 0);
    msg_unref(msg);
}

static void an_envelope_is_header_and_payload(void **state)
{
    struct msg *msg =
        msg_from_envelope(STR("1 p 0123456789abcdefGH-_ 1768478400123457 1768478400123450 "
                              "1768478400123999 9\n{\"a\":1}\n\n{\"b\":2}\n"));

    (void)state;
    assert_non_null(msg);
    assert_str(msg_payload(msg), "{\"a\":1}\n\n"); /* the payload may hold line ends */
    assert_int_equal(msg->kind, 'p');
    assert_str(msg_other(msg), "{\"b\":2}\n");
    assert_memory_equal(msg->origin, "0123456789abcdefGH-_", MSG_ORIGIN_LENGTH);
    assert_true(msg->seq == 1768478400123457);
    assert_true(msg->prev == 1768478400123450);
    assert_true(msg->published_us == 1768478400123999);
    assert_memory_equal(msg->bytes, "\x81\x09", 2);
    msg_unref(msg);
}

static void an_origin_may_be_shorter_and_is_filled_up_with_nuls(void **state)
{
    static const char nuls[MSG_ORIGIN_LENGTH] = "-";
    struct msg *msg = msg_from_envelope(STR("1 n - 1 0 2 0\n"));

    (void)state;
    assert_non_null(msg);
    assert_memory_equal(msg->origin, nuls, MSG_ORIGIN_LENGTH);
    assert_int_equal(msg_payload(msg).len, 0);
    msg_unref(msg);
    msg = msg_from_envelope(STR("1 n  1 0 2 7\npayload"));
    assert_non_null(msg);
    assert_int_equal(msg->origin[0], 0);
    msg_unref(msg);
}

static void numbers_may_be_as_large_as_they_will_ever_be(void **state)
{
    struct msg *msg = msg_from_envelope(
        STR("1 n o 9223372036854775807 9223372036854775807 9223372036854775807 1\nx"));

    (void)state;
    assert_non_null(msg);
    assert_true(msg->seq == INT64_MAX);
    assert_true(msg->prev == INT64_MAX);
    assert_true(msg->published_us == INT64_MAX);
    msg_unref(msg);
}

static void a_broken_envelope_is_none(void **state)
{
    static const char *const broken[] = {
        "",
        "\n",
        "1",
        "1\nx",
        "1 n\nx",
        "1 n o\nx",
        "1 n o 1\nx",
        "1 n o 1 0\nx",
        "1 n o 1 0 2\nx",                       /* no split */
        "1 n o 1 0 2 1",                        /* no body at all */
        "1  n o 1 0 2 1\nx",                    /* two blanks */
        " 1 n o 1 0 2 1\nx",                    /* a blank in front */
        "0 n o 1 0 2 1\nx",                     /* no version */
        "01 n o 1 0 2 1\nx",                    /* likewise */
        "4294967296 n o 1 0 2 1\nx",            /* likewise */
        "2 nn o 1 0 2 1\nx",                    /* kind of two letters, whatever the version */
        "2 n",                                  /* the kind ends with a blank */
        "1 nn o 1 0 2 1\nx",                    /* kind of two letters */
        "1  o 1 0 2 1\nx",                      /* no kind */
        "1 n 0123456789abcdef01234 1 0 2 1\nx", /* origin too long */
        "1 n o -1 0 2 1\nx",                    /* signs */
        "1 n o +1 0 2 1\nx",                    /* likewise */
        "1 n o 1.5 0 2 1\nx",                   /* a fraction */
        "1 n o 1.7e+15 0 2 1\nx",               /* what tostring makes of a number in Lua */
        "1 n o 1 1.7e+15 2 1\nx",
        "1 n o 1 - 2 1\nx", /* nothing before is 0 */
        "1 n o 1  2 1\nx",
        "1 n o  0 2 1\nx",  /* no number */
        "1 n o 1 0  1\nx",  /* no time */
        "1 n o 1 0 2 \nx",  /* no split */
        "1 n o 1 0 2 2\nx", /* a split beyond the body */
        "1 n o 1 0 2 1\n",  /* likewise */
        "1 n o 1 0 2 -1\nx",
        "1 n o 1 0 2 18446744073709551616\nx",
        "1 n o 0x1 0 2 1\nx",                 /* another base */
        "1 n o 9223372036854775808 0 2 1\nx", /* beyond */
        "1 n o 1 9223372036854775808 2 1\nx",
        "1 n o 1 0 18446744073709551615 1\nx",
        "1 n o 1 0 99999999999999999999999999 1\nx",
        "1\tn\to\t1\t0\t2\t1\nx",
        "1 n o 1 0 2 1\r\nx",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct msg *msg = msg_from_envelope(str_of(broken[i]));

        if (msg != NULL) {
            fail_msg("taken: %s", broken[i]);
        }
    }
    assert_null(msg_from_envelope(str_from(NULL, 0)));
}

static void words_that_a_later_release_adds_are_passed_over(void **state)
{
    struct msg *msg = msg_from_envelope(STR("1 n o 17 16 2 1 more of it\nxy"));

    (void)state;
    assert_int_equal(msg->version, 1);
    assert_int_equal(msg->seq, 17);
    assert_int_equal(msg->published_us, 2);
    assert_int_equal(msg_payload(msg).len, 1);
    assert_true(str_equal(msg_other(msg), STR("y")));
    msg_unref(msg);
}

static void an_envelope_of_a_newer_version_was_missed_and_nothing_else_is_known(void **state)
{
    static const char *const newer[] = {
        "2 n o 17 16 2 1\nx", "2 n ", "3 e \xff\xfe anything\nat all", "4294967295 c {\"a\":1}",
        "11 n o 1 0 2 1\nx",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++) {
        struct msg *msg = msg_from_envelope(str_of(newer[i]));

        assert_non_null(msg);
        assert_true(msg->version > MSG_VERSION);
        assert_int_equal(msg->kind, MSG_MISSED);
        assert_int_equal(msg->len + msg->other_len, 0);
        assert_int_equal(msg->seq | msg->prev | msg->published_us, 0);
        msg_unref(msg);
    }
}

static void who_is_sent_away_by_a_newer_version_is_sent_away(void **state)
{
    struct msg *msg = msg_from_envelope(STR("2 d in words of its own"));

    (void)state;
    assert_int_equal(msg->kind, 'd');
    assert_int_equal(msg->len + msg->other_len, 0);
    msg_unref(msg);
}

static void every_cut_of_an_envelope_is_none_until_the_line_is_complete(void **state)
{
    static const struct str whole = {"1 p 0123456789abcdef 17 16 18 0\npayload", 39};
    size_t line = 32;

    (void)state;
    for (size_t len = 0; len <= whole.len; len++) {
        char *copy = mem_copy(whole.at, len); /* exact, so that a sanitizer sees the end */
        struct msg *msg = msg_from_envelope(str_from(copy, len));

        assert_int_equal(msg != NULL, len >= line);
        if (msg != NULL) {
            assert_int_equal(msg_other(msg).len, len - line);
            assert_int_equal(msg->len, 0);
        }
        msg_unref(msg);
        mem_free(copy);
    }
}

static void an_envelope_survives_its_source(void **state)
{
    struct buf buf = {0};
    struct msg *msg;

    (void)state;
    buf_add_text(&buf, "1 p origin 17 0 18 7\npayloadother");
    msg = msg_from_envelope(buf_str(&buf));
    memset(buf.at, '?', buf.len);
    buf_finish(&buf);
    assert_str(msg_payload(msg), "payload");
    assert_str(msg_other(msg), "other");
    assert_memory_equal(msg->origin, "origin", 7);
    msg_unref(msg);
}

static void a_binary_frame_says_so(void **state)
{
    struct msg *msg = msg_binary(STR("\x00\xff"));

    (void)state;
    assert_true(msg->binary);
    assert_int_equal(msg->len, 4);
    assert_memory_equal(msg->bytes, "\x82\x02\x00\xff", 4);
    msg_unref(msg);
    msg = msg_text(STR("x"));
    assert_false(msg->binary);
    msg_unref(msg);
}

static void an_engine_message_begins_with_a_four(void **state)
{
    struct msg *msg = msg_engine(STR("2[\"a\"]"));
    char *text = payload_of(125);

    (void)state;
    assert_str(msg_payload(msg), "42[\"a\"]");
    assert_memory_equal(msg->bytes, "\x81\x07", 2);
    assert_false(msg->binary);
    msg_unref(msg);
    msg = msg_engine(STR(""));
    assert_str(msg_payload(msg), "4");
    msg_unref(msg);
    msg = msg_engine(str_from(text, 125)); /* with the 4 it needs the longer header */
    assert_int_equal(msg->head, 4);
    assert_memory_equal(msg->bytes,
                        "\x81\x7e\x00\x7e"
                        "4a",
                        6);
    assert_int_equal(msg->len, 130);
    msg_unref(msg);
    mem_free(text);
}

static struct msg *publication(const char *texts, const char *other)
{
    struct buf text = {0};
    struct msg *msg;

    buf_addf(&text, "1 u - 2 1 3 %zu\n%s%s", strlen(texts), texts, other);
    msg = msg_from_envelope(buf_str(&text));
    buf_finish(&text);
    assert_non_null(msg);
    return msg;
}

static void every_text_of_a_publication_is_a_frame(void **state)
{
    struct msg *msg = publication("one\x1etwo\x1ethree", "other");

    (void)state;
    assert_int_equal(msg->frames, 3);
    assert_int_equal(msg->len, 5 + 5 + 7);
    assert_memory_equal(msg->bytes, "\x81\x03one\x81\x03two\x81\x05three", 17);
    assert_str(msg_other(msg), "other");
    msg_unref(msg);
    msg = publication("\x1e"
                      "a\x1e",
                      "");
    assert_int_equal(msg->frames, 3);
    assert_memory_equal(msg->bytes,
                        "\x81\x00\x81\x01"
                        "a\x81\x00",
                        7);
    assert_int_equal(msg_other(msg).len, 0);
    msg_unref(msg);
}

static void sixteen_texts_are_the_most(void **state)
{
    struct msg *msg =
        publication("\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e", "o");

    (void)state;
    assert_int_equal(msg->frames, 16);
    assert_int_equal(msg->len, 32);
    msg_unref(msg);
}

static void more_texts_are_no_publication(void **state)
{
    (void)state;
    assert_null(msg_from_envelope(STR(
        "1 u - 2 1 3 16\n\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e")));
}

static void a_publication_without_texts_has_nothing_to_send(void **state)
{
    struct msg *msg = publication("", "only\x1eother\n");

    (void)state;
    assert_int_equal(msg->len, 0);
    assert_int_equal(msg->frames, 0);
    assert_str(msg_other(msg), "only\x1eother\n"); /* of any bytes */
    msg_unref(msg);
    msg = publication("", "");
    assert_int_equal(msg->len, 0);
    assert_int_equal(msg_other(msg).len, 0);
    msg_unref(msg);
}

static void an_encoding_is_made_once_and_found_by_its_key(void **state)
{
    struct msg *msg = publication("text", "other");
    struct msg *one = msg_engine(STR("one")), *two = msg_engine(STR("two"));

    (void)state;
    assert_null(msg_cached(msg, STR("")));
    msg_cache(msg, STR("1"), one);
    msg_cache(msg, STR(""), two);
    assert_ptr_equal(msg_cached(msg, STR("1")), one);
    assert_ptr_equal(msg_cached(msg, STR("")), two);
    assert_null(msg_cached(msg, STR("11")));
    assert_int_equal(one->refs, 2);
    msg_unref(msg); /* lets go of both */
    assert_int_equal(one->refs, 1);
    assert_int_equal(two->refs, 1);
    msg_unref(one);
    msg_unref(two);
}

static void only_the_newest_encodings_are_kept(void **state)
{
    struct msg *msg = publication("text", "other");
    struct msg *encodings[MSG_ENCODINGS_MAX + 2];

    (void)state;
    for (size_t i = 0; i < MSG_ENCODINGS_MAX + 2; i++) {
        char key = (char)('a' + i);

        encodings[i] = msg_engine(str_from(&key, 1));
        msg_cache(msg, str_from(&key, 1), encodings[i]);
    }
    for (size_t i = 0; i < MSG_ENCODINGS_MAX + 2; i++) {
        char key = (char)('a' + i);

        assert_ptr_equal(msg_cached(msg, str_from(&key, 1)), i < 2 ? NULL : encodings[i]);
        assert_int_equal(encodings[i]->refs, i < 2 ? 1 : 2);
        msg_unref(encodings[i]);
    }
    msg_unref(msg);
}

static void a_message_lives_as_long_as_somebody_holds_it(void **state)
{
    struct msg *msg = msg_text(STR("hello"));

    (void)state;
    assert_int_equal(msg->refs, 1);
    assert_ptr_equal(msg_ref(msg), msg);
    assert_int_equal(msg->refs, 2);
    msg_unref(msg);
    assert_str(msg_payload(msg), "hello");
    msg_unref(msg); /* a leak or a second free is seen by the sanitizer */
    msg_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_as_long_as_the_length_needs),
        cmocka_unit_test(a_frame_carries_the_opcode_it_was_given),
        cmocka_unit_test(a_message_made_here_has_no_envelope),
        cmocka_unit_test(raw_bytes_have_no_header),
        cmocka_unit_test(an_envelope_is_header_and_payload),
        cmocka_unit_test(an_origin_may_be_shorter_and_is_filled_up_with_nuls),
        cmocka_unit_test(numbers_may_be_as_large_as_they_will_ever_be),
        cmocka_unit_test(a_broken_envelope_is_none),
        cmocka_unit_test(words_that_a_later_release_adds_are_passed_over),
        cmocka_unit_test(an_envelope_of_a_newer_version_was_missed_and_nothing_else_is_known),
        cmocka_unit_test(who_is_sent_away_by_a_newer_version_is_sent_away),
        cmocka_unit_test(every_cut_of_an_envelope_is_none_until_the_line_is_complete),
        cmocka_unit_test(an_envelope_survives_its_source),
        cmocka_unit_test(a_binary_frame_says_so),
        cmocka_unit_test(an_engine_message_begins_with_a_four),
        cmocka_unit_test(every_text_of_a_publication_is_a_frame),
        cmocka_unit_test(sixteen_texts_are_the_most),
        cmocka_unit_test(more_texts_are_no_publication),
        cmocka_unit_test(a_publication_without_texts_has_nothing_to_send),
        cmocka_unit_test(an_encoding_is_made_once_and_found_by_its_key),
        cmocka_unit_test(only_the_newest_encodings_are_kept),
        cmocka_unit_test(a_message_lives_as_long_as_somebody_holds_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
