/* Headers of the PROXY protocol: whole, byte by byte, and every way of being wrong. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "gateway/net/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\x0a\x00\x00\x01\xc0\xa8\x00\x01\x12\x34\x00\x50"
#define V6                                                                                     \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x06"     \
    "\x12\x34\x00\x50"

/* Its prefixes are incomplete, and what follows it is left alone. NULL: nobody is named. */
static void assert_header(struct str bytes, const char *expected)
{
    static const struct str tails[] = {{"", 0}, {"GET / HTTP/1.1\r\n", 16}, {"PROXY ", 6}};
    struct proxy_header header;
    char text[ADDRESS_TEXT_MAX];

    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(proxy_read(str_from(bytes.at, len), &header), PROXY_MORE);
    }
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct buf all = {0};

        buf_add(&all, bytes);
        buf_add(&all, tails[i]);
        memset(&header, 0xff, sizeof(header));
        assert_int_equal(proxy_read(buf_str(&all), &header), PROXY_DONE);
        assert_int_equal(header.len, bytes.len);
        assert_int_equal(header.named, expected != NULL);
        if (expected != NULL) {
            assert_str(address_print(header.address, text), expected);
        }
        buf_finish(&all);
    }
}

/* As soon as a prefix says so, and with whatever comes behind it. */
static void assert_bad(struct str bytes)
{
    struct proxy_header header;
    size_t len = 0;

    while (len < bytes.len && proxy_read(str_from(bytes.at, len), &header) == PROXY_MORE) {
        len++;
    }
    if (proxy_read(bytes, &header) != PROXY_BAD) {
        fail_msg("\"%.*s\" is not refused", STR_ARG(bytes));
    }
    assert_int_equal(proxy_read(str_from(bytes.at, len), &header), PROXY_BAD);
}

static void a_line_names_the_client(void **state)
{
    (void)state;
    assert_header(STR("PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n"), "203.0.113.9");
    assert_header(STR("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
                  "255.255.255.255");
    assert_header(STR("PROXY TCP6 2001:db8::5 2001:db8::1 0 443\r\n"), "2001:db8::5");
    assert_header(STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_header(STR("PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n"), "1.2.3.4");
}

static void an_unknown_line_names_nobody(void **state)
{
    (void)state;
    assert_header(STR("PROXY UNKNOWN\r\n"), NULL);
    assert_header(STR("PROXY UNKNOWN whatever 1 2 3\r\n"), NULL);
    assert_header(STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                  NULL);
}

static void a_line_that_is_not_exactly_one_is_refused(void **state)
{
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
        "PROXY TCP4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.400 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rGET",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY unknown\r\n",
    };
    struct buf endless = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_bad(str_of(lines[i]));
    }
    assert_bad(STR("PROXY UNKNOWN \0\r\n"));
    buf_add_text(&endless, "PROXY UNKNOWN ");
    while (endless.len < PROXY_LINE_MAX) {
        buf_add_char(&endless, 'x');
    }
    assert_bad(buf_str(&endless));
    buf_add_text(&endless, "\r\n");
    assert_bad(buf_str(&endless));
    buf_finish(&endless);
}

static void a_block_names_the_client(void **state)
{
    (void)state;
    assert_header(STR(SIGNATURE "\x21\x11\0\x0c" V4), "10.0.0.1");
    assert_header(STR(SIGNATURE "\x21\x21\0\x24" V6), "2001:db8::5");
    /* ... and goes on with what we have no use for. */
    assert_header(STR(SIGNATURE "\x21\x11\0\x13" V4 "\x04\0\x04\1\2\3\4"), "10.0.0.1");
    assert_header(STR(SIGNATURE "\x21\x21\0\x26" V6 "\xff\xff"), "2001:db8::5");
}

