/* The WebSocket reader: the same messages, replies and ends however the bytes are cut, and a
 * reader at a boundary is as new. */
#include "test/unit/ws_reader_stage.h"

/* ---- messages ---- */

static void messages_come_as_they_were_sent(void **state)
{
    struct input input = {0};

    (void)state;
    add_frame(&input, FIN | TEXT, STR("hello"));
    add_frame(&input, FIN | TEXT, STR(""));
    add_frame(&input, FIN | BINARY, STR("\x01\xff"));
    add_frame(&input, FIN | BINARY, STR(""));
    add_frame(&input, FIN | TEXT, STR("\xc3\xa9"));
    assert_good(&input, "T(hello)T()B(\x01\xff)B()T(\xc3\xa9)");
}

static void every_form_of_length_is_understood(void **state)
{
    static const size_t lengths[] = {1, 124, 125, 126, 127, 255, 256, MAX_MESSAGE};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct input input = {0};
        struct buf log = {0};
        char *payload = mem_alloc(lengths[i]);

        memset(payload, 'x', lengths[i]);
        add_frame(&input, FIN | TEXT, str_from(payload, lengths[i]));
        add_frame(&input, FIN | TEXT, STR("y"));
        buf_addf(&log, "T(%.*s)T(y)", (int)lengths[i], payload);
        assert_good(&input, buf_text(&log));
        buf_finish(&log);
        mem_free(payload);
    }
}

static void long_messages_come_whole(void **state)
{
    enum {
        LEN = 100000
    };
    struct ws_reader *reader = ws_reader_create(LEN);
    char *payload = mem_alloc(LEN);

    (void)state;
    for (size_t i = 0; i < LEN; i++) {
        payload[i] = (char)('a' + i % 26);
    }
    for (size_t step = 1; step <= 2 * LEN; step *= 7) {
        struct input input = {0};
        struct record record = {0};

        add_frame(&input, FIN | TEXT, str_from(payload, LEN));
        for (struct str rest = buf_str(&input.bytes); rest.len > 0;
             rest = str_skip(rest, step)) {
            assert_true(
                feed(reader, &record, str_from(rest.at, step < rest.len ? step : rest.len)));
        }
        assert_int_equal(record.outcome, WS_BOUNDARY); /* and the reader is used again */
        assert_int_equal(record.log.len, LEN + 3);
        assert_memory_equal(record.log.at + 2, payload, LEN);
        finish(&record);
        buf_finish(&input.bytes);
    }
    ws_reader_destroy(reader);
    mem_free(payload);
}

static void fragments_are_put_together(void **state)
{
    struct input input = {0};

    (void)state;
    add_frame(&input, TEXT, STR("hel"));
    add_frame(&input, CONT, STR(""));
    add_frame(&input, CONT, STR("lo "));
    add_frame(&input, FIN | CONT, STR("world"));
    add_frame(&input, BINARY, STR(""));
    add_frame(&input, FIN | CONT, STR(""));
    add_frame(&input, FIN | TEXT, STR("next"));
    assert_good(&input, "T(hello world)B()T(next)");
}

static void control_frames_may_stand_between_fragments(void **state)
{
    struct input input = {0};

    (void)state;
    add_frame(&input, TEXT, STR("hel"));
    add_frame(&input, FIN | PING, STR("p"));
    add_frame(&input, CONT, STR("lo"));
    add_frame(&input, FIN | PONG, STR("unasked"));
    add_frame(&input, FIN | PING, STR(""));
    add_frame(&input, FIN | CONT, STR("!"));
    assert_input(&input, "IOIT(hello!)", STR("\x8a\x01p\x8a\x00"), WS_BOUNDARY, REASON_COUNT);
}

static void pings_are_answered_with_what_they_carried(void **state)
{
    struct input input = {0};
    struct buf replies = {0};
    char longest[125];

    (void)state;
    memset(longest, 'p', sizeof(longest));
    add_frame(&input, FIN | PING, STR("abc"));
    add_frame(&input, FIN | PING, str_from(longest, sizeof(longest)));
    add_frame(&input, FIN | TEXT, STR("x"));
    add_frame(&input, FIN | PING, STR("\xff\x00"));
    buf_add(&replies, STR("\x8a\x03"
                          "abc\x8a\x7d"));
    buf_add(&replies, str_from(longest, sizeof(longest)));
    buf_add(&replies, STR("\x8a\x02\xff\x00"));
    assert_input(&input, "IIT(x)I", buf_str(&replies), WS_BOUNDARY, REASON_COUNT);
    buf_finish(&replies);
}

/* ---- limits ---- */

static void the_largest_message_may_come_in_any_fragments(void **state)
{
    static char payload[MAX_MESSAGE + 1];
    struct buf log = {0};
    struct input input = {0};

    (void)state;
    memset(payload, 'x', sizeof(payload));
    add_frame(&input, TEXT, str_from(payload, MAX_MESSAGE - 1));
    add_frame(&input, CONT, str_from(payload, 1));
    add_frame(&input, FIN | CONT, STR(""));
    add_frame(&input, FIN | TEXT, str_from(payload, MAX_MESSAGE)); /* the count begins anew */
    buf_addf(&log, "T(%.*s)T(%.*s)", MAX_MESSAGE, payload, MAX_MESSAGE, payload);
    assert_good(&input, buf_text(&log));
    buf_finish(&log);
}

