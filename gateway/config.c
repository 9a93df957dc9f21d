/* What the operator chose.
 *
 * `options` is the one table: a row is a flag, its environment twin, its default, its check and
 * its lines in --help. Loading goes from strong to weak: flags first, then the variables of
 * options that no flag named, then the defaults of those that nobody named. Every value passes
 * the setter of its kind, which either stores it or writes a sentence; the sentence is printed
 * once, behind the name of the flag or variable. What the operator typed is shown in it, cut
 * and cleaned, but never when the option is a secret. */
#include "gateway/config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/mem.h"
#include "gateway/config_help.h"

enum {
    FILES_RESERVED = 64,   /* open files that are not clients' sockets */
    FILES_ENOUGH = 1000000 /* where the system sets no limit worth the name */
};

#define AT(member) offsetof(struct config, member)

static const struct config_option options[] = {
    {"Listening", "listen", KIND_ADDRESS, AT(listen), "0.0.0.0:8080", 0, 0, "ADDR:PORT",
     "pages and WebSocket for everybody; port 0 picks a free one"},
    {NULL, "admin-listen", KIND_ADDRESS_OR_OFF, AT(admin_listen), "127.0.0.1:9090", 0, 0,
     "ADDR:PORT", "/metrics, /healthz and /readyz; empty = off"},
    {NULL, "origins", KIND_ORIGINS, AT(origins), "*", 0, 0, "LIST",
     "browser pages that may connect: * for all, or\nscheme://host[:port], also "
     "https://*.example.com"},
    {NULL, "anonymous", KIND_PROTOCOLS, AT(anonymous), "chat,feed", 0, 0, "LIST",
     "protocols that may be used without a token: chat, feed"},
    {NULL, "trusted-proxies", KIND_RANGES, AT(trusted_proxies), NULL, 0, 0, "LIST",
     "addresses or CIDRs of load balancers that are believed who\ntheir client is: by "
     "X-Forwarded-For, and by the PROXY\nprotocol (both versions, recognized by itself)"},

    {"Redis", "redis", KIND_SECRET, AT(redis), "redis://127.0.0.1:6379", 1, 4096, "URL",
     "redis://[user:pass@]host:port[/db] or unix:///path, "
     "or\nsentinel://h1:p1,h2:p2/master[/db] or cluster://h1:p1,h2:p2;\n"
     "with TLS rediss://, sentinels://, clusters://"},
    {NULL, "redis-ca", KIND_TEXT, AT(redis_ca), NULL, 1, 4096, "FILE",
     "PEM certificates of those who vouch for Redis where it\nspeaks TLS; otherwise the "
     "system's"},
    {NULL, "redis-cert", KIND_TEXT, AT(redis_cert), NULL, 1, 4096, "FILE",
     "our own certificate, where Redis wants one"},
    {NULL, "redis-key", KIND_TEXT, AT(redis_key), NULL, 1, 4096, "FILE",
     "the key that belongs to it"},
    {NULL, "redis-prefix", KIND_PREFIX, AT(redis_prefix), "segue:", 0, 64, "TEXT",
     "in front of every key and channel"},
    {NULL, "socketio-adapter", KIND_PREFIX, AT(socketio_adapter), NULL, 0, 64, "PREFIX",
     "tell what backends publish for Socket.IO servers with the\nRedis adapter or emitter of "
     "that prefix (theirs is socket.io)"},

    {"Identity", "jwt-secret", KIND_SECRET, AT(jwt_secret), NULL, 1, 4096, "TEXT",
     "key of HS256, HS384 and HS512 tokens; better given as\nvariable: others on this host can "
     "read flags"},
    {NULL, "jwt-key", KIND_FILES, AT(jwt_keys), NULL, 0, 0, "FILE",
     "PEM public key of RS256..512 or ES256..512 tokens;\nrepeatable, for rotation as "
     "KID=FILE"},
    {NULL, "jwt-issuer", KIND_TEXT, AT(jwt_issuer), NULL, 1, 1024, "TEXT",
     "the `iss` that tokens must have"},
    {NULL, "jwt-audience", KIND_TEXT, AT(jwt_audience), NULL, 1, 1024, "TEXT",
     "the `aud` that tokens must have or contain"},
    {NULL, "jwt-user-claim", KIND_TEXT, AT(jwt_user_claim), NULL, 1, 256, "NAME",
     "claim that names the user; otherwise `sub`, else `userId`"},
    {NULL, "token-cookie", KIND_NAMES, AT(token_cookies), "token", 0, 0, "NAME",
     "cookie that may hold the token; repeatable"},
    {NULL, "token-header", KIND_NAMES, AT(token_headers), NULL, 0, 0, "NAME",
     "header that may hold the token; repeatable"},

    {NULL, "api-key", KIND_SECRETS, AT(api_keys), NULL, 0, 4096, "TEXT",
     "key of servers that send events; repeatable; without one\nthe server API is off"},

    {"Limits", "max-message", KIND_NUMBER, AT(max_message), "16384", 64, 1 << 30, "BYTES",
     "one message; larger: close 1009 (WebSocket), 413 (HTTP)"},
    {NULL, "max-batch", KIND_NUMBER, AT(max_batch), "1048576", 64, 1 << 30, "BYTES",
     "body of a polling POST or of a batch of the server API;\nnever less than --max-message "
     "unless given"},
    {NULL, "max-queue", KIND_NUMBER, AT(max_queue), "262144", 64, 1 << 30, "BYTES",
     "unsent bytes of a connection before it counts as slow"},
    {NULL, "rate", KIND_NUMBER, AT(rate), "50", 0, 1000000, "N",
     "messages per second and connection; 0 = no limit"},
    {NULL, "burst", KIND_NUMBER, AT(burst), "100", 1, 1000000, "N",
     "messages that may come at once"},
    {NULL, "connect-timeout", KIND_NUMBER, AT(connect_timeout_ms), "10000", 50, 3600000, "MS",
     "time for an HTTP request to be complete"},
    {NULL, "connect-rate", KIND_NUMBER, AT(connect_rate), "0", 0, 1000000, "N/s",
     "new WebSockets and Socket.IO sessions that this process lets\nin per second, beyond: 503 "
     "with Retry-After; 0 = no limit"},
    {NULL, "max-connections", KIND_NUMBER, AT(max_connections), NULL, 1, 10000000, "N",
     "clients at once, beyond: 503; otherwise the limit of open\nfiles (RLIMIT_NOFILE) less a "
     "reserve"},
    {NULL, "user-connections", KIND_NUMBER, AT(user_connections), "0", 0, 1000000, "N",
     "connections of one user, over all processes, beyond: 429;\n0 = no limit"},
    {NULL, "user-rate", KIND_NUMBER, AT(user_rate), "0", 0, 1000000, "N/s",
     "messages of one user per second, over all his connections\nand all processes; 0 = no "
     "limit"},
    {NULL, "address-connections", KIND_NUMBER, AT(address_connections), "0", 0, 10000000, "N",
     "connections from one address (IPv6: one /64), over all\nprocesses, beyond: 429; 0 = no "
     "limit"},
    {NULL, "address-rate", KIND_NUMBER, AT(address_rate), "0", 0, 1000000, "N/s",
     "new connections from one address per second, over all\nprocesses, beyond: 429; 0 = no "
     "limit"},

    {"Behaviour", "orphan-grace", KIND_NUMBER, AT(orphan_grace_s), "30", 0, 604800, "SECONDS",
     "a track whose user's devices are all gone for longer\nreads as paused; 0 = off"},
    {NULL, "feed", KIND_FEEDS, AT(feeds), NULL, 0, 0, "NAME=FILE:SECONDS",
     "a topic that tells a line of the file once per period;\nrepeatable; read again on "
     "SIGHUP; "
     "`wisdom` is built in"},
    {NULL, "ping-interval", KIND_NUMBER, AT(ping_interval_ms), "25000", 50, 3600000, "MS",
     "time between two pings to a connection"},
    {NULL, "ping-timeout", KIND_NUMBER, AT(ping_timeout_ms), "20000", 50, 3600000, "MS",
     "time for the answer, then close 4408"},
    {NULL, "drain", KIND_NUMBER, AT(drain_s), "10", 0, 3600, "SECONDS",
     "time over which SIGTERM spreads the closing"},

    {NULL, "recovery", KIND_RECOVERY, AT(recovery), "ask", 0, 0, "MODE",
     "Socket.IO connection state recovery: on = for all, off = for\nnobody, ask = for clients "
     "that ask (query recovery=1 or\nauth: {recovery: true})"},
    {NULL, "auth-failure", KIND_AUTH_FAILURE, AT(auth_failure), "event", 0, 0, "MODE",
     "what a Socket.IO client with a bad token gets: event = it is\nconnected, told by event "
     "error and disconnected;\nconnect-error = its CONNECT is refused"},

    {"LiveKit", "livekit-key", KIND_TEXT, AT(livekit_key), NULL, 1, 256, "TEXT",
     "API key in whose name members of chat rooms get tokens for\na LiveKit server; these "
     "three go together"},
    {NULL, "livekit-secret", KIND_SECRET, AT(livekit_secret), NULL, 1, 4096, "TEXT",
     "its secret; better given as variable"},
    {NULL, "livekit-url", KIND_TEXT, AT(livekit_url), NULL, 1, 1024, "URL",
     "where clients find that server: ws:// or wss://"},

    {"Log", "log-level", KIND_LEVEL, AT(log_level), "info", 0, 0, "LEVEL",
     "debug, info, warn or error"},
    {NULL, "log-format", KIND_FORMAT, AT(log_format), "text", 0, 0, "FORMAT",
     "text or json, on stderr"},

    {"Instead of running", "check-config", KIND_CHECK, AT(check_only), NULL, 0, 0, NULL,
     "look at flags, variables and keys, then exit (0 or 2)"},
    {NULL, "help", KIND_HELP, 0, NULL, 0, 0, NULL,
     "print this (also -h); with the name of an option behind it,\nwhat it is for and when to "
     "change it"},
    {NULL, "manual", KIND_MANUAL, 0, NULL, 0, 0, NULL,
     "print the manual: all of that, signals, exit codes, files"},
    {NULL, "man-page", KIND_MAN_PAGE, 0, NULL, 0, 0, NULL,
     "print the manual in the form that man(1) reads"},
    {NULL, "version", KIND_VERSION, 0, NULL, 0, 0, NULL, "print the version"},
};

