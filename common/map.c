/* SipHash-1-3 (Aumasson and Bernstein): one round per word, three at the end. */
#include "common/map.h"

#include <stdbool.h>
#include <string.h>

#include "common/codec.h"

enum {
    WORD = 8,
    LAST_ROUNDS = 3
};

struct state {
    uint64_t a, b, c, d;
};

static uint64_t turn(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(struct state *v)
{
    v->a += v->b;
    v->b = turn(v->b, 13) ^ v->a;
    v->a = turn(v->a, 32);
    v->c += v->d;
    v->d = turn(v->d, 16) ^ v->c;
    v->a += v->d;
    v->d = turn(v->d, 21) ^ v->a;
    v->c += v->b;
    v->b = turn(v->b, 17) ^ v->c;
    v->c = turn(v->c, 32);
}

static void take(struct state *v, uint64_t word)
{
    v->d ^= word;
    mix(v);
    v->a ^= word;
}

/* Up to eight bytes, the first the lowest. */
static uint64_t word_of(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

uint64_t map_hash_with(const uint64_t key[2], const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    struct state v = {
        key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    size_t left = len;

    for (; left >= WORD; left -= WORD, at += WORD) {
        take(&v, word_of(at, WORD));
    }
    take(&v, word_of(at, left) | (uint64_t)len << 56);
    v.c ^= 0xff;
    for (int i = 0; i < LAST_ROUNDS; i++) {
        mix(&v);
    }
    return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t map_hash(const void *bytes, size_t len)
{
    static uint64_t key[2];
    static bool made;

    if (!made) {
        codec_random_bytes(key, sizeof(key));
        made = true;
    }
    return map_hash_with(key, bytes, len);
}