static void one_byte_more_is_too_big(void **state)
{
    static char payload[MAX_MESSAGE + 1];
    struct input whole = {0}, fragments = {0}, binary = {0};

    (void)state;
    memset(payload, 'x', sizeof(payload));
    add_frame(&whole, FIN | TEXT, STR("good"));
    add_frame(&whole, FIN | TEXT, str_from(payload, MAX_MESSAGE + 1));
    assert_bad(&whole, "T(good)", REASON_TOO_BIG);
    add_frame(&fragments, TEXT, str_from(payload, MAX_MESSAGE));
    add_frame(&fragments, FIN | PONG, STR(""));
    add_frame(&fragments, FIN | CONT, str_from(payload, 1));
    assert_bad(&fragments, "O", REASON_TOO_BIG);
    add_frame(&binary, FIN | BINARY, str_from(payload, MAX_MESSAGE + 1));
    assert_bad(&binary, "", REASON_TOO_BIG);
}

static void a_length_beyond_the_limit_fails_as_soon_as_it_is_announced(void **state)
{
    static const uint64_t lengths[] = {MAX_MESSAGE + 1,   UINT16_MAX,        UINT16_MAX + 1,
                                       (uint64_t)1 << 31, (uint64_t)1 << 32, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct input alone = {0}, first = {0}, later = {0};

        add_head(&alone, FIN | TEXT, lengths[i]); /* no byte of it came */
        assert_bad(&alone, "", REASON_TOO_BIG);
        add_head(&first, BINARY, lengths[i]);
        buf_add(&first.bytes, STR("xyz"));
        assert_bad(&first, "", REASON_TOO_BIG);
        add_frame(&later, TEXT, STR("x"));
        add_head(&later, FIN | CONT, lengths[i]);
        assert_bad(&later, "", REASON_TOO_BIG);
    }
}

static void a_length_of_more_than_63_bits_is_refused(void **state)
{
    struct input input = {0};

    (void)state;
    buf_add(&input.bytes, STR("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00"));
    buf_add(&input.bytes,
            STR("\x12\x34\x56\x78")); /* named twice over: either answer is right */
    for (size_t split = 1; split <= input.bytes.len; split++) {
        struct record record;

        run(&input, split, input.bytes.len, &record);
        assert_int_equal(record.outcome, WS_FAILED);
        assert_true(record.reason == REASON_PROTOCOL || record.reason == REASON_TOO_BIG);
        finish(&record);
    }
    buf_finish(&input.bytes);
}

/* ---- closing ---- */

static void assert_close(struct str payload, enum ws_outcome outcome, enum reason reason,
                         struct str reply)
{
    struct input input = {0};

    add_frame(&input, FIN | TEXT, STR("x"));
    add_frame(&input, FIN | CLOSE, payload);
    input.border_count = 1;
    buf_add(&input.bytes, STR("whatever follows"));
    for (size_t split = 0; split <= input.bytes.len; split++) {
        struct record record;

        run(&input, split == 0 ? 1 : split, split == 0 ? 1 : input.bytes.len, &record);
        assert_int_equal(record.outcome, outcome);
        assert_int_equal(record.reason, reason);
        assert_str(buf_str(&record.log), "T(x)");
        assert_true(str_equal(buf_str(&record.replies), reply));
        finish(&record);
    }
    buf_finish(&input.bytes);
}

static void a_close_is_echoed(void **state)
{
    (void)state;
    assert_close(STR(""), WS_CLOSED, REASON_COUNT, STR("\x88\x00"));
    assert_close(STR("\x03\xe8"), WS_CLOSED, REASON_COUNT, STR("\x88\x02\x03\xe8"));
    assert_close(STR("\x03\xe9"
                     "bye"),
                 WS_CLOSED, REASON_COUNT,
                 STR("\x88\x05\x03\xe9"
                     "bye"));
    assert_close(STR("\x0f\xa0\xc3\xa9"), WS_CLOSED, REASON_COUNT,
                 STR("\x88\x04\x0f\xa0\xc3\xa9")); /* 4000 */
}

static void a_close_may_come_between_fragments(void **state)
{
    struct input input = {0};

    (void)state;
    add_frame(&input, TEXT, STR("never fini"));
    add_frame(&input, FIN | CLOSE, STR("\x03\xe8"));
    assert_input(&input, "", STR("\x88\x02\x03\xe8"), WS_CLOSED, REASON_COUNT);
}

static void codes_that_may_not_be_sent_are_refused(void **state)
{
    static const unsigned bad[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                   1016, 1100, 2000, 2999, 5000, 65535};
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                    1010, 1011, 3000, 3999, 4000, 4999};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char payload[2] = {(char)(bad[i] >> 8), (char)bad[i]};

        assert_close(str_from(payload, 2), WS_FAILED, REASON_PROTOCOL, STR(""));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char payload[2] = {(char)(good[i] >> 8), (char)good[i]};
        char reply[4] = {(char)0x88, 2, payload[0], payload[1]};

        assert_close(str_from(payload, 2), WS_CLOSED, REASON_COUNT, str_from(reply, 4));
    }
}

