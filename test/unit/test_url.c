/* The --redis URL: every form that counts, and a sentence without secrets for every other. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/mem.h"
#include "gateway/store/url.h"

static struct url parsed(const char *text)
{
    struct url url;
    const char *why = "unset";

    if (url_parse(str_of(text), &url, &why) != ERR_OK) {
        fail_msg("%s: %s", text, why);
    }
    assert_null(why);
    return url;
}

/* NULL stands for: not given. */
static void assert_network(const char *text, const char *user, const char *password,
                           const char *host, unsigned port, unsigned database)
{
    struct url url = parsed(text);
    const struct {
        const char *is, *expected;
    } texts[] = {{url.user, user}, {url.password, password}, {url.addresses[0].host, host}};

    for (int i = 0; i < 3; i++) {
        if (texts[i].expected == NULL) {
            assert_null(texts[i].is);
        } else {
            assert_non_null(texts[i].is);
            assert_string_equal(texts[i].is, texts[i].expected);
        }
    }
    assert_int_equal(url.kind, URL_SINGLE);
    assert_int_equal(url.count, 1);
    assert_int_equal(url.addresses[0].port, port);
    assert_int_equal(url.database, database);
    url_finish(&url);
}

static void assert_refused(const char *text, const char *sentence)
{
    struct url url;
    const char *why = NULL;

    memset(&url, 0x5a, sizeof(url));
    if (url_parse(str_of(text), &url, &why) == ERR_OK) {
        fail_msg("taken: %s", text);
    }
    assert_string_equal(why, sentence);
    assert_null(url.addresses); /* nothing is left to free, and freeing is harmless */
    assert_null(url.user);
    assert_null(url.password);
    url_finish(&url);
}

static void a_host_is_enough(void **state)
{
    (void)state;
    assert_network("redis://redis", NULL, NULL, "redis", 6379, 0);
    assert_network("redis://127.0.0.1", NULL, NULL, "127.0.0.1", 6379, 0);
    assert_network("redis://redis/", NULL, NULL, "redis", 6379, 0);
    assert_network("redis://redis:", NULL, NULL, "redis", 6379, 0);
}

static void port_and_database_are_numbers(void **state)
{
    (void)state;
    assert_network("redis://h:1", NULL, NULL, "h", 1, 0);
    assert_network("redis://h:65535/15", NULL, NULL, "h", 65535, 15);
    assert_network("redis://h/65535", NULL, NULL, "h", 6379, 65535);
    assert_network("redis://h:06379/007", NULL, NULL, "h", 6379, 7);
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
    (void)state;
    assert_network("redis://[::1]", NULL, NULL, "::1", 6379, 0);
    assert_network("redis://[::1]:7000/2", NULL, NULL, "::1", 7000, 2);
    assert_network("redis://u:p@[fe80::1]:7000", "u", "p", "fe80::1", 7000, 0);
}

static void credentials_are_decoded(void **state)
{
    (void)state;
    assert_network("redis://ann:secret@h", "ann", "secret", "h", 6379, 0);
    assert_network("redis://:secret@h", NULL, "secret", "h", 6379, 0);
    assert_network("redis://secret@h", NULL, "secret", "h", 6379, 0);
    assert_network("redis://a%3Ab:p%2Fq%40r%25@h:1/2", "a:b", "p/q@r%", "h", 1, 2);
    assert_network("redis://ann:a:b@h", "ann", "a:b", "h", 6379, 0);
    assert_network("redis://ann:a@b@h", "ann", "a@b", "h", 6379, 0);
    assert_network("redis://ann:a+b@h", "ann", "a+b", "h", 6379, 0); /* not a blank */
    assert_network("redis://ann:%c3%a9@h", "ann", "\xc3\xa9", "h", 6379, 0);
}

