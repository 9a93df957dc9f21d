/* Tokens to claims.
 *
 * Who may say what: the header of a token only chooses among the keys that the operator gave,
 * and a key serves only the algorithms of its own kind, so that no token can turn a public key
 * into an HMAC secret or ask for no signature at all. Header and claims are read by our own
 * strict reader, so that a duplicate key or a lenient number can't mean two things to two
 * parsers.
 *
 *     token --cut--> header --alg, kid--> keys that fit --signature--> payload --> user, expiry
 *
 * An HMAC is libjwt's to check. Signatures of public keys are checked with OpenSSL itself:
 * libjwt reads the key's PEM anew for every token, which takes twenty times as long as an RSA
 * signature does, and whoever sends bad tokens would make us do it.
 *
 * libjwt compares HMACs in constant time in the releases that we build with (1.17, and Debian's
 * 1.10.2 with the fix of CVE-2024-25189), so that is not done here again. */
#include "gateway/auth.h"

#include <jwt.h>
#include <math.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/json.h"
#include "common/json_text.h"
#include "common/mem.h"
#include "gateway/auth_keys.h"

enum {
    TOKEN_MAX = 8192,
    KEYS_MAX = CONFIG_LIST_MAX + 1 /* with the secret */
};

struct auth {
    const struct config *config; /* borrowed */
    struct auth_key keys[KEYS_MAX];
    size_t key_count;
};

static const struct algorithm {
    const char *name;
    jwt_alg_t alg;
    enum auth_key_kind kind;
    const EVP_MD *(*digest)(void); /* of public keys */
    size_t signature;              /* bytes; 0 = the key decides */
} algorithms[] = {
    {"HS256", JWT_ALG_HS256, KEY_HMAC, NULL, 32},
    {"HS384", JWT_ALG_HS384, KEY_HMAC, NULL, 48},
    {"HS512", JWT_ALG_HS512, KEY_HMAC, NULL, 64},
    {"RS256", JWT_ALG_RS256, KEY_RSA, EVP_sha256, 0},
    {"RS384", JWT_ALG_RS384, KEY_RSA, EVP_sha384, 0},
    {"RS512", JWT_ALG_RS512, KEY_RSA, EVP_sha512, 0},
    {"ES256", JWT_ALG_ES256, KEY_P256, EVP_sha256, 64},
    {"ES384", JWT_ALG_ES384, KEY_P384, EVP_sha384, 96},
    {"ES512", JWT_ALG_ES512, KEY_P521, EVP_sha512, 132},
};

/* ---- Life ---- */

/* The crypto library sets itself up at its first use, some milliseconds and 2 MB; that is not
 * for the first client to wait for. */
