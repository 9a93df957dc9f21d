/* HTTP at its bounds: limits to the byte, and what is no request. */
#include "test/unit/http_stage.h"

/* ---- limits ---- */

static void the_head_may_have_8_kib_and_not_a_byte_more(void **state)
{
    struct buf text = {0};
    /* what counts: the target, names and values, and four bytes for the marks of each header */
    size_t most = HEAD_MAX -
                  strlen("/healthz"
                         "Host"
                         "a"
                         "X") -
                  4 - 4;

    (void)state;
    for (size_t len = most - 3; len <= most + 3; len++) {
        filled(&text, "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", len, "\r\n\r\n");
        assert_int_equal(status_of(buf_str(&text)), len <= most ? 200 : 431);
    }
    filled(&text, "GET /healthz?", HEAD_MAX, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(status_of(buf_str(&text)), 431);
    filled(&text, "GET /healthz HTTP/1.1\r\nHost: a\r\n", HEAD_MAX, ": a\r\n\r\n");
    assert_int_equal(status_of(buf_str(&text)), 431);
    buf_finish(&text);
}

static void there_may_be_64_headers_and_not_one_more(void **state)
{
    struct buf text = {0};

    (void)state;
    for (int count = 63; count <= 66; count++) {
        buf_clear(&text);
        buf_add_text(&text, "GET /healthz HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < count; i++) {
            buf_add_text(&text, "X: y\r\n");
        }
        buf_add_text(&text, "\r\n");
        assert_int_equal(status_of(buf_str(&text)), count <= 64 ? 200 : 431);
    }
    buf_finish(&text);
}

static void a_head_that_never_ends_is_refused(void **state)
{
    struct client client = client_open();
    const struct conn *conn = stage_conn();

    (void)state;
    client_push(&client, STR("GET / HTTP/1.1\r\n"));
    for (int i = 0; i < 3000 && client.got.len == 0; i++) {
        client_send(&client, conn, STR("A: b\r\n"));
        client_look(&client);
    }
    client_wait_end(&client);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 431 ")));
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_TOO_LARGE], 1);
    client_close(&client);
}

