/* The keys that may sign tokens: inside auth, for nobody else. */
#ifndef SEGUE_GATEWAY_AUTH_KEYS_H
#define SEGUE_GATEWAY_AUTH_KEYS_H

#include <openssl/evp.h>

#include "common/err.h"
#include "common/str.h"

enum auth_key_kind {
    KEY_HMAC,
    KEY_RSA,
    KEY_P256,
    KEY_P384,
    KEY_P521
};

struct auth_key {
    enum auth_key_kind kind;
    char *kid;            /* owned; NULL = serves any */
    unsigned char *bytes; /* owned: the secret */
    int len;
    EVP_PKEY *pkey;   /* owned: a public key; NULL = a secret */
    size_t signature; /* bytes of an RSA key's signatures */
};

/* Takes an HMAC secret. */
void auth_key_secret(struct auth_key *key, const char *secret);
/* Takes FILE or KID=FILE: a PEM public key, or a certificate. False with a sentence in `why`
 * that names the file. */
MUST_CHECK bool auth_key_file(struct auth_key *key, const char *item, char *why, size_t room);
/* Whether a public key made that signature of the text: as many bytes as a JWT's has. */
bool auth_key_made(const struct auth_key *key, const EVP_MD *digest, struct str text,
                   struct str signature);
/* Frees what the key holds; {0} holds nothing. */
void auth_key_finish(struct auth_key *key);

#endif
