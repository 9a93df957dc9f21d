/* What the operator chose.
 *
 * `options` is the one table: a row is a flag, its environment twin, its default, its check and its lines in --help. Loading
 * goes from strong to weak: flags first, then the variables of options that no flag named, then the defaults of those that
 * nobody named. Every value passes the setter of its kind, which either stores it or writes a sentence; the sentence is
 * printed once, behind the name of the flag or variable. What the operator typed is shown in it, cut and cleaned, but never
 * when the option is a secret. */
#include "gateway/config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/err.h"
#include "common/mem.h"

#ifndef SEGUE_VERSION
#define SEGUE_VERSION "0.0.0-dev"
#endif

enum {
    WHY_MAX = 256,
    SHOWN_MAX = 64,        /* of a wrong value, in an error */
    NAME_MAX_LENGTH = 32,  /* of a flag, with its NUL */
    FILES_RESERVED = 64,   /* open files that are not clients' sockets */
    FILES_ENOUGH = 1000000 /* where the system sets no limit worth the name */
};

enum kind {
    KIND_ADDRESS,
    KIND_ADDRESS_OR_OFF,
    KIND_TEXT,   /* shown in errors */
    KIND_SECRET, /* never shown */
    KIND_NUMBER,
    KIND_LEVEL,
    KIND_FORMAT,
    KIND_FILES,   /* list; by flag one item each, because a path may hold a comma */
    KIND_NAMES,   /* list of cookie or header names */
    KIND_ORIGINS, /* list */
    KIND_RANGES,  /* list of CIDRs */
    KIND_CHECK,   /* here and below: no value, no environment twin */
    KIND_HELP,
    KIND_VERSION
};

struct option {
    const char *group; /* heading of --help, at the first option below it */
    const char *name;
    enum kind kind;
    size_t offset;        /* in struct config */
    const char *standard; /* default, as text; NULL = none */
    uint64_t min, max;    /* numbers: bounds; texts: bytes */
    const char *placeholder;
    const char *help; /* lines parted by \n */
};

#define AT(member) offsetof(struct config, member)

