/* What works, but is dangerous or of no use: one row each. Only what is wrong wherever the
 * process runs stands here, so that whoever sees a warning has something to mend. */
#include "gateway/config_advice.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "gateway/config_value.h"

enum {
    SECRET_SHORT = 32, /* bytes; what HS256 asks for */
    KEY_SHORT = 16,
    IDLE_MS = 60000, /* nginx's and others' time for a connection on which nothing is said */
    V4_BITS = 96     /* of a range: in front of an IPv4 address */
};

static bool has_no_token_key(const struct config *config)
{
    return config->jwt_secret == NULL && config->jwt_keys.count == 0;
}

static bool has_short_secret(const struct config *config)
{
    return config->jwt_secret != NULL && strlen(config->jwt_secret) < SECRET_SHORT;
}

static bool has_short_key(const struct config *config)
{
    for (size_t i = 0; i < config->api_keys.count; i++) {
        if (strlen(config->api_keys.items[i]) < KEY_SHORT) {
            return true;
        }
    }
    return false;
}

static bool trusts_everybody(const struct config *config)
{
    static const uint8_t v4[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    for (size_t i = 0; i < config->trusted_proxy_count; i++) {
        const struct config_range *range = &config->trusted_proxies[i];

        if (range->bits == 0 ||
            (range->bits == V4_BITS && memcmp(range->bytes, v4, sizeof(v4)) == 0)) {
            return true;
        }
    }
    return false;
}

static bool takes_pages_without_name(const struct config *config)
{
    for (size_t i = 0; i < config->origins.count; i++) {
        if (strcmp(config->origins.items[i], "null") == 0) {
            return true;
        }
    }
    return false;
}

static bool has_small_batch(const struct config *config)
{
    return config->max_batch < config->max_message;
}

static bool lacks_files(const struct config *config)
{
    struct rlimit files;

    return getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
           config->max_connections > files.rlim_cur;
}

/* Who gives certificates thinks that nobody listens in. */
static bool talks_in_the_clear(const struct config *config)
{
    static const char *const secure[] = {"rediss://", "sentinels://", "clusters://"};
    bool given = config->redis_ca != NULL || config->redis_cert != NULL;

    for (size_t i = 0; i < sizeof(secure) / sizeof(secure[0]); i++) {
        given = given && !str_starts(str_of(config->redis), str_of(secure[i]));
    }
    return given;
}

static bool pings_late(const struct config *config)
{
    return config->ping_interval_ms >= IDLE_MS;
}

static const struct {
    const char *option;
    bool (*applies)(const struct config *config);
    const char *why;
} rows[] = {
    {"--jwt-secret", has_no_token_key,
     "neither it nor --jwt-key is given: every token is refused"},
    {"--jwt-secret", has_short_secret,
     "shorter than 32 bytes: it can be found from one token by trying"},
    {"--api-key", has_short_key, "shorter than 16 bytes: it can be found by trying"},
    {"--trusted-proxies", trusts_everybody,
     "trusts everybody: any client may claim any address"},
    {"--origins", takes_pages_without_name,
     "null is what sandboxed pages of any site call themselves"},
    {"--max-batch", has_small_batch,
     "less than --max-message: such a message can't come by polling"},
    {"--max-connections", lacks_files, "more than the limit of open files allows (ulimit -n)"},
    {"--redis-ca", talks_in_the_clear,
     "of no use without TLS: rediss://, sentinels:// or clusters://"},
    {"--ping-interval", pings_late,
     "60 s or more: many load balancers cut a connection that is idle for so long"},
};

static void advise(const char *option, const char *why)
{
    log_write(LOG_WARN, "configuration", LOG_TEXT("option", option), LOG_TEXT("why", why));
}

/* Whether they differ in one letter that is missing, too many or another one, or in two that
 * changed places. */
static bool is_slip_of(const char *a, size_t a_len, const char *b, size_t b_len)
{
    while (a_len > 0 && b_len > 0 && *a == *b) {
        a++, a_len--;
        b++, b_len--;
    }
    while (a_len > 0 && b_len > 0 && a[a_len - 1] == b[b_len - 1]) {
        a_len--;
        b_len--;
    }
    return (a_len <= 1 && b_len <= 1) ||
           (a_len == 2 && b_len == 2 && a[0] == b[1] && a[1] == b[0]);
}

/* A wrong flag is refused; a variable may be somebody else's, so only what looks like a slip is
 * told. Its value is not looked at. */
static void advise_of_variable(const char *name, size_t len)
{
    char twin[CONFIG_TWIN_MAX], meant[CONFIG_TWIN_MAX] = "";
    size_t count;
    const struct config_option *options = config_options(&count);

    for (size_t i = 0; i < count; i++) {
        if (!config_takes_value(&options[i])) {
            continue;
        }
        config_twin(&options[i], twin);
        if (strlen(twin) == len && memcmp(twin, name, len) == 0) {
            return;
        }
        if (is_slip_of(name, len, twin, strlen(twin))) {
            snprintf(meant, sizeof(meant), "%s", twin);
        }
    }
    if (meant[0] != '\0') {
        char why[CONFIG_WHY_MAX];

        snprintf(why, sizeof(why), "no option has this variable: is %s meant?", meant);
        log_write(LOG_WARN, "configuration", LOG_STR("option", str_from(name, len)),
                  LOG_TEXT("why", why));
    }
}

void config_advise(const struct config *config)
{
    size_t count;
    const struct config_option *options = config_options(&count);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].applies(config)) {
            advise(rows[i].option, rows[i].why);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (config->shown_secrets & UINT64_C(1) << i) {
            char name[CONFIG_TWIN_MAX];

            snprintf(name, sizeof(name), "--%s", options[i].name);
            advise(name, "a secret in a flag can be read by everybody on this host: give it as "
                         "variable");
        }
    }
    for (char **entry = environ; *entry != NULL; entry++) {
        advise_of_variable(*entry, strcspn(*entry, "="));
    }
}
