/* HS256 with libcrypto. */
#include "test/bench/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <time.h>

/* Room for what base64 adds, and for its padding, which a JWT leaves out. */
static void add_base64url(struct str bytes, struct buf *to)
{
    size_t start = to->len;
    char *at = buf_reserve(to, bytes.len / 3 * 4 + 5);
    int length =
        EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)bytes.at, (int)bytes.len);

    to->len += (size_t)length;
    while (to->len > start && to->at[to->len - 1] == '=') {
        to->len--;
    }
    for (size_t i = start; i < to->len; i++) {
        if (to->at[i] == '+') {
            to->at[i] = '-';
        } else if (to->at[i] == '/') {
            to->at[i] = '_';
        }
    }
}

void token_write(const char *user, const char *secret, struct buf *to)
{
    struct buf claims = {0};
    size_t start = to->len;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_length;

    add_base64url(STR("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), to);
    buf_add_char(to, '.');
    buf_addf(&claims, "{\"sub\":\"%s\",\"exp\":%lld}", user, (long long)time(NULL) + 86400);
    add_base64url(buf_str(&claims), to);
    buf_finish(&claims);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)to->at + start,
         to->len - start, digest, &digest_length);
    buf_add_char(to, '.');
    add_base64url(str_from((const char *)digest, digest_length), to);
}
