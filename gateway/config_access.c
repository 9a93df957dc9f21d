/* Who may come: origins of browser pages, clients without a token, and proxies that may speak
 * for others. */
#include <string.h>

#include "common/address.h"
#include "gateway/config_value.h"

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

bool config_is_origin(struct str item)
{
    struct str scheme, rest, host, port;
    unsigned long long number;

    if (str_equal(item, STR("*")) || str_equal(item, STR("null"))) {
        return true;
    }
    if (!str_cut(item, ':', &scheme, &rest) || !is_plain(scheme, "+-.") ||
        !str_starts(rest, STR("//"))) {
        return false;
    }
    rest = str_skip(rest, 2);
    if (rest.len > 0 && rest.at[0] == '[') {
        if (!str_cut(str_skip(rest, 1), ']', &host, &rest) || !is_plain(host, ":.")) {
            return false;
        }
        return rest.len == 0 ||
               (rest.at[0] == ':' && str_to_u64(str_skip(rest, 1), UINT16_MAX, &number));
    }
    if (str_starts(rest, STR("*."))) {
        rest = str_skip(rest, 2);
    }
    if (str_cut(rest, ':', &host, &port) && !str_to_u64(port, UINT16_MAX, &number)) {
        return false;
    }
    return is_plain(host, "-._");
}

bool config_read_range(struct str item, struct config_range *range)
{
    struct str address, bits;
    unsigned long long count;
    bool has_bits = str_cut(item, '/', &address, &bits);
    bool is_v4;

    if (!address_read(address, range->bytes)) {
        return false;
    }
    is_v4 = memchr(address.at, ':', address.len) == NULL;
    count = is_v4 ? 32 : 128;
    if (has_bits && !str_to_u64(bits, count, &count)) {
        return false;
    }
    range->bits = (unsigned)count + (is_v4 ? 96 : 0);
    return true;
}

bool config_trusts(const struct config *config, struct str peer)
{
    uint8_t bytes[ADDRESS_BYTES];
    struct str zone;
    bool is_v4;

    str_cut(peer, '%', &peer, &zone);
    if (config->trusted_proxy_count == 0 || !address_read(peer, bytes)) {
        return false;
    }
    is_v4 = address_is_v4(bytes);
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

/* Whether an origin fits an item of --origins. A star stands for one or more labels in front of
 * the rest. */
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
           str_equal_nocase(str_skip(origin, origin.len - behind.len), behind) &&
           is_plain(middle, "-._");
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

bool config_names_origin(const struct config *config, struct str origin)
{
    for (size_t i = 0; i < config->origins.count; i++) {
        struct str item = str_of(config->origins.items[i]);

        if (!str_equal(item, STR("*")) && origin_fits(origin, item)) {
            return true;
        }
    }
    return false;
}

/* What belongs to a user can't do without one: all who are nobody would share it. */
bool config_is_protocol(struct str item)
{
    static const char *const names[] = {"chat", "feed"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_equal(item, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

bool config_allows_anonymous(const struct config *config, const char *proto)
{
    for (size_t i = 0; i < config->anonymous.count; i++) {
        if (strcmp(config->anonymous.items[i], proto) == 0) {
            return true;
        }
    }
    return false;
}