static const struct option options[] = {
    {"Listening", "listen", KIND_ADDRESS, AT(listen), "0.0.0.0:8080", 0, 0, "ADDR:PORT",
     "pages and WebSocket for everybody; port 0 picks a free one"},
    {NULL, "admin-listen", KIND_ADDRESS_OR_OFF, AT(admin_listen), "127.0.0.1:9090", 0, 0,
     "ADDR:PORT", "/metrics, /healthz and /readyz; empty = off"},
    {NULL, "origins", KIND_ORIGINS, AT(origins), "*", 0, 0, "LIST",
     "browser pages that may connect: * for all, or\nscheme://host[:port], also https://*.example.com"},
    {NULL, "trusted-proxies", KIND_RANGES, AT(trusted_proxies), NULL, 0, 0, "LIST",
     "addresses or CIDRs whose X-Forwarded-For is believed"},

    {"Redis", "redis", KIND_SECRET, AT(redis), "redis://127.0.0.1:6379", 1, 4096, "URL",
     "redis://[user:pass@]host:port[/db] or unix:///path"},
    {NULL, "redis-prefix", KIND_TEXT, AT(redis_prefix), "segue:", 0, 64, "TEXT",
     "in front of every key and channel"},

    {"Identity", "jwt-secret", KIND_SECRET, AT(jwt_secret), NULL, 1, 4096, "TEXT",
     "key of HS256, HS384 and HS512 tokens; better given as\nvariable: others on this host can read flags"},
    {NULL, "jwt-key", KIND_FILES, AT(jwt_keys), NULL, 0, 0, "FILE",
     "PEM public key of RS256..512 or ES256..512 tokens;\nrepeatable, for rotation as KID=FILE"},
    {NULL, "jwt-issuer", KIND_TEXT, AT(jwt_issuer), NULL, 1, 1024, "TEXT", "the `iss` that tokens must have"},
    {NULL, "jwt-audience", KIND_TEXT, AT(jwt_audience), NULL, 1, 1024, "TEXT",
     "the `aud` that tokens must have or contain"},
    {NULL, "jwt-user-claim", KIND_TEXT, AT(jwt_user_claim), NULL, 1, 256, "NAME",
     "claim that names the user; otherwise `sub`, else `userId`"},
    {NULL, "token-cookie", KIND_NAMES, AT(token_cookies), "token", 0, 0, "NAME",
     "cookie that may hold the token; repeatable"},
    {NULL, "token-header", KIND_NAMES, AT(token_headers), NULL, 0, 0, "NAME",
     "header that may hold the token; repeatable"},

    {"Limits", "max-message", KIND_NUMBER, AT(max_message), "16384", 64, 1 << 30, "BYTES",
     "one message; larger: close 1009 (WebSocket), 413 (HTTP)"},
    {NULL, "max-queue", KIND_NUMBER, AT(max_queue), "262144", 64, 1 << 30, "BYTES",
     "unsent bytes of a connection before it counts as slow"},
    {NULL, "rate", KIND_NUMBER, AT(rate), "50", 0, 1000000, "N",
     "messages per second and connection; 0 = no limit"},
    {NULL, "burst", KIND_NUMBER, AT(burst), "100", 1, 1000000, "N", "messages that may come at once"},
    {NULL, "connect-timeout", KIND_NUMBER, AT(connect_timeout_ms), "10000", 50, 3600000, "MS",
     "time for an HTTP request to be complete"},
    {NULL, "max-connections", KIND_NUMBER, AT(max_connections), NULL, 1, 10000000, "N",
     "clients at once, beyond: 503; otherwise the limit of open\nfiles (RLIMIT_NOFILE) less a reserve"},

    {"Behaviour", "orphan-grace", KIND_NUMBER, AT(orphan_grace_s), "30", 0, 604800, "SECONDS",
     "a track whose user's devices are all gone for longer\nreads as paused; 0 = off"},
    {NULL, "ping-interval", KIND_NUMBER, AT(ping_interval_ms), "25000", 50, 3600000, "MS",
     "time between two pings to a connection"},
    {NULL, "ping-timeout", KIND_NUMBER, AT(ping_timeout_ms), "20000", 50, 3600000, "MS",
     "time for the answer, then close 4408"},
    {NULL, "drain", KIND_NUMBER, AT(drain_s), "10", 0, 3600, "SECONDS",
     "time over which SIGTERM spreads the closing"},

    {"Log", "log-level", KIND_LEVEL, AT(log_level), "info", 0, 0, "LEVEL", "debug, info, warn or error"},
    {NULL, "log-format", KIND_FORMAT, AT(log_format), "text", 0, 0, "FORMAT", "text or json, on stderr"},

    {"Instead of running", "check-config", KIND_CHECK, AT(check_only), NULL, 0, 0, NULL,
     "look at flags, variables and keys, then exit (0 or 2)"},
    {NULL, "help", KIND_HELP, 0, NULL, 0, 0, NULL, "print this (also -h)"},
    {NULL, "version", KIND_VERSION, 0, NULL, 0, 0, NULL, "print the version"},
};

enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"text", "json", NULL};

/* A field of the config, by the option's kind. */
static void *field(struct config *config, const struct option *option)
{
    return (char *)config + option->offset;
}

static bool takes_value(const struct option *option)
{
    return option->kind < KIND_CHECK;
}

static bool is_list(const struct option *option)
{
    return option->kind >= KIND_FILES && option->kind <= KIND_RANGES;
}

/* ---- Errors ---- */

/* "segue: --rate: ..."; the only place that writes to stderr. */
static void complain(const char *dashes, const char *name, const char *why)
{
    fprintf(stderr, "segue: %s%s: %s\n", dashes, name, why);
}

/* A value as an error may show it: one line, no control bytes, cut. Returns `to`. */
static const char *shown(struct str value, char to[SHOWN_MAX])
{
    size_t count = value.len < SHOWN_MAX - 4 ? value.len : SHOWN_MAX - 4;

    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)value.at[i];

        to[i] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    strcpy(to + count, count < value.len ? "..." : "");
    return to;
}