static void a_unix_socket_is_an_absolute_path(void **state)
{
    struct url url = parsed("unix:///run/redis/redis.sock");

    (void)state;
    assert_string_equal(url.addresses[0].host, "/run/redis/redis.sock");
    assert_int_equal(url.addresses[0].port, 0);
    url_finish(&url);
    url = parsed("unix:///a%20b:c@d"); /* as it is: a path needs no escapes */
    assert_string_equal(url.addresses[0].host, "/a%20b:c@d");
    url_finish(&url);
}

static void a_unix_path_is_as_long_as_the_kernel_takes(void **state)
{
    static const char *const sentence = "unix:// needs an absolute path of at most 107 bytes";
    char text[200] = "unix:///";
    struct url url;

    (void)state;
    memset(text + strlen(text), 'x', 106);
    url = parsed(text);
    assert_int_equal(strlen(url.addresses[0].host), 107);
    url_finish(&url);
    text[strlen(text)] = 'x';
    assert_refused(text, sentence);
    assert_refused("unix://", sentence);
    assert_refused("unix:///", sentence);
    assert_refused("unix://relative/path", sentence);
}

static void other_schemes_are_named(void **state)
{
    static const char *const sentence =
        "it must begin with redis://, rediss://, unix://, sentinel://, sentinels://, "
        "cluster:// or clusters://";
    static const char *const texts[] = {
        "",         "redis",          "redis:/h",  "REDIS://h", "redisss://h",
        "http://h", "127.0.0.1:6379", " redis://h"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i], sentence);
    }
}

static void what_is_wrong_is_said(void **state)
{
    static const char *const host = "the host is missing or too long";
    static const char *const port = "the port must be 1 to 65535";
    static const char *const address = "the address after [ is not complete";
    static const char *const database = "the database after / must be a number";
    static const char *const credentials = "user or password are not properly percent-encoded";

    (void)state;
    assert_refused("redis://", host);
    assert_refused("redis:///0", host);
    assert_refused("redis://:6379", host);
    assert_refused("redis://u:p@", host);
    assert_refused("redis://u:p@:1", host);
    assert_refused("redis://::1", host);
    assert_refused("redis://[]", host);
    assert_refused("redis://h:0", port);
    assert_refused("redis://h:65536", port);
    assert_refused("redis://h:-1", port);
    assert_refused("redis://h:1x", port);
    assert_refused("redis://h: 1", port);
    assert_refused("redis://h:1:2", port);
    assert_refused("redis://h:99999999999999999999", port);
    assert_refused("redis://[::1", address);
    assert_refused("redis://[::1]7000", address);
    assert_refused("redis://h/x", database);
    assert_refused("redis://h/-1", database);
    assert_refused("redis://h/65536", database);
    assert_refused("redis://h/0/1", database);
    assert_refused("redis://h/0?x", database);
    assert_refused("redis://u:%@h", credentials);
    assert_refused("redis://u:%4@h", credentials);
    assert_refused("redis://u:%zz@h", credentials);
    assert_refused("redis://%zz:p@h", credentials);
    assert_refused("redis://u:a%00b@h", credentials);
}

static void lengths_are_bounded(void **state)
{
    struct buf text = {0};
    struct url url;

    (void)state;
    buf_add_text(&text, "redis://");
    for (int i = 0; i < 253; i++) {
        buf_add_char(&text, 'h');
    }
    url = parsed(buf_text(&text));
    assert_int_equal(strlen(url.addresses[0].host), 253);
    url_finish(&url);
    buf_add_char(&text, 'h');
    assert_refused(buf_text(&text), "the host is missing or too long");
    buf_clear(&text);
    buf_add_text(&text, "redis://u:");
    for (int i = 0; i < 513; i++) {
        buf_add_char(&text, 'p');
    }
    buf_add_text(&text, "@h");
    assert_refused(buf_text(&text), "user or password are not properly percent-encoded");
    buf_finish(&text);
}

