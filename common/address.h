/* IP addresses: sixteen bytes, IPv4 as ::ffff:a.b.c.d, so that every address has one form. */
#ifndef SEGUE_COMMON_ADDRESS_H
#define SEGUE_COMMON_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

enum {
    ADDRESS_BYTES = 16,
    ADDRESS_TEXT_MAX = 46 /* with the NUL */
};

/* A numeric address and nothing else: no port, no brackets, no zone. */
bool address_read(struct str text, uint8_t to[ADDRESS_BYTES]);
/* ... as proxies write it down: also 1.2.3.4:80, [2001:db8::1] and [2001:db8::1]:80. */
bool address_read_with_port(struct str text, uint8_t to[ADDRESS_BYTES]);
/* The one text of an address, NUL-terminated; IPv4 as a.b.c.d. */
struct str address_print(const uint8_t address[ADDRESS_BYTES], char to[ADDRESS_TEXT_MAX]);
bool address_is_v4(const uint8_t address[ADDRESS_BYTES]);
void address_from_v4(const uint8_t bytes[4], uint8_t to[ADDRESS_BYTES]);

#endif
