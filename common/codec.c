/* Encodings: base64, base64url, percent, UTF-8, hexadecimal, random identifiers. */
#include "common/codec.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    RANDOM_AT_ONCE = 64
};

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_upper[] = "0123456789ABCDEF";
static const char hex_lower[] = "0123456789abcdef";

void codec_base64(struct str bytes, struct buf *to)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    char *out = buf_reserve(to, (bytes.len / 3 + 1) * 4);
    size_t left = bytes.len;

    for (; left >= 3; left -= 3, at += 3) {
        *out++ = alphabet[at[0] >> 2];
        *out++ = alphabet[(at[0] & 3) << 4 | at[1] >> 4];
        *out++ = alphabet[(at[1] & 15) << 2 | at[2] >> 6];
        *out++ = alphabet[at[2] & 63];
    }
    if (left > 0) {
        unsigned second = left == 2 ? at[1] : 0;

        *out++ = alphabet[at[0] >> 2];
        *out++ = alphabet[(at[0] & 3) << 4 | second >> 4];
        *out++ = left == 2 ? alphabet[(second & 15) << 2] : '=';
        *out++ = '=';
    }
    to->len = (size_t)(out - to->at);
}

void codec_base64url(struct str bytes, struct buf *to)
{
    size_t start = to->len;

    codec_base64(bytes, to);
    while (to->len > start && to->at[to->len - 1] == '=') {
        to->len--;
    }
    for (size_t i = start; i < to->len; i++) {
        if (to->at[i] == '+' || to->at[i] == '/') {
            to->at[i] = to->at[i] == '+' ? '-' : '_';
        }
    }
}

/* The value of a digit in the alphabet whose last two are given; -1 when it is none. */
static int digit_of(char c, char digit62, char digit63)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == digit62 ? 62 : c == digit63 ? 63 : -1;
}

/* `text` is without padding. */
static enum err undigits(struct str text, char digit62, char digit63, struct buf *to)
{
    char *out = buf_reserve(to, text.len / 4 * 3 + 3);
    uint32_t bits = 0; /* only the low `count` are still to be written */
    unsigned count = 0;

    if (text.len % 4 == 1) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.at[i], digit62, digit63);

        if (digit < 0) {
            return ERR_INVALID;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (char)(bits >> count & 0xff);
        }
    }
    /* Bits that no byte takes must be zero: one value, one text. */
    if ((bits & ((1u << count) - 1)) != 0) {
        return ERR_INVALID;
    }
    to->len = (size_t)(out - to->at);
    return ERR_OK;
}

enum err codec_unbase64(struct str text, struct buf *to)
{
    if (text.len % 4 != 0) {
        return ERR_INVALID;
    }
    for (int padding = 0; padding < 2 && text.len > 0 && text.at[text.len - 1] == '=';
         padding++) {
        text.len--;
    }
    return undigits(text, '+', '/', to);
}

enum err codec_unbase64url(struct str text, struct buf *to)
{
    return undigits(text, '-', '_', to);
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum err codec_unpercent(struct str text, bool plus, struct buf *to)
{
    char *out = buf_reserve(to, text.len);

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (c == '%') {
            int high = text.len - i > 2 ? hex_of(text.at[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_of(text.at[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return ERR_INVALID;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *out++ = c;
    }
    to->len = (size_t)(out - to->at);
    return ERR_OK;
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == '@' || c == '-';
}

void codec_percent(struct str text, struct buf *to)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (is_plain(c)) {
            buf_add_char(to, (char)c);
        } else {
            char *out = buf_reserve(to, 3);

            out[0] = '%';
            out[1] = hex_upper[c >> 4];
            out[2] = hex_upper[c & 15];
            to->len += 3;
        }
    }
}

/* The length of the sequence at `at`, 0 when it is not well-formed: table 3-7 of the Unicode
 * standard. */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char from = 0x80; /* bounds of the second byte */
    unsigned char to = 0xbf;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (len == 1) {
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < len) {
        return 0;
    }
    switch (at[0]) {
    case 0xe0: /* overlong */
        from = 0xa0;
        break;
    case 0xed: /* surrogates */
        to = 0x9f;
        break;
    case 0xf0: /* overlong */
        from = 0x90;
        break;
    case 0xf4: /* above U+10FFFF */
        to = 0x8f;
        break;
    default:
        break;
    }
    if (at[1] < from || at[1] > to) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool codec_is_utf8(struct str text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    size_t i = 0;

    while (i < text.len) {
        uint64_t eight;
        size_t len;

        /* Most text is ASCII: eight bytes at once. */
        if (text.len - i >= sizeof(eight)) {
            memcpy(&eight, at + i, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof(eight);
                continue;
            }
        }
        len = sequence(at + i, text.len - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

void codec_random_bytes(void *to, size_t count)
{
    unsigned char *at = to;

    while (count > 0) {
        ssize_t got = getrandom(at, count, 0);

        if (got > 0) {
            at += got;
            count -= (size_t)got;
        } else if (errno != EINTR) {
            abort(); /* a kernel without randomness: nothing that follows would be safe */
        }
    }
}

void codec_random_hex(char *to, size_t count)
{
    unsigned char bytes[RANDOM_AT_ONCE];

    for (size_t i = 0; i < count; i++) {
        if (i % sizeof(bytes) == 0) {
            codec_random_bytes(bytes, count - i < sizeof(bytes) ? count - i : sizeof(bytes));
        }
        to[2 * i] = hex_lower[bytes[i % sizeof(bytes)] >> 4];
        to[2 * i + 1] = hex_lower[bytes[i % sizeof(bytes)] & 15];
    }
    to[2 * count] = '\0';
}

void codec_random_id(char *to, size_t count)
{
    unsigned char bytes[RANDOM_AT_ONCE];

    for (size_t i = 0; i < count; i++) {
        if (i % sizeof(bytes) == 0) {
            codec_random_bytes(bytes, count - i < sizeof(bytes) ? count - i : sizeof(bytes));
        }
        to[i] = alphabet_url[bytes[i % sizeof(bytes)] & 63];
    }
    to[count] = '\0';
}
