/* What the operator chose: flags, variables, defaults, errors, and the questions about origins
 * and proxies. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/config.h"

enum {
    OUTPUT_MAX = 32768,
    ARGUMENTS_MAX = 160
};

static struct config *config;
static char output[OUTPUT_MAX]; /* of the newest load, on stdout */
static char errors[OUTPUT_MAX]; /* on stderr */

/* Sends a descriptor to a new temporary file; returns where it went before. */
static int capture(int fd, FILE **file)
{
    int before = dup(fd);

    fflush(NULL);
    *file = tmpfile();
    assert_non_null(*file);
    assert_true(before >= 0);
    assert_int_equal(dup2(fileno(*file), fd), fd);
    return before;
}

static void release(int fd, int before, FILE *file, char *text)
{
    size_t len;

    fflush(NULL);
    dup2(before, fd);
    close(before);
    rewind(file);
    len = fread(text, 1, OUTPUT_MAX - 1, file);
    text[len] = '\0';
    fclose(file);
}

/* Loads a new config; what it printed is in `output` and `errors`. */
static enum config_outcome load(const char *const *arguments)
{
    char *argv[ARGUMENTS_MAX];
    int argc = 0, out, err;
    FILE *out_file, *err_file;
    enum config_outcome outcome;

    while (arguments[argc] != NULL) {
        assert_true(argc < ARGUMENTS_MAX - 1);
        argv[argc] = (char *)arguments[argc];
        argc++;
    }
    argv[argc] = NULL;
    config_destroy(config);
    config = config_create();
    out = capture(STDOUT_FILENO, &out_file);
    err = capture(STDERR_FILENO, &err_file);
    outcome = config_load(config, argc, argv);
    release(STDERR_FILENO, err, err_file, errors);
    release(STDOUT_FILENO, out, out_file, output);
    return outcome;
}

#define LOAD(...) load((const char *const[]){"segue", __VA_ARGS__, NULL})
#define NO_FLAGS  NULL

/* The flags are taken, in silence. */
#define assert_runs(...)                                                                       \
    do {                                                                                       \
        int outcome = LOAD(__VA_ARGS__);                                                       \
                                                                                               \
        assert_string_equal(errors, "");                                                       \
        assert_string_equal(output, "");                                                       \
        assert_int_equal(outcome, CONFIG_RUN);                                                 \
    } while (0)

/* The flags are refused with exactly this line. */
#define assert_wrong(line, ...)                                                                \
    do {                                                                                       \
        int outcome = LOAD(__VA_ARGS__);                                                       \
                                                                                               \
        assert_string_equal(errors, "segue: " line "\n");                                      \
        assert_string_equal(output, "");                                                       \
        assert_int_equal(outcome, CONFIG_WRONG);                                               \
    } while (0)

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; environ[i] != NULL;) {
        char name[128];
        size_t len = strcspn(environ[i], "=");

        if (strncmp(environ[i], "SEGUE_", 6) == 0 && len < sizeof(name)) {
            memcpy(name, environ[i], len);
            name[len] = '\0';
            unsetenv(name);
        } else {
            i++;
        }
    }
    return 0;
}

