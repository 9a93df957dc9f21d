/* Slots of a Redis Cluster: CRC-16 (XMODEM: polynomial 0x1021) of the key's tag. */
#include "gateway/store/slot.h"

#include <string.h>

static struct str tag_of(struct str key)
{
    const char *open = key.len > 0 ? memchr(key.at, '{', key.len) : NULL;
    struct str behind;
    const char *close;

    if (open == NULL) {
        return key;
    }
    behind = str_skip(key, (size_t)(open - key.at) + 1);
    close = behind.len > 0 ? memchr(behind.at, '}', behind.len) : NULL;
    if (close == NULL || close == behind.at) {
        return key;
    }
    return str_from(behind.at, (size_t)(close - behind.at));
}

/* Half a byte at a time: sixteen numbers are a small table. */
uint16_t slot_of(struct str key)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    struct str tag = tag_of(key);
    unsigned crc = 0;

    for (size_t i = 0; i < tag.len; i++) {
        unsigned byte = (unsigned char)tag.at[i];

        crc = (crc << 4 ^ table[(crc >> 12 ^ byte >> 4) & 15]) & 0xffff;
        crc = (crc << 4 ^ table[(crc >> 12 ^ byte) & 15]) & 0xffff;
    }
    return (uint16_t)(crc % SLOT_COUNT);
}
