/* Makes tokens for tests, with OpenSSL alone, so that libjwt's verification is checked against
 * another implementation. */
#ifndef SEGUE_TEST_TOKEN_H
#define SEGUE_TEST_TOKEN_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"

/* A step of the test itself went wrong. */
#define TOKEN_MUST(condition)                                                                  \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

static inline void token_add(struct buf *to, struct str bytes)
{
    struct buf text = {0};

    codec_base64(bytes, &text);
    for (size_t i = 0; i < text.len && text.at[i] != '='; i++) {
        buf_add_char(to, text.at[i] == '+' ? '-' : text.at[i] == '/' ? '_' : text.at[i]);
    }
    buf_finish(&text);
}

static inline const EVP_MD *token_digest(const char *alg)
{
    return strstr(alg, "256") != NULL   ? EVP_sha256()
           : strstr(alg, "384") != NULL ? EVP_sha384()
                                        : EVP_sha512();
}

/* An ECDSA signature from DER to r || s. */
static inline size_t token_flatten(const unsigned char *der, size_t len, int bits,
                                   unsigned char *flat)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    int half = (bits + 7) / 8;

    TOKEN_MUST(pair != NULL);
    TOKEN_MUST(BN_bn2binpad(ECDSA_SIG_get0_r(pair), flat, half) == half);
    TOKEN_MUST(BN_bn2binpad(ECDSA_SIG_get0_s(pair), flat + half, half) == half);
    ECDSA_SIG_free(pair);
    return 2 * (size_t)half;
}

/* The token of a header and a payload, signed by `key`, or by `secret` when there is none. */
static inline struct buf token_sign(const char *header, const char *payload,
                                    const EVP_MD *digest, EVP_PKEY *key, struct str secret)
{
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    unsigned hmac_len;
    struct buf token = {0};

    token_add(&token, str_of(header));
    buf_add_char(&token, '.');
    token_add(&token, str_of(payload));
    if (key == NULL) {
        TOKEN_MUST(HMAC(digest, secret.at, (int)secret.len, (unsigned char *)token.at,
                        token.len, signature, &hmac_len) != NULL);
        len = hmac_len;
    } else {
        EVP_MD_CTX *context = EVP_MD_CTX_new();

        TOKEN_MUST(EVP_DigestSignInit(context, NULL, digest, NULL, key) == 1);
        TOKEN_MUST(EVP_DigestSign(context, signature, &len, (unsigned char *)token.at,
                                  token.len) == 1);
        EVP_MD_CTX_free(context);
        if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
            unsigned char flat[1024];

            len = token_flatten(signature, len, EVP_PKEY_get_bits(key), flat);
            memcpy(signature, flat, len);
        }
    }
    buf_add_char(&token, '.');
    token_add(&token, str_from((char *)signature, len));
    return token;
}

/* Verifying gave NULL, or this reason. */
#define assert_holds(expression)                                                               \
    do {                                                                                       \
        const char *reason = (expression);                                                     \
        if (reason != NULL) {                                                                  \
            fail_msg("%s", reason);                                                            \
        }                                                                                      \
    } while (0)
#define assert_refused(text, expression)                                                       \
    do {                                                                                       \
        const char *reason = (expression);                                                     \
        assert_non_null(reason);                                                               \
        assert_string_equal(reason, text);                                                     \
    } while (0)

#endif