/* Writes the sentence; always false, so that a setter can end with it. */
static bool refuse(char *why, struct str value, const char *what)
{
    char text[SHOWN_MAX];

    snprintf(why, WHY_MAX, "%s %s", value.len == 0 ? "an empty text" : shown(value, text), what);
    return false;
}

/* ---- Setters, one per kind ---- */

static bool set_address(struct config_address *address, struct str value, char *why)
{
    static const char form[] = "is not ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080";
    unsigned char scratch[sizeof(struct in6_addr)];
    unsigned long long port;
    struct str host = value;
    int family = AF_INET;
    size_t colon = value.len;

    while (colon > 0 && value.at[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !str_to_u64(str_skip(value, colon), UINT16_MAX, &port)) {
        return refuse(why, value, form);
    }
    host.len = colon - 1;
    if (host.len == 0) {
        host = STR("0.0.0.0");
    } else if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
        host = str_from(host.at + 1, host.len - 2);
        family = AF_INET6;
    }
    if (host.len >= sizeof(address->host)) {
        return refuse(why, value, form);
    }
    memcpy(address->host, host.at, host.len);
    address->host[host.len] = '\0';
    if (memchr(host.at, '\0', host.len) != NULL || inet_pton(family, address->host, scratch) != 1) {
        return refuse(why, value, form);
    }
    address->port = (uint16_t)port;
    return true;
}

static bool set_number(const struct option *option, uint64_t *number, struct str value, char *why)
{
    const char *unit = strcmp(option->placeholder, "BYTES") == 0     ? " of bytes"
                       : strcmp(option->placeholder, "MS") == 0      ? " of milliseconds"
                       : strcmp(option->placeholder, "SECONDS") == 0 ? " of seconds"
                                                                     : "";
    unsigned long long parsed;
    char what[WHY_MAX - SHOWN_MAX];

    if (!str_to_u64(value, option->max, &parsed) || parsed < option->min) {
        snprintf(what, sizeof(what), "is not a number%s (%llu to %llu)", unit,
                 (unsigned long long)option->min, (unsigned long long)option->max);
        return refuse(why, value, what);
    }
    *number = parsed;
    return true;
}

static bool set_choice(const char *const *words, int *choice, struct str value, char *why)
{
    char what[WHY_MAX - SHOWN_MAX] = "is not one of";

    for (int i = 0; words[i] != NULL; i++) {
        if (str_equal(value, str_of(words[i]))) {
            *choice = i;
            return true;
        }
        strcat(strcat(what, i == 0 ? " " : ", "), words[i]);
    }
    return refuse(why, value, what);
}

static bool set_text(const struct option *option, const char **text, struct str value, char *why)
{
    if (value.len < option->min) {
        snprintf(why, WHY_MAX, "must not be empty");
        return false;
    }
    if (value.len > option->max) {
        snprintf(why, WHY_MAX, "is longer than %llu bytes", (unsigned long long)option->max);
        return false;
    }
    if (option->offset == AT(redis_prefix)) {
        /* Braces would move the hash tag that keeps the keys of one entity in one slot. */
        for (size_t i = 0; i < value.len; i++) {
            if (value.at[i] <= ' ' || value.at[i] > '~' || strchr("{}", value.at[i]) != NULL) {
                return refuse(why, value, "is not printable ASCII without blanks and braces");
            }
        }
    }
    *text = mem_copy(value.at, value.len);
    return true;
}

/* ---- Items of lists ---- */

/* A cookie's or header's name is a token of RFC 9110. */
static bool is_name(struct str item)
{
    for (size_t i = 0; i < item.len; i++) {
        char c = item.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* What may stand in scheme, host and port. */
static bool is_plain(struct str part, const char *also)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr(also, c) == NULL)) {
            return false;
        }
    }
    return part.len > 0;
}