static int finish(void **state)
{
    config_destroy(config);
    config = NULL;
    return clean(state);
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    assert_runs(NO_FLAGS);
    assert_string_equal(config->listen.host, "0.0.0.0");
    assert_int_equal(config->listen.port, 8080);
    assert_false(config->listen.off || config->listen.chosen);
    assert_string_equal(config->admin_listen.host, "127.0.0.1");
    assert_int_equal(config->admin_listen.port, 9090);
    assert_false(config->admin_listen.off || config->admin_listen.chosen);
    assert_string_equal(config->redis, "redis://127.0.0.1:6379");
    assert_string_equal(config->redis_prefix, "segue:");
    assert_null(config->jwt_secret);
    assert_int_equal(config->jwt_keys.count, 0);
    assert_null(config->jwt_issuer);
    assert_null(config->jwt_audience);
    assert_null(config->jwt_user_claim);
    assert_int_equal(config->token_cookies.count, 1);
    assert_string_equal(config->token_cookies.items[0], "token");
    assert_int_equal(config->token_headers.count, 0);
    assert_int_equal(config->origins.count, 1);
    assert_string_equal(config->origins.items[0], "*");
    assert_int_equal(config->trusted_proxy_count, 0);
    assert_int_equal(config->max_message, 16384);
    assert_int_equal(config->max_queue, 262144);
    assert_int_equal(config->rate, 50);
    assert_int_equal(config->burst, 100);
    assert_int_equal(config->connect_timeout_ms, 10000);
    assert_int_equal(config->orphan_grace_s, 30);
    assert_int_equal(config->ping_interval_ms, 25000);
    assert_int_equal(config->ping_timeout_ms, 20000);
    assert_int_equal(config->drain_s, 10);
    assert_int_equal(config->connect_rate, 0);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_int_equal(config->log_format, LOG_FORMAT_TEXT);
    assert_false(config->check_only);
}

static void a_value_follows_its_flag_or_an_equals_sign(void **state)
{
    (void)state;
    assert_runs("--rate", "7", "--burst=9", "--jwt-secret=a=b",
                "--redis-prefix=", "--log-level", "debug", "--log-format=json",
                "--check-config");
    assert_int_equal(config->rate, 7);
    assert_int_equal(config->burst, 9);
    assert_string_equal(config->jwt_secret, "a=b");
    assert_string_equal(config->redis_prefix, "");
    assert_int_equal(config->log_level, LOG_DEBUG);
    assert_int_equal(config->log_format, LOG_FORMAT_JSON);
    assert_true(config->check_only);
}

static void a_rate_may_say_per_second(void **state)
{
    (void)state;
    assert_runs("--connect-rate", "700/s");
    assert_int_equal(config->connect_rate, 700);
    assert_runs("--connect-rate", "8");
    assert_int_equal(config->connect_rate, 8);
    assert_wrong("--connect-rate: 8/m is not a number (0 to 1000000)", "--connect-rate", "8/m");
    assert_wrong("--connect-rate: /s is not a number (0 to 1000000)", "--connect-rate", "/s");
    assert_wrong("--rate: 8/s is not a number (0 to 1000000)", "--rate", "8/s");
}

static void the_last_of_a_repeated_flag_wins(void **state)
{
    (void)state;
    assert_runs("--rate", "7", "--rate", "8", "--jwt-secret", "one", "--jwt-secret", "two",
                "--admin-listen", "", "--admin-listen", "127.0.0.1:1");
    assert_int_equal(config->rate, 8);
    assert_string_equal(config->jwt_secret, "two");
    assert_false(config->admin_listen.off);
}

static void a_flag_wins_over_its_variable_and_that_over_the_default(void **state)
{
    (void)state;
    setenv("SEGUE_RATE", "11", 1);
    setenv("SEGUE_MAX_MESSAGE", "2048", 1);
    setenv("SEGUE_LISTEN", "127.0.0.1:0", 1);
    setenv("SEGUE_NO_SUCH_THING", "x", 1);
    assert_runs("--rate", "12");
    assert_int_equal(config->rate, 12);
    assert_int_equal(config->max_message, 2048);
    assert_int_equal(config->burst, 100);
    assert_true(config->listen.chosen);
    assert_false(config->admin_listen.chosen);
}

static void a_wrong_variable_is_reported_by_its_name_unless_a_flag_replaces_it(void **state)
{
    (void)state;
    setenv("SEGUE_PING_INTERVAL", "soon", 1);
    assert_wrong("SEGUE_PING_INTERVAL: soon is not a number of milliseconds (50 to 3600000)",
                 NO_FLAGS);
    assert_runs("--ping-interval", "50");
}

