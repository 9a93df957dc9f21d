/* Tokens and keys: which signatures and headers hold, and every broken kind that does not. Keys
 * are made here, at run time. */
#include "test/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth.h"
#include "test/unit/token.h"

#define SECRET "a secret of the test, 32 bytes.."
#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

enum {
    PATH_ROOM = 128,
    WHY_ROOM = 512
};

static const int64_t now_ms = 1700000000500;

static char directory[] = "/tmp/segue-auth-XXXXXX";
static EVP_PKEY *rsa, *rsa_other, *rsa_short, *p256, *p384, *p521, *p256k, *ed25519;

/* ---- Keys and files ---- */

static const char *path_of(const char *name, char path[PATH_ROOM])
{
    snprintf(path, PATH_ROOM, "%s/%s", directory, name);
    return path;
}

static FILE *create_file(const char *name)
{
    char path[PATH_ROOM];
    FILE *file = fopen(path_of(name, path), "w");

    assert_non_null(file);
    return file;
}

static void write_key(const char *name, EVP_PKEY *key)
{
    FILE *file = create_file(name);

    assert_non_null(key);
    assert_int_equal(PEM_write_PUBKEY(file, key), 1);
    fclose(file);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = create_file(name);

    fputs(text, file);
    fclose(file);
}

static void write_private(const char *name, EVP_PKEY *key)
{
    FILE *file = create_file(name);

    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_256_cbc(), "pw", 2, NULL, NULL), 1);
    fclose(file);
}

static void write_certificate(const char *name, EVP_PKEY *key)
{
    FILE *file = create_file(name);
    X509 *certificate = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    X509_free(certificate);
    fclose(file);
}

static int start(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    rsa = EVP_RSA_gen(2048);
    rsa_other = EVP_RSA_gen(2048);
    rsa_short = EVP_RSA_gen(1024);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    p521 = EVP_EC_gen("P-521");
    p256k = EVP_EC_gen("secp256k1");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    write_key("rsa.pem", rsa);
    write_key("other.pem", rsa_other);
    write_key("short.pem", rsa_short);
    write_key("p256.pem", p256);
    write_key("p384.pem", p384);
    write_key("p521.pem", p521);
    write_key("p256k.pem", p256k);
    write_key("ed25519.pem", ed25519);
    write_key("a=b.pem", p256);
    write_certificate("certificate.pem", p256);
    write_private("private.pem", rsa);
    write_text("empty.pem", "");
    write_text("noise.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    return 0;
}

static int finish(void **state)
{
    static const char *const names[] = {
        "rsa.pem",         "other.pem", "short.pem",   "p256.pem",    "p384.pem",
        "p521.pem",        "p256k.pem", "ed25519.pem", "private.pem", "a=b.pem",
        "certificate.pem", "empty.pem", "noise.pem"};
    EVP_PKEY *const keys[] = {rsa, rsa_other, rsa_short, p256, p384, p521, p256k, ed25519};
    char path[PATH_ROOM];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unlink(path_of(names[i], path));
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        EVP_PKEY_free(keys[i]);
    }
    return rmdir(directory);
}

/* ---- Signing ---- */

static struct buf sign_secret(const char *header, const char *payload)
{
    return token_sign(header, payload, token_digest(header), NULL, STR(SECRET));
}

static struct buf sign_key(const char *alg, const char *kid, EVP_PKEY *key)
{
    char header[128];

