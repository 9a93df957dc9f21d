/* How one option's text becomes a value: one setter per kind. A setter stores the value or
 * writes a sentence that says what would have been right. */
#include "gateway/config_value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/ident.h"
#include "common/mem.h"

enum {
    FEED_SECONDS_MAX = 86400
};

static const char *const recoveries[] = {"on", "off", "ask", NULL};
static const char *const auth_failures[] = {"event", "connect-error", NULL};
static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"text", "json", NULL};

/* A field of the config, by the option's kind. */
static void *field(struct config *config, const struct config_option *option)
{
    return (char *)config + option->offset;
}

/* A value as an error may show it: one line, no control bytes, cut. Returns `to`. */
const char *config_shown(struct str value, char to[CONFIG_SHOWN_MAX])
{
    size_t count = 0;

    while (count < value.len && count < CONFIG_SHOWN_MAX - 4) {
        unsigned char c = (unsigned char)value.at[count];

        to[count++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    snprintf(to + count, CONFIG_SHOWN_MAX - count, "%s", count < value.len ? "..." : "");
    return to;
}

/* Writes the sentence; always false, so that a setter can end with it. */
static bool refuse(char *why, struct str value, const char *what)
{
    char text[CONFIG_SHOWN_MAX];

    config_shown(value, text);
    snprintf(why, CONFIG_WHY_MAX, "%s %s", text[0] == '\0' ? "an empty text" : text, what);
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
    if (memchr(host.at, '\0', host.len) != NULL ||
        inet_pton(family, address->host, scratch) != 1) {
        return refuse(why, value, form);
    }
    address->port = (uint16_t)port;
    return true;
}

static bool set_number(const struct config_option *option, uint64_t *number, struct str value,
                       char *why)
{
    const char *unit = strcmp(option->placeholder, "BYTES") == 0     ? " of bytes"
                       : strcmp(option->placeholder, "MS") == 0      ? " of milliseconds"
                       : strcmp(option->placeholder, "SECONDS") == 0 ? " of seconds"
                                                                     : "";
    const struct str per_second = STR("/s");
    struct str digits = value;
    unsigned long long parsed;

    if (strcmp(option->placeholder, "N/s") == 0 && value.len > per_second.len &&
        str_equal(str_skip(value, value.len - per_second.len), per_second)) {
        digits.len -= per_second.len;
    }
    if (!str_to_u64(digits, option->max, &parsed) || parsed < option->min) {
        char what[CONFIG_WHY_MAX - CONFIG_SHOWN_MAX];

        snprintf(what, sizeof(what), "is not a number%s (%llu to %llu)", unit,
                 (unsigned long long)option->min, (unsigned long long)option->max);
        return refuse(why, value, what);
    }
    *number = parsed;
    return true;
}

static bool set_choice(const char *const *words, int *choice, struct str value, char *why)
{
    struct buf what = {0};

    for (int i = 0; words[i] != NULL; i++) {
        if (str_equal(value, str_of(words[i]))) {
            *choice = i;
            buf_finish(&what);
            return true;
        }
        buf_addf(&what, "%s%s", i == 0 ? "is not one of " : ", ", words[i]);
    }
    refuse(why, value, buf_text(&what));
    buf_finish(&what);
    return false;
}

/* Braces would move the hash tag that keeps the keys of one entity in one slot. */
static bool is_prefix(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] <= ' ' || value.at[i] > '~' || value.at[i] == '{' ||
            value.at[i] == '}') {
            return false;
        }
    }
    return true;
}

static bool set_text(const struct config_option *option, const char **text, struct str value,
                     char *why)
{
    if (value.len < option->min) {
        snprintf(why, CONFIG_WHY_MAX, "must not be empty");
        return false;
    }
    if (value.len > option->max) {
        snprintf(why, CONFIG_WHY_MAX, "is longer than %llu bytes",
                 (unsigned long long)option->max);
        return false;
    }
    if (option->kind == KIND_PREFIX && !is_prefix(value)) {
        return refuse(why, value, "is not printable ASCII without blanks and braces");
    }
    *text = mem_copy(value.at, value.len);
    return true;
}

/* ---- Lists ---- */

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

static bool add_range(struct config *config, struct str item, char *why)
{
    if (config->trusted_proxy_count == CONFIG_LIST_MAX) {
        snprintf(why, CONFIG_WHY_MAX, "more than %d items", CONFIG_LIST_MAX);
        return false;
    }
    if (!config_read_range(item, &config->trusted_proxies[config->trusted_proxy_count])) {
        return refuse(why, item, "is not an address or range such as 10.0.0.0/8 or fd00::/8");
    }
    config->trusted_proxy_count++;
    return true;
}