enum {
    OPTION_COUNT = sizeof(options) / sizeof(options[0])
};
_Static_assert(OPTION_COUNT <= 64, "shown_secrets has a bit for each");

static bool is_list(const struct config_option *option)
{
    return option->kind >= KIND_FILES && option->kind <= KIND_RANGES;
}

/* A Redis URL is one when it has a password. */
static bool is_secret(const struct config_option *option, struct str value)
{
    return (option->kind == KIND_SECRET || option->kind == KIND_SECRETS) &&
           (option->offset != AT(redis) || memchr(value.at, '@', value.len) != NULL);
}

/* ---- Errors ---- */

/* "segue: --rate: ..."; the only place that writes to stderr. */
static void complain(const char *dashes, const char *name, const char *why)
{
    fprintf(stderr, "segue: %s%s: %s\n", dashes, name, why);
}

/* ---- The table, for those who print it ---- */

const struct config_option *config_options(size_t *count)
{
    *count = OPTION_COUNT;
    return options;
}

const struct config_option *config_find_option(struct str name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (str_equal(name, str_of(options[i].name))) {
            return &options[i];
        }
    }
    return NULL;
}

bool config_takes_value(const struct config_option *option)
{
    return option->kind < KIND_CHECK;
}

void config_twin(const struct config_option *option, char twin[CONFIG_TWIN_MAX])
{
    char *to = stpcpy(twin, "SEGUE_");

    for (const char *from = option->name; *from != '\0'; from++) {
        *to++ = *from == '-' ? '_' : (char)(*from - 'a' + 'A');
    }
    *to = '\0';
}