static void half_a_code_is_refused(void **state)
{
    (void)state;
    assert_close(STR("\x03"), WS_FAILED, REASON_PROTOCOL, STR(""));
}

static void the_text_of_a_close_must_be_utf8(void **state)
{
    (void)state;
    assert_close(STR("\x03\xe8\xff"), WS_FAILED, REASON_BAD_TEXT, STR(""));
    assert_close(STR("\x03\xe8"
                     "abc\xc3"),
                 WS_FAILED, REASON_BAD_TEXT, STR(""));
}

/* ---- life ---- */

static void a_reader_at_a_boundary_serves_another_connection(void **state)
{
    struct ws_reader *reader = ws_reader_create(MAX_MESSAGE);

    (void)state;
    for (int connection = 0; connection < 100; connection++) {
        struct input input = {0};
        struct record record = {0};

        add_frame(&input, TEXT, STR("a"));
        add_frame(&input, FIN | PING, STR("?"));
        add_frame(&input, FIN | CONT, STR("b"));
        if (connection % 2 == 0) {
            add_frame(&input, FIN | BINARY, STR("c"));
        }
        assert_true(feed(reader, &record, buf_str(&input.bytes)));
        assert_int_equal(record.outcome, WS_BOUNDARY);
        assert_str(buf_str(&record.log), connection % 2 == 0 ? "IT(ab)B(c)" : "IT(ab)");
        finish(&record);
        buf_finish(&input.bytes);
    }
    ws_reader_destroy(reader);
}

static void the_pool_gives_a_reader_that_was_returned(void **state)
{
    struct ws_reader_pool pool = {0};
    struct ws_reader *first = ws_reader_borrow(&pool, 1);

    (void)state;
    assert_int_equal(pool.count, 0);
    ws_reader_return(&pool, first);
    assert_int_equal(pool.count, 1);
    assert_ptr_equal(ws_reader_borrow(&pool, 1), first);
    assert_int_equal(pool.count, 0);
    ws_reader_return(&pool, first);
    ws_reader_free_pool(&pool);
    ws_reader_destroy(NULL);
}

static void a_stopped_reader_says_nothing_more(void **state)
{
    struct ws_reader *reader = ws_reader_create(MAX_MESSAGE);
    struct input input = {0};
    struct record record = {.stop = reader};

    (void)state;
    add_frame(&input, FIN | TEXT, STR("first"));
    add_frame(&input, FIN | TEXT, STR("second"));
    add_frame(&input, FIN | PING, STR(""));
    assert_false(feed(reader, &record, buf_str(&input.bytes)));
    assert_int_equal(record.outcome, WS_FAILED);
    assert_str(buf_str(&record.log), "T(first)");
    assert_int_equal(record.replies.len, 0);
    finish(&record);
    buf_finish(&input.bytes);
    ws_reader_destroy(reader);
}

static void nothing_fed_is_nothing_said(void **state)
{
    struct ws_reader *reader = ws_reader_create(MAX_MESSAGE);
    struct record record = {0};

    (void)state;
    assert_true(feed(reader, &record, str_from("", 0)));
    assert_int_equal(record.outcome, WS_BOUNDARY);
    assert_true(feed(reader, &record, STR("\x81")));
    assert_int_equal(record.outcome, WS_MORE);
    assert_true(feed(reader, &record, str_from("", 0)));
    assert_int_equal(record.outcome, WS_MORE);
    assert_int_equal(record.log.len, 0);
    finish(&record);
    ws_reader_destroy(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_as_they_were_sent),
        cmocka_unit_test(every_form_of_length_is_understood),
        cmocka_unit_test(long_messages_come_whole),
        cmocka_unit_test(fragments_are_put_together),
        cmocka_unit_test(control_frames_may_stand_between_fragments),
        cmocka_unit_test(pings_are_answered_with_what_they_carried),
        cmocka_unit_test(the_largest_message_may_come_in_any_fragments),
        cmocka_unit_test(one_byte_more_is_too_big),
        cmocka_unit_test(a_length_beyond_the_limit_fails_as_soon_as_it_is_announced),
        cmocka_unit_test(a_length_of_more_than_63_bits_is_refused),
        cmocka_unit_test(a_close_is_echoed),
        cmocka_unit_test(a_close_may_come_between_fragments),
        cmocka_unit_test(codes_that_may_not_be_sent_are_refused),
        cmocka_unit_test(half_a_code_is_refused),
        cmocka_unit_test(the_text_of_a_close_must_be_utf8),
        cmocka_unit_test(a_reader_at_a_boundary_serves_another_connection),
        cmocka_unit_test(the_pool_gives_a_reader_that_was_returned),
        cmocka_unit_test(a_stopped_reader_says_nothing_more),
        cmocka_unit_test(nothing_fed_is_nothing_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