bool config_read_feed(struct str item, struct config_feed *feed)
{
    struct str rest;
    unsigned long long seconds;
    size_t colon;

    if (!str_cut(item, '=', &feed->name, &rest) || !ident_is_name(feed->name)) {
        return false;
    }
    colon = rest.len;
    while (colon > 0 && rest.at[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2 || !str_to_u64(str_skip(rest, colon), FEED_SECONDS_MAX, &seconds) ||
        seconds == 0) {
        return false;
    }
    feed->file = str_from(rest.at, colon - 1);
    feed->seconds = seconds;
    return true;
}

static bool is_new_feed(const struct config_list *list, struct str item, char *why)
{
    struct config_feed feed, other;

    if (!config_read_feed(item, &feed)) {
        return refuse(
            why, item,
            "is not NAME=FILE:SECONDS such as news=/etc/segue/news.txt:30 (1 to 86400 "
            "seconds)");
    }
    for (size_t i = 0; i < list->count; i++) {
        if (config_read_feed(str_of(list->items[i]), &other) &&
            str_equal(other.name, feed.name)) {
            return refuse(why, item, "is a second feed of that name");
        }
    }
    return true;
}

static bool add_item(struct config *config, const struct config_option *option, struct str item,
                     char *why)
{
    struct config_list *list = field(config, option);

    if (option->kind == KIND_RANGES) {
        return add_range(config, item, why);
    }
    if (list->count == CONFIG_LIST_MAX) {
        snprintf(why, CONFIG_WHY_MAX, "more than %d items", CONFIG_LIST_MAX);
        return false;
    }
    if (option->kind == KIND_NAMES && !is_name(item)) {
        return refuse(why, item, "is not the name of a cookie or header");
    }
    if (option->kind == KIND_ORIGINS && !config_is_origin(item)) {
        return refuse(why, item, "is not *, scheme://host[:port] or scheme://*.host[:port]");
    }
    if (option->kind == KIND_PROTOCOLS && !config_is_protocol(item)) {
        return refuse(
            why, item,
            "is not one of chat, feed (all else belongs to a user, and needs a token)");
    }
    if (option->kind == KIND_SECRETS && item.len > option->max) {
        snprintf(why, CONFIG_WHY_MAX, "is longer than %llu bytes",
                 (unsigned long long)option->max);
        return false;
    }
    if (option->kind == KIND_FEEDS && !is_new_feed(list, item, why)) {
        return false;
    }
    list->items[list->count++] = mem_copy(item.at, item.len);
    return true;
}

static bool add_items(struct config *config, const struct config_option *option,
                      struct str value, bool split, char *why)
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
void config_drop(struct config *config, const struct config_option *option)
{
    const char **text;
    struct config_list *list;

    switch (option->kind) {
    case KIND_TEXT:
    case KIND_PREFIX:
    case KIND_SECRET:
        text = field(config, option);
        if (*text != NULL) {
            explicit_bzero((void *)*text, strlen(*text));
        }
        mem_free((void *)*text);
        *text = NULL;
        break;
    case KIND_FILES:
    case KIND_SECRETS:
    case KIND_FEEDS:
    case KIND_NAMES:
    case KIND_ORIGINS:
    case KIND_PROTOCOLS:
        list = field(config, option);
        while (list->count > 0) {
            char *item = (char *)list->items[--list->count];

            explicit_bzero(item, strlen(item));
            mem_free(item);
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
bool config_set(struct config *config, const struct config_option *option, struct str value,
                bool split, char why[CONFIG_WHY_MAX])
{
    struct config_address *address = field(config, option);

    switch (option->kind) {
    case KIND_ADDRESS:
        return set_address(address, value, why);
    case KIND_ADDRESS_OR_OFF:
        address->off = value.len == 0;
        return address->off || set_address(address, value, why);
    case KIND_TEXT:
    case KIND_PREFIX:
    case KIND_SECRET:
        return set_text(option, field(config, option), value, why);
    case KIND_NUMBER:
        return set_number(option, field(config, option), value, why);
    case KIND_LEVEL:
        return set_choice(levels, field(config, option), value, why);
    case KIND_RECOVERY:
        return set_choice(recoveries, field(config, option), value, why);
    case KIND_AUTH_FAILURE:
        return set_choice(auth_failures, field(config, option), value, why);
    case KIND_FORMAT:
        return set_choice(formats, field(config, option), value, why);
    default:
        return add_items(config, option, value, split, why);
    }
}
