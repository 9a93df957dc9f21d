/* Where a request may carry its token, and which place counts. */
#include "test/unit/unit.h"

#include <string.h>

#include "gateway/auth.h"

static struct config config;
static struct auth *auth;
static struct request request;
static struct buf token;
static bool subprotocol;

static int start(void **state)
{
    char why[256];

    (void)state;
    config.token_cookies = (struct config_list){{"token", "sid"}, 2};
    config.token_headers = (struct config_list){{"x-token", "x-other"}, 2};
    auth = auth_create(&config, why, sizeof(why));
    return auth == NULL;
}

static int finish(void **state)
{
    (void)state;
    auth_destroy(auth);
    buf_finish(&token);
    return 0;
}

static int anew(void **state)
{
    (void)state;
    request = (struct request){0};
    return 0;
}

static void add(const char *name, const char *value)
{
    request.headers[request.header_count++] =
        (struct request_header){str_of(name), str_of(value)};
}

static bool find(void)
{
    buf_clear(&token);
    return auth_find(auth, &request, &token, &subprotocol);
}

/* The request carries exactly this token. */
#define assert_found(text)                                                                     \
    do {                                                                                       \
        assert_true(find());                                                                   \
        assert_str(buf_str(&token), text);                                                     \
    } while (0)

static void no_place_no_token(void **state)
{
    (void)state;
    request.query = STR("tokens=x&Token=y&room=token");
    add("Cookie", "other=x; tokens=y");
    add("Sec-WebSocket-Protocol", "chat, Bearer, x");
    add("X-Tokens", "x");
    assert_false(find());
    assert_false(subprotocol);
    assert_int_equal(token.len, 0);
}

static void every_place_is_looked_at(void **state)
{
    (void)state;
    add("Authorization", "Bearer a.b.c");
    assert_found("a.b.c");
    anew(NULL);
    request.query = STR("x=1&token=a.b.c&y=2");
    assert_found("a.b.c");
    anew(NULL);
    add("cookie", "x=1; token=a.b.c; y=2");
    assert_found("a.b.c");
    anew(NULL);
    add("Cookie", "sid=\"a.b.c\"");
    assert_found("a.b.c");
    assert_false(subprotocol);
    anew(NULL);
    add("Sec-WebSocket-Protocol", "bearer, a.b.c");
    assert_found("a.b.c");
    assert_true(subprotocol);
    anew(NULL);
    add("X-Token", " a.b.c ");
    assert_found("a.b.c");
    anew(NULL);
    add("x-other", "a.b.c");
    assert_found("a.b.c");
    assert_false(subprotocol);
}

/* A request with that cookie, from a page of that origin, to that host. */
static bool cookie_counts(const char *origin, const char *host)
{
    anew(NULL);
    add("Cookie", "token=a.b.c");
    add("Host", host);
    if (origin != NULL) {
        add("Origin", origin);
    }
    return find();
}

static void a_cookie_counts_for_our_own_pages_and_for_those_that_are_named(void **state)
{
    (void)state;
    config.origins = (struct config_list){{"*", "https://app.example", "https://*.org"}, 3};
    assert_true(cookie_counts(NULL, "gw.example"));
    assert_true(cookie_counts("", "gw.example"));
    assert_true(cookie_counts("https://gw.example", "gw.example"));
    assert_true(cookie_counts("http://gw.example:8080", "GW.example:8080"));
    assert_true(cookie_counts("http://[::1]:8080", "[::1]:8080"));
    assert_true(cookie_counts("https://app.example", "gw.example"));
    assert_true(cookie_counts("https://my.org", "gw.example"));
    assert_false(cookie_counts("https://evil.example", "gw.example"));
    assert_false(cookie_counts("https://gw.example.evil", "gw.example"));
    assert_false(cookie_counts("https://evil.gw.example", "gw.example"));
    assert_false(cookie_counts("http://app.example", "gw.example"));
    assert_false(cookie_counts("https://gw.example:444", "gw.example"));
    assert_false(cookie_counts("null", "gw.example"));
    assert_false(cookie_counts("gw.example", "gw.example"));
    assert_false(cookie_counts("https:gw.example", "gw.example"));
    assert_false(cookie_counts("https://", "gw.example"));
    config.origins = (struct config_list){{"*"}, 1};
}

