/* The PROXY protocol's header, versions 1 and 2. */
#include "gateway/net/proxy.h"

#include <string.h>

enum {
    HEAD_BYTES = 16, /* of version 2: signature, version and command, family, length */
    VERSION_AT = 12,
    FAMILY_AT = 13,
    LENGTH_AT = 14,
    VERSION_2 = 2,
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
    TRANSPORT_STREAM = 1,
    TRANSPORT_LAST = 2
};

static const struct str line_signature = {"PROXY ", 6};
static const struct str block_signature = {"\r\n\r\n\0\r\nQUIT\n", 12};

/* ---- version 1 ---- */

/* One word and the single blank behind it. */
static bool take_word(struct str *rest, struct str *word)
{
    return str_cut(*rest, ' ', word, rest) && word->len > 0;
}

/* Digits without a leading zero, as the protocol wants them. */
static bool is_port(struct str text)
{
    unsigned long long port;

    return str_to_u64(text, UINT16_MAX, &port) && (text.len == 1 || text.at[0] != '0');
}

static bool read_addresses(struct str rest, bool v4, struct proxy_header *header)
{
    uint8_t own[ADDRESS_BYTES];
    struct str from, to, from_port;

    if (!take_word(&rest, &from) || !take_word(&rest, &to) || !take_word(&rest, &from_port)) {
        return false;
    }
    header->named = true;
    return address_read(from, header->address) && address_read(to, own) && is_port(from_port) &&
           is_port(rest) && (memchr(from.at, ':', from.len) == NULL) == v4 &&
           (memchr(to.at, ':', to.len) == NULL) == v4;
}

static bool read_line(struct str line, struct proxy_header *header)
{
    struct str rest = str_skip(line, line_signature.len), family;

    header->named = false;
    str_cut(rest, ' ', &family, &rest);
    if (str_equal(family, STR("UNKNOWN"))) {
        return true;
    }
    if (str_equal(family, STR("TCP4"))) {
        return read_addresses(rest, true, header);
    }
    return str_equal(family, STR("TCP6")) && read_addresses(rest, false, header);
}

static enum proxy_outcome read_version_1(struct str bytes, struct proxy_header *header)
{
    for (size_t i = line_signature.len; i < bytes.len && i < PROXY_LINE_MAX; i++) {
        char c = bytes.at[i];

        if (c == '\n' && bytes.at[i - 1] == '\r') {
            header->len = i + 1;
            return read_line(str_from(bytes.at, i - 1), header) ? PROXY_DONE : PROXY_BAD;
        }
        if (bytes.at[i - 1] == '\r' || c == '\0' || c == '\n') {
            return PROXY_BAD;
        }
    }
    return bytes.len < PROXY_LINE_MAX ? PROXY_MORE : PROXY_BAD;
}

/* ---- version 2 ---- */

/* By the number of the family: how many bytes its two addresses take, and where the client's
 * stands in them; none of a UNIX socket is of use to us. */
static const struct {
    size_t block, address;
} families[] = {{0, 0}, {12, 4}, {36, 16}, {216, 0}};

static bool read_block(const uint8_t *head, struct str block, struct proxy_header *header)
{
    unsigned family = head[FAMILY_AT] >> 4, transport = head[FAMILY_AT] & 15;
    unsigned command = head[VERSION_AT] & 15;

    header->named = false;
    if (command == COMMAND_LOCAL) {
        return true; /* whatever else it says does not count */
    }
    if (command != COMMAND_PROXY || family >= sizeof(families) / sizeof(families[0]) ||
        transport > TRANSPORT_LAST || block.len < families[family].block) {
        return false;
    }
    if (transport != TRANSPORT_STREAM || families[family].address == 0) {
        return true;
    }
    header->named = true;
    if (families[family].address == 4) {
        address_from_v4((const uint8_t *)block.at, header->address);
    } else {
        memcpy(header->address, block.at, ADDRESS_BYTES);
    }
    return true;
}

static enum proxy_outcome read_version_2(struct str bytes, struct proxy_header *header)
{
    const uint8_t *head = (const uint8_t *)bytes.at;
    size_t len;

    if (bytes.len > VERSION_AT && head[VERSION_AT] >> 4 != VERSION_2) {
        return PROXY_BAD;
    }
    if (bytes.len < HEAD_BYTES) {
        return PROXY_MORE;
    }
    len = (size_t)head[LENGTH_AT] << 8 | head[LENGTH_AT + 1];
    header->len = HEAD_BYTES + len;
    if (header->len > PROXY_BYTES_MAX) {
        return PROXY_BAD;
    }
    if (bytes.len < header->len) {
        return PROXY_MORE;
    }
    return read_block(head, str_from(bytes.at + HEAD_BYTES, len), header) ? PROXY_DONE
                                                                          : PROXY_BAD;
}

/* ---- either ---- */

/* Whether what is there agrees with a signature, as far as it goes. */
static bool agrees(struct str bytes, struct str signature)
{
    size_t len = bytes.len < signature.len ? bytes.len : signature.len;

    return len == 0 || memcmp(bytes.at, signature.at, len) == 0;
}

enum proxy_outcome proxy_read(struct str bytes, struct proxy_header *header)
{
    bool line = agrees(bytes, line_signature), block = agrees(bytes, block_signature);

    if (line && bytes.len >= line_signature.len) {
        return read_version_1(bytes, header);
    }
    if (block && bytes.len >= block_signature.len) {
        return read_version_2(bytes, header);
    }
    return line || block ? PROXY_MORE : PROXY_NONE;
}