static void an_empty_variable_is_not_set_save_where_empty_says_something(void **state)
{
    (void)state;
    setenv("SEGUE_RATE", "", 1);
    setenv("SEGUE_JWT_SECRET", "", 1);
    setenv("SEGUE_LISTEN", "", 1);
    setenv("SEGUE_REDIS", "", 1);
    setenv("SEGUE_ADMIN_LISTEN", "", 1);
    setenv("SEGUE_TOKEN_COOKIE", "", 1);
    setenv("SEGUE_REDIS_PREFIX", "", 1);
    assert_runs(NO_FLAGS);
    assert_int_equal(config->rate, 50);
    assert_null(config->jwt_secret);
    assert_int_equal(config->listen.port, 8080);
    assert_string_equal(config->redis, "redis://127.0.0.1:6379");
    assert_true(config->admin_listen.off);
    assert_true(config->admin_listen.chosen);
    assert_int_equal(config->token_cookies.count, 0);
    assert_string_equal(config->redis_prefix, "");
}

static void an_address_is_numeric_with_a_port(void **state)
{
    static const char *const wrong[] = {
        "8080",
        "127.0.0.1",
        "localhost:1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:1x",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[127.0.0.1]:80",
        "1.2.3:80",
        "[]:80",
        ":",
        "127.0.0.1 :80",
        "[1111111111111111111111111111111111111111111111111111111111111111111]:80"};

    (void)state;
    assert_runs("--listen", "[::1]:0", "--admin-listen", ":65535");
    assert_string_equal(config->listen.host, "::1");
    assert_int_equal(config->listen.port, 0);
    assert_string_equal(config->admin_listen.host, "0.0.0.0");
    assert_int_equal(config->admin_listen.port, 65535);
    assert_wrong(
        "--listen: an empty text is not ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080",
        "--listen", "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(LOAD("--listen", wrong[i]), CONFIG_WRONG);
        assert_non_null(strstr(errors, " is not ADDR:PORT such as "));
        assert_int_equal(LOAD("--admin-listen", wrong[i]), CONFIG_WRONG);
    }
    assert_runs("--admin-listen", "");
    assert_true(config->admin_listen.off);
}

static void a_number_keeps_to_digits_and_bounds(void **state)
{
    (void)state;
    assert_wrong("--max-message: 12x is not a number of bytes (64 to 1073741824)",
                 "--max-message", "12x");
    assert_wrong("--max-message: 63 is not a number of bytes (64 to 1073741824)",
                 "--max-message=63");
    assert_wrong("--max-message: 1073741825 is not a number of bytes (64 to 1073741824)",
                 "--max-message=1073741825");
    assert_wrong("--max-message: an empty text is not a number of bytes (64 to 1073741824)",
                 "--max-message=");
    assert_wrong("--rate: -1 is not a number (0 to 1000000)", "--rate", "-1");
    assert_wrong("--rate: 99999999999999999999 is not a number (0 to 1000000)", "--rate",
                 "99999999999999999999");
    assert_wrong("--drain: 1.5 is not a number of seconds (0 to 3600)", "--drain", "1.5");
    assert_wrong("--ping-timeout: 49 is not a number of milliseconds (50 to 3600000)",
                 "--ping-timeout", "49");
    assert_runs("--max-message", "64", "--rate", "0", "--ping-timeout", "50", "--orphan-grace",
                "0", "--drain=0");
    assert_int_equal(config->max_message, 64);
    assert_int_equal(config->rate, 0);
}

static void other_wrong_values_have_their_own_words(void **state)
{
    (void)state;
    assert_wrong("--log-level: loud is not one of debug, info, warn, error", "--log-level",
                 "loud");
    assert_wrong("--log-format: JSON is not one of text, json", "--log-format=JSON");
    assert_wrong("--jwt-issuer: must not be empty", "--jwt-issuer", "");
    assert_wrong("--jwt-secret: must not be empty", "--jwt-secret", "");
    assert_wrong("--anonymous: chats is not one of chat, feed (all else belongs to a user, and "
                 "needs a token)",
                 "--anonymous", "chat,chats");
    assert_wrong("--redis-prefix: a{b} is not printable ASCII without blanks and braces",
                 "--redis-prefix", "a{b}");
    assert_wrong("--redis-prefix: a b is not printable ASCII without blanks and braces",
                 "--redis-prefix", "a b");
    assert_wrong("--token-cookie: a;b is not the name of a cookie or header", "--token-cookie",
                 "x,a;b");
    assert_wrong("--trusted-proxies: 10.0.0.0/33 is not an address or range such as 10.0.0.0/8 "
                 "or fd00::/8",
                 "--trusted-proxies", "10.0.0.0/33");
    assert_wrong(
        "--origins: example.com is not *, scheme://host[:port] or scheme://*.host[:port]",
        "--origins", "example.com");
}