static void a_cookie_of_another_page_hides_no_place_behind_it(void **state)
{
    (void)state;
    assert_false(cookie_counts("https://evil.example", "gw.example"));
    assert_true(auth_passed_over(auth, &request));
    add("Sec-WebSocket-Protocol", "bearer, x.y.z");
    assert_found("x.y.z");
    anew(NULL);
    add("Origin", "https://evil.example");
    assert_false(auth_passed_over(auth, &request));
}

/* From the last place to the first: each new one wins. */
static void the_first_place_in_the_order_counts(void **state)
{
    (void)state;
    add("x-other", "7");
    assert_found("7");
    add("x-token", "6");
    assert_found("6");
    add("sec-websocket-protocol", "bearer, 5");
    assert_found("5");
    add("cookie", "sid=4");
    assert_found("4");
    add("cookie", "token=3");
    assert_found("3");
    request.query = STR("token=2");
    assert_found("2");
    add("authorization", "Bearer 1");
    assert_found("1");
    /* A browser that offered it insists that it is selected. */
    assert_true(subprotocol);
}

static void a_place_that_is_empty_still_counts(void **state)
{
    (void)state;
    add("x-token", "");
    assert_found("");
    add("sec-websocket-protocol", "bearer");
    assert_found("");
    assert_true(subprotocol);
    add("cookie", "token=");
    assert_found("");
    request.query = STR("token=");
    assert_found("");
    request.query = STR("token");
    assert_found("");
    add("authorization", "Bearer");
    assert_found("");
    anew(NULL);
    add("authorization", "Bearer ");
    request.query = STR("token=x");
    assert_found("");
}

static void the_scheme_is_bearer_in_any_case(void **state)
{
    static const char *const others[] = {"Basic dXNlcjpwYXNz", "Bearerx a", "", " ", "a.b.c",
                                         "Digest a",           "Bearer\ta"};

    (void)state;
    add("AUTHORIZATION", "bEARER   a.b.c  ");
    assert_found("a.b.c");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        anew(NULL);
        add("authorization", others[i]);
        assert_false(find());
        request.query = STR("token=x");
        assert_found("x");
    }
}

static void the_query_is_decoded(void **state)
{
    (void)state;
    request.query = STR("token=a%2Eb%2ec");
    assert_found("a.b.c");
    request.query = STR("token=a%2");
    assert_found("");
    request.query = STR("token=a%zz.b.c");
    assert_found("");
    request.query = STR("token=a%00b");
    assert_true(find());
    assert_true(str_equal(buf_str(&token), STR("a\0b")));
}

static void the_subprotocol_may_stand_among_others(void **state)
{
    (void)state;
    add("Sec-WebSocket-Protocol", "chat,bearer ,  a.b.c, more");
    assert_found("a.b.c");
    anew(NULL);
    add("Sec-WebSocket-Protocol", "bearer");
    add("Other", "x");
    add("Sec-WebSocket-Protocol", "a.b.c");
    assert_found("a.b.c");
    anew(NULL);
    add("Sec-WebSocket-Protocol", "bearer, bearer");
    assert_found("bearer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_place_no_token, anew),
        cmocka_unit_test_setup(every_place_is_looked_at, anew),
        cmocka_unit_test_setup(the_first_place_in_the_order_counts, anew),
        cmocka_unit_test_setup(a_cookie_counts_for_our_own_pages_and_for_those_that_are_named,
                               anew),
        cmocka_unit_test_setup(a_cookie_of_another_page_hides_no_place_behind_it, anew),
        cmocka_unit_test_setup(a_place_that_is_empty_still_counts, anew),
        cmocka_unit_test_setup(the_scheme_is_bearer_in_any_case, anew),
        cmocka_unit_test_setup(the_query_is_decoded, anew),
        cmocka_unit_test_setup(the_subprotocol_may_stand_among_others, anew),
    };

    return cmocka_run_group_tests(tests, start, finish);
}
