/* What a rightly signed token says: times, issuer, audience, user. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/auth.h"
#include "test/unit/token.h"

#define SECRET "a secret of the test, 32 bytes.."

static const int64_t now_ms = 1700000000500;

/* What a token with these claims and a right signature comes to: NULL when it holds. */
static const char *verify_claims(struct config *config, const char *payload,
                                 struct claims *claims)
{
    char ignored[256];
    const char *why = NULL;
    struct auth *auth;
    struct buf token = token_sign("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload, EVP_sha256(),
                                  NULL, STR(SECRET));
    enum err err;

    config->jwt_secret = SECRET;
    auth = auth_create(config, ignored, sizeof(ignored));
    assert_non_null(auth);
    err = auth_verify(auth, buf_str(&token), now_ms, claims, &why);
    assert_int_equal(err, why == NULL ? ERR_OK : ERR_UNAUTHORIZED);
    buf_finish(&token);
    auth_destroy(auth);
    return why;
}

/* A payload of exactly `len` bytes. */
static const char *payload_of(size_t len, char payload[8192])
{
    size_t at = (size_t)snprintf(payload, 8192, "{\"sub\":\"u\",\"x\":\"");

    memset(payload + at, 'x', len - 2 - at);
    snprintf(payload + len - 2, 3, "\"}");
    return payload;
}

/* 8192 characters: 36 of header, 43 of signature, two dots, so 8111 of payload, which are 6083
 * bytes. */
static void a_token_has_up_to_8192_characters(void **state)
{
    struct config config = {0};
    struct claims claims;
    char payload[8192];

    (void)state;
    assert_holds(verify_claims(&config, payload_of(6083, payload), &claims));
    assert_refused("the token is too long",
                   verify_claims(&config, payload_of(6084, payload), &claims));
}

static void a_token_holds_from_nbf_until_exp(void **state)
{
    struct config config = {0};
    struct claims claims;

    (void)state;
    assert_holds(verify_claims(&config, "{\"sub\":\"u\"}", &claims));
    assert_true(claims.expires_ms == INT64_MAX);
    assert_holds(verify_claims(&config, "{\"sub\":\"u\",\"exp\":1700000001}", &claims));
    assert_true(claims.expires_ms == 1700000001000);
    assert_holds(verify_claims(&config, "{\"sub\":\"u\",\"exp\":1700000000.501}", &claims));
    assert_true(claims.expires_ms == 1700000000501);
    assert_holds(
        verify_claims(&config, "{\"sub\":\"u\",\"exp\":1e300,\"nbf\":-1e300}", &claims));
    assert_true(claims.expires_ms == INT64_MAX);
    assert_holds(verify_claims(
        &config, "{\"sub\":\"u\",\"nbf\":1700000000.5,\"iat\":\"whatever\"}", &claims));
    assert_refused("the token has expired",
                   verify_claims(&config, "{\"sub\":\"u\",\"exp\":1700000000.5}", &claims));
    assert_refused("the token has expired",
                   verify_claims(&config, "{\"sub\":\"u\",\"exp\":1700000000}", &claims));
    assert_refused("the token has expired",
                   verify_claims(&config, "{\"sub\":\"u\",\"exp\":0}", &claims));
    assert_refused("the token has expired",
                   verify_claims(&config, "{\"sub\":\"u\",\"exp\":-1e300}", &claims));
    assert_refused("the token is not valid yet",
                   verify_claims(&config, "{\"sub\":\"u\",\"nbf\":1700000000.501}", &claims));
    assert_refused("the token is not valid yet",
                   verify_claims(&config, "{\"sub\":\"u\",\"nbf\":1e300}", &claims));
}

static void claims_of_another_kind_are_refused(void **state)
{
    static const char *const wrong[] = {
        "{\"sub\":\"u\",\"exp\":\"1800000000\"}",
        "{\"sub\":\"u\",\"exp\":null}",
        "{\"sub\":\"u\",\"exp\":true}",
        "{\"sub\":\"u\",\"nbf\":\"0\"}",
        "{\"sub\":\"u\",\"exp\":1,\"exp\":1800000000}",
        "{\"sub\":\"u\",\"exp\":1800000000,\"\\u0065xp\":1800000000}",
        "{\"sub\":\"u\",\"exp\":1e400}",
        "[\"sub\"]",
        "\"sub\"",
        "{\"sub\":\"u\"",
        "{\"sub\":\"u\"} x",
        "{\"sub\":\"u\\u0000\"}",
        "{\"sub\":\"\\ud800\"}",
        "{\"sub\":\"\xff\"}",
    };
    struct config config = {0};
    struct claims claims;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused("the token's claims are not valid",
                       verify_claims(&config, wrong[i], &claims));
    }
}

