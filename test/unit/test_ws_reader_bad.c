/* What the WebSocket reader refuses: text that is none, and frames that are none. */
#include "test/unit/ws_reader_stage.h"

/* ---- text ---- */

static void text_must_be_utf8(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xff",
                                      "\xc3(",
                                      "\xc0\xaf",
                                      "\xe2\x82(",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xe0\x80\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct input whole = {0}, middle = {0}, binary = {0};
        struct buf log = {0};

        add_frame(&whole, FIN | TEXT, str_of(bad[i]));
        assert_bad(&whole, "", REASON_BAD_TEXT);
        add_frame(&middle, TEXT, STR("good"));
        add_frame(&middle, FIN | CONT, str_of(bad[i]));
        assert_bad(&middle, "", REASON_BAD_TEXT);
        add_frame(&binary, FIN | BINARY, str_of(bad[i])); /* nobody's business */
        buf_addf(&log, "B(%s)", bad[i]);
        assert_good(&binary, buf_text(&log));
        buf_finish(&log);
    }
}

static void a_character_may_be_cut_by_a_fragment_but_not_by_the_end(void **state)
{
    struct input good = {0}, cut = {0}, unfinished = {0};

    (void)state;
    add_frame(&good, TEXT, STR("\xf0\x9f"));
    add_frame(&good, CONT, STR("\x8e"));
    add_frame(&good, FIN | PING, STR(""));
    add_frame(&good, FIN | CONT, STR("\xb5"));
    assert_input(&good, "IT(\xf0\x9f\x8e\xb5)", STR("\x8a\x00"), WS_BOUNDARY, REASON_COUNT);
    add_frame(&cut, FIN | TEXT, STR("\xf0\x9f\x8e"));
    assert_bad(&cut, "", REASON_BAD_TEXT);
    add_frame(&unfinished, TEXT, STR("\xf0\x9f\x8e"));
    add_frame(&unfinished, FIN | CONT, STR(""));
    assert_bad(&unfinished, "", REASON_BAD_TEXT);
}

static void a_bad_byte_fails_in_mid_message(void **state)
{
    struct input input = {0};
    struct record record;

    (void)state;
    add_frame(&input, TEXT, STR("ab\xff"));
    run(&input, input.bytes.len, 1, &record); /* the frame is there, the message is not */
    assert_int_equal(record.outcome, WS_FAILED);
    assert_int_equal(record.reason, REASON_BAD_TEXT);
    finish(&record);
    buf_finish(&input.bytes);
    input = (struct input){0};
    add_head(&input, FIN | TEXT, 500);
    buf_add(&input.bytes, STR("\xed")); /* unmasked: 0xff */
    run(&input, input.bytes.len, 1, &record);
    assert_int_equal(record.outcome, WS_FAILED);
    assert_int_equal(record.reason, REASON_BAD_TEXT);
    finish(&record);
    buf_finish(&input.bytes);
}

/* ---- what is no frame ---- */

static void reserved_bits_are_refused(void **state)
{
    static const unsigned bits[] = {RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3};

    (void)state;
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        struct input text = {0}, ping = {0}, later = {0};

        add_frame(&text, FIN | bits[i] | TEXT, STR("x"));
        assert_bad(&text, "", REASON_PROTOCOL);
        add_frame(&ping, FIN | bits[i] | PING, STR("x"));
        assert_bad(&ping, "", REASON_PROTOCOL);
        add_frame(&later, TEXT, STR("x"));
        add_frame(&later, FIN | bits[i] | CONT, STR("y"));
        assert_bad(&later, "", REASON_PROTOCOL);
    }
}

static void unknown_opcodes_are_refused(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        struct input empty = {0}, full = {0};

        if (opcode <= BINARY || (opcode >= CLOSE && opcode <= PONG)) {
            continue;
        }
        add_frame(&empty, FIN | opcode, STR(""));
        assert_bad(&empty, "", REASON_PROTOCOL);
        add_frame(&full, FIN | opcode, STR("xyz"));
        assert_bad(&full, "", REASON_PROTOCOL);
    }
}

static void unmasked_frames_are_refused(void **state)
{
    static const struct str frames[] = {
        {"\x81\x05hello", 7},
        {"\x81\x00", 2},
        {"\x89\x00", 2},
        {"\x88\x02\x03\xe8", 4},
        {"\x82\x7e\x01\x00", 4},                          /* the header alone tells */
        {"\x82\x7f\x00\x00\x00\x00\x80\x00\x00\x00", 10}, /* whatever its length */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct input input = {0};

        add_frame(&input, FIN | TEXT, STR("x"));
        buf_add(&input.bytes, frames[i]);
        assert_bad(&input, "T(x)", REASON_PROTOCOL);
    }
}

static void lengths_come_in_their_shortest_form(void **state)
{
    static const struct str frames[] = {
        {"\x81\xfe\x00\x7d\x00\x00\x00\x00x", 9},
        {"\x81\xfe\x00\x00\x00\x00\x00\x00", 8},
        {"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00x", 15},
        {"\x81\xff\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00x", 15},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct input input = {0};

        buf_add(&input.bytes, frames[i]);
        assert_bad(&input, "", REASON_PROTOCOL);
    }
}

static void fragments_come_in_order(void **state)
{
    struct input stray = {0}, nested = {0}, open = {0};

    (void)state;
    add_frame(&stray, FIN | CONT, STR("x"));
    assert_bad(&stray, "", REASON_PROTOCOL);
    add_frame(&nested, TEXT, STR("x"));
    add_frame(&nested, FIN | TEXT, STR("y"));
    assert_bad(&nested, "", REASON_PROTOCOL);
    add_frame(&open, FIN | TEXT, STR("x"));
    add_frame(&open, FIN | CONT, STR("y"));
    assert_bad(&open, "T(x)", REASON_PROTOCOL);
}

static void control_frames_are_short_and_whole(void **state)
{
    static const unsigned opcodes[] = {CLOSE, PING, PONG};
    char payload[126];

    (void)state;
    memset(payload, 'p', sizeof(payload));
    for (size_t i = 0; i < 3; i++) {
        struct input fragment = {0}, large = {0}, huge = {0};

        add_frame(&fragment, opcodes[i], STR(""));
        fragment.border_count = 0;
        assert_bad(&fragment, "", REASON_PROTOCOL);
        add_frame(&large, FIN | opcodes[i], str_from(payload, sizeof(payload)));
        assert_bad(&large, "", REASON_PROTOCOL);
        add_head(&huge, FIN | opcodes[i], (uint64_t)1 << 31);
        assert_bad(&huge, "", REASON_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(a_character_may_be_cut_by_a_fragment_but_not_by_the_end),
        cmocka_unit_test(a_bad_byte_fails_in_mid_message),
        cmocka_unit_test(reserved_bits_are_refused),
        cmocka_unit_test(unknown_opcodes_are_refused),
        cmocka_unit_test(unmasked_frames_are_refused),
        cmocka_unit_test(lengths_come_in_their_shortest_form),
        cmocka_unit_test(fragments_come_in_order),
        cmocka_unit_test(control_frames_are_short_and_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