static bool is_origin(struct str item)
{
    struct str scheme, rest, host, port;
    unsigned long long number;

    if (str_equal(item, STR("*")) || str_equal(item, STR("null"))) {
        return true;
    }
    if (!str_cut(item, ':', &scheme, &rest) || !is_plain(scheme, "+-.") || !str_starts(rest, STR("//"))) {
        return false;
    }
    rest = str_skip(rest, 2);
    if (rest.len > 0 && rest.at[0] == '[') {
        if (!str_cut(str_skip(rest, 1), ']', &host, &rest) || !is_plain(host, ":.")) {
            return false;
        }
        return rest.len == 0 || (rest.at[0] == ':' && str_to_u64(str_skip(rest, 1), UINT16_MAX, &number));
    }
    if (str_starts(rest, STR("*."))) {
        rest = str_skip(rest, 2);
    }
    if (str_cut(rest, ':', &host, &port) && !str_to_u64(port, UINT16_MAX, &number)) {
        return false;
    }
    return is_plain(host, "-._");
}

/* Reads a numeric address as IPv6, IPv4 becoming ::ffff:a.b.c.d. */
static bool read_address(struct str text, uint8_t bytes[16], bool *is_v4)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    memset(bytes, 0, 16);
    *is_v4 = inet_pton(AF_INET, copy, bytes + 12) == 1;
    if (*is_v4) {
        bytes[10] = bytes[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, copy, bytes) == 1;
}

static bool read_range(struct str item, struct config_range *range)
{
    struct str address, bits;
    unsigned long long count;
    bool is_v4;
    bool has_bits = str_cut(item, '/', &address, &bits);

    if (!read_address(address, range->bytes, &is_v4)) {
        return false;
    }
    count = is_v4 ? 32 : 128;
    if (has_bits && !str_to_u64(bits, count, &count)) {
        return false;
    }
    range->bits = (unsigned)count + (is_v4 ? 96 : 0);
    return true;
}

static bool add_range(struct config *config, struct str item, char *why)
{
    if (config->trusted_proxy_count == CONFIG_LIST_MAX) {
        snprintf(why, WHY_MAX, "more than %d items", CONFIG_LIST_MAX);
        return false;
    }
    if (!read_range(item, &config->trusted_proxies[config->trusted_proxy_count])) {
        return refuse(why, item, "is not an address or range such as 10.0.0.0/8 or fd00::/8");
    }
    config->trusted_proxy_count++;
    return true;
}

static bool add_item(struct config *config, const struct option *option, struct str item, char *why)
{
    struct config_list *list = field(config, option);

    if (option->kind == KIND_RANGES) {
        return add_range(config, item, why);
    }
    if (list->count == CONFIG_LIST_MAX) {
        snprintf(why, WHY_MAX, "more than %d items", CONFIG_LIST_MAX);
        return false;
    }
    if (option->kind == KIND_NAMES && !is_name(item)) {
        return refuse(why, item, "is not the name of a cookie or header");
    }
    if (option->kind == KIND_ORIGINS && !is_origin(item)) {
        return refuse(why, item, "is not *, scheme://host[:port] or scheme://*.host[:port]");
    }
    list->items[list->count++] = mem_copy(item.at, item.len);
    return true;
}

static bool add_items(struct config *config, const struct option *option, struct str value, bool split, char *why)
{
    struct str item;

    if (!split) {
        return value.len == 0 || add_item(config, option, value, why);
    }
    while (str_next_item(&value, &item)) {
        if (!add_item(config, option, item, why)) {
            return false;
        }
    }
    return true;
}

/* ---- One value ---- */

/* Frees what the option holds, so that it can be set again. */
static void drop(struct config *config, const struct option *option)
{
    const char **text;
    struct config_list *list;

    switch (option->kind) {
    case KIND_TEXT:
    case KIND_SECRET:
        text = field(config, option);
        if (*text != NULL) {
            explicit_bzero((void *)*text, strlen(*text));
        }
        mem_free((void *)*text);
        *text = NULL;
        break;
    case KIND_FILES:
    case KIND_NAMES:
    case KIND_ORIGINS:
        list = field(config, option);
        while (list->count > 0) {
            mem_free((void *)list->items[--list->count]);
        }
        break;
    case KIND_RANGES:
        config->trusted_proxy_count = 0;
        break;
    default:
        break;
    }
}