static void wrong_flags_have_their_own_words(void **state)
{
    (void)state;
    assert_wrong("--api-keys: there is no such flag; see segue --help", "--api-keys", "x");
    assert_wrong("--: there is no such flag; see segue --help", "--");
    assert_wrong("--rat: there is no such flag; see segue --help", "--rat=5");
    assert_wrong("--rate: needs a value (N)", "--burst", "5", "--rate");
    assert_wrong("--help: the manual has nothing about yes; see segue --help", "--help=yes");
    assert_wrong("--manual: takes no value", "--manual=yes");
    assert_wrong("--check-config: takes no value", "--check-config=");
    assert_wrong("argument 2 is not a flag; see segue --help", "--rate=5", "rate");
    assert_wrong("argument 1 is not a flag; see segue --help", "-r");
    assert_wrong("argument 1 is not a flag; see segue --help", "");
}

static void a_long_or_binary_value_is_shown_cut_and_clean(void **state)
{
    (void)state;
    assert_wrong("--rate: ?[31m1??2? is not a number (0 to 1000000)", "--rate",
                 "\033[31m1\r\n2\xff");
    assert_wrong("--rate: 111111111111111111111111111111111111111111111111111111111111... is "
                 "not a number "
                 "(0 to 1000000)",
                 "--rate", "1111111111111111111111111111111111111111111111111111111111111");
    assert_wrong("--a?b: there is no such flag; see segue --help", "--a\nb");
}

static void a_secret_is_never_shown(void **state)
{
    char long_secret[4098] = {0};

    (void)state;
    memset(long_secret, 's', 4097);
    assert_wrong("--jwt-secret: is longer than 4096 bytes", "--jwt-secret", long_secret);
    assert_wrong("--redis: is longer than 4096 bytes", "--redis", long_secret);
    assert_wrong("--api-key: is longer than 4096 bytes", "--api-key", long_secret);
    assert_runs("--jwt-secret", long_secret + 1);
    assert_wrong("argument 3 is not a flag; see segue --help", "--jwt-secret", "correct",
                 "horse");
    assert_wrong("--jwt-secrte: there is no such flag; see segue --help", "--jwt-secrte=horse");
}

static void a_given_list_replaces_the_default_and_grows(void **state)
{
    (void)state;
    assert_runs("--origins", "https://a.example, https://b.example",
                "--origins=http://c.example:81", "--token-cookie", "sid", "--token-header",
                "x-token", "--jwt-key", "a=/x,y.pem", "--jwt-key", "/z.pem");
    assert_true(config_allows_anonymous(config, "chat"));
    assert_true(config_allows_anonymous(config, "feed"));
    assert_false(config_allows_anonymous(config, "player"));
    assert_int_equal(config->api_keys.count, 0);
    assert_int_equal(config->origins.count, 3);
    assert_string_equal(config->origins.items[1], "https://b.example");
    assert_string_equal(config->origins.items[2], "http://c.example:81");
    assert_int_equal(config->token_cookies.count, 1);
    assert_string_equal(config->token_cookies.items[0], "sid");
    assert_string_equal(config->token_headers.items[0], "x-token");
    assert_int_equal(config->jwt_keys.count, 2);
    assert_string_equal(config->jwt_keys.items[0], "a=/x,y.pem");

    setenv("SEGUE_JWT_KEY", "a=/a.pem,b=/b.pem", 1);
    setenv("SEGUE_TOKEN_COOKIE", "one,two", 1);
    assert_runs("--token-cookie", "three");
    assert_int_equal(config->jwt_keys.count, 2);
    assert_string_equal(config->jwt_keys.items[1], "b=/b.pem");
    assert_int_equal(config->token_cookies.count, 1);
    assert_string_equal(config->token_cookies.items[0], "three");
}