static void warm_up(const struct auth *auth)
{
    struct str nobody =
        STR("eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    struct claims ignored;
    const char *why;

    if (auth_verify(auth, nobody, 0, &ignored, &why) == ERR_OK) {
        abort(); /* a signature of zeros */
    }
}

struct auth *auth_create(const struct config *config, char *why, size_t room)
{
    struct auth *auth = mem_zero(sizeof(*auth));

    auth->config = config;
    if (config->jwt_secret != NULL) {
        auth_key_secret(&auth->keys[auth->key_count++], config->jwt_secret);
    }
    for (size_t i = 0; i < config->jwt_keys.count; i++) {
        if (!auth_key_file(&auth->keys[auth->key_count++], config->jwt_keys.items[i], why,
                           room)) {
            auth_destroy(auth);
            return NULL;
        }
    }
    warm_up(auth);
    return auth;
}

void auth_destroy(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    for (size_t i = 0; i < auth->key_count; i++) {
        auth_key_finish(&auth->keys[i]);
    }
    mem_free(auth);
}

/* ---- Finding the token ---- */

/* The credentials of the scheme Bearer; false for other schemes, which are no tokens. */
static bool find_bearer(const struct request *request, struct str *token)
{
    struct str value = str_trim(request_header(request, STR("authorization"))), scheme;

    str_cut(value, ' ', &scheme, token);
    *token = str_trim(*token);
    return str_equal_nocase(scheme, STR("bearer"));
}

/* The item behind "bearer" in the offered subprotocols; empty when there is none behind it. */
static bool find_subprotocol(const struct request *request, struct str *token)
{
    bool found = false;

    for (size_t i = 0; i < request->header_count; i++) {
        struct str list = request->headers[i].value, item;

        if (!str_equal_nocase(request->headers[i].name, STR("sec-websocket-protocol"))) {
            continue;
        }
        while (str_next_item(&list, &item)) {
            if (found) {
                *token = item;
                return true;
            }
            found = str_equal(item, STR("bearer"));
        }
    }
    *token = STR("");
    return found;
}

static bool find_cookie(const struct auth *auth, const struct request *request,
                        struct str *token)
{
    const struct config_list *names = &auth->config->token_cookies;

    for (size_t i = 0; i < names->count; i++) {
        *token = request_cookie(request, str_of(names->items[i]));
        if (token->at != NULL) {
            return true;
        }
    }
    return false;
}

/* The page that asks may be any site's: then the user need not know of it. */
static bool is_foreign(const struct auth *auth, const struct request *request)
{
    struct str origin = request_header(request, STR("origin")), scheme, rest;

    str_cut(origin, ':', &scheme, &rest);
    return origin.len > 0 && !config_names_origin(auth->config, origin) &&
           !(str_starts(rest, STR("//")) &&
             str_equal_nocase(str_skip(rest, 2), request_header(request, STR("host"))));
}

bool auth_passed_over(const struct auth *auth, const struct request *request)
{
    struct str token;

    return find_cookie(auth, request, &token) && is_foreign(auth, request);
}

static bool find_header(const struct auth *auth, const struct request *request,
                        struct str *token)
{
    const struct config_list *names = &auth->config->token_headers;

    for (size_t i = 0; i < names->count; i++) {
        *token = request_header(request, str_of(names->items[i]));
        if (token->at != NULL) {
            *token = str_trim(*token);
            return true;
        }
    }
    return false;
}

bool auth_find(const struct auth *auth, const struct request *request, struct buf *token,
               bool *subprotocol)
{
    struct str found, offered, query = request_query(request, STR("token"));

    *subprotocol = find_subprotocol(request, &offered);
    if (find_bearer(request, &found)) {
        buf_add(token, found);
        return true;
    }
    if (query.at != NULL) {
        if (codec_unpercent(query, true, token) != ERR_OK) {
            buf_clear(token); /* an empty token is a bad one */
        }
        return true;
    }
    if (find_cookie(auth, request, &found) && !is_foreign(auth, request)) {
        buf_add(token, found);
        return true;
    }
    if (*subprotocol) {
        buf_add(token, offered);
        return true;
    }
    if (find_header(auth, request, &found)) {
        buf_add(token, found);
        return true;
    }
    return false;
}

/* ---- Verifying it ---- */

/* The three parts of a token, decoded. */
struct parts {
    struct buf header, payload, signature;
};

static bool cut_token(struct str token, struct parts *parts)
{
    struct str header, payload, signature, rest;

    return str_cut(token, '.', &header, &rest) && str_cut(rest, '.', &payload, &signature) &&
           codec_unbase64url(header, &parts->header) == ERR_OK &&
           codec_unbase64url(payload, &parts->payload) == ERR_OK &&
           codec_unbase64url(signature, &parts->signature) == ERR_OK;
}

/* A part as JSON object; NULL when it isn't one. */
static cJSON *read_object(const struct buf *part)
{
    const char *ignored;
    cJSON *json = json_parse(buf_str(part), &ignored);

    if (json != NULL && !cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

/* A signature of another length than the key makes never comes to libjwt: 1.10 writes behind
 * its memory when it is empty. */
static bool hmac_fits(const struct auth_key *key, const struct algorithm *algorithm,
                      struct str token)
{
    char text[TOKEN_MAX + 1];
    jwt_t *jwt = NULL;
    bool fits;

    memcpy(text, token.at, token.len);
    text[token.len] = '\0';
    fits =
        jwt_decode(&jwt, text, key->bytes, key->len) == 0 && jwt_get_alg(jwt) == algorithm->alg;
    jwt_free(jwt);
    ERR_clear_error();
    return fits;
}

static bool signature_fits(const struct auth_key *key, const struct algorithm *algorithm,
                           struct str token, struct str signature)
{
    const char *dot = memrchr(token.at, '.', token.len);

    if (signature.len != (algorithm->signature != 0 ? algorithm->signature : key->signature)) {
        return false;
    }
    return key->pkey == NULL
               ? hmac_fits(key, algorithm, token)
               : auth_key_made(key, algorithm->digest(),
                               str_from(token.at, (size_t)(dot - token.at)), signature);
}

/* Tries the keys that serve the algorithm and the kid. NULL when one fits. */
static const char *check_keys(const struct auth *auth, const struct algorithm *algorithm,
                              const struct json_field *kid, struct str token,
                              struct str signature)
{
    const char *why = "no key is known for this token";

    for (size_t i = 0; i < auth->key_count; i++) {
        const struct auth_key *key = &auth->keys[i];

        if (key->kind != algorithm->kind ||
            (kid->there && key->kid != NULL && !str_equal(kid->text, str_of(key->kid)))) {
            continue;
        }
        if (signature_fits(key, algorithm, token, signature)) {
            return NULL;
        }
        why = "the signature does not fit";
    }
    return why;
}

static const char *check_signature(const struct auth *auth, const cJSON *header,
                                   struct str token, struct str signature)
{
    enum {
        ALG,
        KID,
        TYP,
        CRIT,
        COUNT
    };
    struct json_field fields[COUNT] = {
        [ALG] = {.name = "alg", .kind = JSON_TEXT, .required = true},
        [KID] = {.name = "kid", .kind = JSON_TEXT},
        [TYP] = {.name = "typ", .kind = JSON_TEXT},
        [CRIT] = {.name = "crit", .kind = JSON_ANY},
    };
    char ignored[JSON_WHY_MAX];

    if (json_read(header, fields, COUNT, ignored) != ERR_OK || fields[CRIT].there ||
        (fields[TYP].there && !str_equal_nocase(fields[TYP].text, STR("JWT")))) {
        return "the token's header is not valid";
    }
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (str_equal(fields[ALG].text, str_of(algorithms[i].name))) {
            return check_keys(auth, &algorithms[i], &fields[KID], token, signature);
        }
    }
    return "the token's algorithm is not accepted";
}

/* Seconds since 1970, fractions allowed, to milliseconds; cut to what fits. */
static int64_t to_ms(double seconds)
{
    double ms = seconds * 1000;

    return ms >= 9.2e18 ? INT64_MAX : ms <= -9.2e18 ? INT64_MIN : (int64_t)ms;
}

/* `aud` is a string or an array of strings. */
static bool audience_fits(const cJSON *item, const char *wanted)
{
    const cJSON *one;
    bool fits = false;

    if (cJSON_IsString(item)) {
        return strcmp(item->valuestring, wanted) == 0;
    }
    if (!cJSON_IsArray(item)) {
        return false;
    }
    cJSON_ArrayForEach(one, item)
    {
        if (!cJSON_IsString(one)) {
            return false;
        }
        fits = fits || strcmp(one->valuestring, wanted) == 0;
    }
    return fits;
}

/* 2^53 - 1: up to here a double holds every integer. */
static const double exact_max = 9007199254740991.0;

static void set_user(struct claims *claims, struct str user)
{
    memcpy(claims->user, user.at, user.len);
    claims->user[user.len] = '\0';
    claims->user_len = user.len;
}

/* An integer as text, exactly: backends number users beyond what a double holds. */
static bool read_integer(const cJSON *item, struct str raw, struct claims *claims)
{
    struct str digits = str_starts(raw, STR("-")) ? str_skip(raw, 1) : raw;

    if (digits.len == 0 || strspn(digits.at, "0123456789") < digits.len) { /* 42.0, 4.2e1 */
        if (item->valuedouble != trunc(item->valuedouble) ||
            fabs(item->valuedouble) > exact_max) {
            return false;
        }
        claims->user_len = (size_t)snprintf(claims->user, sizeof(claims->user), "%lld",
                                            (long long)item->valuedouble);
        return true;
    }
    if (raw.len > AUTH_USER_MAX) {
        return false;
    }
    raw = str_equal(raw, STR("-0")) ? digits : raw;
    set_user(claims, raw);
    return true;
}

/* The user as text: integer 42 and string "42" are the same user. `raw` is the claim as it
 * stands in the token. */
static bool read_user(const cJSON *item, struct str raw, struct claims *claims)
{
    struct str text = str_of(cJSON_GetStringValue(item));

    if (cJSON_IsNumber(item)) {
        return read_integer(item, raw, claims);
    }
    if (text.len == 0 || text.len > AUTH_USER_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f) {
            return false;
        }
    }
    set_user(claims, text);
    return true;
}

/* `text` is what `json` was parsed from. */
static const char *check_user(const struct auth *auth, const cJSON *json, struct str text,
                              struct claims *claims)
{
    const char *const own[] = {auth->config->jwt_user_claim}, *const usual[] = {"sub",
                                                                                "userId"};
    const char *const *names = own[0] != NULL ? own : usual;
    size_t count = own[0] != NULL ? 1 : 2;
    char ignored[JSON_WHY_MAX];

    for (size_t i = 0; i < count; i++) {
        struct json_field field = {.name = names[i], .kind = JSON_ANY};

        if (json_read(json, &field, 1, ignored) != ERR_OK ||
            (field.there &&
             !read_user(field.item, json_member(text, str_of(names[i])), claims))) {
            return "the token's user is not valid";
        }
        if (field.there) {
            return NULL;
        }
    }
    return "the token names no user";
}

static const char *check_claims(const struct auth *auth, const cJSON *json, struct str text,
                                int64_t now_ms, struct claims *claims)
{
    enum {
        EXP,
        NBF,
        ISS,
        AUD,
        COUNT
    };
    struct json_field fields[COUNT] = {
        [EXP] = {.name = "exp", .kind = JSON_NUMBER},
        [NBF] = {.name = "nbf", .kind = JSON_NUMBER},
        [ISS] = {.name = "iss", .kind = JSON_ANY},
        [AUD] = {.name = "aud", .kind = JSON_ANY},
    };
    const struct config *config = auth->config;
    char ignored[JSON_WHY_MAX];

    if (json_read(json, fields, COUNT, ignored) != ERR_OK) {
        return "the token's claims are not valid";
    }
    claims->expires_ms = fields[EXP].there ? to_ms(fields[EXP].number) : INT64_MAX;
    if (claims->expires_ms <= now_ms) {
        return "the token has expired";
    }
    if (fields[NBF].there && to_ms(fields[NBF].number) > now_ms) {
        return "the token is not valid yet";
    }
    if (config->jwt_issuer != NULL &&
        (!cJSON_IsString(fields[ISS].item) ||
         strcmp(fields[ISS].item->valuestring, config->jwt_issuer) != 0)) {
        return "the token's issuer is another";
    }
    if (config->jwt_audience != NULL &&
        !audience_fits(fields[AUD].item, config->jwt_audience)) {
        return "the token is for another audience";
    }
    return check_user(auth, json, text, claims);
}

/* NULL when the token, cut into its parts, holds. */
static const char *check_parts(const struct auth *auth, struct str token,
                               const struct parts *parts, int64_t now_ms, struct claims *claims)
{
    cJSON *header = read_object(&parts->header), *payload = read_object(&parts->payload);
    const char *why = header == NULL    ? "the token's header is not valid"
                      : payload == NULL ? "the token's claims are not valid"
                                        : NULL;

    if (why == NULL) {
        why = check_signature(auth, header, token, buf_str(&parts->signature));
    }
    if (why == NULL) {
        why = check_claims(auth, payload, buf_str(&parts->payload), now_ms, claims);
    }
    cJSON_Delete(header);
    cJSON_Delete(payload);
    return why;
}

enum err auth_verify(const struct auth *auth, struct str token, int64_t now_ms,
                     struct claims *claims, const char **why)
{
    struct parts parts = {{0}, {0}, {0}};

    if (token.len == 0) {
        *why = "the token is empty";
    } else if (token.len > TOKEN_MAX) {
        *why = "the token is too long";
    } else if (!cut_token(token, &parts)) {
        *why = "the token is malformed";
    } else {
        *why = check_parts(auth, token, &parts, now_ms, claims);
    }
    buf_finish(&parts.header);
    buf_finish(&parts.payload);
    buf_finish(&parts.signature);
    return *why == NULL ? ERR_OK : ERR_UNAUTHORIZED;
}
