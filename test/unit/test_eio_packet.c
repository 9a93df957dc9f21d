/* Engine.IO packets: frames, polling bodies, and what is none. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/mem.h"
#include "gateway/net/eio_packet.h"

/* All packets of a body, "TYPE(DATA)" each; "bad" or "end" behind the last. */
static void read_all(struct str body, struct buf *found)
{
    struct eio_payload payload = eio_payload_of(body);
    struct buf decoded = {0};
    struct eio_packet packet;
    enum eio_outcome outcome;

    buf_clear(found);
    while ((outcome = eio_packet_next(&payload, &packet, &decoded)) == EIO_PACKET) {
        buf_add_char(found, (char)packet.type);
        buf_add_char(found, '(');
        buf_add(found, packet.data);
        buf_add_char(found, ')');
    }
    buf_add_text(found, outcome == EIO_END ? "end" : "bad");
    /* It stays so. */
    assert_int_equal(eio_packet_next(&payload, &packet, &decoded), outcome);
    assert_int_equal(eio_packet_next(&payload, &packet, &decoded), outcome);
    buf_finish(&decoded);
}

static void assert_body(struct str body, const char *expected)
{
    struct buf found = {0};

    read_all(body, &found);
    assert_str(buf_str(&found), expected);
    buf_finish(&found);
}

static void a_text_frame_is_one_packet(void **state)
{
    static const char types[] = "0123456";
    struct eio_packet packet;

    (void)state;
    for (size_t i = 0; types[i]; i++) {
        char text[] = {types[i], 'a', '\x1e', 'b'};

        assert_int_equal(eio_packet_parse(str_from(text, 1), &packet), ERR_OK);
        assert_int_equal(packet.type, types[i]);
        assert_int_equal(packet.data.len, 0);
        assert_int_equal(eio_packet_parse(str_from(text, sizeof(text)), &packet), ERR_OK);
        assert_int_equal(packet.type, types[i]);
        assert_str(packet.data, "a\x1e"
                                "b");
    }
}

static void no_other_byte_is_a_type(void **state)
{
    struct eio_packet packet;

    (void)state;
    assert_int_equal(eio_packet_parse(str_from(NULL, 0), &packet), ERR_INVALID);
    assert_int_equal(eio_packet_parse(STR(""), &packet), ERR_INVALID);
    for (unsigned c = 0; c < 256; c++) {
        char text[] = {(char)c, '1'};
        bool known = c >= '0' && c <= '6';

        assert_int_equal(eio_packet_parse(str_from(text, 2), &packet) == ERR_OK, known);
    }
}

static void a_body_is_packets_with_1e_between(void **state)
{
    (void)state;
    assert_body(STR("4"), "4()end");
    assert_body(STR("4hello"), "4(hello)end");
    assert_body(STR("4hello\x1e"
                    "2\x1e"
                    "4world"),
                "4(hello)2()4(world)end");
    assert_body(STR("0\x1e"
                    "1\x1e"
                    "2probe\x1e"
                    "3probe\x1e"
                    "4\x1e"
                    "5\x1e"
                    "6"),
                "0()1()2(probe)3(probe)4()5()6()end");
    assert_body(STR("4\xe2\x82\xac\x1e"
                    "4\xf0\x9f\x98\x80"),
                "4(\xe2\x82\xac)4(\xf0\x9f\x98\x80)end");
}

static void binary_is_b_and_base64(void **state)
{
    (void)state;
    assert_body(STR("bAQIDBA=="), "b(\x01\x02\x03\x04)end");
    assert_body(STR("b"), "b()end");
    assert_body(STR("4a\x1e"
                    "bYg==\x1e"
                    "4c\x1e"
                    "bZGU=\x1e"
                    "bZmdo"),
                "4(a)b(b)4(c)b(de)b(fgh)end");
}

static void a_bad_packet_ends_the_body_for_good(void **state)
{
    (void)state;
    assert_body(str_from(NULL, 0), "bad");
    assert_body(STR(""), "bad");
    assert_body(STR("\x1e"), "bad");
    assert_body(STR("\x1e"
                    "4"),
                "bad");
    assert_body(STR("4\x1e"), "4()bad");
    assert_body(STR("4a\x1e\x1e"
                    "4b"),
                "4(a)bad");
    assert_body(STR("7"), "bad");
    assert_body(STR("4a\x1e"
                    "abc\x1e"
                    "4b"),
                "4(a)bad");
    assert_body(STR("B"), "bad");
    assert_body(STR("4\xff"), "bad");
    assert_body(STR("4\xe2\x82"), "bad");
    /* The two halves of a character do not meet across the mark. */
    assert_body(STR("4\xc3\x1e\xa9"), "bad");
    assert_body(STR("4\xed\xa0\x80"), "bad");
    assert_body(STR("\xef\xbb\xbf"
                    "4a"),
                "bad");
}