static void keys_and_protocols_are_as_they_were_given(void **state)
{
    (void)state;
    assert_runs("--api-key", "one,with a comma", "--api-key=two", "--api-key", "",
                "--anonymous=feed");
    assert_int_equal(config->api_keys.count, 2);
    assert_string_equal(config->api_keys.items[0], "one,with a comma");
    assert_string_equal(config->api_keys.items[1], "two");
    assert_true(config_allows_anonymous(config, "feed"));
    assert_false(config_allows_anonymous(config, "chat"));
    assert_runs("--anonymous", "");
    assert_false(config_allows_anonymous(config, "chat"));
}

static void a_list_is_bounded(void **state)
{
    char items[2 * CONFIG_LIST_MAX + 3], ranges[3 * CONFIG_LIST_MAX + 4];

    (void)state;
    for (size_t i = 0; i <= CONFIG_LIST_MAX; i++) {
        snprintf(items + 2 * i, 3, "a,");
        snprintf(ranges + 3 * i, 4, "::,");
    }
    assert_wrong("--token-header: more than 64 items", "--token-header", items);
    assert_wrong("--trusted-proxies: more than 64 items", "--trusted-proxies", ranges);
    items[2 * CONFIG_LIST_MAX] = ranges[3 * CONFIG_LIST_MAX] = '\0';
    assert_runs("--token-header", items, "--trusted-proxies", ranges);
    assert_int_equal(config->token_headers.count, CONFIG_LIST_MAX);
    assert_int_equal(config->trusted_proxy_count, CONFIG_LIST_MAX);
}

static void a_feed_has_a_name_a_file_and_a_period(void **state)
{
    struct config_feed feed;

    (void)state;
    assert_true(config_read_feed(STR("news=/etc/a=b:c,d.txt:30"), &feed));
    assert_str(feed.name, "news");
    assert_str(feed.file, "/etc/a=b:c,d.txt");
    assert_int_equal(feed.seconds, 30);
    assert_true(config_read_feed(STR("-_9=x:86400"), &feed));
    assert_int_equal(feed.seconds, 86400);
    assert_runs("--feed", "a=1,2:3", "--feed", "b=x:4");
    assert_int_equal(config->feeds.count, 2);
    assert_string_equal(config->feeds.items[0], "a=1,2:3");
    setenv("SEGUE_FEED", "a=x:1,b=y:2", 1);
    assert_runs(NO_FLAGS);
    assert_int_equal(config->feeds.count, 2);
    unsetenv("SEGUE_FEED");
    assert_wrong("--feed: a=x:2 is a second feed of that name", "--feed", "a=x:1", "--feed",
                 "a=x:2");
}

static void what_is_no_feed_is_refused(void **state)
{
    static const char *const wrong[] = {
        "a",    "a=", "a=x",     "a=:1",    "a=x:",   "a=x:0",   "a=x:86401",
        "=x:1", ":1", "a b=x:1", "a.b=x:1", "a=x:-1", "a=x:1.5", "a=x:1s",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct config_feed feed;

        assert_false(config_read_feed(str_of(wrong[i]), &feed));
        assert_int_equal(LOAD("--feed", wrong[i]), CONFIG_WRONG);
        assert_non_null(strstr(errors, "is not NAME=FILE:SECONDS such as "));
    }
}