    snprintf(header, sizeof(header),
             kid == NULL ? "{\"alg\":\"%s\"}" : "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid);
    return token_sign(header, "{\"sub\":\"u\"}", token_digest(alg), key, STR(""));
}

/* ---- Verifying ---- */

/* An auth with these keys (names of files, or KID=name) and the secret; NULL ends. */
static struct auth *create(struct config *config, const char *secret, const char *const *files,
                           char why[WHY_ROOM])
{
    static char items[CONFIG_LIST_MAX][PATH_ROOM];

    config->jwt_secret = secret;
    for (config->jwt_keys.count = 0; files != NULL && files[config->jwt_keys.count] != NULL;
         config->jwt_keys.count++) {
        size_t i = config->jwt_keys.count;
        const char *name = strchr(files[i], ':');

        if (name == NULL) {
            snprintf(items[i], PATH_ROOM, "%s/%s", directory, files[i]);
        } else {
            snprintf(items[i], PATH_ROOM, "%.*s=%s/%s", (int)(name - files[i]), files[i],
                     directory, name + 1);
        }
        config->jwt_keys.items[i] = items[i];
    }
    return auth_create(config, why, WHY_ROOM);
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Verifies and frees the token; NULL when it holds, otherwise why not. */
static const char *verify(const struct auth *auth, struct buf token, struct claims *claims)
{
    const char *why = NULL;
    enum err err = auth_verify(auth, buf_str(&token), now_ms, claims, &why);

    buf_finish(&token);
    assert_int_equal(err, why == NULL ? ERR_OK : ERR_UNAUTHORIZED);
    return why;
}

static const char *verify_header(const char *header)
{
    struct config config = {0};
    struct claims claims;
    char why[WHY_ROOM];
    struct auth *auth = create(&config, SECRET, NULL, why);
    const char *result = verify(auth, sign_secret(header, "{\"sub\":\"u\"}"), &claims);

    auth_destroy(auth);
    return result;
}

static void every_algorithm_holds_with_its_own_key_and_no_other(void **state)
{
    const struct {
        const char *alg;
        EVP_PKEY *key;
    } all[] = {{"HS256", NULL}, {"HS384", NULL}, {"HS512", NULL},
               {"RS256", rsa},  {"RS384", rsa},  {"RS512", rsa},
               {"ES256", p256}, {"ES384", p384}, {"ES512", p521}};
    static const char *const files[] = {NULL, "rsa.pem", "p256.pem", "p384.pem", "p521.pem"};
    EVP_PKEY *const keys[] = {NULL, rsa, p256, p384, p521};
    struct config config = {0};
    char why[WHY_ROOM], header[64];

    (void)state;
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        struct auth *auth =
            create(&config, k == 0 ? SECRET : NULL, k == 0 ? NULL : FILES(files[k]), why);

        assert_non_null(auth);
        for (size_t a = 0; a < sizeof(all) / sizeof(all[0]); a++) {
            struct claims claims;
            const char *result;

            snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", all[a].alg);
            result = verify(auth,
                            token_sign(header, "{\"sub\":\"u\"}", token_digest(header),
                                       all[a].key, STR(SECRET)),
                            &claims);
            if (keys[k] == all[a].key) {
                assert_null(result);
                assert_string_equal(claims.user, "u");
            } else {
                assert_string_equal(result, "no key is known for this token");
            }
        }
        auth_destroy(auth);
    }
}

static void a_public_key_is_no_secret(void **state)
{
    struct config config = {0};
    struct claims claims;
    char why[WHY_ROOM], path[PATH_ROOM], pem[4096];
    struct auth *auth = create(&config, NULL, FILES("rsa.pem"), why);
    struct auth *both = create(&config, SECRET, FILES("rsa.pem"), why);
    FILE *file = fopen(path_of("rsa.pem", path), "r");
    size_t len = fread(pem, 1, sizeof(pem), file);

    (void)state;
    fclose(file);
    assert_refused(
        "no key is known for this token",
        verify(auth,
               token_sign(HS256, "{\"sub\":\"u\"}", EVP_sha256(), NULL, str_from(pem, len)),
               &claims));
    assert_refused(
        "the signature does not fit",
        verify(both,
               token_sign(HS256, "{\"sub\":\"u\"}", EVP_sha256(), NULL, str_from(pem, len)),
               &claims));
    auth_destroy(auth);
    auth_destroy(both);
}

static void no_changed_bit_of_a_token_is_accepted(void **state)
{
    struct config config = {0};
    struct claims claims;
    char why[WHY_ROOM];
    struct auth *auth = create(&config, SECRET, FILES("p256.pem"), why);
    struct buf good[] = {sign_secret(HS256, "{\"sub\":\"user\"}"),
                         sign_key("ES256", NULL, p256)};

    (void)state;
    for (size_t g = 0; g < 2; g++) {
        struct str token = buf_str(&good[g]);

        for (size_t i = 0; i < token.len; i++) {
            for (int bit = 0; bit < 8; bit++) {
                const char *reason = NULL;

                good[g].at[i] = (char)(good[g].at[i] ^ (1 << bit));
                assert_int_equal(auth_verify(auth, token, now_ms, &claims, &reason),
                                 ERR_UNAUTHORIZED);
                assert_non_null(reason);
                good[g].at[i] = (char)(good[g].at[i] ^ (1 << bit));
            }
        }
        for (size_t len = 0; len < token.len; len++) {
            const char *reason = NULL;

            assert_int_equal(
                auth_verify(auth, str_from(token.at, len), now_ms, &claims, &reason),
                ERR_UNAUTHORIZED);
        }
        assert_holds(verify(auth, good[g], &claims));
    }
    auth_destroy(auth);
}

static void a_token_without_signature_is_refused(void **state)
{
    struct config config = {0};
    struct claims claims;
    char why[WHY_ROOM];
    struct auth *auth = create(&config, SECRET, NULL, why);
    static const char *const algs[] = {"none", "None", "NONE", "nOnE", "", "HS256"};

    (void)state;
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        char header[64];
        struct buf token = {0};

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", algs[i]);
        token_add(&token, str_of(header));
        buf_add_char(&token, '.');
        token_add(&token, STR("{\"sub\":\"u\"}"));
        buf_add_char(&token, '.');
        assert_refused(i < 5 ? "the token's algorithm is not accepted"
                             : "the signature does not fit",
                       verify(auth, token, &claims));
    }
    auth_destroy(auth);
}