/* Stores a value; the option holds nothing that would have to be freed. */
static bool set(struct config *config, const struct option *option, struct str value, bool split, char *why)
{
    struct config_address *address = field(config, option);

    switch (option->kind) {
    case KIND_ADDRESS:
        return set_address(address, value, why);
    case KIND_ADDRESS_OR_OFF:
        address->off = value.len == 0;
        return address->off || set_address(address, value, why);
    case KIND_TEXT:
    case KIND_SECRET:
        return set_text(option, field(config, option), value, why);
    case KIND_NUMBER:
        return set_number(option, field(config, option), value, why);
    case KIND_LEVEL:
        return set_choice(levels, field(config, option), value, why);
    case KIND_FORMAT:
        return set_choice(formats, field(config, option), value, why);
    default:
        return add_items(config, option, value, split, why);
    }
}

/* ---- --help and --version ---- */

/* SEGUE_MAX_MESSAGE for max-message. */
static void twin_of(const struct option *option, char twin[NAME_MAX_LENGTH + 8])
{
    char *to = stpcpy(twin, "SEGUE_");

    for (const char *from = option->name; *from != '\0'; from++) {
        *to++ = *from == '-' ? '_' : (char)(*from - 'a' + 'A');
    }
    *to = '\0';
}

static void print_option(const struct option *option)
{
    char flag[64], twin[NAME_MAX_LENGTH + 8];
    const char *line = option->help;

    if (option->group != NULL) {
        printf("\n%s:\n", option->group);
    }
    snprintf(flag, sizeof(flag), "--%s %s", option->name, option->placeholder != NULL ? option->placeholder : "");
    for (const char *left = flag; line != NULL; left = "") {
        const char *end = strchr(line, '\n');

        printf("  %-30s%.*s\n", left, end != NULL ? (int)(end - line) : (int)strlen(line), line);
        line = end != NULL ? end + 1 : NULL;
    }
    if (takes_value(option)) {
        twin_of(option, twin);
        printf("  %-30s[%s, default %s]\n", "", twin, option->standard != NULL ? option->standard : "none");
    }
}

static void print_help(void)
{
    puts("segue - a realtime gateway: any number of equal processes on one Redis\n"
         "\n"
         "Usage: segue [--name value | --name=value]...\n"
         "\n"
         "Every option that takes a value has a twin in the environment, which the flag overrides.\n"
         "There, lists and what is repeatable are comma separated, and an empty variable counts as\n"
         "not set, save for lists, admin-listen and redis-prefix, where it means: none.");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        print_option(&options[i]);
    }
    puts("\nExamples:\n"
         "  SEGUE_JWT_SECRET=change-me segue --redis redis://10.0.0.5:6379\n"
         "  segue --jwt-key 2026=/etc/segue/2026.pem --jwt-key 2025=/etc/segue/2025.pem\n"
         "  segue --listen [::]:8080 --origins 'https://*.example.com' --trusted-proxies 10.0.0.0/8");
}

/* ---- Loading ---- */

static const struct option *find_option(struct str name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (str_equal(name, str_of(options[i].name))) {
            return &options[i];
        }
    }
    return NULL;
}

/* Takes one flag, with its value when that is the next argument. CONFIG_RUN = go on with the next. */
static enum config_outcome load_flag(struct config *config, bool *given, int argc, char **argv, int *at)
{
    struct str argument = str_of(argv[*at]), name, value;
    const struct option *option;
    char why[WHY_MAX], cleaned[SHOWN_MAX];
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
    option = find_option(name);
    if (option == NULL) {
        complain("--", shown(name, cleaned), "there is no such flag; see segue --help");
        return CONFIG_WRONG;
    }
    if (!takes_value(option)) {
        if (inside) {
            complain("--", option->name, "takes no value");
            return CONFIG_WRONG;
        }
        if (option->kind == KIND_CHECK) {
            config->check_only = true;
            return CONFIG_RUN;
        }
        option->kind == KIND_HELP ? print_help() : (void)puts("segue " SEGUE_VERSION);
        return CONFIG_DONE;
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
        drop(config, option);
    }
    if (!set(config, option, value, option->kind != KIND_FILES, why)) {
        complain("--", option->name, why);
        return CONFIG_WRONG;
    }
    given[option - options] = true;
    return CONFIG_RUN;
}