static void issuer_and_audience_are_checked_when_given(void **state)
{
    struct config config = {0};
    struct claims claims;

    (void)state;
    assert_holds(verify_claims(&config, "{\"sub\":\"u\",\"iss\":7,\"aud\":{}}", &claims));
    config.jwt_issuer = "https://id.example";
    assert_holds(
        verify_claims(&config, "{\"sub\":\"u\",\"iss\":\"https://id.example\"}", &claims));
    assert_refused("the token's issuer is another",
                   verify_claims(&config, "{\"sub\":\"u\"}", &claims));
    assert_refused(
        "the token's issuer is another",
        verify_claims(&config, "{\"sub\":\"u\",\"iss\":\"https://id.example/\"}", &claims));
    assert_refused(
        "the token's issuer is another",
        verify_claims(&config, "{\"sub\":\"u\",\"iss\":[\"https://id.example\"]}", &claims));
    assert_refused("the token's claims are not valid",
                   verify_claims(&config,
                                 "{\"sub\":\"u\",\"iss\":\"x\",\"iss\":\"https://id.example\"}",
                                 &claims));
    config.jwt_issuer = NULL;
    config.jwt_audience = "segue";
    assert_holds(verify_claims(&config, "{\"sub\":\"u\",\"aud\":\"segue\"}", &claims));
    assert_holds(
        verify_claims(&config, "{\"sub\":\"u\",\"aud\":[\"other\",\"segue\"]}", &claims));
    assert_refused("the token is for another audience",
                   verify_claims(&config, "{\"sub\":\"u\"}", &claims));
    assert_refused("the token is for another audience",
                   verify_claims(&config, "{\"sub\":\"u\",\"aud\":\"Segue\"}", &claims));
    assert_refused("the token is for another audience",
                   verify_claims(&config, "{\"sub\":\"u\",\"aud\":[]}", &claims));
    assert_refused("the token is for another audience",
                   verify_claims(&config, "{\"sub\":\"u\",\"aud\":[\"a\"]}", &claims));
    assert_refused("the token is for another audience",
                   verify_claims(&config, "{\"sub\":\"u\",\"aud\":[\"segue\",1]}", &claims));
    assert_refused("the token is for another audience",
                   verify_claims(&config, "{\"sub\":\"u\",\"aud\":{\"segue\":1}}", &claims));
}

static void the_user_is_text_or_an_integer(void **state)
{
    static const struct {
        const char *payload, *user;
    } right[] = {
        {"{\"sub\":42}", "42"},
        {"{\"sub\":\"42\"}", "42"},
        {"{\"sub\":-7}", "-7"},
        {"{\"sub\":0}", "0"},
        {"{\"sub\":-0}", "0"},
        {"{\"sub\":4.2e1}", "42"},
        {"{\"sub\":9007199254740991}", "9007199254740991"},
        {"{\"sub\":9007199254740993}", "9007199254740993"},
        {"{\"name\":\"\\\"sub\\\":1\",\"x\":{\"sub\":2},\"sub\" : -9223372036854775807 }",
         "-9223372036854775807"},
        {"{\"sub\":\"}{: \"}", "}{: "},
        {"{\"sub\":\"\\u00e9\xc3\xa9\"}", "\xc3\xa9\xc3\xa9"},
        {"{\"userId\":\"x\"}", "x"},
        {"{\"userId\":3,\"sub\":\"first\"}", "first"},
    };
    static const char *const wrong[] = {"{\"sub\":\"\"}",
                                        "{\"sub\":\"\",\"userId\":1}",
                                        "{\"sub\":null,\"userId\":1}",
                                        "{\"sub\":1.5}",
                                        "{\"sub\":true}",
                                        "{\"sub\":1e300}",
                                        "{\"sub\":[\"u\"]}",
                                        "{\"sub\":{}}",
                                        "{\"sub\":\"a\\nb\"}",
                                        "{\"sub\":\"\\u007f\"}",
                                        "{\"sub\":\"\\u001f\"}",
                                        "{\"sub\":1,\"sub\":2}",
                                        "{\"userId\":false}"};
    struct config config = {0};
    struct claims claims;

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_holds(verify_claims(&config, right[i].payload, &claims));
        assert_string_equal(claims.user, right[i].user);
        assert_int_equal(claims.user_len, strlen(right[i].user));
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused("the token's user is not valid",
                       verify_claims(&config, wrong[i], &claims));
    }
    assert_refused("the token names no user", verify_claims(&config, "{}", &claims));
    assert_refused("the token names no user",
                   verify_claims(&config, "{\"Sub\":\"u\",\"userid\":1}", &claims));
    config.jwt_user_claim = "name";
    assert_holds(verify_claims(&config, "{\"name\":\"n\",\"sub\":[]}", &claims));
    assert_string_equal(claims.user, "n");
    assert_refused("the token names no user",
                   verify_claims(&config, "{\"sub\":\"u\",\"userId\":\"u\"}", &claims));
}

static void a_user_has_up_to_128_bytes(void **state)
{
    struct config config = {0};
    struct claims claims;
    char payload[256], user[AUTH_USER_MAX + 2];

    (void)state;
    memset(user, 'u', sizeof(user));
    snprintf(payload, sizeof(payload), "{\"sub\":\"%.128s\"}", user);
    assert_holds(verify_claims(&config, payload, &claims));
    assert_int_equal(claims.user_len, 128);
    assert_int_equal(strlen(claims.user), 128);
    snprintf(payload, sizeof(payload), "{\"sub\":\"%.129s\"}", user);
    assert_refused("the token's user is not valid", verify_claims(&config, payload, &claims));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_up_to_8192_characters),
        cmocka_unit_test(a_token_holds_from_nbf_until_exp),
        cmocka_unit_test(claims_of_another_kind_are_refused),
        cmocka_unit_test(issuer_and_audience_are_checked_when_given),
        cmocka_unit_test(the_user_is_text_or_an_integer),
        cmocka_unit_test(a_user_has_up_to_128_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
