/* X-Forwarded-For: believed as far as trusted proxies vouch for it, whatever a client writes.
 */
#include "test/unit/unit.h"

#include <string.h>

#include "common/address.h"
#include "common/buf.h"
#include "gateway/config_value.h"
#include "gateway/net/peer.h"

static struct config config;
static struct services services = {.config = &config};
static struct net net = {.services = &services};
static struct conn conn = {.net = &net};
static struct request request;

/* Trusts 10.0.0.0/8 and 2001:db8::/32; the connection comes from there. */
static int setup(void **state)
{
    (void)state;
    memset(&request, 0, sizeof(request));
    assert_true(config_read_range(STR("10.0.0.0/8"), &config.trusted_proxies[0]));
    assert_true(config_read_range(STR("2001:db8::/32"), &config.trusted_proxies[1]));
    config.trusted_proxy_count = 2;
    assert_true(address_read(STR("10.0.0.1"), conn.peer.s6_addr));
    return 0;
}

static void add_header(const char *name, const char *value)
{
    request.headers[request.header_count++] =
        (struct request_header){str_of(name), str_of(value)};
}

static void assert_peer(const char *expected)
{
    char room[INET6_ADDRSTRLEN];

    assert_str(peer_of(&conn, &request, room), expected);
}

static void assert_forwarded(const char *value, const char *expected)
{
    request.header_count = 0;
    add_header("x-forwarded-for", value);
    assert_peer(expected);
}

static void the_nearest_address_that_is_no_trusted_proxy_is_the_client(void **state)
{
    (void)state;
    assert_peer("10.0.0.1");
    assert_forwarded("203.0.113.9", "203.0.113.9");
    assert_forwarded("198.51.100.1, 203.0.113.9", "203.0.113.9");
    assert_forwarded("198.51.100.1,203.0.113.9 ,\t10.9.9.9,2001:db8::7", "203.0.113.9");
    assert_forwarded("10.0.0.3,10.0.0.2", "10.0.0.3");
}

static void nobody_else_is_believed(void **state)
{
    (void)state;
    assert_true(address_read(STR("192.0.2.1"), conn.peer.s6_addr));
    assert_forwarded("203.0.113.9", "192.0.2.1");
    config.trusted_proxy_count = 0;
    assert_true(address_read(STR("10.0.0.1"), conn.peer.s6_addr));
    assert_forwarded("203.0.113.9", "10.0.0.1");
}

/* The client's own header stands first; the proxy adds one behind it. */
static void headers_count_from_the_last_one(void **state)
{
    (void)state;
    add_header("X-Forwarded-For", "1.1.1.1");
    add_header("Host", "segue.test");
    add_header("X-FORWARDED-FOR", "203.0.113.9");
    assert_peer("203.0.113.9");
    request.headers[2].value = STR("10.0.0.2");
    assert_peer("1.1.1.1"); /* written by 10.0.0.2, which is trusted */
    request.headers[0].value = STR("2.2.2.2, junk");
    assert_peer("10.0.0.2");
}

static void what_is_no_address_ends_the_search(void **state)
{
    static const char *const values[] = {"",
                                         "unknown",
                                         "203.0.113.9,",
                                         ",",
                                         "_a, b",
                                         "203.0.113.9, 1.2.3",
                                         "203.0.113.9 10.0.0.2"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_forwarded(values[i], "10.0.0.1");
    }
    assert_forwarded("203.0.113.9, junk, 10.0.0.2", "10.0.0.2");
}

static void ports_and_other_spellings_make_no_other_client(void **state)
{
    (void)state;
    assert_forwarded("203.0.113.9:51820", "203.0.113.9");
    assert_forwarded("::ffff:203.0.113.9", "203.0.113.9");
    assert_forwarded("[2001:DB9:0::1]:443", "2001:db9::1");
    assert_forwarded("[2001:db9::1], 2001:0db8:0::2", "2001:db9::1");
    assert_forwarded("198.51.100.7, 10.0.0.2:80", "198.51.100.7");
}

static void a_very_long_list_is_read_from_its_end(void **state)
{
    struct buf list = {0};

    (void)state;
    buf_add_text(&list, "203.0.113.9");
    for (int i = 0; i < 900; i++) {
        buf_add_text(&list, ",10.0.0.2");
    }
    assert_forwarded(buf_text(&list), "203.0.113.9");
    buf_add_text(&list, ",198.51.100.1");
    assert_forwarded(buf_text(&list), "198.51.100.1");
    buf_finish(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_nearest_address_that_is_no_trusted_proxy_is_the_client,
                               setup),
        cmocka_unit_test_setup(nobody_else_is_believed, setup),
        cmocka_unit_test_setup(headers_count_from_the_last_one, setup),
        cmocka_unit_test_setup(what_is_no_address_ends_the_search, setup),
        cmocka_unit_test_setup(ports_and_other_spellings_make_no_other_client, setup),
        cmocka_unit_test_setup(a_very_long_list_is_read_from_its_end, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