static void a_block_may_name_nobody(void **state)
{
    struct buf path = {0};

    (void)state;
    assert_header(STR(SIGNATURE "\x20\0\0\0"), NULL);
    assert_header(STR(SIGNATURE "\x20\x11\0\x0c" V4), NULL);
    assert_header(STR(SIGNATURE "\x20\xff\0\x03"
                                "abc"),
                  NULL);
    assert_header(STR(SIGNATURE "\x21\0\0\0"), NULL);
    assert_header(STR(SIGNATURE "\x21\0\0\x03"
                                "abc"),
                  NULL);
    assert_header(STR(SIGNATURE "\x21\x12\0\x0c" V4), NULL); /* a datagram's */
    buf_add(&path, STR(SIGNATURE "\x21\x31\0\xd8"));
    for (int i = 0; i < 216; i++) {
        buf_add_char(&path, '/');
    }
    assert_header(buf_str(&path), NULL);
    buf_finish(&path);
}

static void a_block_that_breaks_the_rules_is_refused(void **state)
{
    (void)state;
    assert_bad(STR(SIGNATURE "\x11\x11\0\x0c" V4)); /* version 1 */
    assert_bad(STR(SIGNATURE "\x31\x11\0\x0c" V4));
    assert_bad(STR(SIGNATURE "\x22\x11\0\x0c" V4)); /* no such command */
    assert_bad(STR(SIGNATURE "\x2f\x11\0\x0c" V4));
    assert_bad(STR(SIGNATURE "\x21\x41\0\x0c" V4)); /* ... family */
    assert_bad(STR(SIGNATURE "\x21\xf1\0\x0c" V4));
    assert_bad(STR(SIGNATURE "\x21\x13\0\x0c" V4)); /* ... transport */
    assert_bad(STR(SIGNATURE "\x21\x11\0\x0b" V4)); /* too short for its addresses */
    assert_bad(STR(SIGNATURE "\x21\x21\0\x0c" V4));
    assert_bad(STR(SIGNATURE "\x21\x31\0\x0c" V4));
    assert_bad(STR(SIGNATURE "\x21\x11\xff\xff" V4)); /* longer than we read */
    assert_bad(STR(SIGNATURE "\x20\x11\x10\x00" V4));
}

static void the_longest_block_is_read(void **state)
{
    struct buf block = {0};
    struct proxy_header header;

    (void)state;
    buf_add(&block, STR(SIGNATURE "\x21\x11\x0f\xf0" V4));
    while (block.len < PROXY_BYTES_MAX - 1) {
        buf_add_char(&block, 'x');
    }
    assert_int_equal(proxy_read(buf_str(&block), &header), PROXY_MORE);
    buf_add_char(&block, 'x');
    assert_int_equal(proxy_read(buf_str(&block), &header), PROXY_DONE);
    assert_int_equal(header.len, PROXY_BYTES_MAX);
    buf_finish(&block);
}

static void what_is_no_header_is_known_at_the_first_byte_that_tells(void **state)
{
    static const struct {
        struct str bytes;
        size_t alike; /* bytes that a header begins with as well */
    } rows[] = {
        {{"GET / HTTP/1.1\r\n", 16}, 0},
        {{"POST / HTTP/1.1\r\n", 17}, 1},
        {{"PUT / HTTP/1.1\r\n", 16}, 1},
        {{"PROPFIND / HTTP/1.1\r\n", 21}, 3},
        {{"PROXYING", 8}, 5},
        {{"PROXY\r\n", 7}, 5},
        {{"\r\nGET / HTTP/1.1\r\n", 18}, 2},
        {{"\r\n\r\n\0\r\nQUIT\r", 12}, 11},
        {{"\0", 1}, 0},
    };
    struct proxy_header header;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t len = 0; len <= rows[i].bytes.len; len++) {
            assert_int_equal(proxy_read(str_from(rows[i].bytes.at, len), &header),
                             len <= rows[i].alike ? PROXY_MORE : PROXY_NONE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_the_client),
        cmocka_unit_test(an_unknown_line_names_nobody),
        cmocka_unit_test(a_line_that_is_not_exactly_one_is_refused),
        cmocka_unit_test(a_block_names_the_client),
        cmocka_unit_test(a_block_may_name_nobody),
        cmocka_unit_test(a_block_that_breaks_the_rules_is_refused),
        cmocka_unit_test(the_longest_block_is_read),
        cmocka_unit_test(what_is_no_header_is_known_at_the_first_byte_that_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