static void a_body_may_be_as_long_as_a_message(void **state)
{
    struct buf text = {0};
    char head[128];

    (void)state;
    for (size_t len = stage.config.max_message - 1; len <= stage.config.max_message + 1;
         len++) {
        int expected = len <= stage.config.max_message ? 200 : 413;

        snprintf(head, sizeof(head),
                 "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
        assert_int_equal(status_of(filled(&text, head, len, "")), expected);
        snprintf(
            head, sizeof(head),
            "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
            len);
        assert_int_equal(status_of(filled(&text, head, len, "\r\n0\r\n\r\n")), expected);
    }
    buf_finish(&text);
}

static void a_large_body_is_refused_before_it_came(void **state)
{
    (void)state;
    assert_int_equal(status_of(STR("GET /healthz HTTP/1.1\r\nHost: a\r\n"
                                   "Content-Length: 100000\r\n\r\n")),
                     413);
    assert_int_equal(status_of(STR("POST /nothing HTTP/1.1\r\nHost: a\r\n"
                                   "Content-Length: 18446744073709551615\r\n\r\nabc")),
                     404); /* which it would be anyway */
    assert_int_equal(
        status_of(STR("POST /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 5\r\n\r\n")),
        404);
}

static void a_body_of_a_refused_request_is_read_and_the_connection_stays(void **state)
{
    struct buf text = {0};
    struct client client = client_open();

    (void)state;
    filled(&text, "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", 60000,
           GET_HEALTH);
    client_push(&client, buf_str(&text));
    client_wait(&client, 12);
    assert_memory_equal(client.got.at, "HTTP/1.1 404", 12);
    while (client.got.len < 4 || memcmp(client.got.at + client.got.len - 4, "\nok\n", 4) != 0) {
        client_wait(&client, client.got.len + 1);
    }
    buf_finish(&text);
    client_close(&client);
}

static void an_endless_body_is_refused_on_its_way(void **state)
{
    struct buf text = {0};
    struct client client = client_open();
    const struct conn *conn = stage_conn();

    (void)state;
    client_push(&client, STR("POST /nothing HTTP/1.1\r\nHost: a\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"));
    filled(&text, "400\r\n", 1024, "\r\n");
    for (int i = 0; i < 100 && client.got.len == 0; i++) {
        client_send(&client, conn, buf_str(&text));
        client_look(&client);
    }
    client_wait_end(&client);
    assert_memory_equal(client.got.at, "HTTP/1.1 404", 12); /* not 413: the order of refusals */
    buf_finish(&text);
    client_close(&client);
}

static void fields_behind_a_body_are_read_over_within_bounds(void **state)
{
    static const char *const head = "GET /healthz HTTP/1.1\r\nHost: a\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ";
    struct buf text = {0};
    struct client client;

    (void)state;
    assert_int_equal(status_of(filled(&text, head, 8000, "\r\n\r\n")), 200);
    assert_int_equal(status_of(filled(&text, head, 9000, "\r\n\r\n")), 431);
    client = client_open();
    for (int i = 0; i < 3; i++) { /* each request has bounds of its own */
        client_push(&client, filled(&text, head, 8000, "\r\n\r\n"));
        assert_answers(&client, OK);
    }
    client_close(&client);
    buf_finish(&text);
}

/* ---- what is no request ---- */

#define H "GET /healthz HTTP/1.1\r\nHost: a\r\n"
static const struct str bad[] = {
    STR_OF("GET /healthz HTTP/1.1\r\n\r\n"),
    STR_OF("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    STR_OF("GET healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF("GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n"),
    STR_OF("GET /healthz HTTP/0.9\r\nHost: a\r\n\r\n"),
    STR_OF("GET /healthz HTTX/1.1\r\nHost: a\r\n\r\n"),
    STR_OF("GET /healthz\r\n\r\n"),
    STR_OF("GET\r\n\r\n"),
    STR_OF("get /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF("NONSENSE /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    STR_OF("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    STR_OF("\x81\x85\x00\x00\x00\x00hello"),
    STR_OF("GET /heal\0thz HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF(H "A: b\0c\r\n\r\n"),
    STR_OF(H "A: b\rc\r\n\r\n"),
    STR_OF(H "A: \rc\r\n\r\n"),
    STR_OF(H "Content-Length: 3\r\nA: \rabc"),
    STR_OF("GET /healthz HTTP/1.1\rHost: a\r\n\r\n"),
    STR_OF("\rGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_OF(H "A\0: b\r\n\r\n"),
    STR_OF(H "A : b\r\n\r\n"),
    STR_OF(H ": b\r\n\r\n"),
    STR_OF(H "A b\r\n\r\n"),
    STR_OF(H "A: b\r\n c\r\n\r\n"),
    STR_OF(H " A: b\r\n\r\n"),
    STR_OF(H "Content-Length: -1\r\n\r\n"),
    STR_OF(H "Content-Length: +1\r\n\r\nx"),
    STR_OF(H "Content-Length: 1 1\r\n\r\nx"),
    STR_OF(H "Content-Length: 0x1\r\n\r\nx"),
    STR_OF(H "Content-Length: 1,1\r\n\r\nx"),
    STR_OF(H "Content-Length: 18446744073709551616\r\n\r\nx"),
    STR_OF(H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    STR_OF(H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"),
    STR_OF(H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    STR_OF(H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    STR_OF(H "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\n\r\n0\r\nA: \rGET / HTTP/1.1\r\n\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\n\r\n-1\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"),
    STR_OF(H "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n"),
};
#undef H

static void malformed_requests_are_400_and_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int status = status_of(bad[i]);

        if (status != 400) {
            fail_msg("%d: %.*s", status, STR_ARG(bad[i]));
        }
    }
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_BAD_REQUEST],
                     sizeof(bad) / sizeof(bad[0]));
}

static void nothing_is_answered_behind_a_malformed_request(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR(GET_HEALTH "GET nothing\r\n\r\n" GET_HEALTH));
    client_wait_end(&client);
    assert_int_equal(answers_in(buf_text(&client.got)), 2);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_head_may_have_8_kib_and_not_a_byte_more),
        TEST(there_may_be_64_headers_and_not_one_more),
        TEST(a_head_that_never_ends_is_refused),
        TEST(a_body_may_be_as_long_as_a_message),
        TEST(a_large_body_is_refused_before_it_came),
        TEST(a_body_of_a_refused_request_is_read_and_the_connection_stays),
        TEST(an_endless_body_is_refused_on_its_way),
        TEST(fields_behind_a_body_are_read_over_within_bounds),
        TEST(malformed_requests_are_400_and_the_end),
        TEST(nothing_is_answered_behind_a_malformed_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