static void a_header_is_strict(void **state)
{
    static const char invalid[] = "the token's header is not valid";
    static const char foreign[] = "the token's algorithm is not accepted";

    (void)state;
    assert_holds(verify_header("{\"alg\":\"HS256\"}"));
    assert_holds(verify_header("{\"alg\":\"HS256\",\"typ\":\"jwt\",\"x\":1}"));
    assert_refused(foreign, verify_header("{\"alg\":\"hs256\"}"));
    assert_refused(foreign, verify_header("{\"alg\":\"PS256\"}"));
    assert_refused(foreign, verify_header("{\"alg\":\"HS256 \"}"));
    assert_refused(invalid, verify_header("{\"typ\":\"JWT\"}"));
    assert_refused(invalid, verify_header("{\"alg\":\"none\",\"alg\":\"HS256\"}"));
    assert_refused(invalid, verify_header("{\"alg\":256}"));
    assert_refused(invalid, verify_header("{\"alg\":null}"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\",\"typ\":\"JWE\"}"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\",\"typ\":1}"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\",\"kid\":1}"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\",\"crit\":[\"x\"],\"x\":1}"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\",\"crit\":null}"));
    assert_refused(invalid, verify_header("[\"HS256\"]"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\"}x"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\""));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\xff\"}"));
    assert_refused(invalid, verify_header("{\"alg\":\"HS256\\u0000\"}"));
}

static const char *verify_text(const struct auth *auth, struct str token)
{
    struct buf copy = {0};
    struct claims claims;

    buf_add(&copy, token);
    return verify(auth, copy, &claims);
}

