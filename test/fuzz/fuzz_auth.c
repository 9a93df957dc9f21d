/* Tokens: whatever a client sends as one is refused with a reason, or gives a user within the
 * contract's bounds.
 *
 * The input is a token as it stands; or, when it has a line break, a header and a payload that
 * are signed here first, so that the fuzzer gets behind the signature. */
#include "test/fuzz/fuzz.h"

#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth.h"
#include "test/unit/token.h"

#define SECRET "fuzz"

static const int64_t now_ms = 1700000000000;

static void write_key(EVP_PKEY *key, char *path)
{
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    MUST(key != NULL && file != NULL && PEM_write_PUBKEY(file, key) == 1);
    fclose(file);
    EVP_PKEY_free(key);
}

/* One key of every kind, so that every way to libjwt is open. */
static const struct auth *keys(void)
{
    static struct auth *auth;
    static struct config config = {.jwt_secret = SECRET};

    if (auth == NULL) {
        char rsa[] = "/tmp/segue-fuzz-XXXXXX", ec[] = "/tmp/segue-fuzz-XXXXXX", why[256];

        write_key(EVP_RSA_gen(2048), rsa);
        write_key(EVP_EC_gen("P-256"), ec);
        config.jwt_keys = (struct config_list){{rsa, ec}, 2};
        auth = auth_create(&config, why, sizeof(why));
        config.jwt_keys.count = 0;
        MUST(auth != NULL);
        unlink(rsa);
        unlink(ec);
    }
    return auth;
}

static enum err verify(struct str token, struct claims *claims)
{
    const char *why = NULL;
    enum err err = auth_verify(keys(), token, now_ms, claims, &why);

    MUST((err == ERR_OK && why == NULL) || (err == ERR_UNAUTHORIZED && why != NULL));
    return err;
}

static void must_be_within_bounds(const struct claims *claims)
{
    MUST(claims->user_len >= 1 && claims->user_len <= AUTH_USER_MAX);
    MUST(strlen(claims->user) == claims->user_len);
    for (size_t i = 0; i < claims->user_len; i++) {
        MUST((unsigned char)claims->user[i] >= 0x20 && claims->user[i] != 0x7f);
    }
    MUST(codec_is_utf8(str_from(claims->user, claims->user_len)));
    MUST(claims->expires_ms > now_ms);
}

/* Signs what stands before and behind the line break. */
static struct buf sign(struct str whole)
{
    struct buf header = {0}, payload = {0}, token;
    struct str first, second;

    str_cut(whole, '\n', &first, &second);
    buf_add(&header, first);
    buf_add(&payload, second);
    token = token_sign(buf_text(&header), buf_text(&payload), EVP_sha256(), NULL, STR(SECRET));
    buf_finish(&header);
    buf_finish(&payload);
    return token;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str whole = str_from((const char *)data, size);
    struct claims claims, ignored;
    struct buf token;

    if (size == 0 || memchr(data, '\n', size) == NULL) {
        if (verify(whole, &claims) == ERR_OK) {
            must_be_within_bounds(&claims);
        }
        return 0;
    }
    token = sign(whole);
    if (verify(buf_str(&token), &claims) == ERR_OK) {
        must_be_within_bounds(&claims);
        /* Another first character of the signature, and it is nobody's. */
        token.at[token.len - 43] = token.at[token.len - 43] == 'A' ? 'B' : 'A';
        MUST(verify(buf_str(&token), &ignored) == ERR_UNAUTHORIZED);
    }
    buf_finish(&token);
    return 0;
}