static void connections_are_bounded_by_the_limit_of_open_files(void **state)
{
    struct rlimit before, low, after;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_runs(NO_FLAGS);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    assert_true(config->max_connections > 0);
    assert_true(before.rlim_max > 1000000 || config->max_connections == before.rlim_max - 64);
    assert_runs("--max-connections", "3");
    assert_int_equal(config->max_connections, 3);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void help_names_every_flag_and_fits_a_terminal(void **state)
{
    static const char *const flags[] = {"listen",
                                        "admin-listen",
                                        "redis",
                                        "redis-prefix",
                                        "jwt-secret",
                                        "jwt-key",
                                        "jwt-issuer",
                                        "jwt-audience",
                                        "jwt-user-claim",
                                        "token-cookie",
                                        "token-header",
                                        "origins",
                                        "trusted-proxies",
                                        "max-message",
                                        "max-queue",
                                        "rate",
                                        "burst",
                                        "connect-timeout",
                                        "max-connections",
                                        "orphan-grace",
                                        "ping-interval",
                                        "ping-timeout",
                                        "drain",
                                        "log-level",
                                        "log-format",
                                        "feed",
                                        "connect-rate",
                                        "socketio-adapter",
                                        "user-connections",
                                        "user-rate",
                                        "address-connections",
                                        "address-rate"};
    char help[OUTPUT_MAX], needle[64];

    (void)state;
    assert_int_equal(LOAD("--jwt-key", "/nowhere", "--help", "--nonsense"), CONFIG_DONE);
    assert_string_equal(errors, "");
    memcpy(help, output, sizeof(help));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        snprintf(needle, sizeof(needle), "\n  --%s ", flags[i]);
        assert_non_null(strstr(help, needle));
        snprintf(needle, sizeof(needle), "[SEGUE_%s, default ", flags[i]);
        for (char *c = needle + 7; *c != ','; c++) {
            *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        }
        assert_non_null(strstr(help, needle));
    }
    assert_non_null(strstr(help, "[SEGUE_LISTEN, default 0.0.0.0:8080]"));
    for (char *line = help; *line != '\0'; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 100);
    }
    assert_int_equal(LOAD("-h"), CONFIG_DONE);
    assert_string_equal(output, help);
}

static void help_and_version_answer_whatever_the_environment_says(void **state)
{
    (void)state;
    setenv("SEGUE_RATE", "many", 1);
    assert_int_equal(LOAD("--version"), CONFIG_DONE);
    assert_string_equal(errors, "");
    assert_true(strncmp(output, "segue ", 6) == 0 && output[6] >= '0' && output[6] <= '9');
    assert_int_equal(strcspn(output, "\n") + 1, strlen(output));
    assert_int_equal(LOAD("--help"), CONFIG_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_those_of_the_contract, clean),
        cmocka_unit_test_setup(a_value_follows_its_flag_or_an_equals_sign, clean),
        cmocka_unit_test_setup(a_rate_may_say_per_second, clean),
        cmocka_unit_test_setup(the_last_of_a_repeated_flag_wins, clean),
        cmocka_unit_test_setup(a_flag_wins_over_its_variable_and_that_over_the_default, clean),
        cmocka_unit_test_setup(
            a_wrong_variable_is_reported_by_its_name_unless_a_flag_replaces_it, clean),
        cmocka_unit_test_setup(an_empty_variable_is_not_set_save_where_empty_says_something,
                               clean),
        cmocka_unit_test_setup(an_address_is_numeric_with_a_port, clean),
        cmocka_unit_test_setup(a_number_keeps_to_digits_and_bounds, clean),
        cmocka_unit_test_setup(other_wrong_values_have_their_own_words, clean),
        cmocka_unit_test_setup(wrong_flags_have_their_own_words, clean),
        cmocka_unit_test_setup(a_long_or_binary_value_is_shown_cut_and_clean, clean),
        cmocka_unit_test_setup(a_secret_is_never_shown, clean),
        cmocka_unit_test_setup(a_given_list_replaces_the_default_and_grows, clean),
        cmocka_unit_test_setup(keys_and_protocols_are_as_they_were_given, clean),
        cmocka_unit_test_setup(a_list_is_bounded, clean),
        cmocka_unit_test_setup(a_feed_has_a_name_a_file_and_a_period, clean),
        cmocka_unit_test_setup(what_is_no_feed_is_refused, clean),
        cmocka_unit_test_setup(connections_are_bounded_by_the_limit_of_open_files, clean),
        cmocka_unit_test_setup(help_names_every_flag_and_fits_a_terminal, clean),
        cmocka_unit_test_setup(help_and_version_answer_whatever_the_environment_says, clean),
    };

    return cmocka_run_group_tests(tests, clean, finish);
}