static void a_cluster_is_several_nodes(void **state)
{
    struct url url = parsed("cluster://ann:a%2Cb@one,two:7001,[::1]:7002");

    (void)state;
    assert_int_equal(url.kind, URL_CLUSTER);
    assert_false(url.tls);
    assert_int_equal(url.count, 3);
    assert_string_equal(url.user, "ann");
    assert_string_equal(url.password, "a,b");
    assert_string_equal(url.addresses[0].host, "one");
    assert_int_equal(url.addresses[0].port, 6379);
    assert_string_equal(url.addresses[1].host, "two");
    assert_int_equal(url.addresses[1].port, 7001);
    assert_string_equal(url.addresses[2].host, "::1");
    assert_int_equal(url.addresses[2].port, 7002);
    url_finish(&url);
    assert_refused("cluster://h/0",
                   "a cluster has no databases: nothing goes behind the hosts");
    assert_refused("cluster://a,,b", "the host is missing or too long");
    assert_refused("cluster://a,", "the host is missing or too long");
    assert_refused("redis://a,b", "several hosts go with sentinel:// or cluster://");
}

static void sentinels_know_a_master_by_its_name(void **state)
{
    static const char *const name = "behind the sentinels goes /NAME of the master";
    struct url url = parsed("sentinel://:secret@one,two:7001/main/3?auth=bob:word");

    (void)state;
    assert_int_equal(url.kind, URL_SENTINEL);
    assert_int_equal(url.count, 2);
    assert_int_equal(url.addresses[0].port, 26379);
    assert_int_equal(url.addresses[1].port, 7001);
    assert_string_equal(url.master, "main");
    assert_string_equal(url.password, "secret");
    assert_null(url.user);
    assert_string_equal(url.sentinel_user, "bob");
    assert_string_equal(url.sentinel_password, "word");
    assert_int_equal(url.database, 3);
    url_finish(&url);
    url = parsed("sentinels://one/main");
    assert_true(url.tls);
    assert_null(url.sentinel_password);
    url_finish(&url);
    assert_refused("sentinel://one", name);
    assert_refused("sentinel://one/", name);
    assert_refused("sentinel://one//1", name);
    assert_refused("sentinel://one/main/x", "the database after / must be a number");
    assert_refused("sentinel://one/main?password=secret",
                   "behind ? goes auth=[user]:password, for the sentinels");
}

static void hosts_are_bounded(void **state)
{
    struct buf text = {0};
    struct url url;

    (void)state;
    buf_add_text(&text, "cluster://a");
    for (int i = 1; i < 64; i++) {
        buf_add_text(&text, ",a");
    }
    url = parsed(buf_text(&text));
    assert_int_equal(url.count, 64);
    url_finish(&url);
    buf_add_text(&text, ",a");
    assert_refused(buf_text(&text), "more than 64 hosts");
    buf_finish(&text);
}

static void a_log_shows_the_address_and_no_secret(void **state)
{
    static const char *const pairs[][2] = {
        {"redis://ann:secret@redis:7000/3", "redis:7000"},
        {"cluster://ann:secret@redis:7000", "redis:7000"},
        {"redis://[::1]", "::1:6379"},
        {"unix:///run/redis.sock", "/run/redis.sock"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct url url = parsed(pairs[i][0]);
        struct buf text = {0};

        server_print(&url.addresses[0], &text);
        assert_str(buf_str(&text), pairs[i][1]);
        buf_finish(&text);
        url_finish(&url);
        url_finish(&url); /* a second time is harmless */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_enough),
        cmocka_unit_test(port_and_database_are_numbers),
        cmocka_unit_test(an_ipv6_address_stands_in_brackets),
        cmocka_unit_test(credentials_are_decoded),
        cmocka_unit_test(a_unix_socket_is_an_absolute_path),
        cmocka_unit_test(a_unix_path_is_as_long_as_the_kernel_takes),
        cmocka_unit_test(other_schemes_are_named),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(a_cluster_is_several_nodes),
        cmocka_unit_test(sentinels_know_a_master_by_its_name),
        cmocka_unit_test(hosts_are_bounded),
        cmocka_unit_test(a_log_shows_the_address_and_no_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
