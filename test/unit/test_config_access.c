/* Who may come: origins of browser pages, and proxies that may speak for others. */
#include "test/unit/unit.h"

#include <stdlib.h>

#include "gateway/config_value.h"

enum {
    ARGUMENTS_MAX = 16
};

static struct config *config;

static void load(const char *const *arguments)
{
    char *argv[ARGUMENTS_MAX];
    int argc = 0;

    for (; arguments[argc] != NULL; argc++) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc] = (char *)arguments[argc];
    }
    config_destroy(config);
    config = config_create();
    assert_int_equal(config_load(config, argc, argv), CONFIG_RUN);
}

#define LOAD(...) load((const char *const[]){"segue", __VA_ARGS__, NULL})
#define NO_FLAGS  NULL

static int finish(void **state)
{
    (void)state;
    config_destroy(config);
    config = NULL;
    return 0;
}

static int start(void **state)
{
    (void)state;
    unsetenv("SEGUE_ORIGINS");
    unsetenv("SEGUE_TRUSTED_PROXIES");
    return 0;
}

static bool trusts(const char *peer)
{
    return config_trusts(config, str_of(peer));
}

static void proxies_are_trusted_by_address_and_range(void **state)
{
    (void)state;
    LOAD(NO_FLAGS);
    assert_false(trusts("127.0.0.1"));
    LOAD("--trusted-proxies", "10.1.2.3/9,192.0.2.7,2001:db8::/33,fe80::1", "--trusted-proxies",
         "::ffff:198.51.100.0/120");
    assert_true(trusts("10.0.0.0") && trusts("10.127.255.255") && trusts("192.0.2.7"));
    assert_false(trusts("10.128.0.0") || trusts("9.255.255.255") || trusts("192.0.2.6") ||
                 trusts("192.0.2.8"));
    assert_true(trusts("2001:db8::1") && trusts("2001:db8:7fff:ffff::") && trusts("fe80::1") &&
                trusts("fe80::1%eth0"));
    assert_false(trusts("2001:db8:8000::") || trusts("2001:db9::") || trusts("fe80::2"));
    assert_true(trusts("::ffff:10.0.0.1") && trusts("::ffff:a00:1") && trusts("198.51.100.9"));
    assert_false(trusts("::ffff:11.0.0.1") || trusts("198.51.101.9"));
    assert_false(trusts("") || trusts("unix") || trusts("10.0.0.1:80") ||
                 trusts("10.0.0.01x") || trusts("[::1]"));
    assert_false(trusts("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"));
    assert_false(config_trusts(config, STR("10.0.0.1\0")));
}

static void everything_of_one_family_is_not_the_other_family(void **state)
{
    (void)state;
    LOAD("--trusted-proxies", "::/0");
    assert_true(trusts("2001:db8::1") && trusts("::1"));
    assert_false(trusts("10.0.0.1") || trusts("::ffff:10.0.0.1"));
    LOAD("--trusted-proxies", "0.0.0.0/0");
    assert_true(trusts("10.0.0.1") && trusts("::ffff:10.0.0.1"));
    assert_false(trusts("2001:db8::1") || trusts("::1"));
}

static void a_range_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {"10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1",  "/8",
                                        "10.0.0/8",  "fd00::/129", "10.0.0.0/8/8", "any"};
    struct config_range range;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(config_read_range(str_of(wrong[i]), &range));
    }
}

static bool allows(const char *origin)
{
    return config_allows_origin(config, str_of(origin));
}

static void origins_are_compared_whole_and_without_case(void **state)
{
    (void)state;
    LOAD(NO_FLAGS);
    assert_true(allows("https://any.example") && allows("null") && allows(""));
    LOAD("--origins", "https://App.example,http://localhost:3000,http://[::1]:80");
    assert_true(allows("https://app.example") && allows("HTTPS://APP.EXAMPLE") &&
                allows("http://localhost:3000"));
    assert_true(allows("http://[::1]:80"));
    assert_false(allows("http://app.example") || allows("https://app.example:444") ||
                 allows("https://app.example.evil"));
    assert_false(allows("https://evilapp.example") || allows("https://x.app.example") ||
                 allows("null") || allows("*"));
    assert_false(allows("http://localhost") || allows("http://localhost:3000/"));
    assert_true(allows(""));
}

static void a_star_stands_for_subdomains_only(void **state)
{
    (void)state;
    LOAD("--origins", "https://*.example.com,http://*.test:81");
    assert_true(allows("https://a.example.com") && allows("https://A.b.EXAMPLE.com") &&
                allows("http://x.test:81"));
    assert_false(allows("https://example.com") || allows("https://.example.com") ||
                 allows("http://a.example.com"));
    assert_false(allows("https://evil.test/.example.com") ||
                 allows("https://evil.test#.example.com"));
    assert_false(allows("https://evil.test:1.example.com") ||
                 allows("https://user@a.example.com"));
    assert_false(allows("https://a.example.com.evil") || allows("https://aexample.com") ||
                 allows("http://x.test"));
    assert_false(config_allows_origin(config, STR("https://a\0.example.com")));
}

static void an_origin_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {"https://",
                                        "https:/a.example",
                                        "://a.example",
                                        "https://a.example/",
                                        "https://a.example/path",
                                        "https://*",
                                        "https://*.",
                                        "https://a.*.com",
                                        "https://*a.example",
                                        "https://a.example:",
                                        "https://a:65536",
                                        "https://a b",
                                        "*.example.com",
                                        "https://u@a.example",
                                        "http://[::1",
                                        "http://[::1]x",
                                        "http://[::1]:port",
                                        "http://[]",
                                        "**"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(config_is_origin(str_of(wrong[i])));
    }
    LOAD("--origins", "null,capacitor://localhost,https://a.example:443");
    assert_true(allows("null") && allows("capacitor://localhost"));
    LOAD("--origins", "");
    assert_false(allows("https://a.example"));
    assert_true(allows(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(proxies_are_trusted_by_address_and_range, finish),
        cmocka_unit_test_teardown(everything_of_one_family_is_not_the_other_family, finish),
        cmocka_unit_test_teardown(a_range_that_is_none_is_refused, finish),
        cmocka_unit_test_teardown(origins_are_compared_whole_and_without_case, finish),
        cmocka_unit_test_teardown(a_star_stands_for_subdomains_only, finish),
        cmocka_unit_test_teardown(an_origin_that_is_none_is_refused, finish),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
