/* The keys that may sign tokens: read once, at start, and judged before anybody relies on them.
 * A key has one kind, and its kind says which algorithms it serves: a public key can never
 * become an HMAC secret. */
#include "gateway/auth_keys.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

enum {
    KEY_FILE_MAX = 65536,
    RSA_BITS_MIN = 2048
};

static bool curve_of(const EVP_PKEY *pkey, enum auth_key_kind *kind)
{
    char group[64];

    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1) {
        return false;
    }
    if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0) {
        *kind = KEY_P256;
    } else if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0) {
        *kind = KEY_P384;
    } else if (strcmp(group, "secp521r1") == 0 || strcmp(group, "P-521") == 0) {
        *kind = KEY_P521;
    } else {
        return false;
    }
    return true;
}

/* What the key is good for; a sentence's end when it is good for nothing. */
static const char *judge_key(const EVP_PKEY *pkey, enum auth_key_kind *kind)
{
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        *kind = KEY_RSA;
        return EVP_PKEY_get_bits(pkey) < RSA_BITS_MIN ? "the RSA key has less than 2048 bits"
                                                      : NULL;
    case EVP_PKEY_EC:
        return curve_of(pkey, kind) ? NULL : "the curve is not P-256, P-384 or P-521";
    default:
        return "the key is neither RSA nor EC";
    }
}

/* Never asks at the terminal. */
static int no_passphrase(char *to, int size, int writing, void *data)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

/* A public key, or that of a certificate; NULL when the text is neither. */
static EVP_PKEY *parse_key(const char *text, int len)
{
    EVP_PKEY *pkey = NULL;
    X509 *certificate = NULL;
    BIO *bio = BIO_new_mem_buf(text, len);

    if (bio == NULL) {
        return NULL;
    }
    pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    if (pkey == NULL) {
        (void)BIO_reset(bio);
        certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        pkey = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
    }
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return pkey;
}

static const char *read_file(const char *path, struct buf *to)
{
    FILE *file = fopen(path, "re");
    char *at;
    bool failed;

    if (file == NULL) {
        return strerror(errno);
    }
    at = buf_reserve(to, KEY_FILE_MAX + 1);
    to->len += fread(at, 1, KEY_FILE_MAX + 1, file);
    failed = ferror(file) != 0;
    fclose(file);
    return failed                   ? "it can't be read"
           : to->len > KEY_FILE_MAX ? "it is too large for a key"
                                    : NULL;
}

/* What stands before an equals sign is a kid unless it has a slash:
 * then it is part of a path. */
bool auth_key_file(struct auth_key *key, const char *item, char *why, size_t room)
{
    struct buf text = {0};
    const char *path = item, *problem, *equals = strchr(item, '=');
    EVP_PKEY *pkey = NULL;

    if (equals != NULL && memchr(item, '/', (size_t)(equals - item)) == NULL) {
        path = equals + 1;
        key->kid = mem_copy(item, (size_t)(equals - item));
    }
    if ((key->kid != NULL && key->kid[0] == '\0') || path[0] == '\0') {
        snprintf(why, room, "%s: must be FILE or KID=FILE", item);
        return false;
    }
    problem = read_file(path, &text);
    if (problem == NULL) {
        pkey = parse_key(text.at, (int)text.len);
        problem =
            pkey == NULL ? "there is no PEM public key in it" : judge_key(pkey, &key->kind);
    }
    if (problem == NULL) {
        key->signature = (size_t)EVP_PKEY_get_size(pkey);
    } else {
        snprintf(why, room, "%s: %s", path, problem);
    }
    key->pkey = pkey;
    buf_finish(&text);
    return problem == NULL;
}

void auth_key_secret(struct auth_key *key, const char *secret)
{
    key->kind = KEY_HMAC;
    key->len = (int)strlen(secret);
    key->bytes = (unsigned char *)mem_copy(secret, (size_t)key->len);
}

/* A JWT has the two numbers of an EC signature side by side, OpenSSL wants them as DER. Returns
 * its length, or a number below 1. */
static int pair_to_der(struct str pair, unsigned char **der)
{
    const unsigned char *at = (const unsigned char *)pair.at;
    int half = (int)pair.len / 2, len = 0;
    ECDSA_SIG *both = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(at, half, NULL), *s = BN_bin2bn(at + half, half, NULL);

    if (both != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(both, r, s) == 1) {
        len = i2d_ECDSA_SIG(both, der); /* which has them now */
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(both);
    return len;
}

bool auth_key_made(const struct auth_key *key, const EVP_MD *digest, struct str text,
                   struct str signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const unsigned char *at = (const unsigned char *)signature.at;
    unsigned char *der = NULL;
    int len = (int)signature.len;
    bool made;

    if (key->kind != KEY_RSA) {
        len = pair_to_der(signature, &der);
        at = der;
    }
    made = context != NULL && len > 0 &&
           EVP_DigestVerifyInit(context, NULL, digest, NULL, key->pkey) == 1 &&
           EVP_DigestVerify(context, at, (size_t)len, (const unsigned char *)text.at,
                            text.len) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return made;
}

void auth_key_finish(struct auth_key *key)
{
    EVP_PKEY_free(key->pkey);
    if (key->bytes != NULL) {
        explicit_bzero(key->bytes, (size_t)key->len);
    }
    mem_free(key->bytes);
    mem_free(key->kid);
    *key = (struct auth_key){0};
}