static void text_that_is_no_token_is_refused(void **state)
{
    struct config config = {0};
    char why[WHY_ROOM], long_token[10000];
    struct auth *auth = create(&config, SECRET, NULL, why);

    (void)state;
    memset(long_token, 'A', sizeof(long_token));
    long_token[12] = long_token[15] = '.';
    assert_refused("the token is empty", verify_text(auth, STR("")));
    assert_refused("the token is too long", verify_text(auth, str_from(long_token, 8193)));
    assert_refused("the token's header is not valid",
                   verify_text(auth, str_from(long_token, 8192)));
    assert_refused("the token is malformed", verify_text(auth, STR("e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e30.e30.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e30.e30 ")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e30.e30=")));
    assert_refused("the token is malformed", verify_text(auth, STR("e3+.e30.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e3/.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e31.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e30\0.e30")));
    assert_refused("the token is malformed", verify_text(auth, STR("e30.e30.\xff")));
    assert_refused("the token's header is not valid", verify_text(auth, STR("..")));
    assert_refused("the token's header is not valid", verify_text(auth, STR(".e30.e30")));
    assert_refused("the token's header is not valid", verify_text(auth, STR("e30.e30.e30")));
    assert_refused("the token's header is not valid", verify_text(auth, STR("e30.e30.")));
    assert_refused("the token's claims are not valid", verify_text(auth, STR("e30..e30")));
    auth_destroy(auth);
}

static void keys_are_chosen_by_kid(void **state)
{
    struct config config = {0};
    struct claims claims;
    char why[WHY_ROOM];
    struct auth *named =
        create(&config, NULL, FILES("a:rsa.pem", "b:other.pem", "c:p256.pem"), why);
    struct auth *mixed = create(&config, NULL, FILES("a:rsa.pem", "other.pem"), why);

    (void)state;
    assert_holds(verify(named, sign_key("RS256", "a", rsa), &claims));
    assert_holds(verify(named, sign_key("RS256", "b", rsa_other), &claims));
    assert_holds(verify(named, sign_key("ES256", "c", p256), &claims));
    assert_refused("the signature does not fit",
                   verify(named, sign_key("RS256", "a", rsa_other), &claims));
    assert_refused("no key is known for this token",
                   verify(named, sign_key("RS256", "c", rsa), &claims));
    assert_refused("no key is known for this token",
                   verify(named, sign_key("RS256", "d", rsa), &claims));
    assert_refused("no key is known for this token",
                   verify(named, sign_key("RS256", "", rsa), &claims));
    /* Without a kid every key of the kind is tried. */
    assert_holds(verify(named, sign_key("RS256", NULL, rsa), &claims));
    assert_holds(verify(named, sign_key("RS256", NULL, rsa_other), &claims));
    /* A key without a name serves any kid. */
    assert_holds(verify(mixed, sign_key("RS256", "zzz", rsa_other), &claims));
    assert_refused("the signature does not fit",
                   verify(mixed, sign_key("RS256", "zzz", rsa), &claims));
    auth_destroy(named);
    auth_destroy(mixed);
}

static void without_keys_nothing_holds(void **state)
{
    struct config config = {0};
    struct claims claims;
    char why[WHY_ROOM];
    struct auth *auth = create(&config, NULL, NULL, why);

    (void)state;
    assert_non_null(auth);
    assert_refused("no key is known for this token",
                   verify(auth, sign_secret(HS256, "{\"sub\":\"u\"}"), &claims));
    auth_destroy(auth);
    auth_destroy(NULL);
}

static void key_files_are_judged_at_start(void **state)
{
    static const struct {
        const char *name, *why;
    } wrong[] = {
        {"missing.pem", "No such file or directory"},
        {"short.pem", "the RSA key has less than 2048 bits"},
        {"p256k.pem", "the curve is not P-256, P-384 or P-521"},
        {"ed25519.pem", "the key is neither RSA nor EC"},
        {"empty.pem", "there is no PEM public key in it"},
        {"noise.pem", "there is no PEM public key in it"},
        {"private.pem", "there is no PEM public key in it"},
        {".", "it can't be read"},
        {"k:missing.pem", "No such file or directory"},
    };
    struct config config = {0};
    char why[WHY_ROOM], expected[WHY_ROOM];
    struct auth *auth;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *name =
            strchr(wrong[i].name, ':') != NULL ? strchr(wrong[i].name, ':') + 1 : wrong[i].name;

        snprintf(expected, sizeof(expected), "%s/%s: %s", directory, name, wrong[i].why);
        assert_null(create(&config, SECRET, FILES("rsa.pem", wrong[i].name), why));
        assert_string_equal(why, expected);
    }
    config.jwt_keys.items[0] = "=x.pem";
    config.jwt_keys.count = 1;
    assert_null(auth_create(&config, why, sizeof(why)));
    assert_string_equal(why, "=x.pem: must be FILE or KID=FILE");
    config.jwt_keys.items[0] = "kid=";
    assert_null(auth_create(&config, why, sizeof(why)));
    /* An equals sign behind a slash belongs to the path; a certificate serves as its key. */
    auth = create(&config, NULL, FILES("a=b.pem", "certificate.pem"), why);
    assert_non_null(auth);
    assert_holds(verify(auth, sign_key("ES256", "any", p256), &(struct claims){0}));
    auth_destroy(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_holds_with_its_own_key_and_no_other),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(no_changed_bit_of_a_token_is_accepted),
        cmocka_unit_test(a_token_without_signature_is_refused),
        cmocka_unit_test(a_header_is_strict),
        cmocka_unit_test(text_that_is_no_token_is_refused),
        cmocka_unit_test(keys_are_chosen_by_kid),
        cmocka_unit_test(without_keys_nothing_holds),
        cmocka_unit_test(key_files_are_judged_at_start),
    };

    return cmocka_run_group_tests(tests, start, finish);
}