static void base64_is_strict(void **state)
{
    static const char *const bad[] = {
        "bA",    "bAQ",    "bAQI",  "bAQ=",  "b=",      "b====",  "bAR==",
        "bAQJ=", "bAQ==A", "bA Q=", "bA-__", "bAQ==\n", "bAQID=", "bAQ\xff="};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_body(str_of(bad[i]), "bad");
    }
}

static void ten_thousand_packets_are_ten_thousand_packets(void **state)
{
    struct buf body = {0};
    struct buf decoded = {0};
    struct eio_payload payload;
    struct eio_packet packet;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        eio_add_text(&body, STR("4"));
    }
    assert_int_equal(body.len, 19999);
    payload = eio_payload_of(buf_str(&body));
    while (eio_packet_next(&payload, &packet, &decoded) == EIO_PACKET) {
        count++;
    }
    assert_int_equal(count, 10000);
    buf_finish(&decoded);
    buf_finish(&body);
}

static void what_is_written_is_read_again(void **state)
{
    static const char bytes[] = "\x00\x01\xfe\xff\x1e"
                                "b4";
    struct buf body = {0};

    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        struct buf decoded = {0};
        struct eio_payload payload;
        struct eio_packet packet;

        buf_clear(&body);
        eio_add_text(&body, STR("451-[\"x\"]"));
        eio_add_binary(&body, str_from(bytes, len));
        assert_int_equal(body.len, 10 + eio_binary_length(len));
        eio_add_text(&body, STR("2"));
        payload = eio_payload_of(buf_str(&body));
        assert_int_equal(eio_packet_next(&payload, &packet, &decoded), EIO_PACKET);
        assert_str(packet.data, "51-[\"x\"]");
        assert_int_equal(eio_packet_next(&payload, &packet, &decoded), EIO_PACKET);
        assert_int_equal(packet.type, EIO_BINARY);
        assert_true(str_equal(packet.data, str_from(bytes, len)));
        assert_int_equal(eio_packet_next(&payload, &packet, &decoded), EIO_PACKET);
        assert_int_equal(packet.type, EIO_PING);
        assert_int_equal(eio_packet_next(&payload, &packet, &decoded), EIO_END);
        buf_finish(&decoded);
    }
    buf_finish(&body);
}

static void a_body_is_written_as_the_official_server_does(void **state)
{
    struct buf body = {0};

    (void)state;
    eio_add_binary(&body, STR("\x01\x02\x03\x04"));
    eio_add_text(&body, STR("4hello"));
    eio_add_binary(&body, STR(""));
    assert_str(buf_str(&body), "bAQIDBA==\x1e"
                               "4hello\x1e"
                               "b");
    buf_finish(&body);
}

static void a_body_that_was_cut_gives_its_first_packets(void **state)
{
    static const char body[] = "4a\x1e"
                               "bYg==\x1e"
                               "4\xc3\xa9";
    static const char *const expected[] = {"bad",
                                           "4()end",
                                           "4(a)end",
                                           "4(a)bad",
                                           "4(a)b()end",
                                           "4(a)bad",
                                           "4(a)bad",
                                           "4(a)bad",
                                           "4(a)b(b)end",
                                           "4(a)b(b)bad",
                                           "4(a)b(b)4()end",
                                           "4(a)b(b)bad",
                                           "4(a)b(b)4(\xc3\xa9)end"};
    struct buf found = {0};

    (void)state;
    for (size_t len = 0; len < sizeof(body); len++) {
        char *exact = mem_alloc(len);

        memcpy(exact, body, len);
        read_all(str_from(exact, len), &found);
        assert_str(buf_str(&found), expected[len]);
        mem_free(exact);
    }
    buf_finish(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_frame_is_one_packet),
        cmocka_unit_test(no_other_byte_is_a_type),
        cmocka_unit_test(a_body_is_packets_with_1e_between),
        cmocka_unit_test(binary_is_b_and_base64),
        cmocka_unit_test(a_bad_packet_ends_the_body_for_good),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(ten_thousand_packets_are_ten_thousand_packets),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_body_is_written_as_the_official_server_does),
        cmocka_unit_test(a_body_that_was_cut_gives_its_first_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
