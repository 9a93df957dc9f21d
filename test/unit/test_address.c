/* IP addresses: one form and one text for each. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/address.h"

static void assert_reads(bool (*read)(struct str, uint8_t *), const char *text,
                         const char *expected)
{
    uint8_t address[ADDRESS_BYTES];
    char again[ADDRESS_TEXT_MAX];

    if (!read(str_of(text), address)) {
        fail_msg("\"%s\" is not read", text);
    }
    assert_str(address_print(address, again), expected);
}

static void every_address_has_one_text(void **state)
{
    static const char *const rows[][2] = {
        {"1.2.3.4", "1.2.3.4"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::FFFF:102:304", "1.2.3.4"},
        {"2001:DB8:0:0::0001", "2001:db8::1"},
        {"::", "::"},
        {"255.255.255.255", "255.255.255.255"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_reads(address_read, rows[i][0], rows[i][1]);
        assert_reads(address_read_with_port, rows[i][0], rows[i][1]);
    }
}

static void a_port_is_read_over_where_proxies_write_one(void **state)
{
    static const char *const rows[][2] = {
        {"1.2.3.4:80", "1.2.3.4"},
        {"1.2.3.4:65535", "1.2.3.4"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:443", "2001:db8::1"},
        {"2001:db8::1:443", "2001:db8::1:443"}, /* an address as it stands */
    };
    uint8_t address[ADDRESS_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_reads(address_read_with_port, rows[i][0], rows[i][1]);
    }
    assert_false(address_read(STR("1.2.3.4:80"), address));
    assert_false(address_read(STR("[2001:db8::1]"), address));
}

static void anything_else_is_no_address(void **state)
{
    static const char *const texts[] = {
        "",
        "unknown",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:80 ",
        " 1.2.3.4",
        "1.2.3.4/8",
        "[1.2.3.4]",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "[2001:db8::1]:",
        "2001:db8::g",
        "fe80::1%eth0",
        "_hidden",
        "[::ffff:1.2.3.4]:80",
        "[]",
        "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555",
    };
    uint8_t address[ADDRESS_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (address_read_with_port(str_of(texts[i]), address)) {
            fail_msg("\"%s\" is read", texts[i]);
        }
        assert_false(address_read(str_of(texts[i]), address));
    }
    assert_false(address_read(STR("1.2.3.4\0"), address));
}

static void an_ipv4_address_is_known_as_one(void **state)
{
    uint8_t address[ADDRESS_BYTES];

    (void)state;
    assert_true(address_read(STR("10.0.0.1"), address) && address_is_v4(address));
    assert_true(address_read(STR("::ffff:10.0.0.1"), address) && address_is_v4(address));
    assert_true(address_read(STR("::10.0.0.1"), address) && !address_is_v4(address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_has_one_text),
        cmocka_unit_test(a_port_is_read_over_where_proxies_write_one),
        cmocka_unit_test(anything_else_is_no_address),
        cmocka_unit_test(an_ipv4_address_is_known_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