/* ---- Loading ---- */

/* What the word behind --help asks about: another flag need not be one that exists. */
static struct str topic_of(const char *word)
{
    struct str topic = str_of(word);
    bool flag = str_starts(topic, STR("--"));

    return flag && config_find_option(str_skip(topic, 2)) == NULL ? STR("") : topic;
}

/* A flag without a value, or --help with what stands behind it. */
static enum config_outcome obey(struct config *config, const struct config_option *option,
                                bool inside, struct str value)
{
    char shown[CONFIG_SHOWN_MAX], why[CONFIG_WHY_MAX];

    if (inside && option->kind != KIND_HELP) {
        complain("--", option->name, "takes no value");
        return CONFIG_WRONG;
    }
    if (option->kind == KIND_CHECK) {
        config->check_only = true;
        return CONFIG_RUN;
    }
    if (!config_tell(option, value)) {
        snprintf(why, sizeof(why), "the manual has nothing about %s; see segue --help",
                 config_shown(value, shown));
        complain("--", option->name, why);
        return CONFIG_WRONG;
    }
    return CONFIG_DONE;
}

/* Takes one flag, with its value when that is the next argument. CONFIG_RUN = go on with the
 * next. */
static enum config_outcome load_flag(struct config *config, bool *given, int argc, char **argv,
                                     int *at)
{
    struct str argument = str_of(argv[*at]), name, value;
    const struct config_option *option;
    char why[CONFIG_WHY_MAX];
    bool inside;

    if (str_equal(argument, STR("-h"))) {
        argument = STR("--help");
    }
    if (!str_starts(argument, STR("--"))) {
        /* Not shown: it may be the second word of an unquoted secret. */
        fprintf(stderr, "segue: argument %d is not a flag; see segue --help\n", *at);
        return CONFIG_WRONG;
    }
    inside = str_cut(str_skip(argument, 2), '=', &name, &value);
    option = config_find_option(name);
    if (option == NULL) {
        char cleaned[CONFIG_SHOWN_MAX];

        complain("--", config_shown(name, cleaned), "there is no such flag; see segue --help");
        return CONFIG_WRONG;
    }
    if (option->kind == KIND_HELP && !inside && *at + 1 < argc) {
        value = topic_of(argv[*at + 1]);
    }
    if (!config_takes_value(option)) {
        return obey(config, option, inside, value);
    }
    if (!inside) {
        if (*at + 1 >= argc) {
            snprintf(why, sizeof(why), "needs a value (%s)", option->placeholder);
            complain("--", option->name, why);
            return CONFIG_WRONG;
        }
        value = str_of(argv[++*at]);
    }
    if (!is_list(option)) {
        config_drop(config, option);
    }
    if (!config_set(config, option, value,
                    option->kind < KIND_FILES || option->kind > KIND_FEEDS, why)) {
        complain("--", option->name, why);
        return CONFIG_WRONG;
    }
    given[option - options] = true;
    if (is_secret(option, value)) {
        config->shown_secrets |= UINT64_C(1) << (option - options);
    }
    return CONFIG_RUN;
}

