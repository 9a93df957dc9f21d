/* IP addresses: sixteen bytes, IPv4 as ::ffff:a.b.c.d, so that every address has one form. */
#include "common/address.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_v4(const uint8_t address[ADDRESS_BYTES])
{
    return memcmp(address, v4_prefix, sizeof(v4_prefix)) == 0;
}

void address_from_v4(const uint8_t bytes[4], uint8_t to[ADDRESS_BYTES])
{
    memcpy(to, v4_prefix, sizeof(v4_prefix));
    memcpy(to + sizeof(v4_prefix), bytes, 4);
}

bool address_read(struct str text, uint8_t to[ADDRESS_BYTES])
{
    char copy[ADDRESS_TEXT_MAX];
    uint8_t v4[4];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, v4) == 1) {
        address_from_v4(v4, to);
        return true;
    }
    return inet_pton(AF_INET6, copy, to) == 1;
}

static bool is_port(struct str text)
{
    unsigned long long port;

    return str_to_u64(text, UINT16_MAX, &port);
}

bool address_read_with_port(struct str text, uint8_t to[ADDRESS_BYTES])
{
    struct str host, port;

    if (address_read(text, to)) {
        return true;
    }
    if (text.len > 0 && text.at[0] == '[') {
        return str_cut(str_skip(text, 1), ']', &host, &port) &&
               (port.len == 0 || (port.at[0] == ':' && is_port(str_skip(port, 1)))) &&
               address_read(host, to) && !address_is_v4(to);
    }
    return str_cut(text, ':', &host, &port) && is_port(port) && address_read(host, to);
}

struct str address_print(const uint8_t address[ADDRESS_BYTES], char to[ADDRESS_TEXT_MAX])
{
    if (address_is_v4(address)) {
        inet_ntop(AF_INET, address + sizeof(v4_prefix), to, ADDRESS_TEXT_MAX);
    } else {
        inet_ntop(AF_INET6, address, to, ADDRESS_TEXT_MAX);
    }
    return str_of(to);
}