/* An empty variable counts as not set (as compose files and unit files produce them), save where empty says something. */
static bool empty_counts(const struct option *option)
{
    return is_list(option) || option->kind == KIND_ADDRESS_OR_OFF || (option->kind == KIND_TEXT && option->min == 0);
}

static bool load_variables(struct config *config, bool *given)
{
    char twin[NAME_MAX_LENGTH + 8], why[WHY_MAX];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];
        const char *text;

        if (given[i] || !takes_value(option)) {
            continue;
        }
        twin_of(option, twin);
        text = getenv(twin);
        if (text == NULL || (text[0] == '\0' && !empty_counts(option))) {
            continue;
        }
        if (!set(config, option, str_of(text), true, why)) {
            complain("", twin, why);
            return false;
        }
        given[i] = true;
    }
    return true;
}

static void load_defaults(struct config *config, const bool *given)
{
    char why[WHY_MAX];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!given[i] && options[i].standard != NULL &&
            !set(config, &options[i], str_of(options[i].standard), true, why)) {
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
    limit = files.rlim_cur == RLIM_INFINITY || files.rlim_cur > FILES_ENOUGH ? FILES_ENOUGH : files.rlim_cur;
    return limit > 2 * FILES_RESERVED ? limit - FILES_RESERVED : (limit + 1) / 2;
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
    config->listen.chosen = given[find_option(STR("listen")) - options];
    config->admin_listen.chosen = given[find_option(STR("admin-listen")) - options];
    load_defaults(config, given);
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
        drop(config, &options[i]);
    }
    mem_free(config);
}

/* ---- Questions ---- */

bool config_trusts(const struct config *config, struct str peer)
{
    uint8_t bytes[16];
    bool is_v4;
    struct str zone;

    str_cut(peer, '%', &peer, &zone);
    if (!read_address(peer, bytes, &is_v4)) {
        return false;
    }
    is_v4 = is_v4 || memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
    for (size_t i = 0; i < config->trusted_proxy_count; i++) {
        const struct config_range *range = &config->trusted_proxies[i];
        unsigned whole = range->bits / 8, rest = range->bits % 8;

        /* ::/0 speaks of IPv6 alone, although IPv4 is held as a part of it. */
        if (is_v4 && range->bits < 96) {
            continue;
        }
        if (memcmp(bytes, range->bytes, whole) == 0 &&
            (rest == 0 || (bytes[whole] ^ range->bytes[whole]) >> (8 - rest) == 0)) {
            return true;
        }
    }
    return false;
}

/* Whether an origin fits an item of --origins. A star stands for one or more labels in front of the rest. */
static bool origin_fits(struct str origin, struct str item)
{
    struct str before, behind, middle;

    if (str_equal(item, STR("*")) || str_equal_nocase(origin, item)) {
        return true;
    }
    if (!str_cut(item, '*', &before, &behind) || origin.len <= before.len + behind.len) {
        return false;
    }
    middle = str_from(origin.at + before.len, origin.len - before.len - behind.len);
    return str_equal_nocase(str_from(origin.at, before.len), before) &&
           str_equal_nocase(str_skip(origin, origin.len - behind.len), behind) && is_plain(middle, "-._");
}

bool config_allows_origin(const struct config *config, struct str origin)
{
    if (origin.len == 0) {
        return true;
    }
    for (size_t i = 0; i < config->origins.count; i++) {
        if (origin_fits(origin, str_of(config->origins.items[i]))) {
            return true;
        }
    }
    return false;
}