/* An empty variable counts as not set (as compose files and unit files produce them), save
 * where empty says something. */
static bool empty_counts(const struct config_option *option)
{
    return is_list(option) || option->kind == KIND_ADDRESS_OR_OFF ||
           option->kind == KIND_PREFIX;
}

static bool load_variables(struct config *config, bool *given)
{
    char twin[CONFIG_TWIN_MAX], why[CONFIG_WHY_MAX];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct config_option *option = &options[i];
        const char *text;

        if (given[i] || !config_takes_value(option)) {
            continue;
        }
        config_twin(option, twin);
        text = getenv(twin);
        if (text == NULL || (text[0] == '\0' && !empty_counts(option))) {
            continue;
        }
        if (!config_set(config, option, str_of(text), true, why)) {
            complain("", twin, why);
            return false;
        }
        given[i] = true;
    }
    return true;
}

static void load_defaults(struct config *config, const bool *given)
{
    char why[CONFIG_WHY_MAX];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!given[i] && options[i].standard != NULL &&
            !config_set(config, &options[i], str_of(options[i].standard), true, why)) {
            complain("--", options[i].name, why); /* a wrong row above */
            abort();
        }
    }
}

/* Raises the soft limit of open files to the hard one; how many clients they are enough for. */
static uint64_t raise_files(void)
{
    struct rlimit files;
    uint64_t limit;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    if (files.rlim_cur < files.rlim_max) {
        struct rlimit raised = {files.rlim_max, files.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            files = raised;
        }
    }
    limit = files.rlim_cur == RLIM_INFINITY || files.rlim_cur > FILES_ENOUGH ? FILES_ENOUGH
                                                                             : files.rlim_cur;
    return limit > 2 * FILES_RESERVED ? limit - FILES_RESERVED : (limit + 1) / 2;
}

/* A token is of use only with all of it. */
static bool livekit_is_whole(const struct config *config)
{
    bool some = config->livekit_key || config->livekit_secret || config->livekit_url;

    if (some && !(config->livekit_key && config->livekit_secret && config->livekit_url)) {
        complain("--", "livekit-key",
                 "--livekit-key, --livekit-secret and --livekit-url go together");
        return false;
    }
    if (some && !str_starts(str_of(config->livekit_url), STR("ws://")) &&
        !str_starts(str_of(config->livekit_url), STR("wss://"))) {
        complain("--", "livekit-url", "must begin with ws:// or wss://");
        return false;
    }
    return true;
}

struct config *config_create(void)
{
    return mem_zero(sizeof(struct config));
}

enum config_outcome config_load(struct config *config, int argc, char **argv)
{
    bool given[OPTION_COUNT] = {false};
    uint64_t possible;

    for (int at = 1; at < argc; at++) {
        enum config_outcome outcome = load_flag(config, given, argc, argv, &at);

        if (outcome != CONFIG_RUN) {
            return outcome;
        }
    }
    if (!load_variables(config, given)) {
        return CONFIG_WRONG;
    }
    config->listen.chosen = given[config_find_option(STR("listen")) - options];
    config->admin_listen.chosen = given[config_find_option(STR("admin-listen")) - options];
    load_defaults(config, given);
    if (!livekit_is_whole(config)) {
        return CONFIG_WRONG;
    }
    if (!given[config_find_option(STR("max-batch")) - options] &&
        config->max_batch < config->max_message) {
        config->max_batch = config->max_message; /* what fits a message fits a POST */
    }
    possible = raise_files();
    if (config->max_connections == 0) {
        config->max_connections = possible;
    }
    return CONFIG_RUN;
}

void config_destroy(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        config_drop(config, &options[i]);
    }
    mem_free(config);
}
