/* Requests: look-ups in headers, query and cookies, whatever bytes stand there. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/request.h"

static void add(struct request *request, const char *name, const char *value)
{
    assert_true(request->header_count < REQUEST_HEADERS_MAX);
    request->headers[request->header_count].name = str_of(name);
    request->headers[request->header_count].value = str_of(value);
    request->header_count++;
}

static struct request with_query(const char *query)
{
    struct request request = {0};

    request.query = str_of(query);
    return request;
}

static struct request with_cookie(const char *cookie)
{
    struct request request = {0};

    add(&request, "Cookie", cookie);
    return request;
}

static void assert_query(const char *query, const char *name, const char *expected)
{
    struct request request = with_query(query);
    struct str value = request_query(&request, str_of(name));

    if (expected) {
        assert_non_null(value.at);
        assert_str(value, expected);
    } else {
        assert_null(value.at);
        assert_int_equal(value.len, 0);
    }
}

static void assert_cookie(const char *cookie, const char *name, const char *expected)
{
    struct request request = with_cookie(cookie);
    struct str value = request_cookie(&request, str_of(name));

    if (expected) {
        assert_non_null(value.at);
        assert_str(value, expected);
    } else {
        assert_null(value.at);
        assert_int_equal(value.len, 0);
    }
}

static void the_first_header_of_a_name_counts_in_any_case(void **state)
{
    struct request request = {0};

    (void)state;
    assert_null(request_header(&request, STR("host")).at);
    add(&request, "Host", "one");
    add(&request, "HOST", "two");
    add(&request, "X-Empty", "");
    request.headers[request.header_count].name = STR("x-null");
    request.header_count++;
    assert_str(request_header(&request, STR("host")), "one");
    assert_non_null(request_header(&request, STR("x-empty")).at);
    assert_non_null(request_header(&request, STR("X-Null")).at);
    assert_int_equal(request_header(&request, STR("x-null")).len, 0);
    assert_null(request_header(&request, STR("hos")).at);
    assert_null(request_header(&request, STR("")).at);
}

static void the_last_of_all_headers_is_found(void **state)
{
    struct request request = {0};

    (void)state;
    while (request.header_count < REQUEST_HEADERS_MAX - 1) {
        add(&request, "x", "y");
    }
    add(&request, "last", "here");
    assert_str(request_header(&request, STR("Last")), "here");
    assert_true(request_header_has(&request, STR("last"), STR("HERE")));
}

static void a_word_is_found_in_any_list_of_that_name(void **state)
{
    struct request request = {0};

    (void)state;
    add(&request, "Connection", "keep-alive, ,foo");
    add(&request, "connection", "\tUPGRADE ");
    add(&request, "upgrade", "websocket");
    assert_true(request_header_has(&request, STR("Connection"), STR("upgrade")));
    assert_true(request_header_has(&request, STR("Connection"), STR("Keep-Alive")));
    assert_true(request_header_has(&request, STR("Connection"), STR("FOO")));
    assert_false(request_header_has(&request, STR("Connection"), STR("websocket")));
    assert_false(request_header_has(&request, STR("Connection"), STR("keep")));
    assert_false(request_header_has(&request, STR("Connection"), STR("keep-alive,")));
    assert_false(request_header_has(&request, STR("Connection"), STR("")));
    assert_false(request_header_has(&request, STR("Te"), STR("upgrade")));
}

static void a_query_parameter_is_found_by_its_whole_name(void **state)
{
    (void)state;
    assert_query("token=abc", "token", "abc");
    assert_query("a=1&token=abc&b=2", "token", "abc");
    assert_query("atoken=1&token2=2&token=3", "token", "3");
    assert_query("token=one&token=two", "token", "one");
    assert_query("Token=1", "token", NULL);
    assert_query("token=a=b==", "token", "a=b==");
    assert_query("token=a%26b+c", "token", "a%26b+c");
    assert_query("token=a;b", "token", "a;b");
}

static void an_empty_query_parameter_is_there(void **state)
{
    (void)state;
    assert_query("token=", "token", "");
    assert_query("token", "token", "");
    assert_query("&&token&&", "token", "");
    assert_query("", "token", NULL);
    assert_query("&", "token", NULL);
    assert_query("&", "", NULL);
    assert_query("=", "token", NULL);
    assert_query("=x", "", "x");
    assert_query("tok", "token", NULL);
}

static void a_request_without_query_has_no_parameter(void **state)
{
    struct request request = {0};

    (void)state;
    assert_null(request_query(&request, STR("token")).at);
    assert_null(request_cookie(&request, STR("token")).at);
    assert_false(request_header_has(&request, STR("token"), STR("x")));
}

static void a_cookie_is_found_by_its_whole_name(void **state)
{
    (void)state;
    assert_cookie("token=abc", "token", "abc");
    assert_cookie("a=1; token=abc; b=2", "token", "abc");
    assert_cookie("a=1;token=abc;b=2", "token", "abc");
    assert_cookie("atoken=1; token2=2; token=3", "token", "3");
    assert_cookie("Token=1", "token", NULL);
    assert_cookie("token=one; token=two", "token", "one");
    assert_cookie(" token = abc ; x=y", "token", "abc");
    assert_cookie("token=a=b", "token", "a=b");
}

static void quotes_around_a_cookie_are_taken_off(void **state)
{
    (void)state;
    assert_cookie("token=\"abc\"", "token", "abc");
    assert_cookie("token=\"\"", "token", "");
    assert_cookie("token=\"", "token", "\"");
    assert_cookie("token=\"abc", "token", "\"abc");
    assert_cookie("token=abc\"", "token", "abc\"");
    assert_cookie("token=\"a\"b\"", "token", "a\"b");
}

static void odd_cookies_are_no_cookies(void **state)
{
    (void)state;
    assert_cookie("token", "token", NULL);
    assert_cookie(";;;", "token", NULL);
    assert_cookie("", "token", NULL);
    assert_cookie("=token", "token", NULL);
    assert_cookie("token=", "token", "");
    assert_cookie("; ;token=;", "token", "");
}

static void cookies_of_several_headers_are_searched_in_order(void **state)
{
    struct request request = {0};

    (void)state;
    add(&request, "Cookie", "a=1; b=2");
    add(&request, "X-Cookie", "token=no");
    add(&request, "COOKIE", "token=first");
    add(&request, "Cookie", "token=second");
    assert_str(request_cookie(&request, STR("token")), "first");
    assert_str(request_cookie(&request, STR("b")), "2");
}

static void a_value_never_leaves_the_request(void **state)
{
    static const char letters[] = "a=;&\" ,";
    enum {
        LEN = 5
    };
    unsigned total = 1;

    (void)state;
    for (int i = 0; i < LEN; i++) {
        total *= sizeof(letters) - 1;
    }
    for (unsigned n = 0; n < total; n++) {
        char text[LEN + 1] = {0};
        struct str values[2];
        struct request request = {0};
        unsigned rest = n;

        for (int i = 0; i < LEN; i++, rest /= sizeof(letters) - 1) {
            text[i] = letters[rest % (sizeof(letters) - 1)];
        }
        add(&request, "cookie", text);
        request.query = str_of(text);
        values[0] = request_cookie(&request, STR("a"));
        values[1] = request_query(&request, STR("a"));
        for (int i = 0; i < 2; i++) {
            assert_true(!values[i].at || (values[i].at > text && values[i].at <= text + LEN &&
                                          values[i].at + values[i].len <= text + LEN));
        }
        assert_true(!values[0].at || !memchr(values[0].at, ';', values[0].len));
        assert_true(!values[1].at || !memchr(values[1].at, '&', values[1].len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_header_of_a_name_counts_in_any_case),
        cmocka_unit_test(the_last_of_all_headers_is_found),
        cmocka_unit_test(a_word_is_found_in_any_list_of_that_name),
        cmocka_unit_test(a_query_parameter_is_found_by_its_whole_name),
        cmocka_unit_test(an_empty_query_parameter_is_there),
        cmocka_unit_test(a_request_without_query_has_no_parameter),
        cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
        cmocka_unit_test(quotes_around_a_cookie_are_taken_off),
        cmocka_unit_test(odd_cookies_are_no_cookies),
        cmocka_unit_test(cookies_of_several_headers_are_searched_in_order),
        cmocka_unit_test(a_value_never_leaves_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
